//! Shapley values: each player's part of what a coalition is worth, the mean over all orders of joining.
//!
//! With few players all coalitions are asked for. With more, orders are sampled (Castro, Gómez and Tejada, Computers &
//! Operations Research 36, 2009), each together with its reverse: what an early player takes from the others it leaves to
//! them there, which takes most of the noise (Mitchell et al., JMLR 23, 2022, section 3.2). The parts of every order sum
//! to the whole exactly, and so do their means.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Up to so many players all coalitions are asked for: 256.
const EXACT_MAX: usize = 8;

/// A player's part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapleyValue {
    /// Its part; all parts sum to the worth of all less that of none.
    pub value: f64,
    /// Standard error of sampling; 0 where all coalitions were asked for.
    pub standard_error: f64,
}

/// What coalitions, `[n_coalitions, n]`, are worth: a number each.
type Worth<'a, E> = &'a mut dyn FnMut(&[bool]) -> Result<Vec<f64>, E>;

/// The Shapley values of `n` players. `worth` is asked for coalitions, `[n_coalitions, n]`, and answers with a number each;
/// `n_pairs` orders and their reverses are sampled, from `seed`, where `n` is above eight.
///
/// # Errors
/// Those of `worth`.
pub fn shapley<E>(n: usize, n_pairs: usize, seed: u64, worth: Worth<'_, E>) -> Result<Vec<ShapleyValue>, E> {
    match n {
        0 => Ok(Vec::new()),
        1..=EXACT_MAX => exact(n, worth),
        _ => sampled(n, n_pairs.max(2), seed, worth),
    }
}

/// Σ over coalitions without the player of |S|! (n − |S| − 1)! / n! · (worth with − worth without).
fn exact<E>(n: usize, worth: Worth<'_, E>) -> Result<Vec<ShapleyValue>, E> {
    let coalitions: Vec<bool> = (0..1_usize << n)
        .flat_map(|set| (0..n).map(move |player| set >> player & 1 == 1))
        .collect();
    let worth = worth(&coalitions)?;
    // |S|! (n − |S| − 1)! / n! = 1 / (n · (n − 1 over |S|)).
    let mut weights = vec![1.0 / n as f64; n];
    for size in 1..n {
        weights[size] = weights[size - 1] * size as f64 / (n - size) as f64;
    }
    let value = |player: usize| {
        let without = (0..worth.len()).filter(|set| set >> player & 1 == 0);
        without
            .map(|set| weights[set.count_ones() as usize] * (worth[set | 1 << player] - worth[set]))
            .sum()
    };
    let exact = |player| ShapleyValue {
        value: value(player),
        standard_error: 0.0,
    };
    Ok((0..n).map(exact).collect())
}

fn sampled<E>(n: usize, n_pairs: usize, seed: u64, worth: Worth<'_, E>) -> Result<Vec<ShapleyValue>, E> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ends = worth(&[vec![false; n], vec![true; n]].concat())?;
    let (mut sums, mut squares) = (vec![0.0; n], vec![0.0; n]);
    let mut order: Vec<usize> = (0..n).collect();
    for _ in 0..n_pairs {
        shuffle(&mut order, &mut rng);
        let mut pair = vec![0.0; n];
        for _ in 0..2 {
            for (part, of_order) in pair.iter_mut().zip(parts(&order, &ends, worth)?) {
                *part += of_order / 2.0;
            }
            order.reverse();
        }
        for (player, part) in pair.into_iter().enumerate() {
            sums[player] += part;
            squares[player] += part * part;
        }
    }
    let pairs = n_pairs as f64;
    let value = |(sum, square): (f64, f64)| {
        let mean = sum / pairs;
        let variance = ((square / pairs - mean * mean) * pairs / (pairs - 1.0)).max(0.0);
        ShapleyValue {
            value: mean,
            standard_error: (variance / pairs).sqrt(),
        }
    };
    Ok(sums.into_iter().zip(squares).map(value).collect())
}

/// What each player adds where they join in this order, `[n]`. `ends`: the worth of none and of all.
fn parts<E>(order: &[usize], ends: &[f64], worth: Worth<'_, E>) -> Result<Vec<f64>, E> {
    let n = order.len();
    let mut coalitions = Vec::with_capacity(n * n);
    let mut coalition = vec![false; n];
    for &player in &order[..n - 1] {
        coalition[player] = true;
        coalitions.extend_from_slice(&coalition);
    }
    let mut worths = worth(&coalitions)?;
    worths.push(ends[1]);
    let mut before = ends[0];
    let mut parts = vec![0.0; n];
    for (&player, worth) in order.iter().zip(worths) {
        parts[player] = worth - before;
        before = worth;
    }
    Ok(parts)
}

/// Fisher and Yates; the remainder's bias is below n / 2⁶⁴.
fn shuffle(order: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        order.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;
    use std::convert::Infallible;

    /// A game with interactions: (weighted sum of those present)², a bonus for two particular ones together.
    fn worth(n: usize, coalitions: &[bool]) -> Vec<f64> {
        coalitions
            .chunks_exact(n)
            .map(|present| {
                let sum: f64 = (0..n)
                    .filter(|&player| present[player])
                    .map(|player| 1.0 + player as f64)
                    .sum();
                sum * sum
                    + if present[0] && present.get(1) == Some(&true) {
                        7.0
                    } else {
                        3.0
                    }
            })
            .collect()
    }

    fn ask(n: usize) -> impl FnMut(&[bool]) -> Result<Vec<f64>, Infallible> {
        move |coalitions| Ok(worth(n, coalitions))
    }

    /// The mean over all orders, by listing them.
    fn over_all_orders(n: usize) -> Vec<f64> {
        fn orders(n: usize) -> Vec<Vec<usize>> {
            if n == 0 {
                return vec![Vec::new()];
            }
            let shorter = orders(n - 1);
            let with = |order: &Vec<usize>, at: usize| {
                let mut order = order.clone();
                order.insert(at, n - 1);
                order
            };
            shorter
                .iter()
                .flat_map(|order| (0..n).map(move |at| with(order, at)))
                .collect()
        }
        let all = orders(n);
        let mut sums = vec![0.0; n];
        for order in &all {
            let mut present = vec![false; n];
            let mut before = worth(n, &present)[0];
            for &player in order {
                present[player] = true;
                let now = worth(n, &present)[0];
                sums[player] += now - before;
                before = now;
            }
        }
        sums.into_iter().map(|sum| sum / all.len() as f64).collect()
    }

    #[test]
    fn few_players_have_the_mean_over_all_orders() {
        for n in 1..=6 {
            let got = shapley(n, 0, 0, &mut ask(n)).unwrap_or_default();
            for (got, want) in got.iter().zip(over_all_orders(n)) {
                assert_close(got.value, want, 1e-12, "value");
                assert!(got.standard_error.abs() < 1e-300);
            }
            assert_eq!(got.len(), n);
        }
        assert!(shapley(0, 1, 0, &mut ask(2)).unwrap_or_default().is_empty());
    }

    #[test]
    fn sampled_values_sum_to_the_whole_and_lie_within_their_errors() {
        for n in [2, 4, 6, 12] {
            let got = sampled(n, 200, 9, &mut ask(n)).unwrap_or_default();
            let whole = worth(n, &vec![true; n])[0] - worth(n, &vec![false; n])[0];
            assert_close(got.iter().map(|of| of.value).sum(), whole, 1e-9, "efficiency");
            if n <= 6 {
                for (got, want) in got.iter().zip(over_all_orders(n)) {
                    assert!(
                        (got.value - want).abs() <= 4.0 * got.standard_error + 1e-9,
                        "{got:?} {want}"
                    );
                }
            }
            assert_eq!(
                got,
                sampled(n, 200, 9, &mut ask(n)).unwrap_or_default(),
                "same seed"
            );
        }
    }

    #[test]
    fn a_player_that_adds_nothing_gets_nothing_and_equals_get_the_same() {
        let mut equals = |coalitions: &[bool]| -> Result<Vec<f64>, Infallible> {
            let worth = |present: &[bool]| if present[0] && present[2] { 1.0 } else { 0.0 };
            Ok(coalitions.chunks_exact(3).map(worth).collect())
        };
        let got = shapley(3, 0, 0, &mut equals).unwrap_or_default();
        for (of, want) in got.iter().zip([0.5, 0.0, 0.5]) {
            assert_close(of.value, want, 1e-12, "value");
        }
    }
}
