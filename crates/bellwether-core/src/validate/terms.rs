//! A contract held against the rows of one series as they go by.

use std::time::Duration;

use super::contract::{ChannelTerms, Contract};
use super::stretch::Open;
use super::{Case, Cases};
use crate::condition::{BoundCondition, UnknownChannels};
use crate::frame::Channel;
use crate::time::Timestamp;

/// Spacings beyond so many cadences are gaps and no jitter.
const GAP_CADENCES: f64 = 1.5;

/// Where a series breaks a contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Breaches {
    /// What is said, `[n_channels]`; `None` where the contract does not name the channel.
    pub(crate) channels: Vec<Option<ChannelBreaches>>,
    /// Channels that must be there and are not.
    pub(crate) absent: Vec<String>,
    /// Channels that are there and must not.
    pub(crate) extra: Vec<String>,
    pub(crate) off_beat: Cases,
    pub(crate) gaps: Cases,
    pub(crate) cadence: Option<Duration>,
    pub(crate) jitter: Option<f64>,
    pub(crate) max_gap: Option<Duration>,
    pub(crate) rules: Vec<RuleBreaches>,
}

/// Where a channel breaks its terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChannelBreaches {
    pub(crate) terms: ChannelTerms,
    pub(crate) range: Cases,
    pub(crate) states: Cases,
    pub(crate) rate: Cases,
    pub(crate) stuck: Cases,
    last: Option<(Timestamp, f64)>,
    same: Option<(Open, Timestamp)>,
}

/// Where a rule does not hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuleBreaches {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) cases: Cases,
    /// Rows in which it is unknown whether it holds.
    pub(crate) n_unknown: u64,
    /// The rule on the rows of this series; where it names channels that are not there, what is missing.
    condition: Result<BoundCondition, UnknownChannels>,
    /// Channels of the series before those that the condition was bound to.
    n_before: usize,
}

impl RuleBreaches {
    pub(crate) fn unbound(&self) -> Option<&UnknownChannels> {
        self.condition.as_ref().err()
    }

    /// Positions of the channels that it reads.
    pub(crate) fn channels(&self) -> Vec<usize> {
        let bound = self.condition.as_ref().map_or(&[][..], BoundCondition::channels);
        bound.iter().map(|idx| self.n_before + idx).collect()
    }
}

impl Breaches {
    pub(crate) fn new(contract: &Contract, channels: &[Channel]) -> Self {
        let is_there = |name: &str| channels.iter().any(|channel| channel.name() == name);
        let of = |channel: &Channel| contract.channel(channel.name()).map(ChannelBreaches::new);
        let absent = contract
            .channels
            .iter()
            .filter(|terms| !terms.is_optional && !is_there(&terms.name));
        let extra = channels
            .iter()
            .filter(|channel| !contract.allows_extra && contract.channel(channel.name()).is_none());
        let rules = contract.rules.iter().map(|rule| RuleBreaches {
            name: rule.name.clone(),
            text: rule.condition.text().to_owned(),
            cases: Cases::default(),
            n_unknown: 0,
            condition: rule.condition.bind(channels),
            n_before: 0,
        });
        Self {
            channels: channels.iter().map(of).collect(),
            absent: absent.map(|terms| terms.name.clone()).collect(),
            extra: extra.map(|channel| channel.name().to_owned()).collect(),
            off_beat: Cases::default(),
            gaps: Cases::default(),
            cadence: contract.time.cadence,
            jitter: contract.time.jitter,
            max_gap: contract.time.max_gap,
            rules: rules.collect(),
        }
    }

    /// Takes a row, `since` the one before; values are finite or NaN.
    pub(crate) fn push(&mut self, row: u64, time: Timestamp, since: Option<Duration>, values: &[f64]) {
        if let Some(since) = since {
            self.space(row, time, since);
        }
        let is_parted = since.is_none();
        for (channel, value) in self.channels.iter_mut().zip(values) {
            if let Some(channel) = channel {
                channel.push(row, time, *value, is_parted);
            }
        }
        for rule in &mut self.rules {
            let Ok(condition) = &rule.condition else { continue };
            match condition.holds(values) {
                Some(true) => {}
                None => rule.n_unknown += 1,
                Some(false) => rule.cases.push(case(row, time, None), 0.0),
            }
        }
    }

    pub(crate) fn space(&mut self, row: u64, time: Timestamp, since: Duration) {
        let secs = since.as_secs_f64();
        if let Some(cadence) = self.cadence.filter(|cadence| !cadence.is_zero()) {
            let off = secs / cadence.as_secs_f64() - 1.0;
            if self.jitter.is_some_and(|jitter| off.abs() > jitter) && off <= GAP_CADENCES - 1.0 {
                self.off_beat.push(case(row, time, Some(secs)), off.abs());
            }
        }
        if self.max_gap.is_some_and(|max_gap| since > max_gap) {
            self.gaps.push(case(row, time, Some(secs)), secs);
        }
    }

    /// These and those of `other` channels of the same series, whose rows come by themselves. A rule of channels of both
    /// is held against neither.
    pub(crate) fn join(&mut self, other: Self) {
        let n_before = self.channels.len();
        self.absent.retain(|name| other.absent.contains(name));
        self.channels.extend(other.channels);
        self.extra.extend(other.extra);
        self.off_beat.join(other.off_beat);
        self.gaps.join(other.gaps);
        for (rule, other) in self.rules.iter_mut().zip(other.rules) {
            if rule.condition.is_err() && other.condition.is_ok() {
                *rule = RuleBreaches { n_before, ..other };
            }
        }
    }

    /// The rows have ended.
    pub(crate) fn finish(&mut self) {
        for channel in self.channels.iter_mut().flatten() {
            channel.end_same();
        }
    }
}

impl ChannelBreaches {
    fn new(terms: &ChannelTerms) -> Self {
        Self {
            terms: terms.clone(),
            range: Cases::default(),
            states: Cases::default(),
            rate: Cases::default(),
            stuck: Cases::default(),
            last: None,
            same: None,
        }
    }

    #[inline]
    fn push(&mut self, row: u64, time: Timestamp, value: f64, is_parted: bool) {
        if value.is_nan() {
            self.end_same();
            self.last = None;
            return;
        }
        let below = self.terms.min.map_or(0.0, |min| min - value);
        let above = self.terms.max.map_or(0.0, |max| value - max);
        if below > 0.0 || above > 0.0 {
            self.range.push(case(row, time, Some(value)), below.max(above));
        }
        if self.terms.states.is_some() && !self.terms.is_state(value) {
            self.states.push(case(row, time, Some(value)), 0.0);
        }
        let before = self.last.replace((time, value)).filter(|_| !is_parted);
        let Some((then, last)) = before else {
            self.end_same();
            return;
        };
        if let Some(max_rate) = self.terms.max_rate {
            let rate = (value - last).abs() / time.since(then).as_secs_f64();
            if rate > max_rate {
                self.rate.push(case(row, time, Some(rate)), rate);
            }
        }
        if self.terms.max_stuck.is_some() {
            if value - last == 0.0 {
                let (open, _) = self
                    .same
                    .get_or_insert_with(|| (Open::new(row.saturating_sub(1), then, value, 0), then));
                open.extend(row, time);
            } else {
                self.end_same();
            }
        }
    }

    fn end_same(&mut self) {
        let Some((open, from)) = self.same.take() else {
            return;
        };
        let stretch = open.close(0, false);
        let len = stretch.to.since(from);
        if self.terms.max_stuck.is_some_and(|limit| len > limit) {
            self.stuck.push(stretch.case(), len.as_secs_f64());
        }
    }
}

fn case(row: u64, time: Timestamp, value: Option<f64>) -> Case {
    Case {
        row,
        time: Some(time),
        value,
        until: None,
    }
}
