//! Records of delimited text, with the line each one stands on, in bounded memory.

use std::io::{self, Read};
use std::path::PathBuf;

use csv::ByteRecord;

use super::error::{Place, Problem, ReadError};

/// No sensible row is longer; a quotation mark that is never closed would otherwise swallow the whole file.
const ROW_BYTES_MAX: usize = 64 << 20;

/// Reads record after record of one file.
pub(super) struct Table {
    file: PathBuf,
    csv: csv::Reader<Tape>,
    record: ByteRecord,
}

impl Table {
    /// The records of `bytes`; blank lines and lines that start with `#` are passed over.
    pub(super) fn new(file: PathBuf, bytes: Box<dyn Read>, delimiter: u8) -> Self {
        let tape = Tape {
            bytes,
            block: Vec::new(),
            block_start: 0,
            left_bytes: ROW_BYTES_MAX,
            overran: false,
        };
        let csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .buffer_capacity(1 << 16)
            .from_reader(tape);
        Self {
            file,
            csv,
            record: ByteRecord::new(),
        }
    }

    /// Reads the next record; false after the last.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        self.csv.get_mut().left_bytes = ROW_BYTES_MAX;
        self.csv
            .read_byte_record(&mut self.record)
            .map_err(|error| self.broken(error))
    }

    /// The record read last.
    pub(super) fn record(&self) -> &ByteRecord {
        &self.record
    }

    /// The place of the record read last.
    pub(super) fn place(&self) -> Place {
        Place::file(&self.file).at_line(self.line())
    }

    /// First line of the record read last.
    ///
    /// The reader counts line feeds as it consumes them. It stops behind the one that ends a record, but before it
    /// where a carriage return ended the record already, and blank lines are consumed with the record after them:
    /// so the end of the record is known, and its start is found by the line feeds within its cells.
    pub(super) fn line(&self) -> u64 {
        let end = self.csv.position();
        let before = |end| self.csv.get_ref().byte_before(end);
        // Where a quotation mark is never closed, the last line feed of the file is the end of a cell.
        let ends_in_cell = self.record.as_slice().ends_with(b"\n")
            && before(end.byte().saturating_sub(1)).is_some_and(|byte| byte != b'"' && byte != b'\r');
        let is_past_line_feed = before(end.byte()) == Some(b'\n') && !ends_in_cell;
        let inside = self
            .record
            .as_slice()
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count() as u64;
        end.line()
            .saturating_sub(u64::from(is_past_line_feed) + inside)
            .max(1)
    }

    fn broken(&self, error: csv::Error) -> ReadError {
        // The position is still that of the last whole record: what broke begins behind it.
        let place = Place::file(&self.file).at_line(self.record.position().map_or(1, csv::Position::line));
        if self.csv.get_ref().overran {
            return place.error(Problem::EndlessRow {
                max_bytes: ROW_BYTES_MAX,
            });
        }
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
                return place.error(Problem::TooManyBytes);
            }
            csv::ErrorKind::Io(source) => source,
            other => io::Error::other(format!("{other:?}")),
        };
        place.error(Problem::Damaged(source))
    }
}

/// Passes bytes on, remembers the block passed last, and stops a row that has no end.
struct Tape {
    bytes: Box<dyn Read>,
    block: Vec<u8>,
    block_start: u64,
    left_bytes: usize,
    overran: bool,
}

impl Tape {
    /// The byte before offset `end`, where it is still known.
    fn byte_before(&self, end: u64) -> Option<u8> {
        let idx = usize::try_from(end.checked_sub(self.block_start + 1)?).ok()?;
        self.block.get(idx).copied()
    }
}

impl Read for Tape {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left_bytes < out.len() {
            self.overran = true;
            return Err(io::Error::other("endless row"));
        }
        let n_bytes = self.bytes.read(out)?;
        self.left_bytes -= n_bytes;
        if n_bytes > 0 {
            self.block_start += self.block.len() as u64;
            self.block.clear();
            self.block.extend_from_slice(&out[..n_bytes]);
        }
        Ok(n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn lines_are_counted_past_blanks_comments_and_quoted_breaks() {
        let check = |text: &str, expect: &[u64]| {
            let mut table = Table::new("t.csv".into(), Box::new(Cursor::new(text.to_owned())), b',');
            let mut lines = Vec::new();
            while table.advance().unwrap() {
                lines.push(table.line());
            }
            assert_eq!(lines, expect, "{text:?}");
        };
        check("a,b\n1,2\n3,4\n", &[1, 2, 3]);
        check("a,b\n1,2\n3,4", &[1, 2, 3]);
        check("a,b\r\n1,2\r\n3,4\r\n", &[1, 2, 3]);
        check("a,b\r\n\r\n1,2\r\n# no\r\n3,4", &[1, 3, 5]);
        check("\n\n# no\na,b\n\n\n1,2\n", &[4, 7]);
        check("a,b\n\"1\n\n\",2\n3,4\n", &[1, 2, 5]);
        check("\u{feff}a,b\n1,2\n", &[1, 2]);
    }

    #[test]
    fn a_row_without_end_is_stopped() {
        let text = Cursor::new(&b"a,b\n\"1"[..]).chain(io::repeat(b'x'));
        let mut table = Table::new("t.csv".into(), Box::new(text), b',');
        assert!(table.advance().unwrap());
        let error = table.advance().unwrap_err().to_string();
        assert!(
            error.starts_with("t.csv, line 2: a row goes on for more than"),
            "{error}"
        );
    }
}
