//! MQTT 3.1.1 and 5: quality of service 1, acknowledged by hand after the commit.

use crate::mqtt::Broker;

/// A source that subscribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSpec {
    /// Its name.
    pub name: String,
    /// The broker.
    pub broker: Broker,
    /// Topic filters: `plant/+/data`.
    pub topics: Vec<String>,
    /// How messages are read.
    pub mapping: super::decode::Mapping,
}
