//! Fewer buckets than samples, losing no peak: one grid per series, finer around its events.

use std::ops::Range;
use std::time::Duration;

use bellwether_core::time::Timestamp;

/// A spacing longer than this many cadences is a hole in the data, which no line may cross.
const GAP_CADENCES: u32 = 8;
/// At most this many holes (the longest) get an edge of their own: data without any rhythm would be all edges.
const N_GAPS_MAX: usize = 200;

/// Which samples share a bucket. All lines of a series share one grid, hence one time axis.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Sample index where each bucket starts, then the number of samples: `[n_buckets + 1]`, strictly rising.
    edges: Vec<usize>,
    /// Buckets that start after a hole in time, rising.
    breaks: Vec<usize>,
}

/// Lowest and highest value per bucket, `[n_buckets]` each; NaN where a bucket has no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    /// Lowest value.
    pub(crate) lo: Vec<f64>,
    /// Highest value.
    pub(crate) hi: Vec<f64>,
}

impl Grid {
    /// About `n_buckets` buckets over all of `time`: two fifths spread evenly, the rest shared by the `focus` ranges
    /// (of sample indices), so that zooming into one shows single samples where the budget allows. Without a focus the
    /// even spread gets everything. Holes longer than eight `cadence`s are never inside a bucket.
    pub(crate) fn new(
        time: &[Timestamp],
        cadence: Duration,
        n_buckets: usize,
        focus: &[Range<usize>],
    ) -> Self {
        let n_samples = time.len();
        let n_even = if focus.is_empty() {
            n_buckets
        } else {
            n_buckets * 2 / 5
        };
        let mut edges = evenly(0..n_samples, n_even);
        let n_detail = (n_buckets - n_even).checked_div(focus.len()).unwrap_or(0);
        for range in focus {
            edges.extend(evenly(
                range.start.min(n_samples)..range.end.min(n_samples),
                n_detail,
            ));
        }
        let gaps = longest_gaps(time, cadence);
        edges.extend(&gaps);
        edges.push(n_samples);
        edges.sort_unstable();
        edges.dedup();
        let breaks = gaps
            .iter()
            .filter_map(|gap| edges.binary_search(gap).ok())
            .collect();
        Self { edges, breaks }
    }

    /// How many buckets.
    pub(crate) fn n_buckets(&self) -> usize {
        self.edges.len() - 1
    }

    /// Buckets that start after a hole in time, rising.
    pub(crate) fn breaks(&self) -> &[usize] {
        &self.breaks
    }

    /// The sample indices of each bucket in turn.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.edges.windows(2).map(|edge| edge[0]..edge[1])
    }

    /// Lowest and highest of `values` (`[n_samples]`) per bucket; NaN is skipped.
    pub(crate) fn envelope(&self, values: &[f64]) -> Envelope {
        let mut envelope = Envelope {
            lo: Vec::with_capacity(self.n_buckets()),
            hi: Vec::with_capacity(self.n_buckets()),
        };
        for bucket in self.buckets() {
            // f64::min and f64::max return the other operand where one is NaN: exactly what a gap needs.
            let (mut lo, mut hi) = (f64::NAN, f64::NAN);
            for &value in &values[bucket] {
                lo = value.min(lo);
                hi = value.max(hi);
            }
            envelope.lo.push(lo);
            envelope.hi.push(hi);
        }
        envelope
    }

    /// Mean of `values` (`[n_samples]`) per bucket over what is not NaN; NaN where nothing is.
    pub(crate) fn mean(&self, values: &[f64]) -> Vec<f64> {
        self.buckets()
            .map(|bucket| {
                let (mut sum, mut n) = (0.0, 0.0);
                for &value in values[bucket].iter().filter(|value| !value.is_nan()) {
                    sum += value;
                    n += 1.0;
                }
                sum / n
            })
            .collect()
    }

    /// Runs of buckets, first and last inclusive, that hold at least one sample for which `is_marked` is true.
    pub(crate) fn marked(&self, is_marked: impl Fn(usize) -> bool) -> Vec<[usize; 2]> {
        let mut runs: Vec<[usize; 2]> = Vec::new();
        for (idx, mut bucket) in self.buckets().enumerate() {
            if !bucket.any(&is_marked) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run[1] + 1 == idx => run[1] = idx,
                _ => runs.push([idx, idx]),
            }
        }
        runs
    }
}

/// Starts of at most `n` buckets of nearly equal sample count that cover `range`, and its end.
fn evenly(range: Range<usize>, n: usize) -> Vec<usize> {
    let n = n.clamp(1, range.len().max(1));
    (0..=n).map(|idx| range.start + idx * range.len() / n).collect()
}

/// Indices of the samples that follow the longest holes in time, rising.
fn longest_gaps(time: &[Timestamp], cadence: Duration) -> Vec<usize> {
    let step = |idx: usize| time[idx].since(time[idx - 1]);
    let mut gaps: Vec<usize> = (1..time.len())
        .filter(|&idx| step(idx) > cadence * GAP_CADENCES)
        .collect();
    if gaps.len() > N_GAPS_MAX {
        gaps.sort_by_key(|&idx| std::cmp::Reverse(step(idx)));
        gaps.truncate(N_GAPS_MAX);
        gaps.sort_unstable();
    }
    gaps
}

/// Rounds a line to what a chart can show: five digits of a value, or of the line's range where that is finer
/// (101325.2 Pa that varies by 1 Pa keeps its decimals).
pub(crate) fn round_line(lines: &mut [&mut Vec<f64>]) {
    let finite = || {
        lines
            .iter()
            .flat_map(|line| line.iter())
            .filter(|value| value.is_finite())
    };
    let lowest = finite().copied().fold(f64::INFINITY, f64::min);
    let highest = finite().copied().fold(f64::NEG_INFINITY, f64::max);
    let of_range = decimals(highest - lowest);
    for value in lines.iter_mut().flat_map(|line| line.iter_mut()) {
        *value = round_to(*value, decimals(*value).max(of_range));
    }
}

/// Five significant digits.
pub(crate) fn round5(value: f64) -> f64 {
    round_to(value, decimals(value))
}

/// Decimals that five significant digits of `value` need; 0 for zero and for what is not finite.
fn decimals(value: f64) -> i32 {
    if value.is_finite() && value.abs() > 0.0 {
        // Bounded so that subnormal numbers do not ask for hundreds of digits of zeros.
        (4 - value.abs().log10().floor() as i32).clamp(0, 300)
    } else {
        0
    }
}

/// `value` to so many decimals, as the nearest number that prints short.
fn round_to(value: f64, decimals: i32) -> f64 {
    if !value.is_finite() {
        return f64::NAN;
    }
    let places = usize::try_from(decimals).unwrap_or(0);
    format!("{value:.places$}").parse().unwrap_or(value)
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "decimation copies values; rounding has one right answer"
)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(n: usize) -> Vec<Timestamp> {
        (0..n).map(|s| Timestamp::from_secs(s as i64)).collect()
    }

    #[test]
    fn lowest_and_highest_always_survive() {
        let check = |n: usize, n_buckets: usize, low_at: usize, high_at: usize, focus: &[Range<usize>]| {
            let mut values: Vec<f64> = (0..n).map(|idx| (idx as f64 * 0.1).sin()).collect();
            values[low_at] = -7.0;
            values[high_at] = 9.0;
            let grid = Grid::new(&seconds(n), SECOND, n_buckets, focus);
            let envelope = grid.envelope(&values);
            assert!(
                grid.n_buckets() <= n_buckets + 2 * focus.len() + 1,
                "{} buckets",
                grid.n_buckets()
            );
            assert_eq!(envelope.lo.iter().copied().fold(f64::NAN, f64::min), -7.0);
            assert_eq!(envelope.hi.iter().copied().fold(f64::NAN, f64::max), 9.0);
            let covered: usize = grid.buckets().map(|bucket| bucket.len()).sum();
            assert_eq!(covered, n, "every sample lies in exactly one bucket");
        };
        check(2, 100, 0, 1, &[]);
        check(1000, 10, 0, 999, &[]);
        check(1000, 7, 142, 143, &[]);
        check(100_003, 500, 50_000, 50_001, &[49_900..50_100, 99_000..200_000]);
        check(50, 500, 49, 0, &[10..20, 30..31]);
    }

    #[test]
    fn a_focus_shows_single_samples() {
        let focus = 7_000..7_400;
        let grid = Grid::new(&seconds(100_000), SECOND, 1000, std::slice::from_ref(&focus));
        let single = grid
            .buckets()
            .filter(|bucket| bucket.len() == 1 && focus.contains(&bucket.start));
        assert_eq!(single.count(), 400);
    }

    #[test]
    fn missing_values_are_skipped_and_an_all_missing_bucket_is_a_gap() {
        let values = [1.0, f64::NAN, f64::NAN, f64::NAN, 3.0, 5.0];
        let grid = Grid::new(&seconds(6), SECOND, 3, &[]);
        let Envelope { lo, hi } = grid.envelope(&values);
        assert_eq!((lo[0], hi[0], lo[2], hi[2]), (1.0, 1.0, 3.0, 5.0));
        assert!(lo[1].is_nan() && hi[1].is_nan() && grid.mean(&values)[1].is_nan());
        assert_eq!(grid.mean(&values)[2], 4.0);
    }

    #[test]
    fn no_bucket_spans_a_hole_in_time() {
        let mut time = seconds(100);
        for instant in &mut time[37..] {
            *instant = instant.plus(Duration::from_secs(3600));
        }
        let grid = Grid::new(&time, SECOND, 5, &[]);
        assert_eq!(grid.breaks().len(), 1);
        let after = grid.buckets().nth(grid.breaks()[0]).unwrap();
        assert_eq!(after.start, 37);
    }

    #[test]
    fn marked_samples_become_runs_of_buckets() {
        let grid = Grid::new(&seconds(12), SECOND, 6, &[]);
        assert_eq!(
            grid.marked(|idx| [2, 4, 5, 11].contains(&idx)),
            vec![[1, 2], [5, 5]]
        );
    }

    #[test]
    fn rounding_keeps_what_a_chart_can_show() {
        let check = |values: &[f64], expect: &[f64]| {
            let mut line = values.to_vec();
            round_line(&mut [&mut line]);
            assert_eq!(line, expect);
        };
        check(&[0.123_456_789, 1.0], &[0.123_46, 1.0]);
        check(&[101_325.251_94, 101_326.251_94], &[101_325.251_9, 101_326.251_9]);
        check(&[1.234_567e9, 0.333_333_333], &[1_234_567_000.0, 0.333_33]);
        check(&[5.0, 5.0], &[5.0, 5.0]);
        check(&[-0.000_123_456_7], &[-0.000_123_46]);
        let mut missing = vec![f64::NAN, f64::INFINITY];
        round_line(&mut [&mut missing]);
        assert!(missing.iter().all(|value| value.is_nan()));
    }
}
