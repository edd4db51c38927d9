//! The seam between the domain and what learns: networks live in `bellwether-nn`, classic detectors in core.

use crate::window::{WindowSpec, Windows};

/// Which rows of a window a model has an answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Every row, in the light of the others: a reconstruction.
    Window,
    /// The last row alone, in the light of those before it: a forecast.
    LastRow,
}

/// Something fitted that knows what normal windows look like. Object-safe; one instance serves many threads.
///
/// The result for a window depends on that window alone: not on its neighbours in the call, nor on how many there
/// are. That is what makes batch, stream and REST agree bit for bit.
pub trait Model: Send + Sync + std::fmt::Debug {
    /// What it is, in a word: that of its kind in `--model-family`.
    fn name(&self) -> &'static str {
        "model"
    }

    /// The windows it wants.
    fn window(&self) -> WindowSpec;

    /// Channels of its windows, active or not.
    fn n_channels(&self) -> usize;

    /// The rows of a window that [`Model::expected`] and [`Model::errors`] are about.
    fn answers(&self) -> Answers {
        Answers::Window
    }

    /// How many rows of a window those are.
    fn n_answers(&self) -> usize {
        match self.answers() {
            Answers::Window => self.window().len.get(),
            Answers::LastRow => 1,
        }
    }

    /// What the model would have expected in place of each value, in the units of the windows (prepared, scaled).
    ///
    /// # Shapes
    /// `windows: [n_windows, len, n_channels]`, `out: [n_windows, n_answers, n_channels]`.
    ///
    /// # Errors
    /// [`ModelError`] where the shapes do not fit or the answer is not finite.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError>;

    /// Whether [`Model::errors`] are the squares of what [`Model::expected`] is off by. Where they are not, the band around
    /// what is expected is measured apart.
    fn squares_residuals(&self) -> bool {
        true
    }

    /// Whether one channel out of order is what the model is there to see: then the errors of channels are joined by their
    /// norm and not by their sum.
    fn sees_single_channels(&self) -> bool {
        false
    }

    /// Squared errors of what was expected; zero where a value was not observed.
    ///
    /// # Shapes
    /// As [`Model::expected`].
    ///
    /// # Errors
    /// As [`Model::expected`].
    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.expected(windows, out)?;
        let cells = self.n_answers() * windows.n_channels();
        for (window_idx, errors) in out.chunks_exact_mut(cells).enumerate() {
            let values = windows.values(window_idx);
            for (error, &value) in errors.iter_mut().zip(&values[values.len() - cells..]) {
                *error = (value - *error) * (value - *error);
            }
            if let Some(observed) = windows.observed(window_idx) {
                zero_unobserved(errors, &observed[observed.len() - cells..]);
            }
        }
        Ok(())
    }

    /// How a weighted sum of [`Model::errors`] changes with each value of its window: its derivatives, exact but for rounding.
    /// `false`, and `out` means nothing, where the model has none to give: it is then asked at neighbouring values instead.
    ///
    /// # Shapes
    /// `weights: [n_windows, n_answers, n_channels]`, not negative; `out: [n_windows, len, n_channels]`.
    ///
    /// # Errors
    /// As [`Model::expected`].
    fn derivatives(
        &self,
        _windows: Windows<'_>,
        _weights: &[f64],
        _out: &mut [f64],
    ) -> Result<bool, ModelError> {
        Ok(false)
    }
}

/// What was not observed is no error. Both: as many cells.
pub(crate) fn zero_unobserved(errors: &mut [f64], observed: &[bool]) {
    let cells = errors.iter_mut().zip(observed);
    for (error, _) in cells.filter(|(_, observed)| !**observed) {
        *error = 0.0;
    }
}

/// What was expected of the answered rows of one window becomes 2 w (value − expected): how the weighted sum of squared
/// residuals changes with each residual. Both: as many cells.
pub(crate) fn slopes_of_squares(
    windows: &Windows<'_>,
    window_idx: usize,
    weights: &[f64],
    expected: &mut [f64],
) {
    let cells = expected.len();
    let values = windows.values(window_idx);
    let answered = &values[values.len() - cells..];
    for ((slope, value), weight) in expected.iter_mut().zip(answered).zip(weights) {
        *slope = 2.0 * weight * (value - *slope);
    }
    if let Some(observed) = windows.observed(window_idx) {
        zero_unobserved(expected, &observed[observed.len() - cells..]);
    }
}

/// Why a [`Model`] gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The windows are not the model's.
    #[error(
        "the model wants windows of {want_len} samples × {want_channels} channels, got {len} × {channels}"
    )]
    Shape {
        /// Samples wanted.
        want_len: usize,
        /// Channels wanted.
        want_channels: usize,
        /// Samples given.
        len: usize,
        /// Channels given.
        channels: usize,
    },
    /// The arithmetic left the finite numbers.
    #[error(
        "the model's answer for window {window_idx} is not finite: values lie far outside what it was trained on"
    )]
    NotFinite {
        /// Position of the window in the call.
        window_idx: usize,
    },
}
