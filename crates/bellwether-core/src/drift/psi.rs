//! The population stability index: how differently rows fall into the tenths of the baseline.

use super::distribution::{Distribution, n_upto};

/// Bins of equal baseline share that are aimed at.
const N_BINS: u64 = 10;

/// What is added to every count, so that an empty bin has a logarithm: half a row, Jeffreys' prior.
const PSEUDO_COUNT: f64 = 0.5;

/// Σ (q − p) ln(q / p) over the bins, with p and q the smoothed shares of baseline and recent rows; at least 0, NaN
/// where either side is empty. `recent` is ascending.
///
/// A bin ends at the smallest kept value with at least a tenth, two tenths, … of the rows at or below it. First and
/// last bin are open, so that what lies outside the baseline's range counts. Equal ends are one, which is what makes a
/// bin of each state of a discrete channel; where a whole tenth sits on the smallest value there is a bin below it.
/// A bin that is empty on both sides counts nothing. Smoothed shares are (count + ½) / (rows + ½ · bins).
pub fn psi(baseline: &Distribution, recent: &[f64]) -> f64 {
    if baseline.values.is_empty() || recent.is_empty() {
        return f64::NAN;
    }
    let counts = bins(baseline, recent);
    let smoothing = PSEUDO_COUNT * counts.len() as f64;
    let share = |count: u64, n: f64| (count as f64 + PSEUDO_COUNT) / (n + smoothing);
    let terms = counts.iter().map(|&(of_baseline, of_recent)| {
        let p = share(of_baseline, baseline.n() as f64);
        let q = share(of_recent, recent.len() as f64);
        (q - p) * libm::log(q / p)
    });
    terms.sum()
}

/// What the index is on average where nothing changed and the two sides are worth `n` and `m` independent rows: about
/// (bins − 1) (1/n + 1/m), for n m / (n + m) times the index then follows χ² with one degree of freedom less than there
/// are bins. 0 where either side is empty.
pub fn of_chance(baseline: &Distribution, recent: &[f64], n: f64, m: f64) -> f64 {
    if baseline.values.is_empty() || recent.is_empty() {
        return 0.0;
    }
    let n_free = bins(baseline, recent).len().saturating_sub(1);
    n_free as f64 * (1.0 / n + 1.0 / m)
}

/// Baseline and recent rows in each bin in which there is any.
fn bins(baseline: &Distribution, recent: &[f64]) -> Vec<(u64, u64)> {
    let mut counts: Vec<(u64, u64)> = Vec::new();
    let mut before = (0, 0);
    let ends = ends(baseline)
        .into_iter()
        .map(|(end, n)| (n, n_upto(recent, end) as u64));
    for upto in ends.chain([(baseline.n(), recent.len() as u64)]) {
        counts.push((upto.0 - before.0, upto.1 - before.1));
        before = upto;
    }
    counts.retain(|&count| count != (0, 0));
    counts
}

/// Ends of all bins but the last, rising, and the baseline rows at or below each.
fn ends(baseline: &Distribution) -> Vec<(f64, u64)> {
    let mut ends: Vec<(f64, u64)> = Vec::new();
    let smallest = baseline.values[0];
    for tenth in 1..N_BINS {
        // In 128 bits no count overflows.
        let want = u128::from(tenth) * u128::from(baseline.n());
        let idx = baseline
            .n_upto
            .partition_point(|&n| u128::from(n) * u128::from(N_BINS) < want);
        let end = (baseline.values[idx], baseline.n_upto[idx]);
        if ends.is_empty() && end.0 <= smallest {
            ends.push((smallest.next_down(), 0));
        }
        if ends.last().is_none_or(|last| last.0 < end.0) {
            ends.push(end);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    fn of(baseline: &[f64], recent: &[f64]) -> f64 {
        psi(&Distribution::of(baseline, 257), recent)
    }

    #[test]
    fn two_states_by_hand() {
        // Bins 0 and 1; below 0 and above 1 nothing lies. Counts 2 and 2 against 1 and 3, each plus a half, over 5.
        let want = (1.5 - 2.5) / 5.0 * (1.5_f64 / 2.5).ln() + (3.5 - 2.5) / 5.0 * (3.5_f64 / 2.5).ln();
        let got = of(&[0.0, 0.0, 1.0, 1.0], &[0.0, 1.0, 1.0, 1.0]);
        assert_close(got, want, 1e-12, "psi");
    }

    #[test]
    fn what_lies_outside_counts_on_either_side() {
        let constant = [7.0; 100];
        assert_close(of(&constant, &constant), 0.0, 1e-12, "the same");
        assert!(of(&constant, &[6.9; 100]) > 5.0);
        assert!(of(&constant, &[7.1; 100]) > 5.0);
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(of(&ramp, &[-1e300; 100]) > 2.0);
        assert!(of(&ramp, &[1e300; 100]) > 2.0);
        assert!(of(&ramp, &[]).is_nan() && psi(&Distribution::default(), &ramp).is_nan());
    }
}
