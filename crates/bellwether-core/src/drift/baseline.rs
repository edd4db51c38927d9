//! What training rows looked like: enough for every test of drift, at bounded size.

use std::time::Duration;

use crate::frame::Frame;
use crate::quantile::{mean_std, median_sorted, sorted_finite};
use crate::transform::scale::is_no_range;

use super::autocorrelation::autocorrelation_time;
use super::correlation::{self, Correlation, correlations, thinned};
use super::distribution::Distribution;

/// Values kept of a channel at most: between two of 257 lies one part in 256 of the rows.
const VALUES_MAX: usize = 257;

/// Values kept of a channel at least, however many channels there are.
const VALUES_MIN: usize = 17;

/// Values kept of all channels together, about: 128 channels of 257.
const VALUES_ALTOGETHER: usize = 128 * VALUES_MAX;

/// What the scores of a baseline are called.
const SCORE: &str = "score";

/// The runs of one channel, one per frame; NaN where a value is missing.
pub(super) type Pieces = Vec<Vec<f64>>;

/// A frozen summary of training rows that recent data are compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    parts: BaselineParts,
}

/// A baseline as plain data: what a bundle stores.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineParts {
    /// Training rows.
    pub n_rows: usize,
    /// Time between two of them; zero where that is not known.
    pub cadence: Duration,
    /// Every channel, names all different.
    pub channels: Vec<ChannelBaseline>,
    /// Correlations of pairs within a series, upper triangle row by row: (0, 1), (0, 2), …, (1, 2), …; `None` where
    /// one of the two does not vary or too few rows have both. Absent altogether above
    /// [`correlation::N_CHANNELS_MAX`] channels.
    pub correlations: Option<Vec<Option<Correlation>>>,
    /// Causal scores of held-out rows; `None` where none were kept.
    pub scores: Option<ChannelBaseline>,
}

/// What training rows looked like in one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelBaseline {
    /// Its name.
    pub channel: String,
    /// Rows without a value.
    pub n_missing: usize,
    /// Mean, in the channel's unit; 0 where nothing was observed.
    pub mean: f64,
    /// Population standard deviation: the unit of displacements. 0 where the channel was constant.
    ///
    /// Not the interquartile range: a pump that is off four hours of five has almost none, and every change of its
    /// duty would be enormous. Wild training values make the deviation large and displacements small; the stability
    /// index does not feel them.
    pub std: f64,
    /// Rows that are worth one independent row, at least 1.
    pub autocorrelation_time: f64,
    /// Which values occurred how often; a single one where the channel was constant.
    pub distribution: Distribution,
}

impl Baseline {
    /// What `frames` look like; channels are found by name, in the order in which they first appear.
    ///
    /// A range below 1e-8 of the value (absolute below 1) is no range: the channel is constant, at its median.
    pub fn of(frames: &[Frame]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for channel in frames.iter().flat_map(|frame| frame.schema().channels()) {
            if !names.contains(&channel.name()) {
                names.push(channel.name());
            }
        }
        let values_max = (VALUES_ALTOGETHER / names.len().max(1)).clamp(VALUES_MIN, VALUES_MAX);
        let n_rows = frames.iter().map(Frame::n_samples).sum();
        let has_relations = names.len() <= correlation::N_CHANNELS_MAX;
        let mut channels = Vec::with_capacity(names.len());
        let mut columns = Vec::new();
        for name in names {
            let pieces = pieces_of(frames, name);
            channels.push(ChannelBaseline::of(name, pieces.as_ref(), n_rows, values_max));
            if has_relations {
                columns.push(pieces.as_ref().map(thinned));
            }
        }
        let mut correlations = has_relations.then(|| correlations(&columns));
        if let Some(correlations) = &mut correlations {
            forget_constant(&channels, correlations);
        }
        let parts = BaselineParts {
            n_rows,
            cadence: cadence_of(frames),
            channels,
            correlations,
            scores: None,
        };
        Self { parts }
    }

    /// With the causal scores of held-out rows, series by series, NaN where a row has none: what scores are in normal
    /// operation.
    #[must_use]
    pub fn with_scores(mut self, pieces: &[Vec<f64>]) -> Self {
        let pieces: Pieces = pieces.to_vec();
        let n_rows = pieces.iter().map(Vec::len).sum();
        self.parts.scores = Some(ChannelBaseline::of(SCORE, Some(&pieces), n_rows, VALUES_MAX));
        self
    }

    /// A baseline of what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// [`BaselineError`] where the parts contradict themselves.
    pub fn from_parts(parts: BaselineParts) -> Result<Self, BaselineError> {
        let mut seen = std::collections::HashSet::new();
        for channel in &parts.channels {
            channel.check(Some(parts.n_rows))?;
            if !seen.insert(channel.channel.as_str()) {
                return Err(BaselineError::Twice {
                    channel: channel.channel.clone(),
                });
            }
        }
        if let Some(scores) = &parts.scores {
            scores.check(None)?;
        }
        if let Some(correlations) = &parts.correlations {
            let n = parts.channels.len();
            let n_pairs = n * n.saturating_sub(1) / 2;
            if correlations.len() != n_pairs {
                return Err(BaselineError::Pairs {
                    n_correlations: correlations.len(),
                    n_pairs,
                });
            }
            let is_valid =
                |of: &Correlation| (-1.0..=1.0).contains(&of.value) && of.n_joint <= parts.n_rows as u64;
            if let Some(got) = correlations.iter().flatten().find(|of| !is_valid(of)) {
                return Err(BaselineError::Correlation {
                    got: got.value,
                    n_joint: got.n_joint,
                });
            }
        }
        Ok(Self { parts })
    }

    /// The baseline as plain data.
    pub fn parts(&self) -> &BaselineParts {
        &self.parts
    }
}

/// What is only noise of rounding has no relation to anything.
fn forget_constant(channels: &[ChannelBaseline], correlations: &mut [Option<Correlation>]) {
    let n = channels.len();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    for ((a, b), correlation) in pairs.zip(correlations) {
        if channels[a].is_constant() || channels[b].is_constant() {
            *correlation = None;
        }
    }
}

impl ChannelBaseline {
    fn of(name: &str, pieces: Option<&Pieces>, n_rows: usize, values_max: usize) -> Self {
        let values = pieces.into_iter().flatten().flatten().copied();
        let sorted = sorted_finite(values);
        let n_missing = n_rows - sorted.len();
        let (&[lo, ..], &[.., hi]) = (sorted.as_slice(), sorted.as_slice()) else {
            return Self {
                channel: name.to_owned(),
                n_missing,
                mean: 0.0,
                std: 0.0,
                autocorrelation_time: 1.0,
                distribution: Distribution::default(),
            };
        };
        let median = median_sorted(&sorted);
        if is_no_range(lo, hi, median) {
            return Self {
                channel: name.to_owned(),
                n_missing,
                mean: median,
                std: 0.0,
                autocorrelation_time: 1.0,
                distribution: Distribution::of(&vec![median; sorted.len()], values_max),
            };
        }
        let (mean, std) = mean_std(&sorted);
        let pieces = pieces.into_iter().flatten().map(Vec::as_slice);
        Self {
            channel: name.to_owned(),
            n_missing,
            mean,
            // Beyond 1e154 the squares overflow; the largest number is as good a scale there as any.
            std: std.min(f64::MAX),
            autocorrelation_time: autocorrelation_time(pieces),
            distribution: Distribution::of(&sorted, values_max),
        }
    }

    /// Rows with and without a value.
    pub fn n_rows(&self) -> u64 {
        self.n_observed().saturating_add(self.n_missing as u64)
    }

    /// Rows with a value.
    pub fn n_observed(&self) -> u64 {
        self.distribution.n()
    }

    /// Independent rows that its values are worth.
    pub fn n_effective(&self) -> f64 {
        self.n_observed() as f64 / self.autocorrelation_time
    }

    /// Share of rows without a value, in [0, 1].
    pub fn missing_share(&self) -> f64 {
        let n = self.n_rows() as f64;
        if n > 0.0 { self.n_missing as f64 / n } else { 0.0 }
    }

    fn is_constant(&self) -> bool {
        self.distribution.values.len() <= 1
    }

    /// Observed recent values, ascending; where the channel was constant, those that differ from it by rounding only
    /// are that value.
    pub(super) fn sorted_recent(&self, column: &Pieces) -> Vec<f64> {
        let mut sorted = sorted_finite(column.iter().flatten().copied());
        if let [constant] = self.distribution.values[..] {
            for value in &mut sorted {
                if is_no_range(constant.min(*value), constant.max(*value), constant) {
                    *value = constant;
                }
            }
        }
        sorted
    }

    /// Whether its numbers fit each other, and the rows of the baseline where it covers all of them.
    fn check(&self, n_rows: Option<usize>) -> Result<(), BaselineError> {
        let value = |name, got: f64, is_valid| {
            if is_valid && got.is_finite() {
                return Ok(());
            }
            Err(BaselineError::Value {
                channel: self.channel.clone(),
                name,
                got,
            })
        };
        value("mean", self.mean, true)?;
        value("std", self.std, self.std >= 0.0)?;
        let time = self.autocorrelation_time;
        value("autocorrelation_time", time, time >= 1.0)?;
        self.distribution.check(&self.channel)?;
        let n = u128::from(self.n_observed()) + self.n_missing as u128;
        match n_rows {
            Some(n_rows) if n != n_rows as u128 => Err(BaselineError::Rows {
                channel: self.channel.clone(),
                n,
                n_rows,
            }),
            _ => Ok(()),
        }
    }
}

/// The median cadence of frames that have one; zero where none has.
pub fn cadence_of(frames: &[Frame]) -> Duration {
    let cadences = frames.iter().map(|frame| frame.schema().cadence());
    let mut cadences: Vec<Duration> = cadences.filter(|cadence| !cadence.is_zero()).collect();
    cadences.sort_unstable();
    cadences.get(cadences.len() / 2).copied().unwrap_or_default()
}

/// The channel called `name`, frame by frame; rows of a frame that lacks it are missing. `None` where all lack it.
pub(super) fn pieces_of(frames: &[Frame], name: &str) -> Option<Pieces> {
    let mut is_there = false;
    let piece = |frame: &Frame| match frame.schema().channel_idx(name) {
        Some(idx) => {
            is_there = true;
            let column = frame.values().iter().skip(idx).step_by(frame.n_channels());
            column.copied().collect()
        }
        None => vec![f64::NAN; frame.n_samples()],
    };
    let pieces = frames.iter().map(piece).collect();
    is_there.then_some(pieces)
}

/// Parts that make no baseline.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// Two channels of one name.
    #[error("channel {channel:?} stands twice")]
    Twice {
        /// The name.
        channel: String,
    },
    /// A number out of range.
    #[error("channel {channel:?}: {name} is {got}")]
    Value {
        /// The channel.
        channel: String,
        /// Which number.
        name: &'static str,
        /// What it is.
        got: f64,
    },
    /// A distribution that is none.
    #[error("channel {channel:?}: its distribution has {what}")]
    Distribution {
        /// The channel.
        channel: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Observed and missing rows are not all rows.
    #[error("channel {channel:?}: {n} observed and missing rows of {n_rows}")]
    Rows {
        /// The channel.
        channel: String,
        /// Rows of the channel.
        n: u128,
        /// Rows of the baseline.
        n_rows: usize,
    },
    /// Not a correlation for every pair.
    #[error("{n_correlations} correlations for {n_pairs} pairs of channels")]
    Pairs {
        /// Correlations given.
        n_correlations: usize,
        /// Pairs there are.
        n_pairs: usize,
    },
    /// A correlation out of range.
    #[error("a correlation is {got}, of {n_joint} rows")]
    Correlation {
        /// What it is.
        got: f64,
        /// Of how many rows.
        n_joint: u64,
    },
}
