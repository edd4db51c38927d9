//! Hotelling's T² and Q of window PCA: how far a window lies from the centre along the directions in which normal windows
//! vary, and how far beside them (Hotelling 1947; Jackson and Mudholkar 1979; joined as by Yue and Qin 2001).
//!
//! With x the centred window, P the leading directions and λ the variances along them, T² = xᵀ P Λ⁻¹ Pᵀ x and
//! Q = |x − P Pᵀ x|². A window's errors sum to T² / rank + Q / (mean Q of training), each about 1 for training windows.
//!
//! Both are quadratic forms xᵀ M x. Cell i has the square of the i-th number of M^½ x as its part, with the symmetric root:
//! the complete decomposition of Alcala and Qin (2011, equation 15). Parts are not negative and sum to the form. For T²
//! that root is P Λ^(−½) Pᵀ, for Q it is I − P Pᵀ.

use super::fit::{FitClassicError, Training, centre, check_finite, evenly, gather, places};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_least};
use super::linear::{n_windows_max, principal};
use super::parts::{Parts, Tensor};
use super::product::Panels;
use crate::model::Answers;

/// Share of the variance that the directions hold, most of them, most windows to learn from: as [`super::pca::PcaSpec`].
const VARIANCE_SHARE: f64 = 0.9;
const RANK_MAX: usize = 100;
const WINDOWS_MAX: usize = 5000;
/// The mean Q counts as at least this share of the variance: where the directions hold all of it, the rest is rounding.
const Q_LEAST: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct PcaT2 {
    /// `[len, n_active]`
    mean: Vec<f64>,
    /// Of unit length, `[rank, len, n_active]`.
    components: Vec<f64>,
    /// Population variance along each, `[rank]`.
    variances: Vec<f64>,
    /// Mean Q of training windows, above zero.
    mean_q: f64,
    to_scores: Panels,
    to_cells: Panels,
}

impl PcaT2 {
    fn new(mean: Vec<f64>, components: Vec<f64>, variances: Vec<f64>, mean_q: f64) -> Self {
        let (n_cells, rank) = (mean.len(), variances.len());
        let component = |idx: usize, cell: usize| components[idx * n_cells + cell];
        let to_scores = Panels::new(n_cells, rank, |cell, idx| component(idx, cell));
        let to_cells = Panels::new(rank, n_cells, component);
        Self {
            mean,
            components,
            variances,
            mean_q,
            to_scores,
            to_cells,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let n_cells = layout.n_cells();
        let places = evenly(
            places(training.windows, layout)?,
            n_windows_max(n_cells, WINDOWS_MAX),
        );
        let mut rows = gather(training.windows, layout, &places);
        let squares = |numbers: &[f64]| numbers.iter().map(|number| number * number).sum::<f64>();
        let size = squares(&rows);
        check_finite(&[size])?;
        let mean = centre(&mut rows, n_cells);
        let spread = squares(&rows);
        // What is left of equal windows is rounding, which has directions too.
        let components = if spread <= 1e-24 * size {
            Vec::new()
        } else {
            principal(&rows, n_cells, VARIANCE_SHARE, RANK_MAX).ok_or(FitClassicError::NotFinite)?
        };
        let rank = components.len() / n_cells;
        let n_rows = places.len() as f64;
        let mut variances = vec![0.0; rank];
        for row in rows.chunks_exact(n_cells) {
            for (variance, component) in variances.iter_mut().zip(components.chunks_exact(n_cells)) {
                let score: f64 = row.iter().zip(component).map(|(a, b)| a * b).sum();
                *variance += score * score / n_rows;
            }
        }
        let variance = spread / n_rows;
        let beside = variance - variances.iter().sum::<f64>();
        // Windows that are all alike: whatever differs counts in its own unit.
        let mean_q = if rank == 0 {
            1.0
        } else {
            beside.max(Q_LEAST * variance)
        };
        Ok(Self::new(mean, components, variances, mean_q))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let (n_cells, rank) = (layout.n_cells(), parts.setting("rank")?);
        let variances = parts.f64s("variances", rank)?;
        check_least("variances", &variances, f64::MIN_POSITIVE, "not above zero")?;
        let mean_q = parts.f64s("mean_q", 1)?;
        check_least("mean_q", &mean_q, f64::MIN_POSITIVE, "not above zero")?;
        let components = parts.f64s("components", rank.saturating_mul(n_cells))?;
        Ok(Self::new(
            parts.f64s("mean", n_cells)?,
            components,
            variances,
            mean_q[0],
        ))
    }

    /// The centred cells, and their scores.
    fn scores(&self, cells: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (n_cells, rank) = (self.mean.len(), self.variances.len());
        let mut centred = cells.to_vec();
        for cells in centred.chunks_exact_mut(n_cells) {
            for (cell, mean) in cells.iter_mut().zip(&self.mean) {
                *cell -= mean;
            }
        }
        let mut scores = vec![0.0; cells.len() / n_cells * rank];
        self.to_scores.product(&centred, &mut scores);
        (centred, scores)
    }

    /// `[rank]` to `[n_cells]`, for some windows; zero without directions.
    fn cells(&self, scores: &[f64], out: &mut [f64]) {
        if self.variances.is_empty() {
            out.fill(0.0);
        } else {
            self.to_cells.product(scores, out);
        }
    }
}

impl Judge for PcaT2 {
    fn kind(&self) -> Kind {
        Kind::PcaT2
    }

    fn answers(&self) -> Answers {
        Answers::Window
    }

    /// The projection on the directions.
    fn expected(&self, _layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let (_, scores) = self.scores(cells);
        self.cells(&scores, out);
        for out in out.chunks_exact_mut(self.mean.len()) {
            for (out, mean) in out.iter_mut().zip(&self.mean) {
                *out += mean;
            }
        }
    }

    fn errors(&self, _layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let (centred, mut scores) = self.scores(cells);
        let mut projected = vec![0.0; out.len()];
        self.cells(&scores, &mut projected);
        let rank = self.variances.len();
        for scores in scores.chunks_exact_mut(rank.max(1)) {
            for (score, variance) in scores.iter_mut().zip(&self.variances) {
                *score /= variance.sqrt();
            }
        }
        self.cells(&scores, out);
        let beside = centred
            .iter()
            .zip(&projected)
            .map(|(cell, projected)| cell - projected);
        for (error, beside) in out.iter_mut().zip(beside) {
            *error = *error * *error / rank.max(1) as f64 + beside * beside / self.mean_q;
        }
    }

    fn settings(&self) -> Vec<usize> {
        vec![self.variances.len()]
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![
            ("mean", self.mean.clone().into()),
            ("components", self.components.clone().into()),
            ("variances", self.variances.clone().into()),
            ("mean_q", vec![self.mean_q].into()),
        ]
    }
}
