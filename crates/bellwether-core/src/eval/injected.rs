//! Recall where nobody knows the truth: faults of every kind are put into copies of the data, and looked for.
//!
//! An answer to one question only: would a fault like these, of this strength, have been seen in these data? Faults that
//! are unlike the injected ones may be harder.

use super::interval::{self, Interval};
use super::vus::{default_window, vus};
use crate::frame::Frame;
use crate::synth::{AnomalyKind, AnomalySpec, Fault, InjectError, Start, inject_scaled};
use crate::time::Timestamp;

/// What is injected.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectionSpec {
    /// Strengths, as multiples of what is usual for the kind; kinds without a strength get one copy for each all the same.
    pub strengths: Vec<f64>,
    /// Copies for each strength, each with one fault of every kind, at other places and on other channels.
    pub n_copies: usize,
    /// Samples of a copy at most: a stretch of the data, another for each copy.
    pub copy_len_max: usize,
    /// Samples behind its end in which a fault may still be found: the detector looks back over that many.
    pub grace: usize,
    /// Places, channels, signs.
    pub seed: u64,
}

impl Default for InjectionSpec {
    fn default() -> Self {
        Self {
            strengths: vec![0.5, 1.0, 2.0],
            n_copies: 5,
            copy_len_max: 5_000,
            grace: 0,
            seed: 42,
        }
    }
}

impl InjectionSpec {
    fn seed_of(&self, copy_idx: usize, strength_idx: usize) -> u64 {
        let idx = copy_idx * self.strengths.len() + strength_idx;
        self.seed.wrapping_add(idx as u64)
    }
}

/// What became of the injected faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// By kind and strength.
    pub recall: Vec<InjectedRecall>,
    /// How well scores rank faults above other rows, whatever the threshold: mean [VUS-PR](vus) over the copies with faults, each without
    /// its first tenth, where windows fill. `None` where no fault could be put in.
    pub vus_pr: Option<f64>,
}

/// How many injected faults of one kind and strength were found.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedRecall {
    /// The kind.
    pub kind: AnomalyKind,
    /// Its strength in standard deviations of the channel; `None` for kinds without one.
    pub magnitude: Option<f64>,
    /// Faults put in.
    pub n: usize,
    /// Faults found: some sample of them is above the threshold that was not without them.
    pub n_found: usize,
    /// Mean time from the start of a fault to its first such sample, over faults that were found, in seconds.
    pub delay_s: Option<f64>,
}

impl InjectedRecall {
    /// Share found; NaN where none was put in.
    pub fn recall(&self) -> f64 {
        self.n_found as f64 / self.n as f64
    }

    /// Where that share may lie.
    pub fn interval(&self) -> Option<Interval> {
        interval::share(self.n_found, self.n)
    }
}

/// Puts faults into copies of `frame` and asks `score` (a score per sample, 1.0 is the threshold) which are found.
///
/// A fault that does not fit, because the data are too short or every channel is constant, is left out: [`InjectedRecall::n`]
/// says how many there were. Kinds of which none fits have no entry.
///
/// # Errors
/// Whatever `score` fails with.
///
/// # Panics
/// Where `score` gives not one number for each sample: the caller's mistake.
pub fn injected<E>(
    frame: &Frame,
    spec: &InjectionSpec,
    mut score: impl FnMut(Frame) -> Result<Vec<f64>, E>,
) -> Result<Injected, E> {
    let mut found: Vec<InjectedRecall> = Vec::new();
    let (mut vus_pr, mut n_ranked) = (0.0, 0);
    for (copy_idx, stretch) in stretches(frame, spec).into_iter().enumerate() {
        let before = score(stretch.clone())?;
        for (strength_idx, &strength) in spec.strengths.iter().enumerate() {
            let seed = spec.seed_of(copy_idx, strength_idx);
            let Some((changed, faults)) = with_every_kind(&stretch, frame, strength, seed) else {
                continue;
            };
            let after = score(changed)?;
            vus_pr += ranked(&after, &faults);
            n_ranked += 1;
            for fault in faults {
                let magnitude = fault.kind.default_magnitude().map(|usual| usual * strength);
                let end = (fault.last_idx + 1 + spec.grace).min(after.len());
                // A sample without a score, NaN, is in no alarm.
                let is_alarm = |scores: &[f64], idx: usize| scores[idx] >= 1.0;
                let hit =
                    (fault.first_idx..end).find(|&idx| is_alarm(&after, idx) && !is_alarm(&before, idx));
                add(
                    &mut found,
                    fault.kind,
                    magnitude,
                    hit.map(|idx| (stretch.time()[fault.first_idx], stretch.time()[idx])),
                );
            }
        }
    }
    for entry in &mut found {
        // Kept as a sum so far.
        entry.delay_s = entry.delay_s.map(|sum| sum / entry.n_found as f64);
    }
    let place = |kind: AnomalyKind| AnomalyKind::ALL.iter().position(|other| *other == kind);
    found.sort_by(|a, b| {
        let magnitude = |entry: &InjectedRecall| entry.magnitude.unwrap_or(0.0);
        (place(a.kind).cmp(&place(b.kind))).then(magnitude(a).total_cmp(&magnitude(b)))
    });
    Ok(Injected {
        recall: found,
        vus_pr: (n_ranked > 0).then(|| vus_pr / f64::from(n_ranked)),
    })
}

/// Whether [`injected`] finds a place for any fault in these data.
pub fn can_inject(frame: &Frame, spec: &InjectionSpec) -> bool {
    let stretches = stretches(frame, spec);
    stretches.iter().enumerate().any(|(copy_idx, stretch)| {
        let mut strengths = spec.strengths.iter().enumerate();
        strengths.any(|(strength_idx, &strength)| {
            let seed = spec.seed_of(copy_idx, strength_idx);
            with_every_kind(stretch, frame, strength, seed).is_some()
        })
    })
}

/// VUS-PR of the scores of a copy with faults.
fn ranked(scores: &[f64], faults: &[Fault]) -> f64 {
    let mut labels = vec![false; scores.len()];
    for fault in faults {
        labels[fault.first_idx..=fault.last_idx].fill(true);
    }
    let n_filling = scores.len() / 10;
    let (labels, scores) = (&labels[n_filling..], &scores[n_filling..]);
    let volumes = vus(labels, scores, default_window(labels));
    volumes
        .expect("faults have a part of the rows behind the first tenth, one score each")
        .pr
}

fn add(
    found: &mut Vec<InjectedRecall>,
    kind: AnomalyKind,
    magnitude: Option<f64>,
    hit: Option<(Timestamp, Timestamp)>,
) {
    let key = magnitude.map(f64::to_bits);
    let at = found
        .iter()
        .position(|entry| entry.kind == kind && entry.magnitude.map(f64::to_bits) == key);
    let at = at.unwrap_or_else(|| {
        found.push(InjectedRecall {
            kind,
            magnitude,
            n: 0,
            n_found: 0,
            delay_s: None,
        });
        found.len() - 1
    });
    let entry = &mut found[at];
    entry.n += 1;
    if let Some((start, seen)) = hit {
        entry.n_found += 1;
        *entry.delay_s.get_or_insert(0.0) += seen.since(start).as_secs_f64();
    }
}

/// Stretches of the data that faults are put into, spread over all of it.
fn stretches(frame: &Frame, spec: &InjectionSpec) -> Vec<Frame> {
    let n = frame.n_samples();
    let len = n.min(spec.copy_len_max.max(1));
    let n_copies = spec.n_copies;
    let start = |idx: usize| {
        if n_copies < 2 {
            (n - len) / 2
        } else {
            (n - len) * idx / (n_copies - 1)
        }
    };
    (0..n_copies)
        .filter_map(|idx| frame.slice(start(idx)..start(idx) + len).ok())
        .collect()
}

/// A copy with one fault of each kind that fits, at least one of them. The faults have equal parts of the second nine tenths, in an order that
/// turns with the seed: none lies on another, and the first tenth fills the windows.
fn with_every_kind(stretch: &Frame, scale: &Frame, strength: f64, seed: u64) -> Option<(Frame, Vec<Fault>)> {
    let kinds = AnomalyKind::ALL;
    let n = stretch.n_samples();
    let turn = (seed % kinds.len() as u64) as usize;
    let (mut frame, mut faults) = (stretch.clone(), Vec::new());
    for (idx, kind) in kinds.iter().enumerate() {
        let place = (idx + turn) % kinds.len();
        let room = n * 9 / 10 / kinds.len();
        let length = match kind {
            AnomalyKind::Spike => 2,
            _ => (room / 3).clamp(kind.length_min(), 120),
        };
        let start = n / 10 + place * room + room / 4;
        if start + length > n || room < 2 * length {
            continue;
        }
        let anomaly = AnomalySpec {
            start: Some(Start::Sample(start)),
            length: Some(length),
            magnitude: kind.default_magnitude().map(|usual| {
                usual
                    * strength
                    * if seed.is_multiple_of(2) {
                        1.0
                    } else {
                        signed(*kind)
                    }
            }),
            ..AnomalySpec::new(*kind)
        };
        let injected: Result<_, InjectError> = inject_scaled(&frame, scale, &[anomaly], seed);
        // What does not fit here, such as a stuck value in a channel that stands still, is no miss of the detector.
        if let Ok((changed, fault)) = injected {
            frame = changed;
            faults.extend(fault);
        }
    }
    (!faults.is_empty()).then_some((frame, faults))
}

/// Noise has no direction; all else may go down as well.
fn signed(kind: AnomalyKind) -> f64 {
    if kind == AnomalyKind::Noise { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::classic::baseline;
    use crate::synth::{PlantSpec, generate};

    fn pump() -> Frame {
        let spec = PlantSpec {
            n_samples: 4000,
            ..PlantSpec::default()
        };
        generate(&spec).unwrap().remove(0).frame
    }

    /// A detector that sees what is far from the median of its channel.
    fn by_max_z(frame: &Frame, factor: f64) -> impl FnMut(Frame) -> Result<Vec<f64>, Infallible> {
        let train = frame.clone();
        move |frame| {
            let scores = baseline::max_z(&train, &frame).unwrap();
            Ok(scores.into_iter().map(|score| score / factor).collect())
        }
    }

    #[test]
    fn recall_rises_with_the_strength_and_every_kind_is_tried() {
        let frame = pump();
        let spec = InjectionSpec {
            strengths: vec![0.25, 1.0, 4.0],
            n_copies: 6,
            ..InjectionSpec::default()
        };
        let all = injected(&frame, &spec, by_max_z(&frame, 8.0)).unwrap();
        let found = &all.recall;
        let of_kind = |kind: AnomalyKind| -> Vec<&InjectedRecall> {
            found.iter().filter(|entry| entry.kind == kind).collect()
        };
        for kind in AnomalyKind::ALL {
            let entries = of_kind(kind);
            assert_eq!(
                entries.len(),
                if kind.default_magnitude().is_some() { 3 } else { 1 },
                "{kind}"
            );
            assert!(
                entries
                    .iter()
                    .all(|entry| entry.n > 0 && entry.n_found <= entry.n),
                "{entries:?}"
            );
            assert!(
                entries
                    .windows(2)
                    .all(|pair| pair[0].recall() <= pair[1].recall() + 0.2),
                "{entries:?}"
            );
        }
        // Four times a usual spike is 32 standard deviations: nobody misses that, and at once.
        let spikes = of_kind(AnomalyKind::Spike)[2];
        assert!(
            (spikes.recall() - 1.0).abs() < 1e-12 && spikes.delay_s == Some(0.0),
            "{spikes:?}"
        );
        assert!(spikes.interval().unwrap().low < 1.0);
        assert_eq!(all, injected(&frame, &spec, by_max_z(&frame, 8.0)).unwrap());
    }

    #[test]
    fn what_was_an_alarm_before_is_no_find() {
        let frame = pump();
        let always = |frame: Frame| Ok::<_, Infallible>(vec![2.0; frame.n_samples()]);
        let found = injected(&frame, &InjectionSpec::default(), always)
            .unwrap()
            .recall;
        assert!(
            !found.is_empty()
                && found
                    .iter()
                    .all(|entry| entry.n_found == 0 && entry.delay_s.is_none())
        );
    }

    #[test]
    fn data_too_short_for_faults_have_no_entry() {
        let short = pump().slice(0..12).unwrap();
        let spec = InjectionSpec::default();
        let found = injected(&short, &spec, by_max_z(&short, 8.0)).unwrap();
        assert_eq!(
            found,
            Injected {
                recall: Vec::new(),
                vus_pr: None
            }
        );
        assert!(!can_inject(&short, &spec) && can_inject(&pump(), &spec));
    }

    /// What knows the faults ranks them perfectly; what knows nothing reaches about their share of the rows.
    #[test]
    fn the_ranking_lies_between_chance_and_knowledge() {
        let frame = pump();
        let spec = InjectionSpec {
            strengths: vec![4.0],
            ..InjectionSpec::default()
        };
        let vus_pr = |score: &mut dyn FnMut(Frame) -> Vec<f64>| {
            let found = injected(&frame, &spec, |copy| Ok::<_, Infallible>(score(copy)));
            found.unwrap().vus_pr.unwrap()
        };
        let known = vus_pr(&mut |copy: Frame| {
            // Values that are others than before are the faults.
            let is_changed = |row: usize| !same(copy.sample(row).values, frame.sample(row).values);
            (0..copy.n_samples())
                .map(|row| f64::from(u8::from(is_changed(row))))
                .collect()
        });
        let chance = vus_pr(&mut |copy: Frame| baseline::random(copy.n_samples(), 1));
        let guessed = vus_pr(&mut |copy: Frame| baseline::max_z(&frame, &copy).unwrap());
        assert!(known > 0.95, "{known}");
        assert!(chance < 0.5, "{chance}");
        assert!(chance < guessed && guessed < known, "{chance} {guessed} {known}");
    }

    fn same(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}
