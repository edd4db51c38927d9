//! The rows of an input as they stood there, so that answers can be written in the same order with the same times.

use super::error::Problem;
use super::row::RowBuf;

/// Every row of one series, in input order: its time as written, the sample it belongs to, its place among all rows.
///
/// There are more rows than samples where an instant is repeated, and in a table in long form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputRows {
    times: String,
    time_ends: Vec<usize>,
    samples: Vec<u32>,
    positions: Vec<u32>,
}

impl InputRows {
    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.samples.len()
    }

    /// The time of row `row_idx` as written in the input. Panics where there is no such row, like the next two.
    pub fn time_text(&self, row_idx: usize) -> &str {
        let start = row_idx.checked_sub(1).map_or(0, |before| self.time_ends[before]);
        &self.times[start..self.time_ends[row_idx]]
    }

    /// Which sample of the frame row `row_idx` belongs to.
    pub fn sample_idx(&self, row_idx: usize) -> usize {
        self.samples[row_idx] as usize
    }

    /// Position of row `row_idx` among the rows of all series of the reading, counted from 0: sorting by it merges
    /// the rows of several series into input order.
    pub fn position(&self, row_idx: usize) -> usize {
        self.positions[row_idx] as usize
    }

    /// Rows belong to other samples: that of each is found in `place`.
    pub(super) fn move_samples(&mut self, place: &[u32]) {
        for sample in &mut self.samples {
            *sample = place[*sample as usize];
        }
    }

    /// Makes room for so many rows, but for their times: how long those are is not known. Where there is none, rows make
    /// it as they come.
    pub(super) fn expect(&mut self, n_rows: usize) {
        let _ = self.time_ends.try_reserve_exact(n_rows);
        let _ = self.samples.try_reserve_exact(n_rows);
        let _ = self.positions.try_reserve_exact(n_rows);
    }

    /// Makes room for a row.
    pub(super) fn make_room(&mut self, time_text: &[u8]) -> Result<(), Problem> {
        // A byte that is replaced takes three.
        self.times
            .try_reserve(3 * time_text.len())
            .map_err(|_| Problem::OutOfMemory)?;
        room(&mut self.time_ends, 1)?;
        room(&mut self.samples, 1)?;
        room(&mut self.positions, 1)
    }

    /// Adds rows whose times are `time_texts` and which are samples from `first_sample` on, at positions from
    /// `first_position` on.
    ///
    /// # Errors
    /// Where there is no room for them; then none of them is there.
    pub(super) fn extend(
        &mut self,
        time_texts: &RowBuf,
        first_sample: u32,
        first_position: u32,
    ) -> Result<(), Problem> {
        let n_rows = time_texts.row().len();
        let Ok(text) = std::str::from_utf8(time_texts.text()) else {
            // A byte is to be replaced: each time must be taken alone.
            for (time, more) in time_texts.row().cells().zip(0..) {
                self.make_room(time)?;
                self.push(time, first_sample + more, first_position + more);
            }
            return Ok(());
        };
        room(&mut self.time_ends, n_rows)?;
        room(&mut self.samples, n_rows)?;
        room(&mut self.positions, n_rows)?;
        if self.times.capacity() - self.times.len() < text.len() {
            // Times are about as long as each other: as many as there is room for need so much, and are not moved again.
            let n_spare = self.time_ends.capacity() - self.time_ends.len();
            let n_bytes = text.len().div_ceil(n_rows.max(1)).saturating_mul(n_spare);
            if self.times.try_reserve_exact(n_bytes).is_err() {
                self.times
                    .try_reserve(text.len())
                    .map_err(|_| Problem::OutOfMemory)?;
            }
        }
        let n_before = self.times.len();
        self.times.push_str(text);
        self.time_ends
            .extend(time_texts.ends().iter().map(|end| n_before + end));
        let n_rows = n_rows as u32; // rows are counted in 32 bits
        self.samples.extend(first_sample..first_sample + n_rows);
        self.positions.extend(first_position..first_position + n_rows);
        Ok(())
    }

    /// Adds a row. A time that was read is ASCII; anything else would be written with replacement characters.
    pub(super) fn push(&mut self, time_text: &[u8], sample_idx: u32, position: u32) {
        self.times.push_str(&String::from_utf8_lossy(time_text));
        self.time_ends.push(self.times.len());
        self.samples.push(sample_idx);
        self.positions.push(position);
    }
}

/// Makes room for `n_more` in `all`; a file that is too large for the memory is no reason to end the process.
#[inline]
pub(super) fn room<T>(all: &mut Vec<T>, n_more: usize) -> Result<(), Problem> {
    all.try_reserve(n_more).map_err(|_| Problem::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_times_as_written() {
        let mut rows = InputRows::default();
        rows.push(b"2024-01-01", 0, 4);
        rows.push(b" 17 ", 1, 6);
        assert_eq!((rows.time_text(0), rows.time_text(1)), ("2024-01-01", " 17 "));
        assert_eq!((rows.n_rows(), rows.sample_idx(1), rows.position(1)), (2, 1, 6));
    }
}
