//! What enters the network, and what its answers are measured from.
#![expect(clippy::float_cmp, reason = "small sums of round numbers are exact")]

use super::*;

fn framing(with_level: bool) -> Framing {
    Framing::new(3, vec![0, 2], with_level).unwrap()
}

#[test]
fn framings_that_cannot_be_are_refused() {
    let out_of_order = FramingError::Channels { n_channels: 3 };
    for (active, expect) in [
        (vec![], Err(FramingError::NoActive)),
        (vec![2, 0], Err(out_of_order.clone())),
        (vec![1, 1], Err(out_of_order.clone())),
        (vec![0, 3], Err(out_of_order)),
        (vec![0, 2], Ok((4, 2))),
    ] {
        let got =
            Framing::new(3, active.clone(), true).map(|framing| (framing.n_inputs(), framing.n_outputs()));
        assert_eq!(got, expect, "{active:?}");
    }
}

#[test]
fn a_mean_is_over_what_was_observed_or_over_the_fillers_where_nothing_was() {
    // Channels a and c of three samples; the middle channel is not read.
    let values = [1.0, 9.0, 10.0, 2.0, 9.0, 20.0, 6.0, 9.0, 60.0];
    let check = |observed: Option<&[bool]>, expect: [f64; 2]| {
        let windows = Windows::new(&values, observed, 3, 3, &[0]);
        let mut means = [0.0; 2];
        framing(false)
            .view(&windows, 0, Head::Reconstruction)
            .means(&mut means);
        assert_eq!(means, expect, "{observed:?}");
    };
    check(None, [3.0, 30.0]);
    let (yes, no) = (true, false);
    check(Some(&[yes, no, yes, no, no, yes, no, no, yes]), [1.0, 30.0]);
    check(Some(&[no, yes, yes, no, yes, no, no, yes, yes]), [3.0, 35.0]);
}

#[test]
fn level_and_deviation_enter_within_their_ranges() {
    // sample, means → levels and deviations, both of the channels 0 and 2; a mean far off says nothing of the level
    for (sample, means, expect) in [
        ([0.5, 9.0, 0.25], [0.25, 0.25], [0.5, 0.25, 0.25, 0.0]),
        ([2.0, 9.0, -1.0], [0.5, 0.5], [1.25, -0.25, 1.5, -1.5]),
        ([1e30, 9.0, -1e300], [0.0, 0.0], [1.25, -0.25, 2.0, -2.0]),
    ] {
        let mut input = [0.0; 4];
        framing(true).input(&sample, &means, &mut input);
        assert_eq!(input, expect, "{sample:?}");
        let mut input = [0.0; 2];
        framing(false).input(&sample, &means, &mut input);
        assert_eq!(input, expect[2..], "{sample:?} without level");
    }
}

#[test]
fn a_forecaster_does_not_see_the_sample_that_it_is_held_against() {
    // Channels a and c of three samples; the last is foreseen.
    let values = [1.0, 9.0, 10.0, 2.0, 9.0, 20.0, 6.0, 9.0, 60.0];
    let check = |observed: Option<&[bool]>, expect_means: [f64; 2], expect_marks: [f32; 2]| {
        let windows = Windows::new(&values, observed, 3, 3, &[0]);
        let framing = framing(false);
        let view = framing.view(&windows, 0, Head::Forecast);
        let (mut means, mut target, mut marks) = ([0.0; 2], [0.0; 2], [0.5; 2]);
        view.means(&mut means);
        view.target(0, &means, &mut target);
        view.marks(0, &mut marks);
        assert_eq!((means, marks), (expect_means, expect_marks), "{observed:?}");
        assert_eq!(view.origins(0, &means).collect::<Vec<_>>(), [2.0, 20.0]);
        assert_eq!(target, [4.0, 40.0]);
        assert_eq!(view.has_observed(), expect_marks != [0.0; 2], "{observed:?}");
    };
    check(None, [1.5, 15.0], [1.0, 1.0]);
    let (yes, no) = (true, false);
    check(
        Some(&[yes, yes, no, no, no, yes, no, yes, yes]),
        [1.0, 20.0],
        [0.0, 1.0],
    );
    // Nothing was observed of c that is seen, and of the last sample only what is not read.
    check(
        Some(&[yes, no, no, yes, no, no, no, yes, no]),
        [1.5, 15.0],
        [0.0, 0.0],
    );
}

#[test]
fn who_rebuilds_and_foresees_sees_all_but_the_last_sample_and_answers_for_each() {
    let framing = framing(false);
    // Channels 0 and 2 of four samples; the middle one is not read.
    let values = [1.0, 9.0, 10.0, 2.0, 9.0, 20.0, 3.0, 9.0, 30.0, 7.0, 9.0, 50.0];
    let windows = Windows::new(&values, None, 3, 4, &[0]);
    let view = framing.view(
        &windows,
        0,
        Head::Both {
            forecast_weight: 0.25,
        },
    );
    let (mut means, mut target, mut marks) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    view.means(&mut means);
    assert_eq!(means, [2.0, 20.0], "the last sample is not seen");
    for (answer, want) in [[-1.0, -10.0], [0.0, 0.0], [1.0, 10.0], [4.0, 20.0]]
        .into_iter()
        .enumerate()
    {
        view.target(answer, &means, &mut target);
        assert_eq!(target, want, "answer {answer}");
        view.marks(answer, &mut marks);
        // Three rebuilt samples count 3/4 of four, the foreseen one 1/4.
        assert_eq!(marks, [1.0; 2], "answer {answer}");
    }
    let view = framing.view(&windows, 0, Head::Both { forecast_weight: 0.4 });
    view.marks(0, &mut marks);
    assert!((marks[0] - 0.8).abs() < 1e-6);
    view.marks(3, &mut marks);
    assert!((marks[0] - 1.6).abs() < 1e-6);
}
