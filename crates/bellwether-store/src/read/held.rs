//! Bytes that can be read at any place: of files as they stand, and of what is packed or comes through a pipe, which is
//! kept whole.

#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::error::{Place, Problem, ReadError};
use super::source::Source;

/// So much is kept in memory, more in a file that goes with us.
const HELD_BYTES: u64 = 64 << 20;
const HELD_BYTES_MAX: u64 = 1 << 30;

/// Bytes read at once by who does not know how many there are: the header of a page is mostly shorter.
const HEADER_BYTES: usize = 1 << 9;

/// Bytes that can be read at any place.
#[derive(Clone)]
pub(super) enum Held {
    File(Arc<File>, u64),
    Bytes(Bytes),
}

/// Reads on from its own place of a file: all handles of an open file share one position.
struct Cursor {
    file: Arc<File>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_read = read_at(&self.file, buf, self.at)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, at)
}

#[cfg(windows)]
fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, at)
}

impl Held {
    /// All of `source`.
    pub(super) fn of(mut source: Source) -> Result<Self, ReadError> {
        let broken = |error| Place::file(&source.file).error(Problem::of_io(error));
        if let Some(n_bytes) = source.n_bytes {
            let file = File::open(&source.file).map_err(broken)?;
            return Ok(Self::of_file(file, n_bytes));
        }
        let mut bytes = Vec::new();
        let mut part = source.bytes.by_ref().take(HELD_BYTES);
        part.read_to_end(&mut bytes).map_err(broken)?;
        if (bytes.len() as u64) < HELD_BYTES {
            return Ok(Self::Bytes(bytes.into()));
        }
        let mut file = tempfile::tempfile().map_err(broken)?;
        file.write_all(&bytes).map_err(broken)?;
        let room = HELD_BYTES_MAX - HELD_BYTES;
        let n_more = io::copy(&mut source.bytes.by_ref().take(room), &mut file).map_err(broken)?;
        if n_more == room {
            let bytes_max = HELD_BYTES_MAX;
            return Err(Place::file(&source.file).error(Problem::TooLargeToHold { bytes_max }));
        }
        Ok(Self::of_file(file, HELD_BYTES + n_more))
    }

    fn of_file(file: File, n_bytes: u64) -> Self {
        Self::File(Arc::new(file), n_bytes)
    }

    /// The `n_bytes` from `start` on, in the room that `room` gives for as many.
    ///
    /// # Errors
    /// Where they cannot be read. What a file says of its own lengths is believed only as far as it goes: no room is asked
    /// for what reaches beyond the end.
    pub(super) fn part<R>(
        &self,
        start: u64,
        n_bytes: usize,
        room: impl FnOnce(usize) -> R,
    ) -> Result<Bytes, ParquetError>
    where
        R: AsRef<[u8]> + AsMut<[u8]> + Send + 'static,
    {
        let end = start.checked_add(n_bytes as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF("a part reaches beyond the end".to_owned()));
        }
        match self {
            Self::File(file, _) => {
                let mut bytes = room(n_bytes);
                let file = Arc::clone(file);
                let read = Cursor { file, at: start }.read_exact(bytes.as_mut());
                read.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        ParquetError::EOF("the file has become shorter".to_owned())
                    }
                    _ => error.into(),
                })?;
                Ok(Bytes::from_owner(bytes))
            }
            Self::Bytes(bytes) => bytes.get_bytes(start, n_bytes),
        }
    }
}

impl Length for Held {
    fn len(&self) -> u64 {
        match self {
            Self::File(_, n_bytes) => *n_bytes,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Held {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Self::File(file, _) => {
                let file = Arc::clone(file);
                Box::new(io::BufReader::with_capacity(
                    HEADER_BYTES,
                    Cursor { file, at: start },
                ))
            }
            Self::Bytes(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.part(start, length, |n_bytes| vec![0; n_bytes])
    }
}
