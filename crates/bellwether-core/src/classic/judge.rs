//! What detectors that look at active cells alone have in common: how windows come to them and answers go back.

use std::fmt::Debug;

use super::fit::{FitClassicError, check_finite as check_fitted};
use super::kind::Kind;
use super::layout::{Layout, check_finite};
use super::parts::{Classic, Parts, Tensor};
use crate::model::{Answers, Model, ModelError, zero_unobserved};
use crate::window::{WindowSpec, Windows};

/// Windows handled at once: few enough that they stay in the cache.
const WINDOWS_AT_ONCE: usize = 32;

/// What a kind of detector knows of the active cells of a window. What it says of a window does not depend on the
/// windows beside it.
pub(super) trait Judge: Debug + Send + Sync {
    fn kind(&self) -> Kind;

    /// Which rows it answers for.
    fn answers(&self) -> Answers {
        Answers::LastRow
    }

    /// Whether its errors are the squares of what its expectations are off by.
    fn squares_residuals(&self) -> bool {
        false
    }

    /// What it would have expected in place of each value.
    ///
    /// # Shapes
    /// `cells: [n_windows, len, n_active]`, `out: [n_windows, n_answers, n_active]`.
    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]);

    /// How strange each value is: not negative, squared where that has a meaning.
    ///
    /// # Shapes
    /// As [`Judge::expected`].
    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]);

    /// In the order of [`Kind::settings`].
    fn settings(&self) -> Vec<usize> {
        Vec::new()
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)>;
}

/// Expects the same row, `[n_active]`, of every window; `out: [n_windows, n_active]`.
pub(super) fn expect_level(level: &[f64], out: &mut [f64]) {
    for row in out.chunks_exact_mut(level.len()) {
        row.copy_from_slice(level);
    }
}

/// A judge as a [`Model`].
#[derive(Debug)]
pub(super) struct Judging {
    window_len: usize,
    n_channels: usize,
    active: Vec<usize>,
    judge: Box<dyn Judge>,
}

/// Puts what is said of the active cells of some windows into the last argument.
type Ask<'a> = &'a dyn Fn(&Layout<'_>, &[f64], &mut [f64]);

impl Judging {
    pub(super) fn new(layout: &Layout<'_>, judge: impl Judge + 'static) -> Self {
        Self {
            window_len: layout.len,
            n_channels: layout.n_channels,
            active: layout.active.to_vec(),
            judge: Box::new(judge),
        }
    }

    /// The same of what was just fitted.
    ///
    /// # Errors
    /// Where a number that was learnt is not finite.
    pub(super) fn fitted(layout: &Layout<'_>, judge: impl Judge + 'static) -> Result<Self, FitClassicError> {
        for (_, tensor) in judge.tensors() {
            if let Tensor::F64(numbers) = tensor {
                check_fitted(&numbers)?;
            }
        }
        Ok(Self::new(layout, judge))
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            len: self.window_len,
            n_channels: self.n_channels,
            active: &self.active,
        }
    }

    /// Calls `ask` with the active cells of some windows at a time; `put(answer, window_idx)` then has the answer of
    /// each, `[n_answers, n_active]`.
    fn each(&self, windows: &Windows<'_>, ask: Ask<'_>, put: &mut dyn FnMut(&[f64], usize)) {
        let layout = self.layout();
        let (n_cells, n_said) = (layout.n_cells(), self.n_answers() * layout.active.len());
        let n_at_once = WINDOWS_AT_ONCE.min(windows.n_windows());
        let mut cells = vec![0.0; n_at_once * n_cells];
        let mut said = vec![0.0; n_at_once * n_said];
        for first in (0..windows.n_windows()).step_by(WINDOWS_AT_ONCE) {
            let n = n_at_once.min(windows.n_windows() - first);
            let (cells, said) = (&mut cells[..n * n_cells], &mut said[..n * n_said]);
            for (at, cells) in cells.chunks_exact_mut(n_cells).enumerate() {
                layout.gather(windows.values(first + at), cells);
            }
            ask(&layout, cells, said);
            for (at, said) in said.chunks_exact(n_said).enumerate() {
                put(said, first + at);
            }
        }
    }
}

impl Model for Judging {
    fn window(&self) -> WindowSpec {
        self.layout().spec()
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn answers(&self) -> Answers {
        self.judge.answers()
    }

    fn squares_residuals(&self) -> bool {
        self.judge.squares_residuals()
    }

    /// Zero for channels that it does not read.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let layout = self.layout();
        layout.check(&windows, self.n_answers(), out)?;
        let n_said = self.n_answers() * self.n_channels;
        let ask =
            |layout: &Layout<'_>, cells: &[f64], said: &mut [f64]| self.judge.expected(layout, cells, said);
        self.each(&windows, &ask, &mut |said, window_idx| {
            layout.scatter(said, &mut out[window_idx * n_said..(window_idx + 1) * n_said]);
        });
        check_finite(out, n_said)
    }

    /// The square of the value for channels that it does not read; zero where not observed.
    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let layout = self.layout();
        layout.check(&windows, self.n_answers(), out)?;
        let n_said = self.n_answers() * self.n_channels;
        let ask =
            |layout: &Layout<'_>, cells: &[f64], said: &mut [f64]| self.judge.errors(layout, cells, said);
        self.each(&windows, &ask, &mut |said, window_idx| {
            let out = &mut out[window_idx * n_said..(window_idx + 1) * n_said];
            let values = windows.values(window_idx);
            for (error, value) in out.iter_mut().zip(&values[values.len() - n_said..]) {
                *error = value * value;
            }
            let rows = said.chunks_exact(layout.active.len());
            for (said, out) in rows.zip(out.chunks_exact_mut(layout.n_channels)) {
                for (error, &channel) in said.iter().zip(layout.active) {
                    out[channel] = *error;
                }
            }
            if let Some(observed) = windows.observed(window_idx) {
                zero_unobserved(out, &observed[observed.len() - n_said..]);
            }
        });
        check_finite(out, n_said)
    }
}

impl Classic for Judging {
    fn kind(&self) -> Kind {
        self.judge.kind()
    }

    fn to_parts(&self) -> Parts {
        let names = self.kind().settings().iter().map(|(name, _)| *name);
        let tensors = self.judge.tensors();
        Parts {
            window_len: self.window_len,
            n_channels: self.n_channels,
            active: self.active.clone(),
            settings: names.zip(self.judge.settings()).collect(),
            tensors: tensors
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), tensor))
                .collect(),
        }
    }
}
