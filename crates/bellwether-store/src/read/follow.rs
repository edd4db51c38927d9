//! A file that grows, and that a log rotation may rename, replace or cut.
#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::disk::DiskError;

/// A file being followed.
#[derive(Debug)]
pub struct Followed {
    path: PathBuf,
    file: File,
    id: u64,
    offset: u64,
}

/// What has become of a file since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is still there, and may grow.
    Stays,
    /// Its path stands for another file now, or for none.
    Moved,
    /// It was cut: what stands in it now was not read.
    Cut,
}

impl Followed {
    /// Opens `path` at its beginning; `None` where there is no such file yet.
    ///
    /// # Errors
    /// Where it cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(DiskError::at("open", path))?,
        };
        let about = file.metadata().map_err(DiskError::at("read", path))?;
        if !about.is_file() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(DiskError::at("follow", path)(source));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            id: id(&about),
            offset: 0,
        }))
    }

    /// Opens the file that was known as `wanted` under whatever name it has now in the folder of `path`; what becomes
    /// of it is told by what `path` stands for.
    ///
    /// # Errors
    /// Where the folder or the file cannot be read.
    pub fn open_by_id(path: &Path, wanted: u64) -> Result<Option<Self>, DiskError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(DiskError::at("read the folder", folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(DiskError::at("read the folder", folder))?;
            // A file that goes away meanwhile is not the one.
            let is_wanted = |about: Metadata| about.is_file() && id(&about) == wanted;
            if wanted != 0 && entry.metadata().is_ok_and(is_wanted) {
                let found = Self::open(&entry.path())?.filter(|found| found.id == wanted);
                return Ok(found.map(|found| Self {
                    path: path.to_owned(),
                    ..found
                }));
            }
        }
        Ok(None)
    }

    /// Tells this file from others of the same file system, as long as it exists; 0 where the system has no such thing.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Bytes from its beginning to where reading goes on.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at `offset` from its beginning.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn seek(&mut self, offset: u64) -> Result<(), DiskError> {
        self.offset = self
            .file
            .seek(SeekFrom::Start(offset))
            .map_err(DiskError::at("read", &self.path))?;
        Ok(())
    }

    /// Its length now, in bytes.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub fn len_bytes(&self) -> Result<u64, DiskError> {
        let about = self.file.metadata();
        Ok(about.map_err(DiskError::at("read", &self.path))?.len())
    }

    /// Reads what has been written since, as far as `out` has room; 0: nothing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, DiskError> {
        loop {
            match self.file.read(out) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::at("read", &self.path)(error)),
                Ok(n_bytes) => {
                    self.offset += n_bytes as u64;
                    return Ok(n_bytes);
                }
            }
        }
    }

    /// What has become of it.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub fn fate(&self) -> Result<Fate, DiskError> {
        if self.len_bytes()? < self.offset {
            return Ok(Fate::Cut);
        }
        match fs::metadata(&self.path) {
            Ok(about) if id(&about) == self.id => Ok(Fate::Stays),
            Ok(_) => Ok(Fate::Moved),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Fate::Moved),
            Err(error) => Err(DiskError::at("read", &self.path)(error)),
        }
    }
}

#[cfg(unix)]
fn id(about: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn id(_about: &Metadata) -> u64 {
    0
}
