//! Mahalanobis distance of a row, with a shrunken covariance, and each channel's exact part of it.
//!
//! With z the values minus their training mean, divided by the population standard deviation, R the correlations of
//! training rows and R* = (1 − δ) R + δ μ I their shrunken form (Ledoit and Wolf 2004, δ as in their lemma 3.2), the
//! squared distance is zᵀ R*⁻¹ z. Its parts are the squares of w = R*^(−1/2) z with the *symmetric* root: of all ways
//! to make rows uncorrelated the one whose w_j stays closest to z_j, so that a part belongs to its channel (Garthwaite
//! and Koch 2016, their corr-max transformation; ZCA-cor of Kessy, Lewin and Strimmer 2018). They sum to the squared distance.

use nalgebra::{DMatrix, SymmetricEigen};

use super::fit::{FitClassicError, Training, centre, evenly, last_rows, places};
use super::judge::{Judge, expect_level};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_least};
use super::linear::DECOMPOSED_MAX;
use super::parts::{Parts, Tensor};
use super::product::Panels;

/// Most rows to learn from, evenly spaced.
const ROWS_MAX: usize = 20_000;

/// Least deviation, in units of the scale: a channel with less stands still in these rows, and counts in its own unit.
const SPREAD_LEAST: f64 = 1e-9;

/// No direction counts as having less than this share of the mean variance: what rounding leaves is no direction.
const VARIANCE_LEAST: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct Mahalanobis {
    /// `[n_active]` each.
    mean: Vec<f64>,
    spread: Vec<f64>,
    /// R*^(−1/2), symmetric, `[n_active, n_active]`.
    whitening: Vec<f64>,
    whiten: Panels,
}

impl Mahalanobis {
    fn new(mean: Vec<f64>, spread: Vec<f64>, whitening: Vec<f64>) -> Self {
        let n = mean.len();
        let whiten = Panels::new(n, n, |inner, out| whitening[inner * n + out]);
        Self {
            mean,
            spread,
            whitening,
            whiten,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let n = layout.active.len();
        if n > DECOMPOSED_MAX {
            return Err(FitClassicError::TooWide {
                n,
                n_max: DECOMPOSED_MAX,
            });
        }
        let places = evenly(places(training.windows, layout)?, ROWS_MAX);
        let mut rows = last_rows(training.windows, layout, &places);
        let n_rows = places.len() as f64;
        let mean = centre(&mut rows, n);
        let mut spread = vec![0.0; n];
        for row in rows.chunks_exact(n) {
            for (square, value) in spread.iter_mut().zip(row) {
                *square += value * value / n_rows;
            }
        }
        for (spread, mean) in spread.iter_mut().zip(&mean) {
            // What is left of equal values is rounding.
            let is_constant = spread.sqrt() <= SPREAD_LEAST * mean.abs().max(1.0);
            *spread = if is_constant { 1.0 } else { spread.sqrt() };
        }
        for row in rows.chunks_exact_mut(n) {
            for (value, spread) in row.iter_mut().zip(&spread) {
                *value /= spread;
            }
        }
        let whitening = whitening(&rows, n).ok_or(FitClassicError::NotFinite)?;
        Ok(Self::new(mean, spread, whitening))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let n = layout.active.len();
        let spread = parts.f64s("spread", n)?;
        check_least("spread", &spread, f64::MIN_POSITIVE, "not above zero")?;
        let whitening = parts.f64s("whitening", n.saturating_mul(n))?;
        Ok(Self::new(parts.f64s("mean", n)?, spread, whitening))
    }
}

/// The inverse symmetric root of the shrunken covariance of centred `rows: [n_rows, n]`, `[n, n]`.
fn whitening(rows: &[f64], n: usize) -> Option<Vec<f64>> {
    let covariance = shrunken(rows, n);
    let mean_variance = covariance.trace() / n as f64;
    if !covariance.iter().all(|value| value.is_finite()) {
        return None;
    }
    if mean_variance <= 0.0 {
        return Some(DMatrix::<f64>::identity(n, n).as_slice().to_vec());
    }
    let eigen = SymmetricEigen::try_new(covariance, f64::EPSILON, 0)?;
    let least = VARIANCE_LEAST * mean_variance;
    let roots = eigen.eigenvalues.map(|variance| 1.0 / variance.max(least).sqrt());
    let vectors = &eigen.eigenvectors;
    let root = vectors * DMatrix::from_diagonal(&roots) * vectors.transpose();
    Some(root.as_slice().to_vec())
}

/// (1 − δ) S + δ μ I, where S is the population covariance and μ the mean variance. With d² = ‖S − μI‖² and
/// b² the mean over rows of ‖x xᵀ − S‖², divided by the rows, δ = min(b², d²) / d² (Ledoit and Wolf 2004, section 3.3).
fn shrunken(rows: &[f64], n: usize) -> DMatrix<f64> {
    let n_rows = rows.len() / n;
    // Column-major: a column is one of our rows.
    let columns = nalgebra::DMatrixView::from_slice(rows, n, n_rows);
    let mut covariance = columns * columns.transpose() / n_rows as f64;
    let mean_variance = covariance.trace() / n as f64;
    let squares = covariance.norm_squared();
    let distance = squares - n as f64 * mean_variance * mean_variance;
    let lengths = rows.chunks_exact(n).map(|row| {
        let length: f64 = row.iter().map(|value| value * value).sum();
        length * length
    });
    // The mean of ‖x xᵀ − S‖² is that of ‖x‖⁴ minus ‖S‖².
    let noise = (lengths.sum::<f64>() / n_rows as f64 - squares) / n_rows as f64;
    let share = if distance > 0.0 {
        (noise.max(0.0) / distance).min(1.0)
    } else {
        0.0
    };
    covariance *= 1.0 - share;
    for at in 0..n {
        covariance[(at, at)] += share * mean_variance;
    }
    covariance
}

impl Judge for Mahalanobis {
    fn kind(&self) -> Kind {
        Kind::Mahalanobis
    }

    fn expected(&self, _layout: &Layout<'_>, _cells: &[f64], out: &mut [f64]) {
        expect_level(&self.mean, out);
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n = layout.active.len();
        let mut z = Vec::with_capacity(out.len());
        for cells in cells.chunks_exact(layout.n_cells()) {
            let last = &cells[cells.len() - n..];
            let known = self.mean.iter().zip(&self.spread);
            z.extend(
                last.iter()
                    .zip(known)
                    .map(|(value, (mean, spread))| (value - mean) / spread),
            );
        }
        self.whiten.product(&z, out);
        for error in out {
            *error *= *error;
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![
            ("mean", self.mean.clone().into()),
            ("spread", self.spread.clone().into()),
            ("whitening", self.whitening.clone().into()),
        ]
    }
}
