//! The window that ends with a row, and its error with some of it replaced: what gradients and coalitions are asked of.

use super::Effort;
use super::shapley::{ShapleyValue, shapley};
use crate::detect::{DetectError, Detector, Expected, last_row_errors};
use crate::frame::Frame;
use crate::model::ModelError;
use crate::window::Windows;

/// Windows put to the models at a time.
const BATCH: usize = 256;

/// The rows that the causal error of one row is made of: what was measured there and what was expected, scaled.
#[derive(Debug)]
pub(super) struct LastWindow<'a> {
    detector: &'a Detector,
    /// Rows of the longest window.
    pub(super) len: usize,
    /// `[len, n_channels]`
    pub(super) measured: Vec<f64>,
    /// As long; what was measured where nothing is expected.
    pub(super) expected: Vec<f64>,
    observed: Option<Vec<bool>>,
}

impl<'a> LastWindow<'a> {
    /// The window that ends with `row_idx`; `None` where it reaches across the beginning or a gap. `expected` covers it.
    pub(super) fn ending_with(
        detector: &'a Detector,
        frame: &Frame,
        row_idx: usize,
        expected: &Expected,
    ) -> Result<Option<Self>, DetectError> {
        let (n, len) = (detector.pipeline().n_channels(), detector.window_len());
        let Some(first) = (row_idx + 1)
            .checked_sub(len)
            .filter(|first| *first >= expected.rows.start)
        else {
            return Ok(None);
        };
        let prepared = detector.pipeline().apply(frame.clone())?;
        if prepared
            .segments()
            .all(|segment| segment.start > first || segment.end <= row_idx)
        {
            return Ok(None);
        }
        let cells = first * n..(row_idx + 1) * n;
        let measured = prepared.values()[cells.clone()].to_vec();
        let scales = detector.pipeline().scales();
        let of_window = &expected.expected[(first - expected.rows.start) * n..][..len * n];
        let scaled = of_window.iter().enumerate().map(|(cell, &value)| {
            let is_known = !value.is_nan();
            if is_known {
                scales[cell % n].scaled(value)
            } else {
                measured[cell]
            }
        });
        Ok(Some(Self {
            detector,
            len,
            expected: scaled.collect(),
            observed: prepared.observed().map(|marks| marks[cells].to_vec()),
            measured,
        }))
    }

    /// The causal error of the last row, before smoothing, of each of some windows in place of the measured one: the mean
    /// over the members by weight of their calibrated errors, about 1 for an ordinary row.
    ///
    /// # Shapes
    /// `windows: [n_windows, len, n_channels]`, scaled; returns `[n_windows]`.
    pub(super) fn errors(&self, windows: &[f64]) -> Result<Vec<f64>, ModelError> {
        let n = self.detector.pipeline().n_channels();
        let per_window = self.len * n;
        let mut errors = vec![0.0; windows.len() / per_window];
        for (batch, out) in windows.chunks(BATCH * per_window).zip(errors.chunks_mut(BATCH)) {
            let marks = self.observed.as_ref().map(|marks| marks.repeat(out.len()));
            for member in self.detector.members() {
                self.add(member, batch, marks.as_deref(), out)?;
            }
        }
        Ok(errors)
    }

    /// The error shared out among the channels: one is present with what was measured, absent with what was expected.
    pub(super) fn shapley(&self, effort: &Effort<'_>) -> Result<Vec<ShapleyValue>, ModelError> {
        let n = self.detector.pipeline().n_channels();
        let mut worth = |coalitions: &[bool]| {
            let mut windows = Vec::with_capacity(coalitions.len() * self.len);
            for present in coalitions.chunks_exact(n) {
                let cells = self.measured.iter().zip(&self.expected).enumerate();
                windows.extend(cells.map(
                    |(cell, (measured, expected))| {
                        if present[cell % n] { *measured } else { *expected }
                    },
                ));
            }
            self.errors(&windows)
        };
        shapley(n, effort.n_orders, effort.seed, &mut worth)
    }

    fn add(
        &self,
        member: &crate::detect::Member,
        batch: &[f64],
        marks: Option<&[bool]>,
        out: &mut [f64],
    ) -> Result<(), ModelError> {
        let n = self.detector.pipeline().n_channels();
        let model = &**member.model();
        let own_len = model.window().len.get();
        let starts: Vec<usize> = (0..out.len()).map(|idx| (idx + 1) * self.len - own_len).collect();
        let windows = Windows::new(batch, marks, n, own_len, &starts);
        let cells = model.n_answers() * n;
        let mut answers = vec![0.0; starts.len() * cells];
        model.errors(windows, &mut answers)?;
        let calibration = &member.parts().causal.calibration;
        let weight = member.parts().weight / self.detector.weight();
        let (mut row, mut parts) = (vec![0.0; n], vec![0.0; n]);
        for (idx, (answer, out)) in answers.chunks_exact(cells).zip(out).enumerate() {
            let observed = windows.observed(idx);
            if last_row_errors(model.answers(), answer, observed, &calibration.weights, &mut row) {
                calibration.contributions(&row, &mut parts);
                *out += weight * parts.iter().sum::<f64>();
            }
        }
        Ok(())
    }
}
