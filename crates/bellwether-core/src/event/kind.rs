//! What kind of trouble an event is: rules that an engineer would use, on what its channels did.
//!
//! The rules are asked in this order, and the first that holds decides. Their constants were chosen on generated
//! faults; docs/scores.md tells how often they are right.

use std::fmt;

use super::trace::{Bin, ChannelTrace, MissingRuns, Trace};
use crate::quantile::{median_sorted, quantile_sorted};

/// What kind of trouble an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A channel left its training range for a few samples and came back.
    Spike,
    /// A channel jumped, and stayed off.
    LevelShift,
    /// A channel moved off without a jump.
    Drift,
    /// A channel repeats one value far longer than it uses to.
    Stuck,
    /// A channel moves more from sample to sample than it used to just before.
    Noise,
    /// A channel had no value.
    Dropout,
    /// Each value is one that training has seen, but it does not fit its past or the other channels.
    CorrelationBreak,
    /// Values that training has not seen, where nothing just before tells how they came about.
    OutOfRange,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Spike,
        Self::LevelShift,
        Self::Drift,
        Self::Stuck,
        Self::Noise,
        Self::Dropout,
        Self::CorrelationBreak,
        Self::OutOfRange,
    ];

    /// The name in files and answers; that of the fault where `generate` makes such faults.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level-shift",
            Self::Drift => "drift",
            Self::Stuck => "stuck",
            Self::Noise => "noise",
            Self::Dropout => "dropout",
            Self::CorrelationBreak => "correlation-break",
            Self::OutOfRange => "out-of-range",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// So many samples in a row without a value are a dropout,
const MISSING_RUN: u32 = 4;

/// where that is more than so many times what the channel leaves out by itself.
const MISSING_FACTOR: u32 = 2;

/// Fewer repeats in a row are no stuck channel.
const STUCK_RUN: u32 = 6;

/// Nor are those that come by chance more often than once in e⁹ ≈ 8,000, at the rate of repeats elsewhere,
const STUCK_EVIDENCE: f64 = 9.0;

/// where the event is of so many rows; a longer one has more places for them.
const STUCK_ROWS: f64 = 64.0;

/// Nor are those that are a smaller part of the event: quantised channels repeat values wherever they are calm.
const STUCK_PART: f64 = 0.125;

/// Fewer rows before an event say nothing of what is usual for a channel.
const CONTEXT_MIN: usize = 8;

/// A channel whose steps are so many times the usual ones in half of the event is noisy,
const NOISE_MEDIAN: f64 = 2.0;

/// or so many times in three tenths of it, where it swings to both sides: at least 0.3 of the one to the other.
const NOISE_UPPER: f64 = 3.0;
const NOISE_SWING: f64 = 0.3;

/// A step of more than that share of the largest deviation is a jump.
const JUMP: f64 = 0.4;

/// Noise jumps in at least so many places, a spike in two.
const NOISE_JUMPS: usize = 4;
const SWING_JUMPS: usize = 5;

/// A spike is off by more than half of its height in at most so many rows or bins,
const SPIKE_ROWS: usize = 4;
const SPIKE_BINS: usize = 2;

/// and so many usual steps high.
const SPIKE_HEIGHT: f64 = 6.0;

/// The kind of the event that left this trace, of which the first `n_rows` rows count. `share` is how much of the
/// event each channel makes, in any unit.
pub(super) fn classify(trace: &Trace, n_rows: usize, share: &[f64]) -> EventKind {
    if dropouts(trace, share).any(|is_out| is_out) {
        return EventKind::Dropout;
    }
    if trace.channels.iter().any(|of| is_stuck(of, n_rows)) {
        return EventKind::Stuck;
    }
    // The first of equals, as for the top channel of a row.
    let by_share = |of: &&ChannelTrace| share.get(of.channel_idx).copied().unwrap_or(0.0);
    let top = trace.channels.iter().reduce(|top, channel| {
        if by_share(&channel) > by_share(&top) {
            channel
        } else {
            top
        }
    });
    top.map_or(EventKind::OutOfRange, |top| of_channel(top, n_rows))
}

/// Which channels are out, `[n_channels]`: those without a value for longer than they use to, and that which makes most of the
/// event though nobody ever saw a value of it: it is there because it has stopped.
pub(super) fn dropouts<'a>(trace: &'a Trace, share: &[f64]) -> impl Iterator<Item = bool> + 'a {
    let top_idx = (0..share.len()).max_by(|one, other| share[*one].total_cmp(&share[*other]));
    let missing = trace.missing.iter().enumerate();
    missing.map(move |(idx, runs)| {
        let is_silent = runs.usual == u32::MAX && runs.run == runs.longest && runs.run >= MISSING_RUN;
        is_dropout(runs) || is_silent && top_idx == Some(idx)
    })
}

/// Whether the channel had no value for longer than it uses to, or has one again after it had none for long.
fn is_dropout(of: &MissingRuns) -> bool {
    let is_unusual = of.longest > of.usual.saturating_mul(MISSING_FACTOR);
    let is_back = of.usual == u32::MAX && of.run == 0;
    of.longest >= MISSING_RUN && (is_unusual || is_back)
}

/// Whether the channel repeated a value longer than chance would have it, for a fair part of the event.
fn is_stuck(of: &ChannelTrace, n_rows: usize) -> bool {
    of.is_continuous
        && f64::from(of.longest_run) >= STUCK_PART * n_rows as f64
        && is_unlikely_run(of.longest_run, of.n_repeats, of.n_steps)
}

/// Whether chance would not have so long a `run` of repeats, at the rate of the others of `n_repeats` in `n_steps`.
pub(super) fn is_unlikely_run(run: u32, n_repeats: u32, n_steps: u32) -> bool {
    let (repeats, steps) = (n_repeats.saturating_sub(run), n_steps.saturating_sub(run));
    let rate = (f64::from(repeats) + 1.0) / (f64::from(steps) + 2.0);
    let n_places = (f64::from(steps) / STUCK_ROWS).max(1.0);
    run >= STUCK_RUN && -f64::from(run) * libm::log(rate) > STUCK_EVIDENCE + libm::log(n_places)
}

/// The kind by what the channel did that makes most of the event.
fn of_channel(of: &ChannelTrace, n_rows: usize) -> EventKind {
    let mut first = 0;
    let bins = of.bins.iter().take_while(|bin| {
        let is_in = first < n_rows;
        first += bin.n_rows as usize;
        is_in
    });
    let bins: Vec<_> = bins.filter(|bin| bin.n_observed > 0).collect();
    let is_outside = bins.iter().any(|bin| bin.outside > 0.0);
    if !is_outside {
        // A channel may be noisy within its range.
        let is_known = of.is_continuous && of.n_context >= CONTEXT_MIN;
        return if is_known && Shape::new(of, &bins).is_some_and(|shape| shape.is_noisy()) {
            EventKind::Noise
        } else {
            EventKind::CorrelationBreak
        };
    }
    if !of.is_continuous || of.n_context < CONTEXT_MIN || of.was_outside {
        return EventKind::OutOfRange;
    }
    match Shape::new(of, &bins) {
        None => EventKind::OutOfRange,
        Some(shape) if shape.is_noisy() => EventKind::Noise,
        Some(shape) if shape.is_brief && shape.height > SPIKE_HEIGHT => EventKind::Spike,
        Some(shape) if shape.jumped => EventKind::LevelShift,
        Some(_) => EventKind::Drift,
    }
}

/// How a channel moved during an event, measured by its largest deviation from where it was before.
struct Shape {
    /// The largest deviation, in usual steps.
    height: f64,
    /// It was off by more than half of that, to the same side, in a few rows alone, and came back.
    is_brief: bool,
    /// It came there by a jump, in the first half of the event: one in the second half is how a drift ends.
    jumped: bool,
    /// The largest deviation to the other side.
    swing: f64,
    /// Places with a jump.
    n_jumps: usize,
    /// Steps against usual ones: what half of the places stay below, and seven tenths.
    steps: [f64; 2],
}

impl Shape {
    /// `None` where the channel did not move away at all.
    fn new(of: &ChannelTrace, bins: &[&Bin]) -> Option<Self> {
        let deviation = |bin: &Bin| bin.sum / f64::from(bin.n_observed) - of.base;
        let mut largest = 0.0_f64;
        for bin in bins {
            let of_bin = deviation(bin);
            if of_bin.abs() > largest.abs() {
                largest = of_bin;
            }
        }
        let most = largest.abs();
        if most <= 0.0 {
            return None;
        }
        let towards = |bin: &Bin| deviation(bin) * largest.signum();
        let is_back = bins.last().is_some_and(|bin| towards(bin) <= 0.5 * most);
        let is_high = |bin: &&&Bin| towards(bin) > 0.5 * most;
        let n_high: usize = bins.iter().filter(is_high).map(|bin| bin.n_rows as usize).sum();
        let first_high = bins.iter().position(|bin| is_high(&bin)).unwrap_or(0);
        // The jump may be the last step of the bin before.
        let rise = &bins[first_high.saturating_sub(1)..=first_high];
        let is_jump = |bin: &&&Bin| bin.step_max > JUMP * most;
        let mut steps: Vec<f64> = bins
            .iter()
            .filter(|bin| bin.n_steps > 0)
            .map(|bin| (bin.steps_squared / f64::from(bin.n_steps)).sqrt() / of.step)
            .collect();
        steps.sort_by(f64::total_cmp);
        let steps = if steps.is_empty() {
            [0.0; 2]
        } else {
            [median_sorted(&steps), quantile_sorted(&steps, 0.7)]
        };
        Some(Self {
            height: most / of.step,
            is_brief: is_back && n_high <= SPIKE_ROWS.max(SPIKE_BINS * of.stride),
            jumped: 2 * first_high < bins.len() && rise.iter().any(|bin| is_jump(&bin)),
            swing: bins.iter().map(|bin| -towards(bin)).fold(0.0, f64::max) / most,
            n_jumps: bins.iter().filter(is_jump).count(),
            steps,
        })
    }

    fn is_noisy(&self) -> bool {
        let [median, upper] = self.steps;
        median > NOISE_MEDIAN && self.n_jumps >= NOISE_JUMPS
            || upper > NOISE_UPPER && self.n_jumps >= SWING_JUMPS && self.swing > NOISE_SWING
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventRule;
    use super::super::trace::{Context, Watched};
    use super::*;

    /// The kind of an event of so many rows of two channels, of which the first makes nearly all.
    fn kind(n_rows: usize, row: impl Fn(usize, bool) -> [f64; 2]) -> EventKind {
        let watched = Watched::unbounded(2);
        let mut context = Context::new(&watched, &EventRule::for_window(30));
        for idx in 0..50 {
            let row = row(idx, false);
            context.push(&row, Some(&row.map(|value| !value.is_nan())));
        }
        let mut trace = Trace::new(&context, 0, &watched, &[0.99, 0.01]);
        for idx in 0..n_rows {
            trace.push(&row(50 + idx, true).map(|value| value as f32), &watched);
        }
        classify(&trace, n_rows, &[0.99, 0.01])
    }

    fn chance(idx: usize) -> f64 {
        let mixed = (idx as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Noise of twelve standard deviations over 4,000 rows was called stuck, because a channel beside it that is
    /// written to few digits stood still for a dozen rows, as such channels do.
    #[test]
    fn a_long_noise_is_no_stuck_channel_because_another_one_is_calm_for_a_while() {
        let calm = |idx: usize| {
            if idx % 500 < 40 {
                3.0
            } else {
                (10.0 * chance(idx + 9)).floor()
            }
        };
        let noisy = |idx: usize, is_event: bool| {
            let times = if is_event { 12.0 } else { 1.0 };
            [times * (chance(idx) - 0.5), calm(idx)]
        };
        assert_eq!(kind(4000, noisy), EventKind::Noise);
        // Where a channel does stand still for the whole event, it is stuck.
        for n_rows in [20, 60, 4000] {
            let stuck =
                |idx: usize, is_event: bool| [if is_event { 0.25 } else { chance(idx) }, chance(idx + 7)];
            assert_eq!(kind(n_rows, stuck), EventKind::Stuck, "{n_rows}");
        }
    }

    #[test]
    fn a_channel_that_nobody_saw_a_value_of_is_out_where_it_makes_most_of_the_event() {
        assert_eq!(kind(100, |idx, _| [f64::NAN, chance(idx)]), EventKind::Dropout);
        assert_ne!(kind(100, |idx, _| [chance(idx), f64::NAN]), EventKind::Dropout);
    }

    #[test]
    fn runs_that_chance_explains_grow_with_the_number_of_places() {
        // Every other row repeats: thirteen in a row are once in 8,192.
        assert!(is_unlikely_run(14, 14 + 25, 14 + 50));
        assert!(!is_unlikely_run(14, 14 + 2000, 14 + 4000));
        assert!(is_unlikely_run(20, 20 + 2000, 20 + 4000));
    }
}
