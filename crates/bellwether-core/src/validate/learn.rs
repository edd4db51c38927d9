//! A contract learnt from good data: what was seen, and a margin.

use std::time::Duration;

use super::contract::{ChannelTerms, Contract, TimeTerms};
use super::profile::{ChannelProfile, SeriesProfile};
use crate::transform::ChannelKind;

/// A range reaches beyond what was seen by that share of it.
const RANGE_MARGIN: f64 = 0.2;

/// Changes may be so many times the fastest seen, and stand still so many times as long.
const RATE_TIMES: f64 = 1.5;
const STUCK_TIMES: u32 = 2;

/// So many times what was missing may be, and this share in any case.
const MISSING_TIMES: f64 = 2.0;
const MISSING_MIN: f64 = 0.01;

/// Spacings may be off by so many times as much as they were, and this share in any case.
const JITTER_TIMES: f64 = 1.5;
const JITTER_MIN: f64 = 0.05;

/// Gaps may be so many times as long as the longest, and as so many cadences in any case.
const GAP_TIMES: f64 = 1.5;
const GAP_CADENCES: f64 = 2.5;

/// Cadences of series that differ by more than this share of the first are several cadences.
const CADENCE_LIKENESS: f64 = 0.01;

/// Limits are written to so many digits.
const N_DIGITS: i32 = 3;

/// Why nothing can be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// No row of any series could be looked at.
    #[error("a contract cannot be learnt from data without a row")]
    NoRow,
}

impl Contract {
    /// The contract that these series fulfil, with a margin: ranges by a fifth of their width, rates by half, times
    /// without a change twice. A channel with few values, all of them whole numbers, may have those. There are no
    /// rules in it: which channels belong together, people know.
    ///
    /// # Errors
    /// [`LearnError`] where there is nothing to learn from.
    pub fn learn(series: &[SeriesProfile]) -> Result<Self, LearnError> {
        if series.iter().all(|of| of.time.first.is_none()) {
            return Err(LearnError::NoRow);
        }
        let mut channels: Vec<ChannelTerms> = Vec::new();
        for profile in series.iter().flat_map(|of| &of.channels) {
            if channels.iter().any(|terms| terms.name == profile.name) {
                continue;
            }
            let of_name =
                |of: &SeriesProfile| of.channels.iter().position(|other| other.name == profile.name);
            let all: Vec<&ChannelProfile> = series
                .iter()
                .filter_map(|of| Some(&of.channels[of_name(of)?]))
                .collect();
            let mut terms = channel_terms(&all);
            terms.is_optional = all.len() < series.len();
            channels.push(terms);
        }
        Ok(Self {
            time: time_terms(series),
            channels,
            allows_extra: false,
            rules: Vec::new(),
        })
    }
}

fn channel_terms(all: &[&ChannelProfile]) -> ChannelTerms {
    let first = all[0];
    let seen: Vec<&&ChannelProfile> = all.iter().filter(|of| of.n_values > 0).collect();
    let missing = all.iter().map(|of| of.missing_share()).fold(0.0, f64::max);
    let mut terms = ChannelTerms {
        name: first.name.clone(),
        unit: first.unit.map(str::to_owned),
        max_missing: Some(rounded(MISSING_TIMES * missing, true).clamp(MISSING_MIN, 1.0)),
        ..ChannelTerms::default()
    };
    if seen.is_empty() {
        return terms;
    }
    if let Some(states) = states(&seen) {
        terms.states = Some(states);
        return terms;
    }
    let low = seen.iter().map(|of| of.min).fold(f64::INFINITY, f64::min);
    let high = seen.iter().map(|of| of.max).fold(f64::NEG_INFINITY, f64::max);
    // A constant says nothing of how it may vary: a fifth of its size stands in.
    let width = if high > low { high - low } else { low.abs() };
    let margin = RANGE_MARGIN * width;
    let (min, max) = (rounded(low - margin, false), rounded(high + margin, true));
    // What was never negative has a meaning of zero that a margin does not know.
    terms.min = Some(if low >= 0.0 { min.max(0.0) } else { min });
    terms.max = Some(if high <= 0.0 { max.min(0.0) } else { max });
    if seen.iter().all(|of| of.kind == ChannelKind::Continuous) {
        let rate = seen.iter().map(|of| of.max_rate).fold(0.0, f64::max);
        terms.max_rate = (rate > 0.0).then(|| rounded(RATE_TIMES * rate, true));
        terms.max_stuck = max_stuck(&seen);
    }
    terms
}

/// The values that the channel had, where they are few and whole.
fn states(seen: &[&&ChannelProfile]) -> Option<Vec<f64>> {
    let mut states = Vec::new();
    for of in seen {
        states.extend(of.states.as_ref()?);
    }
    states.sort_by(f64::total_cmp);
    states.dedup();
    let is_whole = states.iter().all(|state| state.fract() == 0.0);
    (is_whole && states.len() <= crate::transform::scale::DISCRETE_VALUES_MAX).then_some(states)
}

/// Twice the longest time without a change, and no less than a few rows take; none where it stood still for most of
/// the time.
fn max_stuck(seen: &[&&ChannelProfile]) -> Option<Duration> {
    let longest = seen.iter().map(|of| of.longest_same).max()?;
    let n_still = seen.iter().map(|of| of.n_repeats).sum::<u64>();
    let n_steps = seen.iter().map(|of| of.n_steps).sum::<u64>();
    let moves = 2 * n_still < n_steps;
    moves.then(|| in_whole_secs(longest * STUCK_TIMES))
}

fn time_terms(series: &[SeriesProfile]) -> TimeTerms {
    let cadences: Vec<Duration> = series.iter().filter_map(|of| of.time.cadence).collect();
    let Some(&cadence) = cadences.first() else {
        return TimeTerms::default();
    };
    let secs = cadence.as_secs_f64();
    let is_one = cadences
        .iter()
        .all(|other| (other.as_secs_f64() / secs - 1.0).abs() <= CADENCE_LIKENESS);
    let off = series.iter().map(|of| {
        // Measured by the cadence of the contract.
        let ratio = of.time.cadence.map_or(1.0, |own| own.as_secs_f64() / secs);
        (1.0 + of.time.off_beat_max) * ratio - 1.0
    });
    let off = off.fold(0.0, f64::max);
    let longest = series.iter().map(|of| of.time.longest).max().unwrap_or_default();
    let max_gap = longest.mul_f64(GAP_TIMES).max(cadence.mul_f64(GAP_CADENCES));
    TimeTerms {
        cadence: is_one.then_some(cadence),
        jitter: is_one.then(|| rounded(JITTER_TIMES * off, true).clamp(JITTER_MIN, 1.0)),
        max_gap: Some(in_whole_secs(max_gap)),
    }
}

/// To whole seconds, up, where it is some.
fn in_whole_secs(span: Duration) -> Duration {
    if span.as_secs() >= 10 && span.subsec_nanos() > 0 {
        Duration::from_secs(span.as_secs() + 1)
    } else {
        span.max(Duration::from_millis(1))
    }
}

/// To a few digits, up or down.
fn rounded(value: f64, up: bool) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = value.abs().log10().floor() as i32 - (N_DIGITS - 1);
    // Whole powers of ten: a division by one gives the number that people would write.
    let (scale, is_small) = (10_f64.powi(exponent.abs()), exponent < 0);
    let digits = if is_small { value * scale } else { value / scale };
    let digits = if up { digits.ceil() } else { digits.floor() };
    if is_small { digits / scale } else { digits * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "numbers as people write them")]
    fn limits_have_few_digits_and_lie_outside() {
        assert_eq!(rounded(1.2341, true), 1.24);
        assert_eq!(rounded(1.2341, false), 1.23);
        assert_eq!(rounded(-0.012_341, false), -0.0124);
        assert_eq!(rounded(98_765.0, true), 98_800.0);
        assert_eq!(rounded(0.0, true), 0.0);
    }
}
