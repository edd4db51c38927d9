//! `bellwether demo`: the whole job by one word.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod service;
mod shared;

use std::fs;

use bellwether_testkit::peer::wait_until;
use serde_json::Value;
use service::Service;
use shared::bellwether;

/// What would make a page load something from elsewhere.
const LOADS: [&str; 6] = ["http:", "https:", "=\"//", "@import", "fetch(", "XMLHttpRequest"];

#[test]
fn the_demo_finds_its_faults_and_leaves_a_page_that_needs_nothing_else() {
    let own = tempfile::tempdir().unwrap();
    let ran = bellwether(own.path(), "demo --no-serve -o out --format json").ends(0);
    let ran = ran.says(&[
        "bellwether generate",
        "bellwether validate",
        "bellwether train",
        "bellwether detect",
        "faults found",
        "Next:",
    ]);
    // Each command answers on its own; the comparison comes last.
    let documents = serde_json::Deserializer::from_str(&ran.stdout).into_iter::<Value>();
    let compared = documents.last().unwrap().unwrap();
    assert_eq!(compared["n_faults"], 7);
    assert!(compared["n_found"].as_u64().unwrap() >= 4, "{compared}");
    assert!(compared["n_false_alarms"].as_u64().unwrap() <= 8, "{compared}");
    let page = fs::read_to_string(own.path().join("out/report.html")).unwrap();
    for load in LOADS {
        assert!(!page.contains(load), "the page has {load:?}");
    }
    let quality = fs::read_to_string(own.path().join("out/quality.html")).unwrap();
    for load in LOADS {
        assert!(!quality.contains(load), "the page on quality has {load:?}");
    }
    for device in ["pump-01", "pump-02", "pump-03", "pump-04"] {
        assert!(page.contains(device), "{device}");
    }
    for file in ["fleet.csv", "faults.csv", "models/pump/1.bellwether"] {
        assert!(own.path().join("out").join(file).is_file(), "{file}");
    }
}

#[test]
fn the_demo_ends_in_a_live_fleet_whose_faults_are_found_until_it_is_interrupted() {
    let own = tempfile::tempdir().unwrap();
    let demo = Service::start_line(own.path(), "demo -o out");
    let fleet = demo.get("/api/v1/devices", None).is(200).json();
    assert!(fleet["total"].is_number(), "{fleet}");
    wait_until("a fault is found", || {
        let found = demo.get("/api/v1/anomalies", None).is(200).json();
        !found["anomalies"].as_array().unwrap().is_empty()
    });
    assert_eq!(demo.interrupted(), Some(0));
    // What a run left behind does not decide what the next one shows.
    let again = bellwether(own.path(), "demo --no-serve -o out --seed 7 --format json").ends(0);
    again.says(&["models promote pump@2"]);
}
