//! Text cells, mostly those of one row, whatever it was written in, and where such rows come from.

use super::error::{Place, ReadError};

/// The cells of one row, one behind the other in `text`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    text: &'a [u8],
    /// Where the first cell starts.
    start: usize,
    /// Where each cell ends.
    ends: &'a [usize],
    /// Bytes between the end of a cell and the next: a delimiter, or nothing.
    gap: usize,
}

impl<'a> Row<'a> {
    /// Cells of `text` that end at `ends` and are divided by `gap` bytes.
    pub(super) fn new(text: &'a [u8], ends: &'a [usize], gap: usize) -> Self {
        Self::within(text, 0, ends, gap)
    }

    /// The same where the first cell starts at `start`.
    pub(super) fn within(text: &'a [u8], start: usize, ends: &'a [usize], gap: usize) -> Self {
        Self {
            text,
            start,
            ends,
            gap,
        }
    }

    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell of `column`. Panics where there is none.
    #[inline]
    pub(super) fn cell(&self, column: usize) -> &'a [u8] {
        let (text, start, end) = self.place(column);
        &text[start..end]
    }

    /// The same as a part of a text: where it starts and ends there.
    #[inline]
    pub(super) fn place(&self, column: usize) -> (&'a [u8], usize, usize) {
        let start = match column {
            0 => self.start,
            _ => self.ends[column - 1] + self.gap,
        };
        (self.text, start, self.ends[column])
    }

    /// The cell of `column`, where there is one.
    pub(super) fn get(&self, column: usize) -> Option<&'a [u8]> {
        (column < self.len()).then(|| self.cell(column))
    }

    /// All cells.
    pub(super) fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |column| self.cell(column))
    }

    /// Whether a cell goes on over lines.
    pub(super) fn has_line_feed(&self) -> bool {
        let end = self.ends.last().copied().unwrap_or(self.start);
        self.text[self.start..end].contains(&b'\n')
    }
}

/// Cells that are kept: those of a row, or of a column of text.
#[derive(Debug, Clone, Default)]
pub(super) struct RowBuf {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl RowBuf {
    /// The row.
    pub(super) fn row(&self) -> Row<'_> {
        Row::new(&self.text, &self.ends, 0)
    }

    /// Leaves no cell.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// All that is written in the cells.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where each cell ends in it.
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Adds a cell.
    pub(super) fn push(&mut self, cell: &[u8]) {
        self.text.extend_from_slice(cell);
        self.ends.push(self.text.len());
    }
}

impl From<Row<'_>> for RowBuf {
    fn from(row: Row<'_>) -> Self {
        let mut kept = Self::default();
        row.cells().for_each(|cell| kept.push(cell));
        kept
    }
}

/// Rows of text cells, one after the other.
pub(super) trait TextRows {
    /// Reads the next row; false after the last.
    fn advance(&mut self) -> Result<bool, ReadError>;

    /// The row read last.
    fn row(&self) -> Row<'_>;

    /// The place of the row read last.
    fn place(&self) -> Place;
}
