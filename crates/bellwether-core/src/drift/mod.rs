//! Whether recent data still look like those a model learnt from: per channel, jointly, and what to do about it.
//!
//! A [`Baseline`] is a bounded summary of training rows. [`compare`] holds recent rows against it: [`psi`], [`ks`]
//! and [`wasserstein`] per channel, then [`correlation`] for pairs. Neighbouring rows of a machine resemble each
//! other, so every test counts rows by [`autocorrelation`] instead of by number, and [`false_discovery`] pays for
//! asking about many channels at once. A channel drifts where the difference is both beyond chance *and* large, be it
//! of its values or of how many are [`missing`].
//!
//! Drift is advice. Nothing here moves a threshold or a model.
//!
//! # Edges
//! - Fewer than [`N_EFFECTIVE_MIN`] independent rows on either side: the numbers are given, a verdict is not.
//! - A channel constant in training has no scale, hence no distance in scales; any other value than that one counts.
//! - A channel never observed in training has nothing to be compared with and never drifts.
//! - A number that is not defined is NaN.

mod advice;
pub mod autocorrelation;
mod baseline;
pub mod correlation;
pub mod distribution;
pub mod false_discovery;
pub mod ks;
pub mod missing;
pub mod psi;
pub mod wasserstein;

pub use baseline::{Baseline, BaselineError, BaselineParts, ChannelBaseline, cadence_of};
pub use correlation::{Correlation, RelationChange};

use std::time::Duration;

use crate::frame::Frame;
use baseline::{Pieces, pieces_of};

/// Independent rows that either side needs: below it the asymptotic law of the statistics is far off.
pub const N_EFFECTIVE_MIN: f64 = 20.0;

/// The share of falsely named channels, or pairs, that is accepted among those named.
pub const Q_MAX: f64 = 0.05;

/// A population stability index above this is a large difference: the usual rule of credit scoring.
pub const PSI_LARGE: f64 = 0.25;

/// A mean displacement above this many baseline standard deviations is a large difference.
pub const WASSERSTEIN_LARGE: f64 = 0.3;

/// A share of missing values that rises by more than this is a large difference.
pub const MISSING_RISE_LARGE: f64 = 0.1;

/// How recent data differ from a baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Recent rows.
    pub n_rows: usize,
    /// One for each channel of the baseline that the recent data have, in the order of the baseline.
    pub channels: Vec<ChannelDrift>,
    /// Channels of the baseline that the recent data lack altogether.
    pub missing_channels: Vec<String>,
    /// The pair of channels whose relation changed most; `None` where no pair could be judged.
    pub relation: Option<RelationChange>,
}

/// How one channel differs from its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelDrift {
    /// Its name.
    pub channel: String,
    /// Population stability index, natural logarithm; at least 0.
    pub psi: f64,
    /// Kolmogorov–Smirnov statistic, in [0, 1].
    pub ks: f64,
    /// Chance of such a statistic where nothing changed; NaN where there are too few rows.
    pub p_value: f64,
    /// The same, corrected for the number of channels; NaN where there are too few rows.
    pub q_value: f64,
    /// Mean displacement in standard deviations of the baseline; NaN for a channel that was constant.
    pub wasserstein: f64,
    /// Independent rows that the recent values are worth.
    pub n_effective: f64,
    /// Share of recent rows without a value, less that of the baseline; in [-1, 1].
    pub missing_rise: f64,
    /// Chance of such a rise where nothing changed; NaN where there are too few rows, and where no value is missing.
    pub missing_p_value: f64,
    /// The same, corrected together with all other questions.
    pub missing_q_value: f64,
    /// The measure of the differences that are beyond chance; 0 where none is.
    pub effect: f64,
    /// How large that is.
    pub severity: Severity,
}

/// How large a difference is that is beyond chance. The measure is the largest of PSI / 0.25 (less what the index is by
/// chance), displacement / 0.3 and rise of the missing share / 0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing beyond chance, or nothing could be judged.
    None,
    /// Beyond chance, but small: no drift.
    Low,
    /// Above one: drift.
    Medium,
    /// Above two.
    High,
    /// Above four.
    Critical,
}

impl Severity {
    /// Of a difference beyond chance.
    fn of(effect: f64) -> Self {
        match effect {
            effect if effect > 4.0 => Self::Critical,
            effect if effect > 2.0 => Self::High,
            effect if effect > 1.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl ChannelDrift {
    /// Whether the channel no longer looks as in training.
    pub fn is_drift(&self) -> bool {
        self.severity >= Severity::Medium
    }

    /// Whether there were enough independent rows to judge.
    pub fn is_judged(&self) -> bool {
        !self.q_value.is_nan()
    }

    /// Whether too many values are missing.
    pub fn is_silent(&self) -> bool {
        self.missing_q_value < Q_MAX && self.missing_rise > MISSING_RISE_LARGE
    }
}

impl Drift {
    /// Whether anything no longer looks as in training: a channel, a relation, or a channel that is gone.
    pub fn is_drift(&self) -> bool {
        !self.missing_channels.is_empty()
            || self.channels.iter().any(ChannelDrift::is_drift)
            || self.relation.as_ref().is_some_and(|relation| relation.is_drift)
    }

    /// Whether at least one channel could be judged.
    pub fn is_judged(&self) -> bool {
        self.channels.iter().any(ChannelDrift::is_judged)
    }

    /// Share of the baseline's channels that drift or are gone.
    pub fn share_of_channels(&self) -> f64 {
        let n_drift = self.n_drift() + self.missing_channels.len();
        let n_channels = self.channels.len() + self.missing_channels.len();
        n_drift as f64 / n_channels.max(1) as f64
    }

    /// What to do, as one sentence.
    pub fn advice(&self) -> String {
        advice::advice(self)
    }

    fn n_drift(&self) -> usize {
        self.channels.iter().filter(|channel| channel.is_drift()).count()
    }
}

/// Data that cannot be held against a baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// No row.
    #[error("no row to compare with the baseline; give data of the time that is in question")]
    NoRow,
    /// Not one channel of the baseline.
    #[error("no channel of the baseline is in the data: the baseline has {baseline}, the data have {recent}")]
    NoChannel {
        /// Names of the baseline's, cut after a few.
        baseline: String,
        /// Names of the data's, cut after a few.
        recent: String,
    },
}

/// Holds `recent` rows, frame by frame `[n_samples, n_channels]`, against a baseline. Channels are found by their
/// names; those the baseline does not know are left out. Rows need not be as close together as those of the baseline:
/// how alike neighbours are depends on the time between them.
///
/// # Errors
/// [`CompareError`] where there is no row, or no channel in common.
pub fn compare(baseline: &Baseline, recent: &[Frame]) -> Result<Drift, CompareError> {
    let n_rows: usize = recent.iter().map(Frame::n_samples).sum();
    if n_rows == 0 {
        return Err(CompareError::NoRow);
    }
    let parts = baseline.parts();
    let columns: Vec<Option<Pieces>> = parts
        .channels
        .iter()
        .map(|channel| pieces_of(recent, &channel.channel))
        .collect();
    if columns.iter().all(Option::is_none) {
        return Err(no_channel(parts, recent));
    }
    let spacing = spacing(parts.cadence, cadence_of(recent));
    let mut channels = Vec::new();
    let mut missing_channels = Vec::new();
    for (channel, column) in parts.channels.iter().zip(&columns) {
        match column {
            Some(column) => channels.push(compare_channel(channel, column, spacing)),
            // Never observed in training either: nothing is missed.
            None if channel.n_observed() == 0 => {}
            None => missing_channels.push(channel.channel.clone()),
        }
    }
    correct(&mut channels);
    Ok(Drift {
        n_rows,
        channels,
        missing_channels,
        relation: correlation::largest_change(parts, &columns, spacing),
    })
}

/// Holds recent causal scores, series by series and NaN where a row has none, against those of held-out rows.
/// `cadence` is the time between two of them. `None` where the baseline has none, or there is no row.
pub fn compare_scores(baseline: &Baseline, recent: &[Vec<f64>], cadence: Duration) -> Option<ChannelDrift> {
    let parts = baseline.parts();
    let scores = parts.scores.as_ref()?;
    if recent.iter().all(Vec::is_empty) {
        return None;
    }
    let spacing = spacing(parts.cadence, cadence);
    let mut compared = [compare_channel(scores, &recent.to_vec(), spacing)];
    // A row has no score while its window fills: that says nothing of a sensor.
    compared[0].missing_p_value = f64::NAN;
    correct(&mut compared);
    let [compared] = compared;
    Some(compared)
}

/// How far recent rows are apart, in spacings of the baseline's; 1 where either is not known.
fn spacing(baseline: Duration, recent: Duration) -> f64 {
    if baseline.is_zero() || recent.is_zero() {
        1.0
    } else {
        recent.as_secs_f64() / baseline.as_secs_f64()
    }
}

/// All but what depends on the other channels; `effect` is that of the values, whether or not they are beyond chance.
fn compare_channel(channel: &ChannelBaseline, column: &Pieces, spacing: f64) -> ChannelDrift {
    let n_rows = column.iter().map(Vec::len).sum::<usize>() as f64;
    let recent = channel.sorted_recent(column);
    let time = (channel.autocorrelation_time / spacing).max(1.0);
    let (n_effective, n_effective_baseline) = (recent.len() as f64 / time, channel.n_effective());
    let distribution = &channel.distribution;
    let (ks, psi) = (
        ks::statistic(distribution, &recent),
        psi::psi(distribution, &recent),
    );
    let wasserstein = if channel.std > 0.0 {
        wasserstein::distance(distribution, &recent) / channel.std
    } else {
        f64::NAN
    };
    let of_chance = psi::of_chance(distribution, &recent, n_effective_baseline, n_effective);
    let is_enough = n_effective >= N_EFFECTIVE_MIN && n_effective_baseline >= N_EFFECTIVE_MIN;
    let (missing, missing_baseline) = (1.0 - recent.len() as f64 / n_rows, channel.missing_share());
    // Gaps come in runs as values do: a share of missing rows says something only over as many independent rows.
    let (n, m) = (
        channel.n_rows() as f64 / channel.autocorrelation_time,
        n_rows / time,
    );
    let is_asked = channel.n_observed() > 0 && (missing > 0.0 || missing_baseline > 0.0);
    ChannelDrift {
        channel: channel.channel.clone(),
        psi,
        ks,
        p_value: if is_enough {
            ks::p_value(ks, n_effective_baseline, n_effective)
        } else {
            f64::NAN
        },
        q_value: f64::NAN,
        wasserstein,
        n_effective,
        missing_rise: if channel.n_observed() > 0 {
            missing - missing_baseline
        } else {
            0.0
        },
        missing_p_value: if is_asked && n >= N_EFFECTIVE_MIN && m >= N_EFFECTIVE_MIN {
            missing::p_value(missing_baseline, missing, n, m)
        } else {
            f64::NAN
        },
        missing_q_value: f64::NAN,
        // NaN never wins a comparison, so what is not defined does not count.
        effect: ((psi - of_chance) / PSI_LARGE).max(wasserstein / WASSERSTEIN_LARGE),
        severity: Severity::None,
    }
}

/// Corrects for all that was asked, and says what is left.
fn correct(channels: &mut [ChannelDrift]) {
    let of_values = channels.iter().map(|channel| channel.p_value);
    let of_missing = channels.iter().map(|channel| channel.missing_p_value);
    let q_values = false_discovery::q_values(&of_values.chain(of_missing).collect::<Vec<f64>>());
    let (of_values, of_missing) = q_values.split_at(channels.len());
    for ((channel, &q_value), &missing_q_value) in channels.iter_mut().zip(of_values).zip(of_missing) {
        let (is_moved, is_missed) = (q_value < Q_MAX, missing_q_value < Q_MAX);
        let moved = if is_moved { channel.effect } else { 0.0 };
        let missed = if is_missed {
            channel.missing_rise / MISSING_RISE_LARGE
        } else {
            0.0
        };
        channel.q_value = q_value;
        channel.missing_q_value = missing_q_value;
        channel.effect = moved.max(missed).max(0.0);
        if is_moved || is_missed {
            channel.severity = Severity::of(channel.effect);
        }
    }
}

fn no_channel(parts: &BaselineParts, recent: &[Frame]) -> CompareError {
    let some = |names: Vec<&str>| {
        let more = if names.len() > 5 { ", …" } else { "" };
        let first: Vec<&str> = names.into_iter().take(5).collect();
        format!("{}{more}", first.join(", "))
    };
    let schemas = recent.first().map(Frame::schema);
    let channels = schemas.map_or(&[][..], |schema| schema.channels());
    CompareError::NoChannel {
        baseline: some(
            parts
                .channels
                .iter()
                .map(|channel| channel.channel.as_str())
                .collect(),
        ),
        recent: some(channels.iter().map(|channel| channel.name()).collect()),
    }
}
