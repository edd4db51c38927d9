//! `cargo xtask test`: every test of every crate.

use anyhow::Result;
use clap::Args;

use crate::cargo;

/// What to run of the tests.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Handed to `cargo test`, such as part of a test's name
    #[arg(last = true)]
    more: Vec<String>,
}

/// Plain `cargo test`, so that what passes here passes for everyone.
///
/// # Errors
/// Where a test fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    cargo::run(cargo::cargo(["test", "--workspace", "--locked"]).args(&options.more))
}
