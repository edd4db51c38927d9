//! What repeats in a series: its period, and how soon rows forget those before them.
//!
//! The autocorrelation comes out of the spectrum (Wiener–Khinchin). A period is proposed where both agree, as in
//! AUTOPERIOD (Vlachos, Yu and Castelli, SDM 2005): a frequency with more power than noise would have, and a hill of the
//! autocorrelation about its period, which tells the period more exactly than the frequency does.

use std::ops::Range;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::frame::Frame;
use crate::time::Timestamp;

/// Rows looked at, the last of the longest stretch: more say nothing new about what a window can hold.
const ROWS_MAX: usize = 1 << 16;

/// Fewer rows than this say nothing.
const ROWS_MIN: usize = 24;

/// No period is shorter.
const PERIOD_MIN: usize = 3;

/// A hill of the autocorrelation has to be so high, and so much higher than the valley before it.
const HILL_MIN: f64 = 0.25;

/// Frequencies of a channel that are looked into: those of most power.
const CANDIDATES_MAX: usize = 12;

/// A window holds a period up to this many rows; see [`Rhythm::window_len`].
pub const WINDOW_PERIOD_MAX: usize = 128;

/// A window without a period that it can hold lies between these.
const WINDOW_ENDS: (usize, usize) = (8, 64);

/// What repeats in training rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// The period that most channels share, in rows; `None`: nothing repeats.
    pub period: Option<Period>,
    /// Rows after which the mean autocorrelation has fallen to 1 / e.
    pub decay: usize,
}

/// A period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Its length in rows.
    pub rows: usize,
    /// Mean autocorrelation at that length of the channels that have it, in [0, 1].
    pub strength: f64,
    /// Channels that have it.
    pub n_channels: usize,
}

impl Rhythm {
    /// What repeats in the longest stretch without a gap, spacings up to one and a half cadences; `None` where it is too
    /// short or nothing varies.
    pub fn of(frames: &[Frame]) -> Option<Self> {
        let (frame, rows) = frames
            .iter()
            .map(|frame| (frame, longest_stretch(frame)))
            .max_by_key(|(_, rows)| rows.len())?;
        let rows = rows.end.saturating_sub(ROWS_MAX).max(rows.start)..rows.end;
        if rows.len() < ROWS_MIN {
            return None;
        }
        let channels = (0..frame.n_channels()).filter_map(|idx| {
            let column = rows.clone().map(|row| frame.sample(row).values[idx]);
            spectrum(&detrended(&filled(column)?)?)
        });
        let channels: Vec<Spectrum> = channels.collect();
        let first = channels.first()?;
        let mut mean = vec![0.0; first.autocorrelation.len()];
        for channel in &channels {
            for (sum, value) in mean.iter_mut().zip(&channel.autocorrelation) {
                *sum += value / channels.len() as f64;
            }
        }
        let fallen = mean.iter().position(|value| *value < (-1.0_f64).exp());
        Some(Self {
            period: shared_period(&channels),
            decay: fallen.unwrap_or(mean.len()).max(1),
        })
    }

    /// Rows that a window should have: one period, where it is at most [`WINDOW_PERIOD_MAX`] rows; otherwise twice the
    /// rows after which rows forget, between 8 and 64.
    pub fn window_len(&self) -> usize {
        match self.period {
            Some(period) if period.rows <= WINDOW_PERIOD_MAX => period.rows.max(WINDOW_ENDS.0),
            _ => (2 * self.decay).clamp(WINDOW_ENDS.0, WINDOW_ENDS.1),
        }
    }
}

/// One channel.
struct Spectrum {
    /// Of lags from 0 to a third of the rows.
    autocorrelation: Vec<f64>,
    /// Lengths in rows whose frequencies have more power than noise would have, those of most power first.
    lengths: Vec<f64>,
}

/// The longest run of rows without a gap.
fn longest_stretch(frame: &Frame) -> Range<usize> {
    let cadence = frame.schema().cadence();
    let is_gap = |pair: &[Timestamp]| pair[1].since(pair[0]) > cadence + cadence / 2;
    let (mut longest, mut start) = (0..0, 0);
    for (idx, pair) in frame.time().windows(2).enumerate() {
        if is_gap(pair) {
            start = idx + 1;
        }
        if idx + 2 - start > longest.len() {
            longest = start..idx + 2;
        }
    }
    longest
}

/// Missing values as the last one before them; `None` where more than half are missing.
fn filled(column: impl Iterator<Item = f64>) -> Option<Vec<f64>> {
    let mut values: Vec<f64> = column.collect();
    let first = *values.iter().find(|value| !value.is_nan())?;
    let n_missing = values.iter().filter(|value| value.is_nan()).count();
    let mut last = first;
    for value in &mut values {
        if value.is_nan() {
            *value = last;
        }
        last = *value;
    }
    (2 * n_missing <= values.len()).then_some(values)
}

/// Without the straight line of least squares; `None` where nothing is left.
fn detrended(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let (mut up, mut square) = (0.0, 0.0);
    for (row, value) in values.iter().enumerate() {
        let at = row as f64 - middle;
        up += at * (value - mean);
        square += at * at;
    }
    let slope = up / square;
    let line = |row: usize| mean + slope * (row as f64 - middle);
    let rest: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(row, value)| value - line(row))
        .collect();
    let left: f64 = rest.iter().map(|value| value * value).sum::<f64>() / n;
    let size = values.iter().map(|value| value.abs()).fold(1.0, f64::max);
    (left.is_finite() && left.sqrt() > 1e-9 * size).then_some(rest)
}

fn spectrum(values: &[f64]) -> Option<Spectrum> {
    let n = values.len();
    let power = power(values, n);
    // Twice as long: without padding the end of the series would go on at its beginning.
    let padded = (2 * n).next_power_of_two();
    let mut covariance: Vec<Complex<f64>> = self::power(values, padded)
        .into_iter()
        .map(|power| Complex::new(power, 0.0))
        .collect();
    FftPlanner::new()
        .plan_fft_inverse(padded)
        .process(&mut covariance);
    let of_all = covariance[0].re;
    if of_all.is_nan() || of_all <= 0.0 {
        return None;
    }
    let lags = 0..n / 3 + 1;
    // Over as many products as there are: the plain sum shrinks with the lag, which would move hills to the left.
    let unbiased = |lag: usize| covariance[lag].re / of_all * (n as f64 / (n - lag) as f64);
    let autocorrelation = lags.map(unbiased).collect();
    // Of white noise the power of each of m frequencies is exponential: once in a hundred series one exceeds this.
    let half = &power[1..n / 2 + 1];
    let mean = half.iter().sum::<f64>() / half.len() as f64;
    let limit = mean * (half.len() as f64 / 0.01).ln();
    let mut bins: Vec<usize> = (1..n / 2 + 1).filter(|&bin| power[bin] > limit).collect();
    bins.sort_by(|&one, &other| power[other].total_cmp(&power[one]));
    bins.truncate(CANDIDATES_MAX);
    Some(Spectrum {
        autocorrelation,
        lengths: bins.into_iter().map(|bin| n as f64 / bin as f64).collect(),
    })
}

/// Squared size of each frequency of values padded with zeros to `n`.
fn power(values: &[f64], n: usize) -> Vec<f64> {
    let mut buffer: Vec<Complex<f64>> = values.iter().map(|value| Complex::new(*value, 0.0)).collect();
    buffer.resize(n, Complex::new(0.0, 0.0));
    FftPlanner::new().plan_fft_forward(n).process(&mut buffer);
    buffer.into_iter().map(|value| value.norm_sqr()).collect()
}

/// The length that most channels have most of, among those that lie on a hill of their autocorrelation.
fn shared_period(channels: &[Spectrum]) -> Option<Period> {
    // A length, and the channels that have it or one that is nearly the same.
    let mut found: Vec<(usize, Vec<usize>)> = Vec::new();
    for (channel_idx, channel) in channels.iter().enumerate() {
        for &length in &channel.lengths {
            let Some(rows) = hill(&channel.autocorrelation, length) else {
                continue;
            };
            match found
                .iter_mut()
                .find(|(known, _)| rows.abs_diff(*known) <= slack(*known))
            {
                Some((_, members)) if members.contains(&channel_idx) => {}
                Some((_, members)) => members.push(channel_idx),
                None => found.push((rows, vec![channel_idx])),
            }
        }
    }
    let periods = found.into_iter().map(|(about, members)| {
        let mean = |lag: usize| {
            let values = members.iter().map(|&idx| channels[idx].autocorrelation[lag]);
            values.sum::<f64>() / members.len() as f64
        };
        let n_lags = channels[0].autocorrelation.len();
        let lags = about.saturating_sub(slack(about)).max(1)..=(about + slack(about)).min(n_lags - 1);
        let rows = lags
            .max_by(|&one, &other| mean(one).total_cmp(&mean(other)))
            .unwrap_or(about);
        Period {
            rows,
            strength: mean(rows).clamp(0.0, 1.0),
            n_channels: members.len(),
        }
    });
    let weight = |period: &Period| period.strength * period.n_channels as f64;
    let periods: Vec<Period> = periods.collect();
    let most = periods.iter().map(weight).fold(0.0, f64::max);
    // Twice a period is none: of lengths that have nearly as much the shortest.
    let strong = periods.into_iter().filter(|period| weight(period) >= 0.9 * most);
    strong.min_by_key(|period| period.rows)
}

/// Lengths that differ by no more are the same.
fn slack(rows: usize) -> usize {
    (rows / 20).max(1)
}

/// The top of the hill of the autocorrelation about a length, in rows; `None` where there is none.
fn hill(autocorrelation: &[f64], length: f64) -> Option<usize> {
    // Between two frequencies lie lengths that neither names.
    let (low, high) = ((0.85 * length).floor() as usize, (1.15 * length).ceil() as usize);
    let (low, high) = (
        low.max(PERIOD_MIN),
        high.min(autocorrelation.len().saturating_sub(2)),
    );
    let top = (low..=high).max_by(|&one, &other| autocorrelation[one].total_cmp(&autocorrelation[other]))?;
    let is_top =
        autocorrelation[top] > autocorrelation[top - 1] && autocorrelation[top] >= autocorrelation[top + 1];
    let valley = autocorrelation[..top]
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let is_hill = is_top && autocorrelation[top] >= HILL_MIN && autocorrelation[top] - valley >= HILL_MIN;
    is_hill.then_some(top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Channel;
    use bellwether_testkit::assert_close;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    /// Rows a second apart of channels that are what `value(row, noise)` says, noise even in [−1, 1).
    fn frame(n_rows: usize, n_channels: usize, value: impl Fn(usize, usize, f64) -> f64) -> Frame {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut noise = || (rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        let names: Vec<Channel> = (0..n_channels)
            .map(|idx| Channel::new(format!("c{idx}")))
            .collect();
        let cells = (0..n_rows).flat_map(|row| (0..n_channels).map(move |idx| (row, idx)));
        let values = cells.map(|(row, idx)| value(row, idx, noise())).collect();
        Frame::new(
            names,
            (0..n_rows as i64).map(Timestamp::from_secs).collect(),
            values,
        )
        .unwrap()
    }

    fn wave(row: usize, period: f64) -> f64 {
        (std::f64::consts::TAU * row as f64 / period).sin()
    }

    #[test]
    fn the_autocorrelation_is_that_of_its_definition() {
        let data = frame(100, 1, |row, _, noise| wave(row, 9.0) + noise + 0.1 * row as f64);
        let rest = detrended(data.values()).unwrap();
        let spectrum = spectrum(&rest).unwrap();
        let all: f64 = rest.iter().map(|value| value * value).sum();
        for (lag, got) in spectrum.autocorrelation.iter().enumerate() {
            let want: f64 = rest
                .iter()
                .zip(&rest[lag..])
                .map(|(one, other)| one * other)
                .sum();
            let n_products = (rest.len() - lag) as f64;
            assert_close(
                *got,
                want / all * rest.len() as f64 / n_products,
                1e-9,
                "autocorrelation",
            );
        }
    }

    #[test]
    fn periods_are_found_in_noise_and_not_in_noise_alone() {
        let check = |data: Frame, expect: Option<usize>| {
            let rhythm = Rhythm::of(&[data]).unwrap();
            let found = rhythm.period.map(|period| period.rows);
            // Noise moves the top of a flat hill by a row or two.
            let is_near = match (found, expect) {
                (Some(found), Some(expect)) => found.abs_diff(expect) <= expect / 50,
                (found, expect) => found == expect,
            };
            assert!(is_near, "{expect:?}: {rhythm:?}");
            rhythm
        };
        for period in [5, 24, 60] {
            let data = frame(1000, 3, |row, idx, noise| {
                wave(row + 7 * idx, period as f64) + 0.5 * noise + 0.01 * row as f64
            });
            let rhythm = check(data, Some(period));
            let found = rhythm.period.unwrap();
            assert_eq!(found.n_channels, 3);
            assert_eq!(rhythm.window_len(), found.rows.max(8));
        }
        // Other shapes than sines.
        check(
            frame(900, 1, |row, _, noise| {
                f64::from(u8::from(row % 30 < 4)) + 0.1 * noise
            }),
            Some(30),
        );
        // A period that no window holds: rows forget within a few.
        let long = check(
            frame(5000, 2, |row, _, noise| wave(row, 700.0) + 0.1 * noise),
            Some(700),
        );
        assert_eq!(long.window_len(), 64);
        let noise = check(frame(2000, 3, |_, _, noise| noise), None);
        assert_eq!((noise.decay, noise.window_len()), (1, 8));
        let ramp = check(frame(300, 1, |row, _, noise| row as f64 + noise), None);
        assert_eq!(ramp.window_len(), 8);
    }

    #[test]
    fn a_walk_at_random_has_no_period() {
        let steps = frame(3000, 1, |_, _, noise| noise);
        let mut at = 0.0;
        let walk: Vec<f64> = steps
            .values()
            .iter()
            .map(|step| {
                at += step;
                at
            })
            .collect();
        let rhythm = Rhythm::of(&[steps.with_values(walk)]).unwrap();
        assert_eq!(rhythm.period, None);
        assert_eq!(rhythm.window_len(), 64);
    }

    #[test]
    fn little_and_constant_data_have_no_rhythm() {
        assert_eq!(Rhythm::of(&[]), None);
        assert_eq!(Rhythm::of(&[frame(20, 1, |row, _, _| row as f64)]), None);
        assert_eq!(Rhythm::of(&[frame(200, 1, |_, _, _| 3.0)]), None);
        // Missing cells are bridged, channels with hardly any left out.
        let data = frame(400, 2, |row, idx, noise| match (row % 7, idx) {
            (0, _) | (_, 1) => f64::NAN,
            _ => wave(row, 20.0) + 0.2 * noise,
        });
        assert_eq!(Rhythm::of(&[data]).unwrap().period.unwrap().rows, 20);
    }
}
