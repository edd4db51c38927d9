//! From a member's smoothed error to how surprising it is: one scale for all members of a detector.

/// Where the body of the held-out errors ends and their tail begins.
const TAIL_SHARE: f64 = 0.02;

/// Knots of the body: its quantiles at 0 %, 1 %, … 98 %.
const N_KNOTS: usize = 99;

/// A tail is never steeper: a member that hardly varied on the held-out rows would shout all others down.
const SLOPE_MIN: f64 = 0.05;

/// No surprise is larger, whatever numbers a bundle brings: what is added up stays finite.
const SURPRISE_MAX: f64 = 1e6;

/// The tail begins no lower, so that there is something to divide by.
const ERROR_MIN: f64 = 1e-12;

/// How often a smoothed error is reached by normal rows, as far as the held-out ones tell.
///
/// Within their body it is counted: −ln(share of held-out rows above). Beyond their 98 % quantile t a Pareto tail
/// (Hill, Annals of Statistics 3, 1975) goes on for ever: −ln(0.02) + ln(x / t) / b, b the mean of ln(x / t) over
/// the rows above. The unit is that of a logarithm of odds, whatever the member: members can be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// Quantiles of the held-out errors, rising, `[99]`: at 0 %, 1 %, … 98 %; the last is where the tail begins.
    pub knots: Vec<f64>,
    /// b, above zero: how fast the tail falls off.
    pub slope: f64,
}

impl Tail {
    /// Learns from the smoothed errors of held-out rows, rising and finite, at least one.
    pub fn fit(sorted: &[f64]) -> Self {
        let at = |knot: usize| crate::quantile::quantile_sorted(sorted, knot as f64 / 100.0);
        let mut knots: Vec<f64> = (0..N_KNOTS).map(at).collect();
        // Interpolation between equal values may round down.
        for knot in 1..N_KNOTS {
            knots[knot] = knots[knot].max(knots[knot - 1]);
        }
        let begin = knots[N_KNOTS - 1].max(ERROR_MIN);
        knots[N_KNOTS - 1] = begin;
        let above = &sorted[sorted.partition_point(|error| *error <= begin)..];
        let sum: f64 = above.iter().map(|error| (error / begin).ln()).sum();
        Self {
            knots,
            slope: (sum / above.len().max(1) as f64).max(SLOPE_MIN),
        }
    }

    /// How surprising a smoothed error is: 0 where every held-out row had more, about 1 for an ordinary one, 3.9
    /// where one in fifty had more. It never falls as the error rises.
    pub fn surprise(&self, error: f64) -> f64 {
        let begin = self.knots[N_KNOTS - 1];
        if error > begin {
            let beyond = (error / begin).ln() / self.slope;
            return (-TAIL_SHARE.ln() + beyond).min(SURPRISE_MAX);
        }
        -(1.0 - self.share_below(error)).ln()
    }

    /// The share of held-out rows below an error of their body, at most 98 %.
    fn share_below(&self, error: f64) -> f64 {
        let first_at = self.knots.partition_point(|knot| *knot < error);
        let first_above = self.knots.partition_point(|knot| *knot <= error);
        if first_above > first_at {
            // As many held-out rows had exactly this: it lies in their midst.
            return (first_at + first_above - 1) as f64 / 200.0;
        }
        if first_at == 0 {
            return 0.0;
        }
        let (below, above) = (self.knots[first_at - 1], self.knots[first_at]);
        (first_at as f64 - 1.0 + (error - below) / (above - below)) / 100.0
    }

    /// Whether the numbers are usable: 99 knots, finite, not below zero, rising, the last above zero; a slope above.
    pub fn is_valid(&self) -> bool {
        self.knots.len() == N_KNOTS
            && self.knots.iter().all(|knot| knot.is_finite() && *knot >= 0.0)
            && self.knots.is_sorted()
            && self.knots[N_KNOTS - 1] > 0.0
            && self.slope.is_finite()
            && self.slope > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;
    use proptest::prelude::*;

    #[test]
    fn a_pareto_tail_is_found_again() {
        // Quantiles of a Pareto law with P(X > x) = x^(-1/b), b = 0.4: surprise is then ln(x) / b everywhere.
        let n = 100_000;
        let sorted: Vec<f64> = (0..n)
            .map(|i| (1.0 - (f64::from(i) + 0.5) / f64::from(n)).powf(-0.4))
            .collect();
        let tail = Tail::fit(&sorted);
        assert!(tail.is_valid());
        assert_close(tail.slope, 0.4, 2e-3, "slope");
        for x in [1.05_f64, 1.3, 2.0, 4.0, 8.0, 100.0] {
            assert_close(tail.surprise(x), x.ln() / 0.4, 0.02, "surprise");
        }
    }

    #[test]
    fn errors_that_hardly_vary_are_ordinary() {
        let tail = Tail::fit(&[0.0; 50]);
        assert!(tail.is_valid());
        // In the midst of all the others that are zero.
        assert_close(tail.surprise(0.0), -(1.0_f64 - 0.485).ln(), 1e-12, "zero");
        assert!(tail.surprise(1e-9) > 100.0);
        assert!(Tail::fit(&[3.0]).surprise(3.0) < 1.0);
    }

    #[test]
    fn numbers_that_are_none_are_found() {
        let tail = Tail::fit(&[1.0, 2.0, 3.0]);
        let spoilt: [fn(&mut Tail); 5] = [
            |tail| tail.knots.truncate(98),
            |tail| tail.knots[4] = f64::NAN,
            |tail| tail.knots[0] = 2.5,
            |tail| tail.slope = 0.0,
            |tail| tail.knots.fill(0.0),
        ];
        for spoil in spoilt {
            let mut tail = tail.clone();
            spoil(&mut tail);
            assert!(!tail.is_valid(), "{tail:?}");
        }
    }

    proptest! {
        #[test]
        fn more_error_is_never_less_surprising(
            mut held_out in proptest::collection::vec(0.0..1e3_f64, 1..300), x in 0.0..2e3_f64, y in 0.0..2e3_f64,
        ) {
            held_out.sort_by(f64::total_cmp);
            let tail = Tail::fit(&held_out);
            let (low, high) = (x.min(y), x.max(y));
            prop_assert!(tail.surprise(low) <= tail.surprise(high) + 1e-12);
            prop_assert!(tail.surprise(low) >= 0.0 && tail.surprise(high).is_finite());
        }
    }
}
