//! Rows of a table, or of line protocol, that is still being written: line after line, told apart and read as those of
//! a file.
//!
//! What the columns are for is told from the header and as few rows as decide it, mostly one, so that a slow stream is
//! not kept waiting. A row that cannot be read is given back with what is wrong, and reading goes on. A quotation mark
//! that is never closed costs the line it stands in, not all lines after it.

use std::io;
use std::path::{Path, PathBuf};

use csv_core::ReadRecordResult;

use super::ReadOptions;
use super::cells::{Cells, Fault};
use super::error::{Place, Problem, ReadError};
use super::format::foreign_to_lines;
use super::line_protocol;
use super::line_rows::LineRows;
use super::row::Row;
use super::sniff::{self, Layout, SAMPLE_ROWS, Values};
use super::source::{HEAD_BYTES, Source};
use super::streamed::{BadRow, EachRow, RowValues, TableRow};

/// Lines that one row goes on for at most.
pub(super) const ROW_LINES_MAX: usize = 64;

/// Bytes of a row of several lines at most.
pub(super) const OPEN_BYTES_MAX: usize = 1 << 16;

/// Rows after which a column of text is taken for what it is.
const TEXT_ROWS: usize = 2;

/// Reads rows from lines.
#[derive(Debug)]
pub struct TableRows {
    file: PathBuf,
    options: ReadOptions,
    /// Lines begun so far.
    n_lines: u64,
    /// How often the columns were looked at.
    n_looks: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Lines, until they say what the columns are for.
    Undecided(Vec<u8>),
    Decided(Box<Decided>),
    /// Lines of line protocol, which say it each by itself.
    Lines(Box<LineRows>),
}

impl TableRows {
    /// A table whose header is still to come. In messages it is called `file`, `-` for standard input.
    pub fn new(file: &Path, options: ReadOptions) -> Self {
        Self {
            file: file.to_owned(),
            options,
            n_lines: 0,
            n_looks: 0,
            state: State::Undecided(Vec::new()),
        }
    }

    /// Whether it is known what the columns are for.
    pub fn is_decided(&self) -> bool {
        !matches!(self.state, State::Undecided(_))
    }

    /// Bytes of the lines taken that are not given as rows yet: reading can be taken up again before them.
    pub fn n_open_bytes(&self) -> usize {
        match &self.state {
            State::Undecided(head) => head.len(),
            State::Decided(decided) => decided.open.len(),
            State::Lines(lines) => lines.n_open_bytes(),
        }
    }

    /// Goes on elsewhere in the same table: at the beginning of a row, behind `n_lines` lines. Panics where it is not
    /// known yet what the columns are for.
    pub fn go_on_behind(&mut self, n_lines: u64) {
        self.n_lines = n_lines;
        match &mut self.state {
            State::Decided(decided) => decided.begin_row(),
            State::Lines(lines) => lines.begin_row(),
            State::Undecided(_) => panic!("the columns of a table are known before it is gone on with"),
        }
    }

    /// Takes one line with its end.
    ///
    /// # Errors
    /// Where it is clear that this is no table that can be read; there is no going on.
    pub fn line(&mut self, line: &[u8], each: &mut EachRow<'_>) -> Result<(), ReadError> {
        self.n_lines += 1;
        match &mut self.state {
            State::Decided(decided) => {
                decided.line(line, self.n_lines, each);
                Ok(())
            }
            State::Lines(lines) => {
                lines.line(line, self.n_lines, each);
                Ok(())
            }
            State::Undecided(head) if head.is_empty() && line_protocol::is_likely(line) => {
                let mut lines = Box::new(LineRows::new(&self.file, &self.options)?);
                let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
                lines.line(line, self.n_lines, each);
                self.state = State::Lines(lines);
                Ok(())
            }
            State::Undecided(head) => {
                let says_nothing = line.trim_ascii().is_empty() || line.starts_with(b"#");
                if !(says_nothing && head.is_empty()) {
                    head.extend_from_slice(line);
                }
                if says_nothing {
                    return Ok(());
                }
                self.n_looks += 1;
                match self.decide() {
                    Ok(decided) => {
                        self.begin(decided, each);
                        Ok(())
                    }
                    Err(error) if self.may_still_be_decided(&error.problem) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// The input has ended: what is left is the last row.
    ///
    /// # Errors
    /// Where there are rows, and what they are has not become clear.
    pub fn end(&mut self, each: &mut EachRow<'_>) -> Result<(), ReadError> {
        if let State::Undecided(_) = self.state {
            match self.decide() {
                Ok(decided) => self.begin(decided, each),
                Err(error) if matches!(error.problem, Problem::Empty | Problem::NoRow) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match &mut self.state {
            State::Decided(decided) => decided.end(self.n_lines, each),
            State::Lines(lines) => lines.end(self.n_lines, each),
            State::Undecided(_) => {}
        }
        Ok(())
    }

    fn decide(&self) -> Result<(u8, Layout), ReadError> {
        let head = match &self.state {
            State::Undecided(head) => head.clone(),
            State::Decided(_) | State::Lines(_) => Vec::new(),
        };
        if let Some(found) = foreign_to_lines(&head) {
            return Err(Place::file(&self.file).error(Problem::Format { found }));
        }
        let source = Source {
            file: self.file.clone(),
            head,
            is_whole: true,
            n_bytes: None,
            bytes: Box::new(io::empty()),
        };
        sniff::delimited(&source, &self.options)
    }

    /// Whether more rows may help: where counts are the times they must be seen to move, first cells may be empty. A
    /// header that stands over nothing says nothing yet.
    fn may_still_be_decided(&self, problem: &Problem) -> bool {
        let n_looks_max = match problem {
            Problem::Format { .. } => 0,
            // The header goes on over lines.
            _ if self.has_open_quote() => ROW_LINES_MAX,
            Problem::Empty | Problem::NoRow => ROW_LINES_MAX,
            Problem::NoTimeColumn { .. } | Problem::NoTime => 1 + SAMPLE_ROWS,
            Problem::TextColumn { .. } => 1 + TEXT_ROWS,
            _ => 1,
        };
        self.n_open_bytes() < HEAD_BYTES && self.n_looks <= n_looks_max
    }

    fn has_open_quote(&self) -> bool {
        match &self.state {
            State::Undecided(head) => head.iter().filter(|&&byte| byte == b'"').count() % 2 == 1,
            State::Decided(_) | State::Lines(_) => false,
        }
    }

    /// Reads the lines that were looked at.
    fn begin(&mut self, (delimiter, layout): (u8, Layout), each: &mut EachRow<'_>) {
        let decided = Decided::new(&self.file, delimiter, layout, &self.options);
        let before = std::mem::replace(&mut self.state, State::Decided(Box::new(decided)));
        if let (State::Undecided(head), State::Decided(decided)) = (before, &mut self.state) {
            let lines: Vec<&[u8]> = head.split_inclusive(|&byte| byte == b'\n').collect();
            let first = self.n_lines + 1 - lines.len() as u64;
            for (line_no, line) in (first..).zip(lines) {
                decided.line(line, line_no, each);
            }
        }
    }
}

/// A table whose columns are known.
struct Decided {
    file: PathBuf,
    cells: Cells,
    /// Names of the channels of a wide table.
    channels: Vec<String>,
    csv: csv_core::Reader,
    /// The cells of the row at hand, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    n_text: usize,
    n_ends: usize,
    /// The lines so far of a row that goes on over lines.
    open: Vec<u8>,
    n_open_lines: usize,
    is_past_header: bool,
    values: Vec<f64>,
}

impl std::fmt::Debug for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decided")
            .field("cells", &self.cells)
            .finish_non_exhaustive()
    }
}

impl Decided {
    fn new(file: &Path, delimiter: u8, layout: Layout, options: &ReadOptions) -> Self {
        let channels = match &layout.values {
            Values::Wide(columns) => columns
                .iter()
                .map(|&column| layout.names[column].clone())
                .collect(),
            Values::Long { .. } => Vec::new(),
        };
        Self {
            file: file.to_owned(),
            channels,
            csv: csv_core::ReaderBuilder::new()
                .delimiter(delimiter)
                .comment(Some(b'#'))
                .build(),
            cells: Cells::new(layout, &options.missing),
            text: vec![0; 1 << 10],
            ends: vec![0; 64],
            n_text: 0,
            n_ends: 0,
            open: Vec::new(),
            n_open_lines: 0,
            is_past_header: false,
            values: Vec::new(),
        }
    }

    /// Forgets the row at hand; the next byte begins another.
    fn begin_row(&mut self) {
        self.csv.reset();
        (self.n_text, self.n_ends) = (0, 0);
        self.open.clear();
        self.n_open_lines = 0;
        self.is_past_header = true;
    }

    /// Takes line number `line_no`, and once more the lines after one whose quotation mark is never closed.
    fn line(&mut self, line: &[u8], line_no: u64, each: &mut EachRow<'_>) {
        let Some(mut again) = self.take(line, line_no, each) else {
            return;
        };
        // Each turn takes a line away for good; the last is the one given.
        while let Some(first) = again.split_inclusive(|&byte| byte == b'\n').next() {
            let n_left = again.split_inclusive(|&byte| byte == b'\n').count() as u64;
            let n_first = first.len();
            let more = self.take(first, line_no + 1 - n_left, each);
            let rest = again.split_off(n_first);
            again = match more {
                Some(mut more) => {
                    more.extend_from_slice(&rest);
                    more
                }
                None => rest,
            };
        }
    }

    /// Reads one line; gives back the lines that are to be read again.
    fn take(&mut self, line: &[u8], line_no: u64, each: &mut EachRow<'_>) -> Option<Vec<u8>> {
        let mut input = line;
        // Called without input the parser would take the table to have ended.
        while !input.is_empty() {
            let before = input;
            if self.parse(&mut input) {
                let first_line = line_no - self.n_open_lines as u64;
                let row = if self.open.is_empty() {
                    &before[..before.len() - input.len()]
                } else {
                    self.open.extend_from_slice(&before[..before.len() - input.len()]);
                    &[]
                };
                if let Some(mut again) = self.row(row, first_line, each) {
                    again.extend_from_slice(input);
                    return Some(again);
                }
            }
        }
        if self.n_text == 0 && self.n_ends == 0 {
            return None;
        }
        self.open.extend_from_slice(line);
        self.n_open_lines += 1;
        let is_endless = self.n_open_lines >= ROW_LINES_MAX || self.open.len() > OPEN_BYTES_MAX;
        is_endless.then(|| {
            let fault = self.open_quote();
            self.refuse_first_line(fault, line_no + 1 - self.n_open_lines as u64, each)
        })
    }

    fn end(&mut self, n_lines: u64, each: &mut EachRow<'_>) {
        while self.n_text > 0 || self.n_ends > 0 {
            let mut nothing: &[u8] = &[];
            if !self.parse(&mut nothing) {
                return;
            }
            let n_open_lines = (self.n_open_lines as u64).max(1);
            let Some(again) = self.row(&[], n_lines + 1 - n_open_lines, each) else {
                return;
            };
            let lines: Vec<&[u8]> = again.split_inclusive(|&byte| byte == b'\n').collect();
            let first = n_lines + 1 - lines.len() as u64;
            for (line_no, line) in (first..).zip(lines) {
                self.line(line, line_no, each);
            }
        }
    }

    /// Moves `input` on; whether a row is complete.
    fn parse(&mut self, input: &mut &[u8]) -> bool {
        loop {
            let (result, n_in, n_out, n_ends) = self.csv.read_record(
                input,
                &mut self.text[self.n_text..],
                &mut self.ends[self.n_ends..],
            );
            *input = &input[n_in..];
            self.n_text += n_out;
            self.n_ends += n_ends;
            match result {
                ReadRecordResult::Record => return true,
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return false,
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
            }
        }
    }

    /// Gives the row at hand, which is `row`, or stands in `open`; or gives back the lines that are to be read again.
    fn row(&mut self, row: &[u8], line_no: u64, each: &mut EachRow<'_>) -> Option<Vec<u8>> {
        let n_cells = self.n_ends;
        (self.n_text, self.n_ends) = (0, 0);
        if !self.is_past_header {
            self.open.clear();
            self.n_open_lines = 0;
            self.is_past_header = true;
            return None;
        }
        match self.read_record(row, n_cells, each) {
            // Its lines may be rows but for a quotation mark in the first.
            Err(fault) if self.n_open_lines > 0 => {
                return Some(self.refuse_first_line(fault, line_no, each));
            }
            Err(fault) => {
                let bytes = if self.open.is_empty() { row } else { &self.open };
                let place = Place::file(&self.file).at_line(line_no);
                let error = fault.at(place, &self.cells.layout.names);
                each(Err(BadRow { error, bytes }));
            }
            Ok(()) => {}
        }
        self.open.clear();
        self.n_open_lines = 0;
        None
    }

    fn read_record(&mut self, bytes: &[u8], n_cells: usize, each: &mut EachRow<'_>) -> Result<(), Fault> {
        let n_text = self.ends[..n_cells].last().copied().unwrap_or(0);
        let row = Row::new(&self.text[..n_text], &self.ends[..n_cells], 0);
        let Some(time) = self.cells.time(row)? else {
            return Ok(());
        };
        let cells = &self.cells;
        let series = match cells.layout.series {
            Some(column) => Some(cells.text(row, column, Problem::NoSeries)?),
            None => None,
        };
        let values = match &cells.layout.values {
            Values::Wide(columns) => {
                self.values.clear();
                for &column in columns {
                    self.values.push(cells.value(row, column)?);
                }
                RowValues::Wide {
                    channels: &self.channels,
                    values: &self.values,
                }
            }
            &Values::Long { channel, value } => RowValues::Long {
                channel: cells.text(row, channel, Problem::NoChannelName)?,
                value: cells.value(row, value)?,
            },
        };
        each(Ok(TableRow {
            time,
            // What was read as a time is ASCII.
            time_text: std::str::from_utf8(row.cell(cells.layout.time)).unwrap_or_default(),
            series,
            values,
            bytes: if self.open.is_empty() { bytes } else { &self.open },
        }));
        Ok(())
    }

    /// The first line of those at hand is bad; the others are given back, to be read again.
    fn refuse_first_line(&mut self, fault: Fault, line_no: u64, each: &mut EachRow<'_>) -> Vec<u8> {
        let n_first = self
            .open
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(self.open.len(), |end| end + 1);
        let error = fault.at(Place::file(&self.file).at_line(line_no), &self.cells.layout.names);
        each(Err(BadRow {
            error,
            bytes: &self.open[..n_first],
        }));
        let again = self.open.split_off(n_first);
        self.begin_row();
        again
    }

    fn open_quote(&self) -> Fault {
        Fault {
            column: None,
            problem: Problem::OpenQuote {
                found: self.n_ends + 1,
                wanted: self.cells.layout.names.len(),
            },
        }
    }
}
