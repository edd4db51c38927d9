//! REST against batch: `detect` and KServe `infer` give the bits of the command `detect`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod parity;
mod service;
mod shared;

use std::fs;
use std::path::Path;
use std::process::Command;

use bellwether_store::read::time_format::parse_time;
use bellwether_testkit::peer::python_with;
use bellwether_testkit::real_data;
use serde_json::{Value, json};
use service::Service;

#[test]
fn rest_gives_the_bits_of_batch() {
    let Some(data) = real_data("rest_gives_the_bits_of_batch") else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    let valves = ["SKAB/valve1-0.csv", "SKAB/valve1-2.csv", "SKAB/other-1.csv"];
    let files: Vec<_> = valves
        .iter()
        .map(|file| data.join(file))
        .filter(|file| file.is_file())
        .collect();
    let truth = parity::prepare(own.path(), "valve", &files, 400, 1500);
    let service = Service::start(own.path(), "--auth none --registry models");
    let mut n_scored = 0;
    for (device, table, want) in truth.tables() {
        let detected = service
            .ask(
                "post",
                "/api/v1/detect?model=valve&mode=causal",
                None,
                Some(("text/csv", table.clone().into_bytes())),
            )
            .is(200)
            .json();
        let got: Vec<Option<u64>> = detected["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| bits(&row["score"]))
            .collect();
        assert!(got == want, "{device}: detect by REST differs from batch");
        let inferred = infer(&service, &table);
        assert!(inferred == want, "{device}: infer differs from batch");
        n_scored += want.iter().flatten().count();
    }
    assert!(n_scored > 1000, "{n_scored} scores were compared");
}

/// A client that we did not write reads the same bits.
#[test]
fn tritons_client_reads_the_bits_of_batch() {
    let name = "tritons_client_reads_the_bits_of_batch";
    let (Some(data), Some(python)) = (real_data(name), python_with(name, "tritonclient.http")) else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    let files = [data.join("SKAB/valve1-0.csv"), data.join("SKAB/valve1-2.csv")];
    let truth = parity::prepare(own.path(), "valve", &files, 400, 1500);
    let service = Service::start(own.path(), "--registry models");
    let key = service::key(own.path(), "engineer");
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/kserve_client.py");
    let mut n_scored = 0;
    for (device, table, want) in truth.tables() {
        let file = own.path().join("table.csv");
        fs::write(&file, table).unwrap();
        let ran = Command::new(python)
            .arg(&client)
            .args([service.url.trim_start_matches("http://"), "valve"])
            .arg(&file)
            .arg(&key)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let read = |line: &str| u64::from_str_radix(line, 16).ok();
        let got: Vec<Option<u64>> = said.lines().map(read).collect();
        assert!(got == want, "{device}: what the client reads differs from batch");
        n_scored += want.iter().flatten().count();
    }
    assert!(n_scored > 500, "{n_scored} scores were compared");
}

fn bits(score: &Value) -> Option<u64> {
    score.as_f64().map(f64::to_bits)
}

/// The scores that KServe's `infer` gives for a table.
fn infer(service: &Service, table: &str) -> Vec<Option<u64>> {
    let mut lines = table.lines();
    let n_channels = lines.next().unwrap().split(',').count() - 1;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for line in lines {
        let (time, cells) = line.split_once(',').unwrap();
        times.push(parse_time(time).unwrap().as_nanos());
        values.extend(cells.split(',').map(|cell| cell.parse::<f64>().ok()));
    }
    let n_rows = times.len();
    let request = json!({
        "parameters": { "mode": "causal" },
        "inputs": [
            { "name": "values", "shape": [n_rows, n_channels], "datatype": "FP64", "data": values },
            { "name": "timestamp", "shape": [n_rows], "datatype": "INT64", "data": times },
        ],
        "outputs": [{ "name": "score" }],
    });
    let answer = service
        .post("/v2/models/valve/infer", None, &request)
        .is(200)
        .json();
    let outputs = answer["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0]["datatype"], "FP64");
    outputs[0]["data"].as_array().unwrap().iter().map(bits).collect()
}
