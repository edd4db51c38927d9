//! Template `boiler`: a gas-fired drum boiler that holds its pressure against a changing demand for steam.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 9] = [
    Instrument::new("steam_flow_th", "t/h", 0.06, 100.0, (0.0, 40.0)),
    Instrument::new("feedwater_flow_th", "t/h", 0.08, 100.0, (0.0, 40.0)),
    Instrument::new("drum_pressure_bar", "bar", 0.012, 100.0, (0.0, 25.0)),
    Instrument::new("drum_level_mm", "mm", 1.2, 10.0, (-300.0, 300.0)),
    Instrument::new("fuel_flow_m3h", "m³/h", 4.0, 1.0, (0.0, 4000.0)),
    Instrument::new("steam_temp_c", "°C", 0.25, 10.0, (0.0, 400.0)),
    Instrument::new("feedwater_temp_c", "°C", 0.15, 10.0, (0.0, 200.0)),
    Instrument::new("flue_temp_c", "°C", 0.5, 10.0, (0.0, 600.0)),
    Instrument::new("flue_o2_percent", "%", 0.05, 100.0, (0.0, 21.0)),
];

pub(super) static CONDUCT: [Conduct; 9] = [
    Conduct::rests_at(0.0, 120.0),
    Conduct::rests_at(0.0, 60.0).wears(0.2),
    Conduct::rests_at(0.0, 7200.0),
    Conduct::rests_at(0.0, 300.0),
    // Soot and scale.
    Conduct::rests_at(0.0, 5.0).wears(60.0),
    Conduct::cools(10_800.0).wears(-3.0),
    Conduct::cools(7200.0).wears(2.0),
    Conduct::cools(1800.0).wears(18.0),
    Conduct::rests_at(20.9, 60.0).wears(0.4),
];

/// Two shifts on working days.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.62,
    daily: 0.14,
    peak_hour: 12.0,
    weekend: 0.16,
    slow: 0.06,
    fast: 0.03,
};

#[derive(Debug)]
pub(super) struct Boiler {
    rated_steam_th: f64,
    /// Gas for a tonne of steam at full load, m³.
    gas_per_t: f64,
    set_pressure_bar: f64,
    superheat_c: f64,
    excess_o2_percent: f64,
    /// The burner follows the demand with a delay, hence the swings of pressure and level.
    firing: Lag,
    level_control: Lag,
    economiser: Lag,
    flue: Lag,
}

impl Boiler {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_steam_th: device.near(20.0, 0.01),
            gas_per_t: device.near(72.0, 0.02),
            set_pressure_bar: device.near(12.0, 0.005),
            superheat_c: device.near(28.0, 0.03),
            excess_o2_percent: device.near(2.8, 0.04),
            firing: Lag::new(150.0, cadence),
            level_control: Lag::new(90.0, cadence),
            economiser: Lag::new(900.0, cadence),
            flue: Lag::new(400.0, cadence),
        }
    }
}

impl Physics for Boiler {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let share = duty * (1.0 + 0.01 * flutter);
        let steam = self.rated_steam_th * share;
        let firing = self.firing.follow(share);
        let behind = share - firing;

        let pressure = self.set_pressure_bar - 4.0 * behind - 0.25 * (share - 0.6);
        // Falling pressure makes the water boil up: the level swells before it sinks.
        let level = 260.0 * behind + 4.0 * flutter;
        let feedwater = self.level_control.follow(steam * 1.02) - 0.01 * level;
        // The condition is the heating value of the gas.
        let losses = 1.0 + 0.06 * (1.0 - firing) * (1.0 - firing);
        let fuel = self.gas_per_t * self.rated_steam_th * firing * losses * (1.0 - 0.012 * condition);
        let flue_temp = self.flue.follow(128.0 + 92.0 * firing + 0.5 * (ambient_c - 16.0));
        let o2 = self.excess_o2_percent + 3.2 * (1.0 - firing) + 1.5 * behind + 0.15 * condition;
        let feedwater_temp = self.economiser.follow(84.0 + 0.14 * flue_temp);
        // Saturation temperature of steam, within 3 K from 5 to 20 bar: 100 °C times the fourth root.
        let saturation = 100.0 * (pressure + 1.0).max(0.1).sqrt().sqrt();
        let steam_temp = saturation + self.superheat_c * (0.8 + 0.3 * firing);
        truth.copy_from_slice(&[
            steam,
            feedwater,
            pressure,
            level,
            fuel,
            steam_temp,
            feedwater_temp,
            flue_temp,
            o2,
        ]);
    }
}
