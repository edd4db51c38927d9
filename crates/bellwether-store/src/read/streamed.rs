//! Rows of an input that is still being written, as they are handed over.

use bellwether_core::time::Timestamp;

use super::error::ReadError;

/// One row that holds values.
#[derive(Debug, PartialEq)]
pub struct TableRow<'a> {
    /// When.
    pub time: Timestamp,
    /// The time as it is written.
    pub time_text: &'a str,
    /// The series, where a column names it.
    pub series: Option<&'a str>,
    /// What was measured.
    pub values: RowValues<'a>,
    /// The row as it stands in the input.
    pub bytes: &'a [u8],
}

/// Values of a row, NaN where missing.
#[derive(Debug, PartialEq)]
pub enum RowValues<'a> {
    /// One of each channel.
    Wide {
        /// Their names.
        channels: &'a [String],
        /// In the same order.
        values: &'a [f64],
    },
    /// One of one channel.
    Long {
        /// Its name.
        channel: &'a str,
        /// The value.
        value: f64,
    },
    /// Those of some channels; others of the same instant may follow.
    Part {
        /// Their names.
        channels: &'a [String],
        /// In the same order.
        values: &'a [f64],
    },
}

/// A row that cannot be read.
#[derive(Debug)]
pub struct BadRow<'a> {
    /// What is wrong, with the line.
    pub error: ReadError,
    /// The row as it stands in the input.
    pub bytes: &'a [u8],
}

/// Takes rows as they are read.
pub type EachRow<'f> = dyn FnMut(Result<TableRow<'_>, BadRow<'_>>) + 'f;
