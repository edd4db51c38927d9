//! Which licences a dependency may come under.

use std::collections::BTreeSet;

use anyhow::Result;
use spdx::{Expression, LicenseReq, ParseMode};

use super::Findings;
use crate::cargo;

/// One of these must be open to us, whatever else the dependency offers.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Zlib",
];

/// Where bellwether is built to run.
const PLATFORMS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

/// # Errors
/// Where cargo cannot tell what we depend on.
pub(super) fn check(findings: &mut Findings) -> Result<()> {
    // Not `cargo metadata`: it lists what other platforms' features would pull in, though nothing here builds it.
    let mut tree = cargo::cargo([
        "tree",
        "--workspace",
        "--locked",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
    ]);
    tree.args(["--format", "{p}|{l}"]);
    for platform in PLATFORMS {
        tree.args(["--target", platform]);
    }
    let listed = cargo::read(&mut tree)?;
    // What stands a second time is marked by a star.
    let packages: BTreeSet<&str> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    for (package, licence) in packages.iter().filter_map(|line| line.split_once('|')) {
        if let Some(breach) = breach(licence) {
            let allowed = ALLOWED.join(", ");
            findings
                .breaches
                .push(format!("Cargo.lock: {package} {breach}; want one of {allowed}"));
        }
    }
    Ok(())
}

/// What is wrong with a licence expression, if anything. Cargo's old `MIT/Apache-2.0` reads as `OR`.
fn breach(expression: &str) -> Option<String> {
    if expression.is_empty() {
        return Some("states no licence".to_owned());
    }
    match Expression::parse_mode(expression, ParseMode::LAX) {
        Ok(parsed) if parsed.evaluate(is_allowed) => None,
        Ok(_) => Some(format!("is under {expression:?}")),
        Err(error) => Some(format!(
            "has a licence that does not read, {expression:?}: {}",
            error.reason
        )),
    }
}

/// An exception only ever permits more, so `Apache-2.0 WITH LLVM-exception` is as good as `Apache-2.0`.
fn is_allowed(wanted: &LicenseReq) -> bool {
    wanted.license.id().is_some_and(|id| ALLOWED.contains(&id.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, allowed: bool) {
        let found = breach(expression);
        assert_eq!(found.is_none(), allowed, "{expression}: {found:?}");
    }

    #[test]
    fn one_open_alternative_suffices() {
        check("MIT", true);
        check("MIT OR Apache-2.0", true);
        check("MIT/Apache-2.0", true);
        check("Unlicense OR MIT", true);
        check("GPL-3.0-only OR MIT", true);
        check("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true);
    }

    #[test]
    fn every_joint_licence_must_be_open() {
        check("MIT AND BSD-3-Clause", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("MIT AND GPL-2.0-only", false);
        check("(MIT OR GPL-2.0-only) AND (ISC OR AGPL-3.0-only)", true);
    }

    #[test]
    fn anything_else_is_refused() {
        check("CC0-1.0", false);
        check("AGPL-3.0-or-later", false);
        check("LicenseRef-house", false);
        check("ask us", false);
        check("", false);
    }
}
