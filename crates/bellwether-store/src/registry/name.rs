//! Names of models and aliases, and numbers of versions: never paths, whatever they are made from.

use std::fmt;
use std::str::FromStr;

/// Most characters of a name.
const NAME_LEN_MAX: usize = 63;

/// Names that Windows takes for devices in every folder, whatever their extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of a model: `[a-z0-9][a-z0-9-_]{0,62}`, so that it can be a folder on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

impl ModelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ModelName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) && !is_device(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Model { got: shortened(text) })
        }
    }
}

/// A name for a version of a model that can be moved to another: `[a-z][a-z0-9-_]{0,62}`.
///
/// It starts with a letter, so that `NAME@3` is always a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(String);

impl AliasName {
    /// The alias of the version that serves: moved by promotion and rollback only.
    pub fn champion() -> Self {
        Self("champion".to_owned())
    }

    /// Whether it is [`champion`](Self::champion).
    pub fn is_champion(&self) -> bool {
        self.0 == "champion"
    }

    /// The alias as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AliasName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) && text.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Alias { got: shortened(text) })
        }
    }
}

/// The number of a version of a model: 1, 2, 3 …, given once and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u32);

impl Version {
    /// Version `number`; `None` for zero.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number, at least 1.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Digits without sign or leading zero, so that every version is written in one way.
impl FromStr for Version {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        match text.parse() {
            Ok(number) if is_plain => Ok(Self(number)),
            _ => Err(NameError::Version { got: shortened(text) }),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    text.len() <= NAME_LEN_MAX
        && text.bytes().all(is_inner)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_device(name: &str) -> bool {
    let port = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
    DEVICES.contains(&name) || port.is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// What goes into a message: at most 80 characters of what was given.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A text is not a name, alias or version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not the name of a model.
    #[error(
        "{got:?} is no name for a model: use 1 to {NAME_LEN_MAX} of a-z, 0-9, - and _, starting with a letter or \
         digit (and not one that Windows keeps for a device, such as con)"
    )]
    Model {
        /// What was given.
        got: String,
    },
    /// Not the key of a tag.
    #[error("{got:?} is no key of a tag: use 1 to 63 of a-z, 0-9, -, _ and ., starting with a letter")]
    Tag {
        /// What was given.
        got: String,
    },
    /// Not an alias.
    #[error("{got:?} is no alias: use 1 to {NAME_LEN_MAX} of a-z, 0-9, - and _, starting with a letter")]
    Alias {
        /// What was given.
        got: String,
    },
    /// Not the number of a version.
    #[error("{got:?} is no version: versions are 1, 2, 3 …")]
    Version {
        /// What was given.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_or_worse_are_refused() {
        let long = "a".repeat(64);
        let payloads = [
            "",
            ".",
            "..",
            "...",
            "../etc/passwd",
            "..\\windows\\win.ini",
            "/etc/passwd",
            "\\\\host\\share",
            "C:",
            "c:\\boot.ini",
            "a/b",
            "a\\b",
            "a/../b",
            "./a",
            "a/",
            "a..",
            "a.b",
            ".hidden",
            ".lock",
            "-rf",
            "_a",
            "%2e%2e%2f",
            "..%2f",
            "..%c0%af",
            "%00",
            "a\0",
            "a\n",
            "a\r\nb",
            " a",
            "a ",
            "a b",
            "A",
            "Pump",
            "pümp",
            "ａ",
            "‥",
            "a∕b",
            "a\u{202e}b",
            "~",
            "~root",
            "$HOME",
            "`id`",
            "$(id)",
            "a;b",
            "a|b",
            "a&b",
            "a*",
            "a?",
            "a:b",
            "a@1",
            "a'b",
            "a\"b",
            "<a>",
            "con",
            "nul",
            "aux",
            "prn",
            "com1",
            "lpt9",
            "file://a",
            long.as_str(),
        ];
        for payload in payloads {
            let error = payload.parse::<ModelName>().expect_err(payload).to_string();
            assert!(error.contains("is no name for a model"), "{error}");
        }
    }

    #[test]
    fn good_names_are_kept_as_they_are() {
        let long = "a".repeat(63);
        for name in ["a", "0", "pump-3_west", "3", "com", "com10", "console", &long] {
            assert_eq!(
                name.parse::<ModelName>().map(|name| name.to_string()).as_deref(),
                Ok(name)
            );
        }
        for alias in ["champion", "x", "canary-2"] {
            assert_eq!(
                alias.parse::<AliasName>().map(|name| name.to_string()).as_deref(),
                Ok(alias)
            );
        }
        for bad in ["", "3", "3a", "-a", "A", "../a", &"a".repeat(64)] {
            assert!(bad.parse::<AliasName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_written_in_one_way() {
        assert_eq!("12".parse::<Version>().map(Version::number), Ok(12));
        for bad in ["", "0", "01", "+1", "-1", "1.0", " 1", "v1", "4294967296", "１"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
