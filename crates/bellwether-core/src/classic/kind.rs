//! The kinds of classic detectors: their names, how each is fitted, and how it is made of what a bundle keeps.

use std::sync::Arc;

use super::changepoint::ChangePoint;
use super::cross::{CrossParts, CrossRegression, CrossSpec};
use super::fit::{FitClassicError, Training};
use super::isolation_forest::IsolationForest;
use super::judge::Judging;
use super::kmeans::KMeans;
use super::knn::{KnnParts, KnnSpec, NearestWindows};
use super::layout::{CELLS_MAX, Layout, PartsError};
use super::mahalanobis::Mahalanobis;
use super::matrix_profile::MatrixProfile;
use super::parts::{Classic, Parts};
use super::pca::{PcaParts, PcaSpec, WindowPca};
use super::pca_t2::PcaT2;
use super::robust_z::RobustZ;
use super::rrcf::RandomCutForest;
use super::seasonal_naive::SeasonalNaive;
use super::spectral_residual::SpectralResidual;
use super::var::{VarParts, VarSpec, VectorAutoregression};

/// A kind of classic detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Window PCA: [`super::pca`].
    Pca,
    /// Vector autoregression: [`super::var`].
    Var,
    /// Each channel from the others: [`super::cross`].
    CrossRegression,
    /// The nearest windows: [`super::knn`].
    Knn,
    /// Deviation from the median, channel by channel (Iglewicz and Hoaglin 1993).
    RobustZ,
    /// Mahalanobis distance of a row (shrunken covariance: Ledoit and Wolf 2004; parts: Garthwaite and Koch 2016).
    Mahalanobis,
    /// The nearest of a few shapes of windows (k-means++: Arthur and Vassilvitskii 2007).
    KMeans,
    /// How soon a row is alone when rows are split at random (Liu, Ting and Zhou 2008).
    IsolationForest,
    /// Distance of each channel's shape to the nearest in training (Yeh et al. 2016).
    MatrixProfile,
    /// Hotelling's T² and Q of window PCA (Jackson and Mudholkar 1979; parts: Alcala and Qin 2011).
    PcaT2,
    /// How much a row would displace random cut trees (Guha, Mishra, Roy and Schrijvers 2016).
    Rrcf,
    /// How far the last row sticks out of the window's spectrum (Ren et al. 2019).
    SpectralResidual,
    /// The value one period ago (Hyndman and Athanasopoulos 2021).
    SeasonalNaive,
    /// Likelihood ratio of a change between the halves of a window (Chen and Gupta 2012).
    Changepoint,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 14] = [
        Self::Pca,
        Self::Var,
        Self::CrossRegression,
        Self::Knn,
        Self::RobustZ,
        Self::Mahalanobis,
        Self::KMeans,
        Self::IsolationForest,
        Self::MatrixProfile,
        Self::PcaT2,
        Self::Rrcf,
        Self::SpectralResidual,
        Self::SeasonalNaive,
        Self::Changepoint,
    ];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Var => "var",
            Self::CrossRegression => "cross-regression",
            Self::Knn => "knn",
            Self::RobustZ => "robust-z",
            Self::Mahalanobis => "mahalanobis",
            Self::KMeans => "kmeans",
            Self::IsolationForest => "isolation-forest",
            Self::MatrixProfile => "matrix-profile",
            Self::PcaT2 => "pca-t2",
            Self::Rrcf => "rrcf",
            Self::SpectralResidual => "spectral-residual",
            Self::SeasonalNaive => "seasonal-naive",
            Self::Changepoint => "changepoint",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The whole numbers that are kept of it for people to read, beside its window and its channels, and the least that
    /// each can be. A name always means the same.
    pub fn settings(self) -> &'static [(&'static str, usize)] {
        match self {
            // Training windows that are all alike have no component.
            Self::Pca | Self::PcaT2 => &[("rank", 0)],
            Self::Knn => &[("n_windows", 1), ("n_neighbours", 1)],
            Self::KMeans => &[("n_clusters", 1)],
            Self::IsolationForest | Self::Rrcf => &[("n_trees", 1)],
            Self::MatrixProfile => &[("n_windows", 1)],
            Self::Var
            | Self::CrossRegression
            | Self::RobustZ
            | Self::Mahalanobis
            | Self::SpectralResidual
            | Self::SeasonalNaive
            | Self::Changepoint => &[],
        }
    }

    /// Whether it judges a row by itself: then its window is one row, whatever is asked for.
    pub fn is_pointwise(self) -> bool {
        matches!(
            self,
            Self::RobustZ | Self::Mahalanobis | Self::IsolationForest | Self::Rrcf
        )
    }

    /// Rows of its window, the one that it foresees included, where the training part has `n_rows` rows of `n_channels`
    /// channels: fewer where it could not learn from as many.
    pub fn window_len(self, n_rows: usize, n_channels: usize) -> usize {
        match self {
            kind if kind.is_pointwise() => 1,
            Self::Pca | Self::PcaT2 if n_rows < 60 => (n_rows / 8).max(2),
            Self::Pca | Self::PcaT2 => 10,
            Self::Var if n_rows < 60 => (n_rows / 12).max(2) + 1,
            Self::Var => 11,
            // A day of five minutes each is as long a period as is looked for; four of them have to be in the training part.
            Self::SeasonalNaive => {
                let cells = CELLS_MAX / n_channels.max(1);
                (n_rows / 5).min(288).min(cells.saturating_sub(1)).max(2) + 1
            }
            Self::SpectralResidual => (n_rows / 8).clamp(6, 40),
            Self::Changepoint => (n_rows / 8).clamp(4, 20),
            _ if n_rows < 120 => (n_rows / 8).max(2),
            _ => 20,
        }
    }

    /// Fits a detector of this kind with its default settings on windows of `window_len` rows. Filled values count as they
    /// stand, but windows with less than half of their active cells observed are left out.
    ///
    /// # Errors
    /// [`FitClassicError`] where sizes, channels or weights are out of range, there is no window to learn from, or its
    /// values are beyond what the arithmetic can hold.
    pub fn fit(
        self,
        window_len: usize,
        training: &Training<'_>,
    ) -> Result<Arc<dyn Classic>, FitClassicError> {
        let (windows, n, active) = (training.windows, training.n_channels, training.active);
        let layout = &Layout::new(window_len, n, active)?;
        Ok(match self {
            Self::Pca => {
                let spec = PcaSpec {
                    window_len,
                    ..PcaSpec::default()
                };
                Arc::new(spec.fit(windows, n, active)?)
            }
            Self::Var => {
                let spec = VarSpec {
                    lags: window_len - 1,
                    ..VarSpec::default()
                };
                Arc::new(spec.fit(windows, n, active)?)
            }
            Self::CrossRegression => {
                let spec = CrossSpec {
                    window_len,
                    ..CrossSpec::default()
                };
                Arc::new(spec.fit(windows, n, active)?)
            }
            Self::Knn => {
                let spec = KnnSpec {
                    window_len,
                    seed: training.seed,
                    ..KnnSpec::default()
                };
                Arc::new(spec.fit(windows, n, active, training.weights)?)
            }
            Self::RobustZ => Arc::new(Judging::fitted(layout, RobustZ::fit(training, layout)?)?),
            Self::Mahalanobis => Arc::new(Judging::fitted(layout, Mahalanobis::fit(training, layout)?)?),
            Self::KMeans => Arc::new(Judging::fitted(layout, KMeans::fit(training, layout)?)?),
            Self::IsolationForest => {
                Arc::new(Judging::fitted(layout, IsolationForest::fit(training, layout)?)?)
            }
            Self::MatrixProfile => Arc::new(Judging::fitted(layout, MatrixProfile::fit(training, layout)?)?),
            Self::PcaT2 => Arc::new(Judging::fitted(layout, PcaT2::fit(training, layout)?)?),
            Self::Rrcf => Arc::new(Judging::fitted(layout, RandomCutForest::fit(training, layout)?)?),
            Self::SpectralResidual => {
                Arc::new(Judging::fitted(layout, SpectralResidual::fit(training, layout)?)?)
            }
            Self::SeasonalNaive => Arc::new(Judging::fitted(layout, SeasonalNaive::fit(training, layout)?)?),
            Self::Changepoint => Arc::new(Judging::fitted(layout, ChangePoint::fit(training, layout)?)?),
        })
    }

    /// The detector of this kind that has these parts.
    ///
    /// # Errors
    /// [`PartsError`] where one is missing, sizes do not fit one another or numbers are out of range.
    pub fn from_parts(self, parts: &Parts) -> Result<Arc<dyn Classic>, PartsError> {
        let layout = &Layout::new(parts.window_len, parts.n_channels, &parts.active)?;
        Ok(match self {
            Self::Pca => Arc::new(WindowPca::from_parts(PcaParts::read(parts)?)?),
            Self::Var => Arc::new(VectorAutoregression::from_parts(VarParts::read(parts)?)?),
            Self::CrossRegression => Arc::new(CrossRegression::from_parts(CrossParts::read(parts)?)?),
            Self::Knn => Arc::new(NearestWindows::from_parts(KnnParts::read(parts)?)?),
            Self::RobustZ => Arc::new(Judging::new(layout, RobustZ::from_parts(layout, parts)?)),
            Self::Mahalanobis => Arc::new(Judging::new(layout, Mahalanobis::from_parts(layout, parts)?)),
            Self::KMeans => Arc::new(Judging::new(layout, KMeans::from_parts(layout, parts)?)),
            Self::IsolationForest => {
                Arc::new(Judging::new(layout, IsolationForest::from_parts(layout, parts)?))
            }
            Self::MatrixProfile => Arc::new(Judging::new(layout, MatrixProfile::from_parts(layout, parts)?)),
            Self::PcaT2 => Arc::new(Judging::new(layout, PcaT2::from_parts(layout, parts)?)),
            Self::Rrcf => Arc::new(Judging::new(layout, RandomCutForest::from_parts(layout, parts)?)),
            Self::SpectralResidual => {
                Arc::new(Judging::new(layout, SpectralResidual::from_parts(layout, parts)?))
            }
            Self::SeasonalNaive => Arc::new(Judging::new(layout, SeasonalNaive::from_parts(layout, parts)?)),
            Self::Changepoint => Arc::new(Judging::new(layout, ChangePoint::from_parts(layout, parts)?)),
        })
    }
}
