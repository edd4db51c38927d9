//! Figures for Prometheus: all that were promised are there, well formed, and their number does not grow with the fleet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod service;
mod shared;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bellwether_testkit::peer::{free_port, program, wait_until};
use serde_json::{Value, json};
use service::Service;

const DEVICES: usize = 10_000;

/// Devices in a request.
const BATCH: usize = 1000;

/// Rows of the one device that sends more than two.
const LONG: usize = 600;

/// Series that a scrape may have.
const SERIES_MAX: usize = 400;

/// What is promised, of a service that has judged and has a model with a budget.
const NAMES: [&str; 52] = [
    "bellwether_build_info",
    "bellwether_samples_received_total",
    "bellwether_samples_rejected_total",
    "bellwether_windows_scored_total",
    "bellwether_score_duration_seconds_bucket",
    "bellwether_score_duration_seconds_count",
    "bellwether_end_to_end_latency_seconds_bucket",
    "bellwether_end_to_end_latency_seconds_count",
    "bellwether_event_time_lag_seconds",
    "bellwether_queue_depth",
    "bellwether_anomalies_detected_total",
    "bellwether_episodes_open",
    "bellwether_alert_notifications_total",
    "bellwether_model_age_seconds",
    "bellwether_model_threshold",
    "bellwether_false_alarm_budget_ratio",
    "bellwether_feedback_alerts",
    "bellwether_feedback_precision",
    "bellwether_state_bytes",
    "bellwether_cache_hits_total",
    "bellwether_cache_misses_total",
    "bellwether_cache_evictions_total",
    "bellwether_cache_bytes",
    "bellwether_busy_total",
    "bellwether_commits_total",
    "bellwether_commits_failed_total",
    "bellwether_rows_shed_total",
    "bellwether_devices",
    "bellwether_device_silence_seconds",
    "bellwether_training_loss",
    "bellwether_uptime_seconds",
    "bellwether_ready",
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_sum",
    "http_request_duration_seconds_count",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    // For older dashboards.
    "ml_anomalies_detected_total",
    "ml_prediction_duration_seconds_bucket",
    "ml_prediction_duration_seconds_sum",
    "ml_prediction_duration_seconds_count",
    "data_points_processed_total",
    "data_ingestion_errors_total",
    "data_processing_queue_size",
    "sensor_data_points_total",
    "bellwether_score_duration_seconds_sum",
    "bellwether_end_to_end_latency_seconds_sum",
];

#[test]
fn every_promised_figure_is_there_and_their_number_does_not_grow_with_the_fleet() {
    let own = fleet::own_folder(&[]);
    let config = format!(
        "[[alerts.channels]]\ntype = \"webhook\"\nname = \"desk\"\nurl = \"http://127.0.0.1:{}/\"\n",
        free_port()
    );
    fs::write(own.path().join("live.toml"), config).unwrap();
    // A registry of its own: a training is asked for.
    let registry = own.path().join("models");
    fleet::copy(&fleet::folder().join("models"), &registry);
    let args = format!("--config live.toml --auth none --registry {}", registry.display());
    let service = Service::start(own.path(), &args);
    // The first two samples of a pump, for every device.
    let table = fleet::text("fleet.csv");
    let all = samples_of_first(&table, LONG);
    let samples = &all[..2];
    for first in (0..DEVICES).step_by(BATCH) {
        let batch: Vec<Value> = (first..first + BATCH)
            .flat_map(|device| samples.iter().map(move |sample| (device, sample)))
            .map(|(device, (time, values))| {
                json!({ "device": format!("pump-{device:05}"), "timestamp": time, "values": values })
            })
            .collect();
        let receipt = service
            .post("/api/v1/data/batch", None, &Value::Array(batch))
            .is(200)
            .json();
        assert_eq!(receipt["accepted"], 2 * BATCH, "{receipt}");
    }
    let more = all[2..]
        .iter()
        .map(|(time, values)| json!({ "device": "pump-00000", "timestamp": time, "values": values }));
    let receipt = service
        .post("/api/v1/data/batch", None, &Value::Array(more.collect()))
        .is(200)
        .json();
    assert_eq!(receipt["accepted"], LONG - 2, "{receipt}");
    let rows: Vec<&str> = table.lines().take(200).collect();
    let body = (rows.join("\n") + "\n").into_bytes();
    for _ in 0..2 {
        let path = "/api/v1/detect?model=pump&mode=causal";
        service
            .ask("post", path, None, Some(("text/csv", body.clone())))
            .is(200);
    }

    ask_for_everything(&service);
    let scrape = || service.get("/metrics", None).is(200).text;
    let train = json!({ "name": "trained", "devices": ["pump-00000"], "epochs": 1, "window": 8 });
    let submitted = service.post("/api/v1/models/train", None, &train);
    assert!(submitted.status < 300, "{submitted:?}");
    wait_until("a model is trained", || {
        scrape().contains("bellwether_training_loss{")
    });
    wait_until("drift is looked for", || {
        let drift = service.get("/api/v1/drift?model=pump", None).is(200).json();
        drift["n_rows"].as_u64() > Some(0)
    });
    wait_until("figures that are gathered now and then know the fleet", || {
        let text = scrape();
        let devices = text
            .lines()
            .filter(|line| line.starts_with("bellwether_devices{"));
        devices.filter_map(series_of).map(|(_, n)| n).sum::<f64>() == DEVICES as f64
    });
    let text = scrape();
    let series: Vec<(&str, f64)> = text.lines().filter_map(series_of).collect();
    assert!(
        series.len() <= SERIES_MAX,
        "{} series for {DEVICES} devices",
        series.len()
    );
    let names: BTreeSet<&str> = series
        .iter()
        .map(|(series, _)| series.split('{').next().unwrap())
        .collect();
    let missing: Vec<&&str> = NAMES.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in {text}");

    let value = |wanted: &str| {
        let found = series.iter().find(|(series, _)| *series == wanted);
        found.unwrap_or_else(|| panic!("{wanted} is missing in {text}")).1
    };
    let n_asked = series
        .iter()
        .filter(|(name, _)| name.starts_with("http_requests_total"))
        .count();
    assert!(
        n_asked <= 115,
        "{n_asked} kinds of requests leave no room for others"
    );
    let n_sent = (2 * DEVICES + LONG - 2) as f64;
    assert_eq!(value("bellwether_samples_received_total"), n_sent);
    assert_eq!(value("sensor_data_points_total"), n_sent);
    assert_eq!(value("bellwether_end_to_end_latency_seconds_count"), n_sent);
    assert_eq!(
        value("bellwether_end_to_end_latency_seconds_bucket{le=\"+Inf\"}"),
        n_sent
    );
    // All but those of the one device came while its window filled.
    let n_scored = value("bellwether_windows_scored_total{way=\"live\"}");
    assert!((1.0..LONG as f64).contains(&n_scored), "{n_scored}");
    assert!(value("bellwether_windows_scored_total{way=\"request\"}") > 0.0);
    assert!(value("bellwether_score_duration_seconds_count{way=\"request\"}") >= 1.0);
    assert_eq!(
        value("bellwether_alert_notifications_total{channel=\"desk\",result=\"sent\"}"),
        0.0
    );
    let hits = "bellwether_cache_hits_total{cache=\"answers\"}";
    let models = "bellwether_cache_misses_total{cache=\"models\"}";
    assert!(value(hits) + value(models) >= 1.0, "{text}");
    assert!(value("bellwether_state_bytes") > 0.0);
    assert!(value("bellwether_model_age_seconds{model=\"pump@1\"}") > 0.0);
    assert!(value("process_open_fds") < value("process_max_fds"));
    assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"));

    if let Some(promtool) = program("metrics", "promtool") {
        let mut check = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let checked = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "promtool: {said}");
    }
}

/// A line with a figure: the series and its value.
fn series_of(line: &str) -> Option<(&str, f64)> {
    if line.starts_with('#') || line.is_empty() {
        return None;
    }
    let (series, value) = line.rsplit_once(' ').unwrap();
    Some((series, value.parse().unwrap()))
}

/// Asks for every path of the service by every method, as somebody does who looks for a hole.
fn ask_for_everything(service: &Service) {
    let document = service.get("/openapi.json", None).is(200).json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 50, "{}", paths.len());
    for path in paths.keys() {
        let exact: String = path
            .split('{')
            .enumerate()
            .fold(String::new(), |made, (nth, part)| {
                let rest = if nth == 0 {
                    part
                } else {
                    part.split_once('}').unwrap().1
                };
                made + if nth == 0 { "" } else { "x" } + rest
            });
        for method in ["get", "post", "put", "delete", "patch"] {
            let body = ("application/json", b"{}".to_vec());
            service.ask(method, &exact, None, Some(body));
        }
    }
}

/// Time and values of the first rows of the first device in a table with a device in each row.
fn samples_of_first(table: &str, n_rows: usize) -> Vec<(String, Value)> {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let is_of_device = |name: &&str| ["series", "device", "device_id", "asset_id"].contains(name);
    let device = header.iter().position(is_of_device).unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    rows.iter()
        .filter(|row| row[device] == rows[0][device])
        .take(n_rows)
        .map(|row| {
            let cells = header.iter().zip(row).enumerate().skip(1);
            let values = cells
                .filter(|(place, _)| *place != device)
                .map(|(_, (name, cell))| {
                    let value = cell.parse::<f64>().map_or(Value::Null, Value::from);
                    ((*name).to_owned(), value)
                });
            (row[0].to_owned(), Value::Object(values.collect()))
        })
        .collect()
}
