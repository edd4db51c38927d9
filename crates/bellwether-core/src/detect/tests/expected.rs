//! What a detector expected of each value.

use super::*;

#[test]
fn expected_values_are_in_the_units_of_the_data() {
    let detector = detector(8, true);
    let data = clean(60).rows(9);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let expected = detector.expected(&data, 20..30, mode).unwrap();
        assert_eq!((expected.rows.clone(), expected.expected.len()), (20..30, 40));
        for row in expected.expected.chunks_exact(4).enumerate() {
            for (idx, scale) in detector.pipeline().scales().iter().enumerate() {
                assert_close(
                    row.1[idx],
                    scale.fill,
                    1e-9,
                    "the model expects the training median",
                );
                let at = row.0 * 4 + idx;
                let half = 3.0 * detector.lead().calibrated(mode).calibration.residual[idx] * scale.divisor;
                assert_close(expected.upper[at] - expected.lower[at], 2.0 * half, 1e-9, "band");
            }
        }
    }
    assert!(detector.expected(&data, 0..1, Mode::Causal).unwrap().expected[0].is_nan());
    assert!(
        detector
            .expected(&data, 0..1, Mode::Retrospective)
            .unwrap()
            .expected[0]
            .is_finite()
    );
    assert!(matches!(
        detector.expected(&data, 59..61, Mode::Causal),
        Err(DetectError::NoSuchRows { .. })
    ));
}

#[test]
fn expected_values_do_not_depend_on_which_rows_are_asked_for() {
    let detector = detector(8, false);
    let data = Plant {
        missing: 0.2,
        gaps: 0.02,
        ..clean(150)
    }
    .rows(10);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let all = detector.expected(&data, 0..150, mode).unwrap();
        for start in [0, 37, 99, 140] {
            let some = detector.expected(&data, start..start + 10, mode).unwrap();
            assert_eq!(
                bits(&some.expected),
                bits(&all.expected[start * 4..(start + 10) * 4]),
                "{mode} {start}"
            );
        }
    }
}
