//! Template `wind-turbine`: a three-bladed wind turbine with a gearbox, at variable speed and pitch.

use std::time::Duration;

use super::drivers::{Drivers, Lag, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::template::{Instrument, Physics};

pub(super) static INSTRUMENTS: [Instrument; 10] = [
    Instrument::new("wind_speed_m_s", "m/s", 0.12, 10.0, (0.0, 40.0)),
    Instrument::new("power_kw", "kW", 6.0, 1.0, (-50.0, 2500.0)),
    Instrument::new("rotor_speed_rpm", "1/min", 0.04, 100.0, (0.0, 25.0)),
    Instrument::new("generator_speed_rpm", "1/min", 3.0, 1.0, (0.0, 2500.0)),
    Instrument::new("pitch_deg", "°", 0.06, 100.0, (-5.0, 95.0)),
    Instrument::new("outside_temp_c", "°C", 0.15, 10.0, (-40.0, 60.0)),
    Instrument::new("gearbox_oil_temp_c", "°C", 0.15, 10.0, (-40.0, 120.0)),
    Instrument::new("generator_temp_c", "°C", 0.2, 10.0, (-40.0, 200.0)),
    Instrument::new("bearing_temp_c", "°C", 0.12, 10.0, (-40.0, 150.0)),
    Instrument::new("vibration_mm_s", "mm/s", 0.05, 100.0, (0.0, 50.0)),
];

pub(super) static CONDUCT: [Conduct; 10] = [
    Conduct::unmoved(),
    // Blades that have become rough.
    Conduct::rests_at(0.0, 10.0).wears(-90.0),
    Conduct::rests_at(0.0, 40.0),
    Conduct::rests_at(0.0, 40.0),
    // Feathered.
    Conduct::rests_at(88.0, 15.0),
    Conduct::unmoved(),
    Conduct::cools(5400.0).wears(11.0),
    Conduct::cools(2400.0).wears(8.0),
    Conduct::cools(7200.0).wears(9.0),
    Conduct::rests_at(0.05, 40.0).wears(3.0),
];

/// The duty is the wind: hardly a rhythm of the day, none of the week, and swings of hours. A set-point that moves the duty is
/// other weather.
pub(super) const RHYTHM: Rhythm = Rhythm {
    mean: 0.66,
    daily: 0.04,
    peak_hour: 15.0,
    weekend: 0.0,
    slow: 0.11,
    fast: 0.04,
};

/// Wind at a duty of 1, m/s.
const FULL_WIND_M_S: f64 = 16.0;
/// Radius of the rotor, m.
const RADIUS_M: f64 = 41.0;
/// Tip speed over wind speed at which the blades take most.
const TIP_SPEED_RATIO: f64 = 7.6;
/// Slowest and fastest turn of the rotor, 1/min.
const ROTOR_RPM: (f64, f64) = (7.0, 17.0);
/// Below this wind there is nothing to gain, m/s.
const CUT_IN_M_S: f64 = 3.0;

#[derive(Debug)]
pub(super) struct WindTurbine {
    rated_kw: f64,
    /// Share of the wind's power that the blades take at best; Betz allows 0.593.
    power_coefficient: f64,
    gear_ratio: f64,
    fine_pitch_deg: f64,
    balance_mm_s: f64,
    oil: Lag,
    generator: Lag,
    bearing: Lag,
}

impl WindTurbine {
    pub(super) fn new(device: &mut Draw, cadence: Duration) -> Self {
        Self {
            rated_kw: device.near(2000.0, 0.004),
            power_coefficient: device.near(0.44, 0.012),
            gear_ratio: device.near(98.0, 0.003),
            fine_pitch_deg: 0.4 + 0.15 * device.normal(),
            balance_mm_s: device.near(0.9, 0.08),
            oil: Lag::new(3000.0, cadence),
            generator: Lag::new(1500.0, cadence),
            bearing: Lag::new(4500.0, cadence),
        }
    }
}

impl Physics for WindTurbine {
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]) {
        let Drivers {
            duty,
            ambient_c,
            condition,
            flutter,
            ..
        } = *drivers;
        // The condition is the weather front that passes, the flutter turbulence.
        let wind = ((FULL_WIND_M_S * duty + 0.9 * condition) * (1.0 + 0.03 * flutter)).max(0.2);
        let air_kg_m3 = 1.225 * 288.15 / (273.15 + ambient_c);
        // ½ ρ A v³ and what the blades take of it; little by little nothing below the cut-in.
        let area_m2 = std::f64::consts::PI * RADIUS_M * RADIUS_M;
        let useful = 1.0 / (1.0 + libm::exp(-3.0 * (wind - CUT_IN_M_S)));
        let offered_kw = 0.0005 * air_kg_m3 * area_m2 * self.power_coefficient * wind * wind * wind * useful;
        let power = least(offered_kw, self.rated_kw);
        let load = power / self.rated_kw;

        let best_rpm = TIP_SPEED_RATIO * wind / RADIUS_M * 60.0 / std::f64::consts::TAU;
        let rotor = least(most(best_rpm, ROTOR_RPM.0), ROTOR_RPM.1);
        // Blades turn out of the wind as it offers more than the generator takes.
        let spilt = (1.0 - power / offered_kw.max(power)).sqrt();
        let pitch = self.fine_pitch_deg + 17.0 * spilt * spilt * spilt + 0.06 * wind;

        let oil = self.oil.follow(ambient_c + 18.0 + 0.9 * rotor + 14.0 * load);
        let generator = self
            .generator
            .follow(ambient_c + 22.0 + 48.0 * load * load + 8.0 * load);
        let bearing = self.bearing.follow(ambient_c + 9.0 + 0.8 * rotor + 5.0 * load);
        let vibration = self.balance_mm_s
            + 0.9 * (rotor / ROTOR_RPM.1) * (rotor / ROTOR_RPM.1)
            + 0.009 * wind * wind
            + 0.06 * flutter;
        truth.copy_from_slice(&[
            wind,
            power,
            rotor,
            self.gear_ratio * rotor,
            pitch,
            ambient_c,
            oil,
            generator,
            bearing,
            vibration,
        ]);
    }
}

/// The lesser of two positive numbers, with a round corner where they are close, as a controller has.
fn least(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    a / libm::pow(1.0 + libm::pow(ratio, 8.0), 0.125)
}

/// The greater of two positive numbers, likewise.
fn most(a: f64, b: f64) -> f64 {
    a * b / least(a, b)
}
