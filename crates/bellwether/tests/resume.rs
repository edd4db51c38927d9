//! A training that is killed and resumed, again and again, ends with the weights of one that never was.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "tests make and read their own files")]

mod shared;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::Registry;

use crate::shared::bellwether;

const KILLS: u64 = 20;

/// What the only version of a model has learnt, and the losses of its epochs.
fn learnt(folder: &Path, registry: &str, name: &str) -> (Vec<u8>, String, Manifest) {
    let registry = Registry::open(folder.join(registry)).unwrap();
    let bundle = registry.load(&name.parse().unwrap()).unwrap().bundle;
    let manifest = Manifest::from_json_bytes(&bundle.manifest).unwrap();
    let training = format!("{:?} {:?}", manifest.training.epochs, manifest.detector);
    (bundle.weights, training, manifest)
}

#[test]
fn a_training_that_is_killed_twenty_times_ends_with_the_same_bits() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 1 --samples 500 --seed 9 -o pump.csv").ends(0);
    let train = |registry: &str| {
        format!(
            "train pump.csv --name pump --model-family lstm --epochs 60 --lr 3e-4 --checkpoint-every 1ms -v \
             --registry {registry}"
        )
    };
    bellwether(folder, &format!("{} --threads 1", train("whole"))).ends(0);
    let mut random = 9_u64;
    let mut n_kills = 0;
    loop {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .current_dir(folder)
            .args(format!("{} --resume --threads {}", train("killed"), 1 + random % 3).split_whitespace())
            .env_remove("BELLWETHER_REGISTRY")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        if n_kills == KILLS {
            let lines: Vec<String> = said.lines().map(Result::unwrap).collect();
            assert!(child.wait().unwrap().success(), "{lines:?}");
            break;
        }
        // After so many epochs, and then wherever it is by now.
        let n_epochs = (random >> 33) as usize % 3;
        let n_heard = said
            .lines()
            .map_while(Result::ok)
            .filter(|line| line.contains("val_loss"))
            .take(n_epochs)
            .count();
        for _ in 0..(random >> 40) % 200_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(
            n_heard, n_epochs,
            "the training was over after {n_kills} kills: there was nothing to resume"
        );
        n_kills += 1;
    }
    let (weights, training, _) = learnt(folder, "whole", "pump");
    let (weights_again, training_again, _) = learnt(folder, "killed", "pump");
    assert_eq!(training_again, training);
    assert!(weights_again == weights, "the weights differ");
    assert!(!folder.join("killed/.checkpoints/pump").exists());
}

#[test]
fn a_checkpoint_of_another_training_is_refused_and_one_that_is_not_resumed_is_gone() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 1 --samples 300 --seed 9 -o pump.csv").ends(0);
    let train =
        "train pump.csv --name pump --model-family lstm-forecast --checkpoint-every 1ms --registry models";
    // Stopped before its end: the best weights are published, and what is left can be resumed.
    bellwether(folder, &format!("{train} --epochs 50 --max-time 1ms")).ends(0);
    let checkpoints = folder.join("models/.checkpoints/pump");
    // Within the first epoch there is none yet.
    bellwether(folder, &format!("{train} --epochs 2 --resume")).ends(0);
    fs::create_dir_all(&checkpoints).unwrap();
    fs::write(checkpoints.join("0.checkpoint"), b"no checkpoint").unwrap();
    bellwether(folder, &format!("{train} --epochs 2 --resume"))
        .ends(1)
        .says(&["0.checkpoint cannot be used: train without --resume"]);
    bellwether(folder, &format!("{train} --epochs 2")).ends(0);
    assert!(!checkpoints.exists());
}

#[test]
fn networks_of_another_model_are_trained_further_and_the_model_says_so() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    bellwether(folder, "generate --devices 2 --samples 700 --seed 9 -o fleet.csv").ends(0);
    let text = fs::read_to_string(folder.join("fleet.csv")).unwrap();
    let head = text.lines().next().unwrap();
    let fresh = text.lines().filter(|line| line.contains("pump-02")).take(600);
    let fresh: String = std::iter::once(head)
        .chain(fresh)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(folder.join("fresh.csv"), fresh).unwrap();
    let family = "--model-family lstm-forecast --registry models";
    bellwether(
        folder,
        &format!("train fleet.csv --name fleet --epochs 8 {family}"),
    )
    .ends(0);
    bellwether(
        folder,
        &format!("train fresh.csv --name alone --epochs 1 {family}"),
    )
    .ends(0);
    bellwether(
        folder,
        &format!("train fresh.csv --name tuned --epochs 1 --from fleet {family}"),
    )
    .ends(0);
    let (_, _, fleet) = learnt(folder, "models", "fleet");
    let (_, _, alone) = learnt(folder, "models", "alone");
    let (_, _, tuned) = learnt(folder, "models", "tuned");
    assert_eq!(tuned.training.parent.as_ref().unwrap().model, "fleet@1");
    assert_eq!(tuned.training.parent.as_ref().unwrap().sha256.len(), 64);
    assert_eq!(tuned.models[0].window_len(), fleet.models[0].window_len());
    let loss = |of: &Manifest| of.training.epochs[0].val_loss;
    assert!(
        loss(&tuned) < loss(&alone),
        "{} and {}",
        loss(&tuned),
        loss(&alone)
    );
    // What cannot be trained further is refused.
    let from = |flags: &str| {
        bellwether(
            folder,
            &format!("train fresh.csv --name odd --from fleet --registry models {flags}"),
        )
    };
    from("--model-family lstm")
        .ends(2)
        .says(&["--from fleet@1: its networks (lstm-forecast)", "--model-family"]);
    from("--window 5").ends(2);
    let renamed = fs::read_to_string(folder.join("fresh.csv"))
        .unwrap()
        .replacen("flow", "flow_2", 1);
    fs::write(folder.join("renamed.csv"), renamed).unwrap();
    bellwether(
        folder,
        &format!("train renamed.csv --name odd --from fleet {family}"),
    )
    .ends(4)
    .says(&["--from fleet@1: it learnt from the channels"]);
    bellwether(
        folder,
        "train fresh.csv --name linear --model-family linear --registry models",
    )
    .ends(0);
    bellwether(
        folder,
        "train fresh.csv --name odd --from linear --registry models",
    )
    .ends(2)
    .says(&["--from linear@1: it has no network"]);
}
