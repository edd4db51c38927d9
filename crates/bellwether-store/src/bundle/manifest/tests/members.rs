//! What format version 2 says of the members of a detector, and what of it is refused.

use bellwether_core::score::{ChannelRule, Direction};
use serde_json::{Value, json};

use super::{GOLDEN, GOLDEN_V1, error_of, models, spoilt};
use crate::bundle::manifest::{Manifest, ModelManifest};

#[test]
fn a_model_is_told_by_its_architecture() {
    let names = ["lstm-ae", "lstm-forecast", "pca", "var", "knn"];
    let lens = [64, 64, 48, 9, 16];
    for ((model, name), window_len) in models().into_iter().zip(names).zip(lens) {
        assert_eq!(model.architecture(), name);
        assert_eq!(model.window_len(), window_len);
        let json = serde_json::to_value(&model).unwrap();
        assert_eq!(json["architecture"], name);
        assert_eq!(json["window_len"], window_len);
        assert_eq!(json["active"], json!(model.active()));
        assert_eq!(serde_json::from_value::<ModelManifest>(json).unwrap(), model);
    }
}

#[test]
fn fields_of_a_model_that_are_absent_unknown_or_mistyped_are_named() {
    let check = |pointer: &str, value: Value, expect: [&str; 2]| {
        let error = error_of(spoilt(GOLDEN, &format!("/detector/members{pointer}"), value).as_bytes());
        for expect in expect {
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        }
    };
    check(
        "/2/model/architecture",
        json!("iforest"),
        [
            "detector.members[2].model cannot be read",
            "unknown architecture \"iforest\", this version of bellwether knows lstm-ae, lstm-forecast, network, pca, var, \
             cross-regression, knn, ",
        ],
    );
    check(
        "/2/model",
        json!({ "window_len": 9, "active": [0] }),
        ["detector.members[2].model", "missing field `architecture`"],
    );
    check(
        "/2/model/colour",
        json!(1),
        [
            "detector.members[2].model.colour cannot be read",
            "unknown field `colour`",
        ],
    );
    check(
        "/0/model/encoder/1",
        json!(-1),
        ["detector.members[0].model.encoder[1] cannot be read", "-1"],
    );
    check(
        "/2/model/rank",
        Value::Null,
        ["detector.members[2].model.rank cannot be read", "null"],
    );
    // What other models have is unknown to this one, and what it has itself may not be left out.
    check(
        "/3/model/rank",
        json!(5),
        [
            "detector.members[3].model",
            "unknown field `rank` of the architecture var",
        ],
    );
    check(
        "/0/model/n_windows",
        json!(5),
        [
            "detector.members[0].model",
            "unknown field `n_windows` of the architecture lstm-ae",
        ],
    );
    check(
        "/3/model/architecture",
        json!("knn"),
        ["detector.members[3].model", "missing field `n_windows`"],
    );
    check(
        "/3/model/architecture",
        json!("lstm-ae"),
        ["detector.members[3].model", "missing field `kernels`"],
    );
    check(
        "/4/causal/threshold",
        json!(1),
        ["detector.members[4].causal", "unknown field `threshold`"],
    );
    check(
        "/4/causal",
        json!({ "smoothing_span": 1, "channels": [] }),
        ["detector.members[4].causal", "missing field `tail`"],
    );
    check(
        "/0/causal/tail/knots/7",
        Value::Null,
        ["detector.members[0].causal.tail.knots[7]", "null"],
    );
    check(
        "/0/causal/tail/b",
        json!(1),
        ["detector.members[0].causal.tail", "unknown field `b`"],
    );
}

#[test]
fn numbers_of_members_that_are_out_of_range_are_named_by_path() {
    let check = |pointer: &str, value: Value, expect: &str| {
        let error = error_of(spoilt(GOLDEN, &format!("/detector{pointer}"), value).as_bytes());
        assert!(
            error.contains(&format!("manifest.json: detector.{expect}")),
            "{error:?} does not say {expect:?}"
        );
    };
    let members = |n: usize| {
        let tree: Value = serde_json::from_str(GOLDEN).unwrap();
        Value::from(vec![tree["detector"]["members"][2].clone(); n])
    };
    check("/members", members(0), "members is a list of 0, wanted 1 to 64");
    check("/members", members(65), "members is a list of 65, wanted 1 to 64");
    let most = spoilt(GOLDEN, "/detector/members", members(64));
    assert_eq!(
        Manifest::from_json_bytes(most.as_bytes()).unwrap().models.len(),
        64
    );
    check(
        "/range_weight",
        json!(-0.5),
        "range_weight is -0.5, wanted a number not below zero",
    );
    let mut tree: Value = serde_json::from_str(GOLDEN).unwrap();
    tree["detector"]["combination"] = json!("vote");
    let error = error_of(tree.to_string().as_bytes());
    assert!(
        error.contains("detector.combination is \"vote\", wanted mean, max or aom"),
        "{error:?}"
    );
    check(
        "/causal_threshold",
        json!(0),
        "causal_threshold is 0, wanted a number above zero",
    );
    check(
        "/retrospective_threshold",
        json!(-1),
        "retrospective_threshold is -1",
    );
    let pointers = [
        ("/weight", json!(0), "weight is 0, wanted a number above zero"),
        ("/weight", json!(-1), "weight is -1"),
        (
            "/causal/smoothing_span",
            json!(0.5),
            "causal.smoothing_span is 0.5, wanted 1 to 1000000",
        ),
        (
            "/causal/channels",
            json!([]),
            "causal.channels is a list of 0, wanted 3: one for each",
        ),
        (
            "/retrospective/channels/2/prior",
            json!(-1),
            "retrospective.channels[2].prior is -1",
        ),
        (
            "/causal/tail/slope",
            json!(0),
            "causal.tail.slope is 0, wanted a number above zero",
        ),
        (
            "/retrospective/tail/knots",
            json!([1]),
            "retrospective.tail.knots is a list of 1 that is not usable",
        ),
        (
            "/causal/tail/knots/3",
            json!(9),
            "causal.tail.knots is a list of 99 that is not usable, wanted 99 rising",
        ),
        (
            "/causal/tail/knots/0",
            json!(-1),
            "causal.tail.knots is a list of 99",
        ),
        ("/model/window_len", json!(0), "model.window_len is 0"),
        ("/model/encoder", json!([]), "model.encoder is empty"),
        ("/model/decoder", json!([]), "model.decoder is empty"),
        (
            "/model/decoder/0",
            json!(0),
            "model.decoder[0] is 0, wanted at least 1 unit",
        ),
        ("/model/active", json!([]), "model.active is empty"),
        (
            "/model/n_inputs",
            json!(2),
            "model.n_inputs is 2, wanted 4 for 2 active channels",
        ),
        ("/model/n_outputs", json!(3), "model.n_outputs is 3, wanted 2"),
    ];
    for (pointer, value, expect) in pointers {
        check(
            &format!("/members/0{pointer}"),
            value,
            &format!("members[0].{expect}"),
        );
    }
    let models = [
        (
            1,
            "/decoder",
            json!([8]),
            "decoder is a list of 1, wanted no layer in a network that forecasts",
        ),
        (1, "/encoder/0", json!(0), "encoder[0] is 0"),
        (1, "/n_outputs", json!(1), "n_outputs is 1, wanted 2"),
        (
            4,
            "/n_neighbours",
            json!(0),
            "n_neighbours is 0, wanted at least 1 neighbour",
        ),
        (
            2,
            "/window_len",
            json!(0),
            "window_len is 0, wanted at least 1 sample",
        ),
        (
            2,
            "/active/1",
            json!(3),
            "active[1] is 3, wanted the position of one of 3",
        ),
        (2, "/active/1", json!(0), "active[1] is 0, wanted more than 0"),
        (3, "/window_len", json!(0), "window_len is 0"),
        (
            4,
            "/n_windows",
            json!(0),
            "n_windows is 0, wanted at least 1 window",
        ),
    ];
    for (member_idx, pointer, value, expect) in models {
        let expect = format!("members[{member_idx}].model.{expect}");
        check(&format!("/members/{member_idx}/model{pointer}"), value, &expect);
    }
}

/// Version 1 had the model at the top: its errors say so.
#[test]
fn errors_of_version_1_name_its_own_paths() {
    let check = |pointer: &str, value: Value, expect: &str| {
        let error = error_of(spoilt(GOLDEN_V1, pointer, value).as_bytes());
        assert!(
            error.starts_with(&format!("manifest.json: {expect}")),
            "{error:?} does not say {expect:?}"
        );
    };
    check("/model/active/1", json!(0), "model.active[1] is 0");
    check(
        "/detector/causal/threshold",
        json!(0),
        "detector.causal.threshold is 0",
    );
    check(
        "/model/architecture",
        json!("transformer"),
        "model cannot be read",
    );
    check("/detector/causal/tail", Value::Null, "detector.causal");
    check("/detector/members", json!([]), "detector.members cannot be read");
}

#[test]
fn rules_of_channels_come_back_and_what_is_none_is_named_by_path() {
    let mut manifest = super::golden();
    let names: Vec<String> = manifest
        .detector
        .pipeline
        .schema()
        .channels()
        .iter()
        .map(|of| of.name().to_owned())
        .collect();
    let mut rules = vec![ChannelRule::default(); names.len()];
    rules[1] = ChannelRule {
        direction: Direction::Above,
        deviation_min: 0.1 + 0.2,
        valid: (f64::NEG_INFINITY, 1.797e308),
        weight: 5e-324,
    };
    manifest.detector.rules = rules;
    let bytes = manifest.to_json_bytes().unwrap();
    assert_eq!(Manifest::from_json_bytes(&bytes).unwrap(), manifest);
    let text = String::from_utf8(bytes).unwrap();
    let tree: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        tree["detector"]["rules"],
        json!([{
            "channel": names[1], "direction": "above", "deviation_min": 0.1 + 0.2, "valid_max": 1.797e308,
            "weight": 5e-324
        }])
    );
    let check = |field: &str, value: Value, expect: &str| {
        let error = error_of(spoilt(&text, &format!("/detector/rules/0{field}"), value).as_bytes());
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(
        "/channel",
        json!("nobody"),
        "detector.rules[0].channel is \"nobody\", wanted the name of a channel",
    );
    check(
        "/direction",
        json!("up"),
        "detector.rules[0].direction is \"up\", wanted both, above or below",
    );
    check("/weight", json!(-1.0), "detector.rules[0] is not usable");
    check("/valid_min", json!(1.797e308), "detector.rules[0] is not usable");
    check("/colour", json!(1), "unknown field `colour`");
}
