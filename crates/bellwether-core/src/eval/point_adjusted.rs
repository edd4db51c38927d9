//! Point-adjusted F1 and PA%K: kept to compare with papers that report them, never to judge by.
//!
//! Point adjustment (Xu et al., WWW 2018) takes one predicted sample of an event for all of it. An event of a thousand
//! samples is then nearly always "found", by chance too: random scores reach the state of the art (Kim et al., "Towards
//! a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022). PA%K of the same paper adjusts only where more
//! than the share K of an event is predicted; K = 0 is point adjustment, K = 1 none. As in the TSB-AD reference, the very
//! first sample of a series is never filled in.

use super::{EvalError, F1, check_predicted, point, runs};

/// What has to be said wherever a point-adjusted figure is shown.
pub const WARNING: &str = "point-adjusted figures are inflated by design: one hit counts as the whole event, so random \
    scores reach the state of the art; never rank by them, look at VUS-PR and event F1";

/// Steps of K in [`pa_k_area`].
const N_STEPS: usize = 100;

/// Precision, recall and F1 after each event of which more than `share` is predicted was taken as predicted whole.
/// `share` is in [0, 1].
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample.
pub fn point_adjusted_f1(labels: &[bool], predicted: &[bool], share: f64) -> Result<F1, EvalError> {
    check_predicted(labels, predicted)?;
    let mut adjusted = predicted.to_vec();
    for event in runs(labels) {
        let n_hits = predicted[event.clone()].iter().filter(|&&marked| marked).count();
        if n_hits as f64 > share * event.len() as f64 {
            adjusted[event.start.max(1)..event.end.max(1)].fill(true);
        }
    }
    point::point_f1(labels, &adjusted)
}

/// Area under F1 over K from 0 to 1, by trapezoids of a hundredth: what the authors of PA%K propose.
///
/// # Errors
/// As [`point_adjusted_f1`].
pub fn pa_k_area(labels: &[bool], predicted: &[bool]) -> Result<f64, EvalError> {
    let mut area = 0.0;
    for step in 0..=N_STEPS {
        let weight = if step == 0 || step == N_STEPS { 0.5 } else { 1.0 };
        let share = step as f64 / N_STEPS as f64;
        area += weight * point_adjusted_f1(labels, predicted, share)?.f1;
    }
    Ok(area / N_STEPS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hit_counts_as_the_event_up_to_its_share() {
        // One event of four with one hit, one false alarm.
        let labels = [false, true, true, true, true, false, false];
        let predicted = [false, false, true, false, false, true, false];
        let check = |share: f64, precision: f64, recall: f64| {
            let got = point_adjusted_f1(&labels, &predicted, share).unwrap();
            assert!((got.precision - precision).abs() < 1e-15, "{got:?}");
            assert!((got.recall - recall).abs() < 1e-15, "{got:?}");
        };
        check(0.0, 0.8, 1.0);
        check(0.24, 0.8, 1.0);
        // Exactly a quarter is not more than a quarter.
        check(0.25, 0.5, 0.25);
        check(1.0, 0.5, 0.25);
        // F1 is 8/9 for K below a quarter and 1/3 from there on; one trapezoid spans the step.
        let area = pa_k_area(&labels, &predicted).unwrap();
        let want = (24.5 * 8.0 / 9.0 + 75.5 / 3.0) / 100.0;
        assert!((area - want).abs() < 1e-12, "{area} {want}");
        // The quirk of the reference: of this event the first sample stays a miss.
        let got = point_adjusted_f1(&[true, true, false], &[false, true, false], 0.0).unwrap();
        assert!((got.recall - 0.5).abs() < 1e-15, "{got:?}");
    }
}
