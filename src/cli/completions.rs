//! `thirdleaf completions`: what a shell must know to complete our verbs and options.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Error, Exit};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For this shell
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(&self, out: &mut impl Write) -> Result<Exit, Error> {
        // The generator panics where it cannot write, so it writes where it always can.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "thirdleaf", &mut script);
        out.write_all(&script)?;
        Ok(Exit::FINE)
    }
}
