//! What a manifest must keep bit for bit, and what it must refuse.

mod laws;

use std::time::Duration;

use bellwether_core::detect::{Calibrated, CalibrationReport, ModeReport};
use bellwether_core::event::EventRule;
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::score::{Calibration, Smoothing};
use bellwether_core::threshold::{BudgetSupport, Fallback, FittedThreshold, Threshold};
use bellwether_core::transform::{ChannelKind, ChannelScale, Pipeline, PipelineParts, ScalerKind};
use serde_json::{Value, json};

use super::*;
use crate::disk::tests::told;

/// Kept for ever: written by format version 1.
const GOLDEN: &str = include_str!("../../../../tests/manifests/v1.json");

/// The same with a baseline.
const GOLDEN_BASELINE: &str = include_str!("../../../../tests/manifests/v1-baseline.json");

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
    });
    Pipeline::from_parts(PipelineParts {
        scaler: ScalerKind::Robust,
        cadence: Duration::new(60, 1),
        gap_max: Duration::MAX,
        fill_len_max: 64,
        channels: channels.collect(),
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
        threshold: Threshold::new(numbers[1]).unwrap(),
    }
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
        settings: json!({ "window": 64, "lr": 0.003, "threshold": "budget:1/week", "exclude": [] }),
        seconds: Some(12.75),
    }
}

fn manifest(numbers: [f64; 3]) -> Manifest {
    Manifest {
        name: "pump".to_owned(),
        bellwether_version: "0.1.0".to_owned(),
        created_at: Timestamp::from_nanos(1_700_000_000_123_456_789),
        detector: DetectorParts {
            pipeline: pipeline(numbers),
            causal: calibrated(numbers),
            retrospective: calibrated([numbers[2], numbers[0], numbers[1]]),
            events: EventRule::new(3, 5, 0.85, 64, 1).unwrap(),
        },
        model: ModelManifest {
            architecture: "lstm-ae".to_owned(),
            kernels: "avx2".to_owned(),
            window_len: 64,
            n_inputs: 4,
            n_outputs: 2,
            encoder: vec![64, 16],
            decoder: vec![64],
            active: vec![0, 2],
            with_level: true,
            n_weights: 43_650,
        },
        training: training(),
        calibration: calibration_record(),
        baseline: None,
    }
}

/// A number beyond `f32`, the smallest there is, and one that has no short decimal form.
fn golden() -> Manifest {
    manifest([1.797e308, 5e-324, 0.1 + 0.2])
}

/// One missing cell, a negative zero.
fn frame() -> Frame {
    let time = [1, 2].map(Timestamp::from_secs).to_vec();
    let channels = ["a", "é"].map(Channel::new).to_vec();
    Frame::new(channels, time, vec![1.5, f64::NAN, -0.0, 1e300]).unwrap()
}

/// The golden manifest as a tree, with the value at `pointer` replaced; a new key where there is none.
fn spoilt(pointer: &str, value: Value) -> Value {
    let mut tree: Value = serde_json::from_str(GOLDEN).unwrap();
    match tree.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            tree.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    tree
}

fn error_of(bytes: &[u8]) -> String {
    told(&Manifest::from_json_bytes(bytes).expect_err("must be refused"))
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
fn a_record_keeps_what_the_calibration_found() {
    let support = BudgetSupport {
        asked: "1/week".parse().unwrap(),
        held_out_span: Duration::from_secs(86_400),
        supported: "1/day".parse().unwrap(),
        extrapolated: false,
        xi: None,
        n_peaks: 3,
    };
    let mode = |support, fallback| ModeReport {
        n_rows: 2000,
        n_scored: 1990,
        threshold: FittedThreshold {
            threshold: Threshold::new(2.5).unwrap(),
            support,
            fallback,
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
fn the_manifest_with_a_baseline_that_was_kept_opens_and_is_what_is_written_today() {
    let manifest = Manifest {
        baseline: Some(baseline()),
        ..golden()
    };
    let kept = Manifest::from_json_bytes(GOLDEN_BASELINE.as_bytes()).unwrap();
    assert_eq!(kept, manifest);
    assert_eq!(
        String::from_utf8(manifest.to_json_bytes().unwrap()).unwrap(),
        GOLDEN_BASELINE
    );
}

#[test]
fn a_baseline_is_kept_bit_for_bit_and_a_bad_one_is_refused() {
    let written = Manifest {
        baseline: Some(baseline()),
        ..golden()
    };
    let bytes = written.to_json_bytes().unwrap();
    let read = Manifest::from_json_bytes(&bytes).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.to_json_bytes().unwrap(), bytes);
    let check = |pointer: &str, value: Value, expect: &str| {
        let mut tree: Value = serde_json::from_slice(&bytes).unwrap();
        *tree.pointer_mut(pointer).unwrap() = value;
        let error = error_of(tree.to_string().as_bytes());
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
fn absent_unknown_and_mistyped_fields_are_named_by_path() {
    let check = |pointer: &str, value: Value, expect: &[&str]| {
        let error = error_of(spoilt(pointer, value).to_string().as_bytes());
        for expect in expect {
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        }
    };
    check("/format_version", json!(0), &["format_version 0"]);
    check("/format_version", json!(2), &["newer bellwether"]);
    check("/format_version", json!("1"), &["whole number `format_version`"]);
    check("/colour", json!(1), &["unknown field `colour`"]);
    check("/name", json!(7), &["name cannot be read", "expected a string"]);
    check("/created_at", json!("yesterday"), &["created_at cannot be read"]);
    check(
        "/created_at",
        json!("9000-01-01T00:00:00Z"),
        &["created_at", "1677 to 2262"],
    );
    check(
        "/detector/causal/channels/1/mean",
        json!(0),
        &["detector.causal.channels[1]", "unknown field `mean`"],
    );
    check(
        "/detector/causal/threshold",
        Value::Null,
        &["detector.causal.threshold", "null"],
    );
    check(
        "/detector/pipeline/cadence",
        json!({ "secs": u64::MAX, "nanos": 1_000_000_000_u32 }),
        &["detector.pipeline.cadence"],
    );
    check(
        "/model/encoder/1",
        json!(-1),
        &["model.encoder[1] cannot be read", "-1"],
    );
    check(
        "/training/epochs/0",
        json!({ "epoch": 0 }),
        &["training.epochs[0]", "missing field `train_loss`"],
    );
    check(
        "/calibration/causal/n_rows",
        json!(1.5),
        &["calibration.causal.n_rows"],
    );
}

#[test]
fn values_out_of_range_or_at_odds_are_named_by_path() {
    let check = |pointer: &str, value: Value, expect: &str| {
        let error = error_of(spoilt(pointer, value).to_string().as_bytes());
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    let pipeline = "/detector/pipeline";
    check(
        &format!("{pipeline}/scaler"),
        json!("log"),
        "detector.pipeline.scaler is \"log\", wanted minmax",
    );
    check(
        &format!("{pipeline}/channels/2/kind"),
        json!("odd"),
        "channels[2].kind is \"odd\"",
    );
    check(
        &format!("{pipeline}/channels/0/divisor"),
        json!(0),
        "detector.pipeline is not usable; get the original file: channel \"flow\"",
    );
    check(
        &format!("{pipeline}/channels/1/name"),
        json!("flow"),
        "channel \"flow\" stands twice",
    );
    check(
        &format!("{pipeline}/channels"),
        json!([]),
        "detector.pipeline is not usable",
    );
    check(
        &format!("{pipeline}/fill_len_max"),
        json!(u64::MAX),
        "fill_len_max is 18446744073709551615, wanted at most",
    );
    check(
        "/detector/causal/channels/1/scale",
        json!(0),
        "detector.causal.channels[1].scale is 0, wanted a number above zero",
    );
    check(
        "/detector/retrospective/channels/2/prior",
        json!(-1),
        "detector.retrospective.channels[2].prior is -1, wanted a number not below zero",
    );
    check(
        "/detector/causal/channels",
        json!([]),
        "detector.causal.channels is a list of 0, wanted 3: one for each",
    );
    let silent = json!({ "weight": 0, "scale": 1, "prior": 0, "residual": 0 });
    check(
        "/detector/causal/channels",
        json!([silent, silent, silent]),
        "without any weight",
    );
    check(
        "/detector/causal/threshold",
        json!(0),
        "detector.causal.threshold is 0",
    );
    check(
        "/detector/causal/smoothing_span",
        json!(0.5),
        "detector.causal.smoothing_span is 0.5, wanted 1 to 1000000",
    );
    check("/detector/events/n", json!(6), "detector.events is not usable");
    check("/model/window_len", json!(0), "model.window_len is 0");
    check("/model/encoder", json!([]), "model.encoder is empty");
    check("/model/decoder/0", json!(0), "model.decoder[0] is 0");
    check("/model/active", json!([]), "model.active is empty");
    check(
        "/model/active/1",
        json!(3),
        "model.active[1] is 3, wanted the position of one of 3",
    );
    check(
        "/model/active/1",
        json!(0),
        "model.active[1] is 0, wanted more than 0",
    );
    check(
        "/model/n_inputs",
        json!(2),
        "model.n_inputs is 2, wanted 4 for 2 active channels",
    );
    check("/model/n_outputs", json!(3), "model.n_outputs is 3, wanted 2");
    check(
        "/training/data_fingerprint",
        json!("abc"),
        "training.data_fingerprint is \"abc\"",
    );
    check(
        "/training/series/0/end",
        json!("1969-01-01T00:00:00Z"),
        "training.series[0].end is 1969-01-01T00:00:00Z, wanted not before",
    );
    check(
        "/training/n_samples",
        json!(1),
        "training.n_samples is 1, wanted 10005",
    );
    check(
        "/training/epochs/1/epoch",
        json!(0),
        "training.epochs[1].epoch is 0",
    );
    check("/training/best_epoch", json!(2), "training.best_epoch is 2");
    check("/training/seconds", json!(-1), "training.seconds is -1");
}

#[test]
fn bytes_that_are_no_json_object_are_refused() {
    let check = |text: &str| {
        let error = error_of(text.as_bytes());
        assert!(error.contains("not a JSON object"), "{error}");
    };
    check("");
    check("null");
    check("{");
    check(&GOLDEN[..GOLDEN.len() - 3]);
    check(&format!("{GOLDEN}{{}}"));
    check(&GOLDEN.replacen("12.75", "NaN", 1));
    check(&GOLDEN.replacen("12.75", &"[".repeat(100_000), 1));
}

/// Text that no [`Value`] can hold.
#[test]
fn numbers_too_large_and_nesting_too_deep_are_named_by_path() {
    let check = |to: &str, expect: [&str; 2]| {
        let text = GOLDEN.replacen("\"window\": 64", &format!("\"window\": {to}"), 1);
        assert_ne!(text, GOLDEN);
        let error = error_of(text.as_bytes());
        assert!(expect.iter().all(|expect| error.contains(expect)), "{error}");
    };
    check("1e999", ["training.settings", "out of range"]);
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    check(
        &format!("{open}{close}"),
        ["training.settings", "recursion limit"],
    );
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let check = |spoil: fn(&mut Manifest), expect: &str| {
        let mut manifest = golden();
        spoil(&mut manifest);
        let error = told(&manifest.to_json_bytes().unwrap_err());
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(
        |manifest| manifest.training.epochs[1].val_loss = f64::NAN,
        "training.epochs[1].val_loss",
    );
    check(
        |manifest| manifest.detector.causal.calibration.prior[0] = f64::INFINITY,
        "detector.causal.channels[0].prior is inf",
    );
    check(
        |manifest| manifest.detector.retrospective.calibration.scale.push(1.0),
        "detector.retrospective.channels is a list of 4",
    );
    check(|manifest| manifest.model.active.push(9), "model.active[2] is 9");
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
