//! Why a plant cannot be made, or an anomaly not be put into it.

use std::time::Duration;

use super::{CHANGES_PER_WEEK_MAX, N_CHANNELS_MAX, N_DEVICES_MAX, SpecError, UnknownDevice};
use crate::frame::FrameError;
use crate::time::{Timestamp, humane};

/// Why [`generate`](super::generate) makes nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// No sample wanted.
    #[error("0 samples: want at least 1")]
    NoSample,
    /// No channel or too many.
    #[error("{n_channels} channels: want 1 to {N_CHANNELS_MAX}")]
    Channels {
        /// Channels wanted.
        n_channels: usize,
    },
    /// No device or too many.
    #[error("{n_devices} devices: want 1 to {N_DEVICES_MAX}")]
    Devices {
        /// Devices wanted.
        n_devices: usize,
    },
    /// Samples would share one instant.
    #[error("cadence 0: want time between samples, e.g. 1 min")]
    NoCadence,
    /// Stops, set-points or ageing out of range.
    #[error(
        "stops and set-points: want 0 to {CHANGES_PER_WEEK_MAX} a week each; ageing: want a time above 0"
    )]
    Operation,
    /// More values than memory.
    #[error("{n_samples} samples of {n_channels} channels do not fit into memory; make them in parts")]
    TooLarge {
        /// Samples wanted.
        n_samples: usize,
        /// Channels wanted.
        n_channels: usize,
    },
    /// The last sample lies after the last instant that a [`Timestamp`] can say.
    #[error("{n_samples} samples from {start}, one every {}, end after the year 2262; start earlier or take fewer", humane(*cadence))]
    EndOfTime {
        /// Time of the first sample.
        start: Timestamp,
        /// Samples wanted.
        n_samples: usize,
        /// Time between samples.
        cadence: Duration,
    },
    /// The samples make no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An anomaly names a device that is not there.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// An anomaly cannot be put into a device.
    #[error("{device}: {source}")]
    Anomaly {
        /// The device.
        device: String,
        /// What is wrong with the anomaly.
        source: Box<InjectError>,
    },
}

/// Why an anomaly cannot be put into a frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The numbers of the anomaly make no sense.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It starts before or after the data.
    #[error(
        "anomaly {spec:?}: starts outside the data, which are samples 0 to {last_idx}, {first} to {last}"
    )]
    StartOutside {
        /// The anomaly.
        spec: String,
        /// Position of the last sample.
        last_idx: usize,
        /// Time of the first sample.
        first: Timestamp,
        /// Time of the last sample.
        last: Timestamp,
    },
    /// It does not fit between its start and the end of the data.
    #[error("anomaly {spec:?}: needs {wanted} samples but the data hold {room} from its start on")]
    EndOutside {
        /// The anomaly.
        spec: String,
        /// Samples it needs.
        wanted: usize,
        /// Samples there are.
        room: usize,
    },
    /// It names a channel that is not there.
    #[error("anomaly {spec:?}: no channel {channel:?}; channels are {}", listed(known))]
    UnknownChannel {
        /// The anomaly.
        spec: String,
        /// The name or position given.
        channel: String,
        /// The channels of the frame.
        known: Vec<String>,
    },
    /// It names a channel twice.
    #[error("anomaly {spec:?}: channel {channel:?} is named twice; name it once")]
    ChannelTwice {
        /// The anomaly.
        spec: String,
        /// The channel.
        channel: String,
    },
    /// Its channel has nothing that could change in proportion.
    #[error(
        "anomaly {spec:?}: channel {channel:?} is constant or missing throughout; choose one that varies"
    )]
    Constant {
        /// The anomaly.
        spec: String,
        /// The channel.
        channel: String,
    },
    /// No channel would do.
    #[error("anomaly {spec:?}: every channel is constant or missing throughout; it needs one that varies")]
    NothingVaries {
        /// The anomaly.
        spec: String,
    },
    /// One channel has no relation to break.
    #[error("anomaly {spec:?}: the data have one channel; a correlation can break only between two or more")]
    NoPartner {
        /// The anomaly.
        spec: String,
    },
    /// Other anomalies leave no room.
    #[error(
        "anomaly {spec:?}: no {length} samples free of other anomalies found; give a start with \"@\", a shorter length with \"+\", or more data"
    )]
    NoRoom {
        /// The anomaly.
        spec: String,
        /// Samples it needs.
        length: usize,
    },
    /// The values are already as it would make them.
    #[error(
        "anomaly {spec:?}: would change nothing in channel {channel:?} at samples {first_idx} to {last_idx}, where values are missing or already so; move or lengthen it"
    )]
    NoEffect {
        /// The anomaly.
        spec: String,
        /// The channel.
        channel: String,
        /// Position of the first sample.
        first_idx: usize,
        /// Position of the last sample.
        last_idx: usize,
    },
    /// The altered values leave the finite numbers.
    #[error("anomaly {spec:?}: channel {channel:?} would become infinite; take a smaller magnitude")]
    NotFinite {
        /// The anomaly.
        spec: String,
        /// The channel.
        channel: String,
    },
    /// The frame that magnitudes are measured by is of another kind.
    #[error("the frame to scale by has channels {}; want {}", listed(found), listed(want))]
    OtherChannels {
        /// Its channels.
        found: Vec<String>,
        /// Channels of the frame that the anomalies go into.
        want: Vec<String>,
    },
    /// The values make no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The first dozen names with their positions.
fn listed(names: &[String]) -> String {
    const N_LISTED: usize = 12;
    let mut list: Vec<String> = names
        .iter()
        .take(N_LISTED)
        .enumerate()
        .map(|(idx, name)| format!("{idx} {name}"))
        .collect();
    if names.len() > N_LISTED {
        list.push(format!("… {} in all", names.len()));
    }
    list.join(", ")
}
