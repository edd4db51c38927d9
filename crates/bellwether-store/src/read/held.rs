//! Bytes that can be read at any place: of files as they stand, and of what is packed or comes through a pipe, which is
//! kept whole.

#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::error::{Place, Problem, ReadError};
use super::source::Source;

/// So much is kept in memory, more in a file that goes with us.
const HELD_BYTES: u64 = 64 << 20;
const HELD_BYTES_MAX: u64 = 1 << 30;

/// Bytes that can be read at any place.
#[derive(Clone)]
pub(super) enum Held {
    File(Arc<Mutex<File>>, u64),
    Bytes(Bytes),
}

/// Reads on from its own place of a file: all handles of an open file share one position.
struct Cursor {
    file: Arc<Mutex<File>>,
    at: u64,
}

impl Cursor {
    fn new(file: &Arc<Mutex<File>>, at: u64) -> Self {
        Self {
            file: Arc::clone(file),
            at,
        }
    }
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let n_read = file.read(buf)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
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
        Self::File(Arc::new(Mutex::new(file)), n_bytes)
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
            Self::File(file, _) => Box::new(io::BufReader::new(Cursor::new(file, start))),
            Self::Bytes(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    /// What a file says of its own lengths is believed only as far as it goes.
    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start
            .checked_add(length as u64)
            .is_none_or(|end| end > self.len())
        {
            return Err(ParquetError::EOF("a part reaches beyond the end".to_owned()));
        }
        match self {
            Self::File(file, _) => {
                let mut bytes = Vec::with_capacity(length);
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                // Of a file itself: what stands between it and the buffer would have that cleared first.
                (&mut *file).take(length as u64).read_to_end(&mut bytes)?;
                if bytes.len() < length {
                    return Err(ParquetError::EOF("the file has become shorter".to_owned()));
                }
                Ok(bytes.into())
            }
            Self::Bytes(bytes) => bytes.get_bytes(start, length),
        }
    }
}
