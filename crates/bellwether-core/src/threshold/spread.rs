//! Thresholds from the middle and the spread of held-out errors.

use crate::quantile::{MAD_TO_SIGMA, mean_std, median_abs_deviation, median_sorted};

/// Mean plus `k` population standard deviations of `errors`.
pub fn sigma_level(errors: &[f64], k: f64) -> f64 {
    let (mean, std) = mean_std(errors);
    mean + k * std
}

/// Median plus `k` median absolute deviations, each worth 1.4826 so that it is a σ of a normal distribution.
///
/// Where more than half of the errors are alike the deviation is 0, and the standard deviation takes its place.
pub fn mad_level(sorted: &[f64], k: f64) -> f64 {
    let median = median_sorted(sorted);
    let mad = median_abs_deviation(sorted, median);
    let spread = if mad > 0.0 {
        MAD_TO_SIGMA * mad
    } else {
        mean_std(sorted).1
    };
    median + k * spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn levels_of_small_samples() {
        // Median 3, deviations 2 1 0 1 97 → MAD 1.
        assert_close(
            mad_level(&[1.0, 2.0, 3.0, 4.0, 100.0], 2.0),
            3.0 + 2.0 * MAD_TO_SIGMA,
            1e-12,
            "mad",
        );
        // Median 1, MAD 0; mean 3, variance (4 · 4 + 64) / 5 = 16.
        assert_close(
            mad_level(&[1.0, 1.0, 1.0, 1.0, 11.0], 2.0),
            9.0,
            1e-12,
            "mad of ties",
        );
        assert_close(
            sigma_level(&[1.0, 1.0, 1.0, 1.0, 11.0], 3.0),
            15.0,
            1e-12,
            "sigma",
        );
    }
}
