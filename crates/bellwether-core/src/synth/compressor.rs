//! Template `compressor`: a screw compressor that fills and empties its air receiver within a pressure band.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 8] = [
    Instrument::new("air_flow_m3min", "m³/min", 0.05, 100.0, (0.0, 40.0)),
    Instrument::new("receiver_pressure_bar", "bar", 0.01, 100.0, (0.0, 16.0)),
    Instrument::new("load_percent", "%", 0.3, 10.0, (0.0, 100.0)),
    Instrument::new("motor_power_kw", "kW", 0.3, 10.0, (0.0, 200.0)),
    Instrument::new("oil_temp_c", "°C", 0.15, 10.0, (-20.0, 150.0)),
    Instrument::new("discharge_temp_c", "°C", 0.2, 10.0, (-20.0, 200.0)),
    Instrument::new("dewpoint_c", "°C", 0.08, 10.0, (-80.0, 40.0)),
    Instrument::new("vibration_mm_s", "mm/s", 0.05, 100.0, (0.0, 50.0)),
];

pub(super) static CONDUCT: [Conduct; 8] = [
    Conduct::rests_at(0.0, 10.0),
    // The receiver leaks.
    Conduct::rests_at(0.0, 7200.0),
    Conduct::rests_at(0.0, 2.0).wears(4.0),
    Conduct::rests_at(0.0, 2.0).wears(6.0),
    Conduct::cools(3600.0).wears(9.0),
    Conduct::cools(3000.0).wears(12.0),
    Conduct::cools(7200.0).wears(3.0),
    Conduct::rests_at(0.05, 20.0).wears(3.0),
];

/// Workshops by day, hardly any demand at the weekend.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.60,
    daily: 0.17,
    peak_hour: 11.0,
    weekend: 0.20,
    slow: 0.05,
    fast: 0.03,
};

/// Time from cut-in to cut-out and back, s.
const CYCLE_SECS: f64 = 5400.0;

#[derive(Debug)]
pub(super) struct Compressor {
    rated_m3min: f64,
    specific_kw: f64,
    idle_kw: f64,
    cut_in_bar: f64,
    roughness_mm_s: f64,
    /// Where in its cycle the receiver is, in [0, 1).
    cycle: f64,
    cycle_step: f64,
    oil: Lag,
    dryer: Lag,
}

impl Compressor {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_m3min: device.near(16.0, 0.01),
            specific_kw: device.near(5.6, 0.015),
            idle_kw: device.near(19.0, 0.03),
            cut_in_bar: device.near(6.8, 0.005),
            roughness_mm_s: device.near(1.6, 0.08),
            cycle: device.unit(),
            cycle_step: cadence.as_secs_f64() / CYCLE_SECS,
            oil: Lag::new(900.0, cadence),
            dryer: Lag::new(3600.0, cadence),
        }
    }
}

impl Physics for Compressor {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let demand = self.rated_m3min * duty * (1.0 + 0.02 * flutter);
        // The receiver fills and empties once a cycle; the machine gives more than the demand while it fills.
        let phase = std::f64::consts::TAU * self.cycle;
        let filling = libm::cos(phase);
        let pressure = self.cut_in_bar + 0.4 + 0.35 * libm::sin(phase);
        let load = (duty + 0.18 * filling).clamp(0.0, 1.0);
        self.cycle = (self.cycle + self.cycle_step * (1.0 + 0.1 * flutter)).rem_euclid(1.0);

        // Work grows with the pressure that is pumped against; the condition is the clogging of the filter.
        let effort = self.specific_kw * (1.0 + 0.07 * (pressure - 7.0)) * (1.0 + 0.01 * condition);
        let power = self.idle_kw + (effort - self.idle_kw / self.rated_m3min) * self.rated_m3min * load;
        let oil = self.oil.follow(38.0 + 0.7 * ambient_c + 0.25 * power);
        let discharge = oil + 6.0 + 9.0 * load;
        let dewpoint = self.dryer.follow(1.0 + 0.15 * ambient_c + 3.0 * duty);
        let vibration = self.roughness_mm_s + 0.9 * load + 0.05 * flutter;
        truth.copy_from_slice(&[
            demand,
            pressure,
            100.0 * load,
            power,
            oil,
            discharge,
            dewpoint,
            vibration,
        ]);
    }
}
