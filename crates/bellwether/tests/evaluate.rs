//! `bellwether evaluate` as people run it: figures under their agreed names, with trivial baselines beside them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod fleet;
mod shared;

use std::fs;
use std::path::Path;

use fleet::{TRAIN_ROWS, own_folder, text, with_model};
use serde_json::Value;
use shared::bellwether;

const METRICS: [&str; 11] = [
    "vus_pr",
    "vus_roc",
    "auc_pr",
    "auc_roc",
    "f1_best",
    "f1",
    "event_f1",
    "range_f1",
    "affiliation_f1",
    "detection_delay_s",
    "false_alarms_per_week",
];

fn evaluate(folder: &Path, options: &str) -> Value {
    let line = format!("evaluate {options} --format json");
    serde_json::from_str(&with_model(folder, &line).ends(0).stdout).unwrap()
}

/// `series` entries of a model.
fn of_model<'a>(document: &'a Value, model: &str) -> Vec<&'a Value> {
    let series = document["series"].as_array().unwrap();
    series.iter().filter(|entry| entry["model"] == model).collect()
}

/// The labelled fleet: `fleet.csv` with a column `is_anomaly` made of the truth.
fn labelled() -> String {
    let truth = text("faults.csv");
    let faults: Vec<Vec<&str>> = truth
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let head: Vec<&str> = truth.lines().next().unwrap().split(',').collect();
    let at = |name: &str| head.iter().position(|cell| *cell == name).unwrap();
    let (start, end, series) = (at("start"), at("end"), at("series"));
    let mut out = String::new();
    for (idx, line) in text("fleet.csv").lines().enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let is_anomaly = faults
            .iter()
            .any(|fault| fault[series] == cells[1] && fault[start] <= cells[0] && cells[0] <= fault[end]);
        let label = if idx == 0 {
            "is_anomaly"
        } else {
            ["0", "1"][usize::from(is_anomaly)]
        };
        out += &format!("{line},{label}\n");
    }
    out
}

#[test]
fn figures_stand_under_their_names_with_baselines_beside() {
    let document = evaluate(
        fleet::folder(),
        &format!("fleet.csv --labels faults.csv --skip-rows {TRAIN_ROWS}"),
    );
    for model in ["pump@1", "random", "max-z"] {
        let series = of_model(&document, model);
        assert_eq!(series.len(), 2, "{model} on each pump");
        for entry in series {
            assert_eq!(entry["dataset"], "fleet.csv");
            assert!(["pump-01", "pump-02"].contains(&entry["series"].as_str().unwrap()));
            let metrics = entry["metrics"].as_object().unwrap();
            assert_eq!(metrics.len(), METRICS.len());
            for key in &METRICS[..9] {
                let value = metrics[*key].as_f64().unwrap();
                assert!((0.0..=1.0).contains(&value), "{model} {key} {value}");
            }
        }
    }
    assert_eq!(document["mode"], "causal");
    for key in METRICS {
        assert!(document["mean"].get(key).is_some(), "{key}");
    }
    let vus = |values: &Value| values["vus_pr"].as_f64().unwrap();
    let random = &document["mean_of_baselines"]["random"];
    assert!(
        vus(&document["mean"]) > vus(random) + 0.2,
        "{} against random {}",
        document["mean"],
        random
    );
}

#[test]
fn a_column_of_labels_says_the_same_as_a_file_of_intervals() {
    let labelled = labelled();
    let own = own_folder(&[
        ("fleet.csv", &labelled),
        ("bare.csv", &text("fleet.csv")),
        ("faults.csv", &text("faults.csv")),
    ]);
    let column = evaluate(own.path(), "fleet.csv --skip-rows 900");
    let skip = evaluate(own.path(), "bare.csv --labels faults.csv --skip-rows 900");
    let from = evaluate(
        own.path(),
        "bare.csv --labels faults.csv --from 2024-01-01T15:00:00Z",
    );
    assert_eq!(column["mean"], skip["mean"]);
    assert_eq!(from["mean"], skip["mean"]);
    let back = evaluate(own.path(), "fleet.csv --skip-rows 900 --mode retrospective");
    assert_eq!(back["mode"], "retrospective");
    assert_ne!(back["mean"], column["mean"]);
}

#[test]
fn a_healthy_series_counts_towards_false_alarms_only() {
    let truth = text("faults.csv");
    let of_pump: Vec<&str> = truth.lines().filter(|line| !line.ends_with("pump-01")).collect();
    let own = own_folder(&[
        ("fleet.csv", &text("fleet.csv")),
        ("one.csv", &of_pump.join("\n")),
        ("other.csv", &truth.replace("pump-01", "pump-1")),
    ]);
    let document = evaluate(own.path(), "fleet.csv --labels one.csv");
    let series = of_model(&document, "pump@1");
    assert_eq!(series[0]["series"], "pump-01");
    assert!(series[0]["metrics"]["vus_pr"].is_null());
    assert!(series[0]["metrics"]["false_alarms_per_week"].as_f64().unwrap() > 0.0);
    assert_eq!(document["mean"]["vus_pr"], series[1]["metrics"]["vus_pr"]);
    let other = "evaluate fleet.csv --labels other.csv";
    with_model(own.path(), other)
        .ends(0)
        .says(&["\"pump-1\", which is not in the data"]);
    let nothing = "evaluate fleet.csv --labels one.csv --skip-rows 1480";
    with_model(own.path(), nothing)
        .ends(1)
        .says(&["no labelled anomaly"]);
}

#[test]
fn without_truth_there_is_nothing_to_judge_by() {
    let own = own_folder(&[
        ("fleet.csv", &text("fleet.csv")),
        ("short.csv", "0\n1\n0\n"),
        ("odd.csv", "colour\nred\n"),
    ]);
    let check = |options: &str, texts: &[&str]| {
        with_model(own.path(), &format!("evaluate fleet.csv {options}"))
            .ends(1)
            .says(texts);
    };
    check("", &["no labels to judge by", "--labels", "is_anomaly"]);
    check("--labels gone.csv", &["gone.csv"]);
    check("--labels short.csv", &["short.csv"]);
    check("--labels odd.csv", &["odd.csv"]);
}

#[test]
fn figures_come_as_a_table_lines_or_csv_too() {
    let folder = fleet::folder();
    let shown = |format: &str| {
        let line = format!("evaluate fleet.csv --labels faults.csv --format {format}");
        with_model(folder, &line).ends(0).stdout
    };
    let csv = shown("csv");
    assert_eq!(
        csv.lines().next().unwrap(),
        format!("series,model,{}", METRICS.join(","))
    );
    // Three detectors on two pumps, and their means.
    assert_eq!(csv.lines().count(), 1 + 9);
    assert_eq!(shown("ndjson").lines().count(), 9);
    let table = shown("table");
    assert!(table.contains("vus pr") && table.contains("max-z"), "{table}");
}

#[test]
fn a_report_is_a_page_or_its_facts() {
    let folder = fleet::folder();
    for report in ["judged.html", "judged.json"] {
        let line = format!("evaluate fleet.csv --labels faults.csv --report {report}");
        with_model(folder, &line).ends(0).says(&[report]);
    }
    let page = text("judged.html");
    assert!(
        page.starts_with("<!") && page.contains("pump-01") && page.contains("vus"),
        "{}",
        page.len()
    );
    let facts: Value = serde_json::from_str(&text("judged.json")).unwrap();
    assert!(facts.is_object());
}

#[test]
fn a_folder_of_labelled_series_is_benched_against_baselines() {
    let own = own_folder(&[]);
    let data = own.path().join("data");
    fs::create_dir(&data).unwrap();
    let labelled = labelled();
    let pump: Vec<String> = labelled
        .lines()
        .filter(|line| !line.contains("pump-01"))
        .map(|line| line.replacen(",device", "", 1).replacen(",pump-02", "", 1))
        .collect();
    fs::write(data.join("two.csv"), pump.join("\n")).unwrap();
    let manifest = r#"{"series": [{"dataset": "fleet", "series": "two", "file": "two.csv", "train_rows": 900,
        "test_rows": 600, "vus_window": 20}]}"#;
    fs::write(data.join("manifest.json"), manifest).unwrap();
    let line = "bench quality data --models default,random,max-z --epochs 2 --format json";
    let ran = bellwether(own.path(), line).ends(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    for model in ["default", "random", "max-z"] {
        assert_eq!(of_model(&document, model).len(), 1, "{model}");
        assert!(document["mean"][model]["vus_pr"].is_number(), "{model}");
        assert!(
            document["datasets"][model]["fleet"]["vus_roc"].is_number(),
            "{model}"
        );
    }
}
