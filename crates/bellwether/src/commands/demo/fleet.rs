//! The fleet of the demo as it would send: two days at once, then sample after sample, with a fault every minute.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::frame::Frame;
use bellwether_core::synth::{AnomalySpec, PlantSpec, PlantStream, Template, inject_scaled};
use bellwether_core::time::Timestamp;
use bellwether_stream::arrival::{Arrival, Batch, Inlet, Layout};
use bellwether_stream::clock;
use bellwether_stream::source::{BATCH_LEN_MAX, Stop};

use crate::failure::{Failure, chain};

/// Samples of each device that are there from the beginning: two days, a sample a minute.
const N_BEFORE: usize = 2880;

/// Time between two samples of a device. A second shows five minutes of the plant, and a day takes five of ours.
const PACE: Duration = Duration::from_millis(200);

/// Samples of each device in a minute of ours.
const N_PIECE: usize = 300;

/// How far the plant lies in the past at first: its clock runs faster than ours.
const BEGIN_BEFORE: Duration = Duration::from_secs(60 * 86_400);

/// What goes wrong, one a minute and a device after the other.
const FAULTS: [&str; 6] = [
    "level-shift@20%+60*6:pressure_out_bar",
    "noise@20%+60*6:pressure_in_bar",
    "drift@20%+120*8:bearing_temp_c",
    "spike@20%+4*12:vibration_mm_s",
    "correlation-break@20%+150:flow_m3h",
    "level-shift@20%+60*6:motor_current_a",
];

/// A made-up fleet, ready to send.
pub(super) struct Fleet {
    devices: Vec<Member>,
    layout: Arc<Layout>,
    source: Arc<str>,
    seed: u64,
}

struct Member {
    name: Arc<str>,
    stream: PlantStream,
    /// Says how large a fault is.
    before: Frame,
}

impl Fleet {
    /// The pumps that the model of the demo has learnt from, some weeks ago.
    ///
    /// # Errors
    /// Where the plant cannot be made.
    pub(super) fn new(n_devices: usize, seed: u64) -> Result<Self, Failure> {
        let minute = 60 * 1_000_000_000;
        let before = i64::try_from(BEGIN_BEFORE.as_nanos()).unwrap_or_default();
        let begin = (clock::now().as_nanos() - before) / minute * minute;
        let spec = PlantSpec {
            template: Template::Pump,
            n_devices,
            seed,
            start: Timestamp::from_nanos(begin),
            cadence: Duration::from_secs(60),
            ..PlantSpec::default()
        };
        let mut devices = Vec::with_capacity(n_devices);
        for device_idx in 0..n_devices {
            let mut stream = PlantStream::new(&spec, device_idx)?;
            devices.push(Member {
                name: spec.device_name(device_idx).into(),
                before: stream.next_frame(N_BEFORE)?,
                stream,
            });
        }
        let channels = devices.first().map_or(&[][..], |device| device.stream.channels());
        let layout = Arc::new(Layout {
            channels: channels.iter().map(|channel| channel.name().to_owned()).collect(),
        });
        Ok(Self {
            devices,
            layout,
            source: "demo".into(),
            seed,
        })
    }

    /// Sends until `stop` is told.
    pub(super) async fn run(mut self, inlet: Inlet, mut stop: Stop) {
        let sending = async {
            if let Err(failure) = self.send(&inlet).await {
                tracing::error!(error = %failure.text(), "the fleet of the demo stands still");
            }
        };
        tokio::select! {
            () = stop.told() => {}
            () = sending => {}
        }
    }

    async fn send(&mut self, inlet: &Inlet) -> Result<(), Failure> {
        let n_at_once = BATCH_LEN_MAX / self.devices.len().max(1);
        for from in (0..N_BEFORE).step_by(n_at_once) {
            let frames: Vec<&Frame> = self.devices.iter().map(|device| &device.before).collect();
            let arrivals = self.arrivals(&frames, from..(from + n_at_once).min(N_BEFORE));
            self.hand_over(inlet, arrivals).await?;
        }
        let mut tick = tokio::time::interval(PACE);
        for piece_idx in 0_usize.. {
            let frames = self.piece(piece_idx)?;
            let frames: Vec<&Frame> = frames.iter().collect();
            for sample_idx in 0..N_PIECE {
                tick.tick().await;
                let arrivals = self.arrivals(&frames, sample_idx..sample_idx + 1);
                self.hand_over(inlet, arrivals).await?;
            }
        }
        Ok(())
    }

    /// The next minute of every device; one of them has a fault.
    fn piece(&mut self, piece_idx: usize) -> Result<Vec<Frame>, Failure> {
        let n_devices = self.devices.len();
        let mut frames = Vec::with_capacity(n_devices);
        for (device_idx, device) in self.devices.iter_mut().enumerate() {
            let frame = device.stream.next_frame(N_PIECE)?;
            if device_idx != piece_idx % n_devices {
                frames.push(frame);
                continue;
            }
            let fault: AnomalySpec = FAULTS[piece_idx % FAULTS.len()].parse()?;
            let seed = self.seed.wrapping_add(piece_idx as u64);
            let (faulty, _) = inject_scaled(&frame, &device.before, &[fault], seed)?;
            frames.push(faulty);
        }
        Ok(frames)
    }

    fn arrivals(&self, frames: &[&Frame], samples: std::ops::Range<usize>) -> Vec<Arrival> {
        let mut arrivals = Vec::with_capacity(samples.len() * frames.len());
        for sample_idx in samples {
            for (device, frame) in self.devices.iter().zip(frames) {
                let sample = frame.sample(sample_idx);
                arrivals.push(Arrival {
                    series: Arc::clone(&device.name),
                    time: sample.time,
                    time_text: None,
                    layout: Arc::clone(&self.layout),
                    values: sample.values.to_vec(),
                    is_whole: true,
                });
            }
        }
        arrivals
    }

    async fn hand_over(&self, inlet: &Inlet, arrivals: Vec<Arrival>) -> Result<(), Failure> {
        let (batch, receipt) = Batch::new(Arc::clone(&self.source), arrivals, Vec::new(), clock::instant());
        inlet.send(batch).await?;
        receipt
            .await
            .map(|_| ())
            .map_err(|error| Failure::message(chain(&error)))
    }
}
