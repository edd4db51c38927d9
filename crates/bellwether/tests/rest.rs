//! REST on a real server: `detect` and KServe `infer` give the bits of the command `detect`; a model trained over it
//! judges; what goes wrong is found in the log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod parity;
mod service;
mod shared;

use std::fs;
use std::path::Path;
use std::process::Command;

use bellwether_store::read::time_format::parse_time;
use bellwether_testkit::peer::{python_with, wait_until};
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

/// A plant of two channels.
fn table() -> String {
    let row = |row: i32| {
        let (minute, second) = (row / 6 % 60, row % 6 * 10);
        let time = format!("2024-05-01T{:02}:{minute:02}:{second:02}Z", row / 360);
        let phase = f64::from(row) * 0.3;
        format!("{time},{},{}\n", phase.sin(), 20.0 + (phase * 1.7).cos())
    };
    "timestamp,flow,pressure\n".to_owned() + &(0..900).map(row).collect::<String>()
}

/// Trains `pump` of [`table`], to its end.
fn train(service: &Service) {
    let path = "/api/v1/models/train?name=pump&epochs=1&window=8";
    let body = Some(("text/csv", table().into_bytes()));
    let job = service.ask("post", path, None, body).is(202).json();
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    wait_until("the training is over", || {
        let job = service.get(&path, None).is(200).json();
        assert_ne!(job["state"], "failed", "{job}");
        job["state"] == "done"
    });
}

#[test]
fn the_first_version_that_is_trained_over_rest_judges_at_once() {
    let own = tempfile::tempdir().unwrap();
    let service = Service::start(own.path(), "--auth none --registry models");
    let sample = json!({ "device": "pump-1", "timestamp": "2024-05-02T00:00:00Z", "values": { "flow": 0.5, "pressure": 20.0 } });
    let refused = service.post("/api/v1/data/ingest", None, &sample).is(400);
    assert!(refused.text.contains("no-model"), "{refused:?}");
    train(&service);
    service.post("/api/v1/data/ingest", None, &sample).is(200);
    let body = Some(("text/csv", table().into_bytes()));
    service.ask("post", "/api/v1/detect", None, body).is(200);
    let models = service.get("/api/v1/models", None).is(200).json();
    assert_eq!(models["models"][0]["versions"][0]["is_in_service"], true);
}

#[test]
fn what_goes_wrong_is_in_the_log_with_the_trace_of_its_request() {
    let own = tempfile::tempdir().unwrap();
    let args = "--auth none --registry models --log-format json --log-level warn";
    let service = Service::start(own.path(), args);
    train(&service);
    for file in bundles(&own.path().join("models")) {
        fs::write(file, "no bundle").unwrap();
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = service
        .request("get", "/api/v1/models/pump/versions/1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-request-id", "shift-3.17");
    let failed = service.send(request).is(500);
    assert_eq!(failed.json()["request_id"], "shift-3.17");
    wait_until("the log says so", || {
        let lines = service.log();
        let found = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_request = found.filter(|line| line["span"]["trace_id"] == trace);
        of_request.any(|line| line["level"] == "ERROR" && line["span"]["id"] == "shift-3.17")
    });
}

/// Every bundle below a folder.
fn bundles(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(bundles(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "bellwether")
        {
            found.push(path);
        }
    }
    found
}
