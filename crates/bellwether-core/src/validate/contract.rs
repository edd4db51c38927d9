//! What must hold of data, as people agree on it.

use std::time::Duration;

use crate::condition::Condition;

/// What must hold of every series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contract {
    /// Of its times.
    pub time: TimeTerms,
    /// Of its channels.
    pub channels: Vec<ChannelTerms>,
    /// Whether channels that stand in no term may be there.
    pub allows_extra: bool,
    /// Of its rows.
    pub rules: Vec<ContractRule>,
}

/// What must hold of times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimeTerms {
    /// Time between neighbouring rows.
    pub cadence: Option<Duration>,
    /// How far a spacing may be off, as a share of the cadence in [0, 1]. A spacing of more than one and a half
    /// cadences is a gap and not jitter.
    pub jitter: Option<f64>,
    /// Longest time between neighbouring rows.
    pub max_gap: Option<Duration>,
}

/// What must hold of one channel. What is not said is not checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelTerms {
    /// Its name.
    pub name: String,
    /// Its unit, for people.
    pub unit: Option<String>,
    /// Whether data may lack it.
    pub is_optional: bool,
    /// Least value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Largest change per second between neighbouring rows.
    pub max_rate: Option<f64>,
    /// Longest time for which it may repeat one value.
    pub max_stuck: Option<Duration>,
    /// Largest share of rows without a value, in [0, 1].
    pub max_missing: Option<f64>,
    /// The values that it may have.
    pub states: Option<Vec<f64>>,
}

/// What must hold of each row in which nothing that it needs is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractRule {
    /// What it is called.
    pub name: String,
    /// What must hold.
    pub condition: Condition,
}

/// Why a [`Contract`] cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A channel stands twice.
    #[error("channel {channel:?} stands twice")]
    Twice {
        /// Which.
        channel: String,
    },
    /// No value fulfils the terms.
    #[error("channel {channel:?}: {min} to {max} is no range; the first must not be above the second")]
    NoRange {
        /// Of which.
        channel: String,
        /// Least value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// A number that makes no sense.
    #[error("{what} {got}: {wanted} is wanted")]
    OutOfRange {
        /// What is said.
        what: String,
        /// What it says.
        got: f64,
        /// What it may say.
        wanted: &'static str,
    },
    /// A channel without a state.
    #[error("channel {channel:?}: states is empty; name at least one, or leave it out")]
    NoState {
        /// Which.
        channel: String,
    },
}

impl Contract {
    /// Whether it can be fulfilled.
    ///
    /// # Errors
    /// [`ContractError`] for the first thing that cannot be.
    pub fn check(&self) -> Result<(), ContractError> {
        share("time.jitter", self.time.jitter)?;
        for (idx, terms) in self.channels.iter().enumerate() {
            let channel = || terms.name.clone();
            if self.channels[..idx].iter().any(|other| other.name == terms.name) {
                return Err(ContractError::Twice { channel: channel() });
            }
            terms.check()?;
        }
        Ok(())
    }

    /// The terms of that channel.
    pub fn channel(&self, name: &str) -> Option<&ChannelTerms> {
        self.channels.iter().find(|terms| terms.name == name)
    }
}

impl ChannelTerms {
    /// Whether they can be fulfilled.
    ///
    /// # Errors
    /// As of [`Contract::check`].
    pub fn check(&self) -> Result<(), ContractError> {
        let channel = || self.name.clone();
        let (min, max) = (
            self.min.unwrap_or(f64::NEG_INFINITY),
            self.max.unwrap_or(f64::INFINITY),
        );
        let is_range = min <= max;
        if !is_range {
            let channel = channel();
            return Err(ContractError::NoRange { channel, min, max });
        }
        if self.states.as_ref().is_some_and(Vec::is_empty) {
            return Err(ContractError::NoState { channel: channel() });
        }
        if let Some(rate) = self.max_rate
            && !(0.0..f64::INFINITY).contains(&rate)
        {
            return Err(ContractError::OutOfRange {
                what: format!("channel {:?}: max_rate", self.name),
                got: rate,
                wanted: "a number from 0, in the unit of the channel per second,",
            });
        }
        share(&format!("channel {:?}: max_missing", self.name), self.max_missing)
    }

    /// Whether the channel may have that value.
    pub fn allows(&self, value: f64) -> bool {
        let is_within = self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max);
        is_within && self.is_state(value)
    }

    /// Whether it is one of the states, where there are any.
    pub fn is_state(&self, value: f64) -> bool {
        self.states.as_ref().is_none_or(|states| states.contains(&value))
    }
}

fn share(what: &str, share: Option<f64>) -> Result<(), ContractError> {
    match share {
        Some(got) if !(0.0..=1.0).contains(&got) => Err(ContractError::OutOfRange {
            what: what.to_owned(),
            got,
            wanted: "a share from 0 to 1",
        }),
        _ => Ok(()),
    }
}
