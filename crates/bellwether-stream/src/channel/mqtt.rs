//! MQTT: the state of each device as a retained message.

use crate::mqtt::Broker;

/// Where states are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttStateSpec {
    /// Its name.
    pub name: String,
    /// The broker.
    pub broker: Broker,
    /// States are retained at `<prefix>/<device>/anomaly/state`.
    pub prefix: String,
}
