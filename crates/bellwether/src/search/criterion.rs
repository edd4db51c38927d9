//! What makes one detector better than another where nobody has labels: how well it ranks faults that were put into normal rows
//! which it has never seen.
//!
//! Of the ways to choose a detector without labels, faults put in are among those that agree best with what labels say (Goswami and
//! others, "Unsupervised Model Selection for Time-Series Anomaly Detection", ICLR 2023). The loss does not do: it is least for a network
//! that reproduces everything, faults too, and losses over windows of different lengths do not compare.

use std::cmp::Reverse;

use bellwether_core::detect::{Detector, Mode};
use bellwether_core::eval::injected::{InjectedRecall, InjectionSpec, can_inject, injected};
use bellwether_core::frame::Frame;

use crate::assessment::Judge;
use crate::failure::Failure;

/// The last of so many equal parts of each series is never learnt from.
const PARTS: usize = 4;
/// Series that are judged at most, spread over all, and stretches of them all together.
const SERIES_MAX: usize = 5;
/// Rows of a stretch at most, and at least: a fault of each kind then lasts for 16 rows, as the usual window does. Shorter ones would favour
/// short windows, whatever real faults are like.
const STRETCH_ROWS_MAX: usize = 3_000;
const STRETCH_ROWS_MIN: usize = 600;

/// In a sentence, for the manifest.
pub(crate) const IN_WORDS: &str = "vus_pr: mean VUS-PR against faults of every kind, of half, once and twice the usual strength, that were put into \
     copies of the last quarter of each series, which nothing of the detector had seen; no label is looked at";

/// Training rows, and rows beside them for the judgement.
#[derive(Debug)]
pub(crate) struct HeldOut {
    /// Frames of each series in the order of time.
    pub(crate) train: Vec<Vec<Frame>>,
    /// A stretch of a series without a gap.
    judged: Vec<(String, Frame)>,
    spec: InjectionSpec,
}

/// What a detector came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worth {
    /// The criterion.
    pub(crate) vus_pr: f64,
    /// Share of the faults that were found at its own threshold.
    pub(crate) recall: f64,
}

impl HeldOut {
    /// Cuts each series, in time. Where faults are put in follows from the seed, so they are the same for all that is judged.
    ///
    /// # Errors
    /// Where there are too few rows to put faults in.
    pub(crate) fn of(series: &[Vec<Frame>], names: &[String], seed: u64) -> Result<Self, Failure> {
        let mut train = Vec::new();
        let mut tails = Vec::new();
        for (frames, name) in series.iter().zip(names) {
            let n_rows: usize = frames.iter().map(Frame::n_samples).sum();
            let mut n_left = n_rows - n_rows / PARTS;
            let mut head = Vec::new();
            let mut longest: Option<Frame> = None;
            for frame in frames {
                let n = n_left.min(frame.n_samples());
                n_left -= n;
                let (of_head, of_tail) = frame.clone().split_at(n);
                head.extend(of_head);
                let all = longest.into_iter().chain(of_tail);
                // The first of equals.
                longest = all.min_by_key(|frame| Reverse(frame.n_samples()));
            }
            if !head.is_empty() {
                train.push(head);
            }
            tails.extend(longest.map(|frame| (name.clone(), frame)));
        }
        let n_series = tails.len().min(SERIES_MAX);
        let spec = InjectionSpec {
            n_copies: (SERIES_MAX / n_series.max(1)).max(1),
            copy_len_max: STRETCH_ROWS_MAX,
            seed,
            ..InjectionSpec::default()
        };
        let is_spread = |idx: usize| (0..n_series).any(|nth| nth * tails.len() / n_series == idx);
        let spread = tails.iter().enumerate().filter(|(idx, _)| is_spread(*idx));
        let is_fit = |frame: &Frame| frame.n_samples() >= STRETCH_ROWS_MIN && can_inject(frame, &spec);
        let fit = spread.filter(|(_, (_, frame))| is_fit(frame));
        let judged: Vec<_> = fit.map(|(_, of_series)| of_series.clone()).collect();
        if judged.is_empty() {
            let n_most = tails.iter().map(|(_, frame)| frame.n_samples()).max();
            return Err(Failure::message(format!(
                "--search: faults are put into the last quarter of the rows, and its longest stretch without a gap has {} rows: it takes \
                 {STRETCH_ROWS_MIN} rows of which some channel varies; train without --search, or on more rows",
                n_most.unwrap_or(0)
            )));
        }
        Ok(Self { train, judged, spec })
    }

    /// Rows of the shortest stretch that is judged.
    pub(crate) fn n_rows(&self) -> usize {
        let rows = self.judged.iter().map(|(_, frame)| frame.n_samples());
        rows.min().unwrap_or(0).min(STRETCH_ROWS_MAX)
    }

    /// Judges a detector that learnt from [`train`](Self::train).
    ///
    /// # Errors
    /// Where the rows are not such as it learnt from.
    pub(crate) fn judge(&self, detector: &Detector) -> Result<Worth, Failure> {
        let judge = Judge::Detector(detector, Mode::Causal);
        let spec = InjectionSpec {
            grace: judge.window_len(),
            ..self.spec.clone()
        };
        let (mut vus_pr, mut n_series) = (0.0, 0);
        let (mut n_faults, mut n_found) = (0, 0);
        for (series, frame) in &self.judged {
            let of_series = injected(frame, &spec, |copy| judge.score(series, &copy, 0))?;
            if let Some(of_series) = of_series.vus_pr {
                vus_pr += of_series;
                n_series += 1;
            }
            let count = |of: fn(&InjectedRecall) -> usize| of_series.recall.iter().map(of).sum::<usize>();
            n_faults += count(|entry| entry.n);
            n_found += count(|entry| entry.n_found);
        }
        Ok(Worth {
            vus_pr: vus_pr / f64::from(n_series),
            recall: n_found as f64 / n_faults as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_core::synth::{PlantSpec, generate};

    fn pump(n_samples: usize) -> Frame {
        let spec = PlantSpec {
            n_samples,
            ..PlantSpec::default()
        };
        generate(&spec).unwrap().remove(0).frame
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|idx| format!("pump-{idx}")).collect()
    }

    #[test]
    fn the_last_quarter_of_each_series_is_held_out() {
        let whole = pump(4_000);
        let (first, second) = whole.clone().split_at(3_300);
        let pieces = vec![first.unwrap(), second.unwrap()];
        let held_out = HeldOut::of(&[vec![whole.clone()], pieces], &names(2), 42).unwrap();
        let rows = |frames: &[Frame]| frames.iter().map(Frame::n_samples).sum::<usize>();
        assert_eq!(
            held_out.train.iter().map(|of| rows(of)).collect::<Vec<_>>(),
            [3_000, 3_000]
        );
        // Of a quarter in two pieces the longer one: 700 of 1,000 rows.
        let judged: Vec<_> = held_out
            .judged
            .iter()
            .map(|(_, frame)| frame.n_samples())
            .collect();
        assert_eq!((judged, held_out.n_rows()), (vec![1_000, 700], 700));
        assert_eq!(held_out.judged[0].1.time()[0], whole.time()[3_000]);
        // No row is on both sides.
        let last = held_out.train[1].last().unwrap().time().last().copied();
        assert!(last < Some(held_out.judged[1].1.time()[0]));
    }

    #[test]
    fn of_many_series_some_are_judged() {
        let series: Vec<_> = (0..12).map(|_| vec![pump(2_400)]).collect();
        let held_out = HeldOut::of(&series, &names(12), 42).unwrap();
        let judged: Vec<&str> = held_out.judged.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(judged, ["pump-0", "pump-2", "pump-4", "pump-7", "pump-9"]);
        assert_eq!((held_out.train.len(), held_out.spec.n_copies), (12, 1));
    }

    #[test]
    fn too_few_rows_are_refused() {
        let error = HeldOut::of(&[vec![pump(2_396)]], &names(1), 42)
            .unwrap_err()
            .text();
        assert!(
            error.contains("--search") && error.contains("has 599 rows"),
            "{error}"
        );
        assert!(HeldOut::of(&[], &[], 42).is_err());
    }
}
