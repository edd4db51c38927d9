//! Template `hvac`: an air handling unit that keeps an office building at temperature and its air fresh.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 10] = [
    Instrument::new("outdoor_temp_c", "°C", 0.1, 10.0, (-40.0, 60.0)),
    Instrument::new("supply_temp_c", "°C", 0.08, 10.0, (-20.0, 60.0)),
    Instrument::new("return_temp_c", "°C", 0.06, 100.0, (-20.0, 60.0)),
    Instrument::new("co2_ppm", "ppm", 8.0, 1.0, (0.0, 5000.0)),
    Instrument::new("fan_speed_percent", "%", 0.3, 10.0, (0.0, 100.0)),
    Instrument::new("airflow_m3h", "m³/h", 90.0, 1.0, (0.0, 40_000.0)),
    Instrument::new("duct_pressure_pa", "Pa", 3.0, 1.0, (0.0, 2000.0)),
    Instrument::new("coil_power_kw", "kW", 0.5, 10.0, (-300.0, 300.0)),
    Instrument::new("fan_power_kw", "kW", 0.05, 100.0, (0.0, 50.0)),
    Instrument::new("humidity_percent", "%", 0.3, 10.0, (0.0, 100.0)),
];

pub(super) static CONDUCT: [Conduct; 10] = [
    Conduct::unmoved(),
    Conduct::cools(1800.0).wears(0.4),
    Conduct::cools(14_400.0).wears(0.3),
    Conduct::rests_at(450.0, 5400.0).wears(40.0),
    Conduct::rests_at(0.0, 20.0).wears(4.0),
    Conduct::rests_at(0.0, 20.0).wears(-900.0),
    // A clogged filter.
    Conduct::rests_at(0.0, 20.0).wears(90.0),
    Conduct::rests_at(0.0, 120.0).wears(3.0),
    Conduct::rests_at(0.0, 10.0).wears(0.7),
    Conduct::unmoved(),
];

/// People in an office: the duty is how many are there.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.56,
    daily: 0.22,
    peak_hour: 13.0,
    weekend: 0.22,
    slow: 0.04,
    fast: 0.02,
};

/// Heat that air carries: 1.2 kg/m³ · 1.005 kJ/(kg K) over an hour, kW per m³/h and K.
const KW_PER_M3H_K: f64 = 1.2 * 1.005 / 3600.0;

#[derive(Debug)]
pub(super) struct Hvac {
    rated_m3h: f64,
    /// Pressure of the duct at rated flow, Pa.
    duct_pa: f64,
    fan_efficiency: f64,
    /// What the room is kept at by day, °C.
    room_c: f64,
    /// Share of fresh air.
    fresh_share: f64,
    fan: Lag,
    room: Lag,
    air: Lag,
    coil: Lag,
    moisture: Lag,
}

impl Hvac {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_m3h: device.near(18_000.0, 0.01),
            duct_pa: device.near(620.0, 0.02),
            fan_efficiency: device.near(0.58, 0.01),
            room_c: 21.5 + 0.3 * device.normal().clamp(-3.0, 3.0),
            fresh_share: device.near(0.35, 0.02),
            fan: Lag::new(180.0, cadence),
            room: Lag::new(2.0 * 3600.0, cadence),
            air: Lag::new(1500.0, cadence),
            coil: Lag::new(240.0, cadence),
            moisture: Lag::new(3.0 * 3600.0, cadence),
        }
    }
}

impl Physics for Hvac {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty: people,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        let fan = self.fan.follow(0.34 + 0.56 * people);
        // Fan laws: flow with speed, pressure with its square, power with its cube. Dampers flutter.
        let flow = self.rated_m3h * fan * (1.0 - 0.006 * flutter);
        let pressure = self.duct_pa * fan * fan * (1.0 + 0.012 * flutter);
        let fan_power = 0.4 + flow / 3600.0 * pressure / (self.fan_efficiency * 1000.0);

        // The set-point falls where few people are there; people and weather warm the room.
        let target = self.room_c - 1.2 * (1.0 - people);
        let room = self
            .room
            .follow(target + 0.9 * (people - 0.5) + 0.04 * (ambient_c - 16.0));
        // The air comes in colder the more heat it must take away; the condition is the water of the coil.
        let wanted = 19.5 - 4.0 * (people - 0.5) - 0.12 * (ambient_c - 16.0);
        let supply = self.coil.follow(wanted) + 0.15 * condition + 0.03 * flutter;
        let mixed = self.fresh_share * ambient_c + (1.0 - self.fresh_share) * room;
        let coil_power = KW_PER_M3H_K * flow * (supply - mixed);

        let fresh = self.fresh_share * flow / self.rated_m3h;
        let co2 = self.air.follow(430.0 + 95.0 * people / fresh.max(0.02));
        let humidity = self
            .moisture
            .follow(42.0 + 6.0 * people + 0.5 * (ambient_c - 16.0) + 1.5 * condition);
        truth.copy_from_slice(&[
            ambient_c,
            supply,
            room,
            co2,
            100.0 * fan,
            flow,
            pressure,
            coil_power,
            fan_power,
            humidity,
        ]);
    }
}
