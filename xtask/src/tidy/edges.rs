//! Which crate of ours may use which: the walls of the architecture.

use cargo_metadata::{DependencyKind, Metadata};

use super::Findings;

const CORE: &str = "bellwether-core";
const NN: &str = "bellwether-nn";
const STORE: &str = "bellwether-store";
const STREAM: &str = "bellwether-stream";
const SERVE: &str = "bellwether-serve";
const TESTKIT: &str = "bellwether-testkit";

/// Each crate of ours and those it may use. Its tests may also use the test kit.
const EDGES: [(&str, &[&str]); 9] = [
    (CORE, &[]),
    (NN, &[CORE]),
    (STORE, &[CORE]),
    (STREAM, &[CORE, STORE]),
    (SERVE, &[CORE, STORE, STREAM]),
    ("bellwether", &[CORE, NN, STORE, STREAM, SERVE]),
    (TESTKIT, &[CORE]),
    // Its programs drive the live system with real peers.
    ("bellwether-bench", &[CORE, NN, STORE, TESTKIT]),
    ("xtask", &[]),
];

/// One crate of ours using another.
#[derive(Debug)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    is_dev: bool,
}

pub(super) fn check(metadata: &Metadata, findings: &mut Findings) {
    let ours = metadata.workspace_packages();
    for package in &ours {
        let from = package.name.as_str();
        if !EDGES.iter().any(|(name, _)| *name == from) {
            findings.breaches.push(format!(
                "{}: crate {from} has no place among the walls: say what it may use in EDGES",
                package.manifest_path
            ));
            continue;
        }
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let is_ours = ours.iter().any(|package| package.name.as_str() == to);
            let is_dev = dependency.kind == DependencyKind::Development;
            let edge = Edge { from, to, is_dev };
            if is_ours && let Some(breach) = breach(&edge) {
                findings
                    .breaches
                    .push(format!("{}: {breach}", package.manifest_path));
            }
        }
    }
}

/// What is wrong with the edge, if anything.
fn breach(edge: &Edge<'_>) -> Option<String> {
    let Edge { from, to, is_dev } = *edge;
    let (_, may_use) = EDGES.iter().find(|(name, _)| *name == from)?;
    if may_use.contains(&to) || (is_dev && to == TESTKIT && from != "xtask") {
        return None;
    }
    let may_use = if may_use.is_empty() {
        "no crate of ours".to_owned()
    } else {
        may_use.join(", ")
    };
    Some(format!("{from} uses {to}, may use {may_use}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, is_dev: bool, allowed: bool) {
        let found = breach(&Edge { from, to, is_dev });
        assert_eq!(found.is_none(), allowed, "{from} → {to}: {found:?}");
    }

    #[test]
    fn edges_are_as_drawn() {
        check("bellwether", NN, false, true);
        check(NN, CORE, false, true);
        check(CORE, NN, false, false);
        check(NN, STORE, false, false);
        check(STORE, NN, false, false);
        check(CORE, "bellwether", true, false);
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        check(CORE, TESTKIT, true, true);
        check(CORE, TESTKIT, false, false);
        check("bellwether", "bellwether-bench", false, false);
        check("xtask", TESTKIT, true, false);
    }
}
