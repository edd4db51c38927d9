//! JSON one level deep: names in their order, values as they are written.
//!
//! Numbers are left as text, so that they are read like those of a table, and times keep every digit.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::reason::{Reason, Refusal, shown};
use super::{CHANNELS_MAX, names};

/// Fields of an object at most: those that are no channels too.
const FIELDS_MAX: usize = 2 * CHANNELS_MAX;

/// An object: names, and values as they are written, in the order of the text.
pub(super) type Fields<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The fields of an object; no name stands twice.
pub(super) fn object(text: &str) -> Result<Fields<'_>, Refusal> {
    let mut json = serde_json::Deserializer::from_str(text);
    let (fields, n_more) = json
        .deserialize_map(ObjectVisitor)
        .and_then(|object| json.end().map(|()| object))
        .map_err(|error| not_json(&error, text))?;
    if n_more > 0 {
        let n_fields = fields.len() + n_more;
        return Err(Reason::TooManyChannels.because(format!(
            "{n_fields} fields in one object; at most {FIELDS_MAX} are taken"
        )));
    }
    match repeated(&fields) {
        Some(name) => Err(names::duplicate(name)),
        None => Ok(fields),
    }
}

/// Gives each element of an array as it is written.
pub(super) fn elements<'a>(text: &'a str, each: &mut dyn FnMut(&'a str)) -> Result<(), Refusal> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_seq(ArrayVisitor { each })
        .and_then(|()| json.end())
        .map_err(|error| not_json(&error, text))
}

/// The text of a JSON string; `None` where `raw` is something else.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?;
    match inner.strip_suffix('"') {
        Some(inner) if !inner.contains(['\\', '"']) => Some(Cow::Borrowed(inner)),
        _ => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

fn not_json(error: &serde_json::Error, text: &str) -> Refusal {
    // Python's json module writes these words.
    let hint = if text.contains("NaN") || text.contains("Infinity") {
        "; JSON knows no NaN and no Infinity: send null"
    } else {
        ""
    };
    Reason::NotJson.because(format!("{}{hint}, in {}", error, shown(text)))
}

/// A name that stands twice. Few names are compared with one another, for that asks for no memory.
fn repeated<'f>(fields: &'f Fields<'_>) -> Option<&'f str> {
    const FEW: usize = 24;
    if fields.len() <= FEW {
        let is_repeated = |(nth, (name, _)): &(usize, &(Cow<'_, str>, &str))| {
            fields[..*nth].iter().any(|(earlier, _)| earlier == name)
        };
        return fields
            .iter()
            .enumerate()
            .find(is_repeated)
            .map(|(_, (name, _))| &**name);
    }
    let mut seen = std::collections::HashSet::with_capacity(fields.len());
    fields
        .iter()
        .map(|(name, _)| &**name)
        .find(|name| !seen.insert(*name))
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    /// The fields, and how many more there are than are taken.
    type Value = (Fields<'de>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(16);
        let mut n_more = 0;
        while fields.len() < FIELDS_MAX {
            let Some(name) = map.next_key_seed(Name)? else {
                return Ok((fields, 0));
            };
            fields.push((name, map.next_value::<&RawValue>()?.get()));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            n_more += 1;
        }
        Ok((fields, n_more))
    }
}

/// A name, borrowed from the text where it can be.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

struct ArrayVisitor<'f, 'a> {
    each: &'f mut dyn FnMut(&'a str),
}

impl<'de> Visitor<'de> for ArrayVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            (self.each)(element.get());
        }
        Ok(())
    }
}
