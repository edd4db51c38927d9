//! Is everything still as it was published? And clearing away what crashes left behind.

use std::path::PathBuf;

use super::error::{LookupError, StateError, VersionFileError};
use super::plan;
use super::{Index, ModelName, Registry, Version};

/// What a verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// Versions whose files were read.
    pub n_versions: usize,
    /// All that is wrong: each damaged, changed or missing file.
    pub problems: Vec<Problem>,
    /// Bundles that no index names: left by a crash, or by an index restored from an old backup. They harm nothing;
    /// [`Registry::remove`] deletes them.
    pub orphans: Vec<PathBuf>,
    /// Files that were never put in place, left by a crash; [`Registry::gc`] deletes them.
    pub leftovers: Vec<PathBuf>,
}

impl Report {
    /// Whether every version can be served.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// With the index of a model: none of its versions can be served.
    #[error(transparent)]
    Index(StateError),
    /// With the file of one version.
    #[error(transparent)]
    Version(VersionFileError),
    /// A signature in the index is not of the version that it stands at.
    #[error(
        "the signature of {name}@{version} by {key} is not of this version; remove the version, or sign it again"
    )]
    Signature {
        /// The model.
        name: ModelName,
        /// The version.
        version: Version,
        /// The id of the key.
        key: String,
    },
}

impl Registry {
    /// Reads every version of one model, or of all, and compares it with what was published.
    ///
    /// # Errors
    /// Where there is no model of that name or the registry's folder cannot be read. Whatever is wrong inside is in
    /// the report.
    pub fn verify(&self, name: Option<&ModelName>) -> Result<Report, LookupError> {
        let mut report = Report::default();
        match name {
            // Looked up first, so that a wrong name is an error and not an empty report.
            Some(name) => match self.show(name) {
                Err(error @ LookupError::UnknownModel { .. }) => return Err(error),
                _ => self.verify_model(name, &mut report),
            },
            None => {
                for name in self.folders()? {
                    self.verify_model(&name, &mut report);
                }
            }
        }
        Ok(report)
    }

    fn verify_model(&self, name: &ModelName, report: &mut Report) {
        let index = match self.index(name) {
            Ok(index) => index,
            Err(error) => return report.problems.push(Problem::Index(error)),
        };
        for entry in index.as_ref().map_or(&[][..], Index::versions) {
            report.n_versions += 1;
            if let Err(error) = self.read_version(name, entry) {
                report.problems.push(Problem::Version(error));
            }
            let forged = entry
                .labels
                .signatures
                .iter()
                .filter(|of| !of.is_of(&entry.sha256));
            report.problems.extend(forged.map(|of| Problem::Signature {
                name: name.clone(),
                version: entry.version,
                key: of.key.id(),
            }));
        }
        match self.scan(name) {
            Ok(scan) => {
                let is_named = |version| index.as_ref().is_some_and(|index| index.entry(version).is_some());
                let orphans = scan.versions.into_iter().filter(|&version| !is_named(version));
                report
                    .orphans
                    .extend(orphans.map(|version| self.bundle_path(name, version)));
                report.leftovers.extend(scan.leftovers);
            }
            Err(error) => report.problems.push(Problem::Index(error)),
        }
    }

    /// Deletes the files that crashes left half written, and gives their paths. Whole bundles are never deleted but
    /// by [`remove`](Self::remove), even if no index names them: after a mishap they may be all there is.
    ///
    /// # Errors
    /// Where the registry is busy or the disk refuses.
    pub fn gc(&self) -> Result<Vec<PathBuf>, StateError> {
        let mut leftovers = Vec::new();
        if !self.dir.is_dir() {
            return Ok(leftovers);
        }
        // Under the lock nobody is writing, so whatever looks half written stays so.
        let _lock = self.lock()?;
        for name in self.folders()? {
            for path in self.scan(&name)?.leftovers {
                plan::delete(&path)?;
                leftovers.push(path);
            }
        }
        Ok(leftovers)
    }
}
