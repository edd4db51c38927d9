//! Explanations of a toy plant by toy detectors: what must add up, and what must not depend on what.

use bellwether_testkit::assert_close;

use super::window::LastWindow;
use super::*;
use crate::detect::Mode;
use crate::detect::tests::{Plant, detector, ensemble};
use crate::frame::SeriesId;
use crate::transform::Pipeline;

const MODES: [Mode; 2] = [Mode::Causal, Mode::Retrospective];

fn faulty(n_rows: usize) -> Frame {
    let plant = Plant {
        n_rows,
        missing: 0.0,
        gaps: 0.0,
        fault: true,
    };
    plant.rows(7)
}

fn effort() -> Effort<'static> {
    Effort {
        baseline: None,
        n_orders: 8,
        seed: 3,
    }
}

/// The same detector, for which channels may stand still: the toy model expects one value all the time.
fn never_stopped(detector: &Detector) -> Detector {
    let mut parts = detector.parts().clone();
    let mut pipeline = parts.pipeline.parts().clone();
    for scale in &mut pipeline.channels {
        scale.still_len_max = None;
    }
    parts.pipeline = Pipeline::from_parts(pipeline).unwrap();
    let models = detector
        .members()
        .iter()
        .map(|member| std::sync::Arc::clone(member.model()));
    Detector::from_parts(parts, models.collect()).unwrap()
}

/// The strongest event of the frame.
fn strongest(detector: &Detector, frame: &Frame, mode: Mode) -> Stretch {
    let scores = detector
        .score(&SeriesId::new("plant"), frame.clone(), mode)
        .unwrap();
    let strongest = scores
        .events
        .iter()
        .max_by(|a, b| a.peak_score.total_cmp(&b.peak_score));
    Stretch::of_event(frame, strongest.unwrap()).unwrap()
}

#[test]
fn shares_are_those_of_the_scores_and_sum_to_one() {
    let frame = faulty(600);
    for (detector, mode) in [detector(6, true), ensemble(6, false)].iter().zip(MODES) {
        let stretch = strongest(detector, &frame, mode);
        let got = explain(detector, &frame, &stretch, mode, &effort()).unwrap();
        assert_close(got.shares.cells.iter().sum(), 1.0, 1e-12, "all cells");
        assert_close(got.shares.of_channels().iter().sum(), 1.0, 1e-12, "all channels");
        let n = got.shares.n_channels;
        let mut total = 0.0;
        let mut want = Vec::new();
        let mut keep = |row: crate::detect::ScoredRow<'_>| {
            if stretch.rows.contains(&row.row_idx) {
                total += row.score;
                want.extend(row.shares.iter().map(|share| share * row.score));
            }
        };
        let scores = detector
            .score_with(&SeriesId::new("plant"), frame.clone(), mode, &mut keep)
            .unwrap();
        assert_eq!(want.len(), stretch.rows.len() * n);
        for (got, want) in got.shares.cells.iter().zip(want) {
            assert_close(*got, want / total, 1e-12, "cell");
        }
        assert_eq!(got.shares.score, scores.score[stretch.rows.clone()]);
        assert_eq!(got.peak_score.to_bits(), scores.score[got.peak_idx].to_bits());
    }
}

#[test]
fn an_explanation_does_not_depend_on_where_the_data_begin_and_end() {
    for (detector, mode) in [detector(6, true), ensemble(6, false)].iter().zip(MODES) {
        let frame = faulty(4000);
        let stretch = strongest(detector, &frame, mode);
        let whole = explain(detector, &frame, &stretch, mode, &effort()).unwrap();
        let cut = frame.slice(900..3200).unwrap();
        let moved = Stretch {
            rows: stretch.rows.start - 900..stretch.rows.end - 900,
            ..stretch
        };
        let of_cut = explain(detector, &cut, &moved, mode, &effort()).unwrap();
        assert_eq!(whole.shares.cells, of_cut.shares.cells);
        assert_eq!(whole.ranking, of_cut.ranking);
        assert_eq!(whole.shapley, of_cut.shapley);
        assert_eq!(whole.peak_idx, of_cut.peak_idx + 900);
        let rows = |onsets: &[Onset]| onsets.iter().map(|onset| onset.row_idx).collect::<Vec<_>>();
        assert_eq!(
            rows(&whole.onsets),
            rows(&of_cut.onsets)
                .iter()
                .map(|row| row + 900)
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_faulty_channels_are_named_where_they_moved_and_how_far() {
    let (detector, frame) = (detector(6, true), faulty(600));
    let stretch = strongest(&detector, &frame, Mode::Causal);
    let got = explain(&detector, &frame, &stretch, Mode::Causal, &effort()).unwrap();
    // The wave, 4 above, and the constant, half a unit above, from row 301 to 314.
    let mut first: Vec<usize> = got.onsets.iter().take(2).map(|onset| onset.channel_idx).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 3], "{:?}", got.onsets);
    assert!(
        got.onsets
            .iter()
            .take(2)
            .all(|onset| onset.row_idx.abs_diff(301) <= 1),
        "{:?}",
        got.onsets
    );
    let wave = got.deviations[0].unwrap();
    assert!(
        wave.side == Side::Above && wave.times_usual > 3.0 && wave.value > 3.0,
        "{wave:?}"
    );
    let said = sentence::sentence(&detector, &frame, &got);
    assert!(
        said.starts_with("From 1970-01-01 00:50:20 to 00:5") && said.contains("rose above"),
        "{said}"
    );
    assert!(
        said.contains("moved at the same time") && said.ends_with('.'),
        "{said}"
    );
}

#[test]
fn gradients_and_shapley_values_sum_to_the_error_that_they_explain() {
    let frame = faulty(600);
    for detector in [detector(6, true), ensemble(6, false), ensemble(5, true)] {
        let stretch = strongest(&detector, &frame, Mode::Causal);
        let got = explain(&detector, &frame, &stretch, Mode::Causal, &effort()).unwrap();
        let gradients = got.gradients.unwrap();
        let whole = gradients.measured - gradients.expected;
        assert!(whole > 1.0, "the fault is seen: {whole}");
        // Errors of toys are quadratic: both rules are exact but for rounding.
        assert!(gradients.gap().abs() < 1e-6 * whole, "gap {}", gradients.gap());
        let shared_out: f64 = got.shapley.iter().map(|of| of.value).sum();
        assert_close(shared_out, whole, 1e-9, "efficiency");
    }
}

#[test]
fn gradients_of_a_separable_error_are_what_each_cell_adds() {
    let (detector, frame) = (detector(6, true), faulty(600));
    let stretch = strongest(&detector, &frame, Mode::Causal);
    let view = stretch.rows.start - 10..stretch.rows.end;
    let expected = detector.expected(&frame, view, Mode::Causal).unwrap();
    let mut window = LastWindow::ending_with(&detector, &frame, stretch.rows.start + 3, &expected)
        .unwrap()
        .unwrap();
    // From another place than the expectation, so that both ends have an error.
    window.expected.iter_mut().for_each(|value| *value += 0.25);
    let got = gradients::gradients(&window).unwrap().unwrap();
    let n = detector.pipeline().n_channels();
    let middle = detector
        .pipeline()
        .scales()
        .iter()
        .map(|scale| scale.scaled(scale.fill));
    let middle: Vec<f64> = middle.collect();
    let calibration = &detector.members()[0].parts().causal.calibration;
    for cell in 0..window.measured.len() {
        let channel = cell % n;
        let square = |value: f64| (value - middle[channel]).powi(2);
        let per_unit = calibration.weights[channel] / calibration.scale[channel] / (window.len * n) as f64;
        let want = per_unit * (square(window.measured[cell]) - square(window.expected[cell]));
        assert!(
            (got.cells[cell] - want).abs() < 1e-6 * got.measured,
            "{} {want}",
            got.cells[cell]
        );
    }
}

#[test]
fn what_would_have_been_normal_is_normal_and_no_channel_of_it_can_be_spared() {
    let frame = faulty(600);
    for (detector, mode) in [detector(6, true), ensemble(6, true)].iter().zip(MODES) {
        let detector = &never_stopped(detector);
        let stretch = strongest(detector, &frame, mode);
        let got = explain(detector, &frame, &stretch, mode, &effort()).unwrap();
        let counterfactual = got.counterfactual.unwrap();
        assert!(counterfactual.is_normal && !counterfactual.changes.is_empty());
        let highest_with = |left_out: Option<usize>| {
            let mut values = frame.values().to_vec();
            let changes = counterfactual.changes.iter().enumerate();
            for (_, change) in changes.filter(|(idx, _)| Some(*idx) != left_out) {
                for (offset, value) in change.values.iter().enumerate() {
                    values[(change.first_idx + offset) * frame.n_channels() + change.channel_idx] = *value;
                }
            }
            let scores = detector
                .score(&SeriesId::new("x"), frame.with_values(values), mode)
                .unwrap();
            scores.score[stretch.rows.clone()]
                .iter()
                .copied()
                .fold(0.0, f64::max)
        };
        assert!(highest_with(None) < 1.0, "asked again, all is normal");
        for idx in 0..counterfactual.changes.len() {
            assert!(highest_with(Some(idx)) >= 1.0, "channel {idx} can be spared");
        }
    }
}

#[test]
fn a_single_row_a_short_frame_and_missing_values_are_explained_too() {
    let plant = Plant {
        n_rows: 300,
        missing: 0.3,
        gaps: 0.02,
        fault: true,
    };
    let (detector, frame) = (ensemble(6, false), plant.rows(8));
    for mode in MODES {
        for row_idx in [0, 3, 20, 151, 299] {
            let stretch = Stretch::of_row(&detector, row_idx);
            let got = explain(&detector, &frame, &stretch, mode, &effort()).unwrap();
            assert!(!sentence::sentence(&detector, &frame, &got).is_empty());
            assert_close(got.shares.cells.iter().sum(), 1.0, 1e-9, "shares");
        }
        let beyond = Stretch {
            rows: 290..301,
            event: None,
        };
        assert!(matches!(
            explain(&detector, &frame, &beyond, mode, &effort()),
            Err(DetectError::NoSuchRows { .. })
        ));
    }
}
