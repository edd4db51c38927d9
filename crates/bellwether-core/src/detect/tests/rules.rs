//! Detectors under rules of their channels.

use proptest::prelude::*;

use super::laws::assert_stream_equals_batch;
use super::*;
use crate::score::Direction;

fn rule() -> ChannelRule {
    ChannelRule::default()
}

/// Rules of the first two channels of the plant; of the others nothing is said.
fn rules(wave: ChannelRule, noise: ChannelRule) -> Vec<ChannelRule> {
    vec![wave, noise, rule(), rule()]
}

/// A detector of one member on one channel that is 0 to 10 in training, expected to be 5, ± 1 in held-out rows.
fn of_one_channel(of_channel: ChannelRule) -> Detector {
    let window = NonZeroUsize::MIN;
    let ramp: Vec<f64> = (0..=10).map(f64::from).collect();
    let pipeline = PipelineSpec::for_window(window)
        .fit(&[frame(&["a"], (0..11).collect(), ramp)])
        .unwrap();
    let held_out = (0..40).map(|i| 5.0 + f64::from(i % 21 - 10) / 10.0).collect();
    let folds = vec![vec![
        pipeline
            .apply(frame(&["a"], (0..40).collect(), held_out))
            .unwrap(),
    ]];
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Value(2.0),
        rules: vec![of_channel],
        ..CalibrationSpec::default()
    };
    let candidates = vec![Candidate::alone(toy(&pipeline, 1, true))];
    Detector::calibrate(pipeline, candidates, folds, &spec).unwrap().0
}

fn last_score(detector: &Detector, last: f64) -> f64 {
    let mut values = vec![5.0; 20];
    values.push(last);
    let data = frame(&["a"], (0..21).collect(), values);
    let scores = detector.score(&series(), data, Mode::Causal).unwrap();
    scores.score[20]
}

#[test]
fn rules_that_say_nothing_leave_every_bit_alone() {
    let (plain, silent) = (ensemble(8, true), ensemble_under(vec![rule(); 4], 8, true));
    let data = Plant {
        fault: true,
        missing: 0.1,
        ..clean(150)
    }
    .rows(5);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let (one, one_shares) = scores_and_shares(&plain, data.clone(), mode);
        let (other, other_shares) = scores_and_shares(&silent, data.clone(), mode);
        assert_eq!(bits(&one.score), bits(&other.score));
        assert_eq!(bits(&one_shares), bits(&other_shares));
    }
}

#[test]
fn only_residuals_of_the_right_sign_and_size_count() {
    let usual = last_score(&of_one_channel(rule()), 5.0);
    let check = |of_channel: ChannelRule, last: f64, counts: bool| {
        let score = last_score(&of_one_channel(of_channel), last);
        let quiet = last_score(&of_one_channel(of_channel), 5.0);
        assert_eq!(
            score > quiet,
            counts,
            "{of_channel:?} at {last}: {score}, else {quiet}"
        );
    };
    assert!(usual < 1.0);
    let direction = |direction| ChannelRule { direction, ..rule() };
    check(direction(Direction::Above), 9.0, true);
    check(direction(Direction::Above), 1.0, false);
    check(direction(Direction::Below), 9.0, false);
    check(direction(Direction::Below), 1.0, true);
    let least = |deviation_min| ChannelRule {
        deviation_min,
        ..rule()
    };
    // In the channel's own unit, though the model sees it divided by 10.
    check(least(3.5), 8.4, false);
    check(least(3.5), 8.6, true);
    check(least(3.5), 1.4, true);
}

#[test]
fn what_is_ordinary_is_learnt_from_all_residuals() {
    let of = |rule| of_one_channel(rule).members()[0].parts().causal.clone();
    let least = ChannelRule {
        deviation_min: 3.5,
        ..rule()
    };
    let (all, few) = (of(rule()).calibration, of(least).calibration);
    assert_eq!(
        (bits(&all.scale), bits(&all.residual)),
        (bits(&few.scale), bits(&few.residual))
    );
    assert!(all.prior[0] > 0.5 && few.prior[0] <= 0.0);
}

#[test]
fn a_value_outside_of_its_valid_range_is_an_alarm_of_its_channel() {
    let valid = |valid| ChannelRule { valid, ..rule() };
    let detector = ensemble_under(rules(rule(), valid((-1.0, 50.5))), 4, true);
    let plain = ensemble(4, true);
    let mut data = clean(60).rows(9);
    let mut values = data.values().to_vec();
    // Row 40: 51 where the training went up to 50; an hour of it would be nothing special.
    values[40 * 4 + 1] = 51.0;
    let secs = data
        .time()
        .iter()
        .map(|time| time.as_nanos() / 1_000_000_000)
        .collect();
    data = frame(&CHANNELS, secs, values);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let (scores, shares) = scores_and_shares(&detector, data.clone(), mode);
        let (without, _) = scores_and_shares(&plain, data.clone(), mode);
        assert!(scores.score[40] >= 1.0 && shares[40 * 4 + 1] >= 0.5);
        assert_eq!(scores.top[40].unwrap().channel_idx, 1);
        for row in (0..60).filter(|row| *row != 40) {
            assert_eq!(scores.score[row].to_bits(), without.score[row].to_bits());
        }
    }
}

#[test]
fn a_channel_of_weight_0_has_no_share() {
    let none = ChannelRule {
        weight: 0.0,
        ..rule()
    };
    let detector = ensemble_under(rules(none, rule()), 4, false);
    let data = Plant {
        fault: true,
        ..clean(60)
    }
    .rows(9);
    let (_, shares) = scores_and_shares(&detector, data, Mode::Causal);
    assert!(shares.chunks_exact(4).all(|row| row[0].is_nan() || row[0] <= 0.0));
    let total = |detector: &Detector| -> f64 {
        detector.members()[0]
            .parts()
            .causal
            .calibration
            .weights
            .iter()
            .sum()
    };
    assert_close(total(&detector), total(&ensemble(4, false)), 1e-12, "weights");
}

#[test]
fn rules_that_fit_no_pipeline_are_refused() {
    let mut parts = ensemble(4, true).parts().clone();
    let models = |detector: &Detector| {
        let models = detector.members().iter().map(|member| Arc::clone(member.model()));
        models.collect::<Vec<_>>()
    };
    let models = models(&ensemble(4, true));
    parts.rules = vec![rule(); 3];
    let error = Detector::from_parts(parts.clone(), models.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 rules for 4 channels: wanted one for each, or none at all"
    );
    parts.rules = rules(
        rule(),
        ChannelRule {
            deviation_min: f64::NAN,
            ..rule()
        },
    );
    let error = Detector::from_parts(parts, models).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the rule of channel 1 is not usable")
    );
}

prop_compose! {
    fn any_rule()(
        direction in prop::sample::select(vec![Direction::Both, Direction::Above, Direction::Below]),
        deviation_min in prop_oneof![Just(0.0), 0.0..10.0_f64],
        valid in prop_oneof![Just((f64::NEG_INFINITY, f64::INFINITY)), Just((-0.5, 40.0))],
        weight in prop_oneof![Just(1.0), 0.1..5.0_f64],
    ) -> ChannelRule {
        ChannelRule { direction, deviation_min, valid, weight }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stream_and_batch_agree_under_rules(
        seed in any::<u64>(), len in 1_usize..12, always in any::<bool>(),
        missing in 0.0..0.5_f64, gaps in 0.0..0.1_f64, wave in any_rule(), noise in any_rule(),
    ) {
        let detector = Arc::new(ensemble_under(rules(wave, noise), len, always));
        assert_stream_equals_batch(&detector, &Plant { n_rows: 100, missing, gaps, fault: true }.rows(seed));
    }
}
