//! What an input is, told by its first bytes.

use super::line_protocol;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Text with a delimiter.
    Delimited,
    /// A JSON object a line.
    JsonLines,
    /// Lines of InfluxDB.
    LineProtocol,
    /// Parquet.
    Parquet,
    /// Arrow IPC as a file, which is also Feather since its version 2.
    ArrowFile,
    /// Arrow IPC as a stream.
    ArrowStream,
}

/// First bytes of formats that are read, and their names for those who want text.
pub(super) const BINARY: [(&[u8], Format, &str); 3] = [
    (b"PAR1", Format::Parquet, "a Parquet file"),
    (b"ARROW1", Format::ArrowFile, "an Arrow IPC file"),
    (b"\xff\xff\xff\xff", Format::ArrowStream, "an Arrow IPC stream"),
];

/// First bytes of formats that people hand over and that are not read.
const FOREIGN: [(&[u8], &str); 12] = [
    (b"PARE", "an encrypted Parquet file"),
    (b"FEA1", "a Feather file of version 1 (write it as version 2)"),
    (b"PK\x03\x04", "a zip archive (or a spreadsheet)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x1f\x8b", "an archive within an archive"),
    (b"\x28\xb5\x2f\xfd", "an archive within an archive"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
];

const UTF_16: &str = "UTF-16 text (save it as UTF-8)";

/// What `{` and `[` begin.
pub(super) const JSON: &str = "JSON";

/// What an input that begins with `head` is; or the name, with its article, of what is not read.
pub(super) fn format_of(head: &[u8]) -> Result<Format, &'static str> {
    if let Some((_, format, _)) = BINARY.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        return Ok(*format);
    }
    match text_format(head) {
        Some(JSON) => match first_byte(head) {
            Some(b'[') => Err("a JSON list (write one object a line: jq -c '.[]')"),
            _ => Ok(Format::JsonLines),
        },
        Some(found) => Err(found),
        None if line_protocol::is_likely(head) => Ok(Format::LineProtocol),
        None => Ok(Format::Delimited),
    }
}

/// The format of `head` where it is not delimited text.
pub(super) fn foreign_to_text(head: &[u8]) -> Option<&'static str> {
    match BINARY.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        Some((_, _, name)) => Some(name),
        None => text_format(head),
    }
}

/// What an input that begins with `head` is, with its article, where it is neither delimited text nor lines of JSON.
pub fn foreign_to_lines(head: &[u8]) -> Option<&'static str> {
    match foreign_to_text(head) {
        _ if head.starts_with(b"\x1f\x8b") => Some("a gzip archive"),
        _ if head.starts_with(b"\x28\xb5\x2f\xfd") => Some("a zstd archive"),
        Some(JSON) => None,
        other => other,
    }
}

/// The name of what is not read, or [`JSON`]; none for other text.
fn text_format(head: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    match first_byte(head) {
        Some(b'{' | b'[') => Some(JSON),
        _ if head.contains(&0) => Some(if every_other_is_zero(head) {
            UTF_16
        } else {
            "a binary file"
        }),
        _ => None,
    }
}

/// The first byte that is no blank, past a byte order mark.
fn first_byte(head: &[u8]) -> Option<&u8> {
    head.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start()
        .first()
}

/// Whether the beginning looks like English in UTF-16 without a mark.
fn every_other_is_zero(head: &[u8]) -> bool {
    let start = &head[..head.len().min(32) / 2 * 2];
    let is_zero = |at: usize| start.iter().skip(at).step_by(2).all(|&byte| byte == 0);
    start.len() >= 4 && is_zero(0) != is_zero(1)
}
