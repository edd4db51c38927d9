//! `cargo xtask chaos`: the live system when things go wrong. The work is done by the program `chaos` of
//! `bellwether-bench`.

use anyhow::Result;
use clap::Args;

use crate::{bench_peers, cargo};

/// What is to go wrong.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Handed to the program, such as `--only kills --kills 100`; `--help` tells all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// # Errors
/// Where the build fails or a promise does not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bin = std::path::absolute(bench_peers::build()?)?;
    let run = ["run", "--package", "bellwether-bench", "--bin", "chaos", "--"];
    cargo::run(cargo::cargo(run).arg("--bin").arg(bin).args(&options.more))
}
