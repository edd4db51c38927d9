//! The model registry: a folder in which every model has numbered versions, one of them its champion.
//!
//! ```text
//! <dir>/.lock                        held while something is changed
//! <dir>/<name>/1.bellwether          one bundle per version, never changed
//! <dir>/<name>/2.bellwether
//! <dir>/<name>/index.json            which versions count, their checksums, aliases, labels and history
//! ```
//!
//! The index is the truth: it is replaced atomically, a version's file is in place before the index names it and is
//! deleted only after. So a crash leaves the registry as it was before the change or as it should be after it, and at
//! worst a file that nothing names: [`Registry::verify`] shows it, its number is passed over. Reading takes no lock.
//! Changes wait for one another, across processes.
//!
//! After an error the registry is as before the change, unless the error comes from what follows the replacement of
//! the index: "cannot sync folder" (the change is visible but may not survive a power cut) or, in a removal, "cannot
//! delete" (the version is gone, its file is not; removing it again deletes that).

mod error;
mod index;
mod label;
mod lock;
mod log;
mod name;
mod plan;
mod reference;
mod retention;
mod verify;
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwether_core::time::Timestamp;

pub use error::{
    ChangeError, IndexError, IndexProblem, LoadError, LookupError, Near, PublishError, StateError,
    VersionFileError,
};
pub use index::{Action, Because, Entry, Index, Moved, Promotion};
pub use label::{Label, Labels, TagKey};
pub use log::{Change, Deed};
pub use name::{AliasName, ModelName, NameError, Version};
pub use reference::{ModelRef, NamedRef, Pick, RefError};
pub use retention::Retention;
pub use verify::{Problem, Report};

use crate::bundle::{self, Bundle, BundleFileError, Sha256};
use crate::disk::{self, DiskError};
use crate::signature::{self, Signature};
use lock::Lock;
use plan::TEMP_EXTENSION;

/// Most bytes of an `index.json`.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Most bytes of it that publications may fill: aliases and history with its reasons, all bounded, always find room.
const INDEX_BYTES_PUBLISHED_MAX: u64 = INDEX_BYTES_MAX - (8 << 20);

/// Most bytes of JSON in a summary.
const SUMMARY_BYTES_MAX: usize = 256 << 10;

/// How long a change waits for others to finish: longer than writing the largest bundle takes on a slow disk.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Registry {
    dir: PathBuf,
    lock_wait: Duration,
}

/// All models of a registry.
#[derive(Debug)]
pub struct Listing {
    /// Those that can be read, by name.
    pub models: Vec<Index>,
    /// Why the others cannot.
    pub damaged: Vec<StateError>,
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// To a version in the registry.
    Version {
        /// The model.
        name: ModelName,
        /// What the index says of the version.
        entry: Entry,
        /// Its bundle file.
        path: PathBuf,
    },
    /// To a bundle file.
    File(PathBuf),
}

/// A model, read and verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Where it came from.
    pub from: Resolved,
    /// What it is.
    pub bundle: Bundle,
    /// Checksum of the whole bundle file.
    pub sha256: Sha256,
    /// Who signed it, as the index says or the file beside it. Whether they did is not asked yet.
    pub signatures: Vec<Signature>,
}

impl Registry {
    /// The registry in the folder `dir`, which the first publication makes where it is missing.
    ///
    /// # Errors
    /// Where `dir` is something else than a folder, or cannot be looked at.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let dir = dir.into();
        match fs::metadata(&dir).map_err(DiskError::at("open the registry", &dir)) {
            Ok(about) if !about.is_dir() => {
                let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is not a folder");
                Err(DiskError::at("open the registry", &dir)(source))
            }
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(Self {
                dir,
                lock_wait: LOCK_WAIT,
            }),
        }
    }

    /// Changes wait at most `wait` for others to finish (a minute unless said otherwise).
    pub fn with_lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// The registry's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds a version and gives its number. The first version of a model is its champion, later ones wait for
    /// [`promote`](Self::promote). `summary` is what [`list`](Self::list) shows without opening the bundle.
    ///
    /// # Errors
    /// Where the bundle or the summary cannot be kept or the disk refuses; nothing is published then.
    pub fn publish(
        &self,
        name: &ModelName,
        bundle: &Bundle,
        summary: serde_json::Value,
        now: Timestamp,
    ) -> Result<Version, PublishError> {
        check_summary(&summary)?;
        let bytes = bundle.to_bytes().map_err(PublishError::Bundle)?;
        let _lock = self.lock()?;
        Ok(self.plan_publish(name, bytes, summary, now)?.carry_out()?)
    }

    /// All models, each with all that its index says.
    ///
    /// # Errors
    /// Where the folder itself cannot be read; a damaged index only loses its own model.
    pub fn list(&self) -> Result<Listing, StateError> {
        let mut listing = Listing {
            models: Vec::new(),
            damaged: Vec::new(),
        };
        for name in self.folders()? {
            match self.index(&name) {
                Ok(index) => listing.models.extend(index),
                Err(error) => listing.damaged.push(error),
            }
        }
        Ok(listing)
    }

    /// One model with all its versions.
    ///
    /// # Errors
    /// Where there is none of that name, naming those that are near, or its index cannot be read.
    pub fn show(&self, name: &ModelName) -> Result<Index, LookupError> {
        if let Some(index) = self.index(name)? {
            return Ok(index);
        }
        let folders = self.folders()?.into_iter();
        let names = folders.filter(|name| self.index_path(name).is_file());
        Err(LookupError::UnknownModel {
            name: name.clone(),
            dir: self.dir.clone(),
            near: error::Near::among(name.as_str(), names.map(|name| name.to_string())),
        })
    }

    /// Where a reference leads, without opening the bundle. `NAME` leads to the champion.
    ///
    /// # Errors
    /// Where it leads nowhere, naming what there is.
    pub fn resolve(&self, reference: &ModelRef) -> Result<Resolved, LookupError> {
        match reference {
            ModelRef::File(path) => Ok(Resolved::File(path.clone())),
            ModelRef::Named(NamedRef { name, pick }) => {
                let entry = self.show(name)?.find(pick)?.clone();
                let path = self.bundle_path(name, entry.version);
                let name = name.clone();
                Ok(Resolved::Version { name, entry, path })
            }
        }
    }

    /// The model that a reference leads to, its file compared with the checksum taken when it was published. Of a bundle
    /// file, signatures are those in the file beside it.
    ///
    /// # Errors
    /// Where it leads nowhere or the file is missing, damaged or changed.
    pub fn load(&self, reference: &ModelRef) -> Result<Loaded, LoadError> {
        let from = self.resolve(reference)?;
        match &from {
            Resolved::File(path) => {
                let bytes = disk::read_bounded(path, bundle::FILE_BYTES_MAX)
                    .map_err(|error| LoadError::File(error.into()))?;
                let bundle = Bundle::from_bytes(&bytes).map_err(|source| {
                    let path = path.clone();
                    LoadError::File(BundleFileError::Bundle { path, source })
                })?;
                Ok(Loaded {
                    bundle,
                    sha256: Sha256::of(&bytes),
                    signatures: signature::read_beside(path)?,
                    from,
                })
            }
            Resolved::Version { name, entry, .. } => Ok(Loaded {
                bundle: self.read_version(name, entry)?,
                sha256: entry.sha256,
                signatures: entry.labels.signatures.clone(),
                from,
            }),
        }
    }

    /// Makes a version the champion of its model, at once for all who resolve it from then on.
    ///
    /// # Errors
    /// Where there is no such version, the reason is too long, or the disk refuses; the champion stays then.
    pub fn promote(
        &self,
        reference: &NamedRef,
        because: &Because,
        now: Timestamp,
    ) -> Result<Moved, ChangeError> {
        let _lock = self.lock()?;
        let plan = self.plan_change(&reference.name, |index| {
            index.promote(&reference.pick, because, now)
        })?;
        Ok(plan.carry_out()?)
    }

    /// Makes the previous champion champion again. A second rollback goes back one further.
    ///
    /// # Errors
    /// Where there was none before, or the disk refuses; the champion stays then.
    pub fn rollback(
        &self,
        name: &ModelName,
        because: &Because,
        now: Timestamp,
    ) -> Result<Moved, ChangeError> {
        let _lock = self.lock()?;
        let plan = self.plan_change(name, |index| index.rollback(because, now))?;
        Ok(plan.carry_out()?)
    }

    /// Lets an alias name a version; gives the one it named before.
    ///
    /// # Errors
    /// Where there is no such version, the alias is `champion`, or the disk refuses.
    pub fn set_alias(
        &self,
        alias: &AliasName,
        reference: &NamedRef,
        because: &Because,
        now: Timestamp,
    ) -> Result<Option<Version>, ChangeError> {
        let _lock = self.lock()?;
        let plan = self.plan_change(&reference.name, |index| {
            index.set_alias(alias, &reference.pick, because, now)
        })?;
        Ok(plan.carry_out()?)
    }

    /// Forgets an alias; gives the version it named.
    ///
    /// # Errors
    /// Where there is no such alias, it is `champion`, or the disk refuses.
    pub fn drop_alias(
        &self,
        name: &ModelName,
        alias: &AliasName,
        because: &Because,
        now: Timestamp,
    ) -> Result<Version, ChangeError> {
        let _lock = self.lock()?;
        Ok(self
            .plan_change(name, |index| index.drop_alias(alias, because, now))?
            .carry_out()?)
    }

    /// Changes what people say of a version, and gives its number: a tag, its note, a pin, a signature.
    ///
    /// # Errors
    /// Where there is no such version, more is said than is kept, or the disk refuses.
    pub fn label(
        &self,
        reference: &NamedRef,
        label: &Label,
        because: &Because,
        now: Timestamp,
    ) -> Result<Version, ChangeError> {
        let _lock = self.lock()?;
        let plan = self.plan_change(&reference.name, |index| {
            index.label(&reference.pick, label, because, now)
        })?;
        Ok(plan.carry_out()?)
    }

    /// Deletes a version for good, or a bundle file of that number that the index does not name. The number is never
    /// given again.
    ///
    /// # Errors
    /// Where an alias names it (so the champion always stays) or it is pinned, there is no such version, or the disk
    /// refuses.
    pub fn remove(
        &self,
        name: &ModelName,
        version: Version,
        because: &Because,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let _lock = self.lock()?;
        Ok(self.plan_remove(name, version, because, now)?.carry_out()?)
    }

    /// The bundle of a version, if its file is what was published.
    fn read_version(&self, name: &ModelName, entry: &Entry) -> Result<Bundle, VersionFileError> {
        let path = self.bundle_path(name, entry.version);
        let (name, version) = (name.clone(), entry.version);
        let bytes = match disk::read_bounded(&path, bundle::FILE_BYTES_MAX) {
            Err(error) if error.is_not_found() => {
                return Err(VersionFileError::Missing { name, version, path });
            }
            result => result?,
        };
        let (want, got) = (entry.sha256, Sha256::of(&bytes));
        if got != want {
            return Err(VersionFileError::Altered {
                name,
                version,
                path,
                want,
                got,
            });
        }
        Bundle::from_bytes(&bytes)
            .map_err(|source| VersionFileError::Bundle(BundleFileError::Bundle { path, source }))
    }

    fn lock(&self) -> Result<Lock, StateError> {
        Lock::take(&self.dir, self.lock_wait)
    }

    /// The index of a model; `None` where it has none (yet).
    fn index(&self, name: &ModelName) -> Result<Option<Index>, StateError> {
        let path = self.index_path(name);
        let bytes = match disk::read_bounded(&path, INDEX_BYTES_MAX) {
            Err(error) if error.is_not_found() => return Ok(None),
            result => result?,
        };
        let index = wire::decode(&bytes, name).map_err(|problem| IndexError { path, problem })?;
        Ok(Some(index))
    }

    /// Names of all folders that may be models; none where the registry's folder is not there yet.
    fn folders(&self) -> Result<BTreeSet<ModelName>, StateError> {
        let paths = entries_of(&self.dir)?;
        let names = paths.iter().filter(|path| path.is_dir()).filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            name.parse().ok()
        });
        Ok(names.collect())
    }

    /// What lies in the folder of a model, whatever its index says.
    fn scan(&self, name: &ModelName) -> Result<Scan, StateError> {
        let mut scan = Scan::default();
        for path in entries_of(&self.folder(name))? {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            match (stem.map(str::parse::<Version>), extension) {
                (Some(Ok(version)), Some(bundle::EXTENSION)) => {
                    scan.versions.insert(version);
                }
                (_, Some(TEMP_EXTENSION)) => scan.leftovers.push(path),
                _ => {}
            }
        }
        Ok(scan)
    }

    fn folder(&self, name: &ModelName) -> PathBuf {
        self.dir.join(name.as_str())
    }

    fn bundle_path(&self, name: &ModelName, version: Version) -> PathBuf {
        self.folder(name).join(format!("{version}.{}", bundle::EXTENSION))
    }

    fn index_path(&self, name: &ModelName) -> PathBuf {
        self.folder(name).join("index.json")
    }
}

/// The files in the folder of a model.
#[derive(Debug, Default)]
struct Scan {
    /// Versions that have a bundle file.
    versions: BTreeSet<Version>,
    /// Files that were never put in place.
    leftovers: Vec<PathBuf>,
}

/// Paths of all that lies in a folder; none where it does not exist.
fn entries_of(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let entries = match fs::read_dir(folder).map_err(DiskError::at("list", folder)) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        result => result?,
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(DiskError::at("list", folder))
}

/// Checks that a summary is small, and shallow enough to be read again inside the index.
fn check_summary(summary: &serde_json::Value) -> Result<(), PublishError> {
    let text = summary.to_string();
    let nested = format!("[[[[{text}]]]]");
    if text.len() <= SUMMARY_BYTES_MAX && serde_json::from_str::<serde_json::Value>(&nested).is_ok() {
        Ok(())
    } else {
        Err(PublishError::Summary {
            bytes: text.len(),
            bytes_max: SUMMARY_BYTES_MAX,
        })
    }
}

#[cfg(test)]
mod tests;
