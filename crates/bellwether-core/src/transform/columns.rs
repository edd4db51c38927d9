//! Columns of data found by name, and what is said where they are not.

use std::fmt;
use std::time::Duration;

use crate::frame::{Channel, Schema};
use crate::time::humane;

/// Names this alike (Jaro-Winkler) are offered where a channel is missing.
const NAME_LIKENESS_MIN: f64 = 0.7;

/// Where the channels that are wanted stand in data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// For each wanted channel its position in a sample of the data.
    pub(super) order: Vec<usize>,
    /// Values in a sample of the data.
    pub(super) n_data: usize,
    ignored: Vec<Channel>,
}

impl Columns {
    /// Finds the channels `wanted` in `schema` by their names.
    ///
    /// # Errors
    /// [`ApplyError::MissingChannels`] naming each that is not there.
    pub fn matching(wanted: &[Channel], schema: &Schema) -> Result<Self, ApplyError> {
        let mut order = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for channel in wanted {
            match schema.channel_idx(channel.name()) {
                Some(idx) => order.push(idx),
                None => missing.push(MissingChannel::new(channel.name(), schema.channels())),
            }
        }
        if !missing.is_empty() {
            return Err(ApplyError::MissingChannels { missing });
        }
        let extra = schema.channels().iter().enumerate();
        let ignored = extra.filter(|(idx, _)| !order.contains(idx));
        Ok(Self {
            n_data: schema.n_channels(),
            ignored: ignored.map(|(_, channel)| channel.clone()).collect(),
            order,
        })
    }

    /// For each wanted channel its position in a sample of the data.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Channels of the data that nobody wants.
    pub fn ignored(&self) -> &[Channel] {
        &self.ignored
    }
}

/// A channel that data lack, and what they have instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingChannel {
    /// The channel wanted.
    pub name: String,
    /// At most three names of the data that look like it, best first.
    pub nearest: Vec<String>,
}

impl MissingChannel {
    pub(crate) fn new(name: &str, channels: &[Channel]) -> Self {
        let mut alike: Vec<(f64, &str)> = channels
            .iter()
            .map(|channel| (strsim::jaro_winkler(name, channel.name()), channel.name()))
            .filter(|(likeness, _)| *likeness >= NAME_LIKENESS_MIN)
            .collect();
        alike.sort_by(|one, other| other.0.total_cmp(&one.0));
        alike.truncate(3);
        Self {
            name: name.to_owned(),
            nearest: alike.into_iter().map(|(_, name)| name.to_owned()).collect(),
        }
    }
}

/// Why data do not fit a [`Pipeline`](super::Pipeline).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Channels the model was trained on are not in the data.
    #[error("{}: rename columns of the data, or train a model on them", describe(missing))]
    MissingChannels {
        /// Each with its nearest names.
        missing: Vec<MissingChannel>,
    },
    /// Samples are spaced otherwise.
    #[error(
        "the data have a sample every {}, the model was trained on one every {}: resample the data, or train a \
         model on them",
        humane(*.found), humane(*.trained)
    )]
    Cadence {
        /// Median spacing of the data.
        found: Duration,
        /// Median spacing of the training rows.
        trained: Duration,
    },
}

/// `no channel "a" (did you mean "b"?)`.
impl fmt::Display for MissingChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no channel {:?}", self.name)?;
        if self.nearest.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = self.nearest.iter().map(|name| format!("{name:?}")).collect();
        write!(f, " (did you mean {}?)", names.join(" or "))
    }
}

/// `the data have no channel "a" (did you mean "b"?), no channel "c"`.
fn describe(missing: &[MissingChannel]) -> String {
    let parts: Vec<String> = missing.iter().map(MissingChannel::to_string).collect();
    format!("the data have {}", parts.join(", "))
}
