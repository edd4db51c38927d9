//! A healthy plant as a stream: sample after sample, without holding the past.

use std::time::Duration;

use super::drivers::{DriverStream, Drivers, Lag};
use super::operation::OperationStream;
use super::random::{Draw, Purpose};
use super::template::{Instrument, Physics};
use super::{GenerateError, N_CHANNELS_MAX, PlantSpec, Template};
use crate::frame::{Channel, Frame, Sample};
use crate::time::Timestamp;

/// One healthy device, measured for as long as anybody asks. Anomalies are not its business: take a [`Frame`] from
/// it and [`inject`](super::inject()) them; in live use,
/// frame after frame, with [`inject_scaled`](super::inject_scaled).
#[derive(Debug)]
pub struct PlantStream {
    channels: Vec<Channel>,
    instruments: Vec<Instrument>,
    noise: Vec<Draw>,
    drivers: DriverStream,
    physics: Box<dyn Physics>,
    /// True values of the template's own instruments, measured or not.
    truth: Vec<f64>,
    aux: Vec<Aux>,
    operation: Option<OperationStream>,
    /// The last sample.
    values: Vec<f64>,
    next_time: Timestamp,
    cadence: Duration,
}

impl PlantStream {
    /// The device at `device_idx` of the fleet `spec` (its numbers of samples and devices do not matter here).
    ///
    /// # Errors
    /// [`GenerateError`] where the spec has no or too many channels, or no cadence.
    pub fn new(spec: &PlantSpec, device_idx: usize) -> Result<Self, GenerateError> {
        if let Some(n_channels) = spec.n_channels.filter(|n| !(1..=N_CHANNELS_MAX).contains(n)) {
            return Err(GenerateError::Channels { n_channels });
        }
        if spec.cadence.is_zero() {
            return Err(GenerateError::NoCadence);
        }
        if !spec.operation.is_sound() {
            return Err(GenerateError::Operation);
        }
        let (seed, cadence) = (spec.seed, spec.cadence);
        let instruments = spec.template.instruments(spec.n_channels);
        let n_own = match spec.template {
            Template::Sine => instruments.len(),
            other => other.own_instruments().len(),
        };
        let mut device = Draw::new(seed, Purpose::Device, device_idx, 0);
        Ok(Self {
            channels: instruments
                .iter()
                .map(|instrument| Channel::new(instrument.name.as_ref()))
                .collect(),
            noise: (0..instruments.len())
                .map(|channel_idx| Draw::new(seed, Purpose::Noise, device_idx, channel_idx))
                .collect(),
            drivers: DriverStream::new(spec.template.rhythm(), seed, device_idx, cadence, &mut device),
            physics: spec.template.physics(&mut device, cadence),
            truth: vec![0.0; n_own],
            aux: (0..instruments.len().saturating_sub(n_own))
                .map(|aux_idx| Aux::new(seed, device_idx, aux_idx, cadence))
                .collect(),
            operation: OperationStream::new(
                spec.operation,
                spec.template.conduct().take(instruments.len()),
                seed,
                device_idx,
                cadence,
                spec.start,
            ),
            values: vec![0.0; instruments.len()],
            instruments,
            next_time: spec.start,
            cadence,
        })
    }

    /// The channels of each sample.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// What measures each channel.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The next sample. Never ends; time stands still at the end of its range, in the year 2262.
    pub fn next_sample(&mut self) -> Sample<'_> {
        let time = self.next_time;
        self.next_time = time.plus(self.cadence);
        let mut drivers = self.drivers.next_at(time);
        if let Some(operation) = &mut self.operation {
            operation.advance(time, &mut drivers);
        }
        self.physics.advance(&drivers, &mut self.truth);

        let (own, added) = self
            .values
            .split_at_mut(self.truth.len().min(self.instruments.len()));
        own.copy_from_slice(&self.truth[..own.len()]);
        for (value, aux) in added.iter_mut().zip(&mut self.aux) {
            *value = aux.advance(&drivers);
        }
        if let Some(operation) = &mut self.operation {
            operation.apply(&drivers, &mut self.values);
        }
        for ((value, instrument), noise) in self.values.iter_mut().zip(&self.instruments).zip(&mut self.noise)
        {
            *value = instrument.read(*value, noise.normal());
        }
        Sample {
            time,
            values: &self.values,
        }
    }

    /// The next `n_samples` samples as a frame, `[n_samples, n_channels]`.
    ///
    /// # Errors
    /// [`GenerateError`] where `n_samples` is zero, too large for memory, or beyond the end of time.
    pub fn next_frame(&mut self, n_samples: usize) -> Result<Frame, GenerateError> {
        let n_channels = self.channels.len();
        self.check_end(n_samples)?;
        let too_large = || GenerateError::TooLarge {
            n_samples,
            n_channels,
        };
        let n_values = n_samples.checked_mul(n_channels).ok_or_else(too_large)?;
        let (mut time, mut values) = (Vec::new(), Vec::new());
        time.try_reserve_exact(n_samples).map_err(|_| too_large())?;
        values.try_reserve_exact(n_values).map_err(|_| too_large())?;
        for _ in 0..n_samples {
            let sample = self.next_sample();
            time.push(sample.time);
            values.extend_from_slice(sample.values);
        }
        Ok(Frame::new(self.channels.clone(), time, values)?)
    }

    /// Refuses frames whose last sample would lie beyond the range of [`Timestamp`].
    pub(super) fn check_end(&self, n_samples: usize) -> Result<(), GenerateError> {
        let steps = (n_samples as u128).saturating_sub(1);
        let room = Timestamp::from_nanos(i64::MAX)
            .as_nanos()
            .abs_diff(self.next_time.as_nanos());
        if steps.saturating_mul(self.cadence.as_nanos()) > u128::from(room) {
            return Err(GenerateError::EndOfTime {
                start: self.next_time,
                n_samples,
                cadence: self.cadence,
            });
        }
        Ok(())
    }
}

/// An added channel: a mix of the drivers, followed with a delay. The fleet shares the mix; devices differ a little.
#[derive(Debug)]
struct Aux {
    offset: f64,
    duty: f64,
    ambient: f64,
    condition: f64,
    flutter: f64,
    lag: Lag,
}

impl Aux {
    fn new(seed: u64, device_idx: usize, aux_idx: usize, cadence: Duration) -> Self {
        let mut shape = Draw::new(seed, Purpose::AuxShape, 0, aux_idx);
        let mut device = Draw::new(seed, Purpose::AuxDevice, device_idx, aux_idx);
        // Delays between 10 s and 1 h, evenly on the logarithmic scale.
        let delay_secs = 10.0 * libm::exp(shape.unit() * libm::log(360.0));
        Self {
            offset: device.near(50.0, 0.01),
            duty: device.near(shape.sign() * shape.between(15.0, 40.0), 0.02),
            ambient: shape.between(-0.6, 0.6),
            condition: shape.between(-1.5, 1.5),
            flutter: shape.between(-0.5, 0.5),
            lag: Lag::new(delay_secs, cadence),
        }
    }

    fn advance(&mut self, drivers: &Drivers) -> f64 {
        let followed = self.duty * (drivers.duty - 0.6)
            + self.ambient * (drivers.ambient_c - 16.0)
            + self.condition * drivers.condition;
        self.offset + self.lag.follow(followed) + self.flutter * drivers.flutter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_the_samples_of_a_frame() {
        let spec = PlantSpec::default();
        let mut stream = PlantStream::new(&spec, 0).unwrap();
        let mut cut = PlantStream::new(&spec, 0).unwrap();
        let whole = PlantStream::new(&spec, 0).unwrap().next_frame(70).unwrap();
        let parts = [cut.next_frame(30).unwrap(), cut.next_frame(40).unwrap()];
        for sample_idx in 0..70 {
            let want = whole.sample(sample_idx);
            assert_eq!(stream.next_sample(), want);
            let part = if sample_idx < 30 {
                parts[0].sample(sample_idx)
            } else {
                parts[1].sample(sample_idx - 30)
            };
            assert_eq!(part, want);
        }
    }

    #[test]
    fn fewer_or_more_channels_leave_the_others_alone() {
        let frame = |n_channels| {
            let spec = PlantSpec {
                n_channels: Some(n_channels),
                ..PlantSpec::default()
            };
            PlantStream::new(&spec, 0).unwrap().next_frame(50).unwrap()
        };
        let (few, many) = (frame(3), frame(14));
        for sample_idx in 0..50 {
            assert_eq!(
                few.sample(sample_idx).values,
                &many.sample(sample_idx).values[..3]
            );
        }
    }

    #[test]
    fn the_end_of_time_is_an_error() {
        let spec = PlantSpec {
            start: Timestamp::from_nanos(i64::MAX - 120_000_000_000),
            ..PlantSpec::default()
        };
        let frame = |n_samples| PlantStream::new(&spec, 0).unwrap().next_frame(n_samples);
        assert_eq!(frame(3).unwrap().n_samples(), 3);
        assert!(matches!(frame(4), Err(GenerateError::EndOfTime { .. })));
        assert!(matches!(frame(usize::MAX), Err(GenerateError::EndOfTime { .. })));
    }
}
