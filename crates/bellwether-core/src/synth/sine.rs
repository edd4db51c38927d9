//! Template `sine`: the classic toy, sin(0.02 t + i) with noise of standard deviation 0.1.

use std::borrow::Cow;

use super::drivers::{Drivers, Rhythm};
use super::operation::Conduct;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 3] = [
    Instrument::new("sensor_1", "1", NOISE, STEPS, RANGE),
    Instrument::new("sensor_2", "1", NOISE, STEPS, RANGE),
    Instrument::new("sensor_3", "1", NOISE, STEPS, RANGE),
];

pub(super) static CONDUCT: [Conduct; 3] = [
    Conduct::rests_at(0.0, 1.0).wears(0.5),
    Conduct::rests_at(0.0, 1.0).wears(0.5),
    Conduct::rests_at(0.0, 1.0).wears(0.5),
];

const NOISE: f64 = 0.1;
const STEPS: f64 = 1e6;
const RANGE: (f64, f64) = (-10.0, 10.0);

/// Unused: a sine knows neither day nor week.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.5,
    daily: 0.0,
    peak_hour: 0.0,
    weekend: 0.0,
    slow: 0.0,
    fast: 0.0,
};

/// The instrument of channel `channel_idx`.
pub(super) fn instrument(channel_idx: usize) -> Instrument {
    Instrument {
        name: Cow::Owned(format!("sensor_{}", channel_idx + 1)),
        ..INSTRUMENTS[0].clone()
    }
}

/// t counts samples, i channels (both from 0).
#[derive(Debug)]
pub(super) struct Sine;

impl Physics for Sine {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let t = drivers.sample_idx as f64;
        for (i, value) in truth.iter_mut().enumerate() {
            *value = libm::sin(0.02 * t + i as f64);
        }
    }
}
