//! `cargo xtask tidy`: the rules that no compiler knows. Every breach is listed before it fails.

mod edges;
mod fuzz_targets;
mod licences;
mod names;
mod sources;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::cargo;

/// What the rules found.
#[derive(Debug, Default)]
struct Findings {
    /// Each says where, what was found, and what is wanted.
    breaches: Vec<String>,
    /// Worth a look, no reason to fail.
    warnings: Vec<String>,
}

/// # Errors
/// Where a rule is broken, or the checkout cannot be read.
pub(crate) fn run() -> Result<()> {
    let root = cargo::root();
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata: is Cargo.lock up to date?")?;
    let sources = sources::of(&root)?;
    let mut findings = Findings::default();
    edges::check(&metadata, &mut findings);
    licences::check(&mut findings)?;
    names::check(&sources, &mut findings);
    sources::check(&sources, &mut findings);
    fuzz_targets::check(&sources, &mut findings)?;
    for warning in &findings.warnings {
        eprintln!("warning: {warning}");
    }
    for breach in &findings.breaches {
        eprintln!("{breach}");
    }
    match findings.breaches.len() {
        0 => Ok(()),
        count => bail!("{count} broken rule(s), listed above"),
    }
}
