//! Where bytes come from: files, folders and standard input, unpacked, and known by their first bytes.
#![expect(
    clippy::disallowed_methods,
    reason = "opening inputs is this module's job; its errors name the path"
)]

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use super::error::{Place, Problem, ReadError};

/// How much of an input is looked at before reading it: enough for a hundred rows of a thousand columns.
pub(super) const HEAD_BYTES: usize = 1 << 20;

/// Endings of data files in a folder, each also with `.gz` or `.zst` behind it.
const TEXT_ENDINGS: [&str; 3] = ["csv", "tsv", "txt"];

/// Endings of data files that are not read; a folder's own files of these kinds are reported, not skipped silently.
const OTHER_ENDINGS: [&str; 7] = ["parquet", "arrow", "feather", "jsonl", "ndjson", "xlsx", "xls"];

/// First bytes of formats that people hand over for CSV.
const MAGIC: [(&[u8], &str); 14] = [
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow IPC file"),
    (b"FEA1", "a Feather file"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream"),
    (b"PK\x03\x04", "a zip archive (or a spreadsheet)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x1f\x8b", "an archive within an archive"),
    (b"\x28\xb5\x2f\xfd", "an archive within an archive"),
    (b"\xff\xfe", "UTF-16 text (save it as UTF-8)"),
    (b"\xfe\xff", "UTF-16 text (save it as UTF-8)"),
];

/// What `{` and `[` begin.
pub(super) const JSON: &str = "JSON";

/// An input that is text as far as its head tells.
pub(super) struct Source {
    /// The file as named by the caller; `-` is standard input.
    pub(super) file: PathBuf,
    /// The first bytes, unpacked.
    pub(super) head: Vec<u8>,
    /// Whether the head is all there is.
    pub(super) is_whole: bool,
    /// All bytes, unpacked, the head among them.
    pub(super) bytes: Box<dyn Read>,
}

/// Opens `file` and refuses by name what is not delimited text.
pub(super) fn open(file: &Path) -> Result<Source, ReadError> {
    delimited(open_text(file)?)
}

/// The same for any text, JSON included.
pub(super) fn open_text(file: &Path) -> Result<Source, ReadError> {
    if file.as_os_str() == "-" {
        return unpack(file, Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| Place::file(file).error(Problem::Open(error)))?;
    unpack(file, Box::new(opened))
}

fn delimited(source: Source) -> Result<Source, ReadError> {
    match foreign_format(&source.head) {
        Some(found) => Err(Place::file(&source.file).error(Problem::Format { found })),
        None => Ok(source),
    }
}

/// A source of bytes at hand; unpacked at most `bytes_max` of them are read.
pub(super) fn of_bytes(name: &Path, bytes: &[u8], bytes_max: u64) -> Result<Source, ReadError> {
    let mut source = delimited(unpack(name, Box::new(Cursor::new(bytes.to_vec())))?)?;
    source.bytes = Box::new(Bounded {
        bytes: source.bytes,
        left: bytes_max,
    });
    Ok(source)
}

/// The same for any text, JSON included, and all of it.
#[cfg(test)]
pub(super) fn text_of_bytes(name: &Path, bytes: &[u8]) -> Result<Source, ReadError> {
    unpack(name, Box::new(Cursor::new(bytes.to_vec())))
}

/// An input that must not go on for more than so many bytes.
struct Bounded {
    bytes: Box<dyn Read>,
    left: u64,
}

impl Source {
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
            .map_err(|error| Place::file(&self.file).error(Problem::Damaged(error)))?;
        Ok(bytes)
    }
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

/// Takes gzip or zstd off and looks at the head.
fn unpack(file: &Path, mut packed: Box<dyn Read>) -> Result<Source, ReadError> {
    let damaged = |error| Place::file(file).error(Problem::Damaged(error));
    let mut magic = Vec::new();
    packed.by_ref().take(4).read_to_end(&mut magic).map_err(damaged)?;
    let is_gzip = magic.starts_with(b"\x1f\x8b");
    let is_zstd = magic == b"\x28\xb5\x2f\xfd";
    let all = Cursor::new(magic).chain(packed);
    let mut bytes: Box<dyn Read> = if is_gzip {
        Box::new(flate2::read::MultiGzDecoder::new(all))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::new(all).map_err(damaged)?)
    } else {
        Box::new(all)
    };
    let mut head = Vec::new();
    bytes
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(damaged)?;
    if let Some(found) = foreign_format(&head).filter(|found| *found != JSON) {
        return Err(Place::file(file).error(Problem::Format { found }));
    }
    Ok(Source {
        file: file.to_owned(),
        is_whole: head.len() < HEAD_BYTES,
        bytes: Box::new(Cursor::new(head.clone()).chain(bytes)),
        head,
    })
}

/// The format of `head` where it is not delimited text.
fn foreign_format(head: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    match head.trim_ascii_start().first() {
        Some(b'{' | b'[') => Some(JSON),
        _ if head.contains(&0) => Some("a binary file"),
        _ => None,
    }
}

/// What an input that begins with `head` is, with its article, where it is neither delimited text nor lines of JSON.
pub fn foreign_to_lines(head: &[u8]) -> Option<&'static str> {
    match foreign_format(head) {
        _ if head.starts_with(b"\x1f\x8b") => Some("a gzip archive"),
        _ if head.starts_with(b"\x28\xb5\x2f\xfd") => Some("a zstd archive"),
        Some(JSON) => None,
        other => other,
    }
}

/// The data files that `paths` name, folders replaced by what they hold in order of name, and beside each folder's
/// first file the files in it that were left out.
pub(super) fn list(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        let is_stdin = path.as_os_str() == "-";
        if is_stdin && files.iter().any(|(file, _)| file == path) {
            return Err(Place::file(path).error(Problem::StdinTwice));
        }
        if !is_stdin && path.is_dir() {
            files.extend(list_folder(path)?);
        } else {
            files.push((path.clone(), Vec::new()));
        }
    }
    if files.is_empty() {
        return Err(Place::file(Path::new(".")).error(Problem::NoInput));
    }
    Ok(files)
}

/// The data files right inside `folder`; hidden files and folders within it are not looked at.
fn list_folder(folder: &Path) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, ReadError> {
    let cannot_open = |error| Place::file(folder).error(Problem::Open(error));
    let (mut data, mut left_out) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(cannot_open)? {
        let path = entry.map_err(cannot_open)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        let ending = unpacked_name(&name)
            .rsplit_once('.')
            .map_or("", |(_, ending)| ending);
        if TEXT_ENDINGS.contains(&ending) {
            data.push((path, Vec::new()));
        } else if OTHER_ENDINGS.contains(&ending) {
            left_out.push(path);
        }
    }
    data.sort();
    left_out.sort();
    match data.first_mut() {
        Some((_, beside)) => *beside = left_out,
        None => return Err(Place::file(folder).error(Problem::EmptyFolder)),
    }
    Ok(data)
}

/// What to call the series of a file: its name without the endings of data files and archives.
pub(super) fn stem(file: &Path) -> String {
    let name = file
        .file_name()
        .map_or_else(|| file.to_string_lossy(), |name| name.to_string_lossy());
    let unpacked = unpacked_name(&name);
    match unpacked.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && TEXT_ENDINGS.contains(&&*ending.to_ascii_lowercase()) => {
            stem.to_owned()
        }
        _ => unpacked.to_owned(),
    }
}

/// A file's name without the ending of an archive.
fn unpacked_name(name: &str) -> &str {
    let cut = |ending: &str| {
        let at = name.len().checked_sub(ending.len())?;
        let (front, back) = name.split_at_checked(at)?;
        back.eq_ignore_ascii_case(ending).then_some(front)
    };
    cut(".gz").or_else(|| cut(".zst")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_called_after_its_file() {
        let check = |file: &str, expect: &str| assert_eq!(stem(Path::new(file)), expect);
        check("data/pump-1.csv", "pump-1");
        check("pump.1.CSV.gz", "pump.1");
        check("pump.tsv.zst", "pump");
        check("2024.01", "2024.01");
        check(".csv", ".csv");
        check("-", "-");
    }
}
