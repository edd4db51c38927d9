//! `cargo xtask docs`: the documentation of the code builds, and its links lead somewhere.

use anyhow::Result;

use crate::cargo;

/// # Errors
/// Where rustdoc warns.
pub(crate) fn run() -> Result<()> {
    let mut command = cargo::cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
