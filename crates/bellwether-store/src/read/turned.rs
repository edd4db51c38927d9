//! Columns of numbers, turned into rows.

/// Rows that are written together: a cache line of each column.
const BLOCK_ROWS: usize = 8;

/// Room for columns of as many numbers each, one behind the other.
#[derive(Debug, Default)]
pub(super) struct ColumnRoom(Vec<f64>);

impl ColumnRoom {
    /// A column each, to be written; what stands there means nothing.
    pub(super) fn columns(&mut self, n_rows: usize, n_columns: usize) -> impl Iterator<Item = &mut [f64]> {
        // A cache line more than each takes, or columns of a power of two would contend for the same lines.
        let stride = n_rows.next_multiple_of(BLOCK_ROWS) + BLOCK_ROWS;
        self.0.resize(stride * n_columns, f64::NAN);
        self.0
            .chunks_exact_mut(stride)
            .map(move |column| &mut column[..n_rows])
    }
}

/// Appends row after row to `rows`, a number of each of `columns`, which are as long as each other. Whether all are finite.
pub(super) fn append_rows(columns: &[&[f64]], rows: &mut Vec<f64>) -> bool {
    let Some(first) = columns.first() else { return true };
    let mut all_finite = true;
    // Turned where it stays in the innermost cache, and moved on from there.
    let mut turned = vec![f64::NAN; BLOCK_ROWS * columns.len()];
    let n_whole = first.len() - first.len() % BLOCK_ROWS;
    rows.reserve(first.len() * columns.len());
    for start in (0..n_whole).step_by(BLOCK_ROWS) {
        let mut done = 0;
        while done < columns.len() {
            let (n_turned, are_finite) = match columns.len() - done {
                8.. => turn::<8>(columns, done, start, &mut turned),
                4.. => turn::<4>(columns, done, start, &mut turned),
                _ => turn::<1>(columns, done, start, &mut turned),
            };
            done += n_turned;
            all_finite &= are_finite;
        }
        rows.extend_from_slice(&turned);
    }
    for row in n_whole..first.len() {
        rows.extend(columns.iter().map(|column| column[row]));
        all_finite &= columns.iter().all(|column| column[row].is_finite());
    }
    all_finite
}

/// Writes a block of rows of `N` columns from column `first` on; returns `N`, and whether all are finite.
fn turn<const N: usize>(columns: &[&[f64]], first: usize, start: usize, turned: &mut [f64]) -> (usize, bool) {
    let mut block = [[f64::NAN; BLOCK_ROWS]; N];
    let mut all_finite = true;
    for (of_column, column) in block.iter_mut().zip(&columns[first..]) {
        of_column.copy_from_slice(&column[start..start + BLOCK_ROWS]);
        // Without stopping within: that goes several at once.
        all_finite &= of_column.iter().fold(true, |all, value| all & value.is_finite());
    }
    for (at, row) in turned.chunks_exact_mut(columns.len()).enumerate() {
        for (place, of_column) in row[first..first + N].iter_mut().zip(&block) {
            *place = of_column[at];
        }
    }
    (N, all_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_a_number_of_each_column() {
        let mut room = ColumnRoom::default();
        for (n_rows, n_columns) in [
            (19, 15),
            (8, 8),
            (3, 1),
            (16, 4),
            (0, 2),
            (1, 13),
            (40, 3),
            (5, 0),
        ] {
            let mut columns = Vec::new();
            for (idx, column) in room.columns(n_rows, n_columns).enumerate() {
                for (row, number) in column.iter_mut().enumerate() {
                    *number = (1000 * row + idx) as f64;
                }
                columns.push(&*column);
            }
            assert_eq!(columns.len(), n_columns);
            let mut rows = vec![-1.0];
            assert!(append_rows(&columns, &mut rows), "{n_rows} x {n_columns}");
            let expect = (0..n_rows).flat_map(|row| (0..n_columns).map(move |idx| (1000 * row + idx) as f64));
            assert_eq!(
                rows,
                std::iter::once(-1.0).chain(expect).collect::<Vec<_>>(),
                "{n_rows} x {n_columns}"
            );
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_seen_wherever_it_stands() {
        for (wrong, n_columns) in [(f64::INFINITY, 15), (f64::NEG_INFINITY, 4), (f64::NAN, 1)] {
            for at in 0..19 * n_columns {
                let mut numbers = vec![1.5; 19 * n_columns];
                numbers[at] = wrong;
                let columns: Vec<&[f64]> = numbers.chunks(19).collect();
                assert!(!append_rows(&columns, &mut Vec::new()), "{wrong} at {at}");
            }
        }
    }
}
