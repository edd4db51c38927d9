//! What is refused in any format version. Version 1 stands for all: what it has, the others took over, but for the
//! members of [`super::members`].

use bellwether_core::classic::Kind;
use serde_json::{Value, json};

use super::{GOLDEN_V1, classic, error_of, golden, spoilt, tail};
use crate::bundle::manifest::Manifest;
use crate::disk::tests::told;

#[test]
fn absent_unknown_and_mistyped_fields_are_named_by_path() {
    let check = |pointer: &str, value: Value, expect: &[&str]| {
        let error = error_of(spoilt(GOLDEN_V1, pointer, value).as_bytes());
        for expect in expect {
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        }
    };
    check("/format_version", json!(0), &["format_version 0"]);
    check("/format_version", json!(3), &["newer bellwether"]);
    // Version 2 has its own fields.
    check(
        "/format_version",
        json!(2),
        &["unknown field `causal`, expected one of `pipeline`, `members`"],
    );
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
        let error = error_of(spoilt(GOLDEN_V1, pointer, value).as_bytes());
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
    check(&GOLDEN_V1[..GOLDEN_V1.len() - 3]);
    check(&format!("{GOLDEN_V1}{{}}"));
    check(&GOLDEN_V1.replacen("12.75", "NaN", 1));
    check(&GOLDEN_V1.replacen("12.75", &"[".repeat(100_000), 1));
}

/// Text that no [`Value`] can hold.
#[test]
fn numbers_too_large_and_nesting_too_deep_are_named_by_path() {
    let check = |to: &str, expect: [&str; 2]| {
        let text = GOLDEN_V1.replacen("\"window\": 64", &format!("\"window\": {to}"), 1);
        assert_ne!(text, GOLDEN_V1);
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
        |manifest| manifest.detector.members[1].causal.calibration.prior[0] = f64::INFINITY,
        "detector.members[1].causal.channels[0].prior is inf",
    );
    check(
        |manifest| {
            manifest.detector.members[0]
                .retrospective
                .calibration
                .scale
                .push(1.0)
        },
        "detector.members[0].retrospective.channels is a list of 4",
    );
    check(
        |manifest| manifest.models[3] = classic(Kind::Var, 9, vec![9], Vec::new()),
        "detector.members[3].model.active[0] is 9",
    );
    check(
        |manifest| manifest.models.truncate(4),
        "detector.members is a list of 5 for 4 models",
    );
    check(
        |manifest| {
            manifest.models.clear();
            manifest.detector.members.clear();
        },
        "detector.members is a list of 0, wanted 1 to 64 members",
    );
    check(
        |manifest| manifest.detector.members[1].weight = f64::NAN,
        "detector.members[1].weight cannot be read",
    );
    check(
        |manifest| manifest.detector.range_weight = f64::INFINITY,
        "detector.range_weight cannot be read",
    );
    check(
        |manifest| manifest.detector.members[2].causal.tail = Some(tail(f64::INFINITY)),
        "detector.members[2].causal.tail.slope cannot be read",
    );
}
