//! Detectors with features and modes: a stream, a file and a part of a file say the same.

use proptest::prelude::*;

use super::laws::assert_stream_equals_batch;
use super::*;
use crate::condition::Condition;
use crate::transform::{DerivationSpec, Interval, Outside};

/// One of each kind; noise is replaced.
const FEATURES: [&str; 18] = [
    "step = diff(wave)",
    "before = lag(wave, 30s)",
    "level = mean(wave, 4)",
    "spread = std(wave, 4)",
    "low = min(noise, 3)",
    "high = max(noise, 3)",
    "slow = ewma(wave, 3)",
    "share = ratio(wave, noise)",
    "apart = minus(wave, noise)",
    "log = log(noise)",
    "noise = boxcox(noise)",
    "hum = band(wave, 8, 3, 5)",
    "rest = season(wave, 210s)",
    "day = daily(Europe/Berlin)",
    "week = weekly()",
    "state = onehot(switch)",
    "gone = absent(noise)",
    "twice = diff(constant, 2)",
];

pub(crate) fn derivation() -> DerivationSpec {
    DerivationSpec {
        features: FEATURES.map(|text| text.parse().unwrap()).to_vec(),
        mode_when: Some(Condition::parse("wave > -0.9 and constant < 100").unwrap()),
        blank_after_start: Some(std::time::Duration::from_secs(15)),
    }
}

/// As [`super::ensemble`], on derived rows.
pub(crate) fn derived_ensemble(len: usize) -> Detector {
    let spec = PipelineSpec {
        derivation: derivation(),
        ..PipelineSpec::for_window(NonZeroUsize::new(len).unwrap())
    };
    let pipeline = spec.fit(&[clean(600).rows(1)]).unwrap();
    let n_channels = pipeline.n_channels();
    let models: [Arc<dyn Model>; 2] = [
        toy(&pipeline, len, false),
        Arc::new(AsBefore { len: 2, n_channels }),
    ];
    let candidates = models.into_iter().map(Candidate::alone).collect();
    let after = pipeline.after_derivation();
    let held_out = pipeline.derive(&clean(400).rows(2)).unwrap().pieces();
    let prepared = held_out.into_iter().map(|piece| after.apply(piece).unwrap());
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Quantile(0.98),
        range_weight: 5.0,
        ..CalibrationSpec::default()
    };
    Detector::calibrate(pipeline, candidates, vec![prepared.collect()], &spec)
        .unwrap()
        .0
}

#[test]
fn rows_that_do_not_count_have_a_reason_and_no_score() {
    let detector = derived_ensemble(4);
    let data = clean(200).rows(5);
    let scores = detector.score(&series(), data.clone(), Mode::Causal).unwrap();
    let wave = |row: usize| data.sample(row).values[0];
    assert_eq!(scores.outside.len(), 200);
    let mut n_inside = 0;
    for row in 0..200 {
        // 15 s are two rows: those of a start.
        let expect = if wave(row) <= -0.9 {
            Some(Outside::Mode)
        } else if row < 2 || wave(row - 1) <= -0.9 || wave(row - 2) <= -0.9 {
            Some(Outside::Start)
        } else {
            None
        };
        assert_eq!(scores.outside[row], expect, "row {row}");
        n_inside = if expect.is_some() { 0 } else { n_inside + 1 };
        assert_eq!(scores.score[row].is_nan(), n_inside < 4, "row {row}");
    }
    let n_outside = scores.outside.iter().filter(|why| why.is_some()).count();
    assert_eq!(scores.unscored.n_outside, n_outside);
    let operation = detector.pipeline().operation().unwrap();
    assert_eq!(
        operation.reason(Outside::Mode),
        "not wave > -0.9 and constant < 100"
    );
    // A calendar beside it.
    let at = |row: usize| data.time()[row];
    let service = Interval {
        start: at(50),
        end: at(60),
        reason: "service".to_owned(),
    };
    let detector = detector.with_calendar(vec![service]);
    let scores = detector
        .score(&series(), data.clone(), Mode::Retrospective)
        .unwrap();
    assert!(
        (50..60).all(|row| scores.outside[row] == Some(Outside::Calendar(0)) && scores.score[row].is_nan())
    );
    let operation = detector.pipeline().operation().unwrap();
    assert_eq!(operation.reason(Outside::Calendar(0)), "service");
    assert_ne!(scores.outside[60], None, "it starts again after the service");
}

#[test]
fn an_event_ends_with_operation() {
    let spec = PipelineSpec {
        derivation: DerivationSpec {
            mode_when: Some(Condition::parse("switch != 5").unwrap()),
            ..DerivationSpec::default()
        },
        ..PipelineSpec::for_window(NonZeroUsize::new(3).unwrap())
    };
    let pipeline = spec.fit(&[clean(300).rows(1)]).unwrap();
    let folds = vec![vec![pipeline.apply(clean(200).rows(2)).unwrap()]];
    let candidate = Candidate::alone(toy(&pipeline, 3, true));
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Quantile(0.99),
        ..CalibrationSpec::default()
    };
    let detector = Arc::new(
        Detector::calibrate(pipeline, vec![candidate], folds, &spec)
            .unwrap()
            .0,
    );
    let data = Plant {
        fault: true,
        ..clean(80)
    }
    .rows(13);
    let mut values = data.values().to_vec();
    for row in 52..55 {
        values[row * 4 + 2] = 5.0;
    }
    let data = data.with_values(values);
    let scores = detector.score(&series(), data.clone(), Mode::Causal).unwrap();
    let first = scores.events.first().expect("the fault is found");
    assert!(!first.is_open && first.end < data.time()[52]);
    assert_stream_equals_batch(&detector, &data);
}

#[test]
fn a_part_of_the_inputs_in_another_order_gives_the_same_bits() {
    let detector = derived_ensemble(5);
    let data = Plant {
        missing: 0.1,
        ..clean(150)
    }
    .rows(6);
    let order = [2, 0, 3, 1];
    let rows = data.values().chunks_exact(4);
    let moved = frame(
        &order.map(|idx: usize| CHANNELS[idx]),
        data.time()
            .iter()
            .map(|time| time.as_nanos() / 1_000_000_000)
            .collect(),
        rows.flat_map(|row| order.map(|idx| row[idx])).collect(),
    );
    for mode in [Mode::Causal, Mode::Retrospective] {
        let (one, one_shares) = scores_and_shares(&detector, data.clone(), mode);
        let (other, other_shares) = scores_and_shares(&detector, moved.clone(), mode);
        assert_eq!(bits(&one.score), bits(&other.score));
        assert_eq!(bits(&one_shares), bits(&other_shares));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn derived_rows_of_a_stream_and_a_file_agree_bit_for_bit(
        seed in any::<u64>(), n_rows in 20_usize..160, len in 1_usize..9,
        missing in 0.0..0.3_f64, gaps in 0.0..0.05_f64, fault in any::<bool>(),
    ) {
        let detector = Arc::new(derived_ensemble(len));
        assert_stream_equals_batch(&detector, &Plant { n_rows, missing, gaps, fault }.rows(seed));
    }

    #[test]
    fn a_derived_file_cut_with_its_context_gives_the_same_bits(
        seed in any::<u64>(), cut in 0_usize..150, len in 1_usize..9,
        missing in 0.0..0.3_f64, gaps in 0.0..0.03_f64,
    ) {
        let detector = derived_ensemble(len);
        let data = Plant { n_rows: 400, missing, gaps, fault: true }.rows(seed);
        let whole = detector.score(&series(), data.clone(), Mode::Causal).unwrap();
        let tail = detector.score(&series(), data.slice(cut..400).unwrap(), Mode::Causal).unwrap();
        let first = cut + detector.context_len() - 1;
        prop_assert!(first < 400);
        prop_assert_eq!(bits(&whole.score[first..]), bits(&tail.score[first - cut..]));
        prop_assert_eq!(&whole.outside[first..], &tail.outside[first - cut..]);
    }
}
