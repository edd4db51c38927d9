//! The statistics of drift against their references, and against what every one of them owes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod rows;
mod series;

use bellwether_core::drift::distribution::Distribution;
use bellwether_core::drift::false_discovery::q_values;
use bellwether_core::drift::{
    Baseline, CompareError, Correlation, N_EFFECTIVE_MIN, Severity, autocorrelation, compare, correlation,
    ks, psi, wasserstein,
};
use bellwether_testkit::assert_close;
use serde_json::Value;
use series::{Normal, drift, frame, plus};

/// Relative, for statistics in f64: sums in another order differ by far less, another definition by far more.
const TOLERANCE: f64 = 1e-9;

const SEEDS: std::ops::Range<u64> = 0..20;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/drift.json")).unwrap()
}

fn list<'a>(golden: &'a Value, name: &str) -> &'a Vec<Value> {
    golden[name].as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap();
    numbers.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn number(case: &Value, name: &str) -> f64 {
    case[name].as_f64().unwrap()
}

#[test]
fn every_statistic_equals_the_reference_to_1e_9() {
    let golden = golden();
    let cases = list(&golden, "samples");
    for case in cases {
        let sorted = |name: &str| {
            let mut values = numbers(&case[name]);
            values.sort_by(f64::total_cmp);
            values
        };
        let (before, recent) = (sorted("baseline"), sorted("recent"));
        let baseline = Distribution::of(&before, 257);
        assert!(baseline.is_exact(), "{}", case["name"]);
        let check = |what: &str, got: f64| {
            assert_close(
                got,
                number(case, what),
                TOLERANCE,
                &format!("{} {what}", case["name"]),
            );
        };
        let statistic = ks::statistic(&baseline, &recent);
        check("ks", statistic);
        check(
            "p_value",
            ks::p_value(statistic, before.len() as f64, recent.len() as f64),
        );
        check("wasserstein", wasserstein::distance(&baseline, &recent));
        check("psi", psi::psi(&baseline, &recent));
        let frame = frame(&["a"], &[numbers(&case["baseline"])]);
        check("std", Baseline::of(&[frame]).parts().channels[0].std);
    }
    assert_eq!(cases.len(), 14);
}

#[test]
fn corrections_and_chances_equal_the_reference_to_1e_9() {
    let golden = golden();
    for case in list(&golden, "p_values") {
        let got = q_values(&numbers(&case["p_values"]));
        for (got, want) in got.iter().zip(numbers(&case["q_values"])) {
            assert_close(*got, want, TOLERANCE, "q");
        }
    }
    for case in list(&golden, "kolmogorov") {
        // A statistic of x over 2 and 2 rows: √(2 · 2 / 4) = 1.
        let got = ks::p_value(number(case, "x"), 2.0, 2.0);
        assert_close(got, number(case, "sf"), TOLERANCE, "kolmogorov");
    }
    for case in list(&golden, "fisher") {
        let [first, second, n, m] = ["first", "second", "n", "m"].map(|name| number(case, name));
        let got = correlation::fisher_p_value(first, second, n, m);
        assert_close(got, number(case, "p_value"), TOLERANCE, "fisher");
    }
    let rows: Vec<Vec<f64>> = list(&golden["table"], "rows").iter().map(numbers).collect();
    let columns: Vec<Vec<f64>> = (0..4).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
    let baseline = Baseline::of(&[frame(&["a", "b", "c", "d"], &columns)]);
    let got = baseline.parts().correlations.clone().unwrap();
    let want = numbers(&golden["table"]["correlations"]);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_close(got.unwrap().value, want, TOLERANCE, "correlation");
    }
}

#[test]
fn the_same_rows_do_not_drift() {
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let rows = [normal.ar1(900, 0.8), normal.ar1(900, 0.0)];
        let drift = drift(&["a", "b"], &rows, &rows);
        assert!(!drift.is_drift() && drift.is_judged());
        for channel in &drift.channels {
            assert_eq!(channel.severity, Severity::None);
            assert!(channel.ks < 1.0 / 256.0 && channel.psi < 1e-12 && channel.wasserstein < 0.02);
        }
        assert!(drift.relation.clone().unwrap().change().abs() < 1e-12);
        assert_eq!(drift.advice(), "Nothing to do: the data look as in training.");
    }
}

#[test]
fn a_shift_of_one_sigma_is_found_and_named() {
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let before = [
            normal.ar1(4_000, 0.7),
            normal.ar1(4_000, 0.7),
            normal.ar1(4_000, 0.7),
        ];
        let recent = [
            normal.ar1(1_500, 0.7),
            plus(&normal.ar1(1_500, 0.7), 1.0),
            normal.ar1(1_500, 0.7),
        ];
        let drift = drift(&["a", "b", "c"], &before, &recent);
        let named: Vec<&str> = drift
            .channels
            .iter()
            .filter(|c| c.is_drift())
            .map(|c| c.channel.as_str())
            .collect();
        assert_eq!(named, ["b"], "seed {seed}");
        assert!(
            drift.advice().starts_with("Check the sensor b"),
            "{}",
            drift.advice()
        );
        let moved = &drift.channels[1];
        assert!((0.7..1.3).contains(&moved.wasserstein) && moved.severity >= Severity::High);
        // (1 − 0.7) / (1 + 0.7) of the rows.
        assert!(
            (200.0..340.0).contains(&moved.n_effective),
            "{}",
            moved.n_effective
        );
    }
}

#[test]
fn stationary_series_are_named_no_more_often_than_promised() {
    let (mut n_series, mut n_below, mut n_drift) = (0, 0, 0);
    for seed in SEEDS {
        for (item, memory) in [0.0, 0.5, 0.9, 0.95].into_iter().enumerate() {
            let mut normal = Normal::new(seed * 4 + item as u64);
            for _ in 0..10 {
                let (before, recent) = (normal.ar1(4_000, memory), normal.ar1(1_500, memory));
                let drift = drift(&["a"], &[before], &[recent]);
                n_series += 1;
                n_below += usize::from(drift.channels[0].p_value < 0.05);
                n_drift += usize::from(drift.is_drift());
            }
        }
    }
    let share = f64::from(u32::try_from(n_below).unwrap()) / f64::from(n_series);
    // 800 series at 5 %: two standard deviations are 1.5 %.
    assert!(share <= 0.065, "{share}");
    // A large difference is asked for besides.
    assert!(n_drift <= n_below, "{n_drift} of {n_below}");
}

#[test]
fn rows_counted_by_number_would_be_named_far_too_often() {
    let mut n_below = 0;
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let (before, recent) = (normal.ar1(4_000, 0.95), normal.ar1(1_500, 0.95));
        let drift = drift(&["a"], &[before], &[recent]);
        n_below += usize::from(ks::p_value(drift.channels[0].ks, 4_000.0, 1_500.0) < 0.05);
    }
    assert!(
        n_below > 10,
        "{n_below} of 20: the correction would not be needed"
    );
}

#[test]
fn autocorrelation_times_are_those_of_the_process() {
    for memory in [0.0, 0.5, 0.9] {
        let want = (1.0 + memory) / (1.0 - memory);
        let times: Vec<f64> = SEEDS
            .map(|seed| {
                let values = Normal::new(seed).ar1(20_000, memory);
                autocorrelation::autocorrelation_time([values.as_slice()])
            })
            .collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        // Straight lines between lags lie above the curve, and only positive correlations count.
        assert!(
            (want * 0.95..want * 1.25).contains(&mean),
            "memory {memory}: {mean}, {want}"
        );
    }
}

#[test]
fn permuting_channels_permutes_results() {
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let names = ["a", "b", "c", "d"];
        let before: Vec<Vec<f64>> = names.iter().map(|_| normal.ar1(600, 0.4)).collect();
        let recent: Vec<Vec<f64>> = (0..4)
            .map(|c| plus(&normal.ar1(500, 0.4), f64::from(c) * 0.3))
            .collect();
        let straight = drift(&names, &before, &recent);
        let order = [2, 0, 3, 1];
        let permuted = drift(
            &order.map(|c| names[c]),
            &order.map(|c| before[c].clone()),
            &order.map(|c| recent[c].clone()),
        );
        for (at, c) in order.into_iter().enumerate() {
            // As text: what was not asked is NaN.
            let [permuted, straight] = [&permuted.channels[at], &straight.channels[c]];
            assert_eq!(format!("{permuted:?}"), format!("{straight:?}"));
        }
        let [(pair, change, q_value), (want_pair, want_change, want_q_value)] =
            [&permuted, &straight].map(|drift| {
                let relation = drift.relation.clone().unwrap();
                let mut pair = relation.pair.clone();
                pair.sort();
                (pair, relation.change(), relation.q_value)
            });
        assert_eq!(pair, want_pair);
        // A correlation is divided by one spread and then by the other: the last bit depends on which.
        assert_close(change, want_change, 1e-12, "change");
        assert_close(q_value, want_q_value, 1e-12, "q");
        // Columns of the recent data in another order change nothing at all.
        let baseline = Baseline::of(&[frame(&names, &before)]);
        let turned = frame(&order.map(|c| names[c]), &order.map(|c| recent[c].clone()));
        let turned = compare(&baseline, &[turned]).unwrap();
        assert_eq!(format!("{turned:?}"), format!("{straight:?}"));
    }
}

#[test]
fn a_broken_relation_is_named_where_each_channel_looks_as_before() {
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let mut pair = |n: usize, is_bound: bool| {
            let (load, alone) = (normal.ar1(n, 0.3), normal.ar1(n, 0.3));
            let other: Vec<f64> = load
                .iter()
                .zip(&alone)
                .map(|(l, a)| 0.9 * l + 0.19_f64.sqrt() * a)
                .collect();
            [load, if is_bound { other } else { alone }]
        };
        let (before, recent) = (pair(3_000, true), pair(1_500, false));
        let drift = drift(&["load", "heat"], &before, &recent);
        let relation = drift.relation.clone().unwrap();
        assert!(relation.is_drift && drift.is_drift(), "seed {seed}");
        assert!(
            (-1.05..-0.75).contains(&relation.change()),
            "{}",
            relation.change()
        );
        assert_eq!(drift.share_of_channels().to_bits(), 0.0_f64.to_bits());
        assert!(
            drift.advice().starts_with("Look at load and heat"),
            "{}",
            drift.advice()
        );
    }
}

#[test]
fn many_channels_that_moved_ask_for_a_retraining() {
    let mut normal = Normal::new(1);
    let before = [normal.ar1(900, 0.0), normal.ar1(900, 0.0), normal.ar1(900, 0.0)];
    let recent = [plus(&before[0], 2.0), plus(&before[1], 3.0), before[2].clone()];
    let advice = drift(&["a", "b", "c"], &before, &recent).advice();
    assert_eq!(
        advice,
        "Retrain if this is the new normal, because 2 of 3 channels moved, b most."
    );
}

#[test]
fn channels_that_are_constant_discrete_or_unseen_have_their_answers() {
    let mut normal = Normal::new(2);
    let n = 400;
    let valve: Vec<f64> = (0..n).map(|_| f64::from(u8::from(normal.unit() < 0.2))).collect();
    let open: Vec<f64> = (0..n).map(|_| f64::from(u8::from(normal.unit() < 0.6))).collect();
    let nothing = vec![f64::NAN; n];
    let before = [vec![5.0; n], vec![5.0; n], valve, nothing];
    let recent = [vec![5.0 + 1e-9; n], vec![6.0; n], open, vec![1.0; n]];
    let drift = drift(&["same", "moved", "valve", "unseen"], &before, &recent);
    let [same, moved, valve, unseen] = drift.channels.as_slice() else {
        panic!("four channels")
    };
    assert!(!same.is_drift() && same.is_judged() && same.wasserstein.is_nan());
    assert_eq!(moved.severity, Severity::Critical);
    assert_close(moved.ks, 1.0, 1e-12, "ks of another constant");
    assert!(valve.is_drift() && (0.3..0.5).contains(&valve.ks));
    assert!(!unseen.is_drift() && !unseen.is_judged());
}

#[test]
fn missing_channels_and_missing_values_are_drift_of_their_sensor() {
    let mut normal = Normal::new(3);
    let before = [normal.ar1(800, 0.2), normal.ar1(800, 0.2)];
    let baseline = Baseline::of(&[frame(&["a", "b"], &before)]);
    let without = compare(&baseline, &[frame(&["a", "other"], &before)]).unwrap();
    assert_eq!(without.missing_channels, ["b"]);
    assert!(without.is_drift());
    assert_eq!(
        without.advice(),
        "Check the sensor b: the data have no such channel."
    );
    let mut holes = before.clone();
    holes[0].iter_mut().step_by(2).for_each(|value| *value = f64::NAN);
    let silent = compare(&baseline, &[frame(&["a", "b"], &holes)]).unwrap();
    assert_close(silent.channels[0].missing_rise, 0.5, 1e-12, "rise");
    assert_eq!(silent.channels[0].severity, Severity::Critical);
    assert!(
        silent.advice().starts_with("Check the sensor a: 50 % more"),
        "{}",
        silent.advice()
    );
    let none = compare(&baseline, &[frame(&["x"], &before[..1])]);
    assert!(matches!(none, Err(CompareError::NoChannel { .. })));
    assert_eq!(compare(&baseline, &[]), Err(CompareError::NoRow));
}

#[test]
fn too_few_independent_rows_give_numbers_and_no_verdict() {
    let mut normal = Normal::new(4);
    let slow = normal.ar1(4_000, 0.98);
    let recent = plus(&normal.ar1(300, 0.98), 3.0);
    let drift = drift(&["a"], &[slow], &[recent]);
    let channel = &drift.channels[0];
    assert!(channel.n_effective < N_EFFECTIVE_MIN && channel.ks > 0.5 && channel.q_value.is_nan());
    assert!(!drift.is_drift() && !drift.is_judged());
    assert!(
        drift
            .advice()
            .starts_with("No verdict: 300 rows are worth at most"),
        "{}",
        drift.advice()
    );
}

#[test]
fn a_baseline_is_its_parts_and_contradictions_are_refused() {
    let mut normal = Normal::new(5);
    let baseline = Baseline::of(&[frame(
        &["a", "b"],
        &[normal.ar1(3_000, 0.5), normal.ar1(3_000, 0.5)],
    )]);
    assert_eq!(
        Baseline::from_parts(baseline.parts().clone()),
        Ok(baseline.clone())
    );
    let check = |spoil: fn(&mut bellwether_core::drift::BaselineParts), says: &str| {
        let mut parts = baseline.parts().clone();
        spoil(&mut parts);
        let error = Baseline::from_parts(parts).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    check(
        |parts| parts.channels[1].channel = "a".to_owned(),
        "\"a\" stands twice",
    );
    check(|parts| parts.channels[0].std = -1.0, "std is -1");
    check(
        |parts| parts.channels[0].autocorrelation_time = f64::NAN,
        "autocorrelation_time is NaN",
    );
    check(|parts| parts.n_rows = 1, "3000 observed and missing rows of 1");
    check(
        |parts| parts.channels[0].distribution.values[3] = -1e9,
        "values that do not rise",
    );
    check(
        |parts| parts.channels[0].distribution.n_upto[3] = 0,
        "counts that do not rise",
    );
    check(
        |parts| parts.channels[0].distribution.values.truncate(3),
        "not as many counts",
    );
    check(
        |parts| parts.correlations = Some(vec![]),
        "0 correlations for 1 pairs",
    );
    check(
        |parts| {
            parts.correlations = Some(vec![Some(Correlation {
                value: 2.0,
                n_joint: 30,
            })])
        },
        "a correlation is 2, of 30 rows",
    );
}

#[test]
fn a_summary_is_small_and_says_what_all_rows_say() {
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let before = normal.ar1(20_000, 0.6);
        let recent = plus(&normal.ar1(3_000, 0.6), 0.5);
        let kept = drift(
            &["a"],
            std::slice::from_ref(&before),
            std::slice::from_ref(&recent),
        );
        let (mut before, mut recent) = (before, recent);
        before.sort_by(f64::total_cmp);
        recent.sort_by(f64::total_cmp);
        let whole = Distribution::of(&before, before.len());
        let channel = &kept.channels[0];
        let statistic = ks::statistic(&whole, &recent);
        assert!(channel.ks <= statistic && statistic <= channel.ks + 1.0 / 256.0);
        assert_close(channel.psi, psi::psi(&whole, &recent), 0.01, "psi");
        assert_close(
            channel.wasserstein,
            wasserstein::distance(&whole, &recent),
            0.02,
            "wasserstein",
        );
    }
}

#[test]
fn wild_numbers_give_answers_and_no_panic() {
    let extremes = [f64::MAX, -f64::MAX, 5e-324, -0.0, 0.0, 1e154, -1e200];
    let wild: Vec<f64> = extremes.into_iter().cycle().take(300).collect();
    let mut normal = Normal::new(6);
    let tame = normal.ar1(300, 0.0);
    for (before, recent) in [(&wild, &tame), (&tame, &wild), (&wild, &wild)] {
        let baseline = Baseline::of(&[frame(&["a", "b"], &[before.clone(), tame.clone()])]);
        assert_eq!(
            Baseline::from_parts(baseline.parts().clone()),
            Ok(baseline.clone())
        );
        let drift = compare(&baseline, &[frame(&["a", "b"], &[recent.clone(), tame.clone()])]).unwrap();
        assert!(!drift.advice().is_empty());
    }
}
