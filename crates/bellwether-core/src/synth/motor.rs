//! Template `motor`: a three-phase induction motor of 75 kW that drives a conveyor.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 9] = [
    Instrument::new("torque_nm", "N m", 2.5, 1.0, (0.0, 1500.0)),
    Instrument::new("speed_rpm", "1/min", 0.25, 10.0, (0.0, 3000.0)),
    Instrument::new("voltage_v", "V", 0.3, 10.0, (0.0, 500.0)),
    Instrument::new("current_a", "A", 0.4, 10.0, (0.0, 500.0)),
    Instrument::new("power_kw", "kW", 0.25, 100.0, (0.0, 150.0)),
    Instrument::new("power_factor", "1", 0.003, 1000.0, (0.0, 1.0)),
    Instrument::new("winding_temp_c", "°C", 0.2, 10.0, (-40.0, 250.0)),
    Instrument::new("bearing_temp_c", "°C", 0.12, 10.0, (-40.0, 200.0)),
    Instrument::new("vibration_mm_s", "mm/s", 0.04, 100.0, (0.0, 50.0)),
];

pub(super) static CONDUCT: [Conduct; 9] = [
    Conduct::rests_at(0.0, 10.0).wears(0.0),
    Conduct::rests_at(0.0, 30.0).wears(-1.5),
    // The grid stays when the motor stops.
    Conduct::unmoved(),
    Conduct::rests_at(0.0, 5.0).wears(6.0),
    Conduct::rests_at(0.0, 5.0).wears(3.0),
    Conduct::rests_at(0.0, 5.0).wears(-0.02),
    Conduct::cools(2400.0).wears(12.0),
    Conduct::cools(3600.0).wears(15.0),
    Conduct::rests_at(0.1, 30.0).wears(4.0),
];

/// Bulk goods in two shifts on working days, one at the weekend.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.64,
    daily: 0.15,
    peak_hour: 12.5,
    weekend: 0.12,
    slow: 0.05,
    fast: 0.03,
};

const RATED_KW: f64 = 75.0;
const RATED_V: f64 = 400.0;
/// Four poles at 50 Hz.
const SYNCHRONOUS_RPM: f64 = 1500.0;

#[derive(Debug)]
pub(super) struct Motor {
    /// Share of the synchronous speed that is missing at rated load and voltage.
    rated_slip: f64,
    /// Losses that do not depend on the load: iron and friction, kW.
    fixed_kw: f64,
    /// Losses in the windings at rated current, kW.
    copper_kw: f64,
    /// Reactive power of the magnetising current at rated voltage, kvar.
    magnetising_kvar: f64,
    balance_mm_s: f64,
    winding: Lag,
    bearing: Lag,
}

impl Motor {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_slip: device.near(0.013, 0.03),
            fixed_kw: device.near(2.1, 0.03),
            copper_kw: device.near(2.6, 0.03),
            magnetising_kvar: device.near(30.0, 0.02),
            balance_mm_s: device.near(0.8, 0.1),
            winding: Lag::new(25.0 * 60.0, cadence),
            bearing: Lag::new(50.0 * 60.0, cadence),
        }
    }
}

impl Physics for Motor {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let load = duty * (1.0 + 0.02 * flutter);
        // The condition is the voltage of the grid, which falls along the cable with the motor's own load.
        let voltage = RATED_V + 2.5 * condition - 14.0 * (load - 0.6);
        let tension = voltage / RATED_V;
        // Torque near the synchronous speed grows with slip and with the square of the voltage.
        let slip = self.rated_slip * load / (tension * tension);
        let speed = SYNCHRONOUS_RPM * (1.0 - slip);
        let shaft_kw = RATED_KW * load;
        let torque = shaft_kw * 1000.0 / (std::f64::consts::TAU * speed / 60.0);

        let copper_kw = self.copper_kw * load * load / (tension * tension);
        let power = shaft_kw + self.fixed_kw * tension * tension + copper_kw;
        let reactive = self.magnetising_kvar * tension * tension + 0.10 * power;
        let apparent = (power * power + reactive * reactive).sqrt();
        let current = apparent * 1000.0 / (1.732_050_8 * voltage);

        let winding = self
            .winding
            .follow(ambient_c + 14.0 + 16.0 * (copper_kw + 0.4 * self.fixed_kw));
        let bearing = self
            .bearing
            .follow(ambient_c + 17.0 + 18.0 * load + 0.06 * (winding - ambient_c));
        let vibration = self.balance_mm_s + 0.9 * load + 0.05 * flutter;
        truth.copy_from_slice(&[
            torque,
            speed,
            voltage,
            current,
            power,
            power / apparent,
            winding,
            bearing,
            vibration,
        ]);
    }
}
