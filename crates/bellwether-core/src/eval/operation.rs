//! What a shift has to live with: events missed, warning before they came, hours in alarm.

use std::time::Duration;

use super::delay::WEEK_S;
use super::{EvalError, check_len, check_time, runs, watched};
use crate::time::{Spacing, Timestamp};

/// Alarms ahead of the instants that they should have warned of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    /// Mean time from the first alarm within the horizon to the instant, over those that were announced, in seconds; `None`
    /// where none was.
    pub mean_s: Option<f64>,
    /// Instants with an alarm within the horizon before them.
    pub n_announced: usize,
    /// Instants asked for that lie within the data.
    pub n: usize,
}

/// How long `predicted` was ahead of each instant of `onsets`: the start of an event, or a failure that an event ends in.
///
/// # Shapes
/// `predicted` and `time`: `[n_samples]`, in time order. Instants before the first sample or behind the last are passed
/// over: nothing could have been said of them.
///
/// An alarm counts where its sample lies within `horizon` before the instant, and not at it. An alarm that went on for
/// longer counts as the horizon and no more, so a detector that is always in alarm has the horizon for its lead: read it
/// beside the [`hours_in_alarm`].
///
/// # Errors
/// Lengths that differ, no samples, or time that does not rise.
pub fn lead(
    predicted: &[bool],
    time: &[Timestamp],
    onsets: &[Timestamp],
    horizon: Duration,
) -> Result<Lead, EvalError> {
    check_len(predicted, "time", time.len())?;
    check_time(predicted, time)?;
    let (mut sum_s, mut n_announced, mut n) = (0.0, 0, 0);
    for &onset in onsets {
        let end = time.partition_point(|&at| at < onset);
        if end == 0 || end == time.len() {
            continue;
        }
        n += 1;
        let first = time.partition_point(|&at| at.plus(horizon) < onset);
        if let Some(offset) = predicted[first..end].iter().position(|&marked| marked) {
            sum_s += onset.since(time[first + offset]).as_secs_f64();
            n_announced += 1;
        }
    }
    Ok(Lead {
        mean_s: (n_announced > 0).then(|| sum_s / n_announced as f64),
        n_announced,
        n,
    })
}

/// Hours in alarm per week of data, right or wrong; each sample stands for the time to the next one, or for one cadence
/// before a gap. `None` with fewer than two samples.
///
/// # Errors
/// Lengths that differ, no samples, or time that does not rise.
pub fn hours_in_alarm(predicted: &[bool], time: &[Timestamp]) -> Result<Option<f64>, EvalError> {
    check_len(predicted, "time", time.len())?;
    check_time(predicted, time)?;
    let cadence = Spacing::infer(time).map_or(Duration::ZERO, |spacing| spacing.cadence);
    let in_alarm = watched(time, cadence, |idx| predicted[idx]).as_secs_f64();
    let in_all = watched(time, cadence, |_| true).as_secs_f64();
    Ok((in_all > 0.0).then(|| in_alarm / 3600.0 / (in_all / WEEK_S)))
}

/// First instants of the labelled events.
///
/// # Panics
/// Where there is not one label per instant: a bug of the caller.
pub fn onsets(labels: &[bool], time: &[Timestamp]) -> Vec<Timestamp> {
    assert_eq!(labels.len(), time.len(), "one label per instant");
    runs(labels).iter().map(|event| time[event.start]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.chars().map(|c| c == '1').collect()
    }

    fn every_10_s(n: usize) -> Vec<Timestamp> {
        (0..n as i64).map(|idx| Timestamp::from_secs(10 * idx)).collect()
    }

    #[test]
    fn lead_is_the_first_alarm_within_the_horizon() {
        let check = |predicted: &str, onsets: &[i64], mean_s: Option<f64>, n_announced: usize, n: usize| {
            let onsets: Vec<_> = onsets.iter().map(|&at| Timestamp::from_secs(at)).collect();
            let time = every_10_s(predicted.len());
            let got = lead(&flags(predicted), &time, &onsets, Duration::from_secs(30)).unwrap();
            let want = Lead {
                mean_s,
                n_announced,
                n,
            };
            assert_eq!(got, want, "{predicted} {onsets:?}");
        };
        check("0001000000", &[50], Some(20.0), 1, 1);
        // At the edge of the horizon it counts, one sample before it does not, and at the onset neither.
        check("0010000000", &[50], Some(30.0), 1, 1);
        check("0100000000", &[50], None, 0, 1);
        check("0000010000", &[50], None, 0, 1);
        // Always in alarm: the horizon. Of two onsets one is announced, one outside of the data counts for nothing.
        check("1111111111", &[50], Some(30.0), 1, 1);
        check("0001000000", &[50, 90, 5000, -10], Some(20.0), 1, 2);
    }

    #[test]
    fn hours_in_alarm_leave_gaps_out() {
        // Hourly samples, a week of silence after the fourth: 7 h of data, of which 2 h are in alarm.
        let time = [0, 1, 2, 3, 171, 172, 173].map(|hour| Timestamp::from_secs(3600 * hour));
        let got = hours_in_alarm(&flags("0001001"), &time).unwrap().unwrap();
        assert!((got - 2.0 / 7.0 * 168.0).abs() < 1e-9, "{got}");
        assert_eq!(hours_in_alarm(&[true], &time[..1]).unwrap(), None);
        assert_eq!(onsets(&flags("0110010"), &time), [time[1], time[5]]);
    }
}
