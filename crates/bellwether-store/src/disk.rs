//! The few disk operations on which everything durable is built: bounded reads, synced writes, atomic replacement.

use crate::write::AtomicFile;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A disk operation failed: what was tried, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}{}", path.display(), hint(source))]
pub struct DiskError {
    /// What was tried, as a verb: `read`, `write`, `rename to` …
    pub action: &'static str,
    /// The file or folder it was tried on.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// For `map_err`: gives an [`io::Error`] its place.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { action, path, source }
    }

    /// Whether the file or folder is not there.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// What to do about the causes that a person can remove.
pub(crate) fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (the disk is full: free some space and try again)"
        }
        io::ErrorKind::PermissionDenied => " (no permission: check the owner and mode of it and its folder)",
        io::ErrorKind::ReadOnlyFilesystem => " (the file system is read-only: choose another folder)",
        _ => "",
    }
}

/// Makes the folder `path`, and those above it, where they are missing.
///
/// # Errors
/// Where it cannot be made, or is something else than a folder.
pub fn create_folder(path: &Path) -> Result<(), DiskError> {
    fs::create_dir_all(path).map_err(DiskError::at("create the folder", path))
}

/// The whole of a regular file of at most `bytes_max` bytes.
///
/// # Errors
/// Where it cannot be read, is not a regular file (a pipe could block for ever) or is larger.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, DiskError> {
    let about = fs::metadata(path).map_err(DiskError::at("read", path))?;
    if !about.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(DiskError::at("read", path)(source));
    }
    let mut bytes = Vec::new();
    if about.len() <= bytes_max {
        #[expect(clippy::disallowed_methods, reason = "this module gives errors their path")]
        let file = File::open(path).map_err(DiskError::at("read", path))?;
        // One byte more than allowed, so that a file that grew since is noticed.
        file.take(bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(DiskError::at("read", path))?;
    }
    let n_bytes = about.len().max(bytes.len() as u64);
    if n_bytes > bytes_max {
        let text = format!("it has {n_bytes} bytes, such a file has at most {bytes_max}");
        return Err(DiskError::at("read", path)(io::Error::new(
            io::ErrorKind::FileTooLarge,
            text,
        )));
    }
    Ok(bytes)
}

/// Replaces `path` by a file of these bytes, so that a reader sees either the old file or the new one, whole:
/// writes beside it, syncs, renames, syncs the folder.
///
/// # Errors
/// Where a step fails; the old file is then untouched and nothing is left beside it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(DiskError::at("write", path))?;
    file.commit()
}

/// Writes a new file that only its owner may read, and waits until it is on the disk. Never over another.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
        .open(path)
        .and_then(|mut file| fill(&mut file, bytes))
        .map_err(DiskError::at("write", path))
}

/// Writes a file (replacing one of that name) and waits until it is on the disk. Not atomic: for files that nobody
/// looks at before they are renamed.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "half of the atomic write: the rename is a step of its own"
    )]
    let file = File::create(path);
    file.and_then(|mut file| fill(&mut file, bytes))
        .map_err(DiskError::at("write", path))
}

fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the names in a folder are on the disk. Where folders cannot be opened as files (Windows) the file
/// system's own journal has to do.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    #[cfg(unix)]
    {
        #[expect(clippy::disallowed_methods, reason = "this module gives errors their path")]
        let opened = File::open(folder);
        opened
            .and_then(|file| file.sync_all())
            .map_err(DiskError::at("sync folder", folder))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An error with all of its causes, as a person is told of it.
    pub(crate) fn told(error: &dyn std::error::Error) -> String {
        match error.source() {
            Some(source) => format!("{error}: {}", told(source)),
            None => error.to_string(),
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap(), b"new");
        // The target is a folder that is not empty: the rename fails after everything was written.
        let folder = dir.path().join("b");
        fs::create_dir_all(folder.join("inner")).unwrap();
        let error = write_atomic(&folder, b"new").unwrap_err();
        assert_eq!(error.path, folder);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn errors_name_the_path_and_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write_atomic(&file, b"12345").unwrap();
        let check = |result: Result<(), DiskError>, parts: [&str; 2]| {
            let text = told(&result.unwrap_err());
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        };
        check(
            read_bounded(&dir.path().join("none"), 9).map(drop),
            ["cannot read", "none"],
        );
        check(
            read_bounded(dir.path(), 9).map(drop),
            ["cannot read", "not a regular file"],
        );
        check(read_bounded(&file, 4).map(drop), ["5 bytes", "at most 4"]);
        check(write_atomic(&file.join("below"), b""), ["cannot write", "below"]);
    }
}
