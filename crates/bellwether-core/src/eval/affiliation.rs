//! Affiliation F1: how near predictions lie to events, measured against chance.
//!
//! Huet, Navarro and Rossi, "Local Evaluation of Time Series Anomaly Detection Algorithms" (KDD 2022). Time is cut
//! into one zone per event, at the midpoints between events. Within a zone, a predicted instant earns the chance that
//! an instant drawn at random from the zone lies farther from the event (precision), and an instant of the event the
//! chance that a random one lies farther from it than the nearest prediction (recall).
//! A mild judge: random predictions reach about 0.7, so never rank by it.

use super::{EvalError, F1, check_predicted, runs};

/// A stretch of time in samples: sample `i` fills `[i, i + 1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    start: f64,
    end: f64,
}

/// Affiliation precision (mean over zones with predictions), recall (mean over all zones) and F1.
///
/// # Errors
/// Lengths that differ, no samples, or no labelled sample.
pub fn affiliation_f1(labels: &[bool], predicted: &[bool]) -> Result<F1, EvalError> {
    check_predicted(labels, predicted)?;
    let events = spans(labels);
    let marked = spans(predicted);
    let whole = Span {
        start: 0.0,
        end: labels.len() as f64,
    };
    let (mut precision, mut recall) = (0.0, 0.0);
    let mut n_predicted_zones = 0;
    for (event, zone) in events.iter().zip(zones(&events, whole)) {
        let inside = clip(&marked, zone);
        if !inside.is_empty() {
            precision += zone_precision(&inside, *event, zone);
            recall += zone_recall(&inside, *event, zone);
            n_predicted_zones += 1;
        }
    }
    if n_predicted_zones == 0 {
        return Ok(F1::ZERO);
    }
    Ok(F1::new(
        precision / f64::from(n_predicted_zones),
        recall / events.len() as f64,
    ))
}

/// Mean over the predicted instants of a zone of the chance to lie farther from the event than they do.
fn zone_precision(predictions: &[Span], event: Span, zone: Span) -> f64 {
    // A random instant at distance at most d: the event itself, d on one side, and on the other side d or what
    // there is of it. Seen from the event the nearer edge of the zone ends the first of the two.
    let nearer_edge = (event.start - zone.start).min(zone.end - event.end);
    let farther = |d: f64| 1.0 - (event.len() + d + d.min(nearer_edge)) / zone.len();
    let mut earned = 0.0;
    let mut total = 0.0;
    for prediction in predictions {
        total += prediction.len();
        earned += prediction.within(event).len();
        let before = prediction.before(event);
        earned += integrate(
            event.start - before.end,
            event.start - before.start,
            [nearer_edge],
            farther,
        );
        let after = prediction.after(event);
        earned += integrate(
            after.start - event.end,
            after.end - event.end,
            [nearer_edge],
            farther,
        );
    }
    earned / total
}

/// Mean over the instants of the event of the chance that a random instant lies farther than the nearest prediction.
fn zone_recall(predictions: &[Span], event: Span, zone: Span) -> f64 {
    let mut earned = 0.0;
    for (prediction, nearest) in predictions.iter().zip(zones(predictions, zone)) {
        let piece = event.within(nearest);
        earned += piece.within(*prediction).len();
        earned += missed_part(piece.before(*prediction), prediction.start, zone);
        earned += missed_part(piece.after(*prediction), prediction.end, zone);
    }
    earned / event.len()
}

/// Recall earned by the instants of `part`, whose nearest predicted instant is `pivot`.
fn missed_part(part: Span, pivot: f64, zone: Span) -> f64 {
    let farther = |at: f64| {
        let d = (at - pivot).abs();
        let nearer_edge = (at - zone.start).min(zone.end - at);
        1.0 - (d + d.min(nearer_edge)) / zone.len()
    };
    // The slope changes where the nearer edge of the zone does, and where that edge is as near as the pivot.
    let bends = [
        f64::midpoint(zone.start, pivot),
        f64::midpoint(zone.start, zone.end),
        f64::midpoint(zone.end, pivot),
    ];
    integrate(part.start, part.end, bends, farther)
}

/// Exact integral over `[from, to]` of a function that is linear between `bends` (rising); 0 for an empty range.
fn integrate<const N: usize>(from: f64, to: f64, bends: [f64; N], f: impl Fn(f64) -> f64) -> f64 {
    if to <= from {
        return 0.0;
    }
    let mut area = 0.0;
    let mut left = from;
    for right in bends.into_iter().chain([to]) {
        let right = right.clamp(left, to);
        area += (right - left) * f(f64::midpoint(left, right));
        left = right;
    }
    area
}

fn spans(flags: &[bool]) -> Vec<Span> {
    runs(flags)
        .into_iter()
        .map(|run| Span {
            start: run.start as f64,
            end: run.end as f64,
        })
        .collect()
}

/// Cuts `whole` at the midpoints between neighbouring `spans`: what lies nearest to each.
fn zones(spans: &[Span], whole: Span) -> impl Iterator<Item = Span> {
    (0..spans.len()).map(move |idx| Span {
        start: match idx.checked_sub(1) {
            Some(before) => f64::midpoint(spans[before].end, spans[idx].start),
            None => whole.start,
        },
        end: match spans.get(idx + 1) {
            Some(after) => f64::midpoint(spans[idx].end, after.start),
            None => whole.end,
        },
    })
}

/// The parts of sorted, disjoint `spans` within `zone`.
fn clip(spans: &[Span], zone: Span) -> Vec<Span> {
    let first = spans.partition_point(|span| span.end <= zone.start);
    spans[first..]
        .iter()
        .take_while(|span| span.start < zone.end)
        .map(|span| span.within(zone))
        .collect()
}

impl Span {
    /// Zero where empty.
    fn len(self) -> f64 {
        (self.end - self.start).max(0.0)
    }

    /// The part within `other`; empty (end ≤ start) where they do not meet.
    fn within(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        }
    }

    /// The part before `other` starts.
    fn before(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: self.end.min(other.start),
        }
    }

    /// The part after `other` has ended.
    fn after(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.end),
            end: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.chars().map(|c| c == '1').collect()
    }

    #[test]
    fn near_misses_earn_what_chance_would_not() {
        let check = |labels: &str, predicted: &str, precision: f64, recall: f64| {
            let got = affiliation_f1(&flags(labels), &flags(predicted)).unwrap();
            assert!((got.precision - precision).abs() < 1e-15, "{got:?}");
            assert!((got.recall - recall).abs() < 1e-15, "{got:?}");
        };
        check("0110", "0110", 1.0, 1.0);
        check("0110", "0000", 0.0, 0.0);
        // Zone [0, 6), event [2, 4), predicted [4, 5): at distance d in 0..1 the chance is 1 − (2 + 2d)/6, mean 1/2.
        // An instant y of the event is d = 4 − y from the prediction and has y before it and 6 − y after it:
        // ∫ (d + min(d, y, 6 − y)) over 2..4 is 2 + 2 (d ≤ both edges), so the recall is 1 − (4/6)/2 = 2/3.
        check("001100", "000010", 0.5, 2.0 / 3.0);
        // Two zones, one without a prediction: precision skips it, recall does not.
        check("00110011", "00110000", 1.0, 0.5);
    }
}
