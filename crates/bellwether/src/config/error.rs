//! What is wrong with a configuration: every mistake with its place.

use std::fmt;

use bellwether_store::disk::DiskError;

use super::place::Origin;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration is not there: {0}; give the path of a TOML file")]
    Unreadable(#[source] DiskError),
    /// What the layers say cannot be.
    #[error("{0}")]
    Wrong(Mistakes),
}

/// All mistakes that were found, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

/// One mistake. Holds no value that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where.
    pub(crate) origin: Origin,
    /// The path of the key; empty where the text is no TOML.
    pub(crate) at: String,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

impl Mistakes {
    /// Mistakes, those of the file first, by line.
    pub(crate) fn in_order(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| match &mistake.origin {
            Origin::File { line, column, .. } => (*line, *column),
            Origin::Environment(_) => (usize::MAX - 1, 0),
            Origin::Flag(_) | Origin::Default => (usize::MAX, 0),
        });
        Self(mistakes)
    }

    /// The mistakes as an error, or nothing where there are none.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Wrong(self)),
        }
    }
}

impl fmt::Display for Mistakes {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, mistake) in self.0.iter().enumerate() {
            if idx > 0 {
                writeln!(f)?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => {}
            origin => write!(f, "{origin}: ")?,
        }
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.problem)
    }
}

/// `; did you mean …?` where one of the known names is close to what was written.
pub(crate) fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
