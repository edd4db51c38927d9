//! `cargo xtask fuzz`: bytes from outside must never make a reader panic, hang or swell.

use std::process::Command;

use anyhow::{Result, bail};
use cargo_metadata::MetadataCommand;
use clap::Args;

use crate::cargo;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Time for each target
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// This target alone
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// Runs each target from its seeds and from what earlier runs found.
///
/// # Errors
/// Where cargo-fuzz cannot be had, a target is unknown, or one finds an input that breaks its reader.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut targets = targets()?;
    if let Some(wanted) = &options.target {
        if !targets.contains(wanted) {
            bail!("no fuzz target {wanted:?}: have {}", targets.join(", "));
        }
        targets.retain(|target| target == wanted);
    }
    ensure_cargo_fuzz()?;
    for target in &targets {
        let corpus = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(cargo::root().join(&corpus))?;
        let mut command = cargo_fuzz();
        command.args(["run", target, &corpus, &format!("fuzz/seeds/{target}"), "--"]);
        command.arg(format!("-max_total_time={}", options.seconds));
        // One input may take neither ten seconds nor half a gigabyte at a time. The sanitizer's own memory is extra.
        command.args(["-timeout=10", "-malloc_limit_mb=512", "-rss_limit_mb=2048"]);
        cargo::run(&mut command)?;
    }
    Ok(())
}

/// The targets that `fuzz/Cargo.toml` names.
///
/// # Errors
/// Where the manifest does not read.
pub(crate) fn targets() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(cargo::root().join("fuzz/Cargo.toml"))
        .no_deps()
        .exec()?;
    let packages = metadata.packages.into_iter();
    Ok(packages
        .flat_map(|package| package.targets)
        .filter(|target| target.is_bin())
        .map(|target| target.name)
        .collect())
}

fn ensure_cargo_fuzz() -> Result<()> {
    if cargo::succeeds(&mut cargo::cargo(["fuzz", "--version"])) {
        return Ok(());
    }
    eprintln!("cargo-fuzz is missing: installing it");
    cargo::run(&mut cargo::cargo(["install", "cargo-fuzz", "--locked"]))
}

/// `cargo fuzz` under a nightly compiler, or under ours told to act like one: sanitizers are not stable.
fn cargo_fuzz() -> Command {
    let nightly = ["run", "nightly", "cargo"];
    if cargo::succeeds(cargo::program("rustup").args(nightly).arg("--version")) {
        let mut command = cargo::program("rustup");
        command.args(nightly).arg("fuzz");
        return command;
    }
    eprintln!("no nightly toolchain: fuzzing with the stable one");
    let mut command = cargo::cargo(["fuzz"]);
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}
