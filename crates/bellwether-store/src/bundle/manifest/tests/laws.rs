//! Laws of manifests: all numbers keep their bits, and nothing that could stand in a file makes us panic.

use bellwether_core::detect::{Combination, DetectorParts, MemberParts};
use bellwether_core::score::Tail;
use proptest::prelude::*;
use serde_json::Value;

use super::{GOLDEN, GOLDEN_V1, NUMBERS, manifest_of_one, member, models};
use crate::bundle::manifest::{Manifest, ModelManifest};
use crate::disk::tests::told;

/// Any finite number above zero, of all magnitudes alike.
fn positive() -> impl Strategy<Value = f64> {
    // The bits of finite positive numbers are those from 1 to those of the largest.
    (1..=f64::MAX.to_bits()).prop_map(f64::from_bits)
}

/// Usable tails with numbers of all magnitudes.
fn any_tail() -> impl Strategy<Value = Tail> {
    (prop::collection::vec(positive(), 99), positive()).prop_map(|(mut knots, slope)| {
        knots.sort_by(f64::total_cmp);
        Tail { knots, slope }
    })
}

/// A member of any kind, with or without tails.
fn any_member() -> impl Strategy<Value = (MemberParts, ModelManifest)> {
    let tails = [(); 2].map(|()| prop::option::of(any_tail()));
    (positive(), tails, prop::sample::select(models())).prop_map(
        |(weight, [causal, retrospective], model)| {
            let mut parts = member(weight, NUMBERS);
            parts.causal.tail = causal;
            parts.retrospective.tail = retrospective;
            (parts, model)
        },
    )
}

/// Places of a tree, as JSON pointers.
fn pointers(tree: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match tree {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Value::Array(list) => {
            for (idx, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{idx}"), all);
            }
        }
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..9_u64).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What is accepted is also written, and reads back.
fn refused_or_whole(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(manifest) = Manifest::from_json_bytes(bytes) {
        let again = manifest
            .to_json_bytes()
            .map_err(|error| TestCaseError::fail(told(&error)))?;
        prop_assert_eq!(Manifest::from_json_bytes(&again).unwrap(), manifest);
    }
    Ok(())
}

proptest! {
    #[test]
    fn numbers_of_all_magnitudes_keep_their_bits(numbers in [positive(), positive(), positive()]) {
        let written = manifest_of_one(numbers);
        let read = Manifest::from_json_bytes(&written.to_json_bytes().unwrap()).unwrap();
        for (got, want) in read.detector.members[0].causal.calibration.scale.iter().zip(numbers) {
            prop_assert_eq!(got.to_bits(), want.to_bits());
        }
        for (got, want) in read.detector.pipeline.scales().iter().zip(numbers) {
            prop_assert_eq!(got.offset.to_bits(), (-want).to_bits());
        }
        prop_assert_eq!(read, written);
    }

    #[test]
    fn members_of_any_kind_come_back_from_equal_bytes(
        members in prop::collection::vec(any_member(), 1..6),
        range_weight in prop_oneof![Just(0.0), positive()],
        combination in prop::sample::select(Combination::ALL.to_vec()),
    ) {
        let of_one = manifest_of_one(NUMBERS);
        let (members, models) = members.into_iter().unzip();
        let written = Manifest {
            detector: DetectorParts { members, combination, range_weight, ..of_one.detector },
            models,
            ..of_one
        };
        let bytes = written.to_json_bytes().unwrap();
        let read = Manifest::from_json_bytes(&bytes).unwrap();
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(read.to_json_bytes().unwrap(), bytes);
    }

    #[test]
    fn no_change_of_a_value_panics(
        text in prop::sample::select(vec![GOLDEN_V1, GOLDEN]),
        place in any::<prop::sample::Index>(),
        value in any_value(),
    ) {
        let mut tree: Value = serde_json::from_str(text).unwrap();
        let mut all = Vec::new();
        pointers(&tree, "", &mut all);
        *tree.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        refused_or_whole(tree.to_string().as_bytes())?;
    }

    #[test]
    fn no_change_of_a_byte_panics(
        text in prop::sample::select(vec![GOLDEN_V1, GOLDEN]),
        at in any::<prop::sample::Index>(),
        byte: u8,
        n_cut in 0..3_usize,
    ) {
        let mut bytes = text.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + n_cut).min(bytes.len());
        bytes.splice(at..end, [byte]);
        refused_or_whole(&bytes)?;
    }
}
