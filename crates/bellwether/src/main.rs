//! The binary: flags, wiring, exit codes. The one place that names concrete types of every crate.
//!
//! In reading order: [`cli`] is what people type; [`commands`] has a file per command; [`fitting`] makes a detector
//! of data, [`search`] chooses the settings of its networks, [`assessment`] says how good it is, [`publishing`] a version of a detector and [`artifact`] a bundle of a detector; [`contract`] reads what must hold of data; [`config`] reads the configuration of the
//! live system and [`wiring`] makes its parts, [`seams`] is what the service asks of the rest; [`output`] is how answers are shown, [`failure`] how errors are.
#![forbid(unsafe_code)]

mod architecture;
mod artifact;
mod assessment;
mod bench;
mod cli;
mod commands;
mod config;
mod contract;
mod failure;
mod fitting;
mod output;
mod per_device;
mod publishing;
mod report;
mod seams;
mod search;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// Keeps the pages of large buffers that are wanted again and again, where that of the system gives them back each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(&cli.global);
    if let Some(problem) = cli.form_problem() {
        let failure = failure::Failure::Usage(problem.to_owned());
        failure.print(&output);
        return failure.exit_code();
    }
    match commands::run(cli.command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&output);
            failure.exit_code()
        }
    }
}
