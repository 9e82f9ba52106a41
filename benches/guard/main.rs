//! Counts the instructions that the hot paths take, and compares with what is recorded: unlike times, counts
//! are the same on a busy machine. `benches/guard/run` starts it; `--bless` records anew.

mod counts;
mod fabric;
mod kernels;
mod routes;
mod valgrind;
#[path = "../parse/work.rs"]
mod work;

use std::process::ExitCode;

use counts::Counts;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        None => check(),
        Some("--bless") => bless(),
        Some("--kernel") => {
            kernels::run(&arguments.next().unwrap_or_default());
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("{other}? There is --bless, and --kernel NAME.");
            ExitCode::from(2)
        }
    }
}

fn check() -> ExitCode {
    let Some(recorded) = Counts::recorded().filter(|recorded| !recorded.is_empty()) else {
        println!("Nothing is recorded: benches/guard/run --bless.");
        return ExitCode::FAILURE;
    };
    if !recorded.are_of_the_pinned() {
        println!("Recorded with {}, but the project is built with {}.", recorded.toolchain, counts::pinned());
        return ExitCode::FAILURE;
    }
    let counted = Counts::now();
    let differences = recorded.differences(&counted);
    print!("{differences}");
    if differences.are_within_band() {
        return ExitCode::SUCCESS;
    }
    if recorded.toolchain != counted.toolchain {
        println!("counted with {}, recorded with {}: no failure", counted.toolchain, recorded.toolchain);
        return ExitCode::SUCCESS;
    }
    println!("If that is meant: benches/guard/run --bless, and say in the commit what it is for.");
    ExitCode::FAILURE
}

fn bless() -> ExitCode {
    let counted = Counts::now();
    if counted.is_empty() || !counted.are_of_the_pinned() {
        println!("Counted with {}: the record is of {} alone.", counted.toolchain, counts::pinned());
        return ExitCode::FAILURE;
    }
    print!("{}", Counts::recorded().unwrap_or_default().differences(&counted));
    counted.record();
    ExitCode::SUCCESS
}
