//! Channels that say what another channel says already.

use super::profile::Twin;
use super::sample::RowSample;
use crate::frame::Channel;

/// Channels that agree so closely, in values and in steps, are one quantity measured twice.
const TWIN_CORRELATION: f64 = 0.9999;

/// More channels than this are not compared with each other: pairs grow with the square.
const N_CHANNELS_MAX: usize = 256;

/// Rows of the sample that are compared at most.
const N_ROWS_MAX: usize = 1024;

/// Fewer rows tell nothing.
const N_ROWS_MIN: usize = 32;

/// For each channel the earlier one that it copies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Relations {
    twins: Vec<Option<Twin>>,
}

impl Relations {
    /// `sample`: values and behind them steps, `[n_rows, 2 · n_channels]`.
    pub(super) fn new(channels: &[Channel], sample: &RowSample) -> Self {
        let n = channels.len();
        let mut twins = vec![None; n];
        if n <= N_CHANNELS_MAX {
            let by = sample.n_rows().div_ceil(N_ROWS_MAX).max(1);
            let rows: Vec<&[f64]> = sample.rows().step_by(by).collect();
            for (late, twin) in twins.iter_mut().enumerate().skip(1) {
                *twin = (0..late).find_map(|early| twin_of(&rows, n, channels, early, late));
            }
        }
        Self { twins }
    }

    pub(super) fn twin(&self, idx: usize) -> Option<Twin> {
        self.twins[idx].clone()
    }
}

fn twin_of(rows: &[&[f64]], n: usize, channels: &[Channel], early: usize, late: usize) -> Option<Twin> {
    let close = |one: usize, other: usize| {
        correlation(rows.iter().map(|row| (row[one], row[other]))).filter(|of| of.abs() >= TWIN_CORRELATION)
    };
    Some(Twin {
        of_values: close(early, late)?,
        of_steps: close(n + early, n + late)?,
        channel: channels[early].name().to_owned(),
    })
}

/// Correlation by Pearson of the pairs that are whole; `None` where there are few, or either side does not vary.
fn correlation(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let whole = pairs.filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (mut n, mut sum_x, mut sum_y) = (0_usize, 0.0, 0.0);
    for (x, y) in whole.clone() {
        n += 1;
        sum_x += x;
        sum_y += y;
    }
    let (mean_x, mean_y) = (sum_x / n as f64, sum_y / n as f64);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in whole {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    let varies = n >= N_ROWS_MIN && xx > 0.0 && yy > 0.0;
    varies.then(|| xy / (xx.sqrt() * yy.sqrt()))
}
