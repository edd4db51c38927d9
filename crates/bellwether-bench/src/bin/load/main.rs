//! The live system under load: `cargo xtask load`. It prints figures and fails only where something breaks.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "the walls guard the product; a benchmark measures time and reads /proc"
)]
#![expect(
    clippy::print_stdout,
    reason = "the figures are the output; progress goes to stderr"
)]

mod durable;
mod figures;
mod fleet;
mod ground;
mod http;
mod process;
mod rest;
mod server;
mod tape;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::figures::Figures;
use crate::ground::Ground;

/// The live system under load.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// One scene alone
    #[arg(long, value_name = "SCENE")]
    only: Option<Scene>,
    /// How long each case is measured
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The program to measure
    #[arg(long, value_name = "FILE")]
    bin: PathBuf,
    /// The database, empty; without it an SQLite file, and PostgreSQL where it is installed
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// What to print on stdout
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scene {
    /// As many samples as can be made durable
    Durable,
    /// The service: requests a second, and ten times as many
    Rest,
    /// 10,000 devices with one sample a second each, on one core
    Fleet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A figure a line
    Table,
    /// One document
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(figures) => {
            match arguments.format {
                Format::Table => print!("{}", figures.table()),
                Format::Json => println!("{:#}", figures.json()),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Figures> {
    let ground = Ground::prepare(&arguments.bin, arguments.database.clone())?;
    let seconds = Duration::from_secs(arguments.seconds);
    let mut figures = Figures::default();
    let wants = |scene| arguments.only.is_none_or(|only| only == scene);
    if wants(Scene::Durable) {
        durable::run(&ground, seconds, &mut figures)?;
    }
    if wants(Scene::Rest) {
        rest::run(&ground, seconds, &mut figures)?;
    }
    // Last, for it ties this process to one core.
    if wants(Scene::Fleet) {
        fleet::run(&ground, seconds, &mut figures)?;
    }
    Ok(figures)
}
