//! Networks in files of other programs: what they answer there, and the events that come of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use bellwether_core::detect::{Detector, Mode};
use bellwether_core::frame::SeriesId;
use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::{WindowSpec, Windows};
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::read::{self, ReadOptions};
use bellwether_store::registry::Registry;
use bellwether_testkit::peer::python_with;
use shared::{PRESETS, bellwether};

/// A folder with `pump.csv`, which has faults, and a registry with a model of each network.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::Builder::new()
            .prefix("interchange-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap()
            .keep();
        let generate = "generate --samples 1500 --seed 7 -o pump.csv --anomaly level-shift@70%+80*8:pressure_out_bar \
                        --anomaly drift@85%+100*8:bearing_temp_c";
        bellwether(&folder, generate).ends(0);
        for family in ["lstm-ae", "lstm-forecast", "lstm"] {
            train(&folder, family);
        }
        folder
    })
}

fn train(folder: &Path, family: &str) {
    let line = format!(
        "train pump.csv --name {family} --model-family {family} --rows 900 --epochs 3 --registry models"
    );
    bellwether(folder, &line).ends(0);
}

/// A network that runs in another program.
#[derive(Debug)]
struct Elsewhere {
    answers: Answers,
    window_len: usize,
    n_channels: usize,
    folder: tempfile::TempDir,
    /// What an answer counts.
    weights: Vec<f64>,
    program: Mutex<(Child, BufReader<ChildStdout>)>,
}

impl Elsewhere {
    fn start(python: &str, onnx: &Path, answers: Answers, window_len: usize, n_channels: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange/answer.py");
        let mut child = Command::new(python)
            .current_dir(folder.path())
            .args([script.as_path(), onnx])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut weights = String::new();
        lines.read_line(&mut weights).unwrap();
        Self {
            weights: weights
                .trim()
                .split(',')
                .map(|weight| weight.parse().unwrap())
                .collect(),
            answers,
            window_len,
            n_channels,
            folder,
            program: Mutex::new((child, lines)),
        }
    }
}

impl Model for Elsewhere {
    fn window(&self) -> WindowSpec {
        WindowSpec {
            len: NonZeroUsize::new(self.window_len).unwrap(),
            stride: NonZeroUsize::MIN,
        }
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn answers(&self) -> Answers {
        self.answers
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let (mut values, mut marks) = (Vec::new(), Vec::new());
        for window_idx in 0..windows.n_windows() {
            let of_window = windows.values(window_idx);
            values.extend(of_window.iter().flat_map(|value| value.to_le_bytes()));
            match windows.observed(window_idx) {
                Some(observed) => marks.extend(observed.iter().map(|&mark| u8::from(mark))),
                None => marks.extend(of_window.iter().map(|_| 1)),
            }
        }
        let mut program = self.program.lock().unwrap();
        let at = |name: &str| self.folder.path().join(name);
        fs::write(at("window"), values).unwrap();
        fs::write(at("observed"), marks).unwrap();
        writeln!(program.0.stdin.as_mut().unwrap(), "{}", windows.n_windows()).unwrap();
        let mut line = String::new();
        program.1.read_line(&mut line).unwrap();
        assert_eq!(line, "answered\n");
        let bytes = fs::read(at("expected")).unwrap();
        assert_eq!(bytes.len(), 8 * out.len());
        for (value, bytes) in out.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *value = f64::from_le_bytes(*bytes);
        }
        Ok(())
    }

    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.expected(windows, out)?;
        let n_cells = self.weights.len() * self.n_channels;
        for (window_idx, errors) in out.chunks_exact_mut(n_cells).enumerate() {
            let values = windows.values(window_idx);
            let first = values.len() - n_cells;
            let observed = windows.observed(window_idx);
            for (cell, error) in errors.iter_mut().enumerate() {
                let is_observed = observed.is_none_or(|marks| marks[first + cell]);
                let off = values[first + cell] - *error;
                *error = f64::from(u8::from(is_observed)) * self.weights[cell / self.n_channels] * off * off;
            }
        }
        Ok(())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let (child, _) = self.program.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Events as they stand in a file of `detect --events`, without what follows from the scores' last digits.
fn events_of_file(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let columns = ["event", "start", "end", "peak_time", "samples", "kind"].map(at);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            columns.map(|column| cells[column]).join(",")
        })
        .collect()
}

#[test]
fn an_onnx_file_gives_the_same_events() {
    let Some(python) = python_with("an_onnx_file_gives_the_same_events", "onnxruntime") else {
        return;
    };
    let folder = folder();
    // `lstm` is one of two networks as a family; the autoencoder alone is `lstm-ae`.
    let others = PRESETS.into_iter().filter(|name| *name != "lstm");
    for name in ["lstm-ae", "lstm-forecast"].into_iter().chain(others) {
        if PRESETS.contains(&name) {
            train(folder, name);
        }
        bellwether(
            folder,
            &format!("models export {name} {name}.onnx --registry models"),
        )
        .ends(0);
        let loaded = Registry::open(folder.join("models"))
            .unwrap()
            .load(&name.parse().unwrap())
            .unwrap();
        let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest).unwrap();
        let (window_len, n_channels) = (
            manifest.models[0].window_len(),
            manifest.detector.pipeline.n_channels(),
        );
        let answers = match name {
            "lstm-forecast" | "tcn" => Answers::LastRow,
            _ => Answers::Window,
        };
        let network = Elsewhere::start(
            python,
            &folder.join(format!("{name}.onnx")),
            answers,
            window_len,
            n_channels,
        );
        let detector = Detector::from_parts(manifest.detector, vec![Arc::new(network)]).unwrap();
        for (mode, word) in [(Mode::Causal, "causal"), (Mode::Retrospective, "retrospective")] {
            let detect =
                format!("detect pump.csv --model {name} --mode {word} --events {name}.csv --registry models");
            bellwether(folder, &detect).ends(0);
            let want = events_of_file(&folder.join(format!("{name}.csv")));
            let recording = read::read(&[folder.join("pump.csv")], &ReadOptions::default())
                .unwrap()
                .remove(0);
            let series = SeriesId::new(recording.name.as_str());
            let scores = detector.score(&series, recording.frame.clone(), mode).unwrap();
            let time = |at| {
                recording
                    .rows
                    .time_text(recording.frame.time().partition_point(|&time| time < at))
            };
            let got: Vec<String> = scores
                .events
                .iter()
                .map(|event| {
                    format!(
                        "{},{},{},{},{},{}",
                        event.id,
                        time(event.start),
                        time(event.end),
                        time(event.peak_time),
                        event.n_samples,
                        event.kind.name()
                    )
                })
                .collect();
            assert_eq!(got, want, "{name}, {word}");
            assert!(!got.is_empty(), "{name}, {word}: no event to compare");
        }
    }
}

#[test]
fn which_network_is_written_is_said_where_there_are_several() {
    let folder = folder();
    let export = |line: &str| bellwether(folder, &format!("models export {line} --registry models"));
    export("lstm two.onnx")
        .ends(2)
        .says(&["several networks", "--member", "lstm-forecast"]);
    export("lstm two.onnx --member pca")
        .ends(2)
        .says(&["no such network"]);
    export("lstm two.onnx --member lstm-forecast")
        .ends(0)
        .says(&["lstm-forecast of lstm@1"]);
    export("lstm-ae ae.bellwether --member lstm-ae")
        .ends(2)
        .says(&["--member is for ONNX files"]);
    export("lstm-ae also --format onnx").ends(0);
    assert_eq!(fs::read(folder.join("also")).unwrap().len(), {
        export("lstm-ae again.onnx").ends(0);
        fs::read(folder.join("again.onnx")).unwrap().len()
    });
    bellwether(folder, "models list --format onnx --registry models")
        .ends(2)
        .says(&["models export"]);
}

#[test]
fn mlflow_loads_the_folder() {
    let folder = folder();
    let export = || {
        bellwether(
            folder,
            "models export lstm-ae for-mlflow --format mlflow --registry models",
        )
    };
    export().ends(0).says(&["the folder for-mlflow"]);
    export().ends(1).says(&["not empty"]);
    let test = "mlflow_loads_the_folder";
    let (Some(python), Some(_)) = (python_with(test, "mlflow"), python_with(test, "onnxruntime")) else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange/mlflow_model.py");
    let ran = Command::new(python)
        .current_dir(folder)
        .args([script.as_os_str(), "for-mlflow".as_ref()])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "lstm-ae@1 7");
}

#[test]
fn a_card_shows_the_training_and_the_command_that_repeats_it() {
    let folder = folder();
    let page = bellwether(folder, "models show lstm-ae --format html --registry models")
        .ends(0)
        .stdout;
    let command = "bellwether train pump.csv --name lstm-ae --model-family lstm-ae --rows 900 --epochs 3 --registry models";
    for said in [
        command,
        "How training went",
        "What its alarms rest on",
        "bearing_temp_c",
    ] {
        assert!(page.contains(said), "{said}");
    }
    bellwether(folder, "models list --format html --registry models")
        .ends(2)
        .says(&["models show"]);
}

#[test]
fn the_command_of_a_version_makes_its_weights_again() {
    let folder = folder();
    let facts = |name: &str| -> serde_json::Value {
        let ran = bellwether(
            folder,
            &format!("models show {name} --format json --registry models"),
        );
        serde_json::from_str(&ran.ends(0).stdout).unwrap()
    };
    let before = facts("lstm-forecast");
    let command = before["reproduce"]
        .as_str()
        .unwrap()
        .strip_prefix("bellwether ")
        .unwrap()
        .to_owned();
    bellwether(folder, &command).ends(0);
    let after = facts("lstm-forecast@2");
    let parent = &after["manifest"]["training"]["parent"];
    assert_eq!(parent["model"], "lstm-forecast@1");
    assert_eq!(parent["sha256"], before["sha256"]);
    assert_eq!(
        after["manifest"]["training"]["data_fingerprint"],
        before["manifest"]["training"]["data_fingerprint"]
    );
    let weights = |reference: &str| {
        let registry = Registry::open(folder.join("models")).unwrap();
        registry.load(&reference.parse().unwrap()).unwrap().bundle.weights
    };
    assert_eq!(weights("lstm-forecast@1"), weights("lstm-forecast@2"));
}

#[test]
fn two_versions_are_held_against_each_other() {
    let folder = folder();
    let compare = "models compare lstm-ae lstm-forecast@1 pump.csv --format json --registry models";
    let document: serde_json::Value =
        serde_json::from_str(&bellwether(folder, compare).ends(0).stdout).unwrap();
    let (first, second) = (&document["first"], &document["second"]);
    assert_eq!(
        (&first["model"], &second["model"]),
        (&"lstm-ae@1".into(), &"lstm-forecast@1".into())
    );
    assert_eq!(first["data_fingerprint"], second["data_fingerprint"]);
    assert_eq!(first["scored"], 1485);
    for side in [first, second] {
        let at = |key: &str| side[key].as_f64().unwrap();
        assert!(at("score_median") <= at("score_q99") && at("score_q99") <= at("score_max"));
        assert!(at("score_max") > 1.0 && at("events") >= 1.0);
    }
    let agreement = &document["agreement"];
    assert_eq!(agreement["rows"], 1485);
    assert!(agreement["rank_correlation"].as_f64().unwrap() > 0.0);
    let count = |key: &str| agreement[key].as_u64().unwrap();
    assert!(count("anomalous_in_both") <= count("anomalous_in_either"));
    // Without data there is nothing to agree on.
    let bare = bellwether(
        folder,
        "models compare lstm-ae lstm-ae --format json --registry models",
    )
    .ends(0);
    let bare: serde_json::Value = serde_json::from_str(&bare.stdout).unwrap();
    assert!(bare["agreement"].is_null());
    assert_eq!(bare["first"], bare["second"]);
}
