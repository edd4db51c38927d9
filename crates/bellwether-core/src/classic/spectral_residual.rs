//! Spectral residual: how far the last row sticks out of what the window's own spectrum repeats (Ren et al. 2019).
//!
//! For each channel of a window: the logarithm of the amplitude spectrum minus its moving average over three frequencies
//! is the spectral residual; turned back to time with the old phases, its size is the saliency map S (their equations 2 to
//! 7). As in their section 3.2 five guessed rows follow the last one, so that it does not stand at the edge: each is
//! x[n − m + 1] + m · g with g the mean slope from row n to the m = 5 before it (equations 8 and 9). Row n is the one before
//! the last, as in the authors' program: a guess from the last row would take a spike for a trend. With S̄ the mean
//! saliency of the 21 rows before, the error is max(0, (S − S̄) / S̄)², their equation 10 squared. No later row is read.
//!
//! A channel that does not move within the window has no error. Nothing is learnt but the window.

use super::fit::{FitClassicError, Training, places};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError};
use super::parts::{Parts, Tensor};
use super::product::Panels;

/// Guessed rows behind the last one.
const N_GUESSED: usize = 5;
/// Rows that a slope is averaged over.
const N_SLOPES: usize = 5;
/// Rows whose saliency the last one's is compared with.
const N_BEFORE: usize = 21;
/// Rows that a window has to have.
const LEN_MIN: usize = 6;
/// Rows that it can have: its tables grow with their square.
const LEN_MAX: usize = 1024;
/// Amplitudes below this are none.
const AMPLITUDE_LEAST: f64 = 1e-8;
/// A channel moves less than this within a window, in units of its scale: it stands still.
const STILL: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct SpectralResidual {
    n_frequencies: usize,
    /// Rows to real and imaginary parts, `[n_rows, 2 · n_frequencies]`.
    to_spectrum: Panels,
    /// And back, to the rows that are compared, the last one last, `[2 · n_frequencies, n_compared]`.
    to_rows: Panels,
    n_compared: usize,
}

impl SpectralResidual {
    fn new(len: usize) -> Self {
        let n = len + N_GUESSED;
        let n_frequencies = n / 2 + 1;
        let angle = |row: usize, frequency: usize| {
            2.0 * std::f64::consts::PI * ((row * frequency) % n) as f64 / n as f64
        };
        let to_spectrum = Panels::new(n, 2 * n_frequencies, |row, out| {
            let angle = angle(row, out / 2);
            if out % 2 == 0 {
                libm::cos(angle)
            } else {
                -libm::sin(angle)
            }
        });
        let n_compared = len.min(N_BEFORE + 1);
        let to_rows = Panels::new(2 * n_frequencies, n_compared, |part, out| {
            let (frequency, row) = (part / 2, len - n_compared + out);
            // All frequencies but the first, and the last of an even number of rows, stand for a pair.
            let is_single = frequency == 0 || 2 * frequency == n;
            let share = if is_single { 1.0 } else { 2.0 } / n as f64;
            let angle = angle(row, frequency);
            share
                * if part % 2 == 0 {
                    libm::cos(angle)
                } else {
                    -libm::sin(angle)
                }
        });
        Self {
            n_frequencies,
            to_spectrum,
            to_rows,
            n_compared,
        }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        if layout.len < LEN_MIN {
            return Err(FitClassicError::TooShort {
                len: layout.len,
                what: "a spectrum",
                want: LEN_MIN,
            });
        }
        if layout.len > LEN_MAX {
            return Err(FitClassicError::Spec {
                name: "the window of a spectrum",
                want: "at most 1024 rows",
            });
        }
        // Nothing is learnt of them, but without any there is nothing to calibrate with either.
        places(training.windows, layout)?;
        Ok(Self::new(layout.len))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, _parts: &Parts) -> Result<Self, PartsError> {
        if layout.len < LEN_MIN {
            let (name, at, why) = ("window_len", 0, "too short for a spectrum");
            return Err(PartsError::Value { name, at, why });
        }
        if layout.len > LEN_MAX {
            let (name, at, why) = ("window_len", 0, "too long for a spectrum");
            return Err(PartsError::Value { name, at, why });
        }
        Ok(Self::new(layout.len))
    }

    /// The spectral residual of `[real, imaginary]` parts, in their place.
    fn residual(&self, spectrum: &mut [f64], n: usize) {
        let amplitudes: Vec<f64> = spectrum
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[real, imaginary]| libm::hypot(*real, *imaginary))
            .collect();
        let logs: Vec<f64> = amplitudes
            .iter()
            .map(|amplitude| libm::log(amplitude.max(AMPLITUDE_LEAST)))
            .collect();
        // The spectrum of real rows is its own mirror image.
        let log_at = |frequency: usize| logs[frequency.min(n - frequency)];
        for frequency in 0..self.n_frequencies {
            let before = if frequency == 0 { 1 } else { frequency - 1 };
            let mean = (log_at(before) + logs[frequency] + log_at(frequency + 1)) / 3.0;
            let amplitude = amplitudes[frequency];
            let factor = if amplitude > AMPLITUDE_LEAST {
                libm::exp(logs[frequency] - mean) / amplitude
            } else {
                0.0
            };
            spectrum[2 * frequency] *= factor;
            spectrum[2 * frequency + 1] *= factor;
        }
    }
}

/// Appends the guessed rows to those of one channel.
fn guess(rows: &mut Vec<f64>) {
    let n = rows.len() - 1;
    let (before, m) = (rows[n - 1], N_SLOPES.min(n - 1));
    let slopes = (1..=m).map(|back| (before - rows[n - 1 - back]) / back as f64);
    let slope = slopes.sum::<f64>() / m as f64;
    let guessed = rows[n - m] + slope * m as f64;
    rows.extend([guessed; N_GUESSED]);
}

impl Judge for SpectralResidual {
    fn kind(&self) -> Kind {
        Kind::SpectralResidual
    }

    /// The mean of the rows before.
    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            out.fill(0.0);
            for row in cells.chunks_exact(n_active).take(layout.len - 1) {
                for (out, cell) in out.iter_mut().zip(row) {
                    *out += cell / (layout.len - 1) as f64;
                }
            }
        }
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let n = layout.len + N_GUESSED;
        // Channel by channel of window by window, as in `out`.
        let mut rows = Vec::with_capacity(out.len() * n);
        let mut channel_rows = Vec::with_capacity(n);
        for cells in cells.chunks_exact(layout.n_cells()) {
            for channel in 0..n_active {
                channel_rows.clear();
                channel_rows.extend(cells.iter().skip(channel).step_by(n_active));
                guess(&mut channel_rows);
                rows.extend_from_slice(&channel_rows);
            }
        }
        let width = 2 * self.n_frequencies;
        let mut spectra = vec![0.0; out.len() * width];
        self.to_spectrum.product(&rows, &mut spectra);
        for spectrum in spectra.chunks_exact_mut(width) {
            self.residual(spectrum, n);
        }
        let mut saliency = vec![0.0; out.len() * self.n_compared];
        self.to_rows.product(&spectra, &mut saliency);
        let of_channels = rows.chunks_exact(n).zip(saliency.chunks_exact(self.n_compared));
        for (error, (rows, saliency)) in out.iter_mut().zip(of_channels) {
            let seen = rows[..layout.len].iter();
            let (lo, hi) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &value| {
                (lo.min(value), hi.max(value))
            });
            let (before, last) = saliency.split_at(self.n_compared - 1);
            let usual = before.iter().map(|value| value.abs()).sum::<f64>() / before.len() as f64;
            let is_moving = hi - lo > STILL && usual > 0.0;
            let above = if is_moving {
                (last[0].abs() - usual) / usual
            } else {
                0.0
            };
            // NaN stays: it is refused as an answer.
            *error = if above < 0.0 { 0.0 } else { above * above };
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        Vec::new()
    }
}
