//! What a configuration may say: the shape of the file, key by key. Doc comments here are the reference that people
//! read; limits here are checked.

mod alerts;
pub(crate) mod leaf;
mod models;
mod places;
mod server;
mod stream;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use alerts::{Alerts, Channel, DeviceAlerts};
pub(crate) use models::Models;
pub(crate) use places::{Broker, Mapping, MqttVersion, Output, RowFormat, Source};
pub(crate) use server::{Auth, Server, TlsVersion};
pub(crate) use stream::{Device, Log, LogFormat, LogLevel, Storage, Stream};

/// The configuration of the live system.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where everything durable is kept.
    pub(crate) storage: Storage,
    /// Which model judges which device.
    pub(crate) models: Models,
    /// How arrivals are judged: times, sizes and bounds.
    pub(crate) stream: Stream,
    /// What differs from device to device: the first entry whose pattern matches a device's name counts, and what it
    /// does not say is as for all devices.
    pub(crate) devices: Vec<Device>,
    /// Where samples come from.
    pub(crate) sources: Vec<Source>,
    /// Where verdicts go: one row for every sample, with the columns of `detect -o`.
    pub(crate) outputs: Vec<Output>,
    /// When alerts fire, and whom they reach.
    pub(crate) alerts: Alerts,
    /// Where `bellwether serve` listens, and to whom. `bellwether stream` does not look at it.
    pub(crate) server: Server,
    /// What the program says of its own work, on stderr.
    pub(crate) log: Log,
}

/// A secret: never written down here, only where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[schemars(extend("x-secret" = true))]
pub(crate) enum SecretRef {
    /// The environment variable that holds it.
    Env(String),
    /// The file that holds it; the newline at its end is cut off.
    File(PathBuf),
}
