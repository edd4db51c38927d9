//! What messages look like, and how they become arrivals.

/// How to find device, time and values in JSON messages. Every part has a default that fits the usual shapes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Where the device is named; by default the first of `device`, `device_id`, `sensor_id`, `asset_id`, `series` that
    /// the message has.
    pub device: Option<Place>,
    /// Where the time stands; by default the first of `timestamp`, `ts`, `time` that the message has.
    pub time: Option<Place>,
    /// The object that holds the values; by default the first of `values`, `data` that is an object, else the message
    /// itself without device and time.
    pub values: Option<String>,
    /// Where the channel is named, where a message is one bare number or has one value (topic per tag).
    pub channel: Option<Place>,
}

/// Where a part of a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A field of the message, levels divided by dots: `meta.id`.
    Field(String),
    /// A level of the topic, counted from 0: `plant/pump-1/data` has `pump-1` at 1.
    Topic(usize),
    /// Always this text.
    Fixed(String),
}
