//! The first Wasserstein distance: how far rows must be moved on average to make one distribution of the other.

use super::distribution::Distribution;

/// ∫ |F − G| in the channel's unit, with G the distribution function of ascending `recent`; NaN where either side is
/// empty, infinite where the values span more than a number can say.
///
/// Between two values that the baseline keeps, rows that are not kept are taken as evenly spread; where it keeps all,
/// the distance is that of the samples themselves.
pub fn distance(baseline: &Distribution, recent: &[f64]) -> f64 {
    let values = &baseline.values;
    if values.is_empty() || recent.is_empty() {
        return f64::NAN;
    }
    let (n, m) = (baseline.n() as f64, recent.len() as f64);
    let mut total = 0.0;
    // How many kept values and recent values lie at or below the left end of the piece.
    let (mut n_kept, mut n_recent) = (0, 0);
    let mut left = values[0].min(recent[0]);
    loop {
        n_kept += values[n_kept..]
            .iter()
            .take_while(|&&value| value <= left)
            .count();
        n_recent += recent[n_recent..]
            .iter()
            .take_while(|&&value| value <= left)
            .count();
        let next = [values.get(n_kept), recent.get(n_recent)];
        let Some(right) = next.into_iter().flatten().copied().reduce(f64::min) else {
            return total;
        };
        let line = Line::between(baseline, n_kept);
        let of_recent = n_recent as f64 / m;
        let ends = [left, right].map(|at| line.at(at) / n - of_recent);
        total += mean_abs(ends) * (right - left);
        left = right;
    }
}

/// Baseline rows as a function of the value, between two kept values.
struct Line {
    start: (f64, f64),
    end: (f64, f64),
}

impl Line {
    /// After the first `n_kept` values; flat before the first and after the last.
    fn between(baseline: &Distribution, n_kept: usize) -> Self {
        let before = n_kept
            .checked_sub(1)
            .map(|idx| (baseline.values[idx], baseline.n_upto[idx] as f64));
        let after = baseline
            .values
            .get(n_kept)
            .map(|&value| (value, baseline.n_below[n_kept] as f64));
        let start = before.or(after).unwrap_or_default();
        Self {
            start,
            end: after.unwrap_or(start),
        }
    }

    fn at(&self, value: f64) -> f64 {
        let ((from, low), (to, high)) = (self.start, self.end);
        // Equal counts first: most pieces are flat, and a flat one is exact.
        if high <= low {
            low
        } else {
            low + (high - low) * ((value - from) / (to - from)).clamp(0.0, 1.0)
        }
    }
}

/// Mean of |x| where x goes evenly from one end to the other.
fn mean_abs([from, to]: [f64; 2]) -> f64 {
    if from * to >= 0.0 {
        f64::midpoint(from.abs(), to.abs())
    } else {
        (from * from + to * to) / (2.0 * (from - to).abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn a_shift_is_its_length() {
        let baseline = Distribution::of(&[0.0, 1.0, 5.0], 257);
        assert_close(distance(&baseline, &[0.0, 1.0, 5.0]), 0.0, 1e-12, "none");
        assert_close(distance(&baseline, &[2.5, 3.5, 7.5]), 2.5, 1e-12, "up");
        assert_close(distance(&baseline, &[-10.0, -9.0, -5.0]), 10.0, 1e-12, "down");
        assert!(distance(&baseline, &[]).is_nan());
    }

    #[test]
    fn a_summary_gives_nearly_the_distance_of_the_sample() {
        let sorted: Vec<f64> = (0..5_000).map(|i| (f64::from(i) / 100.0).exp()).collect();
        let recent: Vec<f64> = (0..777).map(|i| (f64::from(i) / 15.0).exp()).collect();
        let exact = distance(&Distribution::of(&sorted, 5_000), &recent);
        let kept = distance(&Distribution::of(&sorted, 257), &recent);
        assert_close(kept, exact, 1e-2, "distance");
    }

    #[test]
    fn a_line_that_crosses_zero_has_two_triangles() {
        // From −1 to 3: triangles of area 1/8 and 9/8 over a length of one.
        assert_close(mean_abs([-1.0, 3.0]), 1.25, 1e-12, "mean");
    }
}
