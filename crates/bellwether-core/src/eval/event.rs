//! Event F1: an event is found or missed as a whole, a false alarm costs its samples.
//!
//! Recall counts events (an event is found where any of its samples is predicted), precision counts samples, so
//! that one long false alarm is not as cheap as a short one (Garg et al., IEEE TNNLS 2021, composite F-score).
//! As in the TSB-AD reference, the very last sample of a series finds nothing: an event that lasts until there is
//! judged without it.

use super::{EvalError, F1, check_predicted, point, ratio, runs};

/// Precision over samples, recall over events, and their F1.
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample.
pub fn event_f1(labels: &[bool], predicted: &[bool]) -> Result<F1, EvalError> {
    check_predicted(labels, predicted)?;
    let events = runs(labels);
    let last = labels.len() - 1;
    let n_found = events
        .iter()
        .filter(|event| predicted[event.start..event.end.min(last)].contains(&true))
        .count();
    Ok(F1::new(
        point::precision(labels, predicted),
        ratio(n_found, events.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_predicted_sample_finds_its_event() {
        // Two events; the first is found by one sample of two predicted: recall 1/2, precision 1/2.
        let labels = [true, true, true, false, false, true];
        let got = event_f1(&labels, &[false, true, false, true, false, false]).unwrap();
        assert_eq!((got.precision, got.recall, got.f1), (0.5, 0.5, 0.5));
        assert_eq!(event_f1(&labels, &[false; 6]).unwrap(), F1::ZERO);
        // The quirk of the reference: the last sample is right, yet finds nothing.
        let got = event_f1(&labels, &[false, false, false, false, false, true]).unwrap();
        assert_eq!((got.precision, got.recall, got.f1), (1.0, 0.0, 0.0));
    }
}
