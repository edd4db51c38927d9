//! `bellwether top` at a real server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod service;
mod shared;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use service::{Service, key};
use shared::bellwether;

/// Runs the binary on a terminal of its own, as `script` makes one.
fn on_a_terminal(line: &str) -> Option<String> {
    let script = bellwether_testkit::peer::program("top", "script")?;
    let binary = assert_cmd::cargo::cargo_bin!("bellwether");
    let ran = Command::new(script)
        .args(["-qec", &format!("{} {line}", binary.display()), "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    Some(String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn a_server_is_told_to_people_and_to_programs() {
    let own = tempfile::tempdir().unwrap();
    let learnt: String = (0..200)
        .map(|row| format!("2024-01-01T{:02}:{:02}:00Z,{}\n", row / 60, row % 60, row % 7))
        .collect();
    fs::write(own.path().join("learnt.csv"), format!("timestamp,flow\n{learnt}")).unwrap();
    let train = "train learnt.csv --name pump --epochs 1 --architecture 4/4 --registry models";
    bellwether(own.path(), train).ends(0);
    let service = Service::start(own.path(), "--auth none --model pump --registry models");
    let sample =
        json!({ "device": "pump-07", "timestamp": "2024-05-01T08:00:00Z", "values": { "flow": 1.0 } });
    service.post("/api/v1/data/ingest", None, &sample).is(200);
    bellwether_testkit::peer::wait_until("the board knows the device", || {
        service.get("/api/v1/devices", None).json()["total"] == 1
    });

    // What a person sees, off a terminal.
    let frame = bellwether(own.path(), &format!("top {}", service.url))
        .ends(0)
        .stdout;
    assert!(frame.contains("pump-07") && frame.contains("warming"), "{frame}");
    let line = format!("top {} --format json", service.url);
    let told: Value = serde_json::from_str(&bellwether(own.path(), &line).ends(0).stdout).unwrap();
    assert_eq!(told["status"]["devices"]["total"], 1);
    assert_eq!(told["devices"][0]["device"], "pump-07");
    // A program that is given a terminal gets the same, and no picture.
    if let Some(text) = on_a_terminal(&line) {
        let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(told["devices"][0]["device"], "pump-07");
    }
}

#[test]
fn a_server_that_wants_a_key_gets_one_and_one_that_is_not_there_is_named() {
    let own = tempfile::tempdir().unwrap();
    let service = Service::start(own.path(), "--registry models");
    let viewer = key(own.path(), "viewer");
    fs::write(own.path().join("key"), &viewer).unwrap();
    let top = format!("top {} --format json", service.url);
    bellwether(own.path(), &format!("{top} --key-file key")).ends(0);
    bellwether(own.path(), &top).ends(1);
    let nobody = format!("127.0.0.1:{}", bellwether_testkit::peer::free_port());
    bellwether(own.path(), &format!("top {nobody} --format json"))
        .ends(1)
        .says(&[&nobody]);
}
