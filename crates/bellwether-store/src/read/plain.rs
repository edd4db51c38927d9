//! Rows of delimited text without quotation marks, many at once.
//!
//! First all bytes that divide cells are found, then rows are read between them by the code that reads any row. What
//! needs more thought ends the reading before it: a quotation mark, a blank line, a comment, a line end of old, a row
//! with too few or too many cells, a cell that cannot be read. So nothing is ever refused here.

use super::cells::{Cells, Fault};
use super::error::Problem;
use super::number::Cell;
use super::piece::Piece;
use super::row::Row;
use super::sniff::Values;

/// Bytes whose dividing bytes are found at once: these stay in the cache. Few in tests, so that short texts have several.
const WINDOW_BYTES: usize = if cfg!(test) { 1 << 5 } else { 1 << 15 };

/// Reads rows of a wide table.
#[derive(Debug, Clone)]
pub(super) struct PlainRows {
    cells: Cells,
    delimiter: u8,
    /// Of each channel.
    columns: Vec<usize>,
    /// Of the row at hand.
    values: Vec<f64>,
    /// Where the text at hand has a delimiter, a line end or a quotation mark.
    marks: Vec<usize>,
}

impl PlainRows {
    /// For rows as `cells` reads them; `None` where those are not of a wide table, or a row depends on the one before: which
    /// of two instants a time is that clocks of a zone showed twice.
    pub(super) fn new(cells: &Cells, delimiter: u8) -> Option<Self> {
        let Values::Wide(columns) = &cells.layout.values else {
            return None;
        };
        if cells.layout.zone.is_some() {
            return None;
        }
        Some(Self {
            cells: cells.clone(),
            delimiter,
            values: vec![f64::NAN; columns.len()],
            columns: columns.clone(),
            marks: Vec::new(),
        })
    }

    /// Adds rows from the beginning of `text` to `piece`, which stand on a line each; tells how many bytes they are.
    pub(super) fn read(&mut self, text: &[u8], piece: &mut Piece) -> usize {
        let n_columns = self.cells.layout.names.len();
        let mut marks = std::mem::take(&mut self.marks);
        let mut start = 0;
        let mut n_window = WINDOW_BYTES;
        'windows: while start < text.len() {
            let window = &text[..text.len().min(start + n_window)];
            mark(window, start, self.delimiter, &mut marks);
            let n_before = start;
            let mut left = marks.as_slice();
            while let Some((ends, behind)) = left.split_at_checked(n_columns) {
                let Some(next) = self.line_end(text, start, ends) else {
                    break 'windows;
                };
                if self.row(Row::within(text, start, ends, 1), piece).is_none() {
                    break 'windows;
                }
                start = next;
                left = match behind {
                    [line_feed, more @ ..] if *line_feed < next => more,
                    _ => behind,
                };
            }
            if start == n_before {
                if window.len() == text.len() {
                    break;
                }
                n_window *= 2; // a row is longer
            }
        }
        self.marks = marks;
        start
    }

    /// Where the next line starts, if cells that end at `ends` are a row.
    fn line_end(&self, text: &[u8], start: usize, ends: &[usize]) -> Option<usize> {
        let (&last, others) = ends.split_last()?;
        let is_divided = text[start] != b'#' && others.iter().all(|&end| text[end] == self.delimiter);
        match text[last..] {
            [b'\n', ..] if is_divided && start < last => Some(last + 1),
            [b'\r', b'\n', ..] if is_divided && start < last => Some(last + 2),
            _ => None,
        }
    }

    /// Adds a row; `None` where it cannot be read, and `piece` is as before.
    fn row(&mut self, row: Row<'_>, piece: &mut Piece) -> Option<()> {
        let time = self.cells.time(row).ok()??;
        let layout = &self.cells.layout;
        for (value, &column) in self.values.iter_mut().zip(&self.columns) {
            *value = match self.cells.cell(row, column) {
                Cell::Value(value) => value,
                Cell::Missing => f64::NAN,
                Cell::Infinite | Cell::DecimalComma | Cell::Text => return None,
            };
        }
        let mark = |column: Option<usize>| column.map(|column| self.cells.label(row, column)).transpose();
        let beside = || -> Result<_, Fault> {
            let series = layout
                .series
                .map(|column| self.cells.text(row, column, Problem::NoSeries));
            Ok((
                series.transpose()?,
                mark(layout.label)?,
                mark(layout.changepoint)?,
            ))
        };
        let (series, label, changepoint) = beside().ok()?;
        piece.values.extend_from_slice(&self.values);
        let heads = &mut piece.heads;
        heads.time.push(time);
        heads.time_text.push(row.cell(layout.time));
        if let Some(series) = series {
            heads.series.push(series.as_bytes());
        }
        heads.labels.extend(label);
        heads.changepoints.extend(changepoint);
        Some(())
    }
}

/// Finds the delimiters, line ends and quotation marks of `text` from `start` on.
fn mark(text: &[u8], start: usize, delimiter: u8, marks: &mut Vec<usize>) {
    marks.clear();
    let wanted = [delimiter, b'\n', b'\r', b'"'];
    let (blocks, tail) = text[start..].as_chunks::<64>();
    let mut at = start;
    for block in blocks {
        let mut hits = hits_of(block, wanted);
        while hits != 0 {
            marks.push(at + hits.trailing_zeros() as usize);
            hits &= hits - 1;
        }
        at += block.len();
    }
    marks.extend(
        (at..)
            .zip(tail)
            .filter(|(_, byte)| wanted.contains(byte))
            .map(|(at, _)| at),
    );
}

/// Which bytes of `block` are among `wanted`: a bit each, the lowest for the first.
#[inline]
fn hits_of(block: &[u8; 64], wanted: [u8; 4]) -> u64 {
    // As many bytes are compared at once as a register holds.
    let [a, b, c, d] = wanted;
    let mut is_hit = [0_u8; 64];
    // With iterators it is not done in registers.
    for at in 0..64 {
        let byte = block[at];
        is_hit[at] = u8::from((byte == a) | (byte == b) | (byte == c) | (byte == d));
    }
    // Bit r of byte c is for byte 8 r + c of the block.
    let mut bits = 0;
    for (row, eight) in is_hit.as_chunks::<8>().0.iter().enumerate() {
        bits |= u64::from_le_bytes(*eight) << row;
    }
    turned(bits)
}

/// The 8 × 8 bits of `bits` with rows and columns exchanged: blocks of four, of two, and single bits change places (Warren,
/// "Hacker's Delight", 2nd edition, 7-3).
#[inline]
fn turned(mut bits: u64) -> u64 {
    for (by, places) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let moved = (bits ^ (bits >> by)) & places;
        bits ^= moved ^ (moved << by);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_are_the_bytes_that_divide(text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b'"')], 0..300), start in 0..70_usize) {
            let start = start.min(text.len());
            let mut marks = Vec::new();
            mark(&text, start, b',', &mut marks);
            let expect = (start..text.len()).filter(|&at| b",\n\r\"".contains(&text[at]));
            prop_assert_eq!(marks, expect.collect::<Vec<_>>());
        }
    }
}
