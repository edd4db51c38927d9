//! Range F1: how much of each event is covered, in how few pieces.
//!
//! Tatbul et al., "Precision and Recall for Time Series" (NeurIPS 2018), with flat positional bias and reciprocal
//! cardinality; recall gives 0.2 for finding an event at all and 0.8 for covering it, precision only covers.
//! As in the TSB-AD reference, a series marked (or labelled) from end to end has no range and is worth 0.

use std::ops::Range;

use super::{EvalError, F1, check_predicted, runs};

/// Weight in the recall of finding an event at all.
const EXISTENCE_WEIGHT: f64 = 0.2;

/// Range-based precision, recall and F1 of `predicted`.
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample.
pub fn range_f1(labels: &[bool], predicted: &[bool]) -> Result<F1, EvalError> {
    check_predicted(labels, predicted)?;
    let events = runs(labels);
    let marked = runs(predicted);
    let whole = 0..labels.len();
    if marked.is_empty() || marked[0] == whole || events[0] == whole {
        return Ok(F1::ZERO);
    }
    let (n_found, covered) = overlap(&events, &marked);
    let (_, right) = overlap(&marked, &events);
    let recall = EXISTENCE_WEIGHT * n_found as f64 + (1.0 - EXISTENCE_WEIGHT) * covered;
    Ok(F1::new(right / marked.len() as f64, recall / events.len() as f64))
}

/// How many of `ranges` meet any of `others`, and the sum over `ranges` of the share covered by `others` divided
/// by the number of `others` that it meets. Both sorted and disjoint; linear in their lengths.
fn overlap(ranges: &[Range<usize>], others: &[Range<usize>]) -> (usize, f64) {
    let mut n_met = 0;
    let mut reward = 0.0;
    let mut first = 0;
    for range in ranges {
        while first < others.len() && others[first].end <= range.start {
            first += 1;
        }
        let mut n_pieces = 0;
        let mut n_covered = 0;
        for other in others[first..].iter().take_while(|other| other.start < range.end) {
            n_pieces += 1;
            n_covered += other.end.min(range.end) - other.start.max(range.start);
        }
        if n_pieces > 0 {
            n_met += 1;
            reward += n_covered as f64 / (range.len() * n_pieces) as f64;
        }
    }
    (n_met, reward)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.chars().map(|c| c == '1').collect()
    }

    #[test]
    fn pieces_and_overhang_cost() {
        let check = |labels: &str, predicted: &str, precision: f64, recall: f64| {
            let got = range_f1(&flags(labels), &flags(predicted)).unwrap();
            assert!((got.precision - precision).abs() < 1e-15, "{got:?}");
            assert!((got.recall - recall).abs() < 1e-15, "{got:?}");
        };
        check("011110", "011110", 1.0, 1.0);
        // Half of the event in two pieces: 0.2 + 0.8 · (2/4) / 2; both pieces lie inside.
        check("011110", "010100", 1.0, 0.4);
        // One prediction over two events: it is 2/4 right and meets two; each event is covered in one piece.
        check("010010", "011110", 0.25, 1.0);
        check("010010", "000000", 0.0, 0.0);
        // The quirk of the reference: all or nothing are alike.
        check("010010", "111111", 0.0, 0.0);
        check("111111", "010010", 0.0, 0.0);
    }
}
