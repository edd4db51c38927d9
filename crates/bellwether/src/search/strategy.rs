//! Which trial comes next, and which settings are the best: successive halving without waiting for a whole round, after
//! Li and others, "A System for Massively Parallel Hyperparameter Tuning" (ASHA, MLSys 2020), with two rounds and one worker.
//!
//! Candidate 0 is trained in full. Every other one gets a short training first; whoever is among the best third of those so far, and
//! was not trained in full yet, is then. The order follows from the results alone, so a search that is cut off anywhere, by a count or by
//! a clock, has the first trials of one that goes on for longer.

use std::cmp::Ordering;

/// One of so many short trainings leads to a full one, and lasts so much less.
pub(crate) const KEEP_ONE_OF: usize = 3;

/// What a trial came to, as far as the order of trials goes by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    pub(crate) candidate: usize,
    pub(crate) is_full: bool,
    /// Larger is better; `None`: it failed.
    pub(crate) criterion: Option<f64>,
    /// Of the networks, all together.
    pub(crate) n_weights: usize,
}

/// The trial to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) candidate: usize,
    /// Otherwise it is the short one, the candidate's first.
    pub(crate) is_full: bool,
}

/// What follows on the trials so far; `None` where all of `n_candidates` are done with.
pub(crate) fn next(done: &[Standing], n_candidates: usize) -> Option<Next> {
    let full = |candidate: usize| Next {
        candidate,
        is_full: true,
    };
    if done.is_empty() {
        return Some(full(0));
    }
    let mut short: Vec<&Standing> = done.iter().filter(|of| !of.is_full).collect();
    short.sort_by(|a, b| best_first(a, b));
    let n_short = short.len();
    let is_exhausted = 1 + n_short >= n_candidates;
    // Where no more come, a last third that is not whole counts as one.
    let n_best = if is_exhausted {
        n_short.div_ceil(KEEP_ONE_OF)
    } else {
        n_short / KEEP_ONE_OF
    };
    let is_trained = |candidate: usize| done.iter().any(|of| of.is_full && of.candidate == candidate);
    let promoted = short[..n_best]
        .iter()
        .find(|of| of.criterion.is_some() && !is_trained(of.candidate));
    match promoted {
        Some(of) => Some(full(of.candidate)),
        None => (!is_exhausted).then_some(Next {
            candidate: 1 + n_short,
            is_full: false,
        }),
    }
}

/// Full trainings before short ones, then by the criterion; equal ones by the smaller network, then by the earlier candidate.
pub(crate) fn best_first(a: &Standing, b: &Standing) -> Ordering {
    let criterion = |of: &Standing| of.criterion.unwrap_or(f64::NEG_INFINITY);
    b.is_full
        .cmp(&a.is_full)
        .then(criterion(b).total_cmp(&criterion(a)))
        .then(a.n_weights.cmp(&b.n_weights))
        .then(a.candidate.cmp(&b.candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(next: Next, criterion: f64) -> Standing {
        Standing {
            candidate: next.candidate,
            is_full: next.is_full,
            criterion: criterion.is_finite().then_some(criterion),
            n_weights: 100,
        }
    }

    /// The first `n` trials where each candidate always comes to the same.
    fn run(criteria: &[f64], n: usize) -> Vec<Standing> {
        let mut done = Vec::new();
        while done.len() < n {
            let Some(next) = next(&done, criteria.len()) else {
                break;
            };
            done.push(trial(next, criteria[next.candidate]));
        }
        done
    }

    fn order(done: &[Standing]) -> String {
        let one = |of: &Standing| format!("{}{}", of.candidate, if of.is_full { "!" } else { "" });
        done.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_best_third_of_short_trainings_goes_on() {
        let check =
            |criteria: &[f64], want: &str| assert_eq!(order(&run(criteria, 99)), want, "{criteria:?}");
        // 3 is the best of the first three. 5 is the best of five, so it goes on at once. Of eight, 5 and 8 are the best two.
        check(
            &[0.5, 0.1, 0.2, 0.3, 0.1, 0.9, 0.0, 0.1, 0.4, 0.2],
            "0! 1 2 3 3! 4 5 5! 6 7 8 8! 9",
        );
        // Each better than all before it.
        check(&[0.5, 0.1, 0.2, 0.3, 0.8, 0.9, 0.0], "0! 1 2 3 3! 4 4! 5 5! 6");
        // Fewer than a third when all have had their turn.
        check(&[0.5, 0.1, 0.2], "0! 1 2 2!");
        check(&[0.5], "0!");
        // What failed never goes on.
        check(&[0.5, f64::NAN, f64::NAN, f64::NAN, 0.1], "0! 1 2 3 4 4!");
    }

    #[test]
    fn a_search_that_is_cut_off_has_the_first_trials_of_a_longer_one() {
        let criteria: Vec<f64> = (0..40).map(|idx| f64::from(idx * 7919 % 41)).collect();
        let whole = run(&criteria, usize::MAX);
        for n in 0..whole.len() {
            assert_eq!(run(&criteria, n), whole[..n]);
        }
        let n_full = whole.iter().filter(|of| of.is_full).count();
        assert_eq!(whole.len() - n_full, 39);
        // Who was among the best third once may have left it since.
        assert!((14..=20).contains(&n_full), "{n_full}");
    }

    #[test]
    fn equals_stand_by_their_size_and_then_in_their_order() {
        let of = |candidate, is_full, criterion, n_weights| Standing {
            candidate,
            is_full,
            criterion,
            n_weights,
        };
        let mut all = [
            of(5, false, Some(0.9), 1),
            of(4, true, None, 1),
            of(3, true, Some(0.5), 20),
            of(2, true, Some(0.5), 20),
            of(1, true, Some(0.5), 10),
            of(0, true, Some(0.7), 99),
        ];
        all.sort_by(best_first);
        assert_eq!(order(&all), "0! 1! 2! 3! 4! 5");
    }
}
