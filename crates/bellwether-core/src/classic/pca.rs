//! Window PCA: a normal window lies near the few directions in which normal windows vary.

use super::fit::{FitClassicError, centre, check_finite as check_fitted, evenly, gather, places};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_finite, check_len, check_numbers};
use super::linear::{n_windows_max, principal};
use super::parts::{Classic, Parts};
use super::product::Panels;
use crate::model::{Model, ModelError, slopes_of_squares};
use crate::window::{WindowSpec, Windows};

/// Windows handled at once: few enough that they stay in the cache between the two products.
const WINDOWS_AT_ONCE: usize = 32;

/// How a [`WindowPca`] is fitted. The defaults are those measured to be best in one configuration for all data sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcaSpec {
    /// Rows of a window; 10.
    pub window_len: usize,
    /// Share of the variance that the components hold, in (0, 1]; 0.9.
    pub variance_share: f64,
    /// Most components; 100.
    pub rank_max: usize,
    /// Most windows to fit on, evenly spaced; 5000. Where a window has more than 1536 active cells, at most as many.
    pub n_windows_max: usize,
}

impl Default for PcaSpec {
    fn default() -> Self {
        Self {
            window_len: 10,
            variance_share: 0.9,
            rank_max: 100,
            n_windows_max: 5000,
        }
    }
}

impl PcaSpec {
    /// Fits on windows of any number of views, active channels only; filled values count as they stand, but windows
    /// with less than half of their active cells observed are left out.
    ///
    /// Windows that are all alike have no direction: their mean is then expected of every window.
    ///
    /// # Shapes
    /// `windows`: each `[n_windows, window_len, n_channels]`; `active` rising, below `n_channels`.
    ///
    /// # Errors
    /// [`FitClassicError`] where the spec or the channels are out of range, there is no window to learn from, or its
    /// values are so large that squares overflow.
    pub fn fit(
        &self,
        windows: &[Windows<'_>],
        n_channels: usize,
        active: &[usize],
    ) -> Result<WindowPca, FitClassicError> {
        self.check()?;
        let layout = Layout::new(self.window_len, n_channels, active)?;
        let n_cells = layout.n_cells();
        let places = evenly(
            places(windows, &layout)?,
            n_windows_max(n_cells, self.n_windows_max),
        );
        let mut rows = gather(windows, &layout, &places);
        let size = sum_of_squares(&rows);
        if !size.is_finite() {
            return Err(FitClassicError::NotFinite);
        }
        let mean = centre(&mut rows, n_cells);
        // What is left of equal windows is rounding, which has directions too.
        let is_constant = sum_of_squares(&rows) <= 1e-24 * size;
        let components = if is_constant {
            Vec::new()
        } else {
            principal(&rows, n_cells, self.variance_share, self.rank_max).ok_or(FitClassicError::NotFinite)?
        };
        check_fitted(&mean)?;
        check_fitted(&components)?;
        Ok(WindowPca::new(PcaParts {
            window_len: self.window_len,
            n_channels,
            active: active.to_vec(),
            mean,
            rank: components.len() / n_cells,
            components,
        }))
    }

    fn check(&self) -> Result<(), FitClassicError> {
        let wrong = |name, want| Err(FitClassicError::Spec { name, want });
        if !(0.0 < self.variance_share && self.variance_share <= 1.0) {
            return wrong("variance_share", "in (0, 1]");
        }
        if self.rank_max == 0 {
            return wrong("rank_max", "at least 1");
        }
        if self.n_windows_max == 0 {
            return wrong("n_windows_max", "at least 1");
        }
        Ok(())
    }
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// A [`WindowPca`] as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct PcaParts {
    /// Rows of a window.
    pub window_len: usize,
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are read, rising.
    pub active: Vec<usize>,
    /// Mean of the training windows, `[window_len, n_active]`.
    pub mean: Vec<f64>,
    /// How many components; 0 where the training windows were all alike.
    pub rank: usize,
    /// Orthonormal directions, `[rank, window_len, n_active]`, the one with most variance first.
    pub components: Vec<f64>,
}

impl PcaParts {
    /// These parts as a bundle keeps them.
    pub(super) fn read(parts: &Parts) -> Result<Self, PartsError> {
        Ok(Self {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            mean: parts.f64s_of_any_len("mean")?,
            rank: parts.setting("rank")?,
            components: parts.f64s_of_any_len("components")?,
        })
    }

    fn layout(&self) -> Result<Layout<'_>, PartsError> {
        Layout::new(self.window_len, self.n_channels, &self.active)
    }

    fn check(&self) -> Result<(), PartsError> {
        let n_cells = self.layout()?.n_cells();
        let wrong = |name, at, why| Err(PartsError::Value { name, at, why });
        check_numbers("mean", &self.mean, n_cells)?;
        if self.rank > n_cells {
            return wrong("rank", 0, "beyond the cells of a window");
        }
        check_len("components", self.components.len(), self.rank * n_cells)?;
        check_numbers("components", &self.components, self.rank * n_cells)?;
        let is_unit = |vector: &[f64]| (sum_of_squares(vector) - 1.0).abs() <= 1e-6;
        match self
            .components
            .chunks_exact(n_cells)
            .position(|vector| !is_unit(vector))
        {
            None => Ok(()),
            Some(at) => wrong(
                "components",
                at * n_cells,
                "the start of a vector not of unit length",
            ),
        }
    }
}

/// Principal component analysis of windows: what is expected of a window is its projection on the directions that
/// hold most of the variance of normal windows (Pearson 1901; residuals as a measure of strangeness: Jolliffe 2002,
/// section 10.1). Answers for every row.
#[derive(Debug)]
pub struct WindowPca {
    parts: PcaParts,
    /// `[n_cells, rank]`.
    to_scores: Panels,
    /// `[rank, n_cells]`.
    to_cells: Panels,
}

impl WindowPca {
    /// Takes parts from outside.
    ///
    /// # Errors
    /// [`PartsError`] where sizes do not fit one another or numbers are out of range; nothing is allocated before.
    pub fn from_parts(parts: PcaParts) -> Result<Self, PartsError> {
        parts.check()?;
        Ok(Self::new(parts))
    }

    fn new(parts: PcaParts) -> Self {
        let n_cells = parts.mean.len();
        let component = |rank_idx: usize, cell: usize| parts.components[rank_idx * n_cells + cell];
        let to_scores = Panels::new(n_cells, parts.rank, |cell, rank_idx| component(rank_idx, cell));
        let to_cells = Panels::new(parts.rank, n_cells, component);
        Self {
            parts,
            to_scores,
            to_cells,
        }
    }

    /// What it consists of.
    pub fn parts(&self) -> &PcaParts {
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

impl Model for WindowPca {
    fn name(&self) -> &'static str {
        "pca"
    }

    fn window(&self) -> WindowSpec {
        self.layout().spec()
    }

    fn n_channels(&self) -> usize {
        self.parts.n_channels
    }

    /// The projection; zero for channels that it does not read.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let layout = self.layout();
        layout.check(&windows, layout.len, out)?;
        let (n_cells, rank) = (layout.n_cells(), self.parts.rank);
        let n_whole = layout.len * layout.n_channels;
        let mut cells = vec![0.0; WINDOWS_AT_ONCE * n_cells];
        let mut scores = vec![0.0; WINDOWS_AT_ONCE * rank];
        for (block_idx, out) in out.chunks_mut(WINDOWS_AT_ONCE * n_whole).enumerate() {
            let n = out.len() / n_whole;
            let (cells, scores) = (&mut cells[..n * n_cells], &mut scores[..n * rank]);
            for (at, cells) in cells.chunks_exact_mut(n_cells).enumerate() {
                layout.gather(windows.values(block_idx * WINDOWS_AT_ONCE + at), cells);
                for (cell, mean) in cells.iter_mut().zip(&self.parts.mean) {
                    *cell -= mean;
                }
            }
            self.to_scores.product(cells, scores);
            self.to_cells.product(scores, cells);
            for (cells, out) in cells.chunks_exact_mut(n_cells).zip(out.chunks_exact_mut(n_whole)) {
                for (cell, mean) in cells.iter_mut().zip(&self.parts.mean) {
                    *cell += mean;
                }
                layout.scatter(cells, out);
            }
        }
        check_finite(out, n_whole)
    }

    /// What is left of a window is its part outside of the directions, R(x − mean), and R is its own transpose: Rᵀ 2 w r.
    fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<bool, ModelError> {
        self.expected(windows, out)?;
        let layout = self.layout();
        let n_whole = layout.len * layout.n_channels;
        let mut cells = vec![0.0; layout.n_cells()];
        let mut scores = vec![0.0; self.parts.rank];
        let mut back = vec![0.0; n_whole];
        for (window_idx, out) in out.chunks_exact_mut(n_whole).enumerate() {
            slopes_of_squares(&windows, window_idx, &weights[window_idx * n_whole..], out);
            layout.gather(out, &mut cells);
            self.to_scores.product(&cells, &mut scores);
            self.to_cells.product(&scores, &mut cells);
            layout.scatter(&cells, &mut back);
            for (out, back) in out.iter_mut().zip(&back) {
                *out -= back;
            }
        }
        check_finite(out, n_whole)?;
        Ok(true)
    }
}

impl Classic for WindowPca {
    fn kind(&self) -> Kind {
        Kind::Pca
    }

    fn to_parts(&self) -> Parts {
        let parts = &self.parts;
        Parts {
            window_len: parts.window_len,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            settings: vec![("rank", parts.rank)],
            tensors: vec![
                ("mean".to_owned(), parts.mean.clone().into()),
                ("components".to_owned(), parts.components.clone().into()),
            ],
        }
    }
}
