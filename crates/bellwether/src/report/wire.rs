//! How values of a report stand in its JSON: short numbers, null for NaN, RFC 3339 instants.

use std::time::Duration;

use bellwether_core::time::Timestamp;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Serialize, ser};

use super::decimate::round5;

/// A number without needless characters: `3` and not `3.0`, null for what is not finite.
struct Short(f64);

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Whole numbers up to here are exact in f64.
        const EXACT_MAX: f64 = 9e15;
        match self.0 {
            value if !value.is_finite() => serializer.serialize_unit(),
            value if value.fract().abs() <= 0.0 && value.abs() < EXACT_MAX => {
                serializer.serialize_i64(value as i64)
            }
            value => serializer.serialize_f64(value),
        }
    }
}

/// A single number, to five digits.
pub(super) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Short(round5(*value)).serialize(serializer)
}

/// Many numbers, as they are.
pub(super) fn numbers<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    sequence(values.iter().map(|&value| Short(value)), serializer)
}

/// First and last of something.
pub(super) fn span<S: Serializer>(span: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
    numbers(span, serializer)
}

/// Many spans.
pub(super) fn spans<S: Serializer>(spans: &[[f64; 2]], serializer: S) -> Result<S::Ok, S::Error> {
    sequence(spans.iter().map(|span| span.map(Short)), serializer)
}

/// An instant in RFC 3339.
pub(super) fn instant<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// A length of time in milliseconds.
pub(super) fn millis<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    Short(length.as_nanos() as f64 / 1e6).serialize(serializer)
}

fn sequence<S: Serializer>(
    items: impl ExactSizeIterator<Item = impl ser::Serialize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.len()))?;
    for item in items {
        sequence.serialize_element(&item)?;
    }
    sequence.end()
}

/// [`instant`] where there may be none.
pub(super) fn maybe_instant<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => instant(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// [`number`] where there may be none.
pub(super) fn maybe_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    number(&value.unwrap_or(f64::NAN), serializer)
}
