//! The kinds of plant that can be made, and what each measures.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::drivers::{Drivers, Rhythm};
use super::operation::Conduct;
use super::random::Draw;
use super::{boiler, compressor, hvac, motor, pump, server, sine, turbine, wind_turbine};

/// A kind of plant: a small physical model with the instruments that watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Template {
    /// A variable-speed water pump.
    #[default]
    Pump,
    /// A web server in a data centre.
    Server,
    /// A steam boiler fired with gas.
    Boiler,
    /// A gas turbine with its generator.
    Turbine,
    /// A screw compressor with its air receiver.
    Compressor,
    /// An induction motor that drives a conveyor.
    Motor,
    /// An air handling unit of an office building.
    Hvac,
    /// Phase-shifted sines with noise, the classic toy.
    Sine,
    /// A wind turbine with a gearbox.
    WindTurbine,
}

impl Template {
    /// Every template, in the order of its documentation.
    pub const ALL: [Self; 9] = [
        Self::Pump,
        Self::Server,
        Self::Boiler,
        Self::Turbine,
        Self::Compressor,
        Self::Motor,
        Self::Hvac,
        Self::Sine,
        Self::WindTurbine,
    ];

    /// The name on the command line and in device names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pump => "pump",
            Self::Server => "server",
            Self::Boiler => "boiler",
            Self::Turbine => "turbine",
            Self::Compressor => "compressor",
            Self::Motor => "motor",
            Self::Hvac => "hvac",
            Self::Sine => "sine",
            Self::WindTurbine => "wind-turbine",
        }
    }

    /// One line on what it models.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Pump => "variable-speed water pump: hydraulics, motor, bearing heat, vibration",
            Self::Server => "web server: requests, processor, memory, latency, network, heat and fan",
            Self::Boiler => "gas-fired steam boiler: steam, feedwater, drum, combustion",
            Self::Turbine => "gas turbine with generator: power, fuel, compressor, exhaust, bearing",
            Self::Compressor => "screw compressor with receiver: air demand, pressure band, oil and motor",
            Self::Motor => "induction motor on a conveyor: torque, slip, current, power, heat, vibration",
            Self::Hvac => "air handling unit of an office: weather, air, fan, coil, people",
            Self::Sine => "sin(0.02 t + i) with noise of 0.1: the classic toy, any number of channels",
            Self::WindTurbine => "wind turbine: wind, power, rotor, pitch, gearbox, generator, bearing",
        }
    }

    /// The instruments of a plant with `n_channels` channels (`None`: as many as the template has).
    ///
    /// Fewer leaves the last ones out. More adds `aux_1`, `aux_2`, …, each following the plant's hidden state in
    /// its own way; `sine` simply goes on.
    pub fn instruments(self, n_channels: Option<usize>) -> Vec<Instrument> {
        let own = self.own_instruments();
        let n_channels = n_channels.unwrap_or(own.len());
        let mut instruments: Vec<Instrument> = own.iter().take(n_channels).cloned().collect();
        for channel_idx in instruments.len()..n_channels {
            instruments.push(match self {
                Self::Sine => sine::instrument(channel_idx),
                _ => aux_instrument(channel_idx - own.len()),
            });
        }
        instruments
    }

    /// The instruments that the template itself computes.
    pub(super) fn own_instruments(self) -> &'static [Instrument] {
        match self {
            Self::Pump => &pump::INSTRUMENTS,
            Self::Server => &server::INSTRUMENTS,
            Self::Boiler => &boiler::INSTRUMENTS,
            Self::Turbine => &turbine::INSTRUMENTS,
            Self::Compressor => &compressor::INSTRUMENTS,
            Self::Motor => &motor::INSTRUMENTS,
            Self::Hvac => &hvac::INSTRUMENTS,
            Self::Sine => &sine::INSTRUMENTS,
            Self::WindTurbine => &wind_turbine::INSTRUMENTS,
        }
    }

    /// What its channels do where it stands still or wears, those of the template and any number of added ones.
    pub(super) fn conduct(self) -> impl Iterator<Item = Conduct> {
        let own: &'static [Conduct] = match self {
            Self::Pump => &pump::CONDUCT,
            Self::Server => &server::CONDUCT,
            Self::Boiler => &boiler::CONDUCT,
            Self::Turbine => &turbine::CONDUCT,
            Self::Compressor => &compressor::CONDUCT,
            Self::Motor => &motor::CONDUCT,
            Self::Hvac => &hvac::CONDUCT,
            Self::Sine => &sine::CONDUCT,
            Self::WindTurbine => &wind_turbine::CONDUCT,
        };
        let added = Conduct::rests_at(0.0, 60.0);
        own.iter().copied().chain(std::iter::repeat(added))
    }

    /// How the duty moves over day and week.
    pub(super) fn rhythm(self) -> Rhythm {
        match self {
            Self::Pump => pump::RHYTHM,
            Self::Server => server::RHYTHM,
            Self::Boiler => boiler::RHYTHM,
            Self::Turbine => turbine::RHYTHM,
            Self::Compressor => compressor::RHYTHM,
            Self::Motor => motor::RHYTHM,
            Self::Hvac => hvac::RHYTHM,
            Self::Sine => sine::RHYTHM,
            Self::WindTurbine => wind_turbine::RHYTHM,
        }
    }

    /// The physics of one device, whose parameters `device` draws.
    pub(super) fn physics(self, device: &mut Draw, cadence: Duration) -> Box<dyn Physics> {
        match self {
            Self::Pump => Box::new(pump::Pump::new(device, cadence)),
            Self::Server => Box::new(server::Server::new(device, cadence)),
            Self::Boiler => Box::new(boiler::Boiler::new(device, cadence)),
            Self::Turbine => Box::new(turbine::Turbine::new(device, cadence)),
            Self::Compressor => Box::new(compressor::Compressor::new(device, cadence)),
            Self::Motor => Box::new(motor::Motor::new(device, cadence)),
            Self::Hvac => Box::new(hvac::Hvac::new(device, cadence)),
            Self::Sine => Box::new(sine::Sine),
            Self::WindTurbine => Box::new(wind_turbine::WindTurbine::new(device, cadence)),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Template {
    type Err = UnknownTemplate;

    fn from_str(text: &str) -> Result<Self, UnknownTemplate> {
        Self::ALL
            .into_iter()
            .find(|template| template.name() == text)
            .ok_or_else(|| UnknownTemplate {
                found: text.to_owned(),
            })
    }
}

/// No [`Template`] of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown template {found:?}; templates are {}", Template::ALL.map(Template::name).join(", "))]
pub struct UnknownTemplate {
    /// The name given.
    pub found: String,
}

/// A measuring instrument of a plant: one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// Name of the channel; ends in its unit.
    pub name: Cow<'static, str>,
    /// Unit, as people write it.
    pub unit: &'static str,
    /// Standard deviation of the measurement noise, in the unit.
    pub noise: f64,
    /// Steps per unit: 100 reads to two decimals.
    pub steps: f64,
    /// Least and greatest value that the instrument can show, in the unit.
    pub range: (f64, f64),
}

impl Instrument {
    pub(super) const fn new(
        name: &'static str,
        unit: &'static str,
        noise: f64,
        steps: f64,
        range: (f64, f64),
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            unit,
            noise,
            steps,
            range,
        }
    }

    /// What the instrument shows for `truth` with a standard normal `noise`: noisy, within range, rounded.
    pub(super) fn read(&self, truth: f64, noise: f64) -> f64 {
        let noisy = (truth + self.noise * noise).clamp(self.range.0, self.range.1);
        // Dividing by a whole number of steps gives the double nearest to the decimal; adding zero turns -0 into 0.
        (noisy * self.steps).round() / self.steps + 0.0
    }
}

/// The instrument of an added channel.
fn aux_instrument(aux_idx: usize) -> Instrument {
    Instrument {
        name: Cow::Owned(format!("aux_{}", aux_idx + 1)),
        ..Instrument::new("", "1", 0.3, 1000.0, (-1e6, 1e6))
    }
}

/// What turns drivers into the true values of a template's own instruments.
pub(super) trait Physics: fmt::Debug + Send + Sync {
    /// Advances by one sample and writes the true value of each instrument, `[n_own_channels]`.
    fn advance(&mut self, drivers: &Drivers, truth: &mut [f64]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_template() {
        for template in Template::ALL {
            assert_eq!(template.to_string().parse(), Ok(template));
        }
        assert_eq!(
            "pmup".parse::<Template>().unwrap_err().to_string(),
            "unknown template \"pmup\"; templates are pump, server, boiler, turbine, compressor, motor, hvac, \
             sine, wind-turbine"
        );
    }

    #[test]
    fn channels_are_cut_or_added_at_the_end() {
        let names = |template: Template, n| -> Vec<String> {
            let instruments = template.instruments(Some(n));
            instruments
                .into_iter()
                .map(|instrument| instrument.name.into_owned())
                .collect()
        };
        assert_eq!(names(Template::Pump, 2), ["speed_rpm", "flow_m3h"]);
        assert_eq!(
            names(Template::Pump, 10)[7..],
            ["vibration_mm_s", "aux_1", "aux_2"]
        );
        assert_eq!(
            names(Template::Sine, 5)[3..],
            ["sensor_4".to_owned(), "sensor_5".to_owned()]
        );
    }

    #[test]
    fn an_instrument_rounds_and_keeps_to_its_range() {
        let instrument = Instrument::new("t", "°C", 1.0, 10.0, (0.0, 50.0));
        for (truth, noise, expect) in [
            (20.04, 0.0, 20.0),
            (20.04, 0.5, 20.5),
            (-3.0, 0.0, 0.0),
            (49.0, 9.0, 50.0),
        ] {
            assert_eq!(f64::to_bits(instrument.read(truth, noise)), f64::to_bits(expect));
        }
        assert!(instrument.read(-0.01, 0.0).is_sign_positive());
    }
}
