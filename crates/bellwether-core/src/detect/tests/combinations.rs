//! Members that speak for each other: what is learnt at calibration is what rows are then judged by.

use super::*;

/// A detector whose members have seen none of the held-out frames, those frames, and what was found on them.
fn calibrated(combination: Combination) -> (Detector, Vec<Frame>, CalibrationReport) {
    let (pipeline, models) = three_models(6, false);
    let candidates = models.map(|(weight, model)| Candidate {
        weight,
        held_out: vec![Some(Arc::clone(&model))],
        model,
    });
    let frames: Vec<Frame> = [(200, 2), (90, 3)]
        .map(|(n_rows, seed)| clean(n_rows).rows(seed))
        .into();
    let folds = frames.iter().map(|frame| pipeline.apply(frame.clone()).unwrap());
    let folds = vec![folds.collect()];
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Quantile(0.99),
        range_weight: 5.0,
        combination,
        ..CalibrationSpec::default()
    };
    let (detector, report) = Detector::calibrate(pipeline, candidates.into(), folds, &spec).unwrap();
    (detector, frames, report)
}

#[test]
fn held_out_rows_are_judged_at_calibration_as_they_are_later() {
    let mut thresholds = Vec::new();
    for combination in Combination::ALL {
        let (detector, frames, report) = calibrated(combination);
        assert_eq!(detector.parts().combination, combination);
        for (frame, learnt) in frames.into_iter().zip(&report.scores) {
            let judged = detector.score(&series(), frame, Mode::Causal).unwrap().score;
            assert_eq!(judged.len(), learnt.len());
            for (row, (judged, learnt)) in judged.iter().zip(learnt).enumerate() {
                assert_eq!(
                    judged.is_nan(),
                    learnt.is_nan(),
                    "{} row {row}",
                    combination.name()
                );
                if !judged.is_nan() {
                    assert_close(*judged, *learnt, 1e-9, combination.name());
                }
            }
        }
        thresholds.push(detector.threshold(Mode::Causal).error());
    }
    assert!(
        thresholds[0] < thresholds[2] && thresholds[2] < thresholds[1],
        "the more members one speaks for, the more is said: {thresholds:?}"
    );
}
