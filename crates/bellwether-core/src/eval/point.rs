//! Point precision, recall and F1: every sample counts alike.
//!
//! Hard on detectors that find an event late or only in part; no point adjustment, which rewards chance.

use super::{EvalError, F1, check_predicted, ratio};

/// Precision, recall and F1 of `predicted` against `labels`, sample by sample.
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample.
pub fn point_f1(labels: &[bool], predicted: &[bool]) -> Result<F1, EvalError> {
    check_predicted(labels, predicted)?;
    let n_labelled = labels.iter().filter(|&&label| label).count();
    Ok(F1::new(
        precision(labels, predicted),
        ratio(n_hits(labels, predicted), n_labelled),
    ))
}

/// Share of the predicted samples that are labelled; 0 where nothing is predicted.
pub(super) fn precision(labels: &[bool], predicted: &[bool]) -> f64 {
    let n_predicted = predicted.iter().filter(|&&marked| marked).count();
    ratio(n_hits(labels, predicted), n_predicted)
}

fn n_hits(labels: &[bool], predicted: &[bool]) -> usize {
    labels
        .iter()
        .zip(predicted)
        .filter(|&(&label, &marked)| label && marked)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_once() {
        // Labelled 2, predicted 3, in common 1: precision 1/3, recall 1/2, F1 = 2/5.
        let got = point_f1(&[true, true, false, false], &[false, true, true, true]).unwrap();
        assert!((got.precision - 1.0 / 3.0).abs() < 1e-15);
        assert!((got.recall - 0.5).abs() < 1e-15);
        assert!((got.f1 - 0.4).abs() < 1e-15);
        assert_eq!(point_f1(&[true, false], &[false, false]).unwrap(), F1::ZERO);
    }
}
