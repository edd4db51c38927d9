//! A sample of rows that stands for all of them, whatever their number.

/// Rows of a sample at most.
const N_ROWS_MAX: usize = 4096;

/// Numbers of a sample at most, 16 MiB, where rows are wide.
const N_CELLS_MAX: usize = 1 << 21;

/// Fewest rows that a sample may be bounded to.
const N_ROWS_MIN: usize = 64;

/// Rows drawn evenly: one out of each block of `stride`, at a place that depends on the number of the block alone. All
/// of them as long as they are few.
///
/// # Shapes
/// Rows are `[width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSample {
    width: usize,
    n_rows_max: usize,
    cells: Vec<f64>,
    stride: u64,
    n_seen: u64,
    /// The row that is drawn next, counted from 0.
    next: u64,
}

impl RowSample {
    /// Of rows with so many numbers.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            n_rows_max: (N_CELLS_MAX / width.max(1)).clamp(N_ROWS_MIN, N_ROWS_MAX),
            cells: Vec::new(),
            stride: 1,
            n_seen: 0,
            next: 0,
        }
    }

    /// Counts a row; true where it is drawn, and then [`RowSample::push`] takes it.
    #[inline]
    pub fn is_next(&mut self) -> bool {
        let is_drawn = self.n_seen == self.next;
        self.n_seen += 1;
        is_drawn
    }

    /// Takes the row that was drawn.
    pub fn push(&mut self, row: impl IntoIterator<Item = f64>) {
        self.cells.extend(row);
        debug_assert_eq!(self.cells.len() % self.width.max(1), 0, "rows have one width");
        if self.n_rows() >= self.n_rows_max {
            self.thin();
        }
        let block = self.n_seen.div_ceil(self.stride);
        self.next = block * self.stride + mixed(block) % self.stride;
    }

    /// Keeps one of each two rows.
    fn thin(&mut self) {
        let width = self.width;
        let n_pairs = self.n_rows() / 2;
        for pair in 0..n_pairs {
            let from = (2 * pair + (mixed(!(pair as u64)) & 1) as usize) * width;
            self.cells.copy_within(from..from + width, pair * width);
        }
        self.cells.truncate(n_pairs * width);
        self.stride *= 2;
    }

    /// How many rows were drawn.
    pub fn n_rows(&self) -> usize {
        self.cells.len() / self.width.max(1)
    }

    /// Whether every row was drawn.
    pub fn is_all(&self) -> bool {
        self.stride == 1
    }

    /// The numbers of one column that are there.
    pub fn column(&self, idx: usize) -> impl Iterator<Item = f64> + Clone {
        let column = self.cells.iter().skip(idx).step_by(self.width.max(1));
        column.copied().filter(|value| !value.is_nan())
    }

    /// The rows, `[n_rows, width]`.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> + Clone {
        self.cells.chunks_exact(self.width.max(1))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantile::{quantile_sorted, sorted_finite};

    #[test]
    fn few_rows_are_all_kept_and_many_are_drawn_evenly() {
        let draw = |n: u64| {
            let mut sample = RowSample::new(1);
            for row in 0..n {
                if sample.is_next() {
                    sample.push([row as f64]);
                }
            }
            sample
        };
        let few = draw(4000);
        assert!(few.is_all() && few.column(0).eq((0..4000).map(f64::from)));
        for n in [4096, 5000, 100_000, 1_000_003] {
            let many = draw(n);
            assert!((1900..=4096).contains(&many.n_rows()), "{n}: {}", many.n_rows());
            let sorted = sorted_finite(many.column(0));
            for share in [0.01, 0.25, 0.5, 0.75, 0.99] {
                let found = quantile_sorted(&sorted, share) / n as f64;
                assert!((found - share).abs() < 0.003, "{n}, {share}: {found}");
            }
        }
    }

    #[test]
    fn a_period_of_a_power_of_two_does_not_hide_from_the_sample() {
        let mut sample = RowSample::new(1);
        for row in 0..1_000_000_u32 {
            if sample.is_next() {
                sample.push([f64::from(row % 256)]);
            }
        }
        let sorted = sorted_finite(sample.column(0));
        for share in [0.05, 0.5, 0.95] {
            let found = quantile_sorted(&sorted, share) / 255.0;
            assert!((found - share).abs() < 0.03, "{share}: {found}");
        }
    }
}
