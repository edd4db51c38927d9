//! Features and modes come back as they were; what makes no sense is refused with its place.

use bellwether_core::condition::Condition;
use bellwether_core::frame::Channel;
use bellwether_core::transform::derive::feature::ClockPeriod;
use bellwether_core::transform::derive::{Feature, FeatureKind};
use bellwether_core::transform::{Align, DerivationParts, Operation, Pipeline, PipelineParts};
use bellwether_core::zone::Zone;
use serde_json::{Value, json};

use super::{CHANNELS, NUMBERS, manifest_of_one, pipeline};
use crate::bundle::manifest::Manifest;
use crate::disk::tests::told;

fn with(derivation: DerivationParts) -> Manifest {
    let mut manifest = Manifest {
        alignment: Some(Align::every(std::time::Duration::from_millis(1500))),
        ..manifest_of_one(NUMBERS)
    };
    let parts = PipelineParts {
        derivation,
        ..pipeline(NUMBERS).parts().clone()
    };
    manifest.detector.pipeline = Pipeline::from_parts(parts).unwrap();
    manifest
}

fn kinds() -> Vec<(FeatureKind, usize)> {
    let berlin: Zone = "Europe/Berlin".parse().unwrap();
    let clock = |period, is_cosine| FeatureKind::Clock {
        period,
        zone: berlin.clone(),
        is_cosine,
    };
    vec![
        (FeatureKind::Diff { rows: 1 }, 1),
        (FeatureKind::Lag { rows: 1440 }, 1),
        (FeatureKind::Mean { rows: 5 }, 1),
        (FeatureKind::Std { rows: 5 }, 1),
        (FeatureKind::Min { rows: 5 }, 1),
        (FeatureKind::Max { rows: 5 }, 1),
        (FeatureKind::Ewma { span: 12.5 }, 1),
        (FeatureKind::Ratio, 2),
        (FeatureKind::Minus, 2),
        (FeatureKind::Log, 1),
        (FeatureKind::BoxCox { lambda: 0.1 + 0.2 }, 1),
        (
            FeatureKind::Band {
                rows: 64,
                first: 4,
                last: 8,
            },
            1,
        ),
        (
            FeatureKind::Season {
                period: std::time::Duration::from_secs(86_400),
                zone: Zone::utc(),
                profile: vec![-0.0, 1.0 / 3.0, 1e-300],
            },
            1,
        ),
        (clock(ClockPeriod::Day, false), 0),
        (clock(ClockPeriod::Week, true), 0),
        (FeatureKind::OneHot { value: 3.0 }, 1),
        (FeatureKind::Absent, 1),
    ]
}

#[test]
fn features_and_modes_come_back_as_they_were() {
    // The inputs need not be channels of the model.
    let inputs = ["raw \"é\"", "rpm"];
    for (kind, n_inputs) in kinds() {
        let derivation = DerivationParts {
            features: vec![Feature {
                channel: Channel::new(CHANNELS[0]),
                inputs: inputs[..n_inputs]
                    .iter()
                    .map(|&name| Channel::new(name))
                    .collect(),
                kind,
            }],
            operation: Some(Operation {
                when: Some(Condition::parse("rpm > 100 and `oil temp` < 90").unwrap()),
                fill_len: 16,
                blank_len: 5,
                calendar: Vec::new(),
            }),
        };
        let manifest = with(derivation.clone());
        let again = Manifest::from_json_bytes(&manifest.to_json_bytes().unwrap()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.detector.pipeline.parts().derivation, derivation);
    }
}

#[test]
fn what_says_nothing_of_features_is_as_before() {
    let json: Value = serde_json::from_slice(&manifest_of_one(NUMBERS).to_json_bytes().unwrap()).unwrap();
    let pipeline = json["detector"]["pipeline"].as_object().unwrap();
    assert!(!pipeline.contains_key("features") && !pipeline.contains_key("operation"));
    assert!(json.get("alignment").is_none());
}

#[test]
fn features_that_make_no_sense_are_refused_with_their_place() {
    let check = |features: Value, operation: Value, expect: &str| {
        let mut json: Value =
            serde_json::from_slice(&manifest_of_one(NUMBERS).to_json_bytes().unwrap()).unwrap();
        json["detector"]["pipeline"]["features"] = features;
        if !operation.is_null() {
            json["detector"]["pipeline"]["operation"] = operation;
        }
        let error = Manifest::from_json_bytes(json.to_string().as_bytes()).unwrap_err();
        let text = told(&error);
        assert!(text.contains(expect), "{text}");
    };
    let lag = |rows: Value| json!([{"channel": "flow", "kind": "lag", "inputs": ["flow"], "rows": rows}]);
    check(lag(json!(0)), Value::Null, "looks back at no row");
    check(lag(json!(1_000_000)), Value::Null, "looks back at 1000001 rows");
    check(lag(json!(u64::MAX)), Value::Null, "looks back at");
    check(lag(Value::Null), Value::Null, "features[0].rows is absent");
    check(
        json!([{"channel": "flow", "kind": "fft", "inputs": ["flow"]}]),
        Value::Null,
        "features[0].kind is \"fft\"",
    );
    check(
        json!([{"channel": "flow", "kind": "log", "inputs": ["flow"], "rows": 3}]),
        Value::Null,
        "features[0].rows is given",
    );
    check(
        json!([{"channel": "flow", "kind": "ratio", "inputs": ["flow"]}]),
        Value::Null,
        "another number of channels",
    );
    check(
        json!([{"channel": "flow", "kind": "day-sine", "zone": "Mars/Base"}]),
        Value::Null,
        "features[0].zone",
    );
    check(json!([]), json!({"mode_when": "rpm >"}), "operation.mode_when");
    check(
        json!([]),
        json!({"blank_len": 10_000_000}),
        "blanking takes 10000000 rows",
    );
}
