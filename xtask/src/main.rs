//! The project's own commands, `cargo xtask COMMAND`: what continuous integration runs, one by one or all together.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "the walls guard the product; a build tool reads files and clocks"
)]
#![expect(
    clippy::print_stdout,
    reason = "what a command found is its output; progress goes to stderr"
)]

mod bench_peers;
mod cargo;
mod chaos;
mod ci;
mod clippy;
mod docs;
mod fmt;
mod fuzz;
mod load;
mod results;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that the code is formatted
    Fmt,
    /// Check crate edges, licences, names and other rules that no compiler knows
    Tidy,
    /// Run clippy on everything; a warning fails
    Clippy,
    /// Run every test
    Test(test::Options),
    /// Build the documentation; a warning fails
    Docs,
    /// All of the above, in that order; the first failure ends it
    Ci,
    /// Fuzz whatever reads bytes from outside
    Fuzz(fuzz::Options),
    /// Measure bellwether beside other libraries, in one run
    BenchPeers(bench_peers::Options),
    /// Measure the live system under load
    Load(load::Options),
    /// Break things under the live system, and check what it promises
    Chaos(chaos::Options),
    /// Measure quality and speed, and write docs/results.md
    Results(results::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Fmt => fmt::run(),
        Command::Tidy => tidy::run(),
        Command::Clippy => clippy::run(),
        Command::Test(options) => test::run(&options),
        Command::Docs => docs::run(),
        Command::Ci => ci::run(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::BenchPeers(options) => bench_peers::run(&options),
        Command::Load(options) => load::run(&options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Results(options) => results::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
