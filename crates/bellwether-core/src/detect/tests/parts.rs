//! What a detector is made of, the rows that calibrate it, and the samples of a session.

use super::*;

#[test]
fn parts_make_the_same_detector_and_wrong_ones_none() {
    let good = detector(8, true);
    let model = || vec![toy(good.pipeline(), 8, true)];
    let again = Detector::from_parts(good.parts().clone(), model()).unwrap();
    let data = clean(60).rows(11);
    let score = |detector: &Detector| {
        detector
            .score(&series(), data.clone(), Mode::Causal)
            .unwrap()
            .score
    };
    assert_eq!(bits(&score(&good)), bits(&score(&again)));
    let check = |spoil: fn(&mut DetectorParts), expect: &str| {
        let mut parts = good.parts().clone();
        spoil(&mut parts);
        let error = Detector::from_parts(parts, model()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(
        |parts| parts.members[0].causal.calibration.scale[1] = 0.0,
        "causal calibration",
    );
    check(
        |parts| parts.members[0].causal.calibration.prior[0] = NAN,
        "causal calibration",
    );
    check(
        |parts| parts.members[0].retrospective.calibration.weights.push(1.0),
        "retrospective calibration",
    );
    check(|parts| parts.members[0].causal.smoothing.span = 0.5, "span 0.5");
    check(|parts| parts.members[0].weight = 0.0, "weight 0 of member 0");
    check(
        |parts| parts.range_weight = NAN,
        "weight NaN of the training ranges",
    );
    check(|parts| parts.members.clear(), "0 members and 1 models");
    check(
        |parts| parts.members[0].causal.tail.as_mut().unwrap().slope = 0.0,
        "causal tail of member 0",
    );
    let narrow = Arc::new(Toy {
        len: 8,
        n_channels: 3,
        always: None,
    });
    assert!(matches!(
        Detector::from_parts(good.parts().clone(), vec![narrow]),
        Err(PartsError::Channels { .. })
    ));
}

#[test]
fn rows_that_calibrate_are_held_against_the_ranges_of_the_other_folds() {
    let wave = |scale: f64| {
        let rows = (0..60).map(|row| scale * (f64::from(row) * 0.7).sin()).collect();
        frame(&["a"], (0..60).collect(), rows)
    };
    let (low, high) = (wave(1.0), wave(1.5));
    let pipeline = PipelineSpec::for_window(NonZeroUsize::new(4).unwrap())
        .fit(&[low.clone(), high.clone()])
        .unwrap();
    let model = toy(&pipeline, 4, true);
    let largest = |range_weight: f64| {
        let candidate = Candidate {
            held_out: vec![Some(Arc::clone(&model)); 2],
            ..Candidate::alone(Arc::clone(&model))
        };
        let prepared = |data: &Frame| vec![pipeline.apply(data.clone()).unwrap()];
        let spec = CalibrationSpec {
            range_weight,
            ..CalibrationSpec::default()
        };
        let folds = vec![prepared(&low), prepared(&high)];
        let (_, report) = Detector::calibrate(pipeline.clone(), vec![candidate], folds, &spec).unwrap();
        report.causal.errors[2]
    };
    // The second fold reaches a sixth of all its range beyond the first, on either side.
    assert!(largest(10.0) > largest(0.0) + 5.0);
}

#[test]
fn rows_too_few_for_a_window_cannot_calibrate() {
    let spec = PipelineSpec::for_window(NonZeroUsize::new(8).unwrap());
    let pipeline = spec.fit(&[clean(50).rows(1)]).unwrap();
    let model = toy(&pipeline, 8, true);
    let folds = vec![vec![pipeline.apply(clean(7).rows(2)).unwrap()]];
    let error = Detector::calibrate(
        pipeline,
        vec![Candidate::alone(model)],
        folds,
        &CalibrationSpec::default(),
    );
    assert_eq!(
        error.err(),
        Some(CalibrateError::NothingScored {
            n_rows: 7,
            window_len: 8
        })
    );
}

#[test]
fn a_session_refuses_samples_that_are_not_next_and_goes_on() {
    let detector = Arc::new(detector(8, true));
    let data = clean(30).rows(12);
    let mut session = detector.session(series(), data.schema()).unwrap();
    let mut plain = detector.session(series(), data.schema()).unwrap();
    for row in 0..30 {
        let sample = data.sample(row);
        assert_eq!(session.push(sample), plain.push(sample));
        assert!(matches!(session.push(sample), Err(PushError::Duplicate { .. })));
        let late = Sample {
            time: Timestamp::from_secs(0),
            ..sample
        };
        assert!(matches!(session.push(late), Err(PushError::Late { .. })));
        let time = sample.time.plus(std::time::Duration::from_secs(1));
        let narrow = Sample { time, values: &[1.0] };
        assert!(matches!(
            session.push(narrow),
            Err(PushError::Shape {
                n_values: 1,
                n_channels: 4
            })
        ));
        let endless = Sample {
            time,
            values: &[1.0, f64::INFINITY, 0.0, 0.0],
        };
        assert!(
            session
                .push(endless)
                .unwrap_err()
                .to_string()
                .contains("\"noise\"")
        );
    }
    assert!(
        detector
            .session(series(), frame(&["x"], vec![0], vec![0.0]).schema())
            .is_err()
    );
}
