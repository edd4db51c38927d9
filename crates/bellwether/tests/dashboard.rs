//! The dashboard in a browser, against this program with a fleet that it has made: the tests under `dashboard/tests`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CHROMIUM: &str = "/usr/bin/chromium";

#[test]
fn the_dashboard_does_in_a_browser_what_it_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard");
    let chromium =
        std::env::var_os("BELLWETHER_CHROMIUM").map_or_else(|| PathBuf::from(CHROMIUM), PathBuf::from);
    let missing = [
        (!runs("npm"), "npm"),
        (
            !chromium.is_file(),
            "chromium (BELLWETHER_CHROMIUM says where it is)",
        ),
    ];
    if let Some((_, what)) = missing.into_iter().find(|(is_missing, _)| *is_missing) {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing");
        eprintln!("the_dashboard_does_in_a_browser_what_it_promises: skipped, {what} is missing");
        return;
    }
    if is_outdated(&folder) {
        assert!(npm(&folder, &["ci"]), "npm ci failed");
    }
    assert!(
        npm(&folder, &["run", "check"]),
        "the sources of the dashboard have mistakes: see above"
    );
    assert!(
        npm(&folder, &["test"]),
        "a test of the dashboard failed: see above"
    );
}

/// Whether what is installed is not what the lock says; npm leaves a copy of the lock when it is done.
fn is_outdated(folder: &Path) -> bool {
    let changed = |path: &str| {
        let facts = std::fs::metadata(folder.join(path));
        facts.and_then(|facts| facts.modified()).ok()
    };
    changed("node_modules/.package-lock.json") < changed("package-lock.json")
}

fn runs(program: &str) -> bool {
    let tried = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

fn npm(folder: &Path, args: &[&str]) -> bool {
    Command::new("npm")
        .args(args)
        .current_dir(folder)
        .env("BELLWETHER_BIN", assert_cmd::cargo::cargo_bin!("bellwether"))
        .status()
        .unwrap()
        .success()
}
