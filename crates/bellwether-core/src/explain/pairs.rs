//! Pairs of channels that no longer go together as they did.
//!
//! A relation is broken where the correlation within the stretch differs beyond chance, and by much, both from that of the
//! training rows and from that of stretches of the same length just before. The second is there because a correlation over
//! an hour and one over a month are two things: the swing of a day, which ties everything to everything, is not in the hour.

use std::ops::Range;

use crate::drift::autocorrelation::centred;
use crate::drift::correlation::{self, CHANGE_MIN, fisher_p_value};
use crate::drift::false_discovery::q_values;
use crate::drift::{Baseline, Q_MAX};

/// Independent rows that either side needs; Fisher's approximation is off with fewer.
const N_EFFECTIVE_MIN: f64 = 10.0;

/// A pair whose relation broke.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokenPair {
    /// Positions in the pipeline's channels, rising.
    pub channels: [usize; 2],
    /// Their correlation in the training rows.
    pub training: f64,
    /// Their correlation in the stretches just before.
    pub before: f64,
    /// Their correlation in the stretch.
    pub now: f64,
    /// Independent rows that the stretch is worth to them.
    pub n_effective: f64,
    /// Chance of such differences where nothing changed, the larger of the two, corrected for the number of pairs.
    pub q_value: f64,
}

impl BrokenPair {
    /// Now less training, in [-2, 2].
    pub fn change(&self) -> f64 {
        self.now - self.training
    }
}

/// The pairs whose relation broke, those that changed most first. Pairs with too few independent rows, or of which one
/// channel does not vary, are not judged.
///
/// # Shapes
/// `columns: [n_channels][n_rows]`, NaN is missing, channels named by `names`; `now` and each of `before` are rows of them.
pub fn broken_pairs(
    baseline: &Baseline,
    names: &[&str],
    columns: &[Vec<f64>],
    now: Range<usize>,
    before: &[Range<usize>],
) -> Vec<BrokenPair> {
    let parts = baseline.parts();
    let Some(kept) = &parts.correlations else {
        return Vec::new();
    };
    let place = |name: &str| parts.channels.iter().position(|channel| channel.channel == name);
    let places: Vec<Option<usize>> = names.iter().map(|name| place(name)).collect();
    let n_kept = parts.channels.len();
    let mut asked = Vec::new();
    for first in 0..names.len() {
        for second in first + 1..names.len() {
            let (Some(a), Some(b)) = (places[first], places[second]) else {
                continue;
            };
            let Some(training) = kept[pair_idx(a.min(b), a.max(b), n_kept)] else {
                continue;
            };
            let time = parts.channels[a]
                .autocorrelation_time
                .max(parts.channels[b].autocorrelation_time);
            let n_training = correlation::n_effective(training, time, parts.n_rows);
            let pieces = |rows: &[Range<usize>]| {
                let piece = |column: &Vec<f64>, rows: &Range<usize>| centred(&column[rows.clone()]);
                let of = |column: &Vec<f64>| rows.iter().map(|rows| piece(column, rows)).collect::<Vec<_>>();
                Correlated::of(&of(&columns[first]), &of(&columns[second]))
            };
            let (Some(now), Some(before)) = (pieces(std::slice::from_ref(&now)), pieces(before)) else {
                continue;
            };
            if [n_training, now.n_effective, before.n_effective]
                .iter()
                .any(|n| *n < N_EFFECTIVE_MIN)
            {
                continue;
            }
            let p_training = fisher_p_value(training.value, now.value, n_training, now.n_effective);
            let p_before = fisher_p_value(before.value, now.value, before.n_effective, now.n_effective);
            let pair = BrokenPair {
                channels: [first, second],
                training: training.value,
                before: before.value,
                now: now.value,
                n_effective: now.n_effective,
                q_value: 1.0,
            };
            asked.push((pair, p_training.max(p_before)));
        }
    }
    let p_values: Vec<f64> = asked.iter().map(|(_, p_value)| *p_value).collect();
    let judged = asked.into_iter().zip(q_values(&p_values));
    let mut broken: Vec<BrokenPair> = judged
        .map(|((pair, _), q_value)| BrokenPair { q_value, ..pair })
        .filter(|pair| {
            let change = pair.change().abs().min((pair.now - pair.before).abs());
            pair.q_value < Q_MAX && change >= CHANGE_MIN
        })
        .collect();
    broken.sort_by(|a, b| b.change().abs().total_cmp(&a.change().abs()));
    broken
}

/// Where the pair (a, b), a < b, stands in the upper triangle of `n` channels, row by row.
fn pair_idx(a: usize, b: usize, n: usize) -> usize {
    a * (2 * n - a - 1) / 2 + b - a - 1
}

/// How two channels go together in some rows.
#[derive(Debug, Clone, Copy)]
struct Correlated {
    value: f64,
    n_effective: f64,
}

impl Correlated {
    /// Of deviations, piece by piece; `None` where one does not vary or too few rows have both.
    fn of(first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<Self> {
        let joined = correlation::correlation(&first.concat(), &second.concat())?;
        Some(Self {
            value: joined.value,
            n_effective: joined.n_joint as f64 / joint_time(first, second),
        })
    }
}

/// Rows that are worth one independent row to a correlation: 1 + 2 Σ ρ_a(k) ρ_b(k), up to the first product that is not
/// positive (Bartlett, Journal of the Royal Statistical Society 98, 1935); at least 1.
fn joint_time(first: &[Vec<f64>], second: &[Vec<f64>]) -> f64 {
    let variances = (covariance(first, 0), covariance(second, 0));
    let longest = first.iter().map(Vec::len).max().unwrap_or(0);
    let mut time = 1.0;
    for lag in 1..=longest / 2 {
        let product = covariance(first, lag) / variances.0 * covariance(second, lag) / variances.1;
        // NaN, where no two rows are so far apart, ends the sum as well.
        if product.is_nan() || product <= 0.0 {
            break;
        }
        time += 2.0 * product;
    }
    time
}

/// Sum of products of deviations `lag` rows apart within a piece, over all rows: the estimator whose correlations fade.
fn covariance(pieces: &[Vec<f64>], lag: usize) -> f64 {
    let (mut sum, mut n) = (0.0, 0_usize);
    for piece in pieces {
        let later = piece.get(lag..).unwrap_or_default();
        let products = piece.iter().zip(later).map(|(a, b)| a * b);
        sum += products.filter(|product| !product.is_nan()).sum::<f64>();
        n += piece.iter().filter(|value| !value.is_nan()).count();
    }
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Channel, Frame};
    use crate::time::Timestamp;
    use bellwether_testkit::assert_close;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    const NAMES: [&str; 3] = ["a", "b", "c"];

    /// Three channels of one hidden noise each plus their own, the second turned round from `broken_from` on.
    fn columns(n_rows: usize, broken_from: usize, memory: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        let mut columns = vec![Vec::new(); 3];
        let mut state = [0.0; 4];
        for row in 0..n_rows {
            for value in &mut state {
                *value = memory * *value + uniform();
            }
            let turn = if row >= broken_from { -1.0 } else { 1.0 };
            columns[0].push(state[0] + 0.5 * state[1]);
            columns[1].push(turn * state[0] + 0.5 * state[2]);
            columns[2].push(state[0] + 0.5 * state[3]);
        }
        columns
    }

    fn baseline(columns: &[Vec<f64>]) -> Baseline {
        let n_rows = columns[0].len();
        let time = (0..n_rows as i64).map(Timestamp::from_secs).collect();
        let values = (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row]));
        let channels: Vec<Channel> = NAMES.iter().map(|name| Channel::new(*name)).collect();
        Baseline::of(&[Frame::new(channels, time, values.collect()).unwrap()])
    }

    #[test]
    fn a_turned_channel_breaks_with_both_others_and_they_do_not_with_each_other() {
        let baseline = baseline(&columns(3000, usize::MAX, 0.5, 1));
        let columns = columns(600, 500, 0.5, 2);
        let chunks = [100..200, 200..300, 300..400, 400..500];
        let broken = broken_pairs(&baseline, &NAMES, &columns, 500..600, &chunks);
        let mut pairs: Vec<[usize; 2]> = broken.iter().map(|pair| pair.channels).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [[0, 1], [1, 2]]);
        assert!(broken[0].change() < -1.0 && broken[0].q_value < 1e-6);
    }

    #[test]
    fn unbroken_pairs_are_named_no_more_often_than_promised() {
        let baseline = baseline(&columns(3000, usize::MAX, 0.8, 3));
        let mut named = 0;
        for seed in 10..110 {
            let columns = columns(500, usize::MAX, 0.8, seed);
            let chunks = [0..100, 100..200, 200..300, 300..400];
            named += usize::from(!broken_pairs(&baseline, &NAMES, &columns, 400..500, &chunks).is_empty());
        }
        assert!(named <= 5, "{named} of 100");
    }

    #[test]
    fn the_joint_time_of_two_autoregressions_is_that_of_the_formula() {
        // 1 + 2 Σ (0.8 · 0.8)^k = (1 + .64) / (1 − .64) = 4.56.
        let columns = columns(40_000, usize::MAX, 0.8, 5);
        let pieces = |idx: usize| vec![centred(&columns[idx])];
        assert_close(joint_time(&pieces(0), &pieces(2)), 4.56, 0.08, "time");
        assert_eq!(
            (
                pair_idx(0, 1, 4),
                pair_idx(0, 3, 4),
                pair_idx(1, 2, 4),
                pair_idx(2, 3, 4)
            ),
            (0, 2, 3, 5)
        );
    }

    #[test]
    fn what_does_not_vary_is_not_judged() {
        let baseline = baseline(&columns(3000, usize::MAX, 0.5, 1));
        let mut columns = columns(600, usize::MAX, 0.5, 2);
        columns[1][500..].fill(1.0);
        let chunks = [300..400, 400..500];
        assert_eq!(broken_pairs(&baseline, &NAMES, &columns, 500..600, &chunks), []);
        assert_eq!(broken_pairs(&baseline, &NAMES, &columns, 500..600, &[]), []);
    }
}
