//! What all members say of a row, joined into one error and each channel's exact part of it.

use super::combination::Bucket;
use super::member::Calibrated;
use crate::threshold::Threshold;

/// A member whose smoothed errors normal rows reach as rarely as this (once in a hundred) says that a row is not normal.
const CERTAIN: f64 = 4.605_170_185_988_091;

/// The surprise of an ordinary row: a member that is no more surprised does not agree.
const ORDINARY: f64 = 1.0;

/// A row of a detector under way: members add to it in order, then it is finished.
///
/// A member adds weight × surprise, spread over the channels as its own error is; where members share a bucket, one of them
/// does so for all ([`Combination`](super::Combination)). One that has no answer for the row is made up for by the others: all weights /
/// weights present.
#[derive(Debug)]
pub(crate) struct Joined<'a> {
    /// Each channel's part so far, `[n_channels]`.
    pub(crate) parts: &'a mut [f64],
    /// Each member's part so far, and last that of the training ranges, `[n_members + 1]`.
    pub(crate) members: &'a mut [f64],
    /// Weight of the members that answered.
    pub(crate) present: &'a mut f64,
    /// Weight of those of them that say the row is not normal.
    pub(crate) agreeing: &'a mut f64,
    /// The bucket under way; `None` where each member has its own.
    pub(crate) bucket: Option<Bucket<'a>>,
}

impl Joined<'_> {
    /// Adds a member's smoothed contributions, `[n_channels]`.
    pub(crate) fn add(&mut self, member_idx: usize, weight: f64, calibrated: &Calibrated, smoothed: &[f64]) {
        *self.present += weight;
        let error = calibrated.error(smoothed);
        let (surprise, agrees) = match &calibrated.tail {
            // The only member: nobody disagrees.
            None => (error, 1.0),
            Some(tail) => {
                let surprise = tail.surprise(error);
                let agrees = ((surprise - ORDINARY) / (CERTAIN - ORDINARY)).clamp(0.0, 1.0);
                (surprise, agrees)
            }
        };
        *self.agreeing += weight * agrees;
        let Some(bucket) = &mut self.bucket else {
            self.members[member_idx] = weight * surprise;
            spread(calibrated, smoothed, (error, surprise), weight, self.parts);
            return;
        };
        if bucket.is_before(member_idx) {
            bucket.close(self.parts, self.members);
        }
        if let Some(parts) = bucket.enter(member_idx, weight, surprise) {
            spread(calibrated, smoothed, (error, surprise), 1.0, parts);
        }
    }

    /// Makes up for absent members; how far those that answered agree, in [0, 1], or `None` where none has. `total` is
    /// the weight of all members.
    pub(crate) fn complete(&mut self, total: f64) -> Option<f64> {
        if *self.present <= 0.0 {
            return None;
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.close(self.parts, self.members);
        }
        if *self.present < total {
            let factor = total / *self.present;
            let parts = self.parts.iter_mut().chain(&mut *self.members);
            parts.for_each(|part| *part *= factor);
        }
        Some((*self.agreeing / *self.present).min(1.0))
    }
}

/// Adds weight × surprise to the parts of the channels, as they make up a member's error.
fn spread(
    calibrated: &Calibrated,
    smoothed: &[f64],
    (error, surprise): (f64, f64),
    weight: f64,
    parts: &mut [f64],
) {
    let factor = match &calibrated.tail {
        None => weight,
        Some(_) if error > 0.0 => weight * surprise / error,
        // No channel stands out: all have the same part.
        Some(_) => {
            let part = weight * surprise / smoothed.len() as f64;
            parts.iter_mut().for_each(|sum| *sum += part);
            return;
        }
    };
    match &calibrated.norm {
        None => {
            for (sum, part) in parts.iter_mut().zip(smoothed) {
                *sum += factor * part;
            }
        }
        Some(norm) if error > 0.0 => {
            for (sum, square) in parts.iter_mut().zip(norm.squares(smoothed)) {
                *sum += factor * (square / error);
            }
        }
        Some(_) => {}
    }
}

/// The error of a row: the sum of its channels' parts.
pub(super) fn sum(parts: &[f64]) -> f64 {
    parts.iter().sum()
}

/// The score of a row's parts, and each channel's share of it into `shares`: at least 0, summing to 1.
///
/// Where all parts are zero no channel stands out, and all shares are alike.
pub(crate) fn finish_row(parts: &[f64], threshold: Threshold, shares: &mut [f64]) -> f64 {
    let error = sum(parts);
    for (share, part) in shares.iter_mut().zip(parts) {
        *share = if error > 0.0 {
            part / error
        } else {
            1.0 / parts.len() as f64
        };
    }
    error / threshold.error()
}

/// Each member's share of a row, and last that of the training ranges, into `shares`: at least 0, summing to 1, or all 0
/// where nobody has said anything.
pub(crate) fn finish_members(parts: &[f64], shares: &mut [f64]) {
    let total = sum(parts);
    for (share, part) in shares.iter_mut().zip(parts) {
        *share = if total > 0.0 { part / total } else { 0.0 };
    }
}

/// The channel with the largest share, the first of equals.
pub(crate) fn top_share(shares: &[f64]) -> Option<Top> {
    let mut top: Option<Top> = None;
    for (channel_idx, &share) in shares.iter().enumerate() {
        if top.is_none_or(|top| share > top.share) {
            top = Some(Top { channel_idx, share });
        }
    }
    top
}

/// The channel that a score is mostly made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// Position in the pipeline's channels.
    pub channel_idx: usize,
    /// Its share of the score, in [0, 1].
    pub share: f64,
}

#[cfg(test)]
mod tests {
    use super::super::combination::{Buckets, Combination};
    use super::*;
    use crate::score::{Calibration, Norm, Smoothing, Tail};
    use bellwether_testkit::assert_close;

    fn calibrated(tail: Option<Tail>) -> Calibrated {
        Calibrated {
            calibration: Calibration {
                weights: vec![1.0; 2],
                scale: vec![1.0; 2],
                prior: vec![0.5; 2],
                residual: vec![1.0; 2],
            },
            smoothing: Smoothing { span: 1.0 },
            norm: None,
            tail,
        }
    }

    #[test]
    fn members_add_their_surprise_channel_by_channel_and_make_up_for_absent_ones() {
        let tail = Tail::fit(&[1.0, 1.0, 1.0, 4.0]);
        let (plain, curved) = (calibrated(None), calibrated(Some(tail.clone())));
        let (mut parts, mut members, mut present, mut agreeing) = ([0.0; 2], [0.0; 3], 0.0, 0.0);
        let mut joined = Joined {
            parts: &mut parts,
            members: &mut members,
            present: &mut present,
            agreeing: &mut agreeing,
            bucket: None,
        };
        assert_eq!(joined.complete(3.0), None);
        joined.add(0, 2.0, &curved, &[1.5, 0.5]);
        joined.add(1, 1.0, &plain, &[0.0, 0.25]);
        let agreement = joined.complete(4.0).unwrap();
        // One of four weights is absent.
        let surprise = 2.0 * tail.surprise(2.0);
        assert_close(parts[0], surprise * 0.75 * 4.0 / 3.0, 1e-12, "first");
        assert_close(parts[1], (surprise * 0.25 + 0.25) * 4.0 / 3.0, 1e-12, "second");
        assert_close(members[0], surprise * 4.0 / 3.0, 1e-12, "first member");
        assert_close(members[1], 0.25 * 4.0 / 3.0, 1e-12, "second member");
        let of_first = (tail.surprise(2.0) - 1.0) / (100.0_f64.ln() - 1.0);
        assert!(0.0 < of_first && of_first < 1.0);
        assert_close(agreement, (2.0 * of_first + 1.0) / 3.0, 1e-12, "agreement");
    }

    #[test]
    fn parts_of_a_norm_sum_to_the_surprise_and_stand_for_the_squares() {
        let tail = Tail::fit(&[1.0, 1.0, 1.0, 4.0]);
        let calibrated = Calibrated {
            norm: Some(Norm { high: vec![0.5, 2.0] }),
            ..calibrated(Some(tail.clone()))
        };
        let (mut parts, mut members, mut present, mut agreeing) = ([0.0; 2], [0.0; 2], 0.0, 0.0);
        let mut joined = Joined {
            parts: &mut parts,
            members: &mut members,
            present: &mut present,
            agreeing: &mut agreeing,
            bucket: None,
        };
        joined.add(0, 2.0, &calibrated, &[1.5, 8.0]);
        // 3 and 4 times what is high: a norm of 5.
        let surprise = 2.0 * tail.surprise(5.0);
        assert_close(parts[0], surprise * 9.0 / 25.0, 1e-12, "first");
        assert_close(parts[1], surprise * 16.0 / 25.0, 1e-12, "second");
    }

    /// What three members make of a row, joined: its parts of channels and of members.
    fn joined(combination: Combination, of_members: [(f64, [f64; 2]); 3]) -> ([f64; 2], [f64; 4]) {
        let (mut parts, mut members, mut present, mut agreeing) = ([0.0; 2], [0.0; 4], 0.0, 0.0);
        let mut buckets = Buckets::new(combination, 1, 2);
        let mut joined = Joined {
            parts: &mut parts,
            members: &mut members,
            present: &mut present,
            agreeing: &mut agreeing,
            bucket: buckets.of(0),
        };
        let plain = calibrated(None);
        for (member_idx, (weight, smoothed)) in of_members.into_iter().enumerate() {
            if smoothed[0].is_finite() {
                joined.add(member_idx, weight, &plain, &smoothed);
            }
        }
        joined.complete(of_members.map(|(weight, _)| weight).iter().sum());
        (parts, members)
    }

    #[test]
    fn the_most_surprised_of_a_bucket_speaks_for_all_of_it() {
        let of_members = [(1.0, [1.0, 1.0]), (2.0, [3.0, 1.0]), (1.0, [0.5, 0.0])];
        let mean = joined(Combination::Mean, of_members);
        assert_eq!(mean, ([7.5, 3.0], [2.0, 8.0, 0.5, 0.0]));
        let max = joined(Combination::Max, of_members);
        assert_eq!(max, ([12.0, 4.0], [0.0, 16.0, 0.0, 0.0]));
        // The first two share a bucket, the third has one of its own.
        let aom = joined(Combination::Aom, of_members);
        assert_eq!(aom, ([9.5, 3.0], [0.0, 12.0, 0.5, 0.0]));
        for (parts, members) in [mean, max, aom] {
            assert_close(
                sum(&parts),
                sum(&members),
                1e-12,
                "what members say is what channels make",
            );
        }
    }

    #[test]
    fn who_has_no_answer_is_made_up_for_in_any_combination() {
        const NONE: [f64; 2] = [f64::NAN; 2];
        for combination in Combination::ALL {
            let whole = joined(
                combination,
                [(1.0, [2.0, 1.0]), (1.0, [2.0, 1.0]), (1.0, [2.0, 1.0])],
            );
            let in_part = joined(combination, [(1.0, NONE), (1.0, [2.0, 1.0]), (1.0, [2.0, 1.0])]);
            for (got, want) in in_part.0.iter().zip(whole.0) {
                assert_close(*got, want, 1e-12, combination.name());
            }
        }
        assert_close(
            sum(&joined(Combination::Max, [(1.0, NONE); 3]).0),
            0.0,
            0.0,
            "nobody",
        );
    }

    #[test]
    fn a_row_without_any_error_has_the_surprise_of_one() {
        let tail = Tail::fit(&[0.0, 0.0, 1.0]);
        let (mut parts, mut members, mut present, mut agreeing) = ([0.0; 2], [0.0; 3], 0.0, 0.0);
        let mut joined = Joined {
            parts: &mut parts,
            members: &mut members,
            present: &mut present,
            agreeing: &mut agreeing,
            bucket: None,
        };
        joined.add(0, 1.0, &calibrated(Some(tail.clone())), &[0.0, 0.0]);
        assert_close(sum(&parts), tail.surprise(0.0), 1e-12, "sum");
    }

    #[test]
    fn shares_sum_to_one_and_the_first_of_equals_is_the_top() {
        let mut shares = [0.0; 3];
        let threshold = Threshold::new(4.0).unwrap();
        assert_close(
            finish_row(&[1.0, 4.0, 3.0], threshold, &mut shares),
            2.0,
            1e-12,
            "score",
        );
        for (share, want) in shares.iter().zip([0.125, 0.5, 0.375]) {
            assert_close(*share, want, 1e-12, "share");
        }
        assert_eq!(
            top_share(&shares),
            Some(Top {
                channel_idx: 1,
                share: 0.5
            })
        );
        assert_close(finish_row(&[0.0; 3], threshold, &mut shares), 0.0, 1e-12, "score");
        assert_eq!(top_share(&shares).map(|top| top.channel_idx), Some(0));
    }
}
