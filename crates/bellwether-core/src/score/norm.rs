//! How a member's channels are joined where one channel out of order is all that there is to see.

/// What is high for a channel: one held-out row in a thousand has more.
const HIGH_QUANTILE: f64 = 0.999;

/// No channel's high value is below this share of their mean: one that is followed almost perfectly would cry at every tremor.
const FLOOR_SHARE: f64 = 0.5;

/// Where nothing is ever off, this is high.
const HIGH_MIN: f64 = 1e-9;

/// Held-out rows looked at, about: enough for a hundred above the quantile.
const N_ROWS_ENOUGH: usize = 100_000;

/// The Euclidean norm of a row's smoothed contributions, each in units of what is high for its channel.
///
/// In a sum over channels one that no longer follows the others is lost among the tremor of all; in a norm it stands out, the
/// more so where it is hardly ever off. Each channel's part is its square over the norm, so that the parts still sum to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// What is high for each channel, above zero, `[n_channels]`.
    pub high: Vec<f64>,
}

impl Norm {
    /// Learns what is high from smoothed contributions of held-out rows. `visit` is given a place to put every row that has a
    /// score, `[n_channels]`; `n_rows` is about how many those are.
    pub(crate) fn fit(n_channels: usize, n_rows: usize, visit: impl FnOnce(&mut dyn FnMut(&[f64]))) -> Self {
        let step = n_rows.div_ceil(N_ROWS_ENOUGH).max(1);
        let mut columns = vec![Vec::new(); n_channels];
        let mut row_idx = 0;
        visit(&mut |row| {
            if row_idx % step == 0 {
                for (column, value) in columns.iter_mut().zip(row) {
                    column.push(*value);
                }
            }
            row_idx += 1;
        });
        let mut high: Vec<f64> = columns
            .into_iter()
            .map(|column| {
                let sorted = crate::quantile::sorted_finite(column);
                match sorted.is_empty() {
                    true => 0.0,
                    false => crate::quantile::quantile_sorted(&sorted, HIGH_QUANTILE),
                }
            })
            .collect();
        let moving = high.iter().filter(|high| **high > 0.0);
        let mean = moving.clone().sum::<f64>() / moving.count().max(1) as f64;
        let floor = (FLOOR_SHARE * mean).max(HIGH_MIN);
        high.iter_mut().for_each(|high| *high = high.max(floor));
        Self { high }
    }

    /// The norm of a row's smoothed contributions, `[n_channels]`.
    pub fn of(&self, smoothed: &[f64]) -> f64 {
        self.squares(smoothed).sum::<f64>().sqrt()
    }

    /// Each channel's square: its part of the norm, times the norm.
    pub(crate) fn squares(&self, smoothed: &[f64]) -> impl Iterator<Item = f64> {
        let of_channels = smoothed.iter().zip(&self.high);
        of_channels.map(|(value, high)| (value / high) * (value / high))
    }

    /// Whether it is usable for that many channels.
    pub fn is_valid(&self, n_channels: usize) -> bool {
        self.high.len() == n_channels && self.high.iter().all(|high| high.is_finite() && *high > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn a_channel_far_above_what_is_high_for_it_stands_out_of_a_sum_that_hardly_moves() {
        let rows: Vec<[f64; 3]> = (0..=1000)
            .map(|row| [f64::from(row) / 1000.0, 0.2, 0.0])
            .collect();
        let norm = Norm::fit(3, rows.len(), |put| rows.iter().for_each(|row| put(row)));
        // Type 7 at 0.999 of 1001 values; half the mean of .999 and .2 is above .2.
        let floor = 0.5 * (0.999 + 0.2) / 2.0;
        for (got, want) in norm.high.iter().zip([0.999, floor, floor]) {
            assert_close(*got, want, 1e-12, "high");
        }
        let row = [0.0, 1.2, 0.0];
        assert_close(norm.of(&row), 1.2 / floor, 1e-12, "one channel");
        let row = [0.999, floor, 0.0];
        assert_close(norm.of(&row), 2.0_f64.sqrt(), 1e-12, "two channels");
        let parts: f64 = norm.squares(&row).map(|square| square / norm.of(&row)).sum();
        assert_close(parts, norm.of(&row), 1e-12, "parts sum to the norm");
        assert!(norm.is_valid(3) && !norm.is_valid(2));
    }

    #[test]
    fn where_nothing_is_ever_off_there_is_still_something_to_divide_by() {
        let norm = Norm::fit(2, 5, |put| (0..5).for_each(|_| put(&[0.0; 2])));
        assert!(norm.is_valid(2) && norm.of(&[1.0, 0.0]).is_finite());
        let norm = Norm::fit(2, 0, |_| {});
        assert!(norm.is_valid(2));
    }

    #[test]
    fn many_rows_are_looked_at_a_few_at_a_time() {
        let n = 10 * N_ROWS_ENOUGH;
        let norm = Norm::fit(1, n, |put| (0..n).for_each(|row| put(&[row as f64])));
        assert_close(norm.high[0], 0.999 * n as f64, 20.0, "the same quantile");
    }
}
