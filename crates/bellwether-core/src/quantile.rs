//! Order statistics: one definition of median and quantile for every scaler, threshold and baseline.

/// The factor that makes the median absolute deviation of a normal distribution its standard deviation.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// The `share` quantile of ascending `sorted` values, linear between neighbours (type 7 of Hyndman and Fan 1996,
/// the default of R and NumPy). NaN where there is no value.
///
/// `share` is clamped into [0, 1]; the values must be free of NaN.
pub fn quantile_sorted(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let weight = position - below as f64;
    // Halves first, so that the difference of two huge values cannot overflow.
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// The median of ascending `sorted` values; NaN where there is none.
pub fn median_sorted(sorted: &[f64]) -> f64 {
    quantile_sorted(sorted, 0.5)
}

/// The values that are not NaN, ascending.
pub fn sorted_finite(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Median absolute deviation from `centre`, not scaled; NaN where there is no value.
pub fn median_abs_deviation(values: &[f64], centre: f64) -> f64 {
    median_sorted(&sorted_finite(values.iter().map(|value| (value - centre).abs())))
}

/// Mean and population standard deviation (divided by n), in two passes; NaN where there is no value.
pub fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let variance = values
        .iter()
        .map(|value| (value - mean) * (value - mean) / n)
        .sum::<f64>();
    if values.is_empty() {
        (f64::NAN, f64::NAN)
    } else {
        (mean, variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        let check = |values: &[f64], share: f64, expect: f64| {
            assert_close(quantile_sorted(values, share), expect, 1e-12, "quantile");
        };
        // Position 0.25 · 3 = 0.75 lies three quarters of the way from 1 to 2.
        check(&[1.0, 2.0, 3.0, 10.0], 0.25, 1.75);
        check(&[1.0, 2.0, 3.0, 10.0], 0.5, 2.5);
        check(&[1.0, 2.0, 3.0, 10.0], 1.0, 10.0);
        check(&[7.0], 0.99, 7.0);
        assert!(quantile_sorted(&[], 0.5).is_nan());
    }

    #[test]
    fn spread_of_small_samples() {
        // Mean 4, deviations 3 1 0 4, squares 9 1 0 16 → 26 / 4.
        let values = [1.0, 3.0, 4.0, 8.0];
        let (mean, std) = mean_std(&values);
        assert_close(mean, 4.0, 1e-12, "mean");
        assert_close(std, 6.5_f64.sqrt(), 1e-12, "std");
        // Deviations from 4 in order: 0 1 3 4.
        assert_close(median_abs_deviation(&values, 4.0), 2.0, 1e-12, "mad");
        assert_eq!(sorted_finite([2.0, f64::NAN, 1.0]), [1.0, 2.0]);
    }
}
