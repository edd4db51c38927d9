//! Synthetic plants with known faults: the same bits for the same seed, on every platform.
//!
//! A [`PlantSpec`] says what to make and [`generate`] makes it: for each device a frame and the [`Fault`]s in it.
//! Behind the channels of a [`Template`] lie a duty with the rhythm of day and week, weather, and slow and fast
//! swings; the physics of the template turns them into true values, and each [`Instrument`] adds its noise and rounds.
//! Anomalies are put in afterwards, by [`inject()`], which does the same for any frame, real ones included. A [`Fleet`]
//! too large for memory comes as a stream.

mod anomaly;
mod assignment;
mod boiler;
mod compressor;
mod defect;
mod drivers;
mod error;
mod fault;
mod fleet;
mod hvac;
mod injection;
mod motor;
mod operation;
mod pump;
mod random;
mod server;
mod shape;
mod sine;
mod start;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod turbine;
mod wind_turbine;

use std::time::Duration;

pub use anomaly::{AnomalyKind, AnomalySpec, SpecError};
pub use assignment::{UnknownDevice, assign};
pub use defect::{
    BAD_TEXT, CellDefect, Defect, DefectError, DefectKind, DefectSpec, Recorded, RecordedRow, record,
};
pub use error::{GenerateError, InjectError};
pub use fault::{Fault, labels, remaining_life};
pub use fleet::{Fleet, FleetStream, Instants, Member};
pub use injection::{inject, inject_scaled};
pub use operation::{CHANGES_PER_WEEK_MAX, Operation};
pub use start::Start;
pub use stream::PlantStream;
pub use template::{Instrument, Template, UnknownTemplate};

use crate::frame::Frame;
use crate::time::Timestamp;

/// Most channels of a device.
pub const N_CHANNELS_MAX: usize = 10_000;
/// Most devices of a fleet.
pub const N_DEVICES_MAX: usize = 100_000;

/// What to make: a fleet of like devices, measured over the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantSpec {
    /// The kind of plant.
    pub template: Template,
    /// Samples of each device.
    pub n_samples: usize,
    /// Channels of each device; `None` for as many as the template has. See [`Template::instruments`].
    pub n_channels: Option<usize>,
    /// Devices. They share the channels and differ a little in their parameters.
    pub n_devices: usize,
    /// Time from sample to sample.
    pub cadence: Duration,
    /// Time of the first sample. Day and week are those of UTC.
    pub start: Timestamp,
    /// The same seed gives the same bits.
    pub seed: u64,
    /// How it is run: stops, set-points, ageing.
    pub operation: Operation,
    /// What goes wrong. Each anomaly strikes one device: the one it names, else they take turns (see [`assign()`]).
    pub anomalies: Vec<AnomalySpec>,
}

/// A week of one pump, every minute from Monday 2024-01-01T00:00:00Z, in good health.
impl Default for PlantSpec {
    fn default() -> Self {
        Self {
            template: Template::default(),
            n_samples: 10_080,
            n_channels: None,
            n_devices: 1,
            cadence: Duration::from_secs(60),
            start: Timestamp::from_secs(1_704_067_200),
            seed: 42,
            operation: Operation::default(),
            anomalies: Vec::new(),
        }
    }
}

impl PlantSpec {
    /// When the sample at `sample_idx` is taken, of all devices.
    pub fn instant(&self, sample_idx: usize) -> Timestamp {
        let since_start = self.cadence.as_nanos().saturating_mul(sample_idx as u128);
        let nanos = i128::from(self.start.as_nanos())
            .saturating_add(i128::try_from(since_start).unwrap_or(i128::MAX));
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// Name of the device at `device_idx`: `pump-01`, with as many digits as the fleet needs, at least two.
    pub fn device_name(&self, device_idx: usize) -> String {
        let digits = self.n_devices.to_string().len().max(2);
        format!("{}-{:0digits$}", self.template, device_idx + 1)
    }
}

/// One device of a fleet and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name, e.g. `pump-01`.
    pub name: String,
    /// What its instruments show, `[n_samples, n_channels]`.
    pub frame: Frame,
    /// Its faults, in the order of their specs.
    pub faults: Vec<Fault>,
}

/// Makes the fleet that `spec` describes, and holds all of it; a [`Fleet`] gives it piece by piece.
///
/// # Errors
/// [`GenerateError`] where a number is zero or too large, or an anomaly cannot be put in.
pub fn generate(spec: &PlantSpec) -> Result<Vec<Device>, GenerateError> {
    Fleet::new(spec)?.into_devices()
}
