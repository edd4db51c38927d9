//! How people point at a model: `NAME`, `NAME@VERSION`, `NAME@ALIAS`, or the path of a bundle file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::name::{AliasName, ModelName, NameError, Version};
use crate::bundle;

/// A model in the registry or in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// A version in the registry.
    Named(NamedRef),
    /// A bundle file: what was given contains a path separator or ends in `.bellwether`.
    File(PathBuf),
}

impl FromStr for ModelRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let has_extension = text
            .strip_suffix(bundle::EXTENSION)
            .is_some_and(|stem| stem.ends_with('.'));
        if has_extension || text.contains(['/', '\\', std::path::MAIN_SEPARATOR]) {
            return Ok(Self::File(PathBuf::from(text)));
        }
        text.parse().map(Self::Named)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(named) => named.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A version of a model in the registry. Where a path would be a hole (REST), take this and not [`ModelRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRef {
    /// The model.
    pub name: ModelName,
    /// Which of its versions.
    pub pick: Pick,
}

/// Which version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// This one.
    Version(Version),
    /// The one that the alias names now; `NAME` alone means the champion.
    Alias(AliasName),
}

impl FromStr for NamedRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let (name, pick) = text
            .split_once('@')
            .map_or((text, None), |(name, pick)| (name, Some(pick)));
        let name = name.parse()?;
        let pick = match pick {
            None => Pick::Alias(AliasName::champion()),
            Some(pick) if pick.starts_with(|first: char| first.is_ascii_digit()) => {
                Pick::Version(pick.parse()?)
            }
            Some(pick) => Pick::Alias(pick.parse()?),
        };
        Ok(Self { name, pick })
    }
}

impl fmt::Display for NamedRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pick {
            Pick::Version(version) => write!(f, "{}@{version}", self.name),
            Pick::Alias(alias) if alias.is_champion() => self.name.fmt(f),
            Pick::Alias(alias) => write!(f, "{}@{alias}", self.name),
        }
    }
}

/// A text points at no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
// Told in one sentence and not as a chain of causes: command lines show only the first text of an error.
#[error(
    "not a model: {0}; write NAME (its champion), NAME@VERSION, NAME@ALIAS, or the path of a bundle file \
     (with a / in it or ending in .bellwether)"
)]
pub struct RefError(NameError);

impl From<NameError> for RefError {
    fn from(source: NameError) -> Self {
        Self(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_printed() {
        let check = |text: &str, expect: &str| {
            let got = text.parse::<ModelRef>();
            assert_eq!(got.as_ref().map(ToString::to_string).as_deref(), Ok(expect));
            assert_eq!(
                got.map(|got| matches!(got, ModelRef::File(_))),
                Ok(expect.contains(['/', '\\', '.']))
            );
        };
        check("pump", "pump");
        check("pump@champion", "pump");
        check("pump@12", "pump@12");
        check("3@4", "3@4");
        check("pump@canary", "pump@canary");
        check("pump.bellwether", "pump.bellwether");
        check("./pump", "./pump");
        check("../../etc/passwd", "../../etc/passwd");
        check("models\\pump", "models\\pump");
    }

    #[test]
    fn what_is_no_reference_is_told_the_forms() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<ModelRef>().expect_err(text).to_string();
            assert!(
                error.contains(expect) && error.contains("NAME@VERSION"),
                "{error}"
            );
        };
        check("", "\"\" is no name");
        check("Pump", "\"Pump\" is no name");
        check("@1", "\"\" is no name");
        check("pump@", "\"\" is no alias");
        check("pump@0", "\"0\" is no version");
        check("pump@1x", "\"1x\" is no version");
        check("pump@1@2", "\"1@2\" is no version");
        check("pump@a@b", "\"a@b\" is no alias");
        check("bellwether pump", "is no name");
        check("..", "is no name");
    }

    #[test]
    fn a_named_reference_is_never_a_path() {
        for path in ["../pump", "/pump", "pump.bellwether", "pump@../1", "pump@a/b"] {
            assert!(path.parse::<NamedRef>().is_err(), "{path}");
        }
    }
}
