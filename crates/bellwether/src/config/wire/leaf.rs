//! Texts that stand for a value: spans, times, addresses, references. Each form is read in one place.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use bellwether_store::read::time_format::parse_time;
use bellwether_store::registry::ModelRef;
use bellwether_stream::patterns;
use bellwether_stream::source::decode::Place;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::config::duration;

/// A value that is written as a text.
pub(crate) trait Leaf: Sized {
    /// What the schema calls it.
    const FORMAT: &'static str;
    /// A regular expression for programs that check the schema alone; it may let more pass than [`read`](Self::read).
    const PATTERN: Option<&'static str> = None;

    /// Reads it. The error says what was wanted and quotes nothing that could be secret.
    fn read(text: &str) -> Result<Self, String>;

    /// As it is read back.
    fn shown(&self) -> String;
}

/// A leaf in a wire struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct As<T>(pub(crate) T);

/// A span of time, or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

/// A pattern of device names: `pump-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

/// A name that the file gives to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// `sqlite:FILE`
    Sqlite(String),
    /// `postgres://user@host/database`
    Postgres(Url),
}

/// What is wrong with a text of that format, if anything.
pub(crate) fn problem(format: &str, text: &str) -> Option<String> {
    fn of<T: Leaf>(text: &str) -> Option<String> {
        T::read(text).err()
    }
    let read = match format {
        Duration::FORMAT => of::<Duration>,
        Limit::FORMAT => of::<Limit>,
        Timestamp::FORMAT => of::<Timestamp>,
        Url::FORMAT => of::<Url>,
        DatabaseUrl::FORMAT => of::<DatabaseUrl>,
        SocketAddr::FORMAT => of::<SocketAddr>,
        ModelRef::FORMAT => of::<ModelRef>,
        Pattern::FORMAT => of::<Pattern>,
        Name::FORMAT => of::<Name>,
        Place::FORMAT => of::<Place>,
        Zone::FORMAT => of::<Zone>,
        PATH_FORMAT => |text: &str| text.is_empty().then(|| "an empty path names no file".to_owned()),
        _ => return None,
    };
    read(text)
}

/// What the schema calls a path.
pub(crate) const PATH_FORMAT: &str = "path";

impl Leaf for Duration {
    const FORMAT: &'static str = "duration-text";
    const PATTERN: Option<&'static str> = Some(r"^\s*([0-9.]+[a-z]+)+\s*$|^\s*[Pp][0-9.A-Za-z]+\s*$");

    fn read(text: &str) -> Result<Self, String> {
        duration::parse(text).ok_or_else(|| format!("{text:?} is not {}", duration::WANTED))
    }

    fn shown(&self) -> String {
        duration::shown(*self)
    }
}

impl Leaf for Limit {
    const FORMAT: &'static str = "duration-or-never";
    const PATTERN: Option<&'static str> = Some(r"^never$|^\s*([0-9.]+[a-z]+)+\s*$|^\s*[Pp][0-9.A-Za-z]+\s*$");

    fn read(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        match duration::parse(text) {
            Some(span) => Ok(Self(Some(span))),
            None => Err(format!("{text:?} is not {}, or never", duration::WANTED)),
        }
    }

    fn shown(&self) -> String {
        self.0.map_or_else(|| "never".to_owned(), duration::shown)
    }
}

impl Leaf for Timestamp {
    const FORMAT: &'static str = "time";

    fn read(text: &str) -> Result<Self, String> {
        parse_time(text)
            .ok_or_else(|| format!("{text:?} is not a time such as 2024-05-01T12:00:00Z or 2024-05-01"))
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Leaf for Url {
    const FORMAT: &'static str = "address";

    fn read(text: &str) -> Result<Self, String> {
        let url = Self::parse(text).map_err(|error| {
            format!("this is not an address such as https://host/path or mqtt://host:1883: {error}")
        })?;
        if url.password().is_some() {
            return Err(
                "an address holds no password: give it as password = { env = \"NAME\" } or \
                        { file = \"PATH\" }"
                    .to_owned(),
            );
        }
        Ok(url)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Leaf for DatabaseUrl {
    const FORMAT: &'static str = "database";
    const PATTERN: Option<&'static str> = Some(r"^(sqlite:|postgres(ql)?://).+$");

    fn read(text: &str) -> Result<Self, String> {
        const WANTED: &str = "this is not a database: write sqlite:FILE or postgres://user@host/database";
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() || path.contains('?') || path == ":memory:" {
                true => Err("sqlite: wants the path of a file after it, such as sqlite:live.db".to_owned()),
                false => Ok(Self::Sqlite(path.to_owned())),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(WANTED.to_owned());
        }
        let url = <Url as Leaf>::read(text)?;
        if url.query_pairs().any(|(key, _)| key.contains("password")) {
            return Err(
                "an address holds no password: give it as password = { env = \"NAME\" } or \
                        { file = \"PATH\" }"
                    .to_owned(),
            );
        }
        match url.host_str().is_some_and(|host| !host.is_empty()) && url.path().len() > 1 {
            true => Ok(Self::Postgres(url)),
            false => Err(WANTED.to_owned()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{path}"),
            Self::Postgres(url) => url.to_string(),
        }
    }
}

impl Leaf for SocketAddr {
    const FORMAT: &'static str = "listen";

    fn read(text: &str) -> Result<Self, String> {
        text.replacen("localhost:", "127.0.0.1:", 1).parse().map_err(|_| {
            format!("{text:?} is not an address and a port such as 127.0.0.1:8080 or [::1]:8080")
        })
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Leaf for ModelRef {
    const FORMAT: &'static str = "model";

    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Leaf for Zone {
    const FORMAT: &'static str = "time-zone";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| crate::failure::chain(&error))
    }

    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl Leaf for Pattern {
    const FORMAT: &'static str = "device-pattern";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches no device; * matches all".to_owned());
        }
        match patterns::matcher(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("{error}; write a name, or one with * ? [ab] {{a,b}}")),
        }
    }

    fn shown(&self) -> String {
        self.0.clone()
    }
}

impl Leaf for Name {
    const FORMAT: &'static str = "name";
    const PATTERN: Option<&'static str> = Some(r"^[^\u0000-\u001f\u007f]{1,200}$");

    fn read(text: &str) -> Result<Self, String> {
        let is_fine = (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control);
        match is_fine {
            true => Ok(Self(text.to_owned())),
            false => Err("a name has 1 to 200 characters on one line".to_owned()),
        }
    }

    fn shown(&self) -> String {
        self.0.clone()
    }
}

impl Leaf for Place {
    const FORMAT: &'static str = "place";
    const PATTERN: Option<&'static str> = Some(r"^(field:.+|topic:[0-9]+|fixed:.+)$");

    fn read(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("field", path)) if path.split('.').all(|level| !level.is_empty()) => {
                Ok(Self::Field(path.to_owned()))
            }
            Some(("topic", level)) if level.parse::<u16>().is_ok() => {
                Ok(Self::Topic(level.parse().unwrap_or_default()))
            }
            Some(("fixed", fixed)) if !fixed.is_empty() => Ok(Self::Fixed(fixed.to_owned())),
            _ => Err(format!(
                "{text:?} says no place: write field:meta.id (a field of the message), topic:1 (a level of the \
                 topic, counted from 0) or fixed:pump-7 (always this text)"
            )),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Field(path) => format!("field:{path}"),
            Self::Topic(level) => format!("topic:{level}"),
            Self::Fixed(text) => format!("fixed:{text}"),
        }
    }
}

impl<T: Leaf> Serialize for As<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.shown())
    }
}

impl<'de, T: Leaf> Deserialize<'de> for As<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(de::Error::custom)
    }
}

impl<T: Leaf> JsonSchema for As<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(T::FORMAT)
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string", "format": T::FORMAT });
        if let Some(pattern) = T::PATTERN {
            schema.insert("pattern".to_owned(), pattern.into());
        }
        schema
    }
}
