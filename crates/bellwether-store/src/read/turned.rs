//! Columns of numbers, turned into rows.

/// Rows that are written together: a cache line of each column.
const BLOCK_ROWS: usize = 8;

/// Columns of as many numbers each, one behind the other.
#[derive(Debug, Default)]
pub(super) struct NumberColumns {
    numbers: Vec<f64>,
    n_rows: usize,
    n_columns: usize,
}

impl NumberColumns {
    /// Begins anew; what was there is to be written over.
    pub(super) fn begin(&mut self, n_rows: usize, n_columns: usize) {
        (self.n_rows, self.n_columns) = (n_rows, n_columns);
        self.numbers.resize(self.stride() * n_columns, f64::NAN);
    }

    /// From the start of a column to that of the next: a cache line more than it takes, or columns of a power of two
    /// would contend for the same lines.
    fn stride(&self) -> usize {
        match self.n_rows {
            0..BLOCK_ROWS => self.n_rows,
            n_rows => n_rows.next_multiple_of(BLOCK_ROWS) + BLOCK_ROWS,
        }
    }

    /// A column, to be filled. Panics where there is none.
    pub(super) fn column(&mut self, idx: usize) -> &mut [f64] {
        let start = idx * self.stride();
        &mut self.numbers[start..start + self.n_rows]
    }

    /// Writes row after row into `rows`, a number of each column.
    pub(super) fn turn_into(&self, rows: &mut Vec<f64>) {
        // Each is written anew: those there are need not be cleared away.
        rows.resize(self.n_rows * self.n_columns, f64::NAN);
        let mut first = 0;
        while first < self.n_columns {
            first += match self.n_columns - first {
                8.. => self.turn::<8>(first, rows),
                4.. => self.turn::<4>(first, rows),
                _ => self.turn::<1>(first, rows),
            };
        }
    }

    /// Writes `N` columns from column `first` on, a block of rows at a time, so that what is read and written stays in
    /// the cache; returns `N`.
    fn turn<const N: usize>(&self, first: usize, rows: &mut [f64]) -> usize {
        let columns: [&[f64]; N] = std::array::from_fn(|idx| {
            let start = (first + idx) * self.stride();
            &self.numbers[start..start + self.n_rows]
        });
        let blocks = columns.map(|column| column.as_chunks::<BLOCK_ROWS>());
        let mut rows = rows.chunks_exact_mut(self.n_columns);
        for block_idx in 0..blocks[0].0.len() {
            let mut block = [&[f64::NAN; BLOCK_ROWS]; N];
            for (column, (blocks, _)) in block.iter_mut().zip(&blocks) {
                *column = &blocks[block_idx];
            }
            for (at, row) in rows.by_ref().take(BLOCK_ROWS).enumerate() {
                let places = &mut row[first..first + N];
                for (place, column) in places.iter_mut().zip(&block) {
                    *place = column[at];
                }
            }
        }
        for (at, row) in rows.enumerate() {
            for (place, (_, rest)) in row[first..first + N].iter_mut().zip(blocks) {
                *place = rest[at];
            }
        }
        N
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_a_number_of_each_column() {
        let mut columns = NumberColumns::default();
        let mut rows = Vec::new();
        for (n_rows, n_columns) in [(19, 15), (8, 8), (3, 1), (16, 4), (0, 2), (1, 13), (40, 3)] {
            columns.begin(n_rows, n_columns);
            for idx in 0..n_columns {
                for (row, number) in columns.column(idx).iter_mut().enumerate() {
                    *number = (1000 * row + idx) as f64;
                }
            }
            columns.turn_into(&mut rows);
            let expect = (0..n_rows).flat_map(|row| (0..n_columns).map(move |idx| (1000 * row + idx) as f64));
            assert_eq!(rows, expect.collect::<Vec<_>>(), "{n_rows} x {n_columns}");
        }
    }
}
