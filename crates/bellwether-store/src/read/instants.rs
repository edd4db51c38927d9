//! Times in a column of a table with types.

use arrow_array::Array;
use arrow_schema::DataType;
use bellwether_core::time::Timestamp;

use super::cells::shown;
use super::columns::nanos_of;
use super::error::Problem;
use super::sniff::Layout;
use super::time_format::TimeParser;

/// Reads the times of a column, of a time type or not.
pub(super) struct Instants {
    times: TimeParser,
    has_zone: bool,
}

impl Instants {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            times: TimeParser::new(layout.time_format).in_zone(layout.zone.clone()),
            has_zone: layout.zone.is_some(),
        }
    }

    /// The instant in `row`, which reads as `text`.
    pub(super) fn of(&mut self, times: &dyn Array, row: usize, text: &[u8]) -> Option<Timestamp> {
        // A time type without a zone says what clocks showed, as text without an offset does.
        let is_local = self.has_zone && matches!(times.data_type(), DataType::Timestamp(_, None));
        match nanos_of(times, row) {
            Some(nanos) if !times.is_null(row) && !is_local => Some(Timestamp::from_nanos(nanos)),
            _ => self.of_text(text),
        }
    }

    /// The instant that `text` says.
    pub(super) fn of_text(&mut self, text: &[u8]) -> Option<Timestamp> {
        self.times.parse(text)
    }

    /// Whether what clocks of a zone show is read: which of two instants that is depends on the rows before, and
    /// none may be read twice.
    pub(super) fn depend_on_rows_before(&self) -> bool {
        self.has_zone
    }

    /// Why `text` is no instant.
    pub(super) fn problem(&self, text: &[u8]) -> Problem {
        let found = shown(text.trim_ascii());
        match self.times.skipped_in(text) {
            _ if found.is_empty() => Problem::NoTime,
            Some(zone) => Problem::SkippedTime {
                found,
                zone: zone.name().to_owned(),
            },
            None => Problem::BadTime { found },
        }
    }
}
