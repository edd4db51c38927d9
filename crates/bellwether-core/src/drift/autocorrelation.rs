//! How many rows say as much as one independent row: the integrated autocorrelation time.

/// τ = 1 + 2 Σ ρ(k) over the lags up to the first correlation that is not positive, in rows; at least 1. `n` rows are
/// worth `n / τ` independent ones (Sokal 1997, section 2; Geyer 1992 for where to stop).
///
/// `pieces` are runs of rows of one channel, each about its own mean, NaN where a value is missing. ρ(k) is measured
/// at 1, 2, 3, 4, 6, 8, 12, … rows and taken as straight between them, which costs little and errs on the careful side:
/// true curves sag. A channel that does not vary has τ = 1.
pub fn autocorrelation_time<'a>(pieces: impl IntoIterator<Item = &'a [f64]>) -> f64 {
    let pieces: Vec<Vec<f64>> = pieces.into_iter().map(centred).collect();
    let longest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    let variance = covariance(&pieces, 0);
    if !(variance > 0.0 && variance.is_finite()) {
        return 1.0;
    }
    let (mut lag, mut correlation, mut sum) = (0, 1.0, 0.0);
    while let Some(next) = Some(following(lag)).filter(|&next| next <= longest / 2) {
        let reached = covariance(&pieces, next) / variance;
        let n_lags = (next - lag) as f64;
        if reached > 0.0 {
            // The sum over a straight line, its left end left out.
            sum += (n_lags * (correlation + reached) + reached - correlation) / 2.0;
        } else {
            // Only the part above zero. NaN, where no two rows are so far apart, ends the sum as well.
            let positive = n_lags * correlation / (correlation - reached);
            sum += (correlation * (positive - 1.0) / 2.0).max(0.0);
            break;
        }
        (lag, correlation) = (next, reached);
    }
    1.0 + 2.0 * sum
}

/// 1, 2, 3, 4, 6, 8, 12, 16, 24, …
fn following(lag: usize) -> usize {
    match lag {
        0..4 => lag + 1,
        _ if lag.is_power_of_two() => lag / 2 * 3,
        _ => lag / 3 * 4,
    }
}

/// Deviations from the mean of what is observed; exactly zero where all is one value.
pub(crate) fn centred(values: &[f64]) -> Vec<f64> {
    let observed = || values.iter().filter(|value| !value.is_nan());
    let (first, n) = (
        observed().next().copied().unwrap_or(0.0),
        observed().count() as f64,
    );
    let mean = first + observed().map(|value| value / n - first / n).sum::<f64>();
    values.iter().map(|value| value - mean).collect()
}

/// Mean product of deviations that are `lag` rows apart within a piece; NaN where there are none.
fn covariance(pieces: &[Vec<f64>], lag: usize) -> f64 {
    let (mut sum, mut n) = (0.0, 0_usize);
    for piece in pieces {
        let later = piece.get(lag..).unwrap_or_default();
        for product in piece.iter().zip(later).map(|(a, b)| a * b) {
            if !product.is_nan() {
                sum += product;
                n += 1;
            }
        }
    }
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_powers_of_two_and_half_way_between() {
        let lags: Vec<usize> = std::iter::successors(Some(0), |&lag| Some(following(lag)))
            .take(12)
            .collect();
        assert_eq!(lags, [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48]);
    }

    #[test]
    fn what_does_not_vary_or_alternates_is_worth_its_rows() {
        let check = |values: &[f64]| assert!((autocorrelation_time([values]) - 1.0).abs() < 1e-12);
        check(&[]);
        check(&[3.0]);
        check(&[3.0; 50]);
        check(&[f64::NAN; 50]);
        check(&[1.0, -1.0].repeat(25));
    }

    #[test]
    fn a_wave_is_worth_about_three_rows_a_period() {
        // Σ cos(2πk/P) over the first quarter is P / 2π, so τ ≈ P / π.
        let wave: Vec<f64> = (0..4_000)
            .map(|i| (f64::from(i) * std::f64::consts::TAU / 400.0).sin())
            .collect();
        let time = autocorrelation_time([wave.as_slice()]);
        assert!((120.0..150.0).contains(&time), "{time}");
    }
}
