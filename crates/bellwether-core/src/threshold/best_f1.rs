//! The threshold that would have told labelled rows best from the others.

use std::fmt;

use super::{HeldOut, ThresholdError};

/// What the recall of an F1 counts; its precision counts rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum F1Of {
    /// Labelled rows.
    Point,
    /// Labelled events: one is found where any of its rows is, as in [`crate::eval::event`].
    #[default]
    Event,
}

impl F1Of {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Event => "event",
        }
    }
}

/// What a threshold by labels rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F1Support {
    /// Whose F1.
    pub of: F1Of,
    /// The F1 reached on the held-out rows, in [0, 1].
    pub f1: f64,
    /// Labelled held-out rows.
    pub n_labelled: usize,
    /// Events they make.
    pub n_events: usize,
}

/// One sentence, for people.
impl fmt::Display for F1Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the best {} F1, {:.3}, on {} labelled rows in {} events of held-out data",
            self.of.name(),
            self.f1,
            self.n_labelled,
            self.n_events
        )
    }
}

/// The level with the best F1, half way between the lowest error that is to be an alarm and the next below.
///
/// # Errors
/// [`ThresholdError`] where there are no labels, or none among the rows with an error.
pub(super) fn best_f1_level(of: F1Of, held_out: &HeldOut<'_>) -> Result<(f64, F1Support), ThresholdError> {
    let labels = held_out.labels.ok_or(ThresholdError::NoLabels)?;
    let event_of = events(labels, held_out.segment_starts);
    let n_events = event_of.iter().flatten().max().map_or(0, |last| last + 1);
    let n_labelled = labels.iter().filter(|label| **label).count();
    let mut rows: Vec<usize> = (0..labels.len())
        .filter(|&row_idx| !held_out.errors[row_idx].is_nan())
        .collect();
    if !rows.iter().any(|&row_idx| labels[row_idx]) {
        return Err(ThresholdError::NoneLabelled { n_rows: rows.len() });
    }
    rows.sort_unstable_by(|&one, &other| held_out.errors[other].total_cmp(&held_out.errors[one]));
    let (mut n_true, mut n_found, mut found) = (0, 0, vec![false; n_events]);
    let (mut best_f1, mut level) = (-1.0, f64::NAN);
    for (n_before, &row_idx) in rows.iter().enumerate() {
        if let Some(event) = event_of[row_idx] {
            n_true += 1;
            n_found += usize::from(!std::mem::replace(&mut found[event], true));
        }
        let error = held_out.errors[row_idx];
        let next = rows.get(n_before + 1).map_or(0.0, |&next| held_out.errors[next]);
        if next >= error {
            continue;
        }
        let precision = n_true as f64 / (n_before + 1) as f64;
        let recall = match of {
            F1Of::Point => n_true as f64 / n_labelled as f64,
            F1Of::Event => n_found as f64 / n_events as f64,
        };
        let f1 = 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE);
        if f1 > best_f1 {
            (best_f1, level) = (f1, 0.5 * (error + next));
        }
    }
    let support = F1Support {
        of,
        f1: best_f1,
        n_labelled,
        n_events,
    };
    Ok((level, support))
}

/// The event of each row: a run of labels within a segment.
fn events(labels: &[bool], segment_starts: &[usize]) -> Vec<Option<usize>> {
    let (mut of_row, mut n_events) = (vec![None; labels.len()], 0);
    for (row_idx, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        let goes_on = row_idx > 0 && labels[row_idx - 1] && segment_starts.binary_search(&row_idx).is_err();
        n_events += usize::from(!goes_on);
        of_row[row_idx] = Some(n_events - 1);
    }
    of_row
}
