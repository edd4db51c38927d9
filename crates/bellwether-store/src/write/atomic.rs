//! A file that appears complete or not at all: written beside its place, synced, then renamed over it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::disk::{DiskError, sync_folder};

/// A file being written. Dropped without [`AtomicFile::commit`] it leaves nothing behind.
///
/// A symbolic link is followed. What is no regular file (a pipe, a terminal, `/dev/null`) is written directly:
/// renaming would put a file in its place.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    out: BufWriter<Target>,
}

#[derive(Debug)]
enum Target {
    Beside(NamedTempFile),
    Direct(File),
}

impl AtomicFile {
    /// Begins the file that will stand at `path`.
    ///
    /// # Errors
    /// Where the folder is not there or cannot be written.
    pub fn create(path: &Path) -> Result<Self, DiskError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let target = match fs::metadata(&path) {
            Ok(about) if about.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(about) if !about.is_file() => OpenOptions::new().write(true).open(&path).map(Target::Direct),
            // Whoever may not read what stood there may not read what comes in its place.
            Ok(about) => beside(&path)
                .and_then(|file| file.as_file().set_permissions(about.permissions()).map(|()| file))
                .map(Target::Beside),
            Err(_) => beside(&path).map(Target::Beside),
        };
        let target = target.map_err(DiskError::at("write", &path))?;
        Ok(Self {
            out: BufWriter::with_capacity(1 << 16, target),
            path,
        })
    }

    /// Puts the file in its place, safe against a crash from then on.
    ///
    /// # Errors
    /// Where a step fails; what stood at the path before is then untouched.
    pub fn commit(self) -> Result<(), DiskError> {
        let path = &self.path;
        let target = self
            .out
            .into_inner()
            .map_err(|error| DiskError::at("write", path)(error.into_error()))?;
        let Target::Beside(file) = target else {
            return Ok(());
        };
        file.as_file().sync_all().map_err(DiskError::at("write", path))?;
        file.persist(path)
            .map_err(|error| DiskError::at("write", path)(error.error))?;
        sync_folder(folder_of(path))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file) => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file) => file.flush(),
            Self::Direct(file) => file.flush(),
        }
    }
}

/// A file of a name of its own in the folder of `path`, with the permissions a new file would get.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bellwether-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // less what the user's mask takes
    }
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_with_its_commit_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        fs::write(&path, "old").unwrap();

        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left behind"
        );

        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_the_permissions_of_what_stood_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.toml");
        fs::write(&path, "old").unwrap();
        for mode in [0o600, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            AtomicFile::create(&path).unwrap().commit().unwrap();
            let now = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(now & 0o777, mode);
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = AtomicFile::create(Path::new("/no/such/folder/scores.csv")).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /no/such/folder/scores.csv");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let mut null = AtomicFile::create(Path::new("/dev/null")).unwrap();
        null.write_all(b"gone").unwrap();
        null.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
