//! Cross regression: each channel told from all the others, never from itself.

use super::fit::{FitClassicError, centre, check_finite as check_fitted, evenly, gather, places};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_finite, check_numbers};
use super::linear::{DECOMPOSED_MAX, without_own};
use super::parts::{Classic, Parts};
use super::product::Panels;
use crate::model::{Answers, Model, ModelError};
use crate::window::{WindowSpec, Windows};

/// Windows handled at once: few enough that they stay in the cache.
const WINDOWS_AT_ONCE: usize = 32;
/// Added to every penalty, so that channels which never vary cannot make the system singular.
const PENALTY_LEAST: f64 = 1e-6;

/// How a [`CrossRegression`] is fitted. The defaults are those measured to be best in one configuration for all data
/// sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossSpec {
    /// Rows of a window, of which three are read: the last, the one a quarter of the window before it, and the first; 20.
    pub window_len: usize,
    /// Ridge penalty as a share of the mean sum of squares of a cell, tr(XᵀX) / cells; .001. 1e-6 is added to it.
    pub penalty_share: f64,
    /// Most windows to fit on, evenly spaced; 8000.
    pub n_windows_max: usize,
}

impl Default for CrossSpec {
    fn default() -> Self {
        Self {
            window_len: 20,
            penalty_share: 1e-3,
            n_windows_max: 8000,
        }
    }
}

impl CrossSpec {
    /// Fits on windows of any number of views, active channels only; filled values count as they stand, but windows
    /// with less than half of their active cells observed are left out.
    ///
    /// # Shapes
    /// `windows`: each `[n_windows, window_len, n_channels]`; `active` rising, below `n_channels`.
    ///
    /// # Errors
    /// [`FitClassicError`] where the spec or the channels are out of range, there are fewer than two active channels or
    /// more than 512, there is no window to learn from, or its values are so large that squares overflow.
    pub fn fit(
        &self,
        windows: &[Windows<'_>],
        n_channels: usize,
        active: &[usize],
    ) -> Result<CrossRegression, FitClassicError> {
        self.check()?;
        let layout = Layout::new(self.window_len, n_channels, active)?;
        let n_active = active.len();
        let rows = rows_read(self.window_len);
        let n_read = rows.len() * n_active;
        if n_active < 2 {
            return Err(FitClassicError::TooNarrow { want: 2 });
        }
        if n_read > DECOMPOSED_MAX {
            return Err(FitClassicError::TooWide {
                n: n_active,
                n_max: DECOMPOSED_MAX / rows.len(),
            });
        }
        let places = evenly(places(windows, &layout)?, self.n_windows_max);
        let mut read = vec![0.0; places.len() * n_read];
        let mut means = vec![0.0; n_active];
        let cells = gather(windows, &layout, &places);
        for (window, read) in cells
            .chunks_exact(layout.n_cells())
            .zip(read.chunks_exact_mut(n_read))
        {
            deviations(window, &rows, &mut means, read);
        }
        let mean = centre(&mut read, n_read);
        let squares: f64 = read.iter().map(|value| value * value).sum();
        let penalty = self.penalty_share * squares / n_read as f64 + PENALTY_LEAST;
        if !penalty.is_finite() {
            return Err(FitClassicError::NotFinite);
        }
        let coefficients =
            without_own(&read, n_active, rows.len(), penalty).ok_or(FitClassicError::NotFinite)?;
        check_fitted(&mean)?;
        check_fitted(&coefficients)?;
        Ok(CrossRegression::new(CrossParts {
            window_len: self.window_len,
            n_channels,
            active: active.to_vec(),
            mean,
            coefficients,
        }))
    }

    fn check(&self) -> Result<(), FitClassicError> {
        let wrong = |name, want| Err(FitClassicError::Spec { name, want });
        if self.window_len < 2 {
            return wrong(
                "window_len",
                "at least 2: a single row does not deviate from itself",
            );
        }
        if !(0.0 <= self.penalty_share && self.penalty_share.is_finite()) {
            return wrong("penalty_share", "a finite number of at least 0");
        }
        if self.n_windows_max == 0 {
            return wrong("n_windows_max", "at least 1");
        }
        Ok(())
    }
}

/// The rows that are read of a window, rising, the last one last: what happens now, and what slow channels still answer to.
fn rows_read(window_len: usize) -> Vec<usize> {
    let last = window_len - 1;
    let mut rows = vec![0, last - last / 4, last];
    rows.dedup();
    rows
}

/// How far each channel is from its mean within the window, in the rows that are read.
///
/// # Shapes
/// `window: [window_len, n_active]`, `means: [n_active]`, `read: [n_rows_read, n_active]`.
fn deviations(window: &[f64], rows: &[usize], means: &mut [f64], read: &mut [f64]) {
    let n_active = means.len();
    let n_rows = (window.len() / n_active) as f64;
    means.fill(0.0);
    for row in window.chunks_exact(n_active) {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += value;
        }
    }
    for mean in means.iter_mut() {
        *mean /= n_rows;
    }
    for (row, read) in rows.iter().zip(read.chunks_exact_mut(n_active)) {
        let values = &window[row * n_active..(row + 1) * n_active];
        for ((read, value), mean) in read.iter_mut().zip(values).zip(means.iter()) {
            *read = value - mean;
        }
    }
}

/// A [`CrossRegression`] as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossParts {
    /// Rows of a window.
    pub window_len: usize,
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are read and told, rising.
    pub active: Vec<usize>,
    /// Mean deviation of what is read, `[n_rows_read, n_active]`.
    pub mean: Vec<f64>,
    /// What each deviation adds to that of each channel of the last row, `[n_rows_read, n_active, n_active]`; 0 from a channel to itself.
    pub coefficients: Vec<f64>,
}

impl CrossParts {
    /// These parts as a bundle keeps them.
    pub(super) fn read(parts: &Parts) -> Result<Self, PartsError> {
        Ok(Self {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            mean: parts.f64s_of_any_len("mean")?,
            coefficients: parts.f64s_of_any_len("coefficients")?,
        })
    }

    fn check(&self) -> Result<(), PartsError> {
        if self.window_len < 2 {
            return Err(PartsError::Value {
                name: "window_len",
                at: 0,
                why: "below 2: a single row does not deviate from itself",
            });
        }
        Layout::new(self.window_len, self.n_channels, &self.active)?;
        let n_active = self.active.len();
        let n_read = rows_read(self.window_len).len() * n_active;
        check_numbers("mean", &self.mean, n_read)?;
        check_numbers("coefficients", &self.coefficients, n_read * n_active)
    }
}

/// Each channel of the last row from the other channels in that row and in two before it, by ridge regression (Hoerl and
/// Kennard 1970). A sensor that follows itself but no longer the machine is what this is for: what a channel was before
/// gives its level alone.
///
/// All values are deviations from the channel's mean within the window, because levels drift apart over months where all is
/// well (mean VUS-PR of the linear detector .573 with levels, .584 without; .580 without this member). Answers for the last
/// row alone.
#[derive(Debug)]
pub struct CrossRegression {
    parts: CrossParts,
    rows: Vec<usize>,
    /// `[n_rows_read · n_active, n_active]`.
    told: Panels,
}

impl CrossRegression {
    /// Takes parts from outside.
    ///
    /// # Errors
    /// [`PartsError`] where sizes do not fit one another or numbers are out of range; nothing is allocated before.
    pub fn from_parts(parts: CrossParts) -> Result<Self, PartsError> {
        parts.check()?;
        Ok(Self::new(parts))
    }

    fn new(parts: CrossParts) -> Self {
        let n_active = parts.active.len();
        let told = Panels::new(parts.mean.len(), n_active, |from, to| {
            parts.coefficients[from * n_active + to]
        });
        Self {
            rows: rows_read(parts.window_len),
            told,
            parts,
        }
    }

    /// What it consists of.
    pub fn parts(&self) -> &CrossParts {
        &self.parts
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            len: self.parts.window_len,
            n_channels: self.parts.n_channels,
            active: &self.parts.active,
        }
    }
}

impl Model for CrossRegression {
    fn name(&self) -> &'static str {
        "cross-regression"
    }

    fn window(&self) -> WindowSpec {
        self.layout().spec()
    }

    fn n_channels(&self) -> usize {
        self.parts.n_channels
    }

    fn answers(&self) -> Answers {
        Answers::LastRow
    }

    fn sees_single_channels(&self) -> bool {
        true
    }

    /// What the other channels say; zero for channels that it does not read.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let (layout, parts) = (self.layout(), &self.parts);
        layout.check(&windows, 1, out)?;
        let (n_channels, n_active, n_read) = (layout.n_channels, layout.active.len(), parts.mean.len());
        let mut cells = vec![0.0; layout.n_cells()];
        let mut read = vec![0.0; WINDOWS_AT_ONCE * n_read];
        let mut means = vec![0.0; WINDOWS_AT_ONCE * n_active];
        let mut told = vec![0.0; WINDOWS_AT_ONCE * n_active];
        // The last row is what is read last.
        let mean_last = &parts.mean[n_read - n_active..];
        for (block_idx, out) in out.chunks_mut(WINDOWS_AT_ONCE * n_channels).enumerate() {
            let n = out.len() / n_channels;
            let (read, told) = (&mut read[..n * n_read], &mut told[..n * n_active]);
            let of_windows = read
                .chunks_exact_mut(n_read)
                .zip(means.chunks_exact_mut(n_active));
            for (at, (read, means)) in of_windows.enumerate() {
                layout.gather(windows.values(block_idx * WINDOWS_AT_ONCE + at), &mut cells);
                deviations(&cells, &self.rows, means, read);
                for (value, mean) in read.iter_mut().zip(&parts.mean) {
                    *value -= mean;
                }
            }
            self.told.product(read, told);
            let of_windows = told.chunks_exact_mut(n_active).zip(means.chunks_exact(n_active));
            for ((told, means), out) in of_windows.zip(out.chunks_exact_mut(n_channels)) {
                for ((value, mean), mean_last) in told.iter_mut().zip(means).zip(mean_last) {
                    *value += mean + mean_last;
                }
                layout.scatter(told, out);
            }
        }
        check_finite(out, n_channels)
    }
}

impl Classic for CrossRegression {
    fn kind(&self) -> Kind {
        Kind::CrossRegression
    }

    fn to_parts(&self) -> Parts {
        let parts = &self.parts;
        Parts {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            settings: Vec::new(),
            tensors: vec![
                ("mean".to_owned(), parts.mean.clone().into()),
                ("coefficients".to_owned(), parts.coefficients.clone().into()),
            ],
        }
    }
}
