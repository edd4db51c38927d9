//! Who made the scores, and when: each cell's exact share of what the scores of a stretch sum to.

use std::ops::Range;

use crate::detect::{DetectError, Detector, Mode};
use crate::frame::{Frame, SeriesId};

/// Shares of channels × time: a score is a sum over channels, so each cell is score × share over the sum of all scores.
/// Errors enter in units of each channel's own ordinary error, see [`crate::score::Calibration`].
#[derive(Debug, Clone, PartialEq)]
pub struct ShareMap {
    /// Rows of the frame.
    pub rows: Range<usize>,
    /// Channels of each.
    pub n_channels: usize,
    /// `[rows.len(), n_channels]`, at least 0, summing to 1; 0 where a row has no score.
    pub cells: Vec<f64>,
    /// `[rows.len()]`, NaN where a row has none.
    pub score: Vec<f64>,
}

impl ShareMap {
    /// The shares of `rows` of a frame.
    pub(super) fn of(
        detector: &Detector,
        frame: &Frame,
        rows: Range<usize>,
        mode: Mode,
    ) -> Result<Self, DetectError> {
        let n = detector.pipeline().n_channels();
        let mut cells = vec![0.0; rows.len() * n];
        let mut score = vec![f64::NAN; rows.len()];
        // The name only makes ids of events, which nobody sees here.
        let series = SeriesId::new("");
        detector.score_with(&series, frame.clone(), mode, &mut |row| {
            if rows.contains(&row.row_idx) {
                let at = row.row_idx - rows.start;
                score[at] = row.score;
                for (cell, share) in cells[at * n..(at + 1) * n].iter_mut().zip(row.shares) {
                    *cell = row.score * share;
                }
            }
        })?;
        let total: f64 = cells.iter().sum();
        // Where all scores are zero nothing stands out.
        let alike = 1.0 / cells.len() as f64;
        for cell in &mut cells {
            *cell = if total > 0.0 { *cell / total } else { alike };
        }
        Ok(Self {
            rows,
            n_channels: n,
            cells,
            score,
        })
    }

    /// Each channel's share of all rows, `[n_channels]`, summing to 1.
    pub fn of_channels(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.n_channels];
        for row in self.cells.chunks_exact(self.n_channels) {
            for (sum, cell) in sums.iter_mut().zip(row) {
                *sum += cell;
            }
        }
        sums
    }
}

/// Positions of the largest values, largest first, the first of equals first.
pub fn ranked(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}
