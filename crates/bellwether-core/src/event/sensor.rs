//! Whether an event is the fault of one sensor, or of the device or what records it.
//!
//! A stuck, noisy or silent channel is a sensor's fault where it is the only one while the others go on as before. Where
//! most channels do the same, the device stands still or nothing is recorded. Anything between, and any other kind of
//! event, may be the process itself: nothing is said.

use super::{Event, EventKind};
use crate::frame::Frame;
use crate::time::Timestamp;
use crate::transform::scale::DISCRETE_VALUES_MAX;
use crate::validate::Fault;

/// What goes on may have begun so many rows before the score rose.
const LEAD_ROWS: usize = 32;

/// So many rows before that tell what is usual.
const CONTEXT_ROWS: usize = 256;

/// Fewer tell nothing.
const CONTEXT_ROWS_MIN: usize = 32;

/// Rows of an event that are looked at, the first of them.
const EVENT_ROWS_MAX: usize = 4096;

/// So many rows in a row without a value, or with the same one, and so many times the usual longest run.
const MISSING_ROWS: usize = 4;
const SAME_ROWS: usize = 6;
const RUN_TIMES: usize = 2;

/// Steps so many times the usual ones are noise; below so many a channel is calm.
const NOISE_TIMES: f64 = 2.0;

/// Most channels.
const MOST: f64 = 0.75;

/// Whose fault an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFault {
    /// One sensor alone, or the device.
    pub fault: Fault,
    /// The column of the frame, where it is one sensor.
    pub channel_idx: Option<usize>,
}

/// Whose fault the event is, as far as the rows of its series tell. `columns` are those of the frame that were judged.
pub fn event_fault(event: &Event, frame: &Frame, columns: &[usize]) -> Option<EventFault> {
    let at = |time: Timestamp| frame.time().partition_point(|other| *other < time);
    let (start, end) = (at(event.start), at(event.end).min(frame.n_samples() - 1));
    let begin = start.saturating_sub(LEAD_ROWS);
    let end = end.min(start + EVENT_ROWS_MAX);
    let context = begin.saturating_sub(CONTEXT_ROWS)..begin;
    let has_context = context.len() >= CONTEXT_ROWS_MIN;
    let does = |column: usize| -> Option<bool> {
        let values = |rows: std::ops::Range<usize>| rows.map(move |row| frame.sample(row).values[column]);
        let (before, during) = (values(context.clone()), values(begin..end + 1));
        match event.kind {
            EventKind::Dropout => Some(is_longer(
                longest(during, f64::is_nan),
                longest(before, f64::is_nan),
                MISSING_ROWS,
            )),
            EventKind::Stuck => is_continuous(before.clone().chain(during.clone()))
                .then(|| is_longer(longest_same(during), longest_same(before), SAME_ROWS)),
            EventKind::Noise => {
                let usual = step(before).filter(|usual| has_context && *usual > 0.0)?;
                Some(step(values(start..end + 1))? > NOISE_TIMES * usual)
            }
            _ => None,
        }
    };
    let told: Vec<(usize, bool)> = columns
        .iter()
        .filter_map(|column| Some((*column, does(*column)?)))
        .collect();
    let doing: Vec<usize> = told
        .iter()
        .filter(|(_, does)| *does)
        .map(|(column, _)| *column)
        .collect();
    match doing.as_slice() {
        [only] if told.len() > 1 => Some(EventFault {
            fault: Fault::Sensor,
            channel_idx: Some(*only),
        }),
        [_, _, ..] if doing.len() as f64 >= MOST * told.len() as f64 => Some(EventFault {
            fault: Fault::Device,
            channel_idx: None,
        }),
        _ => None,
    }
}

fn is_longer(run: usize, usual: usize, least: usize) -> bool {
    run >= least && run > RUN_TIMES * usual
}

fn longest(values: impl Iterator<Item = f64>, is_in: impl Fn(f64) -> bool) -> usize {
    let (mut run, mut longest) = (0, 0);
    for value in values {
        run = if is_in(value) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Repeats of a value in a row.
fn longest_same(values: impl Iterator<Item = f64>) -> usize {
    let mut last = f64::NAN;
    let repeats = values.map(|value| {
        let step = value - last;
        last = value;
        step
    });
    longest(repeats, |step| step == 0.0)
}

fn is_continuous(values: impl Iterator<Item = f64>) -> bool {
    let mut distinct: Vec<f64> = Vec::with_capacity(DISCRETE_VALUES_MAX);
    for value in values.filter(|value| !value.is_nan()) {
        if !distinct.contains(&value) {
            if distinct.len() == DISCRETE_VALUES_MAX {
                return true;
            }
            distinct.push(value);
        }
    }
    false
}

/// Median of the steps from value to value, without their signs; `None` where there is none.
fn step(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let steps = values
        .clone()
        .zip(values.skip(1))
        .map(|(one, next)| (next - one).abs());
    let sorted = crate::quantile::sorted_finite(steps);
    (!sorted.is_empty()).then(|| crate::quantile::median_sorted(&sorted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::frame::{Channel, SeriesId};

    const N: usize = 600;

    fn rows() -> Vec<[f64; 4]> {
        let noise = |row: usize, channel: usize| ((row * 7919 + channel * 104_729) % 1009) as f64 / 1009.0;
        let row = |idx: usize| {
            [
                noise(idx, 0),
                noise(idx, 1) * 10.0,
                noise(idx, 2),
                f64::from(idx as u32 / 100 % 2),
            ]
        };
        (0..N).map(row).collect()
    }

    fn said(kind: EventKind, change: impl Fn(&mut [f64; 4], &[f64; 4])) -> Option<EventFault> {
        let mut rows = rows();
        let first = rows[400];
        rows[400..500].iter_mut().for_each(|row| change(row, &first));
        let channels: Vec<Channel> = ["a", "b", "c", "on"].map(Channel::new).into();
        let time: Vec<_> = (0..N as i64).map(Timestamp::from_secs).collect();
        let frame = Frame::new(channels, time, rows.concat()).unwrap();
        let start = Timestamp::from_secs(410);
        let event = Event {
            id: EventId::new(&SeriesId::new("s"), start),
            start,
            end: Timestamp::from_secs(499),
            peak_time: start,
            peak_score: 3.0,
            n_samples: 90,
            is_open: false,
            shares: vec![0.25; 4],
            members: vec![1.0],
            confidence: 1.0,
            kind,
        };
        event_fault(&event, &frame, &[0, 1, 2, 3])
    }

    #[test]
    fn one_channel_is_a_sensor_and_most_are_the_device() {
        let sensor = |idx| {
            Some(EventFault {
                fault: Fault::Sensor,
                channel_idx: Some(idx),
            })
        };
        let device = Some(EventFault {
            fault: Fault::Device,
            channel_idx: None,
        });
        assert_eq!(said(EventKind::Stuck, |row, first| row[1] = first[1]), sensor(1));
        assert_eq!(said(EventKind::Stuck, |row, first| *row = *first), device);
        assert_eq!(
            said(EventKind::Stuck, |row, first| row[..2]
                .copy_from_slice(&first[..2])),
            None
        );
        assert_eq!(said(EventKind::Dropout, |row, _| row[2] = f64::NAN), sensor(2));
        assert_eq!(said(EventKind::Dropout, |row, _| *row = [f64::NAN; 4]), device);
        assert_eq!(said(EventKind::Noise, |row, _| row[0] *= 5.0), sensor(0));
        assert_eq!(
            said(EventKind::Noise, |row, _| row
                .iter_mut()
                .for_each(|value| *value *= 5.0)),
            device
        );
        // What the process may do is nobody's fault.
        assert_eq!(said(EventKind::LevelShift, |row, _| row[0] += 5.0), None);
        assert_eq!(said(EventKind::Stuck, |_, _| ()), None);
    }
}
