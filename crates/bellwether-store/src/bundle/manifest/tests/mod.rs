//! What a manifest must keep bit for bit, and what it must refuse.

mod derivation;
mod laws;
mod members;
mod refused;

use std::time::Duration;

use bellwether_core::classic::Kind;
use bellwether_core::detect::{Calibrated, CalibrationReport, Combination, MemberParts, ModeReport};
use bellwether_core::event::EventRule;
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::score::{Calibration, Smoothing, Tail};
use bellwether_core::threshold::{BudgetSupport, Fallback, FittedThreshold, Support, Threshold};
use bellwether_core::transform::{
    ChannelKind, ChannelScale, DerivationParts, Pipeline, PipelineParts, ScalerKind,
};
use serde_json::{Value, json};

use super::*;
use crate::disk::tests::told;

/// Kept for ever: written by format version 1.
const GOLDEN_V1: &str = include_str!("../../../../tests/manifests/v1.json");

/// The same with a baseline.
const GOLDEN_V1_BASELINE: &str = include_str!("../../../../tests/manifests/v1-baseline.json");

/// Kept for ever: what [`golden`] wrote in format version 2.
const GOLDEN: &str = include_str!("../../../../tests/manifests/v2.json");

const CHANNELS: [&str; 3] = ["flow", "valve", "pressure \"é\""];

fn pipeline(numbers: [f64; 3]) -> Pipeline {
    let kinds = [
        ChannelKind::Continuous,
        ChannelKind::Discrete,
        ChannelKind::Constant,
    ];
    let channels = CHANNELS.iter().zip(kinds).zip(numbers);
    let channels = channels.map(|((&name, kind), number)| ChannelScale {
        channel: Channel::new(name),
        kind,
        offset: -number,
        divisor: number,
        fill: number / 2.0,
        range: (-number, number),
        n_observed: 12_345,
        still_len_max: None,
    });
    Pipeline::from_parts(PipelineParts {
        scaler: ScalerKind::Robust,
        cadence: Duration::new(60, 1),
        gap_max: Duration::MAX,
        fill_len_max: 64,
        channels: channels.collect(),
        derivation: DerivationParts::default(),
    })
    .unwrap()
}

fn calibrated(numbers: [f64; 3]) -> Calibrated {
    Calibrated {
        calibration: Calibration {
            weights: vec![1.0, 0.5, 1.5],
            scale: numbers.to_vec(),
            prior: vec![1.0 / 3.0, -0.0, 0.1 + 0.2],
            residual: numbers.iter().rev().copied().collect(),
        },
        smoothing: Smoothing { span: 40.0 / 3.0 },
        norm: None,
        tail: None,
    }
}

fn member(weight: f64, numbers: [f64; 3]) -> MemberParts {
    MemberParts {
        weight,
        causal: calibrated(numbers),
        retrospective: calibrated([numbers[2], numbers[0], numbers[1]]),
    }
}

/// Knots from zero on, two of them equal.
fn tail(slope: f64) -> Tail {
    // Roots are the same bits everywhere.
    let knots = (0..99).map(|knot| 0.1 * f64::from((knot - 1).max(0)).sqrt());
    Tail {
        knots: knots.collect(),
        slope,
    }
}

fn network() -> NetworkManifest {
    NetworkManifest {
        kernels: "avx2".to_owned(),
        window_len: 64,
        n_inputs: 4,
        n_outputs: 2,
        encoder: vec![64, 16],
        decoder: vec![64],
        active: vec![0, 2],
        with_level: true,
        n_weights: 43_650,
    }
}

/// The two networks, and the classic detectors that the first bundles had.
fn models() -> Vec<ModelManifest> {
    let active = vec![0, 1, 2];
    vec![
        ModelManifest::LstmAe(network()),
        ModelManifest::LstmForecast(NetworkManifest {
            decoder: Vec::new(),
            ..network()
        }),
        classic(Kind::Pca, 48, active.clone(), vec![("rank", 5)]),
        classic(Kind::Var, 9, vec![1], Vec::new()),
        classic(
            Kind::Knn,
            16,
            active,
            vec![("n_windows", 2000), ("n_neighbours", 3)],
        ),
    ]
}

fn classic(
    kind: Kind,
    window_len: usize,
    active: Vec<usize>,
    settings: Vec<(&'static str, usize)>,
) -> ModelManifest {
    ModelManifest::Classic(ClassicManifest {
        kind,
        window_len,
        active,
        settings,
    })
}

fn calibration_record() -> CalibrationRecord {
    let mode = ModeRecord {
        n_rows: 2000,
        n_scored: 1990,
        n_events: 1,
        error_median: 0.7,
        error_q99: 1.9,
        error_max: 2.25,
        support: None,
        alarms_per_week: None,
        predicted_per_week: None,
        fallback: None,
    };
    CalibrationRecord {
        rule: "budget:1/week".to_owned(),
        causal: ModeRecord {
            support: Some("1/week: counted on 14 days of held-out data".to_owned()),
            alarms_per_week: Some(1.0),
            fallback: Some("only 3 separate peaks".to_owned()),
            ..mode.clone()
        },
        retrospective: mode,
    }
}

fn training() -> TrainingRecord {
    let series = |name: &str, n_samples, start, end| SeriesRecord {
        name: name.to_owned(),
        n_samples,
        start: Timestamp::from_nanos(start),
        end: Timestamp::from_nanos(end),
    };
    let epoch = |epoch, train_loss, val_loss| EpochRecord {
        epoch,
        train_loss,
        val_loss,
        learning_rate: 3e-3,
    };
    TrainingRecord {
        data_fingerprint: fingerprint(&[frame()]),
        series: vec![
            series("pump-1", 10_000, 0, 600_000_000_001),
            series("pump-2", 5, i64::MIN, i64::MAX),
        ],
        n_samples: 10_005,
        n_train_windows: 8_000,
        n_val_windows: 1_000,
        epochs: vec![epoch(0, 0.5, 0.25), epoch(1, 0.1 + 0.2, f64::MIN_POSITIVE)],
        best_epoch: 1,
        end: "early stop".to_owned(),
        seed: u64::MAX,
        command: Vec::new(),
        parent: None,
        settings: json!({ "window": 64, "lr": 0.003, "threshold": "budget:1/week", "exclude": [] }),
        seconds: Some(12.75),
    }
}

/// What format version 1 could say: one network, whose errors stand for themselves.
fn manifest_of_one(numbers: [f64; 3]) -> Manifest {
    Manifest {
        name: "pump".to_owned(),
        bellwether_version: "0.1.0".to_owned(),
        created_at: Timestamp::from_nanos(1_700_000_000_123_456_789),
        detector: DetectorParts {
            pipeline: pipeline(numbers),
            members: vec![member(1.0, numbers)],
            combination: Combination::Mean,
            range_weight: 0.0,
            causal: Threshold::new(numbers[1]).unwrap(),
            retrospective: Threshold::new(numbers[0]).unwrap(),
            drifting: None,
            rarity: None,
            events: EventRule::new(3, 5, 0.85, 64, 1).unwrap(),
            rules: Vec::new(),
        },
        models: vec![ModelManifest::LstmAe(network())],
        training: training(),
        calibration: calibration_record(),
        baseline: None,
        alignment: None,
    }
}

/// A number beyond `f32`, the smallest there is, and one that has no short decimal form.
const NUMBERS: [f64; 3] = [1.797e308, 5e-324, 0.1 + 0.2];

/// A member of each kind, the first with tails; and a baseline.
fn golden() -> Manifest {
    let weights = [1.0, 0.5, 0.1 + 0.2, 1.797e308, 5e-324];
    let mut members: Vec<_> = weights.map(|weight| member(weight, NUMBERS)).into();
    members[0].causal.tail = Some(tail(0.1 + 0.2));
    members[0].retrospective.tail = Some(tail(5e-324));
    let of_one = manifest_of_one(NUMBERS);
    Manifest {
        detector: DetectorParts {
            members,
            range_weight: 1.0 / 3.0,
            ..of_one.detector
        },
        models: models(),
        baseline: Some(baseline()),
        ..of_one
    }
}

/// One missing cell, a negative zero.
fn frame() -> Frame {
    let time = [1, 2].map(Timestamp::from_secs).to_vec();
    let channels = ["a", "é"].map(Channel::new).to_vec();
    Frame::new(channels, time, vec![1.5, f64::NAN, -0.0, 1e300]).unwrap()
}

fn error_of(bytes: &[u8]) -> String {
    told(&Manifest::from_json_bytes(bytes).expect_err("must be refused"))
}

/// The value at `pointer` of a tree replaced; a new key where there is none.
fn spoilt(text: &str, pointer: &str, value: Value) -> String {
    let mut tree: Value = serde_json::from_str(text).unwrap();
    match tree.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            tree.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    tree.to_string()
}

#[test]
fn the_golden_manifest_opens_for_ever() {
    let read = Manifest::from_json_bytes(GOLDEN.as_bytes()).unwrap();
    assert_eq!(read, golden());
    // Numbers that compare equal may differ in their sign of zero; their texts do not.
    assert_eq!(read.to_json_bytes().unwrap(), GOLDEN.as_bytes());
}

/// Not a promise to users, but a change here must be meant: equal models would get new checksums.
#[test]
fn what_is_written_is_the_golden_manifest() {
    assert_eq!(
        String::from_utf8(golden().to_json_bytes().unwrap()).unwrap(),
        GOLDEN
    );
}

#[test]
fn the_golden_manifests_of_version_1_open_for_ever_as_one_member() {
    let check = |kept: &str, expect: Manifest| {
        let read = Manifest::from_json_bytes(kept.as_bytes()).unwrap();
        assert_eq!(read, expect);
        // Texts differ where a zero lost its sign; and what was read is written as the newest version.
        let written = read.to_json_bytes().unwrap();
        assert_eq!(written, expect.to_json_bytes().unwrap());
        assert_eq!(Manifest::from_json_bytes(&written).unwrap(), expect);
        assert!(written.starts_with(b"{\n  \"format_version\": 2,\n"));
    };
    let of_one = manifest_of_one(NUMBERS);
    check(GOLDEN_V1, of_one.clone());
    let baseline = Some(baseline());
    check(GOLDEN_V1_BASELINE, Manifest { baseline, ..of_one });
}

#[test]
fn a_record_keeps_what_the_calibration_found() {
    let support = BudgetSupport {
        asked: "1/week".parse().unwrap(),
        held_out_span: Duration::from_secs(86_400),
        supported: "1/day".parse().unwrap(),
        predicted: "2/day".parse().unwrap(),
        tail: None,
        n_peaks: 3,
        factor: f64::INFINITY,
    };
    let support = Support::Budget(support);
    let mode = |support, fallback| ModeReport {
        n_rows: 2000,
        n_scored: 1990,
        threshold: FittedThreshold {
            threshold: Threshold::new(2.5).unwrap(),
            support,
            fallback,
            drifting: None,
        },
        n_events: 1,
        errors: [0.7, 1.9, 2.25],
    };
    let fallback = Fallback::FewPeaks { n_peaks: 3 };
    let report = CalibrationReport {
        causal: mode(Some(support), Some(fallback)),
        retrospective: mode(None, None),
        scores: Vec::new(),
    };
    let expect = CalibrationRecord {
        causal: ModeRecord {
            support: Some(support.to_string()),
            alarms_per_week: Some(7.0),
            predicted_per_week: Some(14.0),
            fallback: Some(fallback.to_string()),
            ..calibration_record().causal
        },
        ..calibration_record()
    };
    let rule = "budget:1/week".parse().unwrap();
    assert_eq!(CalibrationRecord::new(&rule, &report), expect);
}

/// Two channels and some scores.
fn baseline() -> Baseline {
    let time = (0..400).map(Timestamp::from_secs).collect();
    // Roots are the same bits everywhere.
    let values = (0..800).map(|i| f64::from(i % 7).sqrt() * if i % 2 == 0 { -0.1 } else { 1e5 });
    let frame = Frame::new(["a", "é"].map(Channel::new).to_vec(), time, values.collect()).unwrap();
    Baseline::of(&[frame]).with_scores(&[vec![f64::NAN, 0.25, 0.5], vec![0.1 + 0.2]])
}

#[test]
fn a_bad_baseline_is_refused() {
    let check = |pointer: &str, value: Value, expect: &str| {
        let error = error_of(spoilt(GOLDEN, pointer, value).as_bytes());
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(
        "/baseline/n_rows",
        json!(7),
        "baseline is not usable; get the original file: channel \"a\"",
    );
    check("/baseline/channels/1/name", json!("a"), "\"a\" stands twice");
    check(
        "/baseline/channels/1/values/0",
        json!("low"),
        "baseline.channels[1].values[0]",
    );
    check(
        "/baseline/correlations",
        json!([[0.1, 30], [0.1, 30]]),
        "2 correlations for 1 pairs",
    );
}

#[test]
fn a_bundle_takes_the_manifest() {
    let bundle = crate::bundle::Bundle {
        manifest: golden().to_json_bytes().unwrap(),
        weights: Vec::new(),
    };
    let again = crate::bundle::Bundle::from_bytes(&bundle.to_bytes().unwrap()).unwrap();
    assert_eq!(Manifest::from_json_bytes(&again.manifest).unwrap(), golden());
}

#[test]
fn a_fingerprint_is_the_checksum_of_the_bytes_its_docs_describe() {
    // Computed with `sha256sum` over the bytes: 2, 1 "a", 2 "é", 2, 1e9, 2e9, then 1.5, NaN, -0.0, 1e300.
    const OF_FRAME: &str = "d59e36c0cf0fab16c3cc5d26e9b7f8d813cc8ce9d2cd09b4c0ffbcd35da8c2a3";
    assert_eq!(fingerprint(&[frame()]), OF_FRAME);
    let (_, time, mut values) = frame().into_parts();
    values[1] = f64::from_bits(u64::MAX);
    let same = Frame::new(
        ["a", "é"].map(Channel::new).to_vec(),
        time.clone(),
        values.clone(),
    )
    .unwrap();
    assert_eq!(fingerprint(&[same]), OF_FRAME);
    let renamed = Frame::new(["a", "b"].map(Channel::new).to_vec(), time, values).unwrap();
    let others = [vec![renamed], vec![frame(), frame()], vec![]];
    for other in others {
        assert_ne!(fingerprint(&other), OF_FRAME);
    }
}
