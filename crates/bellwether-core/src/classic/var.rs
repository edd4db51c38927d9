//! Vector autoregression: the last row of a window forecast from the rows before it, all channels from all channels.

use super::fit::{FitClassicError, centre, check_finite as check_fitted, evenly, gather, places};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_finite, check_numbers};
use super::linear::{n_windows_max, ridge};
use super::parts::{Classic, Parts};
use super::product::Panels;
use crate::model::{Answers, Model, ModelError, slopes_of_squares};
use crate::window::{WindowSpec, Windows};

/// Windows handled at once: few enough that they stay in the cache.
const WINDOWS_AT_ONCE: usize = 32;
/// Added to every penalty, so that channels which never vary cannot make the system singular.
const PENALTY_LEAST: f64 = 1e-6;

/// How a [`VectorAutoregression`] is fitted. The defaults are those measured to be best in one configuration for all
/// data sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarSpec {
    /// Rows that a forecast rests on; windows have one more. 10.
    pub lags: usize,
    /// Ridge penalty as a share of the mean sum of squares of a cell, tr(XᵀX) / cells; .01. 1e-6 is added to it.
    pub penalty_share: f64,
    /// Most windows to fit on, evenly spaced; 8000. Where the lags have more than 1536 active cells, at most as many.
    pub n_windows_max: usize,
}

impl Default for VarSpec {
    fn default() -> Self {
        Self {
            lags: 10,
            penalty_share: 0.01,
            n_windows_max: 8000,
        }
    }
}

impl VarSpec {
    /// Fits on windows of any number of views, active channels only; filled values count as they stand, but windows
    /// with less than half of their active cells observed are left out.
    ///
    /// # Shapes
    /// `windows`: each `[n_windows, lags + 1, n_channels]`; `active` rising, below `n_channels`.
    ///
    /// # Errors
    /// [`FitClassicError`] where the spec or the channels are out of range, there is no window to learn from, or its
    /// values are so large that squares overflow.
    pub fn fit(
        &self,
        windows: &[Windows<'_>],
        n_channels: usize,
        active: &[usize],
    ) -> Result<VectorAutoregression, FitClassicError> {
        self.check()?;
        let layout = Layout::new(self.lags.saturating_add(1), n_channels, active)?;
        let n_active = active.len();
        let n_before = self.lags * n_active;
        let places = evenly(
            places(windows, &layout)?,
            n_windows_max(n_before, self.n_windows_max),
        );
        let mut before = Vec::with_capacity(places.len() * n_before);
        let mut last = Vec::with_capacity(places.len() * n_active);
        for cells in gather(windows, &layout, &places).chunks_exact(layout.n_cells()) {
            before.extend_from_slice(&cells[..n_before]);
            last.extend_from_slice(&cells[n_before..]);
        }
        let mean_before = centre(&mut before, n_before);
        let mean_last = centre(&mut last, n_active);
        let squares: f64 = before.iter().map(|value| value * value).sum();
        let penalty = self.penalty_share * squares / n_before as f64 + PENALTY_LEAST;
        if !penalty.is_finite() {
            return Err(FitClassicError::NotFinite);
        }
        let coefficients =
            ridge(&before, &last, n_before, n_active, penalty).ok_or(FitClassicError::NotFinite)?;
        for numbers in [&mean_before, &mean_last, &coefficients] {
            check_fitted(numbers)?;
        }
        Ok(VectorAutoregression::new(VarParts {
            lags: self.lags,
            n_channels,
            active: active.to_vec(),
            mean_before,
            mean_last,
            coefficients,
        }))
    }

    fn check(&self) -> Result<(), FitClassicError> {
        let wrong = |name, want| Err(FitClassicError::Spec { name, want });
        if self.lags == 0 {
            return wrong("lags", "at least 1");
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

/// A [`VectorAutoregression`] as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct VarParts {
    /// Rows that a forecast rests on.
    pub lags: usize,
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are read and forecast, rising.
    pub active: Vec<usize>,
    /// Mean of the rows before the last, `[lags, n_active]`.
    pub mean_before: Vec<f64>,
    /// Mean of the last row, `[n_active]`.
    pub mean_last: Vec<f64>,
    /// What each value before adds to each of the last row, `[lags, n_active, n_active]`.
    pub coefficients: Vec<f64>,
}

impl VarParts {
    /// These parts as a bundle keeps them.
    pub(super) fn read(parts: &Parts) -> Result<Self, PartsError> {
        Ok(Self {
            // A window of no row has been refused.
            lags: parts.window_len - 1,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            mean_before: parts.f64s_of_any_len("mean_before")?,
            mean_last: parts.f64s_of_any_len("mean_last")?,
            coefficients: parts.f64s_of_any_len("coefficients")?,
        })
    }

    fn check(&self) -> Result<(), PartsError> {
        if self.lags == 0 {
            return Err(PartsError::Value {
                name: "lags",
                at: 0,
                why: "0: a forecast rests on one row at least",
            });
        }
        Layout::new(self.lags.saturating_add(1), self.n_channels, &self.active)?;
        let n_active = self.active.len();
        let n_before = self.lags * n_active;
        check_numbers("mean_before", &self.mean_before, n_before)?;
        check_numbers("mean_last", &self.mean_last, n_active)?;
        check_numbers("coefficients", &self.coefficients, n_before * n_active)
    }
}

/// Vector autoregression with a ridge penalty (Lütkepohl 2005, section 2.1; Hoerl and Kennard 1970): the last row is
/// a linear function of the rows before it. Answers for the last row alone.
#[derive(Debug)]
pub struct VectorAutoregression {
    parts: VarParts,
    /// `[lags · n_active, n_active]`.
    forecast: Panels,
}

impl VectorAutoregression {
    /// Takes parts from outside.
    ///
    /// # Errors
    /// [`PartsError`] where sizes do not fit one another or numbers are out of range; nothing is allocated before.
    pub fn from_parts(parts: VarParts) -> Result<Self, PartsError> {
        parts.check()?;
        Ok(Self::new(parts))
    }

    fn new(parts: VarParts) -> Self {
        let n_active = parts.active.len();
        let forecast = Panels::new(parts.mean_before.len(), n_active, |before, last| {
            parts.coefficients[before * n_active + last]
        });
        Self { parts, forecast }
    }

    /// What it consists of.
    pub fn parts(&self) -> &VarParts {
        &self.parts
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            len: self.parts.lags + 1,
            n_channels: self.parts.n_channels,
            active: &self.parts.active,
        }
    }
}

impl Model for VectorAutoregression {
    fn name(&self) -> &'static str {
        "var"
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

    /// The forecast; zero for channels that it does not read.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let (layout, parts) = (self.layout(), &self.parts);
        layout.check(&windows, 1, out)?;
        let (n_channels, n_active, n_before) =
            (layout.n_channels, layout.active.len(), parts.mean_before.len());
        let mut before = vec![0.0; WINDOWS_AT_ONCE * n_before];
        let mut last = vec![0.0; WINDOWS_AT_ONCE * n_active];
        for (block_idx, out) in out.chunks_mut(WINDOWS_AT_ONCE * n_channels).enumerate() {
            let n = out.len() / n_channels;
            let (before, last) = (&mut before[..n * n_before], &mut last[..n * n_active]);
            for (at, before) in before.chunks_exact_mut(n_before).enumerate() {
                let values = windows.values(block_idx * WINDOWS_AT_ONCE + at);
                layout.gather(&values[..parts.lags * n_channels], before);
                for (value, mean) in before.iter_mut().zip(&parts.mean_before) {
                    *value -= mean;
                }
            }
            self.forecast.product(before, last);
            for (last, out) in last
                .chunks_exact_mut(n_active)
                .zip(out.chunks_exact_mut(n_channels))
            {
                for (value, mean) in last.iter_mut().zip(&parts.mean_last) {
                    *value += mean;
                }
                layout.scatter(last, out);
            }
        }
        check_finite(out, n_channels)
    }

    /// Of the last row 2 w r, of those before −Cᵀ 2 w r.
    fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<bool, ModelError> {
        let (layout, parts) = (self.layout(), &self.parts);
        let (n_channels, n_active) = (layout.n_channels, layout.active.len());
        let mut of_last = vec![0.0; weights.len()];
        self.expected(windows, &mut of_last)?;
        let mut before = vec![0.0; parts.mean_before.len()];
        let mut active = vec![0.0; n_active];
        let n_before = parts.lags * n_channels;
        for (window_idx, out) in out.chunks_exact_mut(layout.len * n_channels).enumerate() {
            let of_window = window_idx * n_channels..(window_idx + 1) * n_channels;
            let of_last = &mut of_last[of_window.clone()];
            slopes_of_squares(&windows, window_idx, &weights[of_window], of_last);
            layout.gather(of_last, &mut active);
            for (before, row) in before.iter_mut().zip(parts.coefficients.chunks_exact(n_active)) {
                *before = -row.iter().zip(&active).map(|(of, slope)| of * slope).sum::<f64>();
            }
            layout.scatter(&before, &mut out[..n_before]);
            out[n_before..].copy_from_slice(of_last);
        }
        check_finite(out, layout.len * n_channels)?;
        Ok(true)
    }
}

impl Classic for VectorAutoregression {
    fn kind(&self) -> Kind {
        Kind::Var
    }

    fn to_parts(&self) -> Parts {
        let parts = &self.parts;
        Parts {
            window_len: parts.lags + 1,
            n_channels: parts.n_channels,
            active: parts.active.clone(),
            settings: Vec::new(),
            tensors: vec![
                ("mean_before".to_owned(), parts.mean_before.clone().into()),
                ("mean_last".to_owned(), parts.mean_last.clone().into()),
                ("coefficients".to_owned(), parts.coefficients.clone().into()),
            ],
        }
    }
}
