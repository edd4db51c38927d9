//! One JSON object as an arrival: which field is what, and the values.

use std::borrow::Cow;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use bellwether_store::read::number::Cell;

use super::json::{self, Fields};
use super::reason::{self, Reason, Refusal, shown};
use super::{About, Decoder, Place, times};
use crate::arrival::Arrival;

const DEVICE_NAMES: [&str; 5] = ["device", "device_id", "sensor_id", "asset_id", "series"];
const TIME_NAMES: [&str; 3] = ["timestamp", "ts", "time"];
const VALUES_NAMES: [&str; 2] = ["values", "data"];
const CHANNEL_NAMES: [&str; 2] = ["channel", "sensor"];
const VALUE_NAME: &str = "value";
/// Ground truth, as tables have it: never a channel.
const LABEL_NAMES: [&str; 4] = ["is_anomaly", "anomaly", "label", "changepoint"];

/// The values of a message by name.
struct Values<'a> {
    channels: Vec<&'a str>,
    values: Vec<f64>,
}

impl Decoder {
    /// The arrival that the object `text` is.
    pub(super) fn object(
        &mut self,
        about: About<'_>,
        text: &str,
        n_ignored: &mut u64,
    ) -> Result<Arrival, Refusal> {
        let fields = json::object(text)?;
        let (time, time_text) = self.time_of(&fields, about)?;
        let series = self.device_of(&fields, about)?;
        if let Some((channel, raw)) = self.tag(&fields, about)? {
            let value = self
                .value(&channel, raw)?
                .ok_or_else(|| Reason::NoValue.because(format!("{} is no number", shown(raw))))?;
            return Ok(Arrival {
                series,
                time,
                time_text,
                layout: self.names.layout(&[&*channel])?,
                values: vec![value],
                is_whole: false,
            });
        }
        let inner = self.values_object(&fields)?;
        let Values { mut channels, values } = match &inner {
            Some(inner) => self.values(inner, |_| false, n_ignored)?,
            None => self.values(&fields, |name| self.is_about(name), n_ignored)?,
        };
        if values.is_empty() {
            return Err(
                Reason::NoValue.because("no field holds a number, or null for a missing one".to_owned())
            );
        }
        // One value, and the mapping says where its channel is named: it is one tag of several.
        let named = match (&self.mapping.channel, values.len()) {
            (Some(place), 1) => text_at(place, &fields, about),
            _ => None,
        };
        let is_whole = named.is_none();
        if let Some(named) = &named {
            channels = vec![named];
        }
        Ok(Arrival {
            series,
            time,
            time_text,
            layout: self.names.layout(&channels)?,
            values,
            is_whole,
        })
    }

    fn time_of(
        &mut self,
        fields: &Fields<'_>,
        about: About<'_>,
    ) -> Result<(Timestamp, Option<Box<str>>), Refusal> {
        let text = match &self.mapping.time {
            Some(place) => text_at(place, fields, about),
            None => first_of(&TIME_NAMES, fields).and_then(plain_text),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Err(Reason::NoTime.because(
                "no time: a field called timestamp, ts or time is wanted, or the mapping says where it stands"
                    .to_owned(),
            ));
        };
        match self.times.read(&text) {
            Some(time) => Ok((time, times::as_written(time, &text))),
            None => Err(Reason::BadTime.because(format!(
                "{} is not a time that can be told without guessing; write it as 2024-03-09T14:15:16Z, or as seconds, \
                 milliseconds, microseconds or nanoseconds since 1970",
                shown(&text)
            ))),
        }
    }

    fn device_of(&mut self, fields: &Fields<'_>, about: About<'_>) -> Result<Arc<str>, Refusal> {
        let name = match &self.mapping.device {
            Some(place) => text_at(place, fields, about),
            None => first_of(&DEVICE_NAMES, fields).and_then(plain_text),
        };
        match (name, &self.device) {
            (Some(name), _) => self.names.device(name.trim()),
            (None, Some(device)) => Ok(device.clone()),
            (None, None) => Err(no_device()),
        }
    }

    /// Channel and value of a message that names both: `{"channel": "a", "value": 1}`.
    fn tag<'a>(
        &self,
        fields: &'a Fields<'a>,
        about: About<'a>,
    ) -> Result<Option<(Cow<'a, str>, &'a str)>, Refusal> {
        let Some(raw) = find(VALUE_NAME, fields) else {
            return Ok(None);
        };
        let channel = match &self.mapping.channel {
            Some(place) => text_at(place, fields, about),
            None => first_of(&CHANNEL_NAMES, fields).and_then(json::string),
        };
        match channel {
            Some(channel) => Ok(Some((channel, raw))),
            None if self.mapping.channel.is_some() => Err(Reason::NoChannel
                .because("a value, and nothing where the mapping says that its channel is named".to_owned())),
            None => Ok(None),
        }
    }

    /// The object that holds the values, where there is one beside the message itself.
    fn values_object<'a>(&self, fields: &Fields<'a>) -> Result<Option<Fields<'a>>, Refusal> {
        match &self.mapping.values {
            Some(path) => match at_path(path, fields) {
                Some(raw) if raw.starts_with('{') => json::object(raw).map(Some),
                _ => Err(Reason::NoValue.because(format!("no object called {} holds values", shown(path)))),
            },
            None => VALUES_NAMES
                .iter()
                .filter_map(|name| find(name, fields))
                .find(|raw| raw.starts_with('{'))
                .map(json::object)
                .transpose(),
        }
    }

    /// The values among `fields`, in their order, without those that `is_left_out`.
    fn values<'a>(
        &self,
        fields: &'a Fields<'_>,
        is_left_out: impl Fn(&str) -> bool,
        n_ignored: &mut u64,
    ) -> Result<Values<'a>, Refusal> {
        let mut found = Values {
            channels: Vec::with_capacity(fields.len()),
            values: Vec::with_capacity(fields.len()),
        };
        for (name, raw) in fields {
            if is_left_out(name) {
                continue;
            }
            match self.value(name, raw)? {
                Some(value) if !is_one_of(&LABEL_NAMES, name) => {
                    found.channels.push(name);
                    found.values.push(value);
                }
                _ => *n_ignored += 1,
            }
        }
        Ok(found)
    }

    /// One value as it is written, NaN where it is missing; `None` where it is text or nested.
    fn value(&self, channel: &str, raw: &str) -> Result<Option<f64>, Refusal> {
        let cell = match raw.as_bytes() {
            b"true" => Cell::Value(1.0),
            b"false" => Cell::Value(0.0),
            b"null" => Cell::Missing,
            [b'{' | b'[', ..] => Cell::Text,
            [b'"', ..] => match json::string(raw) {
                Some(text) => self.numbers.read(text.as_bytes()),
                None => Cell::Text,
            },
            number => self.numbers.read(number),
        };
        match cell {
            Cell::Value(value) => Ok(Some(value)),
            Cell::Missing => Ok(Some(f64::NAN)),
            Cell::Text => Ok(None),
            Cell::Infinite | Cell::DecimalComma => Err(reason::bad_value(Some(channel), raw)),
        }
    }

    /// Whether a field of a flat message says what the message is about, and is no channel.
    fn is_about(&self, name: &str) -> bool {
        let is_at = |place: &Option<Place>| matches!(place, Some(Place::Field(path)) if path == name);
        is_one_of(&DEVICE_NAMES, name)
            || is_one_of(&TIME_NAMES, name)
            || is_at(&self.mapping.device)
            || is_at(&self.mapping.time)
            || is_at(&self.mapping.channel)
    }
}

/// The text that stands at `place`.
fn text_at<'a>(place: &Place, fields: &Fields<'a>, about: About<'a>) -> Option<Cow<'a, str>> {
    match place {
        Place::Field(path) => at_path(path, fields).and_then(plain_text),
        place => outside(place, about),
    }
}

/// The text at a place outside of the message; `None` for a field of it.
pub(super) fn outside<'a>(place: &Place, about: About<'a>) -> Option<Cow<'a, str>> {
    match place {
        Place::Field(_) => None,
        Place::Topic(level) => about.topic?.split('/').nth(*level).map(Cow::Borrowed),
        Place::Fixed(text) => Some(Cow::Owned(text.clone())),
    }
}

/// Nothing names the device.
#[cold]
pub(super) fn no_device() -> Refusal {
    Reason::NoDevice.because(
        "no device: a field called device, device_id, sensor_id, asset_id or series is wanted, or the mapping says \
         where it stands"
            .to_owned(),
    )
}

/// The value at `path`, levels divided by dots. A field whose name has the dots itself comes first.
fn at_path<'a>(path: &str, fields: &Fields<'a>) -> Option<&'a str> {
    if let Some((_, raw)) = fields.iter().find(|(name, _)| name == path) {
        return Some(raw);
    }
    let (level, rest) = path.split_once('.')?;
    let (_, raw) = fields.iter().find(|(name, _)| name == level)?;
    let inner = raw.starts_with('{').then(|| json::object(raw).ok()).flatten()?;
    at_path(rest, &inner)
}

/// The text of a string, or a number as it is written; nothing for null and what is nested.
fn plain_text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first() {
        Some(b'"') => json::string(raw),
        Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// The first of `names` that a field has, and its value.
fn first_of<'a>(names: &[&str], fields: &Fields<'a>) -> Option<&'a str> {
    names.iter().find_map(|name| find(name, fields))
}

fn find<'a>(name: &str, fields: &Fields<'a>) -> Option<&'a str> {
    let found = fields
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))?;
    Some(found.1)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}
