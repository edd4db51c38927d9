//! Whether an event is the fault of one sensor, or of the device or what records it.
//!
//! A stuck, noisy or silent channel is a sensor's fault where it is the only one while the others go on as before. Where
//! most channels do the same, the device stands still or nothing is recorded. Anything between, and any other kind of
//! event, may be the process itself: nothing is said.

use super::EventKind;
use super::kind::{dropouts, is_unlikely_run};
use super::trace::Trace;
use crate::quantile::median_sorted;
use crate::validate::Fault;

/// Fewer steps before an event say nothing of what is usual.
const STEPS_MIN: u32 = 8;

/// Steps that are so many times the usual ones in the mean are noise,
const NOISE_TIMES: f64 = 3.0;

/// where none counts for more than this many: a level that shifts is one large step.
const STEP_TIMES_MAX: f64 = 16.0;

/// Most channels.
const MOST: f64 = 0.75;

/// Whose fault an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFault {
    /// One sensor alone, or the device.
    pub fault: Fault,
    /// The channel of the model, where it is one sensor.
    pub channel_idx: Option<usize>,
}

/// What is kept of every channel to tell whose fault an event is, in scaled units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SensorTrace {
    /// The training rows have many values of it.
    pub is_continuous: bool,
    /// The last value; NaN: none, or it is missing.
    pub last: f32,
    /// Steps between neighbouring values, before the event and in it,
    pub n_steps: u32,
    /// those of them that repeat a value,
    pub n_repeats: u32,
    /// the last ones that do without a break,
    pub run: u32,
    /// and the longest such run that the event has seen.
    pub longest_run: u32,
    /// Median of the steps before the event, without their signs; 0: there are too few, or half of them repeat.
    pub usual_step: f64,
    /// Steps in the event, and the sum of them, in usual ones.
    pub n_event_steps: u32,
    /// As above.
    pub step_sum: f64,
}

impl SensorTrace {
    /// Of a channel that took these values before the event.
    pub(super) fn new(before: impl Iterator<Item = f32>, is_continuous: bool) -> Self {
        let mut trace = Self {
            is_continuous,
            last: f32::NAN,
            n_steps: 0,
            n_repeats: 0,
            run: 0,
            longest_run: 0,
            usual_step: 0.0,
            n_event_steps: 0,
            step_sum: 0.0,
        };
        let mut steps: Vec<f64> = before.filter_map(|value| trace.step_to(value)).collect();
        trace.longest_run = trace.run;
        if trace.n_steps >= STEPS_MIN {
            steps.sort_by(f64::total_cmp);
            trace.usual_step = median_sorted(&steps);
        }
        trace
    }

    /// Takes the next value of the event.
    pub(super) fn push(&mut self, value: f32) {
        if let Some(step) = self.step_to(value)
            && self.usual_step > 0.0
        {
            self.n_event_steps = self.n_event_steps.saturating_add(1);
            self.step_sum += (step / self.usual_step).min(STEP_TIMES_MAX);
        }
    }

    fn step_to(&mut self, value: f32) -> Option<f64> {
        let step = (f64::from(value) - f64::from(self.last)).abs();
        self.last = value;
        if step.is_nan() {
            self.run = 0;
            return None;
        }
        self.n_steps = self.n_steps.saturating_add(1);
        if step > 0.0 {
            self.run = 0;
        } else {
            self.n_repeats = self.n_repeats.saturating_add(1);
            self.run = self.run.saturating_add(1);
            self.longest_run = self.longest_run.max(self.run);
        }
        Some(step)
    }

    fn is_stuck(&self) -> Option<bool> {
        self.is_continuous
            .then(|| is_unlikely_run(self.longest_run, self.n_repeats, self.n_steps))
    }

    /// The median of steps is 0.67 of their root mean square where they are normal, the mean 0.8.
    fn is_noisy(&self) -> Option<bool> {
        (self.n_event_steps > 0).then(|| self.step_sum > NOISE_TIMES * f64::from(self.n_event_steps))
    }
}

/// Whose fault an event of that kind is, as far as what its channels did tells; `share` is how much of the event each makes.
pub(super) fn event_fault(kind: EventKind, trace: &Trace, share: &[f64]) -> Option<EventFault> {
    let sensors = trace.sensors.iter();
    let does: Vec<Option<bool>> = match kind {
        EventKind::Dropout => dropouts(trace, share).map(Some).collect(),
        EventKind::Stuck => sensors.map(SensorTrace::is_stuck).collect(),
        EventKind::Noise => sensors.map(SensorTrace::is_noisy).collect(),
        _ => return None,
    };
    let n_told = does.iter().flatten().count();
    let doing: Vec<usize> = (0..does.len()).filter(|idx| does[*idx] == Some(true)).collect();
    match doing.as_slice() {
        [only] if n_told > 1 => Some(EventFault {
            fault: Fault::Sensor,
            channel_idx: Some(*only),
        }),
        [_, _, ..] if doing.len() as f64 >= MOST * n_told as f64 => Some(EventFault {
            fault: Fault::Device,
            channel_idx: None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventRule;
    use super::super::trace::{Context, Watched};
    use super::*;

    const N: usize = 600;

    /// Three continuous channels and one of two states, which nothing repeats by chance.
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

    /// What is said of an event from row 410 on, of a change from row 400 on.
    fn said(kind: EventKind, change: impl Fn(&mut [f64; 4], &[f64; 4])) -> Option<EventFault> {
        let mut rows = rows();
        let first = rows[400];
        rows[400..500].iter_mut().for_each(|row| change(row, &first));
        let watched = Watched::with_states(4, &[3]);
        let mut context = Context::new(&watched, &EventRule::for_window(30));
        for row in &rows[..410] {
            context.push(row, None);
        }
        let mut trace = Trace::new(&context, 0, &watched, &[0.25; 4]);
        for row in &rows[410..500] {
            trace.push(&row.map(|value| value as f32), &watched);
        }
        event_fault(kind, &trace, &[0.25; 4])
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
        // One large step is no noise.
        assert_eq!(said(EventKind::Noise, |row, _| row[0] += 50.0), None);
    }
}
