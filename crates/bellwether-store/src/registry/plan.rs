//! Changes of the registry as lists of small steps, so that a test can stop after each one as a crash would.
//!
//! Every plan obeys two rules, which together keep the registry whole at any moment: a version's file is in place and
//! synced before the index names it, and the index stops naming it before its file is deleted.

use std::fs;
use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;

use super::error::{ChangeError, PublishError};
use super::index::{Because, Entry, Index};
use super::label::Labels;
use super::name::{ModelName, Version};
use super::{INDEX_BYTES_MAX, INDEX_BYTES_PUBLISHED_MAX, Registry, wire};
use crate::bundle::Sha256;
use crate::disk::{self, DiskError};

/// One step: after it, and also in the midst of it, the registry is either as before the plan or as after it.
pub(super) enum Step {
    /// Makes a folder; one that is there already is left alone.
    MakeFolder(PathBuf),
    /// Writes a file that nobody looks at yet, and syncs it.
    WriteBeside { temp: PathBuf, bytes: Vec<u8> },
    /// Puts such a file into its place, at once.
    Rename { from: PathBuf, to: PathBuf },
    /// Waits until the names in a folder are on the disk.
    SyncFolder(PathBuf),
    /// Deletes a file that the index does not name; one that is gone already is no error.
    Delete(PathBuf),
}

/// A change worked out but not made: its steps and what to tell the caller once they are done.
pub(super) struct Plan<T> {
    pub(super) steps: Vec<Step>,
    pub(super) outcome: T,
}

impl<T> Plan<T> {
    /// Makes the change.
    pub(super) fn carry_out(self) -> Result<T, DiskError> {
        carry_out(&self.steps)?;
        Ok(self.outcome)
    }
}

/// Takes the steps in order. At the first that fails, what nobody looks at is cleared away again.
pub(super) fn carry_out(steps: &[Step]) -> Result<(), DiskError> {
    for step in steps {
        if let Err(error) = take(step) {
            clear_away(steps);
            return Err(error);
        }
    }
    Ok(())
}

fn take(step: &Step) -> Result<(), DiskError> {
    match step {
        Step::MakeFolder(folder) => fs::create_dir_all(folder).map_err(DiskError::at("make folder", folder)),
        Step::WriteBeside { temp, bytes } => disk::write_synced(temp, bytes),
        Step::Rename { from, to } => fs::rename(from, to).map_err(DiskError::at("rename a file to", to)),
        Step::SyncFolder(folder) => disk::sync_folder(folder),
        Step::Delete(path) => delete(path),
    }
}

pub(super) fn delete(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path).map_err(DiskError::at("delete", path)) {
        Err(error) if error.is_not_found() => Ok(()),
        result => result,
    }
}

/// Deletes the half-done files of a failed plan. As well as can be: the error that is reported is the first one, and
/// what stays is what a crash would have left.
fn clear_away(steps: &[Step]) {
    for step in steps.iter().rev() {
        let _ = match step {
            Step::WriteBeside { temp, .. } => fs::remove_file(temp),
            // Only where it is empty.
            Step::MakeFolder(folder) => fs::remove_dir(folder),
            Step::Rename { .. } | Step::SyncFolder(_) | Step::Delete(_) => Ok(()),
        };
    }
}

/// The changes there are.
impl Registry {
    pub(super) fn plan_publish(
        &self,
        name: &ModelName,
        bytes: Vec<u8>,
        summary: serde_json::Value,
        now: Timestamp,
    ) -> Result<Plan<Version>, PublishError> {
        let index = self.index(name)?;
        let full = || PublishError::Full { name: name.clone() };
        // A file that the index does not name was left by a crash: its number is passed over, never overwritten.
        let highest = self.scan(name)?.versions.last().copied();
        let highest = highest.max(index.as_ref().map(|index| index.last_version));
        let number = highest.map_or(0, Version::number).checked_add(1);
        let version = number.and_then(Version::new).ok_or_else(full)?;
        let entry = Entry {
            version,
            created_at: now,
            sha256: Sha256::of(&bytes),
            bytes: bytes.len() as u64,
            summary,
            labels: Labels::default(),
        };
        let index = match index {
            None => Index::first(name.clone(), entry, now),
            Some(mut index) => {
                index.add(entry);
                index
            }
        };
        let index_bytes = wire::encode(&index);
        if index_bytes.len() as u64 > INDEX_BYTES_PUBLISHED_MAX {
            return Err(full());
        }
        Ok(Plan {
            steps: self.put(name, version, bytes, index_bytes),
            outcome: version,
        })
    }

    /// The steps that put a bundle into its place and then the index that names it.
    fn put(&self, name: &ModelName, version: Version, bytes: Vec<u8>, index_bytes: Vec<u8>) -> Vec<Step> {
        let folder = self.folder(name);
        let mut steps = Vec::new();
        if !folder.is_dir() {
            steps.extend([
                Step::MakeFolder(folder.clone()),
                Step::SyncFolder(self.dir.clone()),
            ]);
        }
        let (path, index_path) = (self.bundle_path(name, version), self.index_path(name));
        let (temp, index_temp) = (beside(&path), beside(&index_path));
        // Both files are written before either is put in place: a full disk shows while nothing has changed yet.
        steps.extend([
            Step::WriteBeside {
                temp: temp.clone(),
                bytes,
            },
            Step::WriteBeside {
                temp: index_temp.clone(),
                bytes: index_bytes,
            },
            Step::Rename { from: temp, to: path },
            Step::SyncFolder(folder.clone()),
            Step::Rename {
                from: index_temp,
                to: index_path,
            },
            Step::SyncFolder(folder),
        ]);
        steps
    }

    /// A change of the index alone; no steps where `edit` changes nothing.
    pub(super) fn plan_change<T>(
        &self,
        name: &ModelName,
        edit: impl FnOnce(&mut Index) -> Result<T, ChangeError>,
    ) -> Result<Plan<T>, ChangeError> {
        let before = self.show(name)?;
        let mut after = before.clone();
        let outcome = edit(&mut after)?;
        let steps = if after == before {
            Vec::new()
        } else {
            self.replace_index(&after)?
        };
        Ok(Plan { steps, outcome })
    }

    pub(super) fn plan_remove(
        &self,
        name: &ModelName,
        version: Version,
        because: &Because,
        now: Timestamp,
    ) -> Result<Plan<()>, ChangeError> {
        let path = self.bundle_path(name, version);
        let mut plan = self.plan_change(name, |index| {
            if index.entry(version).is_none() && path.is_file() {
                // An orphan: nobody was promised it, but somebody may have seen its number.
                index.last_version = index.last_version.max(version);
                return Ok(());
            }
            index.remove(version, because, now)
        })?;
        plan.steps.push(Step::Delete(path));
        plan.steps.push(Step::SyncFolder(self.folder(name)));
        Ok(plan)
    }

    fn replace_index(&self, index: &Index) -> Result<Vec<Step>, ChangeError> {
        let path = self.index_path(&index.name);
        let temp = beside(&path);
        let bytes = wire::encode(index);
        if bytes.len() as u64 > INDEX_BYTES_MAX {
            return Err(ChangeError::Full {
                name: index.name.clone(),
            });
        }
        Ok(vec![
            Step::WriteBeside {
                temp: temp.clone(),
                bytes,
            },
            Step::Rename { from: temp, to: path },
            Step::SyncFolder(self.folder(&index.name)),
        ])
    }
}

/// Extension of files that are still being written.
pub(super) const TEMP_EXTENSION: &str = "tmp";

/// Where a file is written before it is renamed to `path`. The lock sees to it that only one process does.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMP_EXTENSION);
    PathBuf::from(name)
}
