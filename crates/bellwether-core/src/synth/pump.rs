//! Template `pump`: a variable-speed centrifugal pump that feeds a water network.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 8] = [
    Instrument::new("speed_rpm", "1/min", 1.5, 1.0, (0.0, 3000.0)),
    Instrument::new("flow_m3h", "m³/h", 0.6, 10.0, (0.0, 250.0)),
    Instrument::new("pressure_in_bar", "bar", 0.008, 1000.0, (0.0, 10.0)),
    Instrument::new("pressure_out_bar", "bar", 0.015, 100.0, (0.0, 16.0)),
    Instrument::new("motor_current_a", "A", 0.15, 100.0, (0.0, 100.0)),
    Instrument::new("bearing_temp_c", "°C", 0.12, 10.0, (-40.0, 200.0)),
    Instrument::new("winding_temp_c", "°C", 0.15, 10.0, (-40.0, 250.0)),
    Instrument::new("vibration_mm_s", "mm/s", 0.05, 100.0, (0.0, 50.0)),
];

pub(super) static CONDUCT: [Conduct; 8] = [
    Conduct::rests_at(0.0, 15.0),
    Conduct::rests_at(0.0, 10.0).wears(-9.0),
    Conduct::rests_at(1.9, 5.0),
    Conduct::rests_at(1.9, 10.0).wears(-0.35),
    Conduct::rests_at(0.0, 2.0).wears(4.0),
    Conduct::cools(3600.0).wears(12.0),
    Conduct::cools(2400.0).wears(8.0),
    Conduct::rests_at(0.05, 15.0).wears(3.5),
];

/// Demand for water: high by day, lower at the weekend.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.66,
    daily: 0.16,
    peak_hour: 13.0,
    weekend: 0.09,
    slow: 0.05,
    fast: 0.025,
};

/// Speed at which the parameters below are given, 1/min.
const RATED_RPM: f64 = 1480.0;
/// Metres of water to bar: ρ g / 10⁵.
const BAR_PER_M: f64 = 0.0981;

#[derive(Debug)]
pub(super) struct Pump {
    /// Head at rated speed and no flow, m.
    shutoff_head_m: f64,
    /// Head lost inside the pump, m per (m³/h)².
    pump_loss: f64,
    /// Height that the water is lifted, m.
    static_head_m: f64,
    /// Head lost in the pipes, m per (m³/h)².
    pipe_loss: f64,
    /// Flow of best efficiency at rated speed, m³/h.
    best_flow_m3h: f64,
    best_efficiency: f64,
    roughness_mm_s: f64,
    bearing: Lag,
    winding: Lag,
}

impl Pump {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            shutoff_head_m: device.near(52.0, 0.015),
            pump_loss: device.near(0.0010, 0.03),
            static_head_m: device.near(12.0, 0.03),
            pipe_loss: device.near(0.0018, 0.03),
            best_flow_m3h: device.near(105.0, 0.02),
            best_efficiency: device.near(0.78, 0.01),
            roughness_mm_s: device.near(0.7, 0.1),
            bearing: Lag::new(35.0 * 60.0, cadence),
            winding: Lag::new(18.0 * 60.0, cadence),
        }
    }
}

impl Physics for Pump {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let speed = 0.55 + 0.45 * duty;
        // Affinity laws: head grows with speed squared; where pump and pipe curves meet lies the flow.
        let pipe_loss = self.pipe_loss * (1.0 + 0.03 * flutter);
        let lift_m = (self.shutoff_head_m * speed * speed - self.static_head_m).max(0.0);
        let flow = (lift_m / (self.pump_loss + pipe_loss)).sqrt();
        let head_m = self.shutoff_head_m * speed * speed - self.pump_loss * flow * flow;

        // The condition is the level of the tank the pump sucks from.
        let pressure_in = 1.9 + 0.12 * condition - 1.6e-5 * flow * flow;
        let pressure_out = pressure_in + BAR_PER_M * head_m;

        let off_best = flow / (speed * self.best_flow_m3h) - 1.0;
        let efficiency = self.best_efficiency * (1.0 - 0.6 * off_best * off_best);
        let power_kw = 0.002_725 * flow * head_m / efficiency.max(0.1);
        // Three phases of 400 V, power factor times motor efficiency 0.80; the magnetising current is reactive.
        let active_a = power_kw * 1000.0 / (1.732_050_8 * 400.0 * 0.80);
        let current = (active_a * active_a + 11.0 * 11.0).sqrt();

        let bearing = self
            .bearing
            .follow(ambient_c + 14.0 + 22.0 * speed * speed + 0.5 * power_kw);
        let winding = self.winding.follow(ambient_c + 12.0 + 0.035 * current * current);
        let vibration =
            self.roughness_mm_s + 1.1 * speed * speed + 3.0 * off_best * off_best + 0.06 * flutter;
        truth.copy_from_slice(&[
            RATED_RPM * speed,
            flow,
            pressure_in,
            pressure_out,
            current,
            bearing,
            winding,
            vibration,
        ]);
    }
}
