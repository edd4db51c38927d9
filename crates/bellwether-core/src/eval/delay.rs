//! What an operator feels: how late the alarm came, what it missed, how often it cried wolf.

use std::time::Duration;

use super::{EvalError, check_event, check_len, check_time, runs, watched};
use crate::time::{Spacing, Timestamp};

pub(super) const WEEK_S: f64 = 7.0 * 86_400.0;

/// How late events were found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionDelay {
    /// Mean time from the start of an event to its first predicted sample, over detected events, in seconds;
    /// `None` where none was detected. A missed event has no delay: read it beside `n_missed`.
    pub mean_s: Option<f64>,
    /// Events with a predicted sample.
    pub n_detected: usize,
    /// Events without one.
    pub n_missed: usize,
}

/// Alarms that no event explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FalseAlarms {
    /// Predicted runs that touch no labelled sample.
    pub n: usize,
    /// Time that the unlabelled samples stand for: each reaches to the next sample, or one cadence where that is
    /// a gap (more than one and a half cadences) or the end. Gaps thus do not dilute the rate.
    pub watched: Duration,
}

impl FalseAlarms {
    /// Alarms per week of watched time; `None` where nothing was watched (every sample labelled, or only one
    /// sample, which has no cadence).
    pub fn per_week(&self) -> Option<f64> {
        let weeks = self.watched.as_secs_f64() / WEEK_S;
        (weeks > 0.0).then(|| self.n as f64 / weeks)
    }
}

/// How late `predicted` finds the events of `labels`; all `[n_samples]`, in time order.
///
/// # Errors
/// Lengths that differ, no samples, no labelled sample, or time that does not rise.
pub fn detection_delay(
    labels: &[bool],
    predicted: &[bool],
    time: &[Timestamp],
) -> Result<DetectionDelay, EvalError> {
    check_len(labels, "predicted", predicted.len())?;
    check_time(labels, time)?;
    check_event(labels)?;
    let events = runs(labels);
    let mut sum_s = 0.0;
    let mut n_detected = 0;
    for event in &events {
        let start = event.start;
        if let Some(offset) = predicted[event.clone()].iter().position(|&marked| marked) {
            sum_s += time[start + offset].since(time[start]).as_secs_f64();
            n_detected += 1;
        }
    }
    Ok(DetectionDelay {
        mean_s: (n_detected > 0).then(|| sum_s / n_detected as f64),
        n_detected,
        n_missed: events.len() - n_detected,
    })
}

/// The alarms of `predicted` that no label explains; all `[n_samples]`, in time order. A run that reaches into
/// an event from outside is early or late, not false.
///
/// # Errors
/// Lengths that differ, no samples, or time that does not rise. Labels without an event are fine.
pub fn false_alarms(
    labels: &[bool],
    predicted: &[bool],
    time: &[Timestamp],
) -> Result<FalseAlarms, EvalError> {
    check_len(labels, "predicted", predicted.len())?;
    check_time(labels, time)?;
    let n = runs(predicted)
        .into_iter()
        .filter(|run| !labels[run.clone()].contains(&true))
        .count();
    let cadence = Spacing::infer(time).map_or(Duration::ZERO, |spacing| spacing.cadence);
    let watched = watched(time, cadence, |idx| !labels[idx]);
    Ok(FalseAlarms { n, watched })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.chars().map(|c| c == '1').collect()
    }

    #[test]
    fn delay_runs_from_event_start_to_first_predicted_sample_within() {
        let check = |labels: &str, predicted: &str, mean_s: Option<f64>, n_missed: usize| {
            let time: Vec<_> = (0..labels.len() as i64)
                .map(|idx| Timestamp::from_secs(10 * idx))
                .collect();
            let got = detection_delay(&flags(labels), &flags(predicted), &time).unwrap();
            assert_eq!((got.mean_s, got.n_missed), (mean_s, n_missed));
        };
        check("01110", "01110", Some(0.0), 0);
        check("01110", "00010", Some(20.0), 0);
        // Late by 10 s, by 0 s, and missed; an alarm before the start is no detection by itself.
        check("0110010011", "0011010000", Some(5.0), 1);
        check("01110", "10001", None, 1);
    }

    #[test]
    fn false_alarms_are_counted_per_unlabelled_time_without_gaps() {
        // Hourly samples with a week of silence after the fourth; alarms at 0 (false) and 4..6 (touches the event).
        let hours = [0, 1, 2, 3, 171, 172, 173].map(|hour| Timestamp::from_secs(3600 * hour));
        let got = false_alarms(&flags("0000010"), &flags("1000110"), &hours).unwrap();
        assert_eq!((got.n, got.watched), (1, Duration::from_secs(6 * 3600)));
        assert!((got.per_week().unwrap() - 28.0).abs() < 1e-12);
        // No event at all: still a rate. All labelled: nothing watched.
        assert_eq!(false_alarms(&[false; 7], &flags("1010100"), &hours).unwrap().n, 3);
        assert_eq!(
            false_alarms(&[true; 7], &[true; 7], &hours).unwrap().per_week(),
            None
        );
        assert_eq!(
            false_alarms(&[false], &[true], &hours[..1]).unwrap().per_week(),
            None
        );
    }
}
