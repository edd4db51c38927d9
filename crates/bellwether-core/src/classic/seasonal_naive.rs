//! Seasonal naive forecast: a value is expected to be what it was one period ago (Hyndman and Athanasopoulos 2021,
//! section 5.2).
//!
//! The period of each channel is the lag at which its training rows correlate best with themselves, among the lags that
//! are peaks of the autocorrelation behind its first valley and reach [`CORRELATION_LEAST`]; the shortest one that comes
//! within a twentieth of the best, so that it is not twice the period. A channel without such a lag is expected to stay as
//! it was one row ago. A window holds as many rows as the longest period that is looked for, and one: what a row says depends on
//! so many rows before it and no more. Longer periods are not found.

use super::fit::{FitClassicError, Training, evenly, places};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError};
use super::parts::{Parts, Tensor};

/// Most windows to learn from, evenly spaced.
const WINDOWS_MAX: usize = 4000;
/// A period correlates at least so well.
const CORRELATION_LEAST: f64 = 0.3;
/// Of the best correlation, what a shorter period has to reach.
const NEARLY: f64 = 0.95;

#[derive(Debug)]
pub(super) struct SeasonalNaive {
    /// Rows, below those of a window, `[n_active]`.
    periods: Vec<u32>,
}

impl SeasonalNaive {
    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let lag_max = layout.len - 1;
        if lag_max == 0 {
            return Err(FitClassicError::TooShort {
                len: layout.len,
                what: "a value one period ago",
                want: 2,
            });
        }
        let places = evenly(places(training.windows, layout)?, WINDOWS_MAX);
        let mut pairs = vec![Pairs::default(); lag_max];
        let periods = layout.active.iter().map(|&channel| {
            pairs.fill(Pairs::default());
            for &(view_idx, at) in &places {
                let values = training.windows[view_idx].values(at);
                let observed = training.windows[view_idx].observed(at);
                let cell = |row: usize| row * layout.n_channels + channel;
                let is_seen = |row: usize| observed.is_none_or(|observed| observed[cell(row)]);
                if is_seen(lag_max) {
                    for (lag, pairs) in (1..).zip(&mut pairs).filter(|(lag, _)| is_seen(lag_max - lag)) {
                        pairs.add(values[cell(lag_max)], values[cell(lag_max - lag)]);
                    }
                }
            }
            let correlations: Vec<f64> = pairs.iter().map(Pairs::correlation).collect();
            period(&correlations) as u32
        });
        Ok(Self {
            periods: periods.collect(),
        })
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let periods = parts.u32s("periods", layout.active.len())?;
        match periods
            .iter()
            .position(|&period| !(1..layout.len).contains(&(period as usize)))
        {
            None => Ok(Self { periods }),
            Some(at) => Err(PartsError::Value {
                name: "periods",
                at,
                why: "0, or not within the window",
            }),
        }
    }
}

/// Sums over pairs of values.
#[derive(Debug, Clone, Default)]
struct Pairs {
    n: f64,
    sums: [f64; 2],
    squares: [f64; 2],
    products: f64,
}

impl Pairs {
    fn add(&mut self, a: f64, b: f64) {
        self.n += 1.0;
        self.sums[0] += a;
        self.sums[1] += b;
        self.squares[0] += a * a;
        self.squares[1] += b * b;
        self.products += a * b;
    }

    /// Pearson's; 0 where there is none.
    fn correlation(&self) -> f64 {
        let variance =
            |at: usize| self.squares[at] / self.n - (self.sums[at] / self.n) * (self.sums[at] / self.n);
        let covariance = self.products / self.n - self.sums[0] / self.n * (self.sums[1] / self.n);
        let size = (variance(0) * variance(1)).sqrt();
        // Scaled values are about 1: less is rounding.
        if size > 1e-12 { covariance / size } else { 0.0 }
    }
}

/// The period, given the correlations at lags from 1 on; 1 where there is none.
fn period(correlations: &[f64]) -> usize {
    let at = |lag: usize| correlations[lag - 1];
    let lag_max = correlations.len();
    // Behind the first valley: before it, values correlate because they are neighbours.
    let valley = (2..lag_max).find(|&lag| at(lag) <= at(lag - 1) && at(lag) < at(lag + 1));
    let Some(valley) = valley else {
        return 1;
    };
    let is_peak = |&lag: &usize| at(lag) > at(lag - 1) && (lag == lag_max || at(lag) >= at(lag + 1));
    let peaks: Vec<usize> = (valley + 1..=lag_max).filter(is_peak).collect();
    let best = peaks.iter().map(|&lag| at(lag)).fold(CORRELATION_LEAST, f64::max);
    let mut good = peaks.into_iter().filter(|&lag| at(lag) >= CORRELATION_LEAST);
    good.find(|&lag| at(lag) >= NEARLY * best).unwrap_or(1)
}

impl Judge for SeasonalNaive {
    fn kind(&self) -> Kind {
        Kind::SeasonalNaive
    }

    fn squares_residuals(&self) -> bool {
        true
    }

    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            for (channel, (out, &period)) in out.iter_mut().zip(&self.periods).enumerate() {
                *out = cells[(layout.len - 1 - period as usize) * n_active + channel];
            }
        }
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        self.expected(layout, cells, out);
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            for (error, value) in out.iter_mut().zip(&cells[cells.len() - n_active..]) {
                *error = (value - *error) * (value - *error);
            }
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![("periods", self.periods.clone().into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_the_first_good_peak_behind_the_first_valley() {
        let check = |correlations: &[f64], expect: usize| assert_eq!(period(correlations), expect);
        // Neighbours, a valley, a peak at 5 and its double at 10, which is a little better.
        check(&[0.8, 0.1, -0.5, 0.1, 0.90, 0.1, -0.5, 0.1, 0.3, 0.92], 5);
        // The one at 5 is too weak beside that at 10.
        check(&[0.8, 0.1, -0.5, 0.1, 0.60, 0.1, -0.5, 0.1, 0.3, 0.92], 10);
        // No peak reaches what is asked, or there is no valley, or no lag.
        check(&[0.8, 0.1, -0.5, 0.1, 0.2, 0.1], 1);
        check(&[0.9, 0.8, 0.7, 0.6], 1);
        check(&[0.9], 1);
    }
}
