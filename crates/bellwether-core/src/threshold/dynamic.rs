//! Nonparametric dynamic thresholding (Hundman et al., KDD 2018): the threshold that parts the errors being judged best.
//!
//! It looks at what it judges, later rows included: only looking back is it any use, and what it finds in a quiet file
//! is the strangest of the ordinary. Pruning is what keeps that small.

use super::{HeldOut, Threshold, just_above};

/// Peaks that decrease by less than this share to the next lower one are no anomalies; the paper's value.
pub const PRUNE: f64 = 0.13;

/// Candidates are mean + z standard deviations for z = 2.5, 3, … 12; those of the paper's code.
const Z: (f64, f64, usize) = (2.5, 0.5, 20);

/// What the errors of a file say of their threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    /// ε of the paper (equations 1 and 2): the candidate whose removal of what lies above lowers mean and deviation most,
    /// for each row and squared run of rows removed.
    pub epsilon: f64,
    /// Highest error of each run above ε that is left after pruning, highest first.
    pub peaks: Vec<f64>,
    /// ε, or just above the highest peak that was pruned: what was pruned is below it.
    pub threshold: Threshold,
}

/// The dynamic threshold of `errors`, the errors being judged; NaN where a row has none. `prune` in [0, 1): see
/// [`PRUNE`].
///
/// `None` where nothing is to be parted: fewer than two errors, no spread, or none of them above any candidate.
pub fn dynamic_threshold(errors: &HeldOut<'_>, prune: f64) -> Option<Dynamic> {
    let finite: Vec<f64> = errors
        .errors
        .iter()
        .copied()
        .filter(|error| error.is_finite())
        .collect();
    let all = Moments::of(finite.iter().copied());
    if all.n < 2.0 || !(all.std() > 0.0 && all.mean > 0.0) {
        return None;
    }
    let (first, step, n) = Z;
    let mut best: Option<(f64, f64)> = None;
    for level in (0..n).map(|idx| all.mean + (first + step * idx as f64) * all.std()) {
        let quiet = Moments::of(finite.iter().copied().filter(|error| *error <= level));
        let n_above = all.n - quiet.n;
        if n_above <= 0.0 || quiet.n <= 0.0 {
            continue;
        }
        let n_runs = runs_above(errors, level).len() as f64;
        let lowered = (all.mean - quiet.mean) / all.mean + (all.std() - quiet.std()) / all.std();
        let gain = lowered / (n_above + n_runs * n_runs);
        if best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, level));
        }
    }
    let (_, epsilon) = best?;
    let mut peaks = runs_above(errors, epsilon);
    peaks.sort_unstable_by(|one, other| other.total_cmp(one));
    let below = finite
        .iter()
        .copied()
        .filter(|error| *error <= epsilon)
        .fold(0.0, f64::max);
    // What follows the last step that is steep enough is pruned.
    let next = peaks.iter().skip(1).copied().chain([below]);
    let steep = peaks
        .iter()
        .zip(next)
        .map(|(peak, next)| (peak - next) / peak > prune);
    let n_kept = steep
        .enumerate()
        .filter(|(_, is_steep)| *is_steep)
        .map(|(idx, _)| idx + 1)
        .last();
    let n_kept = n_kept.unwrap_or(0);
    let level = peaks.get(n_kept).map_or(epsilon, |pruned| just_above(*pruned));
    peaks.truncate(n_kept);
    Some(Dynamic {
        epsilon,
        peaks,
        threshold: Threshold::new(level)?,
    })
}

/// Highest error of each run of rows above `level`.
fn runs_above(errors: &HeldOut<'_>, level: f64) -> Vec<f64> {
    let mut runs: Vec<f64> = Vec::new();
    for segment in errors.segments() {
        let mut was_above = false;
        for &error in &errors.errors[segment] {
            let is_above = error > level;
            match runs.last_mut() {
                Some(peak) if is_above && was_above => *peak = peak.max(error),
                _ if is_above => runs.push(error),
                _ => {}
            }
            was_above = is_above;
        }
    }
    runs
}

/// Number, mean and population variance.
struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
        Self { n, mean, variance }
    }

    fn std(&self) -> f64 {
        self.variance.sqrt()
    }
}
