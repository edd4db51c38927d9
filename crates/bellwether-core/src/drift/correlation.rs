//! Relations between channels: correlations, and whether one of them changed.

use super::autocorrelation::centred;
use super::baseline::{BaselineParts, Pieces};
use super::false_discovery::q_values;
use super::{N_EFFECTIVE_MIN, Q_MAX};

/// With more channels than this no relation is kept: pairs grow with their square.
pub const N_CHANNELS_MAX: usize = 128;

/// A correlation that changed by less is not worth a visit.
pub const CHANGE_MIN: f64 = 0.3;

/// Rows that correlations are measured on; of more, every second, third, … is taken.
const N_ROWS_MAX: usize = 16_384;

/// Rows with both channels observed that a correlation needs: of fewer it is ±1, or nearly so, by itself.
const N_JOINT_MIN: u64 = N_EFFECTIVE_MIN as u64;

/// How two channels go together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Pearson's correlation, in [-1, 1].
    pub value: f64,
    /// Rows that it was measured on: those with both channels observed, of those that were taken.
    pub n_joint: u64,
}

/// The relation of two channels that changed most.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationChange {
    /// The two, in the order of the baseline.
    pub pair: [String; 2],
    /// Their correlation in the baseline, in [-1, 1].
    pub baseline: f64,
    /// Their correlation in the recent rows.
    pub recent: f64,
    /// Chance of such a change where nothing changed, corrected for the number of pairs.
    pub q_value: f64,
    /// Whether the change is beyond chance and at least [`CHANGE_MIN`].
    pub is_drift: bool,
}

impl RelationChange {
    /// Recent less baseline, in [-2, 2].
    pub fn change(&self) -> f64 {
        self.recent - self.baseline
    }
}

/// Pearson's correlations of all pairs of columns as [`thinned`] gives them, upper triangle row by row: (0, 1), (0, 2),
/// …, (1, 2), ….
///
/// Rows count where both channels are observed. `None` where a channel does not vary there, was not observed, or where
/// there are too few such rows.
pub(super) fn correlations(columns: &[Option<Vec<f64>>]) -> Vec<Option<Correlation>> {
    let mut all = Vec::new();
    for (idx, first) in columns.iter().enumerate() {
        for second in &columns[idx + 1..] {
            all.push(
                first
                    .as_ref()
                    .zip(second.as_ref())
                    .and_then(|(a, b)| correlation(a, b)),
            );
        }
    }
    all
}

/// Deviations of at most [`N_ROWS_MAX`] evenly spaced rows, each from the mean of its piece, so that two devices with
/// different levels make no relation.
pub(super) fn thinned(column: &Pieces) -> Vec<f64> {
    let n_rows = column.iter().map(Vec::len).sum();
    column
        .iter()
        .flat_map(|piece| centred(piece))
        .step_by(step(n_rows))
        .collect()
}

/// Of so many rows every `step`-th is taken.
fn step(n_rows: usize) -> usize {
    n_rows.div_ceil(N_ROWS_MAX).max(1)
}

/// Pearson's correlation of deviations; `None` where one does not vary, or too few rows have both.
pub(crate) fn correlation(a: &[f64], b: &[f64]) -> Option<Correlation> {
    let (mut aa, mut bb, mut ab, mut n_joint) = (0.0, 0.0, 0.0, 0);
    for (a, b) in a.iter().zip(b) {
        if !(a.is_nan() || b.is_nan()) {
            aa += a * a;
            bb += b * b;
            ab += a * b;
            n_joint += 1;
        }
    }
    // Roots apart: a product of two sums of squares overflows earlier.
    let value = ab / aa.sqrt() / bb.sqrt();
    let is_varying = aa > 0.0 && bb > 0.0 && value.is_finite();
    (is_varying && n_joint >= N_JOINT_MIN).then(|| Correlation {
        value: value.clamp(-1.0, 1.0),
        n_joint,
    })
}

/// Independent rows that a correlation is worth, of `n_rows` of which every so many were taken. `time`: rows worth one
/// independent row.
pub(crate) fn n_effective(of: Correlation, time: f64, n_rows: usize) -> f64 {
    of.n_joint as f64 / (time / step(n_rows) as f64).max(1.0)
}

/// The change of correlation that matters most: the largest of those beyond chance, else the largest of all. `spacing`
/// is that of recent rows over that of the baseline's.
pub(super) fn largest_change(
    parts: &BaselineParts,
    columns: &[Option<Pieces>],
    spacing: f64,
) -> Option<RelationChange> {
    let kept = parts.correlations.as_ref()?;
    let n_rows = columns.iter().flatten().next()?.iter().map(Vec::len).sum();
    let thinned: Vec<Option<Vec<f64>>> = columns
        .iter()
        .map(|column| column.as_ref().map(thinned))
        .collect();
    let recent = correlations(&thinned);
    let n_channels = parts.channels.len();
    let pairs = (0..n_channels).flat_map(|a| (a + 1..n_channels).map(move |b| (a, b)));
    let mut changes = Vec::new();
    for (((a, b), &before), after) in pairs.zip(kept).zip(recent) {
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        // The slower channel decides; the product of two channels is never slower than that.
        let time = parts.channels[a]
            .autocorrelation_time
            .max(parts.channels[b].autocorrelation_time);
        let n = n_effective(before, time, parts.n_rows);
        let m = n_effective(after, time / spacing, n_rows);
        if n >= N_EFFECTIVE_MIN && m >= N_EFFECTIVE_MIN {
            let (before, after) = (before.value, after.value);
            changes.push(((a, b), before, after, fisher_p_value(before, after, n, m)));
        }
    }
    let p_values: Vec<f64> = changes.iter().map(|change| change.3).collect();
    let judged = changes
        .into_iter()
        .zip(q_values(&p_values))
        .map(|(((a, b), before, after, _), q_value)| {
            let name = |idx: usize| parts.channels[idx].channel.clone();
            RelationChange {
                pair: [name(a), name(b)],
                baseline: before,
                recent: after,
                q_value,
                is_drift: q_value < Q_MAX && (after - before).abs() >= CHANGE_MIN,
            }
        });
    let weight = |change: &RelationChange| (change.is_drift, change.change().abs());
    judged.reduce(|most, next| if weight(&next) > weight(&most) { next } else { most })
}

/// Two-sided chance of two correlations at least so far apart where the true ones are equal: Fisher's z
/// transformation. `n` and `m` count independent rows, above 3.
pub fn fisher_p_value(first: f64, second: f64, n: f64, m: f64) -> f64 {
    // A correlation of exactly 1 has no z; so near to it none is measured.
    let z = |correlation: f64| libm::atanh(correlation.clamp(-1.0 + 1e-12, 1.0 - 1e-12));
    let spread = (1.0 / (n - 3.0) + 1.0 / (m - 3.0)).sqrt();
    libm::erfc((z(first) - z(second)).abs() / spread / std::f64::consts::SQRT_2)
}
