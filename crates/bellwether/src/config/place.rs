//! Where a value comes from, and therefore where a mistake is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Which layer set a value, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody: it is built in.
    Default,
    /// The configuration file; line and column count from 1, columns in characters.
    File {
        /// The file as it was named.
        file: Arc<Path>,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl Origin {
    /// The place without its column, for lists of values.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::File { file, line, .. } => format!("{}:{line}", file.display()),
            Self::Environment(name) => format!("env {name}"),
            Self::Flag(name) => format!("flag {name}"),
            Self::Default => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The origin of every value that a layer set, by its path: `sources[1].topics[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Notes where the value at a path comes from.
    pub(crate) fn note(&mut self, at: &str, origin: &Origin) {
        self.0.insert(at.to_owned(), origin.clone());
    }

    /// Where the value at a path comes from; [`Origin::Default`] where no layer set it.
    pub(crate) fn of(&self, at: &str) -> &Origin {
        self.0.get(at).unwrap_or(&Origin::Default)
    }

    /// The closest place to point at for a path: its own, else that of what it is a part of.
    pub(crate) fn near(&self, at: &str) -> &Origin {
        let mut at = at;
        loop {
            if let Some(origin) = self.0.get(at) {
                return origin;
            }
            match at.rfind(['.', '[']) {
                Some(end) => at = &at[..end],
                None => return self.0.get("").unwrap_or(&Origin::Default),
            }
        }
    }
}

/// The path of a part of what is at `at`.
pub(crate) fn below(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}
