//! Kolmogorov and Smirnov: the largest distance of two distribution functions.

use super::distribution::{Distribution, n_below, n_upto};

/// The two-sample statistic, in [0, 1]; NaN where either side is empty. `recent` is ascending.
///
/// The two functions are compared at every value that the baseline keeps, from the left and from the right. Where it
/// keeps all, that is the statistic itself; else a lower bound that is short by at most the share of rows between
/// two kept values, so that a summary never makes a difference.
pub fn statistic(baseline: &Distribution, recent: &[f64]) -> f64 {
    let (n, m) = (baseline.n() as f64, recent.len() as f64);
    if baseline.values.is_empty() || recent.is_empty() {
        return f64::NAN;
    }
    let mut largest: f64 = 0.0;
    for (idx, &value) in baseline.values.iter().enumerate() {
        let before = baseline.n_below[idx] as f64 / n - n_below(recent, value) as f64 / m;
        let after = baseline.n_upto[idx] as f64 / n - n_upto(recent, value) as f64 / m;
        largest = largest.max(before.abs()).max(after.abs());
    }
    largest
}

/// The chance of a statistic at least as large where both sides have one distribution: Kolmogorov's limit law at
/// `statistic · √(n m / (n + m))`. `n` and `m` count independent rows and need not be whole.
///
/// The limit is on the careful side: with few rows it gives a larger chance than the exact law.
pub fn p_value(statistic: f64, n: f64, m: f64) -> f64 {
    kolmogorov(statistic * (n * m / (n + m)).sqrt())
}

/// 1 − K(x), where K is the distribution function of Kolmogorov's limit law.
fn kolmogorov(x: f64) -> f64 {
    // Two series for one function (Marsaglia, Tsang and Wang 2003, section 1): the one converges fast for small x,
    // the other for large.
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.2 {
        // 1 − K(0.2) differs from 1 by 4e-13; below it the terms underflow.
        return 1.0;
    }
    if x < 1.0 {
        let exponent = -std::f64::consts::PI.powi(2) / (8.0 * x * x);
        let sum: f64 = (0..20)
            .map(|k| f64::from((2 * k + 1) * (2 * k + 1)) * exponent)
            .map(libm::exp)
            .sum();
        return 1.0 - (2.0 * std::f64::consts::PI).sqrt() / x * sum;
    }
    let term = |k: i32| libm::exp(-2.0 * f64::from(k * k) * x * x);
    let alternating = |k: i32| if k % 2 == 1 { term(k) } else { -term(k) };
    2.0 * (1..20).map(alternating).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn two_small_samples_by_hand() {
        // F jumps to 1/3, 2/3, 1 at 1, 2, 3; G to 1/2 at 2.5 and 1 at 4: at 2 they are 2/3 apart.
        let baseline = Distribution::of(&[1.0, 2.0, 3.0], 257);
        assert_close(statistic(&baseline, &[2.5, 4.0]), 2.0 / 3.0, 1e-12, "statistic");
        assert!(statistic(&baseline, &[]).is_nan());
        assert!(statistic(&Distribution::default(), &[1.0]).is_nan());
    }

    #[test]
    fn the_two_series_meet() {
        let step = 1e-9;
        assert_close(kolmogorov(1.0 - step), kolmogorov(1.0 + step), 1e-8, "at 1");
        assert_close(kolmogorov(0.2 - step), kolmogorov(0.2 + step), 1e-11, "at 0.2");
    }

    #[test]
    fn a_summary_is_short_of_the_statistic_by_little() {
        let sorted: Vec<f64> = (0..5_000).map(|i| f64::from(i).sqrt()).collect();
        let exact = Distribution::of(&sorted, 5_000);
        let kept = Distribution::of(&sorted, 257);
        assert!(exact.is_exact() && !kept.is_exact());
        for shift in [-60.0, -1.0, -0.01, 0.0, 0.3, 20.0, 100.0] {
            let recent: Vec<f64> = (0..300).map(|i| f64::from(i).sqrt() * 4.0 + shift).collect();
            let (want, got) = (statistic(&exact, &recent), statistic(&kept, &recent));
            assert!(
                got <= want && want <= got + 1.0 / 256.0,
                "{shift}: {got} of {want}"
            );
        }
    }
}
