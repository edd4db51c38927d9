//! A feature as it was fitted: a channel of the model that is worked out of others.

use std::time::Duration;

use crate::frame::Channel;
use crate::score::Smoothing;
use crate::transform::pipeline::FitError;
use crate::zone::Zone;

/// A feature looks back at no more rows than this: a week of minutes.
pub const FEATURE_ROWS_MAX: usize = 10_080;

/// Frequencies of a band at most.
pub const BAND_BINS_MAX: usize = 64;

/// Points of the profile of a season at most: one every five minutes of a week.
pub const PROFILE_LEN_MAX: usize = 2016;

/// A channel of the model that is worked out of others.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name among the channels of the model: events and shares name it so.
    pub channel: Channel,
    /// What it is worked out of: none for times of the day and week, two for ratios and differences, else one.
    pub inputs: Vec<Channel>,
    /// How.
    pub kind: FeatureKind,
}

/// How a feature is worked out. Rows are those of the segment, the newest included.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureKind {
    /// x(t) − x(t − rows).
    Diff {
        /// How far back.
        rows: usize,
    },
    /// x(t − rows).
    Lag {
        /// How far back.
        rows: usize,
    },
    /// Mean of the last rows.
    Mean {
        /// How many.
        rows: usize,
    },
    /// Population standard deviation of the last rows.
    Std {
        /// How many.
        rows: usize,
    },
    /// Least of the last rows.
    Min {
        /// How many.
        rows: usize,
    },
    /// Largest of the last rows.
    Max {
        /// How many.
        rows: usize,
    },
    /// Exponentially weighted mean, newest weight 2 / (span + 1), of as many rows as it takes for the weight to fall to
    /// 1 %; the weights of the values that are there sum to 1.
    Ewma {
        /// The span in rows, at least 1.
        span: f64,
    },
    /// The first channel over the second; missing where that is 0.
    Ratio,
    /// The first channel minus the second.
    Minus,
    /// Natural logarithm; missing where the value is not above 0.
    Log,
    /// (x^λ − 1) / λ, or ln x at λ = 0; missing where the value is not above 0 (Box and Cox 1964).
    BoxCox {
        /// λ.
        lambda: f64,
    },
    /// Mean square of what the last rows hold at some frequencies, their mean taken off: by the algorithm of Goertzel
    /// (1958). A sine of amplitude A at one of them has A² / 2.
    Band {
        /// How many rows.
        rows: usize,
        /// Whole periods in those rows: the first frequency.
        first: usize,
        /// The last.
        last: usize,
    },
    /// x − the profile at the phase of the instant in the period; between two points of the profile in a straight line.
    Season {
        /// The period.
        period: Duration,
        /// Whose clocks the period goes by.
        zone: Zone,
        /// Medians of the training rows, evenly over the period, the first at phase 0.
        profile: Vec<f64>,
    },
    /// Where the clocks of a zone stand, as the sine or cosine of 2π times the share of the period that is over.
    Clock {
        /// A day or a week; weeks begin on Monday.
        period: ClockPeriod,
        /// Whose clocks.
        zone: Zone,
        /// Cosine instead of sine.
        is_cosine: bool,
    },
    /// 1 where the channel has that value, else 0.
    OneHot {
        /// The value.
        value: f64,
    },
    /// 1 where the channel has no value, else 0; never missing itself.
    Absent,
}

/// The period of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockPeriod {
    /// 24 hours.
    Day,
    /// Seven days from Monday on.
    Week,
}

impl FeatureKind {
    /// Rows that it looks at, the newest included.
    pub fn rows(&self) -> usize {
        match *self {
            Self::Diff { rows } | Self::Lag { rows } => rows.saturating_add(1),
            Self::Mean { rows }
            | Self::Std { rows }
            | Self::Min { rows }
            | Self::Max { rows }
            | Self::Band { rows, .. } => rows,
            Self::Ewma { span } => Smoothing { span }.memory(),
            _ => 1,
        }
    }

    /// How many channels it is worked out of.
    fn n_inputs(&self) -> usize {
        match self {
            Self::Clock { .. } => 0,
            Self::Ratio | Self::Minus => 2,
            _ => 1,
        }
    }
}

impl Feature {
    /// Whether its numbers are usable.
    ///
    /// # Errors
    /// [`FitError::Feature`] saying what is not.
    pub fn check(&self) -> Result<(), FitError> {
        let want = |holds: bool, problem: &str| match holds {
            true => Ok(()),
            false => Err(FitError::feature(self.channel.name(), problem.to_owned())),
        };
        want(
            self.inputs.len() == self.kind.n_inputs(),
            "it is worked out of another number of channels",
        )?;
        if let FeatureKind::Ewma { span } = self.kind {
            want(
                Smoothing { span }.is_valid(),
                "its span lies outside of 1 to 1000000 rows",
            )?;
        }
        let rows = self.kind.rows();
        let fits = format!("it looks back at {rows} rows, wanted 1 to {FEATURE_ROWS_MAX}");
        want((1..=FEATURE_ROWS_MAX).contains(&rows), &fits)?;
        match &self.kind {
            FeatureKind::Diff { rows } | FeatureKind::Lag { rows } => {
                want(*rows > 0, "it looks back at no row before its own")
            }
            FeatureKind::BoxCox { lambda } => want(lambda.abs() <= 10.0, "its λ lies outside of −10 to 10"),
            FeatureKind::OneHot { value } => want(value.is_finite(), "its value is no number"),
            FeatureKind::Band { rows, first, last } => want(
                1 <= *first
                    && first <= last
                    && last.saturating_mul(2) <= *rows
                    && last - first < BAND_BINS_MAX,
                "its frequencies lie outside of one period in all rows to one in two, or are more than 64",
            ),
            FeatureKind::Season { period, profile, .. } => {
                let is_sound = profile.iter().all(|value| value.is_finite());
                want(
                    is_sound && (1..=PROFILE_LEN_MAX).contains(&profile.len()),
                    "its profile is not usable",
                )?;
                want(
                    (1..=i64::MAX as u128).contains(&period.as_nanos()),
                    "its period is not usable",
                )
            }
            _ => Ok(()),
        }
    }
}
