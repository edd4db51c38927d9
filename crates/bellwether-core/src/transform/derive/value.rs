//! The value of a feature at a row.

use super::feature::{ClockPeriod, FeatureKind};
use crate::score::Smoothing;
use crate::time::Timestamp;
use crate::zone::Zone;

const DAY_NANOS: i64 = 86_400_000_000_000;

/// The value at an instant; NaN is missing.
///
/// # Shapes
/// `now`: what it is worked out of, at this row. `back`: the last rows of the segment of the first of these, oldest first,
/// this row included; at most as many as [`FeatureKind::rows`].
pub(super) fn value(kind: &FeatureKind, time: Timestamp, now: &[f64], back: &[f64]) -> f64 {
    let first = now.first().copied().unwrap_or(f64::NAN);
    let second = now.get(1).copied().unwrap_or(f64::NAN);
    let is_full = back.len() >= kind.rows();
    let value = match kind {
        FeatureKind::Diff { .. } if is_full => first - back[0],
        FeatureKind::Lag { .. } if is_full => back[0],
        FeatureKind::Mean { .. } if is_full => mean(back),
        FeatureKind::Std { .. } if is_full => std(back),
        FeatureKind::Min { .. } if is_full => extreme(back, f64::min),
        FeatureKind::Max { .. } if is_full => extreme(back, f64::max),
        FeatureKind::Band { first, last, .. } if is_full => band(back, *first, *last),
        FeatureKind::Diff { .. }
        | FeatureKind::Lag { .. }
        | FeatureKind::Mean { .. }
        | FeatureKind::Std { .. }
        | FeatureKind::Min { .. }
        | FeatureKind::Max { .. }
        | FeatureKind::Band { .. } => f64::NAN,
        FeatureKind::Ewma { span } => ewma(*span, back),
        FeatureKind::Ratio if second == 0.0 => f64::NAN,
        FeatureKind::Ratio => first / second,
        FeatureKind::Minus => first - second,
        FeatureKind::Log => box_cox(first, 0.0),
        FeatureKind::BoxCox { lambda } => box_cox(first, *lambda),
        FeatureKind::Season {
            period,
            zone,
            profile,
        } => {
            let period = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
            first - profile_at(profile, phase(zone.local_nanos(time), period))
        }
        FeatureKind::Clock {
            period,
            zone,
            is_cosine,
        } => {
            let angle = std::f64::consts::TAU * clock_phase(*period, zone, time);
            if *is_cosine { angle.cos() } else { angle.sin() }
        }
        FeatureKind::OneHot { .. } if first.is_nan() => f64::NAN,
        FeatureKind::OneHot { value } => f64::from(u8::from((first - value).abs() <= 0.0)),
        FeatureKind::Absent => f64::from(u8::from(first.is_nan())),
    };
    if value.is_finite() { value } else { f64::NAN }
}

/// The share of the period that is over, in [0, 1).
pub(super) fn phase(nanos: i64, period: i64) -> f64 {
    nanos.rem_euclid(period) as f64 / period as f64
}

fn clock_phase(period: ClockPeriod, zone: &Zone, time: Timestamp) -> f64 {
    let local = zone.local_nanos(time);
    match period {
        ClockPeriod::Day => phase(local, DAY_NANOS),
        // 1970 began on a Thursday.
        ClockPeriod::Week => phase(local.saturating_add(3 * DAY_NANOS), 7 * DAY_NANOS),
    }
}

/// The profile between two of its points, round about.
pub(super) fn profile_at(profile: &[f64], phase: f64) -> f64 {
    let place = phase * profile.len() as f64;
    let before = place.floor();
    let (share, before) = (place - before, before as usize % profile.len());
    let after = (before + 1) % profile.len();
    profile[before] * (1.0 - share) + profile[after] * share
}

/// (x^λ − 1) / λ, by way of the logarithm so that it is exact about λ = 0.
pub(super) fn box_cox(x: f64, lambda: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let log = x.ln();
    if lambda == 0.0 {
        log
    } else {
        (lambda * log).exp_m1() / lambda
    }
}

/// The values that are there, where they are at least half of all.
fn present(back: &[f64]) -> Option<impl Iterator<Item = f64> + '_> {
    let there = || back.iter().copied().filter(|value| !value.is_nan());
    (2 * there().count() >= back.len()).then(there)
}

fn mean(back: &[f64]) -> f64 {
    let Some(values) = present(back) else {
        return f64::NAN;
    };
    let (mut sum, mut n) = (0.0, 0);
    for value in values {
        sum += value;
        n += 1;
    }
    sum / f64::from(n)
}

fn std(back: &[f64]) -> f64 {
    let mean = mean(back);
    let Some(values) = present(back).filter(|_| !mean.is_nan()) else {
        return f64::NAN;
    };
    let (mut sum, mut n) = (0.0, 0);
    for value in values {
        sum += (value - mean) * (value - mean);
        n += 1;
    }
    (sum / f64::from(n)).sqrt()
}

fn extreme(back: &[f64], of_two: fn(f64, f64) -> f64) -> f64 {
    present(back).map_or(f64::NAN, |values| values.fold(f64::NAN, of_two))
}

fn ewma(span: f64, back: &[f64]) -> f64 {
    let keep = 1.0 - Smoothing { span }.alpha();
    let (mut sum, mut total, mut weight) = (0.0, 0.0, 1.0);
    for value in back.iter().rev() {
        if !value.is_nan() {
            sum += weight * value;
            total += weight;
        }
        weight *= keep;
    }
    // The newest weighs most: without it, what is left says little of now.
    if total > 0.0 && !back.last().is_none_or(|newest| newest.is_nan()) {
        sum / total
    } else {
        f64::NAN
    }
}

/// Mean square at the frequencies from `first` to `last` whole periods in all rows; missing values count as the mean.
fn band(back: &[f64], first: usize, last: usize) -> f64 {
    let mean = mean(back);
    if mean.is_nan() {
        return f64::NAN;
    }
    let n = back.len() as f64;
    let mut energy = 0.0;
    for bin in first..=last {
        let coefficient = 2.0 * (std::f64::consts::TAU * bin as f64 / n).cos();
        let (mut before, mut last) = (0.0, 0.0);
        for value in back {
            let centred = if value.is_nan() { 0.0 } else { value - mean };
            (before, last) = (last, centred + coefficient * last - before);
        }
        let square = last * last + before * before - coefficient * last * before;
        // The frequency of one period in two rows has no twin beyond it.
        let twins = if 2 * bin == back.len() { 1.0 } else { 2.0 };
        energy += twins * square / (n * n);
    }
    energy.max(0.0)
}
