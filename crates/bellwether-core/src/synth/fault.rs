//! The truth about what was put in: faults as intervals, labels as points.

use std::time::Duration;

use super::AnomalyKind;
use crate::time::Timestamp;

/// An anomaly as it was put into a frame: when, where, how strong.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What went wrong.
    pub kind: AnomalyKind,
    /// Time of the first affected sample.
    pub start: Timestamp,
    /// Time of the last affected sample (inclusive).
    pub end: Timestamp,
    /// Position of the first affected sample.
    pub first_idx: usize,
    /// Position of the last affected sample (inclusive).
    pub last_idx: usize,
    /// The affected channels, in the frame's order.
    pub channels: Vec<String>,
    /// Strength in standard deviations of each channel, signed; `None` for kinds that have none.
    pub magnitude: Option<f64>,
}

impl Fault {
    /// How many samples it affects.
    pub fn n_samples(&self) -> usize {
        self.last_idx - self.first_idx + 1
    }
}

/// Point labels of a frame of `n_samples`: true where any fault is. What lies beyond is ignored.
pub fn labels(n_samples: usize, faults: &[Fault]) -> Vec<bool> {
    let mut labels = vec![false; n_samples];
    for fault in faults {
        let end = (fault.last_idx + 1).min(n_samples);
        if let Some(affected) = labels.get_mut(fault.first_idx..end) {
            affected.fill(true);
        }
    }
    labels
}

/// What remains of the life of a plant, sample after sample: the time until its next failure, which is the end of a
/// [degradation](AnomalyKind::Degradation); `None` where none follows.
///
/// The plant is taken to be repaired after a failure. Overlapping degradations fail one after the other.
pub fn remaining_life(time: &[Timestamp], faults: &[Fault]) -> Vec<Option<Duration>> {
    let mut failures: Vec<usize> = faults
        .iter()
        .filter(|fault| fault.kind == AnomalyKind::Degradation && fault.last_idx < time.len())
        .map(|fault| fault.last_idx)
        .collect();
    failures.sort_unstable();
    let mut life = vec![None; time.len()];
    let mut first = 0;
    for failure in failures {
        let until = first..=failure;
        for (left, &now) in life[until.clone()].iter_mut().zip(&time[until]) {
            *left = Some(time[failure].since(now));
        }
        first = first.max(failure + 1);
    }
    life
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_runs_out_at_each_failure() {
        let time: Vec<Timestamp> = (0..6).map(|i| Timestamp::from_secs(10 * i)).collect();
        let fault = |kind, last_idx: usize| Fault {
            kind,
            start: time[0],
            end: time[last_idx],
            first_idx: 0,
            last_idx,
            channels: vec![],
            magnitude: None,
        };
        let check = |faults: &[Fault], expect: [Option<u64>; 6]| {
            assert_eq!(
                remaining_life(&time, faults),
                expect.map(|secs| secs.map(Duration::from_secs))
            );
        };
        check(&[fault(AnomalyKind::Drift, 3)], [None; 6]);
        let wear = fault(AnomalyKind::Degradation, 2);
        check(
            std::slice::from_ref(&wear),
            [Some(20), Some(10), Some(0), None, None, None],
        );
        let again = fault(AnomalyKind::Degradation, 4);
        check(
            &[again, wear],
            [Some(20), Some(10), Some(0), Some(10), Some(0), None],
        );
    }

    #[test]
    fn labels_are_true_from_first_to_last() {
        let fault = |first_idx, last_idx| Fault {
            kind: AnomalyKind::Stuck,
            start: Timestamp::from_secs(0),
            end: Timestamp::from_secs(0),
            first_idx,
            last_idx,
            channels: vec![],
            magnitude: None,
        };
        let check = |faults: &[Fault], expect: &str| {
            let got: String = labels(6, faults)
                .iter()
                .map(|&label| if label { '1' } else { '0' })
                .collect();
            assert_eq!(got, expect);
        };
        check(&[], "000000");
        check(&[fault(1, 2)], "011000");
        check(&[fault(0, 0), fault(4, 9)], "100011");
        check(&[fault(2, 4), fault(3, 5)], "001111");
        check(&[fault(8, 9)], "000000");
    }
}
