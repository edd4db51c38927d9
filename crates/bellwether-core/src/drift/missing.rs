//! Whether more values are missing than before.

/// One-sided chance that a share of missing rows is at least so much larger than that of the baseline where the true
/// shares are equal: the test of two proportions with a pooled share and Yates's correction for continuity. `n` counts
/// independent rows of the baseline, `m` recent ones; both shares in [0, 1]. 1 where all or no rows are missing on both
/// sides.
pub fn p_value(baseline: f64, recent: f64, n: f64, m: f64) -> f64 {
    let pooled = (baseline * n + recent * m) / (n + m);
    let spread = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let rise = recent - baseline - f64::midpoint(1.0 / n, 1.0 / m);
    if spread > 0.0 {
        0.5 * libm::erfc(rise / spread / std::f64::consts::SQRT_2)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn a_rise_by_hand() {
        // Pooled (10 + 30) / 200 = 0.2, spread √(0.16 · 0.02), rise 0.2 − 0.01: z = 3.3588.
        let z = 0.19 / (0.16_f64 * 0.02).sqrt();
        let want = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
        assert_close(p_value(0.1, 0.3, 100.0, 100.0), want, 1e-12, "p");
        assert!((3.9e-4..4.0e-4).contains(&want), "{want}");
    }

    #[test]
    fn no_rise_is_chance() {
        assert_close(p_value(0.0, 0.0, 100.0, 20.0), 1.0, 1e-12, "none");
        assert_close(p_value(1.0, 1.0, 100.0, 20.0), 1.0, 1e-12, "all");
        assert!(p_value(0.3, 0.1, 100.0, 20.0) > 0.9);
    }
}
