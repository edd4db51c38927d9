//! The service does what its document says: 5,000 requests made up from the document by an independent program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod service;
mod shared;

use std::process::Command;

use bellwether_testkit::peer::{program, wait_until};
use service::{Service, key};

/// Requests at least.
const N_CASES: usize = 5000;

#[test]
fn made_up_requests_are_answered_as_the_document_says() {
    let Some(schemathesis) = program(
        "made_up_requests_are_answered_as_the_document_says",
        "schemathesis",
    ) else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    // A registry of its own: requests promote, roll back and remove.
    let models = own.path().join("models");
    fleet::copy(&fleet::folder().join("models"), &models);
    let admin = key(own.path(), "admin");
    let service = Service::start(own.path(), "--registry models --log-level error");
    let body = fleet::text("fleet.csv").into_bytes();
    service
        .ask(
            "post",
            "/api/v1/data/batch",
            Some(&admin),
            Some(("text/csv", body)),
        )
        .is(200);
    wait_until("there are events", || {
        let found = service.get("/api/v1/anomalies", Some(&admin)).json();
        !found["anomalies"].as_array().unwrap().is_empty()
    });
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let ran = Command::new(schemathesis)
        .current_dir(own.path())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &here)
        .env("BELLWETHER_KEY", &admin)
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", service.url)])
        // Streams go on for as long as anybody listens; tests of the fleet follow them.
        .args(["--exclude-path", "/api/v1/live"])
        .args(["--exclude-path", "/api/v1/detect/stream"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let n_cases: usize = said
        .lines()
        .filter_map(|line| line.trim().split_once(" generated"))
        .find_map(|(n, _)| n.replace(',', "").parse().ok())
        .unwrap_or_else(|| panic!("no number of cases: {said}"));
    assert!(n_cases >= N_CASES, "{n_cases} cases are too few\n{said}");
    // It still works as before.
    service.get("/api/v1/status", Some(&admin)).is(200);
    assert_eq!(service.ends(), Some(0));
}
