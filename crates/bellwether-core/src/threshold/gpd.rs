//! The generalised Pareto distribution: how far beyond a high level errors reach.

use crate::quantile::sorted_finite;

/// Shapes are sought within ± this. Beyond 0.5 the variance is infinite, below −0.5 the likelihood misbehaves, and a
/// few dozen excesses support neither.
const SHAPE_MAX: f64 = 0.5;

/// The logarithm of so small a share that it is none: finite, for the sake of sums.
const LOG_NOTHING: f64 = -700.0;

/// Survival (1 + ξ x / σ)^(−1/ξ) of an excess x ≥ 0; exp(−x / σ) where ξ = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gpd {
    /// ξ, within ± 0.5 of a fit: above 0 a heavy tail, below 0 one that ends.
    pub shape: f64,
    /// σ, above zero; the unit of the excesses.
    pub scale: f64,
}

impl Gpd {
    /// Fits `excesses` (above zero) by maximum likelihood with the shape held within ± 0.5; `None` for fewer than
    /// two.
    ///
    /// With θ = ξ/σ the likelihood needs a search in one dimension only (Grimshaw 1993): the best shape for a θ is
    /// the mean of ln(1 + θ x), which rises with θ, so that bounds on the shape are bounds on θ.
    pub fn fit(excesses: &[f64]) -> Option<Self> {
        let n = excesses.len() as f64;
        let mean = excesses.iter().map(|excess| excess / n).sum::<f64>();
        if excesses.len() < 2 || !(mean > 0.0 && mean.is_finite()) {
            return None;
        }
        // In units of the mean, so that all numbers of the search are of the order of 1.
        let unit: Vec<f64> = excesses.iter().map(|excess| excess / mean).collect();
        let largest = unit.iter().fold(0.0, |one: f64, other| one.max(*other));
        let lowest = theta_for_shape(&unit, -SHAPE_MAX, -(1.0 - 1e-12) / largest, 0.0);
        let mut above = 1.0;
        while shape_for(&unit, above) < SHAPE_MAX && above < 1e12 {
            above *= 2.0;
        }
        let highest = theta_for_shape(&unit, SHAPE_MAX, 0.0, above);
        let theta = best_theta(&unit, lowest, highest);
        let shape = shape_for(&unit, theta);
        Some(Self {
            shape,
            scale: mean * scale_for(theta, shape),
        })
    }

    /// The tail to extrapolate on where this one is the likeliest for so few peaks: its shape drawn towards 0, the
    /// exponential tail, by n / (n + 60), with the mean excess kept, and then 2 / n heavier.
    ///
    /// Few peaks hardly know their shape: the likeliest is often ± 0.5, and ten times beyond the data that is a
    /// threshold twice too high or one just above the largest peak. And where scale and shape may be wrong either way,
    /// more peaks exceed a level, on average, than the likeliest tail says: one whose scale alone is uncertain is
    /// Pareto of shape 1 / n (the predictive distribution of the exponential), the shape adds about as much. Tried on
    /// autoregressions: alarms are then 1.0 to 1.7 times those asked for, and not up to four times.
    pub fn predictive(self, n_peaks: usize) -> Self {
        let n = n_peaks as f64;
        let drawn = self.shape * n / (n + 60.0);
        // The mean of the distribution is σ / (1 − ξ).
        Self {
            shape: drawn + 2.0 / n,
            scale: self.scale / (1.0 - self.shape) * (1.0 - drawn),
        }
    }

    /// The share of excesses beyond `excess`, not below zero.
    pub fn survival(&self, excess: f64) -> f64 {
        self.log_survival(excess).exp()
    }

    fn log_survival(&self, excess: f64) -> f64 {
        let x = excess / self.scale;
        if self.shape.abs() < 1e-12 {
            return -x;
        }
        // Where the tail ends nothing survives.
        if self.shape * x <= -1.0 {
            return LOG_NOTHING;
        }
        (-(self.shape * x).ln_1p() / self.shape).max(LOG_NOTHING)
    }

    /// The Anderson-Darling statistic of `excesses`, A² of Choulakian and Stephens (2001, section 3): it looks hardest
    /// at the ends.
    pub fn anderson_darling(&self, excesses: &[f64]) -> f64 {
        let sorted = sorted_finite(excesses.iter().copied());
        let n = sorted.len();
        let above: Vec<f64> = sorted.iter().map(|excess| self.log_survival(*excess)).collect();
        let terms = above.iter().zip(above.iter().rev()).enumerate();
        let sum: f64 = terms
            .map(|(idx, (own, mirrored))| {
                let below = (-own.min(-f64::MIN_POSITIVE).exp_m1()).ln();
                (2 * idx + 1) as f64 * (below + mirrored)
            })
            .sum();
        -(n as f64) - sum / n as f64
    }

    /// The excess that is exceeded with probability `p` in (0, 1].
    pub fn excess_at(&self, p: f64) -> f64 {
        let log = -p.ln();
        if self.shape.abs() < 1e-12 {
            return self.scale * log;
        }
        self.scale * (self.shape * log).exp_m1() / self.shape
    }
}

/// 99 % points of A² where shape and scale are fitted to the same excesses, for shapes from −0.5 to 0.5 in steps of 0.1:
/// table 2 of Choulakian and Stephens (2001), whose k is −ξ.
const MOST: [f64; 11] = [
    1.958, 1.799, 1.672, 1.567, 1.481, 1.409, 1.348, 1.296, 1.253, 1.214, 1.180,
];

/// A tail, and whether the excesses that it was fitted to look like it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckedTail {
    /// The likeliest tail.
    pub tail: Gpd,
    /// Its Anderson-Darling statistic.
    pub statistic: f64,
    /// One sample in a hundred of such a tail has a higher one.
    pub most: f64,
}

impl CheckedTail {
    /// Fits `excesses` as [`Gpd::fit`] does; `None` where it has none.
    pub fn fit(excesses: &[f64]) -> Option<Self> {
        let tail = Gpd::fit(excesses)?;
        let position = ((tail.shape + SHAPE_MAX) * 10.0).clamp(0.0, 10.0);
        let below = (position as usize).min(MOST.len() - 2);
        let weight = position - below as f64;
        Some(Self {
            tail,
            statistic: tail.anderson_darling(excesses),
            most: (1.0 - weight) * MOST[below] + weight * MOST[below + 1],
        })
    }

    /// Whether the excesses may be such a tail's.
    pub fn is_believed(&self) -> bool {
        self.statistic <= self.most
    }
}

/// The likeliest ξ for θ: mean ln(1 + θ x).
fn shape_for(unit: &[f64], theta: f64) -> f64 {
    unit.iter().map(|x| (theta * x).ln_1p()).sum::<f64>() / unit.len() as f64
}

/// σ = ξ / θ; at θ → 0 the exponential distribution's, which is the mean (1 in its own unit).
fn scale_for(theta: f64, shape: f64) -> f64 {
    if theta.abs() < 1e-9 { 1.0 } else { shape / theta }
}

/// Log likelihood divided by the number of excesses, at the likeliest shape for θ.
fn likelihood(unit: &[f64], theta: f64) -> f64 {
    let shape = shape_for(unit, theta);
    -scale_for(theta, shape).ln() - shape - 1.0
}

/// The θ in [lo, hi] that belongs to `shape`, by bisection.
fn theta_for_shape(unit: &[f64], shape: f64, mut lo: f64, mut hi: f64) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (lo + hi);
        if shape_for(unit, middle) < shape {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    0.5 * (lo + hi)
}

/// The likeliest θ in [lo, hi] around 0: the best of a grid, since small samples may have several maxima, then
/// golden section between its neighbours.
fn best_theta(unit: &[f64], lo: f64, hi: f64) -> f64 {
    const HALF: i32 = 40;
    let at = |step: i32| {
        let share = f64::from(step) / f64::from(HALF);
        if step < 0 { -share * lo } else { share * hi }
    };
    let mut best = (0, f64::NEG_INFINITY);
    for step in -HALF..=HALF {
        let value = likelihood(unit, at(step));
        if value > best.1 {
            best = (step, value);
        }
    }
    let (mut left, mut right) = (at((best.0 - 1).max(-HALF)), at((best.0 + 1).min(HALF)));
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let inner = |left: f64, right: f64| (right - golden * (right - left), left + golden * (right - left));
    let (mut one, mut other) = inner(left, right);
    let (mut at_one, mut at_other) = (likelihood(unit, one), likelihood(unit, other));
    for _ in 0..60 {
        if at_one > at_other {
            (right, other, at_other) = (other, one, at_one);
            one = inner(left, right).0;
            at_one = likelihood(unit, one);
        } else {
            (left, one, at_one) = (one, other, at_other);
            other = inner(left, right).1;
            at_other = likelihood(unit, other);
        }
    }
    0.5 * (left + right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    /// b · (−ln(1 − u))^a at the multiples of the golden ratio: irregular, and the same everywhere.
    fn sample(n: u32, a: f64, b: f64) -> Vec<f64> {
        let uniform = |i: u32| (f64::from(i) * 0.618_033_988_749_894_9).fract();
        (1..=n).map(|i| b * (-(1.0 - uniform(i)).ln()).powf(a)).collect()
    }

    #[test]
    fn fits_agree_with_scipy() {
        // scipy.stats.genpareto.fit(x, floc=0) of SciPy 1.17.1, polished by Nelder-Mead to 1e-12. Relative 1e-6: the
        // likelihood is flat about its maximum, so that its last digits do not fix the argument's.
        let check = |n, a, b, shape: f64, scale: f64, at_1e_4: f64| {
            let fitted = Gpd::fit(&sample(n, a, b)).unwrap();
            assert_close(fitted.shape, shape, 1e-6, "shape");
            assert_close(fitted.scale, scale, 1e-6, "scale");
            assert_close(fitted.excess_at(1e-4), at_1e_4, 1e-5, "excess");
        };
        check(
            50,
            1.0,
            2.0,
            -0.131_996_479_080_041_06,
            2.193_791_562_908_223_6,
            11.692_344_160_133_926,
        );
        check(
            50,
            1.2,
            1.0,
            0.110_823_973_578_952_09,
            0.935_369_310_440_714,
            14.983_014_544_822_792,
        );
        check(
            200,
            0.8,
            3.0,
            -0.217_606_175_420_699_46,
            3.403_700_642_909_327_3,
            13.533_636_347_933_625,
        );
        check(
            200,
            1.3,
            0.5,
            0.335_855_116_721_401_56,
            0.402_442_345_526_811_96,
            25.224_132_535_776_878,
        );
        check(
            30,
            0.9,
            1.0,
            -0.244_433_039_233_532_5,
            1.210_199_674_907_527_6,
            4.429_895_094_612_983,
        );
    }

    #[test]
    fn excesses_agree_with_scipy() {
        // scipy.stats.genpareto.isf(p, ξ, 0, σ) of SciPy 1.17.1.
        let check = |shape, scale, p, expect| {
            assert_close(Gpd { shape, scale }.excess_at(p), expect, 1e-9, "excess");
        };
        check(0.2, 1.5, 1e-3, 22.358_037_791_512_295);
        check(-0.3, 2.0, 1e-3, 5.827_383_058_803_889);
        check(0.0, 2.0, 1e-4, 18.420_680_743_952_364);
        check(1e-9, 2.0, 1e-4, 18.420_680_828_782_732);
        check(0.5, 1.0, 0.5, 0.828_427_124_746_190_1);
    }

    #[test]
    fn anderson_darling_agrees_with_scipy_and_its_points_with_simulation() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/threshold.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        for case in golden["anderson"].as_array().unwrap() {
            let excesses: Vec<f64> = case["excesses"].as_array().unwrap().iter().map(number).collect();
            let tail = Gpd {
                shape: number(&case["shape"]),
                scale: number(&case["scale"]),
            };
            let statistic = tail.anderson_darling(&excesses);
            assert_close(statistic, number(&case["statistic"]), 1e-9, "statistic");
        }
        // 6000 samples of 200 give the 99 % point to about 4 %.
        for case in golden["critical"].as_array().unwrap() {
            if case["n"] == 200 {
                let position = (number(&case["shape"]) + SHAPE_MAX) * 10.0;
                let most = MOST[position.round() as usize];
                assert_close(most, number(&case["p99"]), 0.08, "99 % point");
            }
        }
    }

    #[test]
    fn what_follows_a_tail_is_believed_and_what_does_not_is_not() {
        let checked = CheckedTail::fit(&sample(300, 1.0, 2.0)).unwrap();
        assert!(checked.is_believed() && checked.statistic < 0.5, "{checked:?}");
        // Survival and its inverse.
        let excess = checked.tail.excess_at(0.01);
        assert_close(checked.tail.survival(excess), 0.01, 1e-9, "survival");
        // Half near 0, half near 10.
        let two: Vec<f64> = (1..=60)
            .map(|i| f64::from(i % 2) * 10.0 + 0.01 * f64::from(i))
            .collect();
        let checked = CheckedTail::fit(&two).unwrap();
        assert!(!checked.is_believed(), "{checked:?}");
        // Beyond its end nothing survives.
        let ends = Gpd {
            shape: -0.5,
            scale: 1.0,
        };
        assert!(ends.survival(2.0) < 1e-300 && ends.anderson_darling(&[1.0, 3.0]).is_finite());
    }

    #[test]
    fn few_peaks_have_a_tail_that_is_nearly_exponential() {
        let tail = Gpd {
            shape: 0.5,
            scale: 2.0,
        }
        .predictive(20);
        // 0.5 · 20/80 and 2/20 more; the mean 2 / (1 − 0.5) = 4 of the shape 0.125.
        assert_close(tail.shape, 0.225, 1e-12, "shape");
        assert_close(tail.scale, 3.5, 1e-12, "scale");
    }

    #[test]
    fn shapes_stay_within_what_few_excesses_support() {
        let check = |excesses: &[f64]| {
            let fitted = Gpd::fit(excesses).unwrap();
            assert!(fitted.shape.abs() <= SHAPE_MAX + 1e-9, "{fitted:?}");
            assert!(
                fitted.scale > 0.0 && fitted.excess_at(1e-6).is_finite(),
                "{fitted:?}"
            );
        };
        check(&[1.0; 20]);
        check(&[1.0, 1e-12]);
        check(&[1e-300, 1e300]);
        check(&sample(100, 6.0, 1.0));
        check(&(1..=50).map(f64::from).collect::<Vec<_>>());
        assert_eq!(Gpd::fit(&[1.0]), None);
        assert_eq!(Gpd::fit(&[0.0, 0.0]), None);
    }
}
