//! `cargo xtask load`: the live system under load. The work is done by the program `load` of `bellwether-bench`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{bench_peers, cargo};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One scene alone
    #[arg(long, value_name = "SCENE")]
    only: Option<Scene>,
    /// How long each case is measured
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The program to measure [default: that of this checkout, built for release]
    #[arg(long, value_name = "FILE")]
    bin: Option<PathBuf>,
    /// The database, empty [default: an SQLite file, and PostgreSQL where it is installed]
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

/// # Errors
/// Where the build fails, or the live system breaks: an error, or a sample lost that was acknowledged. Never because the
/// machine is slow.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bin = match &options.bin {
        Some(bin) => std::path::absolute(bin)?,
        None => std::path::absolute(bench_peers::build()?)?,
    };
    let mut command = cargo::cargo([
        "run",
        "--release",
        "--package",
        "bellwether-bench",
        "--bin",
        "load",
        "--",
    ]);
    command.arg("--bin").arg(bin);
    command.args(["--seconds", &options.seconds.to_string()]);
    if let Some(only) = options.only {
        command.args(["--only", &value_name(only)]);
    }
    if let Some(database) = &options.database {
        command.args(["--database", database]);
    }
    command.args(["--format", &value_name(options.format)]);
    cargo::run(&mut command)
}

fn value_name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
