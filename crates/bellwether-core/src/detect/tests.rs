//! Detectors of toy models on a toy plant: cases by hand here, laws in [`laws`].

mod combinations;
mod derived;
mod expected;
mod laws;
mod parts;
mod rules;

pub(crate) use derived::{derivation, derived_ensemble};

use std::num::NonZeroUsize;
use std::sync::Arc;

use bellwether_testkit::assert_close;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::frame::{Channel, Sample};
use crate::session::PushError;
use crate::threshold::ThresholdRule;
use crate::time::Timestamp;
use crate::transform::{Pipeline, PipelineSpec};
use crate::window::{WindowSpec, Windows};

const NAN: f64 = f64::NAN;

/// A model that needs no training: it expects the mean of each channel over the window, or always the same.
#[derive(Debug)]
struct Toy {
    len: usize,
    n_channels: usize,
    /// `None`: the window's mean.
    always: Option<Vec<f64>>,
}

fn every_window_of(len: usize) -> WindowSpec {
    WindowSpec {
        len: NonZeroUsize::new(len).unwrap(),
        stride: NonZeroUsize::MIN,
    }
}

impl Model for Toy {
    fn window(&self) -> WindowSpec {
        every_window_of(self.len)
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let n = self.n_channels;
        for (window_idx, out) in out.chunks_exact_mut(self.len * n).enumerate() {
            let values = windows.values(window_idx);
            for (cell, out) in out.iter_mut().enumerate() {
                *out = match &self.always {
                    Some(always) => always[cell % n],
                    None => values.iter().skip(cell % n).step_by(n).sum::<f64>() / self.len as f64,
                };
            }
        }
        Ok(())
    }
}

/// A model that expects the last row to be as the one before.
#[derive(Debug)]
struct AsBefore {
    len: usize,
    n_channels: usize,
}

impl Model for AsBefore {
    fn window(&self) -> WindowSpec {
        every_window_of(self.len)
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn answers(&self) -> Answers {
        Answers::LastRow
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        for (window_idx, out) in out.chunks_exact_mut(self.n_channels).enumerate() {
            let values = windows.values(window_idx);
            let before = values.len() - 2 * self.n_channels;
            out.copy_from_slice(&values[before..before + self.n_channels]);
        }
        Ok(())
    }
}

fn frame(names: &[&str], secs: Vec<i64>, values: Vec<f64>) -> Frame {
    let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
    Frame::new(
        channels,
        secs.into_iter().map(Timestamp::from_secs).collect(),
        values,
    )
    .unwrap()
}

/// Rows of two waves with noise, a switch, and a constant; some cells missing, some gaps, one fault.
pub(crate) struct Plant {
    pub(crate) n_rows: usize,
    pub(crate) missing: f64,
    pub(crate) gaps: f64,
    pub(crate) fault: bool,
}

const CHANNELS: [&str; 4] = ["wave", "noise", "switch", "constant"];

impl Plant {
    pub(crate) fn rows(&self, seed: u64) -> Frame {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let (mut secs, mut values, mut now) = (Vec::new(), Vec::new(), 0);
        for row in 0..self.n_rows {
            now += if uniform() < self.gaps { 500 } else { 10 };
            secs.push(now);
            let is_faulty = self.fault && row > self.n_rows / 2 && row < self.n_rows / 2 + 15;
            let wave = (row as f64 * 0.3).sin() + 0.1 * uniform() + if is_faulty { 4.0 } else { 0.0 };
            let cells = [
                wave,
                50.0 * uniform(),
                (uniform() * 3.0).floor(),
                if is_faulty { 7.5 } else { 7.0 },
            ];
            values.extend(cells.map(|cell| if uniform() < self.missing { NAN } else { cell }));
        }
        frame(&CHANNELS, secs, values)
    }
}

fn clean(n_rows: usize) -> Plant {
    Plant {
        n_rows,
        missing: 0.0,
        gaps: 0.0,
        fault: false,
    }
}

fn toy(pipeline: &Pipeline, len: usize, always: bool) -> Arc<dyn Model> {
    let n_channels = pipeline.n_channels();
    let middle = pipeline
        .scales()
        .iter()
        .map(|scale| scale.scaled(scale.fill))
        .collect();
    Arc::new(Toy {
        len,
        n_channels,
        always: always.then_some(middle),
    })
}

fn fit(train: Frame, held_out: Frame, len: usize, always: bool) -> Detector {
    // A low threshold, so that events come and go.
    fit_with(ThresholdRule::Quantile(0.99), train, held_out, len, always)
}

fn fit_with(threshold: ThresholdRule, train: Frame, held_out: Frame, len: usize, always: bool) -> Detector {
    let spec = PipelineSpec::for_window(NonZeroUsize::new(len).unwrap());
    let pipeline = spec.fit(&[train]).unwrap();
    let model = toy(&pipeline, len, always);
    let spec = CalibrationSpec {
        threshold,
        ..CalibrationSpec::default()
    };
    let folds = vec![vec![pipeline.apply(held_out).unwrap()]];
    Detector::calibrate(pipeline, vec![Candidate::alone(model)], folds, &spec)
        .unwrap()
        .0
}

pub(crate) fn detector(len: usize, always: bool) -> Detector {
    fit(clean(300).rows(1), clean(200).rows(2), len, always)
}

/// A detector of three members: windows of `len`, of two rows, and single rows in the light of those before.
pub(crate) fn ensemble(len: usize, always: bool) -> Detector {
    ensemble_under(Vec::new(), len, always)
}

/// A model, and how much it counts.
type Weighted = (f64, Arc<dyn Model>);

/// A pipeline, and models of three kinds.
fn three_models(len: usize, always: bool) -> (Pipeline, [Weighted; 3]) {
    let window = NonZeroUsize::new(len).unwrap();
    let pipeline = PipelineSpec::for_window(window)
        .fit(&[clean(300).rows(1)])
        .unwrap();
    let n_channels = pipeline.n_channels();
    let models: [Weighted; 3] = [
        (2.0, toy(&pipeline, len, always)),
        (1.0, toy(&pipeline, 2, !always)),
        (0.5, Arc::new(AsBefore { len: 4, n_channels })),
    ];
    (pipeline, models)
}

/// The same under rules of its channels.
fn ensemble_under(rules: Vec<ChannelRule>, len: usize, always: bool) -> Detector {
    let (pipeline, models) = three_models(len, always);
    // Of the first, another was fitted on the first fold.
    let candidates = models
        .into_iter()
        .enumerate()
        .map(|(idx, (weight, model))| Candidate {
            weight,
            held_out: vec![
                Some(Arc::clone(&model)).filter(|_| idx > 0),
                Some(Arc::clone(&model)),
            ],
            model,
        });
    let prepared = |n_rows: usize, seed: u64| pipeline.apply(clean(n_rows).rows(seed)).unwrap();
    let folds = vec![vec![prepared(200, 2)], vec![prepared(150, 3), prepared(90, 4)]];
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Quantile(0.99),
        range_weight: 5.0,
        rules,
        ..CalibrationSpec::default()
    };
    let (detector, report) = Detector::calibrate(pipeline, candidates.collect(), folds, &spec).unwrap();
    assert_eq!((report.causal.n_rows, report.scores.len()), (240, 2));
    detector
}

/// The same detector with other numbers.
fn changed(detector: &Detector, change: impl FnOnce(&mut DetectorParts)) -> Detector {
    let mut parts = detector.parts().clone();
    change(&mut parts);
    let models = detector.members().iter().map(|member| Arc::clone(member.model()));
    Detector::from_parts(parts, models.collect()).unwrap()
}

/// The same detector with a threshold that follows the last `depth` rows.
pub(crate) fn drifting(detector: &Detector, depth: usize) -> Detector {
    changed(detector, |parts| {
        parts.drifting = Drifting::new(depth, 0.3 * parts.causal.error());
    })
}

/// The same detector with members that speak for each other.
pub(crate) fn combined(detector: &Detector, combination: Combination) -> Detector {
    changed(detector, |parts| parts.combination = combination)
}

#[test]
fn a_p_value_is_the_share_of_normal_rows_with_such_a_score() {
    let detector = ensemble(6, false);
    let scores = detector
        .score(&series(), clean(4000).rows(77), Mode::Causal)
        .unwrap();
    let mut of_rows: Vec<(f64, f64)> = scores
        .score
        .iter()
        .filter_map(|&score| Some((score, detector.p_value(Mode::Causal, score)?)))
        .collect();
    assert!(of_rows.len() > 3900);
    for p in [0.5, 0.2, 0.1] {
        let share = of_rows.iter().filter(|(_, of)| *of <= p).count() as f64 / of_rows.len() as f64;
        // 240 held-out rows, which depend on each other, know a share to a third or so.
        assert!(
            0.5 * p < share && share < 1.7 * p,
            "{share} of the rows below {p}"
        );
    }
    of_rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        of_rows.is_sorted_by(|a, b| a.1 >= b.1),
        "never rises with the score"
    );
    assert!(of_rows.iter().all(|(_, p)| 0.0 < *p && *p <= 1.0));
    assert!(detector.p_value(Mode::Retrospective, 1e300).unwrap() > 0.0);
    assert_eq!(detector.p_value(Mode::Causal, NAN), None);
    let mut parts = detector.parts().clone();
    parts.rarity = None;
    let models = || {
        detector
            .members()
            .iter()
            .map(|member| Arc::clone(member.model()))
            .collect()
    };
    let before = Detector::from_parts(parts.clone(), models()).unwrap();
    assert_eq!(before.p_value(Mode::Causal, 1.0), None);
    parts.rarity = detector.parts().rarity.clone().map(|mut rarity| {
        rarity.causal.knots.pop();
        rarity
    });
    assert!(matches!(
        Detector::from_parts(parts, models()),
        Err(PartsError::Rarity)
    ));
}

fn series() -> SeriesId {
    SeriesId::new("pump-1")
}

/// Scores with the shares of all channels, `[n_samples, n_channels]`, NaN where there is no score.
fn scores_and_shares(detector: &Detector, frame: Frame, mode: Mode) -> (Scores, Vec<f64>) {
    let n = detector.pipeline().n_channels();
    let mut shares = vec![NAN; frame.n_samples() * n];
    let mut keep = |row: ScoredRow<'_>| {
        shares[row.row_idx * n..(row.row_idx + 1) * n].copy_from_slice(row.shares);
    };
    let scores = detector.score_with(&series(), frame, mode, &mut keep).unwrap();
    (scores, shares)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values
        .iter()
        .map(|value| if value.is_nan() { u64::MAX } else { value.to_bits() })
        .collect()
}

#[test]
fn scores_of_a_small_series_by_hand() {
    // One channel, scaled 0..1 by the training rows; the model always expects 0.5; windows of 2; no gap.
    let spec = PipelineSpec::for_window(NonZeroUsize::new(2).unwrap());
    let ramp: Vec<f64> = (0..=10).map(f64::from).collect();
    let pipeline = spec.fit(&[frame(&["a"], (0..11).collect(), ramp)]).unwrap();
    let model = toy(&pipeline, 2, true);
    let held_out = frame(
        &["a"],
        (0..20).collect(),
        (0..20).map(|i| if i % 2 == 0 { 4.0 } else { 6.0 }).collect(),
    );
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Value(8.0),
        ..CalibrationSpec::default()
    };
    let candidates = vec![Candidate::alone(Arc::clone(&model))];
    let folds = vec![vec![pipeline.apply(held_out).unwrap()]];
    let (detector, report) = Detector::calibrate(pipeline, candidates, folds, &spec).unwrap();
    // Every held-out residual is ± 0.1, every squared error 0.01, hence f = 0.01 + 1e-9 and prior 1 - 1e-7.
    assert_close(
        detector.members()[0].parts().causal.calibration.scale[0],
        0.01 + 1e-9,
        1e-9,
        "f",
    );
    assert_eq!(
        (
            report.causal.n_rows,
            report.causal.n_scored,
            report.retrospective.n_scored
        ),
        (20, 19, 20)
    );
    assert_eq!(report.causal.n_events, 0);
    // Without a tail the smoothed error stands for itself.
    let mut parts = detector.parts().clone();
    parts.members[0].causal.tail = None;
    let plain = Detector::from_parts(parts, vec![model]).unwrap();
    // Rows 5, 5, 8: squared errors 0, 0, 0.09; causal means of two rows 0 and 0.045: ratios 0 and 4.5.
    let rows = frame(&["a"], vec![0, 1, 2], vec![5.0, 5.0, 8.0]);
    let scores = plain.score(&series(), rows.clone(), Mode::Causal).unwrap();
    let causal = &detector.members()[0].parts().causal;
    let alpha = causal.smoothing.alpha();
    let first = 1.0 - alpha;
    let second = (1.0 - alpha) * first + alpha * 4.5;
    assert!(scores.score[0].is_nan());
    assert_close(scores.score[1], first / 8.0, 1e-6, "row 1");
    assert_close(scores.score[2], second / 8.0, 1e-6, "row 2");
    assert_eq!((scores.unscored.n_filling, scores.unscored.n_missing), (1, 0));
    assert_eq!(scores.is_anomaly(0), None);
    assert_eq!(scores.is_anomaly(1), Some(false));
    // With one, its surprise does.
    let tail = causal.tail.as_ref().unwrap();
    let surprising = detector.score(&series(), rows, Mode::Causal).unwrap();
    for (row, error) in [(1, first), (2, second)] {
        assert_close(
            surprising.score[row],
            tail.surprise(error) / 8.0,
            1e-5,
            "surprise",
        );
    }
    assert_eq!(
        scores.top[2],
        Some(Top {
            channel_idx: 0,
            share: 1.0
        })
    );
}

#[test]
fn a_fault_is_an_event_of_the_channels_that_moved() {
    let plant = Plant {
        fault: true,
        ..clean(300)
    };
    let rule = ThresholdRule::default();
    let detector = fit_with(rule, clean(300).rows(1), clean(200).rows(2), 8, false);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let scores = detector.score(&series(), plant.rows(3), mode).unwrap();
        let [event] = &scores.events[..] else {
            panic!("{mode}: {:?}", scores.events)
        };
        // The fault lasts from row 151 to row 164; looking back, smoothing spreads it both ways.
        let row = |time: Timestamp| time.as_nanos() / 10_000_000_000 - 1;
        assert!(
            (110..155).contains(&row(event.start)) && (164..200).contains(&row(event.end)),
            "{event:?}"
        );
        assert!(
            event.peak_score > 2.0 && event.severity() > 50.0 && !event.is_open,
            "{event:?}"
        );
        // The wave leaves its range by twice as much; the constant moves by 0.5 where it never did before.
        assert!(event.shares[0] + event.shares[3] > 0.6, "{event:?}");
        assert_close(event.shares.iter().sum(), 1.0, 1e-12, "shares");
        let inside = scores
            .time
            .iter()
            .position(|time| *time == event.peak_time)
            .unwrap();
        assert_eq!(scores.event[inside], Some(event.id));
    }
}

#[test]
fn events_clear_above_ordinary_scores() {
    let clear_ratio = |rule: &str| {
        let detector = fit_with(
            rule.parse().unwrap(),
            clean(300).rows(1),
            clean(200).rows(2),
            8,
            false,
        );
        detector.parts().events.clear_ratio()
    };
    assert_close(clear_ratio("value:100"), 0.8, 1e-12, "far above");
    assert!(clear_ratio("quantile:0.999") > 0.95);
    // The whole of the held-out rows lies above: nothing is ordinary.
    assert_close(clear_ratio("value:0.001"), 1.0, 1e-12, "below");
}

#[test]
fn the_first_rows_have_scores_only_when_looking_back() {
    let count = |mode| {
        let scores = detector(8, false)
            .score(&series(), clean(30).rows(4), mode)
            .unwrap();
        (
            scores.unscored.n_filling,
            scores.score.iter().filter(|score| !score.is_nan()).count(),
        )
    };
    assert_eq!(count(Mode::Causal), (7, 23));
    assert_eq!(count(Mode::Retrospective), (0, 30));
}

#[test]
fn rows_with_little_observed_have_no_score_and_say_so() {
    let mut values = clean(60).rows(5).values().to_vec();
    for row in 20..50 {
        values[row * 4..row * 4 + 4].fill(NAN);
    }
    let secs = (1..=60).map(|row| row * 10).collect();
    let data = frame(&CHANNELS, secs, values);
    let causal = detector(8, false)
        .score(&series(), data.clone(), Mode::Causal)
        .unwrap();
    // A window of 8 has less than half of it from its fifth missing row to its fourth new one.
    assert_eq!(causal.unscored.n_missing, (24..53).count());
    assert!(causal.score[23].is_finite() && causal.score[24].is_nan() && causal.score[53].is_finite());
    let back = detector(8, false)
        .score(&series(), data, Mode::Retrospective)
        .unwrap();
    assert_eq!(back.unscored.n_missing, 30);
}
