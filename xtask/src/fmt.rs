//! `cargo xtask fmt`: the code is formatted as `rustfmt.toml` says.

use anyhow::Result;

use crate::cargo;

/// Changes nothing; `cargo fmt --all` does.
///
/// # Errors
/// Where a file would change.
pub(crate) fn run() -> Result<()> {
    cargo::ensure_component("rustfmt", "fmt")?;
    cargo::run(&mut cargo::cargo(["fmt", "--all", "--check"]))?;
    // A workspace of its own: it needs a nightly compiler.
    cargo::run(&mut cargo::cargo([
        "fmt",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--check",
    ]))
}
