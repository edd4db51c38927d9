//! Template `turbine`: a single-shaft gas turbine that drives a generator on the grid.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 10] = [
    Instrument::new("power_mw", "MW", 0.05, 100.0, (0.0, 60.0)),
    Instrument::new("speed_rpm", "1/min", 0.15, 10.0, (0.0, 4000.0)),
    Instrument::new("fuel_flow_kg_s", "kg/s", 0.008, 1000.0, (0.0, 5.0)),
    Instrument::new("inlet_temp_c", "°C", 0.15, 10.0, (-40.0, 60.0)),
    Instrument::new("discharge_pressure_bar", "bar", 0.03, 100.0, (0.0, 30.0)),
    Instrument::new("discharge_temp_c", "°C", 0.6, 10.0, (0.0, 600.0)),
    Instrument::new("exhaust_temp_c", "°C", 0.8, 10.0, (0.0, 800.0)),
    Instrument::new("oil_temp_c", "°C", 0.12, 10.0, (-20.0, 150.0)),
    Instrument::new("bearing_temp_c", "°C", 0.15, 10.0, (-20.0, 200.0)),
    Instrument::new("vibration_mm_s", "mm/s", 0.04, 100.0, (0.0, 50.0)),
];

pub(super) static CONDUCT: [Conduct; 10] = [
    Conduct::rests_at(0.0, 20.0),
    Conduct::rests_at(0.0, 300.0),
    Conduct::rests_at(0.0, 2.0).wears(0.12),
    Conduct::unmoved(),
    // A fouled compressor.
    Conduct::rests_at(1.013, 60.0).wears(-0.5),
    Conduct::cools(1200.0).wears(8.0),
    Conduct::cools(1800.0).wears(14.0),
    Conduct::cools(5400.0).wears(3.0),
    Conduct::cools(3600.0).wears(6.0),
    Conduct::rests_at(0.05, 300.0).wears(2.5),
];

/// Follows the demand for electricity.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.74,
    daily: 0.13,
    peak_hour: 17.0,
    weekend: 0.08,
    slow: 0.04,
    fast: 0.015,
};

#[derive(Debug)]
pub(super) struct Turbine {
    rated_mw: f64,
    efficiency: f64,
    pressure_ratio: f64,
    compressor_efficiency: f64,
    exhaust_c: f64,
    balance_mm_s: f64,
    oil: Lag,
    bearing: Lag,
    exhaust: Lag,
}

impl Turbine {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_mw: device.near(42.0, 0.005),
            efficiency: device.near(0.365, 0.008),
            pressure_ratio: device.near(15.8, 0.008),
            compressor_efficiency: device.near(0.86, 0.006),
            exhaust_c: device.near(545.0, 0.006),
            balance_mm_s: device.near(1.4, 0.08),
            oil: Lag::new(1800.0, cadence),
            bearing: Lag::new(600.0, cadence),
            exhaust: Lag::new(45.0, cadence),
        }
    }
}

impl Physics for Turbine {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let power = self.rated_mw * duty;
        // The grid holds the speed; a per mille of frequency error at most.
        let speed = 3000.0 + 0.8 * flutter;
        let warmth = (ambient_c - 15.0) / 100.0;
        // The condition is how clean the compressor is.
        let fouling = 1.0 - 0.004 * condition;
        let part_load = 1.0 - 0.32 * (1.0 - duty) * (1.0 - duty);
        // Natural gas: 49 MJ/kg.
        let fuel = power / (self.efficiency * part_load * (1.0 - 0.12 * warmth) * fouling * 49.0);

        let ratio = self.pressure_ratio * (0.62 + 0.38 * duty) * (1.0 - 0.25 * warmth) / fouling;
        let pressure = 1.013 * ratio;
        // Isentropic compression of air, exponent (κ - 1)/κ = 0.2857, divided by the efficiency.
        let rise = (libm::pow(ratio, 0.2857) - 1.0) / (self.compressor_efficiency * fouling);
        let discharge_c = (ambient_c + 273.15) * (1.0 + rise) - 273.15;
        let exhaust_c = self
            .exhaust
            .follow(self.exhaust_c - 95.0 * (1.0 - duty) + 60.0 * warmth + 2.0 * condition);
        let oil_c = self.oil.follow(42.0 + 7.0 * duty + 0.35 * (ambient_c - 15.0));
        let bearing_c = self.bearing.follow(oil_c + 18.0 + 14.0 * duty);
        let vibration = self.balance_mm_s + 0.9 * duty * duty + 0.05 * flutter.abs();
        truth.copy_from_slice(&[
            power,
            speed,
            fuel,
            ambient_c,
            pressure,
            discharge_c,
            exhaust_c,
            oil_c,
            bearing_c,
            vibration,
        ]);
    }
}
