//! Levels by hand and against an independent DSPOT; what a fault can and cannot do to them.

use bellwether_testkit::assert_close;

use super::*;
use crate::event::EventRule;
use crate::threshold::{Support, ThresholdRule};

fn level(depth: usize, usual: f64, base: f64) -> Level {
    Level::new(Threshold::new(base).unwrap(), Drifting::new(depth, usual))
}

#[test]
fn the_threshold_moves_by_the_mean_of_what_is_normal_and_forgets() {
    let mut level = level(10, 1.0, 4.0);
    let mut push = |error: f64| {
        level.push(error);
        level.threshold().error()
    };
    // 1 above the usual, in one of ten rows.
    assert_close(push(2.0), 4.1, 1e-12, "one above");
    assert_close(push(0.5), 4.05, 1e-12, "one below");
    // Neither an anomalous row nor one without an error counts.
    assert_close(push(4.0), 4.05, 1e-12, "anomalous");
    assert_close(push(f64::NAN), 4.05, 1e-12, "none");
    for _ in 0..6 {
        push(1.0);
    }
    // The first is out.
    assert_close(push(1.0), 3.95, 1e-12, "forgotten");
    let rows = level.rows();
    assert_eq!(rows.len(), 10);
    let base = Threshold::new(4.0).unwrap();
    let again = Level::resume(base, Drifting::new(10, 1.0), rows.clone()).unwrap();
    assert_eq!(again.threshold(), level.threshold());
    assert!(Level::resume(base, None, rows.clone()).is_none());
    assert!(Level::resume(base, Drifting::new(10, 1.0), vec![4.0]).is_none());
    assert!(Level::resume(base, Drifting::new(10, 1.0), vec![1.0; 11]).is_none());
    level.restart();
    assert_close(level.threshold().error(), 4.0, 1e-12, "anew");
}

#[test]
fn no_fault_moves_the_threshold_beyond_its_bounds() {
    for (usual, base) in [(1.0, 4.0), (3.9, 4.0), (0.0, 1.0), (5.0, 4.0)] {
        let mut level = level(10, usual, base);
        // A fault that creeps up, always a little below what is an alarm.
        for _ in 0..1000 {
            let threshold = level.threshold().error();
            assert!((0.5 * base..=2.0 * base).contains(&threshold), "{threshold}");
            level.push(0.999 * threshold);
        }
        // One that stays counts as a row without drift does, and no more.
        (0..10).for_each(|_| level.push(1.5 * base));
        assert_close(level.threshold().error(), base, 1e-12, "left out");
        (0..10).for_each(|_| level.push(0.0));
        assert!(level.threshold().error() >= 0.5 * base);
    }
}

#[test]
fn levels_are_those_of_an_independent_dspot() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/dspot.json")).unwrap();
    let events = EventRule::for_window(5);
    for case in golden["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            let list = case[name].as_array().unwrap().iter();
            list.map(|value| value.as_f64().unwrap()).collect()
        };
        let depth = case["depth"].as_u64().unwrap() as usize;
        let errors = numbers("errors");
        let held_out = HeldOut {
            errors: &errors,
            segment_starts: &[0],
            cadence: std::time::Duration::from_secs(60),
            labels: None,
        };
        let rule = ThresholdRule::Dspot {
            risk: number("risk"),
            depth,
        };
        let fitted = rule.fit(&held_out, &events).unwrap();
        let Some(Support::Drifting(support)) = fitted.support else {
            panic!("{fitted:?}");
        };
        // Both search for the likeliest tail, SciPy to about 1e-6 of the level.
        assert_close(fitted.threshold.error(), number("base"), 1e-5, "base");
        assert_close(support.pot.xi.unwrap(), number("shape"), 1e-3, "shape");
        assert_close(support.drifting.usual(), number("usual"), 1e-12, "usual");
        // A share `risk` of the rows, in fewer peaks.
        let n_rows = errors.len() as f64 * number("risk");
        assert!(support.pot.predicted <= 1.01 * n_rows, "{support}");
        let mut level = level(depth, number("usual"), number("base"));
        let (mut alarms, mut fixed) = (0, 0);
        for (row, (error, want)) in numbers("stream")
            .into_iter()
            .zip(numbers("thresholds"))
            .enumerate()
        {
            let threshold = level.threshold().error();
            assert_close(threshold, want, 1e-9, "threshold of a row");
            level.push(error);
            if row >= 1500 {
                alarms += usize::from(error >= threshold);
                fixed += usize::from(error >= number("base"));
            }
        }
        let followed = case["followed"].as_array().unwrap();
        assert_close(
            alarms as f64 / 1000.0,
            followed[0].as_f64().unwrap(),
            1e-12,
            "alarms",
        );
        assert_close(
            fixed as f64 / 1000.0,
            followed[1].as_f64().unwrap(),
            1e-12,
            "alarms without drift",
        );
    }
}

#[test]
fn a_rule_is_read_as_it_is_written_and_has_no_level_to_follow_looking_back() {
    for (text, want) in [
        ("dspot", "dspot:0.0001,1000"),
        ("dspot:1e-3", "dspot:0.001,1000"),
        ("dspot:0.001, 50", "dspot:0.001,50"),
    ] {
        let rule: ThresholdRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), want);
        assert_eq!(want.parse(), Ok(rule));
        assert!(matches!(rule.looking_back(), ThresholdRule::Pot(_)));
    }
    for text in [
        "dspot:0",
        "dspot:1e-3,9",
        "dspot:1e-3,10001",
        "dspot:1e-3,x",
        "dspot:,50",
    ] {
        assert!(text.parse::<ThresholdRule>().is_err(), "{text}");
    }
}
