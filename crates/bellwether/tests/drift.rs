//! `bellwether drift` as people run it: the answer, the action to take, and the exit code that scripts rely on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bellwether_store::bundle::Bundle;
use serde_json::Value;
use shared::{Ran, bellwether};
use tempfile::TempDir;

/// Samples of the two devices together.
const N_ROWS: usize = 1200;

/// Two devices of three channels without a memory: every row is worth one.
fn made(seed: u64) -> String {
    let mut state = seed;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut text = "timestamp,device,flow,pressure,speed\n".to_owned();
    for device in ["d1", "d2"] {
        for row in 0..N_ROWS / 2 {
            let at = format!("2024-01-01T{:02}:{:02}:00Z", row / 60, row % 60);
            let (flow, pressure, speed) = (random(), random(), random());
            writeln!(text, "{at},{device},{flow},{pressure},{speed}").unwrap();
        }
    }
    text
}

/// The rows that the model learnt from.
fn learnt() -> String {
    made(1)
}

/// The folder with the registry `models` with `noise`, made once per test program.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // Kept until the build's folder is cleaned: no test is the last.
        let folder = tempfile::Builder::new()
            .prefix("drift-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap()
            .keep();
        fs::write(folder.join("learnt.csv"), learnt()).unwrap();
        let train = "train learnt.csv --name noise --epochs 1 --architecture 8/8 --registry models";
        bellwether(&folder, train).ends(0);
        bellwether(&folder, "models export noise noise.bellwether --registry models").ends(0);
        folder
    })
}

/// A folder of a test's own, with the files given.
fn own_folder(files: &[(&str, &str)]) -> TempDir {
    let own = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(own.path().join(name), text).unwrap();
    }
    own
}

/// Runs the binary in `own`, with the model.
fn with_model(own: &Path, line: &str) -> Ran {
    let registry = folder().join("models");
    bellwether(
        own,
        &format!("{line} --model noise --registry {}", registry.display()),
    )
}

/// The table with the cell of every row under `channel` changed.
fn changed(table: &str, channel: &str, change: impl Fn(&str) -> String) -> String {
    let place = table
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|cell| cell == channel)
        .unwrap();
    let row = |(idx, line): (usize, &str)| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if idx > 0 {
            cells[place] = change(&cells[place]);
        }
        format!("{}\n", cells.join(","))
    };
    table.lines().enumerate().map(row).collect()
}

fn risen(cell: &str) -> String {
    cell.parse::<f64>()
        .map_or_else(|_| cell.to_owned(), |value| (value + 1000.0).to_string())
}

fn channel<'a>(document: &'a Value, name: &str) -> &'a Value {
    let channels = document["channels"].as_array().unwrap();
    channels
        .iter()
        .find(|channel| channel["channel"] == name)
        .unwrap()
}

#[test]
fn the_data_that_a_model_learnt_from_do_not_drift() {
    let own = own_folder(&[("learnt.csv", &learnt())]);
    let ran = with_model(own.path(), "drift learnt.csv --format json")
        .ends(0)
        .says(&["Nothing to do"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["model"], "noise@1");
    assert_eq!(document["n_rows"], N_ROWS);
    assert_eq!(document["is_drift"], false);
    assert_eq!(document["missing_channels"], Value::Array(Vec::new()));
    for channel in document["channels"].as_array().unwrap() {
        assert_eq!(channel["is_drift"], false, "{channel}");
        assert!(channel["psi"].as_f64().unwrap() < 0.01, "{channel}");
    }
}

#[test]
fn a_channel_that_rose_is_named_and_the_exit_code_is_3() {
    let risen = changed(&learnt(), "pressure", risen);
    let own = own_folder(&[("learnt.csv", &learnt()), ("risen.csv", &risen)]);
    let ran = with_model(own.path(), "drift risen.csv --format json");
    let ran = ran.ends(3).says(&["Check the sensor pressure"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["is_drift"], true);
    assert!(document["advice"].as_str().unwrap().contains("pressure"));
    let moved = channel(&document, "pressure");
    assert_eq!(moved["severity"], "critical");
    assert_eq!(moved["ks"], 1.0);
    assert!(moved["q_value"].as_f64().unwrap() < 0.05);
    let drifting = document["channels"].as_array().unwrap().iter();
    assert_eq!(drifting.filter(|channel| channel["is_drift"] == true).count(), 1);
    // Against the data themselves the answer is the same: the bundle keeps all that is needed.
    let ran = bellwether(own.path(), "drift risen.csv --baseline learnt.csv --format json").ends(3);
    let against_data: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(against_data["channels"], document["channels"]);
    assert_eq!(against_data["model"], Value::Null);
    // People get a row for each channel.
    let table = with_model(own.path(), "drift risen.csv").ends(3).stdout;
    let row = table.lines().find(|line| line.contains("pressure")).unwrap();
    assert!(row.contains("critical"), "{row}");
    // And one for the relation that changed most.
    let joint = table.lines().find(|line| line.contains(" ~ ")).unwrap();
    assert!(
        joint.contains("correlation") && joint.contains("false"),
        "{joint}"
    );
    let lines = with_model(own.path(), "drift risen.csv --format ndjson")
        .ends(3)
        .stdout;
    let joint: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert!(joint["q_value"].is_number() && joint["psi"].is_null(), "{joint}");
    assert_eq!(lines.lines().count(), 4);
    // Of a stretch of time only its rows count.
    let line = "drift risen.csv --from 2024-01-01T00:00:00Z --to 2024-01-01T01:00:00Z --format json";
    let document: Value = serde_json::from_str(&with_model(own.path(), line).stdout).unwrap();
    assert_eq!(document["n_rows"], 120);
    with_model(own.path(), "drift risen.csv --to 2001-01-01T00:00:00Z")
        .ends(1)
        .says(&["--from"]);
}

#[test]
fn a_channel_that_is_gone_is_drift_and_nothing_in_common_is_a_misfit() {
    let gone = learnt().replace("pressure", "something_else");
    let strange = "timestamp,one,two\n2024-01-01T00:00:00Z,1,2\n2024-01-01T00:01:00Z,2,3\n";
    let own = own_folder(&[("gone.csv", &gone), ("strange.csv", strange)]);
    let ran = with_model(own.path(), "drift gone.csv --format json")
        .ends(3)
        .says(&["no such channel"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["missing_channels"][0], "pressure");
    assert_eq!(channel(&document, "pressure")["psi"], Value::Null);
    with_model(own.path(), "drift strange.csv")
        .ends(4)
        .says(&["one", "two"]);
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let own = own_folder(&[("learnt.csv", &learnt())]);
    bellwether(own.path(), "drift learnt.csv")
        .ends(2)
        .says(&["--model", "--baseline"]);
    with_model(own.path(), "drift learnt.csv --baseline learnt.csv").ends(2);
    // A model of the time before baselines.
    let mut bundle = Bundle::from_bytes(&fs::read(folder().join("noise.bellwether")).unwrap()).unwrap();
    let mut manifest: Value = serde_json::from_slice(&bundle.manifest).unwrap();
    manifest.as_object_mut().unwrap().remove("baseline").unwrap();
    bundle.manifest = serde_json::to_vec(&manifest).unwrap();
    fs::write(own.path().join("old.bellwether"), bundle.to_bytes().unwrap()).unwrap();
    bellwether(own.path(), "drift learnt.csv --model old.bellwether")
        .ends(1)
        .says(&["--baseline", "train it again"]);
    // Too little to judge is no drift, and said.
    let few: String = learnt()
        .lines()
        .take(12)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(own.path().join("few.csv"), few).unwrap();
    with_model(own.path(), "drift few.csv")
        .ends(0)
        .says(&["No verdict"]);
}

#[test]
fn models_show_tells_of_the_baseline_without_its_lists() {
    let show = |options: &str| {
        let line = format!("models show noise --registry models {options}");
        bellwether(folder(), &line).ends(0).stdout
    };
    let table = show("");
    assert!(table.contains("manifest.baseline.n_rows"), "{table}");
    assert!(!table.contains("n_upto"), "{table}");
    let document: Value = serde_json::from_str(&show("--format json")).unwrap();
    assert!(document["manifest"]["baseline"]["channels"][0]["values"].is_array());
}
