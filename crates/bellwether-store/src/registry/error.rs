//! What can go wrong in the registry, one type per operation, and the names that were perhaps meant.

use std::fmt;
use std::path::PathBuf;

use super::name::{AliasName, ModelName, Version};
use crate::bundle::{BundleError, BundleFileError, Sha256};
use crate::disk::DiskError;
use crate::signature::SignatureFileError;

/// The registry's own files cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An index is not what we wrote.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Another process is changing the registry and does not come to an end.
    #[error(
        "another process has been changing the registry for {waited_secs} s (it holds {}); try again when it is done",
        lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// How long we waited.
        waited_secs: u64,
    },
}

/// The file `index.json` of a model cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the index {}", path.display())]
pub struct IndexError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: IndexProblem,
}

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexProblem {
    /// Not the JSON that we write.
    #[error("it is damaged; restore it from a backup, the bundle files beside it are untouched")]
    Json(#[source] serde_json::Error),
    /// Its format is not known yet to this version.
    #[error(
        "made by a newer bellwether: format_version {found}, this version reads up to {newest}; update bellwether"
    )]
    Newer {
        /// Its format version.
        found: u64,
        /// The newest that we read.
        newest: u64,
    },
    /// JSON, but its parts contradict each other.
    #[error("it is damaged: {0}; restore it from a backup, the bundle files beside it are untouched")]
    Inconsistent(String),
}

/// A reference leads to no version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No such model.
    #[error("no model {name} in {}{near}", dir.display())]
    UnknownModel {
        /// What was asked for.
        name: ModelName,
        /// The registry's folder.
        dir: PathBuf,
        /// What is there.
        near: Near,
    },
    /// No such version of the model.
    #[error("{name} has no version {version}{near}")]
    UnknownVersion {
        /// The model.
        name: ModelName,
        /// What was asked for.
        version: Version,
        /// What is there.
        near: Near,
    },
    /// No such alias of the model.
    #[error("{name} has no alias {alias}{near}")]
    UnknownAlias {
        /// The model.
        name: ModelName,
        /// What was asked for.
        alias: AliasName,
        /// What is there.
        near: Near,
    },
    /// The registry cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The bundle file of a published version is not as it was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionFileError {
    /// It is gone.
    #[error("the file of {name}@{version} is gone: {}; restore it from a backup or remove the version", path.display())]
    Missing {
        /// The model.
        name: ModelName,
        /// The version.
        version: Version,
        /// Where its file should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its content changed.
    #[error(
        "{} was changed since {name}@{version} was published: its SHA-256 is {got}, the index says {want}; restore it \
         from a backup or remove the version",
        path.display()
    )]
    Altered {
        /// The model.
        name: ModelName,
        /// The version.
        version: Version,
        /// Its file.
        path: PathBuf,
        /// As published.
        want: Sha256,
        /// As found.
        got: Sha256,
    },
    /// It is as it was published, and yet no bundle that this version of bellwether reads.
    #[error(transparent)]
    Bundle(BundleFileError),
}

/// A model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The reference leads nowhere.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The version's file is damaged.
    #[error(transparent)]
    Version(Box<VersionFileError>),
    /// The bundle file that was named cannot be read.
    #[error(transparent)]
    File(BundleFileError),
    /// The signatures beside it cannot.
    #[error(transparent)]
    Signatures(#[from] SignatureFileError),
}

/// A version cannot be published. The registry is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The bundle is not one that could be read again.
    #[error("the model cannot be published")]
    Bundle(#[source] BundleError),
    /// The summary cannot be stored in the index.
    #[error(
        "the summary has {bytes} bytes of JSON (at most {bytes_max} are kept) or nests too deeply; put details into \
         the bundle's manifest"
    )]
    Summary {
        /// Its size as JSON.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// All numbers are used up, or the index would grow too large.
    #[error("{name} has no room for a further version; publish under another name")]
    Full {
        /// The model.
        name: ModelName,
    },
    /// The registry cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A promotion, rollback, alias or removal cannot be made. The registry is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no such version, or the registry cannot be read or written.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A version that is still in use was to be removed.
    #[error(
        "{name}@{version} is named by {}: point that elsewhere first",
        joined(aliases)
    )]
    InUse {
        /// The model.
        name: ModelName,
        /// The version.
        version: Version,
        /// The aliases that name it.
        aliases: Vec<AliasName>,
    },
    /// A pinned version was to be removed.
    #[error("{name}@{version} is pinned: let it go first, with bellwether models unpin {name}@{version}")]
    Pinned {
        /// The model.
        name: ModelName,
        /// The version.
        version: Version,
    },
    /// More is said of a version than is kept.
    #[error("{what} has at most {n_chars_max} characters; this has {n_chars}: shorten it")]
    LongLabel {
        /// What is too long.
        what: &'static str,
        /// How many there are.
        n_chars: usize,
        /// How many are kept.
        n_chars_max: usize,
    },
    /// A version has as many tags or signatures as it may have.
    #[error("a version has at most {n_max} {what}; take one off first")]
    ManyLabels {
        /// What there would be too many of.
        what: &'static str,
        /// How many it may have.
        n_max: usize,
    },
    /// The index would grow too large.
    #[error("the index of {name} is full: remove versions, or shorten their notes and tags")]
    Full {
        /// The model.
        name: ModelName,
    },
    /// There is nothing to roll back to.
    #[error(
        "{name} has no champion before version {champion} to roll back to; promote the version that you want"
    )]
    NoEarlierChampion {
        /// The model.
        name: ModelName,
        /// Its champion.
        champion: Version,
    },
    /// A model has as many aliases as it may have.
    #[error("{name} has {n_max} aliases, no more are allowed; drop one first")]
    TooManyAliases {
        /// The model.
        name: ModelName,
        /// How many it may have.
        n_max: usize,
    },
    /// More is said of a change than is kept.
    #[error(
        "a reason, and who gives it, have at most {n_chars_max} characters; these are {n_chars}: shorten it"
    )]
    LongReason {
        /// How many there are.
        n_chars: usize,
        /// How many are kept.
        n_chars_max: usize,
    },
    /// `champion` is no alias like others.
    #[error("champion is moved by promote and rollback only, so that its history is kept")]
    ChampionIsPromoted,
}

impl From<VersionFileError> for LoadError {
    fn from(source: VersionFileError) -> Self {
        Self::Version(Box::new(source))
    }
}

impl From<StateError> for ChangeError {
    fn from(source: StateError) -> Self {
        Self::Lookup(LookupError::State(source))
    }
}

impl From<DiskError> for ChangeError {
    fn from(source: DiskError) -> Self {
        StateError::from(source).into()
    }
}

impl From<DiskError> for PublishError {
    fn from(source: DiskError) -> Self {
        StateError::from(source).into()
    }
}

fn joined(aliases: &[AliasName]) -> String {
    let names: Vec<&str> = aliases.iter().map(AliasName::as_str).collect();
    names.join(" and ")
}

/// The names that were perhaps meant, else some of those that exist. Prints as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// Similar names, best first; at most three.
    pub similar: Vec<String>,
    /// Names that exist; at most eight of them.
    pub some: Vec<String>,
    /// How many exist.
    pub n_all: usize,
}

/// Most existing names that a message lists.
const SHOWN_MAX: usize = 8;

/// Least Jaro-Winkler similarity, in [0, 1], of a name that was perhaps meant: a letter missing, doubled, swapped or
/// wrong in a short name lies above, unrelated names below.
const SIMILAR_MIN: f64 = 0.8;

impl Near {
    pub(super) fn among(wanted: &str, names: impl Iterator<Item = String>) -> Self {
        let names: Vec<String> = names.collect();
        let mut similar: Vec<(f64, &String)> = names
            .iter()
            .map(|name| (strsim::jaro_winkler(wanted, name), name))
            .filter(|(similarity, _)| *similarity >= SIMILAR_MIN)
            .collect();
        similar.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self {
            similar: similar
                .into_iter()
                .take(3)
                .map(|(_, name)| name.clone())
                .collect(),
            some: names.iter().take(SHOWN_MAX).cloned().collect(),
            n_all: names.len(),
        }
    }

    /// The existing versions next to the wanted one, in order.
    pub(super) fn versions(wanted: Version, versions: impl Iterator<Item = Version>) -> Self {
        let mut versions: Vec<Version> = versions.collect();
        let n_all = versions.len();
        versions.sort_by_key(|version| version.number().abs_diff(wanted.number()));
        versions.truncate(SHOWN_MAX);
        versions.sort_unstable();
        Self {
            similar: Vec::new(),
            some: versions.iter().map(ToString::to_string).collect(),
            n_all,
        }
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.similar.is_empty() {
            return write!(f, "; did you mean {}?", self.similar.join(" or "));
        }
        if self.some.is_empty() {
            return f.write_str("; it is empty: train a model first");
        }
        let n_more = self.n_all.saturating_sub(self.some.len());
        write!(f, "; it has {}", self.some.join(", "))?;
        if n_more > 0 {
            write!(f, " and {n_more} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_else_what_exists() {
        let check = |wanted: &str, names: &[&str], expect: &str| {
            let near = Near::among(wanted, names.iter().map(ToString::to_string));
            assert_eq!(near.to_string(), expect);
        };
        let names = ["pump-east", "pump-west", "turbine"];
        check("turbin", &names, "; did you mean turbine?");
        check("trubine", &names, "; did you mean turbine?");
        check("pump-wets", &names, "; did you mean pump-west or pump-east?");
        check("xyz", &names, "; it has pump-east, pump-west, turbine");
        check("xyz", &["a"; 10], "; it has a, a, a, a, a, a, a, a and 2 more");
        check("xyz", &[], "; it is empty: train a model first");
    }

    #[test]
    fn near_versions_are_the_next_by_number() {
        let version = |number| Version::new(number).unwrap();
        let near = Near::versions(version(50), (1..=40).chain(60..=61).map(version));
        assert_eq!(
            near.to_string(),
            "; it has 35, 36, 37, 38, 39, 40, 60, 61 and 34 more"
        );
    }
}
