//! The command `thirdleaf`.

use std::process::ExitCode;

use thirdleaf::cli::Cli;

fn main() -> ExitCode {
    match Cli::read(std::env::args_os()) {
        Ok(cli) => match cli.execute() {
            Ok(exit) => exit.into(),
            Err(error) => error.report(),
        },
        Err(exit) => exit,
    }
}
