//! A fleet piece by piece: only devices that something is wrong with are held whole.

use super::{Device, Fault, GenerateError, N_DEVICES_MAX, PlantSpec, PlantStream, assign, injection};
use crate::frame::{Channel, Frame, Sample};
use crate::time::Timestamp;

/// A fleet whose faults are known, and whose samples can be made as often as they are wanted.
#[derive(Debug)]
pub struct Fleet {
    spec: PlantSpec,
    channels: Vec<Channel>,
    members: Vec<Member>,
}

/// A device of a [`Fleet`].
#[derive(Debug)]
pub struct Member {
    name: String,
    faults: Vec<Fault>,
    /// Where something is wrong: anomalies are measured by the whole of the data.
    frame: Option<Frame>,
}

impl Member {
    /// Its name, e.g. `pump-01`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its faults, in the order of their specs.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Fleet {
    /// Decides on the fleet that `spec` describes: which device has which faults, and where.
    ///
    /// # Errors
    /// [`GenerateError`] where a number is zero or too large, or an anomaly cannot be put in.
    pub fn new(spec: &PlantSpec) -> Result<Self, GenerateError> {
        if spec.n_samples == 0 {
            return Err(GenerateError::NoSample);
        }
        if !(1..=N_DEVICES_MAX).contains(&spec.n_devices) {
            return Err(GenerateError::Devices {
                n_devices: spec.n_devices,
            });
        }
        let first = PlantStream::new(spec, 0)?;
        first.check_end(spec.n_samples)?;
        let channels = first.channels().to_vec();

        let names: Vec<String> = (0..spec.n_devices)
            .map(|device_idx| spec.device_name(device_idx))
            .collect();
        let assigned = assign(&spec.anomalies, &names, spec.seed)?;
        let mut members = Vec::with_capacity(names.len());
        for (device_idx, (name, anomalies)) in names.into_iter().zip(assigned).enumerate() {
            let (frame, faults) = if anomalies.is_empty() {
                (None, Vec::new())
            } else {
                let healthy = PlantStream::new(spec, device_idx)?.next_frame(spec.n_samples)?;
                match injection::inject_into(&healthy, &anomalies, spec.seed, device_idx) {
                    Ok((frame, faults)) => (Some(frame), faults),
                    Err(source) => {
                        return Err(GenerateError::Anomaly {
                            device: name,
                            source: Box::new(source),
                        });
                    }
                }
            };
            members.push(Member { name, faults, frame });
        }
        Ok(Self {
            spec: spec.clone(),
            channels,
            members,
        })
    }

    /// What each device measures.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The devices.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// When samples are taken, `[n_samples]`: the same instants for all devices.
    ///
    /// # Errors
    /// [`GenerateError::TooLarge`] where they do not fit into memory.
    pub fn time(&self) -> Result<Vec<Timestamp>, GenerateError> {
        let n_samples = self.spec.n_samples;
        let mut time = Vec::new();
        let room = time.try_reserve_exact(n_samples);
        room.map_err(|_| self.too_large(n_samples))?;
        time.extend((0..n_samples).map(|sample_idx| self.spec.instant(sample_idx)));
        Ok(time)
    }

    fn too_large(&self, n_samples: usize) -> GenerateError {
        GenerateError::TooLarge {
            n_samples,
            n_channels: self.channels.len() * self.members.len(),
        }
    }

    /// All samples from the first on, some instants at a time: a megabyte, or 16 instants of all devices where that is more.
    /// Each healthy device is held as far as it needs to go on, half a kilobyte for each channel.
    ///
    /// # Errors
    /// [`GenerateError::TooLarge`] where all devices together have more than ten million channels.
    pub fn stream(&self) -> Result<FleetStream<'_>, GenerateError> {
        let n_values = self.channels.len() * self.members.len();
        let n_instants_each = (N_VALUES_EACH / n_values).max(N_INSTANTS_MIN);
        if n_values > N_VALUES_MAX {
            return Err(self.too_large(n_instants_each));
        }
        let sources = self.members.iter().enumerate().map(|(device_idx, member)| {
            Ok(match &member.frame {
                Some(frame) => Source::Frame(frame),
                None => Source::Stream(Box::new(PlantStream::new(&self.spec, device_idx)?)),
            })
        });
        let sources = sources.collect::<Result<Vec<_>, GenerateError>>()?;
        let n_channels = self.channels.len();
        Ok(FleetStream {
            n_instants_each,
            n_samples: self.spec.n_samples,
            first_idx: 0,
            n_channels,
            sources,
        })
    }

    /// The fleet as a whole.
    ///
    /// # Errors
    /// [`GenerateError::TooLarge`] where it does not fit into memory.
    pub fn into_devices(self) -> Result<Vec<Device>, GenerateError> {
        let Self { spec, members, .. } = self;
        let devices = members.into_iter().enumerate().map(|(device_idx, member)| {
            let frame = match member.frame {
                Some(frame) => frame,
                None => PlantStream::new(&spec, device_idx)?.next_frame(spec.n_samples)?,
            };
            Ok(Device {
                name: member.name,
                frame,
                faults: member.faults,
            })
        });
        devices.collect()
    }
}

/// Values that are made at a time: a megabyte, which stays in the cache until it is written.
const N_VALUES_EACH: usize = 1 << 17;

/// Instants that are made at a time, however many devices there are: going from device to device costs.
const N_INSTANTS_MIN: usize = 16;

/// Most values of one instant: 16 of them are a gigabyte, and what so many channels need to go on five. Asking for the room does
/// not tell, since systems promise more than they have.
const N_VALUES_MAX: usize = 10_000_000;

/// The samples of a [`Fleet`], some instants at a time.
#[derive(Debug)]
pub struct FleetStream<'a> {
    sources: Vec<Source<'a>>,
    n_channels: usize,
    n_samples: usize,
    n_instants_each: usize,
    first_idx: usize,
}

#[derive(Debug)]
enum Source<'a> {
    Frame(&'a Frame),
    Stream(Box<PlantStream>),
}

impl Iterator for FleetStream<'_> {
    type Item = Instants;

    fn next(&mut self) -> Option<Instants> {
        let first_idx = self.first_idx;
        let n_instants = self.n_instants_each.min(self.n_samples - first_idx);
        if n_instants == 0 {
            return None;
        }
        self.first_idx += n_instants;
        let (n_channels, n_devices) = (self.n_channels, self.sources.len());
        let mut instants = Instants {
            time: Vec::with_capacity(n_instants),
            values: vec![0.0; n_instants * n_devices * n_channels],
            n_devices,
            n_channels,
        };
        for (device_idx, source) in self.sources.iter_mut().enumerate() {
            let rows = instants
                .values
                .chunks_exact_mut(n_channels)
                .skip(device_idx)
                .step_by(n_devices);
            for (instant_idx, row) in rows.enumerate() {
                let sample = match source {
                    Source::Frame(frame) => frame.sample(first_idx + instant_idx),
                    Source::Stream(stream) => stream.next_sample(),
                };
                row.copy_from_slice(sample.values);
                if device_idx == 0 {
                    instants.time.push(sample.time);
                }
            }
        }
        Some(instants)
    }
}

/// Some instants, and what each device shows at each.
#[derive(Debug)]
pub struct Instants {
    time: Vec<Timestamp>,
    /// `[n_instants, n_devices, n_channels]`.
    values: Vec<f64>,
    n_devices: usize,
    n_channels: usize,
}

impl Instants {
    /// The samples as a fleet sends them, each with the position of its device: all devices at an instant, then the next.
    pub fn samples(&self) -> impl Iterator<Item = (usize, Sample<'_>)> {
        let rows = self.values.chunks_exact(self.n_channels).enumerate();
        rows.map(|(row_idx, values)| {
            let sample = Sample {
                time: self.time[row_idx / self.n_devices],
                values,
            };
            (row_idx % self.n_devices, sample)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::generate;

    #[test]
    fn a_stream_gives_the_samples_of_the_whole() {
        // The second has a fault, the others none; pieces of 16 instants, of all, and of some with a rest.
        for (n_devices, n_channels, n_samples) in [(3, 4000, 40), (3, 5, 40), (2, 700, 200)] {
            let spec = PlantSpec {
                n_devices,
                n_channels: Some(n_channels),
                n_samples,
                anomalies: vec!["pump-02/spike".parse().unwrap()],
                ..PlantSpec::default()
            };
            let whole = generate(&spec).unwrap();
            let fleet = Fleet::new(&spec).unwrap();
            assert_eq!(fleet.channels(), whole[0].frame.schema().channels());
            assert_eq!(fleet.time().unwrap(), whole[0].frame.time());
            for (member, device) in fleet.members().iter().zip(&whole) {
                assert_eq!(
                    (member.name(), member.faults()),
                    (device.name.as_str(), &*device.faults)
                );
            }
            assert!(!fleet.members()[1].faults().is_empty());
            for _ in 0..2 {
                let mut n_seen = 0;
                for instants in fleet.stream().unwrap() {
                    for (device_idx, sample) in instants.samples() {
                        assert_eq!(device_idx, n_seen % n_devices);
                        assert_eq!(sample, whole[device_idx].frame.sample(n_seen / n_devices));
                        n_seen += 1;
                    }
                }
                assert_eq!(n_seen, n_devices * n_samples);
            }
        }
    }

    #[test]
    fn more_than_memory_holds_is_refused() {
        let long = PlantSpec {
            n_samples: 1 << 62,
            cadence: std::time::Duration::from_nanos(1),
            ..PlantSpec::default()
        };
        let fleet = Fleet::new(&long).unwrap();
        assert!(matches!(fleet.time(), Err(GenerateError::TooLarge { .. })));
        assert!(fleet.stream().unwrap().next().is_some());
        let wide = PlantSpec {
            n_devices: 1001,
            n_channels: Some(10_000),
            ..PlantSpec::default()
        };
        let fleet = Fleet::new(&wide).unwrap();
        assert!(matches!(fleet.stream(), Err(GenerateError::TooLarge { .. })));
    }
}
