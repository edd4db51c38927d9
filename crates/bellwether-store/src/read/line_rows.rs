//! Lines of line protocol that are still being written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;

use super::ReadOptions;
use super::cells::shown;
use super::error::{Place, Problem, ReadError};
use super::line_protocol::{Rows, Wrong, channel_name, parsed, says_something, value_problem};
use super::streamed::{BadRow, EachRow, RowValues, TableRow};
use super::table_rows::{OPEN_BYTES_MAX, ROW_LINES_MAX};

/// Reads lines as they come.
///
/// A file of one measurement calls channels after their fields, one of several after measurement and field. How many
/// there will be nobody knows of lines that are still to come, so a value has both names for as long as there was one
/// measurement, and the longer one alone from the second on.
#[derive(Debug)]
pub(super) struct LineRows {
    file: PathBuf,
    rows: Rows,
    /// The lines so far of one that goes on over lines: text may hold line feeds.
    open: Vec<u8>,
    n_open_lines: usize,
    has_unit: bool,
    time_text: Vec<u8>,
    /// The names of the values of a line, by what the line calls them, without and with their measurement.
    names: BTreeMap<String, [String; 2]>,
    channels: Vec<String>,
    values: Vec<f64>,
}

/// Names kept at most; where senders make up more, all are put together anew.
const NAMES_MAX: usize = 4096;

impl LineRows {
    /// For lines of `file`.
    ///
    /// # Errors
    /// Where options want what lines do not have.
    pub(super) fn new(file: &Path, options: &ReadOptions) -> Result<Self, ReadError> {
        Ok(Self {
            file: file.to_owned(),
            rows: Rows::new(file, &[], options)?,
            open: Vec::new(),
            n_open_lines: 0,
            has_unit: false,
            time_text: Vec::new(),
            names: BTreeMap::new(),
            channels: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Bytes of a line that goes on.
    pub(super) fn n_open_bytes(&self) -> usize {
        self.open.len()
    }

    /// Forgets the line at hand; the next byte begins another.
    pub(super) fn begin_row(&mut self) {
        self.open.clear();
        self.n_open_lines = 0;
    }

    /// Takes line number `line_no`.
    pub(super) fn line(&mut self, line: &[u8], line_no: u64, each: &mut EachRow<'_>) {
        if self.open.is_empty() && !says_something(line) {
            return;
        }
        self.open.extend_from_slice(line);
        self.n_open_lines += 1;
        if !is_open(&self.open) {
            let whole = std::mem::take(&mut self.open);
            let n_before = std::mem::take(&mut self.n_open_lines) as u64 - 1;
            self.row(&whole, line_no - n_before, each);
            return;
        }
        if self.n_open_lines < ROW_LINES_MAX && self.open.len() < OPEN_BYTES_MAX {
            return;
        }
        self.give_up(line_no, each);
    }

    /// The input has ended behind `n_lines` lines: a line that goes on is not going to end.
    pub(super) fn end(&mut self, n_lines: u64, each: &mut EachRow<'_>) {
        while !self.open.is_empty() {
            self.give_up(n_lines, each);
        }
    }

    /// A mark that is never closed costs the line it stands in, not those after it.
    fn give_up(&mut self, line_no: u64, each: &mut EachRow<'_>) {
        let all = std::mem::take(&mut self.open);
        let n_lines = std::mem::take(&mut self.n_open_lines) as u64;
        let mut lines = all.split_inclusive(|&byte| byte == b'\n');
        let first = line_no + 1 - n_lines;
        if let Some(line) = lines.next() {
            self.row(line, first, each);
        }
        for (line, line_no) in lines.zip(first + 1..) {
            self.line(line, line_no, each);
        }
    }

    fn row(&mut self, line: &[u8], line_no: u64, each: &mut EachRow<'_>) {
        let read = self.read(line);
        let place = || Place::file(&self.file).at_line(line_no);
        match read {
            Ok((_, _)) if self.values.is_empty() => {}
            Ok((time, has_series)) => each(Ok(TableRow {
                time,
                time_text: std::str::from_utf8(&self.time_text).unwrap_or_default(),
                series: has_series.then_some(self.rows.series.as_str()),
                values: RowValues::Part {
                    channels: &self.channels,
                    values: &self.values,
                },
                bytes: line,
            })),
            Err((column, problem)) => {
                let error = match column {
                    Some(column) => place().in_column(&column).error(problem),
                    None => place().error(problem),
                };
                each(Err(BadRow { error, bytes: line }));
            }
        }
    }

    /// The instant of a line, and whether tags name its series; names and values stand in `self`.
    fn read(&mut self, line: &[u8]) -> Result<(Timestamp, bool), Wrong> {
        let text = std::str::from_utf8(line).map_err(|_| (None, Problem::NotUtf8 { found: shown(line) }))?;
        let line = parsed(text).map_err(|found| (None, Problem::BadLine { found }))?;
        if !self.has_unit {
            self.has_unit = line.timestamp.is_some();
            self.rows.set_unit(line.timestamp);
        }
        let time = self.rows.time(&line)?;
        self.time_text.clear();
        self.rows.push_time(&mut self.time_text, time);
        let has_series = self.rows.find_series(&line)?;
        self.rows.marks(&line)?;
        self.values.clear();
        let values = &mut self.values;
        self.rows.channels(&line, |field, value, said| {
            values.push(said.map_err(|wrong| value_problem(field, value, wrong))?);
            Ok(())
        })?;
        self.name_values();
        Ok((time, has_series))
    }

    /// Puts the names of the values at hand into `self.channels`, and the values again for those that have two.
    fn name_values(&mut self) {
        let n_values = self.values.len();
        if self.names.len() + n_values > NAMES_MAX {
            self.names.clear();
        }
        let is_only = self.rows.n_measurements() == 1;
        let names =
            |channel: &String| [false, true].map(|long| channel_name(channel, long).unwrap_or_default());
        self.channels.clear();
        for channel in &self.rows.channels[..n_values] {
            if !self.names.contains_key(channel) {
                self.names.insert(channel.clone(), names(channel));
            }
            self.channels.push(self.names[channel][1].clone());
        }
        if !is_only {
            return;
        }
        for value_idx in 0..n_values {
            let name = &self.names[&self.rows.channels[value_idx]][0];
            if !self.channels.contains(name) {
                self.channels.push(name.clone());
                self.values.push(self.values[value_idx]);
            }
        }
    }
}

/// Whether text in a line goes on behind it.
fn is_open(line: &[u8]) -> bool {
    let n_marks = line.iter().filter(|&&byte| byte == b'"').count();
    n_marks % 2 == 1 && std::str::from_utf8(line).is_ok_and(|text| parsed(text).is_err())
}
