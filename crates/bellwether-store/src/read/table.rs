//! Records of delimited text, with the line each one stands on, in bounded memory.
//!
//! A record without a quotation mark is cut at its delimiters where it stands. One that has any is left to `csv-core`,
//! which knows what they mean. Both agree on everything else: a record ends at a line feed or a carriage return, blank
//! lines and lines that start with `#` are passed over.

use std::io::{self, Read};
use std::path::PathBuf;

use csv_core::ReadRecordResult;

use super::error::{Place, Problem, ReadError};
use super::row::{Row, TextRows};

/// No sensible row is longer; a quotation mark that is never closed would otherwise swallow the whole file.
const ROW_BYTES_MAX: usize = 16 << 20;

/// Bytes asked for at once.
const BLOCK_BYTES: usize = 1 << 17;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a byte means to a record without quotation marks.
const PLAIN: u8 = 0;
const DELIMITER: u8 = 1;
const LINE_END: u8 = 2;
const QUOTE: u8 = 3;

/// Reads record after record of one file.
pub(super) struct Table {
    file: PathBuf,
    input: Input,
    delimiter: u8,
    /// What each byte means.
    classes: [u8; 256],
    quoted: csv_core::Reader,
    record: Record,
    /// Line feeds before the record at hand, and those within it.
    n_lines: u64,
    n_inner_lines: u64,
    is_begun: bool,
}

/// The record read last.
struct Record {
    ends: Vec<usize>,
    /// Where it stands in the input, if it has no quotation mark.
    plain: Option<(usize, usize)>,
    /// Otherwise its cells without their marks.
    text: Vec<u8>,
}

impl Table {
    /// The records of `bytes`.
    pub(super) fn new(file: PathBuf, bytes: Box<dyn Read>, delimiter: u8) -> Self {
        let mut classes = [PLAIN; 256];
        classes[usize::from(b'\n')] = LINE_END;
        classes[usize::from(b'\r')] = LINE_END;
        classes[usize::from(b'"')] = QUOTE;
        classes[usize::from(delimiter)] = DELIMITER;
        let mut quoted = csv_core::ReaderBuilder::new()
            .delimiter(delimiter)
            .comment(Some(b'#'))
            .build();
        // It passes over a byte order mark in what it sees first: that is not the beginning of the file here.
        quoted.read_record(b"\n", &mut [], &mut []);
        Self {
            file,
            input: Input {
                bytes,
                block: Vec::new(),
                start: 0,
                n_dropped: 0,
                is_ended: false,
            },
            delimiter,
            classes,
            quoted,
            record: Record {
                ends: Vec::new(),
                plain: None,
                text: vec![0; 1 << 10],
            },
            n_lines: 0,
            n_inner_lines: 0,
            is_begun: false,
        }
    }

    /// Bytes before the place that reading has come to.
    pub(super) fn position(&self) -> u64 {
        self.input.n_dropped + self.input.start as u64
    }

    /// The whole lines at hand: a record begins here, and the last of them has its line feed.
    pub(super) fn lines(&self) -> &[u8] {
        let left = self.input.left();
        &left[..whole_lines(left)]
    }

    /// Goes on behind `n_bytes` of the lines at hand, which are `n_lines`: no bytes, where they were taken out.
    pub(super) fn pass(&mut self, n_bytes: usize, n_lines: usize) {
        self.input.start += n_bytes;
        self.n_lines += n_lines as u64;
    }

    /// Takes whole lines out of what is still to be read, those of about `n_wanted` bytes, and puts them into `out`: none
    /// at the end, or where a line is longer.
    pub(super) fn take_lines(&mut self, n_wanted: usize, out: &mut Vec<u8>) -> io::Result<()> {
        self.input.take_lines(n_wanted, out)
    }

    /// Puts back lines that were taken out, and not read.
    pub(super) fn put_back(&mut self, lines: Vec<u8>) {
        self.input.put_back(lines);
    }

    /// Goes to the first byte of the next record; false where there is none.
    pub(super) fn find_record(&mut self) -> Result<bool, ReadError> {
        self.n_lines += std::mem::take(&mut self.n_inner_lines);
        if !self.is_begun {
            self.is_begun = true;
            while self.input.left().len() < BYTE_ORDER_MARK.len() && self.more()? {}
            if self.input.left().starts_with(BYTE_ORDER_MARK) {
                self.input.start += BYTE_ORDER_MARK.len();
            }
        }
        let mut is_comment = false;
        loop {
            let left = self.input.left();
            let mut n_passed = 0;
            let mut is_found = false;
            for &byte in left {
                match byte {
                    b'\n' => {
                        self.n_lines += 1;
                        is_comment = false;
                    }
                    _ if is_comment || byte == b'\r' => {}
                    b'#' => is_comment = true,
                    _ => {
                        is_found = true;
                        break;
                    }
                }
                n_passed += 1;
            }
            self.input.start += n_passed;
            if is_found {
                return Ok(true);
            }
            if !self.more()? {
                return Ok(false);
            }
        }
    }

    /// Reads the record that begins here.
    pub(super) fn take_record(&mut self) -> Result<(), ReadError> {
        if !self.cut()? {
            self.unquote()?;
        }
        Ok(())
    }

    /// Cuts the record that begins here where it has no quotation mark; false where it has one.
    fn cut(&mut self) -> Result<bool, ReadError> {
        self.record.ends.clear();
        let mut idx = 0;
        loop {
            let ends = &mut self.record.ends;
            let left = self.input.left();
            while let Some(&byte) = left.get(idx) {
                match self.classes[usize::from(byte)] {
                    PLAIN => {}
                    DELIMITER => ends.push(idx),
                    QUOTE => return Ok(false),
                    _ => {
                        ends.push(idx);
                        self.record.plain = Some((self.input.start, idx));
                        self.input.start += idx; // its end is passed over with blank lines
                        return Ok(true);
                    }
                }
                idx += 1;
            }
            if idx > ROW_BYTES_MAX {
                return Err(self.endless());
            }
            if !self.input.more().map_err(|error| self.broken(error))? {
                self.record.ends.push(idx);
                self.record.plain = Some((self.input.start, idx));
                self.input.start += idx;
                return Ok(true);
            }
        }
    }

    /// Reads the record that begins here with its quotation marks.
    fn unquote(&mut self) -> Result<(), ReadError> {
        self.record.plain = None;
        let (mut n_text, mut n_ends, mut n_bytes) = (0, 0, 0);
        self.record.ends.resize(self.record.ends.capacity().max(64), 0);
        loop {
            let left = self.input.left();
            let (result, n_in, n_out, n_new) = self.quoted.read_record(
                left,
                &mut self.record.text[n_text..],
                &mut self.record.ends[n_ends..],
            );
            let read = &left[..n_in];
            self.n_inner_lines += read.iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.input.start += n_in;
            n_bytes += n_in;
            n_text += n_out;
            n_ends += n_new;
            if n_bytes > ROW_BYTES_MAX {
                return Err(self.endless());
            }
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                // Without input it takes the table to have ended, and gives what there is.
                ReadRecordResult::InputEmpty => {
                    self.more()?;
                }
                ReadRecordResult::OutputFull => self.record.text.resize(2 * self.record.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.record.ends.resize(2 * self.record.ends.len(), 0),
            }
        }
        self.record.ends.truncate(n_ends);
        Ok(())
    }

    fn more(&mut self) -> Result<bool, ReadError> {
        self.input.more().map_err(|error| self.broken(error))
    }

    #[cold]
    fn endless(&self) -> ReadError {
        self.here().error(Problem::EndlessRow {
            max_bytes: ROW_BYTES_MAX,
        })
    }

    /// The error where reading has come to.
    #[cold]
    pub(super) fn broken(&self, source: io::Error) -> ReadError {
        self.here().error(Problem::of_io(source))
    }

    fn here(&self) -> Place {
        Place::file(&self.file).at_line(self.n_lines + 1)
    }
}

impl TextRows for Table {
    fn advance(&mut self) -> Result<bool, ReadError> {
        let is_there = self.find_record()?;
        if is_there {
            self.take_record()?;
        }
        Ok(is_there)
    }

    fn row(&self) -> Row<'_> {
        match self.record.plain {
            Some((start, len)) => Row::new(&self.input.block[start..start + len], &self.record.ends, 1),
            None => Row::new(&self.record.text, &self.record.ends, 0),
        }
    }

    fn place(&self) -> Place {
        self.here()
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("file", &self.file)
            .field("delimiter", &self.delimiter)
            .finish_non_exhaustive()
    }
}

/// The bytes of a file, of which those from `start` on are still to be read.
struct Input {
    bytes: Box<dyn Read>,
    block: Vec<u8>,
    start: usize,
    /// Bytes that were in the block and are no more.
    n_dropped: u64,
    is_ended: bool,
}

impl Input {
    fn left(&self) -> &[u8] {
        &self.block[self.start..]
    }

    /// Gets more bytes behind those left; false where there are none.
    fn more(&mut self) -> io::Result<bool> {
        if self.is_ended {
            return Ok(false);
        }
        self.n_dropped += self.start as u64;
        self.block.drain(..self.start);
        self.start = 0;
        // Twice as many for a row that has not ended yet, so that a long one is not moved often.
        let n_wanted = BLOCK_BYTES.max(self.block.len());
        let n_bytes = self
            .bytes
            .by_ref()
            .take(n_wanted as u64)
            .read_to_end(&mut self.block)?;
        self.is_ended = n_bytes < n_wanted;
        Ok(n_bytes > 0)
    }

    fn take_lines(&mut self, n_wanted: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        out.extend_from_slice(self.left());
        if !self.is_ended && out.len() < n_wanted {
            let n_more = n_wanted - out.len();
            let n_bytes = self.bytes.by_ref().take(n_more as u64).read_to_end(out)?;
            self.is_ended = n_bytes < n_more;
        }
        let n_whole = whole_lines(out);
        self.n_dropped += (self.start + n_whole) as u64;
        self.block.clear();
        self.block.extend_from_slice(&out[n_whole..]);
        self.start = 0;
        out.truncate(n_whole);
        Ok(())
    }

    fn put_back(&mut self, mut lines: Vec<u8>) {
        self.n_dropped = self.n_dropped + self.start as u64 - lines.len() as u64;
        lines.extend_from_slice(self.left());
        self.block = lines;
        self.start = 0;
    }
}

/// Bytes of `text` up to its last line feed.
fn whole_lines(text: &[u8]) -> usize {
    text.iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::row::RowBuf;
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn table(text: &[u8], delimiter: u8) -> Table {
        Table::new("t.csv".into(), Box::new(Cursor::new(text.to_owned())), delimiter)
    }

    #[test]
    fn lines_are_counted_past_blanks_comments_and_quoted_breaks() {
        let check = |text: &str, expect: &[u64]| {
            let mut table = table(text.as_bytes(), b',');
            let mut lines = Vec::new();
            while table.advance().unwrap() {
                lines.push(table.place().line.unwrap());
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
        for start in [&b"a,b\n\"1"[..], b"a,b\n1"] {
            let text = Cursor::new(start).chain(io::repeat(b'x'));
            let mut table = Table::new("t.csv".into(), Box::new(text), b',');
            assert!(table.advance().unwrap());
            let error = table.advance().unwrap_err().to_string();
            assert!(
                error.starts_with("t.csv, line 2: a row goes on for more than"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_long_row_is_read_over_blocks() {
        let long = "x".repeat(3 * BLOCK_BYTES);
        for quote in ["", "\""] {
            let mut table = table(format!("a,b\n1,{quote}{long}{quote}\n2,3\n").as_bytes(), b',');
            assert!(table.advance().unwrap() && table.advance().unwrap());
            assert_eq!(table.row().cell(1).len(), long.len());
            assert!(table.advance().unwrap());
            assert_eq!(table.row().cells().collect::<Vec<_>>(), [b"2", b"3"]);
            assert_eq!(table.place().line, Some(3));
        }
    }

    /// The records of the library that knows CSV best.
    fn reference(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text);
        let records = reader.byte_records().map(Result::unwrap);
        records
            .map(|record| record.iter().map(<[u8]>::to_vec).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_library(text in "(\u{feff})?([ab1#,\"\r\n]|\n|,){0,40}") {
            let mut table = table(text.as_bytes(), b',');
            let mut records = Vec::new();
            while table.advance().unwrap() {
                let kept = RowBuf::from(table.row());
                records.push(kept.row().cells().map(<[u8]>::to_vec).collect::<Vec<_>>());
            }
            // The library makes a comment at the very end a record without text, which no table minds.
            let says_something = |record: &Vec<Vec<u8>>| *record != [Vec::<u8>::new()];
            let mut expect = reference(text.as_bytes());
            records.retain(says_something);
            expect.retain(says_something);
            prop_assert_eq!(records, expect, "{:?}", text);
        }
    }
}
