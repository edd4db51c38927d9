//! What rows are worth: those with both channels, those with gaps, few ones, and ones further apart.

use bellwether_core::drift::distribution::Distribution;
use bellwether_core::drift::{Baseline, compare, compare_scores, correlation, psi};
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::time::Timestamp;
use bellwether_testkit::assert_close;

use crate::SEEDS;
use crate::series::{Normal, drift, frame, plus};

#[test]
fn a_relation_rests_on_rows_that_have_both_channels() {
    // Two sensors that are read in turn have one row in common: of it alone any correlation is ±1.
    let mut n_judged = 0;
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let before = [normal.ar1(2_000, 0.0), normal.ar1(2_000, 0.0)];
        let mut recent = [normal.ar1(400, 0.0), normal.ar1(400, 0.0)];
        for row in 1..400 {
            recent[row % 2][row] = f64::NAN;
        }
        let in_turn = drift(&["a", "b"], &before, &recent);
        n_judged += usize::from(in_turn.relation.is_some());
        let baseline = Baseline::of(&[frame(&["a", "b"], &recent)]);
        assert_eq!(baseline.parts().correlations, Some(vec![None]));
        // Sixty rows in common are sixty at most, however many either channel has.
        let mut some = before.clone();
        for row in 0..1_000 {
            some[row % 2][row] = f64::NAN;
        }
        let mut few = [normal.ar1(400, 0.0), normal.ar1(400, 0.0)];
        for row in 60..400 {
            few[row % 2][row] = f64::NAN;
        }
        let baseline = Baseline::of(&[frame(&["a", "b"], &some)]);
        let kept = baseline.parts().correlations.clone().unwrap()[0].unwrap();
        assert_eq!(kept.n_joint, 1_000);
        let relation = compare(&baseline, &[frame(&["a", "b"], &few)])
            .unwrap()
            .relation
            .unwrap();
        let chance = correlation::fisher_p_value(relation.baseline, relation.recent, 1_000.0, 60.0);
        assert!(
            relation.q_value >= chance - 1e-12,
            "{} {chance}",
            relation.q_value
        );
    }
    assert_eq!(n_judged, 0);
}

#[test]
fn a_relation_of_more_rows_than_are_measured_is_worth_those_that_are() {
    // Of 40,000 rows every third is taken.
    let mut normal = Normal::new(9);
    let before = [normal.ar1(40_000, 0.0), normal.ar1(40_000, 0.0)];
    let recent = [normal.ar1(40_000, 0.0), normal.ar1(40_000, 0.0)];
    let relation = drift(&["a", "b"], &before, &recent).relation.unwrap();
    let n = (40_000_f64 / 3.0).ceil();
    let want = correlation::fisher_p_value(relation.baseline, relation.recent, n, n);
    assert_close(relation.q_value, want, 0.05, "q");
}

/// With that share of the values gone, by chance.
fn with_gaps(normal: &mut Normal, values: &[f64], share: f64) -> Vec<f64> {
    let mut gap = |value: &f64| if normal.unit() < share { f64::NAN } else { *value };
    values.iter().map(&mut gap).collect()
}

#[test]
fn missing_values_are_judged_by_chance_as_well() {
    let (mut n_false, mut n_found) = (0, 0);
    for seed in 0..400 {
        let mut normal = Normal::new(seed);
        let (before, recent) = (normal.ar1(2_000, 0.0), normal.ar1(26, 0.0));
        let before = with_gaps(&mut normal, &before, 0.3);
        let same = with_gaps(&mut normal, &recent, 0.3);
        n_false += usize::from(drift(&["a"], std::slice::from_ref(&before), &[same]).is_drift());
        let worse = with_gaps(&mut normal, &recent, 0.9);
        n_found += usize::from(drift(&["a"], &[before], &[worse]).is_drift());
    }
    // 5 % of 400 and two standard deviations; by the shares alone it were about 100.
    assert!(n_false <= 29, "{n_false}");
    assert!(n_found >= 380, "{n_found}");
}

#[test]
fn an_index_of_few_rows_is_measured_by_that_of_chance() {
    // Where nothing changed the index of 30 rows is about 9/30 on average, less what half a row in each bin smooths.
    let (mut raw, mut chance) = (0.0, 0.0);
    for seed in SEEDS {
        let mut normal = Normal::new(seed);
        let mut sorted = |n: usize| {
            let mut values = normal.ar1(n, 0.0);
            values.sort_by(f64::total_cmp);
            values
        };
        let (before, recent) = (Distribution::of(&sorted(20_000), 257), sorted(30));
        raw += psi::psi(&before, &recent) / 20.0;
        chance += psi::of_chance(&before, &recent, 20_000.0, 30.0) / 20.0;
    }
    assert!(raw > 0.2, "{raw}");
    assert_close(chance, 9.0 / 30.0 + 9.0 / 20_000.0, 1e-9, "chance");
    assert!((chance * 0.6..chance * 1.4).contains(&raw), "{raw} {chance}");
}

#[test]
fn rows_further_apart_are_worth_more() {
    let mut normal = Normal::new(11);
    let before = normal.ar1(8_000, 0.9);
    let recent = normal.ar1(2_000, 0.9);
    let baseline = Baseline::of(&[frame(&["a"], &[before])]);
    let all = compare(&baseline, &[frame(&["a"], std::slice::from_ref(&recent))]).unwrap();
    // Every fifth row of the same stretch of time is worth as much.
    let time = (0..400).map(|row| Timestamp::from_secs(300 * row)).collect();
    let fifth: Vec<f64> = recent.iter().copied().step_by(5).collect();
    let fifth = Frame::new(vec![Channel::new("a")], time, fifth).unwrap();
    let thinned = compare(&baseline, &[fifth]).unwrap();
    let [all, thinned] = [all, thinned].map(|drift| drift.channels[0].n_effective);
    assert_close(thinned, all, 1e-9, "independent rows");
}

#[test]
fn scores_are_held_against_those_of_held_out_rows() {
    let mut normal = Normal::new(12);
    let mut scores = |n: usize, shift: f64| plus(&normal.ar1(n, 0.5), shift);
    let rows = frame(&["a"], &[vec![1.0; 10]]);
    let baseline = Baseline::of(&[rows]);
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(compare_scores(&baseline, &[vec![0.0; 10]], minute), None);
    let baseline = baseline.with_scores(&[scores(3_000, 0.0)]);
    assert_eq!(compare_scores(&baseline, &[Vec::new()], minute), None);
    let mut same = vec![f64::NAN; 400];
    same.extend(scores(1_000, 0.0));
    let same = compare_scores(&baseline, &[same], minute).unwrap();
    assert!(same.is_judged() && !same.is_drift() && !same.is_silent());
    let higher = compare_scores(&baseline, &[scores(1_000, 1.0)], minute).unwrap();
    assert!(
        higher.is_drift() && (0.8..1.2).contains(&higher.wasserstein),
        "{higher:?}"
    );
}
