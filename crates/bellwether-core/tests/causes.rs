//! Figures of rankings of causes against scikit-learn and the plain definitions, see `golden/causes.py`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bellwether_core::eval::causes::{hit_rate, hit_rate_of_share, ndcg};
use bellwether_testkit::assert_close;
use serde_json::Value;

/// Relative: sums of a few logarithms in another order.
const TOLERANCE: f64 = 1e-12;

fn indices(value: &Value) -> Vec<usize> {
    let of = value.as_array().unwrap().iter();
    of.map(|idx| usize::try_from(idx.as_u64().unwrap()).unwrap())
        .collect()
}

#[test]
fn every_figure_equals_the_reference() {
    let golden: Value = serde_json::from_str(include_str!("golden/causes.json")).unwrap();
    for (idx, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let (ranking, causes) = (indices(&case["ranking"]), indices(&case["causes"]));
        let check = |key: String, got: f64| {
            assert_close(
                got,
                case[&key].as_f64().unwrap(),
                TOLERANCE,
                &format!("case {idx}: {key}"),
            );
        };
        for k in [1, 3, 5] {
            check(format!("hit_rate_{k}"), hit_rate(&ranking, &causes, k));
            check(format!("ndcg_{k}"), ndcg(&ranking, &causes, k));
        }
        for percent in [100, 150] {
            let got = hit_rate_of_share(&ranking, &causes, f64::from(percent) / 100.0);
            check(format!("hit_rate_{percent}_percent"), got);
        }
    }
}

#[test]
fn nothing_to_find_or_nowhere_to_look_is_no_hit() {
    for (ranking, causes, k) in [(vec![], vec![1], 3), (vec![1], vec![], 3), (vec![1], vec![1], 0)] {
        assert!(hit_rate(&ranking, &causes, k) + ndcg(&ranking, &causes, k) < 1e-12);
    }
    assert!(hit_rate_of_share(&[1], &[], 1.0) < 1e-12);
}
