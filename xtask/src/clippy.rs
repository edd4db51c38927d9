//! `cargo xtask clippy`: no warning of the compiler or of clippy, tests and benches included.

use anyhow::Result;

use crate::cargo;

/// # Errors
/// Where there is a warning.
pub(crate) fn run() -> Result<()> {
    cargo::ensure_component("clippy", "clippy")?;
    cargo::run(&mut cargo::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}
