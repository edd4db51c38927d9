//! `train --search`: the same trials everywhere, again after a kill, and a model that is trained with the best of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "tests make and read their own files")]

mod shared;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::Registry;
use serde_json::Value;

use crate::shared::bellwether;

/// What a version has learnt, and the manifest.
fn learnt(folder: &Path, registry: &str, reference: &str) -> (Vec<u8>, Manifest) {
    let registry = Registry::open(folder.join(registry)).unwrap();
    let bundle = registry.load(&reference.parse().unwrap()).unwrap().bundle;
    let manifest = Manifest::from_json_bytes(&bundle.manifest).unwrap();
    (bundle.weights, manifest)
}

/// A folder with `pump.csv`.
fn with_pump(n_samples: usize) -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    let generate = format!("generate --devices 1 --samples {n_samples} --seed 9 -o pump.csv");
    bellwether(own.path(), &generate).ends(0);
    own
}

/// As few passes over as few rows as give a search something to choose from.
const SEARCH: &str = "train pump.csv --name pump --model-family lstm-forecast --architecture 16/16 --epochs 3 --stride 3 --search --search-trials 6 --format json";

#[test]
fn a_search_that_is_killed_and_resumed_is_the_one_that_never_was() {
    let own = with_pump(2_500);
    let folder = own.path();
    let whole = bellwether(
        folder,
        &format!("{SEARCH} --registry whole --threads 1 --log log.jsonl"),
    )
    .ends(0);
    // Killed as soon as it tells of the third trial, wherever it is by then.
    let mut child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .current_dir(folder)
        .args(format!("{SEARCH} --registry killed --threads 2").split_whitespace())
        .env_remove("BELLWETHER_REGISTRY")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    assert!(
        said.lines()
            .map_while(Result::ok)
            .any(|line| line.starts_with("trial 3:"))
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = folder.join("killed/.checkpoints/pump/search.jsonl");
    let lines = fs::read_to_string(&kept).unwrap();
    assert!((3..=5).contains(&lines.lines().count()), "{lines}");
    // Other limits are another search, and so is none.
    bellwether(folder, &format!("{SEARCH} --registry killed --resume --seed 1"))
        .ends(1)
        .says(&["search.jsonl is of other data, settings, limits"]);
    let without = SEARCH.replace("--search --search-trials 6", "");
    bellwether(folder, &format!("{without} --registry killed --resume"))
        .ends(1)
        .says(&["--resume: what was interrupted was a search"]);
    let resumed = bellwether(
        folder,
        &format!("{SEARCH} --registry killed --resume --threads 2"),
    )
    .ends(0);
    assert!(!folder.join("killed/.checkpoints/pump").exists());

    let document = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (whole, resumed) = (document(&whole.stdout), document(&resumed.stdout));
    assert_eq!(resumed["search"].to_string(), whole["search"].to_string());
    let (weights, manifest) = learnt(folder, "whole", "pump");
    let (weights_again, manifest_again) = learnt(folder, "killed", "pump");
    assert!(weights_again == weights, "the weights differ");
    assert_eq!(manifest_again.training.settings, manifest.training.settings);
    assert_eq!(manifest.training.settings["search"], whole["search"]);

    // The table: full trainings before short ones, the best first, which is no worse than what was asked for.
    let trials = whole["search"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 6);
    let full: Vec<&Value> = trials.iter().filter(|of| of["is_full"] == true).collect();
    assert_eq!(full.len(), 2);
    let worth = |of: &Value| of["vus_pr"].as_f64().unwrap();
    assert!(worth(full[0]) >= worth(full[1]) && trials[0] == *full[0] && trials[1] == *full[1]);
    let chosen: Vec<&Value> = trials.iter().filter(|of| of["is_chosen"] == true).collect();
    assert_eq!(chosen, [full[0]]);
    let asked = trials.iter().find(|of| of["trial"] == 1).unwrap();
    assert_eq!(asked["is_full"], true);
    assert!(
        trials
            .iter()
            .filter(|of| of["is_full"] == false)
            .all(|of| of["epochs"] == 1)
    );
    assert_eq!(full[0]["epochs"], 3);
    assert_eq!(chosen[0]["window"], manifest.models[0].window_len());

    // The log has every trial as it came, and then the epochs.
    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(document).collect();
    let of_trials: Vec<&Value> = lines.iter().filter_map(|line| line.get("trial")).collect();
    assert_eq!(of_trials, [1, 2, 3, 4, 5, 6]);
    assert_eq!(lines.len() - 6, manifest.training.epochs.len());

    // The command of the manifest trains the same model again, without a search.
    let command = manifest.training.command.join(" ");
    assert!(!command.contains("--search"), "{command}");
    let again = bellwether(folder, &command).ends(0);
    assert!(!again.stderr.contains("trial"), "{}", again.stderr);
    let (weights_again, manifest_again) = learnt(folder, "whole", "pump@2");
    assert!(weights_again == weights, "{command}");
    assert_eq!(manifest_again.detector, manifest.detector);

    // And people find the table on the card.
    let card = bellwether(folder, "models show pump@1 --registry whole --format html").ends(0);
    assert!(card.stdout.contains("How its settings were found") && card.stdout.contains("chosen"));
}

#[test]
fn a_budget_for_no_trial_leaves_the_settings_as_they_are() {
    let own = with_pump(2_500);
    let folder = own.path();
    let train =
        "train pump.csv --name pump --model-family lstm-forecast --epochs 2 --stride 3 --registry models";
    bellwether(folder, &format!("{train} --search --budget 1ms"))
        .ends(0)
        .says(&[
            "the budget was used up before the first trial",
            "settings stay as asked for",
        ]);
    bellwether(folder, train).ends(0);
    let (weights, manifest) = learnt(folder, "models", "pump@1");
    let (weights_again, manifest_again) = learnt(folder, "models", "pump@2");
    assert!(weights_again == weights, "the weights differ");
    assert_eq!(manifest_again.training.command, manifest.training.command);
    // One trial is the settings as asked for.
    let ran = bellwether(folder, &format!("{train} --search --search-trials 1"))
        .ends(0)
        .says(&["no drawn candidate came to be trained in full"]);
    assert!(ran.stdout.contains("chosen"), "{}", ran.stdout);
    assert!(learnt(folder, "models", "pump@3").0 == weights);
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let own = with_pump(60);
    let folder = own.path();
    let train = |flags: &str| {
        bellwether(
            folder,
            &format!("train pump.csv --name pump --registry models {flags}"),
        )
    };
    train("--search --model-family linear")
        .ends(2)
        .says(&["--search: --model-family linear has no network"]);
    train("--search --group-by device")
        .ends(2)
        .says(&["--search", "--group-by"]);
    train("--search --from other")
        .ends(2)
        .says(&["--search", "--from"]);
    train("--search --threshold best-f1")
        .ends(2)
        .says(&["--search looks at no labels"]);
    train("--budget 5m").ends(2).says(&["--search"]);
    train("--search --budget 5m --search-trials 3")
        .ends(2)
        .says(&["--budget", "--search-trials"]);
    train("--search")
        .ends(1)
        .says(&["--search: faults are put into the last quarter", "has 15 rows"]);
    bellwether(folder, "generate --devices 1 --samples 2500 -o more.csv").ends(0);
    let more = |flags: &str| {
        bellwether(
            folder,
            &format!("train more.csv --name pump --registry models {flags}"),
        )
    };
    more("--search --window 8 --architecture gru --lr 0.01")
        .ends(2)
        .says(&["--search: --window, --architecture", "are all given"]);
    // What was interrupted was no search.
    fs::create_dir_all(folder.join("models/.checkpoints/pump")).unwrap();
    fs::write(folder.join("models/.checkpoints/pump/0.checkpoint"), b"").unwrap();
    more("--search --resume")
        .ends(1)
        .says(&["--resume: what was interrupted was a training without --search"]);
    fs::write(folder.join("models/.checkpoints/pump/search.jsonl"), b"no search").unwrap();
    more("--search --resume")
        .ends(1)
        .says(&["search.jsonl cannot be used: train without --resume"]);
}
