//! Rows of a table, or of line protocol, as arrivals: the same samples that reading them as a file gives.

use std::path::Path;
use std::sync::Arc;

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;
use bellwether_store::read::{
    BadRow, Problem, RawRow, RawTable, RawValues, ReadError, ReadOptions, RowValues, TableRow, TableRows,
};

use super::names::Names;
use super::reason::{self, Reason, Refusal};
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
            RowValues::Part { channels, values } => (self.names.layout(channels)?, values.to_vec(), false),
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

/// Decodes rows of inputs that are read as a whole.
#[derive(Debug)]
pub(crate) struct RawDecoder {
    source: Arc<str>,
    names: Names,
    /// The channels of the table at hand; none where rows name them.
    channels: Vec<String>,
}

impl RawDecoder {
    /// For rows of `source`.
    pub(crate) fn new(source: Arc<str>) -> Self {
        Self {
            source,
            names: Names::default(),
            channels: Vec::new(),
        }
    }

    /// The rows of this table follow.
    pub(crate) fn table(&mut self, table: &RawTable<'_>) {
        let channels = table.channels.into_iter().flat_map(|channels| channels.iter());
        self.channels = channels.map(Channel::name).map(str::to_owned).collect();
    }

    /// Adds to `into` what a row is.
    pub(crate) fn row(&mut self, row: &RawRow<'_>, into: &mut Decoded) {
        match self.arrival(row) {
            Ok(arrival) => into.arrivals.push(arrival),
            Err(refusal) => into.quarantined.push(refusal.of(&self.source, &shown(row))),
        }
    }

    fn arrival(&mut self, row: &RawRow<'_>) -> Result<Arrival, Refusal> {
        let Some(time) = row.time else {
            let unread = row.error.map(refusal);
            return Err(unread.unwrap_or_else(|| Reason::NoTime.because("a row without a time".to_owned())));
        };
        let series = self.names.device(row.series)?;
        let (layout, values, is_whole) = match row.values {
            RawValues::Wide { values, not_numbers } => {
                if let Some(cell) = not_numbers.first() {
                    let channel = self.channels.get(cell.channel_idx).map(String::as_str);
                    return Err(reason::bad_value(channel, &cell.text));
                }
                (self.names.layout(&self.channels)?, values.to_vec(), true)
            }
            RawValues::Named(named) => {
                for value in named {
                    if let Some(text) = &value.not_number {
                        return Err(reason::bad_value(Some(value.channel), text));
                    }
                }
                let channels: Vec<&str> = named.iter().map(|value| value.channel).collect();
                let values = named.iter().map(|value| value.value).collect();
                (self.names.layout(&channels)?, values, false)
            }
            RawValues::Unread => return Err(Reason::NoValue.because("a row without values".to_owned())),
        };
        let time_text = std::str::from_utf8(row.time_text).unwrap_or_default();
        Ok(Arrival {
            series,
            time,
            time_text: written(time, time_text)?,
            layout,
            values,
            is_whole,
        })
    }
}

/// A row that no text holds, for who looks into quarantine.
fn shown(row: &RawRow<'_>) -> Vec<u8> {
    let mut shown = row.time_text.to_vec();
    if let RawValues::Wide { values, .. } = row.values {
        for value in values {
            shown.extend_from_slice(format!(",{value}").as_bytes());
        }
    }
    shown
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
        Problem::NotANumber { .. }
        | Problem::DecimalComma { .. }
        | Problem::Infinite { .. }
        | Problem::TextColumn { .. } => Reason::BadValue,
        _ => Reason::BadRow,
    };
    reason.because(error.to_string())
}
