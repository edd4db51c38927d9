//! What messages look like, and how they become arrivals.
//!
//! **Shapes.** One message is one JSON object, an array of them, or one bare number (a topic per tag):
//!
//! | message | read as |
//! |---|---|
//! | `{"timestamp": …, "device": …, "values": {"a": 1}}`, also `ts`, `data`, `sensor_id` … | a whole sample |
//! | `{"timestamp": …, "device": …, "a": 1, "b": 2}` | a whole sample |
//! | `{"timestamp": …, "device": …, "channel": "a", "value": 1}` | one channel of a sample |
//! | `1` on the topic `plant/pump-1/temperature` | channel `temperature` of `pump-1`, at the time of its arrival |
//!
//! A [`Mapping`] says what is called otherwise. Names of fields that are found without a mapping may be in any case.
//!
//! **Values.** Numbers; `true` and `false` are 1 and 0; `null`, `""` and the words that stand for a missing value in a
//! table are missing; text that is a number is that number. Other text and nested objects are no channels: they are
//! passed over and counted, among channels as well as in an object of values, for devices send words and places beside
//! what they measure. What looks like a number but is none that can be used (`1e999`, `"3,14"`) puts the message into
//! quarantine. Labels (`is_anomaly`, `anomaly`, `label`, `changepoint`) are never channels.
//!
//! **Times.** As in a table: RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970, told by their
//! magnitude; as text or as a number.
//!
//! Nothing is lost in silence: every message, and every element of an array, is an arrival or in quarantine.

mod json;
mod names;
mod object;
mod reason;
mod rows;
mod times;

use std::borrow::Cow;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use bellwether_store::database::Quarantined;
use bellwether_store::read::number::{Cell, Numbers};

use super::{BATCH_LEN_MAX, MESSAGE_BYTES_MAX};
use crate::arrival::Arrival;
use names::Names;
use times::Times;

pub use reason::{Reason, Refusal};
pub(crate) use rows::RawDecoder;
pub use rows::TableDecoder;

/// Channels of a message at most.
pub const CHANNELS_MAX: usize = 4096;

/// Elements of an array at most.
pub const ELEMENTS_MAX: usize = 50_000;

/// How to find device, time and values in JSON messages. Every part has a default that fits the usual shapes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Where the device is named; by default the first of `device`, `device_id`, `sensor_id`, `asset_id`, `series` that
    /// the message has, and for a bare number the level of its topic before the last.
    pub device: Option<Place>,
    /// Where the time stands; by default the first of `timestamp`, `ts`, `time` that the message has.
    pub time: Option<Place>,
    /// The object that holds the values; by default the first of `values`, `data` that is an object, else the message
    /// itself without device and time.
    pub values: Option<String>,
    /// Where the channel is named, where a message is one bare number or has one value (topic per tag); by default
    /// `channel` or `sensor` beside `value`, and for a bare number the last level of its topic.
    pub channel: Option<Place>,
    /// Whose clocks times without an offset are of; `None`: UTC.
    pub timezone: Option<Zone>,
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

/// What messages became.
#[derive(Debug, Default)]
pub struct Decoded {
    /// In the order of the messages.
    pub arrivals: Vec<Arrival>,
    /// What could not be decoded.
    pub quarantined: Vec<Quarantined>,
    /// Fields that were passed over because they are neither numbers nor missing.
    pub n_ignored: u64,
}

/// Decodes the messages of one source. Layouts and names of devices are shared among its arrivals; what it keeps for
/// that is bounded.
#[derive(Debug)]
pub struct Decoder {
    source: Arc<str>,
    mapping: Mapping,
    device: Option<Arc<str>>,
    bytes_max: usize,
    names: Names,
    times: Times,
    numbers: Numbers,
}

/// What is known of a message beside its bytes.
#[derive(Clone, Copy)]
struct About<'a> {
    topic: Option<&'a str>,
    now: Timestamp,
}

impl Decoded {
    /// Arrivals, and what is in quarantine.
    pub fn n_messages(&self) -> usize {
        self.arrivals.len() + self.quarantined.len()
    }

    /// The same in pieces of at most [`BATCH_LEN_MAX`] arrivals, and as many in quarantine; one where there is nothing.
    pub fn into_batches(self) -> impl Iterator<Item = Self> {
        let n_longest = self.arrivals.len().max(self.quarantined.len());
        let n_batches = n_longest.div_ceil(BATCH_LEN_MAX).max(1);
        let (mut arrivals, mut quarantined) = (self.arrivals.into_iter(), self.quarantined.into_iter());
        (0..n_batches).map(move |nth| Self {
            arrivals: arrivals.by_ref().take(BATCH_LEN_MAX).collect(),
            quarantined: quarantined.by_ref().take(BATCH_LEN_MAX).collect(),
            n_ignored: if nth == 0 { self.n_ignored } else { 0 },
        })
    }
}

impl Decoder {
    /// Whose clocks times without an offset are of; `None`: UTC.
    pub fn timezone(&self) -> Option<&Zone> {
        self.mapping.timezone.as_ref()
    }

    /// For the messages of `source`. Those that name no device are of `device`, where one is given.
    pub fn new(source: Arc<str>, mapping: Mapping, device: Option<&str>) -> Self {
        Self {
            times: Times::new(mapping.timezone.clone()),
            source,
            mapping,
            device: device.map(Arc::from),
            bytes_max: MESSAGE_BYTES_MAX,
            names: Names::default(),
            numbers: Numbers::default(),
        }
    }

    /// The same decoder for messages of up to `bytes_max` bytes instead of [`MESSAGE_BYTES_MAX`].
    #[must_use]
    pub fn with_bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// Decodes one message that arrived at `now`: adds its arrivals to `into`, or what is wrong with it.
    pub fn message(&mut self, topic: Option<&str>, payload: &[u8], now: Timestamp, into: &mut Decoded) {
        let (n_arrivals, n_quarantined) = (into.arrivals.len(), into.quarantined.len());
        if let Err(refusal) = self.decode(About { topic, now }, payload, into) {
            // Of an array that breaks off nothing is taken: it will be sent again as a whole.
            into.arrivals.truncate(n_arrivals);
            into.quarantined.truncate(n_quarantined);
            into.quarantined.push(refusal.of(&self.source, payload));
        }
    }

    fn decode(&mut self, about: About<'_>, payload: &[u8], into: &mut Decoded) -> Result<(), Refusal> {
        if payload.len() > self.bytes_max {
            let detail = format!("{} bytes; at most {} are taken", payload.len(), self.bytes_max);
            return Err(Reason::TooLong.because(detail));
        }
        let text = std::str::from_utf8(payload).map_err(|error| {
            Reason::NotUtf8.because(format!(
                "byte {} is not UTF-8; write text as UTF-8",
                error.valid_up_to()
            ))
        })?;
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => {
                let arrival = self.object(about, text, &mut into.n_ignored)?;
                into.arrivals.push(arrival);
                Ok(())
            }
            Some(b'[') => self.array(about, text, into),
            _ => {
                let arrival = self.bare(about, text)?;
                into.arrivals.push(arrival);
                Ok(())
            }
        }
    }

    /// Each element is a message of its own.
    fn array(&mut self, about: About<'_>, text: &str, into: &mut Decoded) -> Result<(), Refusal> {
        let mut n_elements = 0;
        json::elements(text, &mut |element| {
            n_elements += 1;
            if n_elements > ELEMENTS_MAX {
                return;
            }
            let arrival = if element.starts_with('{') {
                self.object(about, element, &mut into.n_ignored)
            } else {
                Err(Reason::NotJson
                    .because("an array holds messages, each an object with a time and values".to_owned()))
            };
            match arrival {
                Ok(arrival) => into.arrivals.push(arrival),
                Err(refusal) => into
                    .quarantined
                    .push(refusal.of(&self.source, element.as_bytes())),
            }
        })?;
        match n_elements {
            0 => Err(Reason::NoValue.because("an empty array".to_owned())),
            1..=ELEMENTS_MAX => Ok(()),
            _ => Err(Reason::TooLong.because(format!(
                "an array of {n_elements} messages; at most {ELEMENTS_MAX} are taken"
            ))),
        }
    }

    /// A message that is one value: its topic names it.
    fn bare(&mut self, about: About<'_>, text: &str) -> Result<Arrival, Refusal> {
        let trimmed = text.trim_ascii();
        let value = match trimmed {
            "" => return Err(Reason::NoValue.because("an empty message".to_owned())),
            "true" => 1.0,
            "false" => 0.0,
            _ => {
                let unquoted = json::string(trimmed).unwrap_or(Cow::Borrowed(trimmed));
                match self.numbers.read(unquoted.as_bytes()) {
                    Cell::Value(value) => value,
                    Cell::Missing => f64::NAN,
                    Cell::Text => {
                        return Err(Reason::NotJson
                            .because(format!("{} is neither JSON nor a number", reason::shown(trimmed))));
                    }
                    Cell::Infinite | Cell::DecimalComma => return Err(reason::bad_value(None, trimmed)),
                }
            }
        };
        let levels = |back: usize| {
            about
                .topic
                .and_then(|topic| topic.rsplit('/').nth(back).map(Cow::Borrowed))
        };
        let channel = match &self.mapping.channel {
            Some(place) => object::outside(place, about),
            None => levels(0),
        };
        let channel = channel.filter(|name| !name.is_empty()).ok_or_else(|| {
            Reason::NoChannel.because("one bare value, and nothing says of which channel".to_owned())
        })?;
        let layout = self.names.layout(&[&*channel])?;
        let device = match &self.mapping.device {
            Some(place) => object::outside(place, about),
            None if self.device.is_some() => None,
            None => levels(1),
        };
        let series = match (device, &self.device) {
            (Some(name), _) => self.names.device(&name)?,
            (None, Some(device)) => device.clone(),
            (None, None) => return Err(object::no_device()),
        };
        Ok(Arrival {
            series,
            time: about.now,
            time_text: None,
            layout,
            values: vec![value],
            is_whole: false,
        })
    }
}

#[cfg(test)]
mod tests;
