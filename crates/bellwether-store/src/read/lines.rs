//! Lines of text, one after the other, in bounded memory.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use super::error::{Place, Problem, ReadError};

/// No sensible line is longer.
const ROW_BYTES_MAX: usize = 16 << 20;

/// Lines that hold something.
pub(super) struct Lines {
    file: PathBuf,
    bytes: BufReader<Box<dyn Read>>,
    /// The line read last, with its end.
    pub(super) line: Vec<u8>,
    line_no: u64,
    /// Lines behind it that it goes on over.
    n_more: u64,
    /// Whether nothing comes behind the line, not even its end.
    pub(super) is_last: bool,
}

impl Lines {
    pub(super) fn new(file: PathBuf, bytes: Box<dyn Read>) -> Self {
        Self {
            file,
            bytes: BufReader::with_capacity(1 << 17, bytes),
            line: Vec::new(),
            line_no: 0,
            n_more: 0,
            is_last: false,
        }
    }

    /// Reads the next line that is not blank; false after the last.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        self.line_no += std::mem::take(&mut self.n_more);
        loop {
            self.line.clear();
            self.line_no += 1;
            let n_bytes = self.read_line()?;
            if self.line_no == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            if n_bytes == 0 || !self.line.trim_ascii().is_empty() {
                return Ok(n_bytes > 0);
            }
        }
    }

    /// Appends the next line to the one read last; false where there is none.
    pub(super) fn append(&mut self) -> Result<bool, ReadError> {
        self.n_more += 1;
        Ok(self.read_line()? > 0)
    }

    fn read_line(&mut self) -> Result<usize, ReadError> {
        let room = ROW_BYTES_MAX.saturating_sub(self.line.len());
        let n_bytes = self
            .bytes
            .by_ref()
            .take(room as u64)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| self.place().error(Problem::of_io(error)))?;
        if n_bytes == room {
            let max_bytes = ROW_BYTES_MAX;
            return Err(self.place().error(Problem::EndlessRow { max_bytes }));
        }
        self.is_last = self.line.last() != Some(&b'\n');
        Ok(n_bytes)
    }

    /// Where the line read last stands.
    pub(super) fn place(&self) -> Place {
        Place::file(&self.file).at_line(self.line_no)
    }
}
