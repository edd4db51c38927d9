//! The window that ends with a row, and its error with some of it replaced: what gradients and coalitions are asked of.

use super::Effort;
use super::shapley::{ShapleyValue, shapley};
use crate::detect::{DetectError, Detector, Expected, Member, last_row_errors};
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

    /// The models that are asked.
    pub(super) fn members(&self) -> &'a [Member] {
        self.detector.members()
    }

    /// The causal error of the last row, before smoothing, of each of some windows in place of the measured one: the mean
    /// over the members by weight of their calibrated errors, about 1 for an ordinary row.
    ///
    /// # Shapes
    /// `windows: [n_windows, len, n_channels]`, scaled; returns `[n_windows]`.
    pub(super) fn errors(&self, windows: &[f64]) -> Result<Vec<f64>, ModelError> {
        let mut errors = vec![0.0; windows.len() / self.measured.len()];
        for member in self.members() {
            for (error, part) in errors.iter_mut().zip(self.errors_of(member, windows)?) {
                *error += part;
            }
        }
        Ok(errors)
    }

    /// One member's part of these errors.
    pub(super) fn errors_of(&self, member: &Member, windows: &[f64]) -> Result<Vec<f64>, ModelError> {
        let per_window = self.measured.len();
        let mut errors = vec![0.0; windows.len() / per_window];
        let slopes = self.error_slopes(member);
        let mut answers = vec![0.0; BATCH * slopes.len()];
        for (batch, out) in windows.chunks(BATCH * per_window).zip(errors.chunks_mut(BATCH)) {
            let answers = &mut answers[..out.len() * slopes.len()];
            let asked = Asked::new(self, member, batch);
            member.model().errors(asked.windows(), answers)?;
            for (answer, out) in answers.chunks_exact(slopes.len()).zip(out) {
                *out = answer
                    .iter()
                    .zip(&slopes)
                    .map(|(error, slope)| error * slope)
                    .sum();
            }
        }
        Ok(errors)
    }

    /// How one member's part of the errors changes with each cell, exactly; `None` where the model gives no derivatives.
    ///
    /// # Shapes
    /// `windows: [n_windows, len, n_channels]`, as is what is returned.
    pub(super) fn derivatives_of(
        &self,
        member: &Member,
        windows: &[f64],
    ) -> Result<Option<Vec<f64>>, ModelError> {
        let per_window = self.measured.len();
        let slopes = self.error_slopes(member);
        let mut derivatives = vec![0.0; windows.len()];
        let weights = slopes.repeat(windows.len() / per_window);
        let asked = Asked::new(self, member, windows);
        let own_cells = asked.windows().window_len() * self.detector.pipeline().n_channels();
        let mut of_own = vec![0.0; asked.starts.len() * own_cells];
        if !member
            .model()
            .derivatives(asked.windows(), &weights, &mut of_own)?
        {
            return Ok(None);
        }
        let whole = derivatives.chunks_exact_mut(per_window);
        for (whole, own) in whole.zip(of_own.chunks_exact(own_cells)) {
            whole[per_window - own_cells..].copy_from_slice(own);
        }
        Ok(Some(derivatives))
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

    /// What each squared error of a member's answer adds to the error of the last row. The calibrated error is linear in
    /// them, and which of them count depends on what was observed alone.
    fn error_slopes(&self, member: &Member) -> Vec<f64> {
        let n = self.detector.pipeline().n_channels();
        let model = &**member.model();
        let cells = model.n_answers() * n;
        let observed = self.observed.as_deref();
        let marks = observed.map(|marks| &marks[marks.len() - model.window().len.get() * n..]);
        let is_observed = |cell: usize| marks.is_none_or(|marks| marks[marks.len() - cells + cell]);
        let ones: Vec<f64> = (0..cells)
            .map(|cell| f64::from(u8::from(is_observed(cell))))
            .collect();
        let calibration = &member.parts().causal.calibration;
        let (mut row, mut parts) = (vec![0.0; n], vec![0.0; n]);
        let mut slopes = vec![0.0; cells];
        if last_row_errors(model.answers(), &ones, marks, &calibration.weights, &mut row) {
            // A channel's error is the mean over its observed cells: of ones it is 1.
            calibration.contributions(&row, &mut parts);
            let weight = member.parts().weight / self.detector.weight();
            for (cell, slope) in slopes
                .iter_mut()
                .enumerate()
                .filter(|(cell, _)| is_observed(*cell))
            {
                let n_seen: f64 = ones.iter().skip(cell % n).step_by(n).sum();
                *slope = weight * parts[cell % n] / n_seen;
            }
        }
        slopes
    }
}

/// Windows as a member is asked for them: it may see fewer rows than the longest.
#[derive(Debug)]
struct Asked<'a> {
    values: &'a [f64],
    marks: Option<Vec<bool>>,
    n_channels: usize,
    len: usize,
    starts: Vec<usize>,
}

impl<'a> Asked<'a> {
    fn new(window: &LastWindow<'_>, member: &Member, values: &'a [f64]) -> Self {
        let n_windows = values.len() / window.measured.len();
        let len = member.model().window().len.get();
        Self {
            values,
            marks: window.observed.as_ref().map(|marks| marks.repeat(n_windows)),
            n_channels: window.detector.pipeline().n_channels(),
            len,
            starts: (0..n_windows).map(|idx| (idx + 1) * window.len - len).collect(),
        }
    }

    fn windows(&self) -> Windows<'_> {
        Windows::new(
            self.values,
            self.marks.as_deref(),
            self.n_channels,
            self.len,
            &self.starts,
        )
    }
}
