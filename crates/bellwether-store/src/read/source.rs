//! Where bytes come from: files and standard input, unpacked.
#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{Place, Problem, ReadError};
use super::format::{JSON, foreign_to_text};

/// How much of an input is looked at before reading it: enough for a hundred rows of a thousand columns.
pub(super) const HEAD_BYTES: usize = 1 << 20;

/// How far the head goes where rows are longer than that: as far as any row may.
const HEAD_BYTES_MAX: usize = 32 << 20;

/// What archives begin with.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";
pub(super) const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// An archive may unpack to so many times its size, and to so many bytes in any case. Sensor data in text pack to a
/// tenth, very regular data to a fiftieth; what goes beyond this is an archive made to fill a machine.
const UNPACKED_TIMES_MAX: u64 = 100;
const UNPACKED_BYTES_FREE: u64 = 32 << 20;

/// An input and its beginning.
pub(super) struct Source {
    /// The file as named by the caller; `-` is standard input.
    pub(super) file: PathBuf,
    /// The first bytes, unpacked.
    pub(super) head: Vec<u8>,
    /// Whether the head is all there is.
    pub(super) is_whole: bool,
    /// How many bytes it has, where it is a file on the disk as it stands, so that it can be read at any place.
    pub(super) n_bytes: Option<u64>,
    /// All bytes, unpacked, the head among them.
    pub(super) bytes: Box<dyn Read>,
}

/// Opens `file`, whatever is in it.
pub(super) fn open(file: &Path) -> Result<Source, ReadError> {
    if file.as_os_str() == "-" {
        return unpack(file, Box::new(io::stdin().lock()), None);
    }
    let cannot_open = |error| Place::file(file).error(Problem::Open(error));
    let opened = File::open(file).map_err(cannot_open)?;
    let about = opened.metadata().map_err(cannot_open)?;
    unpack(file, Box::new(opened), about.is_file().then_some(about.len()))
}

/// Opens `file` and refuses by name what is no text; JSON is.
pub(super) fn open_text(file: &Path) -> Result<Source, ReadError> {
    let source = open(file)?;
    match foreign_to_text(&source.head) {
        None | Some(JSON) => Ok(source),
        Some(found) => Err(Place::file(file).error(Problem::Format { found })),
    }
}

/// A source of bytes at hand; unpacked at most `bytes_max` of them are read.
pub(super) fn of_bytes(name: &Path, bytes: &[u8], bytes_max: u64) -> Result<Source, ReadError> {
    let mut source = unpack(name, Box::new(Cursor::new(bytes.to_vec())), None)?;
    source.bytes = Box::new(Bounded {
        bytes: source.bytes,
        left: bytes_max,
    });
    Ok(source)
}

impl Source {
    /// Refuses what is not delimited text by name.
    pub(super) fn delimited(self) -> Result<Self, ReadError> {
        match foreign_to_text(&self.head) {
            Some(found) => Err(Place::file(&self.file).error(Problem::Format { found })),
            None => Ok(self),
        }
    }

    /// All bytes.
    ///
    /// # Errors
    /// Where there are more than `bytes_max`, or they cannot be read.
    pub(super) fn read_all(mut self, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        let mut bounded = Bounded {
            bytes: std::mem::replace(&mut self.bytes, Box::new(io::empty())),
            left: bytes_max,
        };
        let mut bytes = Vec::new();
        bounded
            .read_to_end(&mut bytes)
            .map_err(|error| Place::file(&self.file).error(Problem::of_io(error)))?;
        Ok(bytes)
    }
}

/// An input that must not go on for more than so many bytes.
struct Bounded {
    bytes: Box<dyn Read>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(out)?;
        match self.left.checked_sub(n_bytes as u64) {
            Some(left) => self.left = left,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(n_bytes)
    }
}

/// Bytes of an archive, counted as they are taken.
struct Packed {
    bytes: Box<dyn Read>,
    n_bytes: Rc<Cell<u64>>,
}

impl Read for Packed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(out)?;
        self.n_bytes.set(self.n_bytes.get() + n_bytes as u64);
        Ok(n_bytes)
    }
}

/// What comes out of an archive, as long as it is in proportion to what goes in.
struct Unpacked<R> {
    bytes: R,
    n_bytes: u64,
    n_packed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(out)?;
        self.n_bytes += n_bytes as u64;
        if self.n_bytes > UNPACKED_BYTES_FREE + UNPACKED_TIMES_MAX * self.n_packed.get() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(n_bytes)
    }
}

/// Takes gzip or zstd off and looks at the head; `n_bytes` of a file on the disk.
pub(super) fn unpack(
    file: &Path,
    mut packed: Box<dyn Read>,
    n_bytes: Option<u64>,
) -> Result<Source, ReadError> {
    let broken = |error| Place::file(file).error(Problem::of_io(error));
    let mut magic = Vec::new();
    packed.by_ref().take(4).read_to_end(&mut magic).map_err(broken)?;
    let is_gzip = magic.starts_with(GZIP);
    let is_zstd = magic == ZSTD;
    let n_packed = Rc::new(Cell::new(0));
    let all = Packed {
        bytes: Box::new(Cursor::new(magic).chain(packed)),
        n_bytes: n_packed.clone(),
    };
    let mut bytes: Box<dyn Read> = if is_gzip {
        Box::new(Unpacked {
            bytes: flate2::read::MultiGzDecoder::new(all),
            n_bytes: 0,
            n_packed,
        })
    } else if is_zstd {
        Box::new(Unpacked {
            bytes: zstd::stream::read::Decoder::new(all).map_err(broken)?,
            n_bytes: 0,
            n_packed,
        })
    } else {
        Box::new(all)
    };
    let mut head = Vec::new();
    bytes
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(broken)?;
    let mut is_whole = head.len() < HEAD_BYTES;
    // Of text the head has the header and a row, however long they are.
    let is_text = |head: &[u8]| matches!(foreign_to_text(head), None | Some(JSON));
    let has_rows = |head: &[u8]| head.iter().filter(|&&byte| byte == b'\n').count() >= 2;
    while !is_whole && head.len() < HEAD_BYTES_MAX && !has_rows(&head) && is_text(&head) {
        let n_wanted = head.len();
        let n_more = bytes
            .by_ref()
            .take(n_wanted as u64)
            .read_to_end(&mut head)
            .map_err(broken)?;
        is_whole = n_more < n_wanted;
    }
    Ok(Source {
        file: file.to_owned(),
        is_whole,
        n_bytes: n_bytes.filter(|_| !is_gzip && !is_zstd),
        bytes: Box::new(Cursor::new(head.clone()).chain(bytes)),
        head,
    })
}
