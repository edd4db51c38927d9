//! AUC-PR, AUC-ROC and the best point F1: how well scores rank labelled samples above normal ones.
//!
//! All three are walks along one curve: thresholds from the highest score down, equal scores in one step. They
//! depend on the order of the scores only, and not on the order of the samples.

use super::{EvalError, check_scores, ranked, ratio};

/// The samples of one series sorted by score, counted at each distinct one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    steps: Vec<Step>,
    n_labelled: usize,
    n_samples: usize,
}

/// What is marked by the rule `score >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    threshold: f64,
    n_marked: usize,
    n_hits: usize,
}

/// The best that a threshold chosen with the labels in hand can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestF1 {
    /// Point F1, with 1e-5 added to its denominator as in TSB-AD: a perfect ranking reaches 0.999995.
    pub f1: f64,
    /// Lowest threshold that reaches it; the rule is `score >= threshold`. −∞ where unscored samples must be
    /// marked too.
    pub threshold: f64,
}

impl Ranking {
    /// Ranks `labels` by `scores`, both `[n_samples]`; NaN ranks last.
    ///
    /// # Errors
    /// Lengths that differ, no samples, no labelled or no normal sample.
    pub fn new(labels: &[bool], scores: &[f64]) -> Result<Self, EvalError> {
        check_scores(labels, scores)?;
        let mut ranked: Vec<(f64, bool)> = scores
            .iter()
            .zip(labels)
            .map(|(&score, &label)| (ranked(score), label))
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));

        let mut steps: Vec<Step> = Vec::new();
        let mut n_hits = 0;
        for (idx, &(score, label)) in ranked.iter().enumerate() {
            n_hits += usize::from(label);
            let step = Step {
                threshold: score,
                n_marked: idx + 1,
                n_hits,
            };
            match steps.last_mut() {
                // Not below the last threshold: equal to it, so the same step.
                Some(last) if score >= last.threshold => *last = step,
                _ => steps.push(step),
            }
        }
        Ok(Self {
            steps,
            n_labelled: n_hits,
            n_samples: labels.len(),
        })
    }

    /// Average precision: precision at each threshold weighted by the recall gained there, without interpolation
    /// (scikit-learn's `average_precision_score`). Constant scores give the share of labelled samples.
    pub fn auc_pr(&self) -> f64 {
        let mut area = 0.0;
        let mut n_hits_before = 0;
        for step in &self.steps {
            area += (step.n_hits - n_hits_before) as f64 * ratio(step.n_hits, step.n_marked);
            n_hits_before = step.n_hits;
        }
        area / self.n_labelled as f64
    }

    /// Probability that a labelled sample outscores a normal one, ties counting half (scikit-learn's
    /// `roc_auc_score`). Constant scores give 0.5.
    pub fn auc_roc(&self) -> f64 {
        let mut pairs = 0.0;
        let (mut n_hits_before, mut n_false_before) = (0, 0);
        for step in &self.steps {
            let n_false = step.n_marked - step.n_hits;
            let mean_hits = (step.n_hits + n_hits_before) as f64 / 2.0;
            pairs += (n_false - n_false_before) as f64 * mean_hits;
            (n_hits_before, n_false_before) = (step.n_hits, n_false);
        }
        pairs / (self.n_labelled as f64 * (self.n_samples - self.n_labelled) as f64)
    }

    /// The highest point F1 along the curve, and where.
    pub fn best_f1(&self) -> BestF1 {
        let mut best = BestF1 {
            f1: 0.0,
            threshold: f64::INFINITY,
        };
        for step in &self.steps {
            let precision = ratio(step.n_hits, step.n_marked);
            let recall = ratio(step.n_hits, self.n_labelled);
            let f1 = 2.0 * precision * recall / (precision + recall + 1e-5);
            if f1 >= best.f1 {
                best = BestF1 {
                    f1,
                    threshold: step.threshold,
                };
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: bool = true;
    const F: bool = false;

    #[test]
    fn small_rankings_agree_with_hand_counts() {
        let check = |labels: &[bool], scores: &[f64], auc_pr: f64, auc_roc: f64| {
            let ranking = Ranking::new(labels, scores).unwrap();
            assert!((ranking.auc_pr() - auc_pr).abs() < 1e-15, "{}", ranking.auc_pr());
            assert!(
                (ranking.auc_roc() - auc_roc).abs() < 1e-15,
                "{}",
                ranking.auc_roc()
            );
        };
        check(&[T, T, F, F], &[4.0, 3.0, 2.0, 1.0], 1.0, 1.0);
        // Order T F T F: precision 1 at recall 1/2, 2/3 at recall 1; three of four pairs are right.
        check(&[T, F, T, F], &[4.0, 3.0, 2.0, 1.0], 5.0 / 6.0, 0.75);
        // Constant: one step, precision is the share of labels, every pair is a tie.
        check(&[T, F, F, F], &[7.0; 4], 0.25, 0.5);
        // Unscored samples come last, tied among themselves; signed zeros are equal.
        check(&[T, F, T, F], &[0.0, -0.0, f64::NAN, f64::NAN], 0.5, 0.5);
        check(&[T, F], &[-1e300, f64::NAN], 1.0, 1.0);
    }

    #[test]
    fn best_threshold_is_the_lowest_that_reaches_the_best_f1() {
        let best = Ranking::new(&[F, T, T, F], &[0.1, 0.7, 0.9, 0.5])
            .unwrap()
            .best_f1();
        assert!((best.f1 - 2.0 / 2.00001).abs() < 1e-15);
        assert!((best.threshold - 0.7).abs() < 1e-15);
        // Nothing but marking everything finds the unscored event: precision 1/2, recall 1.
        let best = Ranking::new(&[T, F], &[f64::NAN, 3.0]).unwrap().best_f1();
        assert!(best.threshold.is_infinite() && best.threshold < 0.0);
        assert!((best.f1 - 1.0 / 1.50001).abs() < 1e-15);
    }
}
