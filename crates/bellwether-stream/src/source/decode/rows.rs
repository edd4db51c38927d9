//! Rows of a table as arrivals: the same samples that reading the table as a file gives.

use std::path::Path;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use bellwether_store::read::{BadRow, Problem, ReadError, ReadOptions, RowValues, TableRow, TableRows};

use super::names::Names;
use super::reason::{Reason, Refusal};
use super::{Decoded, object, times};
use crate::arrival::Arrival;

/// Decodes the rows of one table, line after line.
#[derive(Debug)]
pub struct TableDecoder {
    rows: TableRows,
    shared: Shared,
}

/// What all rows have in common.
#[derive(Debug)]
struct Shared {
    source: Arc<str>,
    device: Option<Arc<str>>,
    names: Names,
}

impl TableDecoder {
    /// For a table that comes from `source`, called `file` in messages. Rows are of `device` where no column names one.
    pub fn new(source: Arc<str>, file: &Path, options: ReadOptions, device: Option<&str>) -> Self {
        Self {
            rows: TableRows::new(file, options),
            shared: Shared {
                source,
                device: device.map(Arc::from),
                names: Names::default(),
            },
        }
    }

    /// Takes one line with its end: adds to `into` the rows that it completes, and what is wrong with others.
    ///
    /// # Errors
    /// Where it is clear that this is no table that can be read; there is no going on.
    pub fn line(&mut self, line: &[u8], into: &mut Decoded) -> Result<(), ReadError> {
        let shared = &mut self.shared;
        self.rows.line(line, &mut |row| shared.take(row, into))
    }

    /// The input has ended: what is left is the last row.
    ///
    /// # Errors
    /// Where there are rows, and what they are has not become clear.
    pub fn end(&mut self, into: &mut Decoded) -> Result<(), ReadError> {
        let shared = &mut self.shared;
        self.rows.end(&mut |row| shared.take(row, into))
    }

    /// Takes lines that were decoded before, up to those that say what the columns are for; then goes on with the line
    /// behind `n_lines` lines. False where the columns have not become clear.
    pub(crate) fn go_on_behind(&mut self, n_lines: u64, head: &[u8]) -> bool {
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            if self.rows.is_decided() || self.rows.line(line, &mut |_| {}).is_err() {
                break;
            }
        }
        let is_decided = self.rows.is_decided();
        if is_decided {
            self.rows.go_on_behind(n_lines);
        }
        is_decided
    }

    /// Bytes of the lines taken that are not decoded yet.
    pub(crate) fn n_open_bytes(&self) -> usize {
        self.rows.n_open_bytes()
    }
}

impl Shared {
    fn take(&mut self, row: Result<TableRow<'_>, BadRow<'_>>, into: &mut Decoded) {
        let taken = match row {
            Ok(row) => self
                .arrival(&row)
                .map_err(|refusal| refusal.of(&self.source, row.bytes)),
            Err(bad) => Err(refusal(&bad.error).of(&self.source, bad.bytes)),
        };
        match taken {
            Ok(arrival) => into.arrivals.push(arrival),
            Err(quarantined) => into.quarantined.push(quarantined),
        }
    }

    fn arrival(&mut self, row: &TableRow<'_>) -> Result<Arrival, Refusal> {
        let series = match (row.series, &self.device) {
            (Some(name), _) => self.names.device(name)?,
            (None, Some(device)) => device.clone(),
            (None, None) => return Err(object::no_device()),
        };
        let (layout, values, is_whole) = match row.values {
            RowValues::Wide { channels, values } => (self.names.layout(channels)?, values.to_vec(), true),
            RowValues::Long { channel, value } => (self.names.layout(&[channel])?, vec![value], false),
        };
        Ok(Arrival {
            series,
            time: row.time,
            time_text: written(row.time, row.time_text)?,
            layout,
            values,
            is_whole,
        })
    }
}

fn written(time: Timestamp, text: &str) -> Result<Option<Box<str>>, Refusal> {
    if text.len() > times::TIME_BYTES_MAX {
        return Err(Reason::BadTime.because(format!("a time of {} bytes", text.len())));
    }
    Ok(times::as_written(time, text))
}

/// The kind of trouble that a row has.
fn refusal(error: &ReadError) -> Refusal {
    let reason = match &error.problem {
        Problem::NoTime => Reason::NoTime,
        Problem::BadTime { .. } => Reason::BadTime,
        Problem::NoSeries => Reason::NoDevice,
        Problem::NoChannelName => Reason::NoChannel,
        Problem::NotUtf8 { .. } => Reason::NotUtf8,
        Problem::NotANumber { .. } | Problem::DecimalComma { .. } | Problem::Infinite { .. } => {
            Reason::BadValue
        }
        _ => Reason::BadRow,
    };
    reason.because(error.to_string())
}
