//! Rows of a table that were read together, on their way into series.

use bellwether_core::time::Timestamp;

use super::row::RowBuf;
use super::sink::RowHead;

/// Rows of a wide table.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) heads: Heads,
    /// `[n_rows, n_channels]`, NaN where missing.
    pub(super) values: Vec<f64>,
}

impl Piece {
    /// Leaves no row.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.values.clear();
    }
}

/// What rows have beside their values, column by column.
#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) time: Vec<Timestamp>,
    /// The times as they stand in the input.
    pub(super) time_text: RowBuf,
    /// The series, where a column names it, else none; all are UTF-8.
    pub(super) series: RowBuf,
    /// Empty where there is no such column, like the next.
    pub(super) labels: Vec<bool>,
    pub(super) changepoints: Vec<bool>,
}

impl Heads {
    /// How many rows.
    pub(super) fn n_rows(&self) -> usize {
        self.time.len()
    }

    /// Leaves no row.
    pub(super) fn clear(&mut self) {
        self.time.clear();
        self.time_text.clear();
        self.series.clear();
        self.labels.clear();
        self.changepoints.clear();
    }

    /// That of one row. Panics where there is no such row.
    pub(super) fn head(&self, row: usize) -> RowHead<'_> {
        let series = self.series.row().get(row);
        RowHead {
            time: self.time[row],
            time_text: self.time_text.row().cell(row),
            series: series.map(|name| std::str::from_utf8(name).expect("it was text")),
            label: self.labels.get(row).copied(),
            changepoint: self.changepoints.get(row).copied(),
        }
    }
}
