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
    for model in ["pump@1", "random", "max-z", "last-value"] {
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
fn intervals_stand_around_the_figures_and_repeat_with_their_seed() {
    let judged = |options: &str| {
        evaluate(
            fleet::folder(),
            &format!("fleet.csv --labels faults.csv --skip-rows {TRAIN_ROWS} {options}"),
        )
    };
    let document = judged("--intervals 50");
    let (mean, intervals) = (&document["mean"], &document["mean_intervals"]);
    let (low, high) = (
        intervals["vus_pr"][0].as_f64().unwrap(),
        intervals["vus_pr"][1].as_f64().unwrap(),
    );
    let vus = mean["vus_pr"].as_f64().unwrap();
    assert!(low < vus && vus <= high && high <= 1.0, "{low} {vus} {high}");
    assert!(document["mean_intervals_of_baselines"]["random"]["auc_roc"][0].is_number());
    for entry in of_model(&document, "pump@1") {
        assert_eq!(entry["intervals"].as_object().unwrap().len(), METRICS.len());
        let operation = &entry["operation"];
        assert!(operation["events"].as_u64() >= operation["missed_events"].as_u64());
        assert!(operation["alarm_hours_per_week"].as_f64().unwrap() >= 0.0);
    }
    assert_eq!(judged("--intervals 50"), document);
    assert_eq!(judged("--intervals 50 --threads 1"), document);
    assert_ne!(
        judged("--intervals 50 --seed 7")["mean_intervals"],
        document["mean_intervals"]
    );
    let off = judged("--intervals off");
    assert!(off.get("mean_intervals").is_none() && off["series"][0].get("intervals").is_none());
    assert_eq!(off["mean"], document["mean"]);
    with_model(
        fleet::folder(),
        "evaluate fleet.csv --labels faults.csv --intervals 3",
    )
    .ends(2)
    .says(&["off"]);
}

#[test]
fn costs_and_point_adjusted_figures_come_where_they_are_asked_for() {
    let line = format!("fleet.csv --labels faults.csv --skip-rows {TRAIN_ROWS} --intervals off");
    let plain = evaluate(fleet::folder(), &line);
    assert!(plain.get("cost").is_none() && plain["series"][0].get("point_adjusted").is_none());
    let options = "--cost-miss 100 --cost-false-alarm 1 --point-adjusted --report costs.html";
    let told = format!("evaluate {line} {options} --format json");
    let ran = with_model(fleet::folder(), &told)
        .ends(0)
        .says(&["inflated by design", "cost at the present threshold"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let cost = |point: &str| document["cost"][point]["cost"].as_f64().unwrap();
    assert!(cost("cheapest") <= cost("present"));
    let curve = document["cost"]["curve"].as_array().unwrap();
    assert!(curve.len() > 20 && curve[0]["threshold"].is_null());
    let entry = of_model(&document, "pump@1")[0];
    let adjusted = entry["point_adjusted"]["f1_point_adjusted"].as_f64().unwrap();
    assert!(adjusted >= entry["metrics"]["f1"].as_f64().unwrap());
    assert_eq!(document["mean"], plain["mean"]);
    let page = text("costs.html");
    assert!(
        page.contains("drawCosts") && page.contains("\"cheapest\""),
        "{}",
        page.len()
    );
    with_model(fleet::folder(), &format!("evaluate {line} --cost-miss 100")).ends(2);
}

#[test]
fn an_interval_may_run_up_to_a_failure() {
    let truth = text("faults.csv");
    let kind = truth
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|cell| cell == "kind")
        .unwrap();
    let renamed: Vec<String> = truth
        .lines()
        .enumerate()
        .map(|(idx, line)| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if idx > 0 {
                cells[kind] = "pre-failure";
            }
            cells.join(",")
        })
        .collect();
    let own = own_folder(&[
        ("fleet.csv", &text("fleet.csv")),
        ("faults.csv", &truth),
        ("run-up.csv", &renamed.join("\n")),
    ]);
    let line = |labels: &str| {
        format!("fleet.csv --labels {labels} --skip-rows {TRAIN_ROWS} --intervals off --lead-horizon 3d")
    };
    let started = evaluate(own.path(), &line("faults.csv"));
    let ended = evaluate(own.path(), &line("run-up.csv"));
    assert_eq!(started["mean"], ended["mean"]);
    // Alarms within the event count once it is the end that they come before.
    let announced = |document: &Value| document["operation"]["announced_events"].as_u64().unwrap();
    assert!(
        announced(&ended) >= announced(&started) && announced(&ended) > 0,
        "{ended}"
    );
}

#[test]
fn without_truth_faults_are_injected_and_stability_is_told() {
    let own = own_folder(&[("fleet.csv", &text("fleet.csv"))]);
    let document = evaluate(own.path(), &format!("fleet.csv --skip-rows {TRAIN_ROWS}"));
    assert_eq!(document["labels"], false);
    let entries = of_model(&document, "pump@1");
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let interval = &entry["alarms_per_week_interval"];
        let rate = entry["alarms_per_week"].as_f64().unwrap();
        assert!(interval[0].as_f64().unwrap() <= rate && rate <= interval[1].as_f64().unwrap());
        let stability = &entry["stability"];
        assert_eq!(stability["stretches"].as_array().unwrap().len(), 10);
        assert!(
            stability["shaken_rank_correlation"].as_f64().unwrap() > 0.5,
            "{stability}"
        );
        let injected = entry["injected"].as_array().unwrap();
        assert!(injected.len() >= 7, "{injected:?}");
        for fault in injected {
            assert!(fault["found"].as_u64() <= fault["faults"].as_u64() && fault["interval"].is_array());
        }
    }
    let recall = |figures: &Value| figures["injected_recall"].as_f64().unwrap();
    assert!(
        recall(&document["mean"]) > recall(&document["mean_of_baselines"]["random"]),
        "{document}"
    );
    assert_eq!(
        document,
        evaluate(own.path(), &format!("fleet.csv --skip-rows {TRAIN_ROWS}"))
    );
    with_model(own.path(), "evaluate fleet.csv --skip-rows 100000")
        .ends(1)
        .says(&["no row is left to judge"]);
    with_model(
        own.path(),
        &format!("evaluate fleet.csv --skip-rows {TRAIN_ROWS} --report bare.html"),
    )
    .ends(0)
    .says(&["no labels", "bare.html"]);
}

#[test]
fn labels_that_cannot_be_read_are_refused() {
    let own = own_folder(&[
        ("fleet.csv", &text("fleet.csv")),
        ("short.csv", "0\n1\n0\n"),
        ("odd.csv", "colour\nred\n"),
        ("odd.json", "{\"pump-01\": 3}"),
    ]);
    let check = |options: &str, texts: &[&str]| {
        with_model(own.path(), &format!("evaluate fleet.csv {options}"))
            .ends(1)
            .says(texts);
    };
    check("--labels gone.csv", &["gone.csv"]);
    check("--labels short.csv", &["short.csv"]);
    check("--labels odd.csv", &["odd.csv"]);
    check("--labels odd.json", &["odd.json", "is no list"]);
}

#[test]
fn detectors_are_compared_on_one_split_and_sorted() {
    let own = own_folder(&[("fleet.csv", &labelled())]);
    let compare = |options: &str| -> Value {
        let line = format!("compare fleet.csv {options} --format json");
        serde_json::from_str(&bellwether(own.path(), &line).ends(0).stdout).unwrap()
    };
    let document = compare(&format!(
        "--models random,linear,max-z,pca --rows {TRAIN_ROWS} --intervals 40 --retrain-every 4h --leave-out-alarms"
    ));
    let order: Vec<&str> = document["order"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(order.len(), 6, "{order:?}");
    let vus = |model: &str| document["mean"][model]["vus_pr"].as_f64().unwrap();
    assert!(
        order.windows(2).all(|pair| vus(pair[0]) >= vus(pair[1])),
        "{order:?}"
    );
    assert!(
        order.iter().any(|name| name.starts_with("linear every")),
        "{order:?}"
    );
    for model in &order {
        let entries = of_model(&document, model);
        assert_eq!(entries.len(), 2, "{model}");
        for entry in entries {
            assert_eq!(entry["metrics"].as_object().unwrap().len(), METRICS.len());
        }
        let effort = &document["effort"][model];
        assert!(effort["train_s"].is_number() && effort["rows_per_s"].as_f64().unwrap() > 0.0);
        assert!(document["mean_intervals"][model]["vus_pr"].is_array(), "{model}");
    }
    // Half of each series where nothing is said of the split; a page; no labels.
    let line = "compare fleet.csv --models linear,random --report compared.html --intervals 20";
    bellwether(own.path(), line).ends(0).says(&["compared.html"]);
    let page = fs::read_to_string(own.path().join("compared.html")).unwrap();
    assert!(page.contains("Detectors compared"), "{}", page.len());
    for chart in ["pump-01, linear", "pump-02, random"] {
        assert!(page.contains(chart), "{chart}");
    }
    bellwether(own.path(), "compare fleet.csv --models magic")
        .ends(2)
        .says(&["magic", "last-value"]);
    bellwether(own.path(), "compare fleet.csv --models linear --rows 100000")
        .ends(1)
        .says(&["--train-share"]);
}

#[test]
fn without_labels_detectors_are_compared_by_injected_faults() {
    let own = own_folder(&[("fleet.csv", &text("fleet.csv"))]);
    let line = format!("compare fleet.csv --models random,linear --rows {TRAIN_ROWS}");
    let ran = bellwether(own.path(), &format!("{line} --format json")).ends(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["labels"], false);
    assert_eq!(document["order"][0], "linear");
    assert!(
        document["mean"]["linear"]["injected_recall"].as_f64().unwrap() > 0.2,
        "{}",
        document["mean"]
    );
    let table = bellwether(own.path(), &line).ends(0).stdout;
    assert!(
        table.contains("injected recall") && table.contains("rows per s") && !table.contains("seeds"),
        "{table}"
    );
    // Nothing of a linear model is drawn: every seed gives the same scores. Chance has no seed that it learns with.
    let ran = bellwether(own.path(), &format!("{line} --seeds 2 --format json")).ends(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let seeds = &document["seeds"]["linear"];
    assert!(
        (seeds["rank_correlation"].as_f64().unwrap() - 1.0).abs() < 1e-9,
        "{seeds}"
    );
    assert!(
        (seeds["alarms_kept"].as_f64().unwrap() - 1.0).abs() < 1e-9,
        "{seeds}"
    );
    assert!(document["seeds"]["random"].is_null());
    bellwether(own.path(), &format!("{line} --retrain-every 1h"))
        .ends(2)
        .says(&["--retrain-every"]);
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
    // Four detectors on two pumps, and their means.
    assert_eq!(csv.lines().count(), 1 + 12);
    assert_eq!(shown("ndjson").lines().count(), 12);
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
