//! Ten thousand damaged bundles, and as many damaged checkpoints: each is refused in words that say what to do, and none harms
//! the registry.
#![expect(clippy::disallowed_methods, reason = "the test damages what is on the disk")]

use std::fs;

use bellwether_core::time::Timestamp;
use bellwether_store::bundle::{Bundle, Sha256};
use bellwether_store::checkpoint::{
    CheckpointEpoch, CheckpointError, CheckpointRecord, CheckpointTensors, read_checkpoint, write_checkpoint,
};
use bellwether_store::registry::{LoadError, ModelName, ModelRef, Registry, VersionFileError};

/// A whole detector of several members.
const BUNDLE: &[u8] = include_bytes!("bundles/v2.bellwether");

const N_CORRUPTIONS: u32 = 10_000;

/// SplitMix64 (Steele, Lea, Flood, 2014): the same damage in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The file damaged in one of seven ways, and in which.
fn damaged(sound: &[u8], random: &mut Random) -> (&'static str, Vec<u8>) {
    let mut bytes = sound.to_vec();
    let at = random.below(bytes.len());
    let kind = match random.below(7) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            "a flipped bit"
        }
        1 => {
            bytes[at] = bytes[at].wrapping_add(1 + random.below(255) as u8);
            "another byte"
        }
        2 => {
            bytes.truncate(at);
            "cut short"
        }
        3 => {
            let end = (at + 1 + random.below(64)).min(bytes.len());
            bytes.drain(at..end);
            "bytes missing"
        }
        4 => {
            let n = 1 + random.below(64);
            let noise: Vec<u8> = (0..n).map(|_| random.next() as u8).collect();
            bytes.splice(at..at, noise);
            "bytes put in"
        }
        5 => {
            let end = (at + 1 + random.below(512)).min(bytes.len());
            bytes[at..end].fill(0);
            "a hole of zeros"
        }
        _ => {
            let from = random.below(bytes.len());
            let n = 1 + random.below(256);
            let n = n.min(bytes.len() - at).min(bytes.len() - from);
            bytes.copy_within(from..from + n, at);
            "a piece of elsewhere"
        }
    };
    (kind, bytes)
}

#[test]
fn every_corruption_is_refused_and_the_registry_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join("models")).unwrap();
    let name: ModelName = "pump".parse().unwrap();
    let sound = Bundle::from_bytes(BUNDLE).unwrap();
    for secs in [1, 2] {
        let now = Timestamp::from_secs(secs);
        registry
            .publish(&name, &sound, serde_json::Value::Null, now)
            .unwrap();
    }
    let file = dir.path().join("models/pump/2.bellwether");
    let published = fs::read(&file).unwrap();
    let index = registry.show(&name).unwrap();
    let two: ModelRef = "pump@2".parse().unwrap();
    let loose = ModelRef::File(dir.path().join("loose.bellwether"));
    let mut random = Random(7);
    let mut n_harmless = 0;
    for case in 0..N_CORRUPTIONS {
        let (kind, bytes) = damaged(BUNDLE, &mut random);
        if bytes == BUNDLE {
            // Zeros upon zeros, a piece upon itself: nothing was damaged.
            n_harmless += 1;
            continue;
        }
        // Of a published version nothing passes: the index knows its checksum.
        assert_ne!(Sha256::of(&bytes), Sha256::of(&published));
        // A file of its own has but what is in it; whatever passes is the same detector, to the byte.
        let refusal = match Bundle::from_bytes(&bytes) {
            Ok(bundle) => {
                assert_eq!(bundle, sound, "case {case}, {kind}: another bundle is taken");
                n_harmless += 1;
                continue;
            }
            Err(error) => error.to_string(),
        };
        let acts = [
            "copy the file again",
            "get the original file",
            "check that it is",
            "update bellwether",
            "train a",
        ];
        assert!(
            acts.iter().any(|act| refusal.contains(act)),
            "case {case}, {kind}: {refusal}"
        );
        // The same by way of files; the disk is slow, so every tenth.
        if case % 10 == 0 {
            fs::write(&file, &bytes).unwrap();
            fs::write(dir.path().join("loose.bellwether"), &bytes).unwrap();
            let error = registry.load(&two).unwrap_err();
            assert!(
                matches!(&error, LoadError::Version(of) if matches!(**of, VersionFileError::Altered { .. })),
                "case {case}, {kind}: {error}"
            );
            assert!(
                matches!(registry.load(&loose), Err(LoadError::File(_))),
                "case {case}, {kind}"
            );
        }
    }
    // Of what is harmless there is little: a date in the frame of the archive that says nothing.
    assert!(
        n_harmless < N_CORRUPTIONS / 20,
        "{n_harmless} corruptions were not noticed"
    );
    // The registry is as it was, and its other version serves.
    assert_eq!(registry.show(&name).unwrap(), index);
    assert_eq!(registry.load(&"pump@1".parse().unwrap()).unwrap().bundle, sound);
    assert_eq!(registry.verify(None).unwrap().problems.len(), 1);
    fs::write(&file, &published).unwrap();
    assert!(registry.verify(None).unwrap().is_sound());
}

/// Where a small training stood after two epochs.
fn checkpoint(random: &mut Random) -> (CheckpointRecord, CheckpointTensors) {
    let epoch = |epoch: usize| CheckpointEpoch {
        epoch,
        train_loss: 0.25 / (epoch + 1) as f64,
        val_loss: 0.3 / (epoch + 1) as f64,
        learning_rate: 3e-3,
        gradient_norm: 0.7,
        is_best: true,
    };
    let record = CheckpointRecord {
        training: Sha256::of(b"data, settings and program").to_string(),
        n_updates: 94,
        random_at: 12_345,
        learning_rate: 3e-3,
        n_drops: 0,
        n_flat: 0,
        n_restarts: 0,
        n_windows_done: 6000,
        best_epoch: 1,
        epochs: vec![epoch(0), epoch(1)],
    };
    let mut numbers = || {
        (0..300)
            .map(|_| (random.next() % 2000) as f32 / 1000.0 - 1.0)
            .collect()
    };
    let tensors = CheckpointTensors {
        weights: numbers(),
        first: numbers(),
        second: numbers(),
        best: numbers(),
    };
    (record, tensors)
}

#[test]
fn every_corrupt_checkpoint_is_refused_and_the_registry_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join("models")).unwrap();
    let name: ModelName = "pump".parse().unwrap();
    let bundle = Bundle::from_bytes(BUNDLE).unwrap();
    registry
        .publish(&name, &bundle, serde_json::Value::Null, Timestamp::from_secs(1))
        .unwrap();
    let index = registry.show(&name).unwrap();
    let mut random = Random(11);
    let (record, tensors) = checkpoint(&mut random);
    let folder = dir.path().join("models/.checkpoints/pump");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("0.checkpoint");
    write_checkpoint(&path, &record, &tensors).unwrap();
    let sound = fs::read(&path).unwrap();
    let mut n_harmless = 0;
    for case in 0..N_CORRUPTIONS {
        let (kind, bytes) = damaged(&sound, &mut random);
        fs::write(&path, &bytes).unwrap();
        match read_checkpoint(&path) {
            // Whatever passes is the same training, to the bit.
            Ok(read) => {
                assert_eq!(
                    read,
                    Some((record.clone(), tensors.clone())),
                    "case {case}, {kind}: another checkpoint is taken"
                );
                n_harmless += 1;
            }
            Err(error) => {
                assert!(
                    matches!(error, CheckpointError::Damaged { .. }),
                    "case {case}, {kind}: {error}"
                );
                assert!(error.to_string().contains("train without --resume"), "{error}");
            }
        }
    }
    assert!(
        n_harmless < N_CORRUPTIONS / 100,
        "{n_harmless} corruptions were not noticed"
    );
    assert_eq!(registry.show(&name).unwrap(), index);
    assert!(registry.verify(None).unwrap().is_sound());
}
