//! What the lead model would have expected in place of each value, in the channels' own units, and how far off is usual.

use std::ops::Range;

use super::blocks::{BLOCK_WINDOWS, Overlap, for_each_block};
use super::member::Reach;
use super::mode::Mode;
use super::{DetectError, Detector};
use crate::frame::Frame;
use crate::model::Answers;
use crate::window::Windows;

/// Half the width of the band, in root mean squared held-out residuals.
const BAND_SIGMAS: f64 = 3.0;

/// Expected values of some rows of a frame, with a band that normal values rarely leave. All are
/// `[rows.len(), n_channels]` in the pipeline's order of channels and the channels' units, NaN where a row lies in no
/// window or nothing is known of the channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Which rows of the frame.
    pub rows: Range<usize>,
    /// Channels of each.
    pub n_channels: usize,
    /// The reconstruction: of the window that ends at the row, or the mean over all that hold it.
    pub expected: Vec<f64>,
    /// Expected minus three times the channel's root mean squared residual on held-out rows.
    pub lower: Vec<f64>,
    /// Expected plus as much.
    pub upper: Vec<f64>,
}

impl Detector {
    /// What the [lead](Detector::lead) expected of `rows` of a frame. Only those rows and their context are prepared.
    ///
    /// # Errors
    /// [`DetectError`] where the frame does not fit, has no such rows, or the model gives no answer.
    pub fn expected(&self, frame: &Frame, rows: Range<usize>, mode: Mode) -> Result<Expected, DetectError> {
        let n = self.pipeline().n_channels();
        let model = &**self.lead().model();
        let (len, n_answers) = (model.window().len.get(), model.n_answers());
        if rows.start >= rows.end || rows.end > frame.n_samples() {
            return Err(DetectError::NoSuchRows {
                start: rows.start,
                end: rows.end,
                n_samples: frame.n_samples(),
            });
        }
        let first = rows.start.saturating_sub(self.context_len());
        let end = match mode {
            Mode::Causal => rows.end,
            Mode::Retrospective => frame.n_samples().min(rows.end + self.window_len() - 1),
        };
        let no_rows = |_| DetectError::NoSuchRows {
            start: first,
            end,
            n_samples: frame.n_samples(),
        };
        let prepared = self.pipeline().apply(frame.slice(first..end).map_err(no_rows)?)?;
        let mut expected = vec![f64::NAN; rows.len() * n];
        let mut write = |row_idx: usize, values: &[f64], n_windows: usize| {
            let row_idx = row_idx + first;
            if rows.contains(&row_idx) {
                let at = (row_idx - rows.start) * n;
                for (out, value) in expected[at..at + n].iter_mut().zip(values) {
                    *out = value / n_windows as f64;
                }
            }
        };
        let mut overlap = Overlap::new(len, n);
        let ask = |windows: Windows<'_>, out: &mut [f64]| model.expected(windows, out);
        // Where there is a score there is an expectation, and nowhere else.
        let reach = Reach {
            longest: self.window_len(),
            windows_max: BLOCK_WINDOWS,
        };
        for_each_block(&ask, model, mode, &prepared, reach, &mut |block| {
            if (mode, model.answers()) == (Mode::Retrospective, Answers::Window) {
                return overlap.absorb(block, &mut write);
            }
            for (idx, window) in block.answers.chunks_exact(n_answers * n).enumerate() {
                write(block.first + idx + len - 1, &window[(n_answers - 1) * n..], 1);
            }
        })?;
        Ok(self.in_original_units(rows, expected, mode))
    }

    fn in_original_units(&self, rows: Range<usize>, mut expected: Vec<f64>, mode: Mode) -> Expected {
        let scales = self.pipeline().scales();
        let n = scales.len();
        let residual = &self.lead().calibrated(mode).calibration.residual;
        let (mut lower, mut upper) = (expected.clone(), expected.clone());
        for (idx, value) in expected.iter_mut().enumerate() {
            let scale = &scales[idx % n];
            *value = if scale.is_unseen() {
                f64::NAN
            } else {
                scale.original(*value)
            };
            let half = BAND_SIGMAS * residual[idx % n] * scale.divisor;
            (lower[idx], upper[idx]) = (*value - half, *value + half);
        }
        Expected {
            rows,
            n_channels: n,
            expected,
            lower,
            upper,
        }
    }
}
