//! Grids by hand, and their laws.

use super::*;
use crate::frame::Channel;
use proptest::prelude::*;

const NAN: f64 = f64::NAN;

fn frame(names: &[&str], secs: &[i64], values: &[f64]) -> Frame {
    let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
    let time = secs.iter().map(|&s| Timestamp::from_secs(s)).collect();
    Frame::new(channels, time, values.to_vec()).unwrap()
}

fn align(fill: Fill, join: Join, max_fill: u64) -> Align {
    Align {
        fill,
        join,
        max_fill: Duration::from_secs(max_fill),
        ..Align::every(Duration::from_secs(10))
    }
}

/// Samples as `secs: values`, a filled value with a star.
fn shown(aligned: &Aligned) -> String {
    let frame = &aligned.frame;
    let rows = (0..frame.n_samples()).map(|row| {
        let sample = frame.sample(row);
        let cells = sample.values.iter().enumerate().map(|(idx, value)| {
            let star = if frame.is_filled(row, idx) { "*" } else { "" };
            if value.is_nan() {
                "-".to_owned()
            } else {
                format!("{value}{star}")
            }
        });
        let secs = sample.time.as_nanos() / 1_000_000_000;
        format!("{secs}: {}", cells.collect::<Vec<_>>().join(" "))
    });
    rows.collect::<Vec<_>>().join(", ")
}

#[test]
fn each_way_of_filling_by_hand() {
    // Channel a every 4 s or so, b rarely.
    let data = frame(
        &["a", "b"],
        &[0, 4, 8, 12, 30, 41],
        &[1.0, 5.0, 2.0, NAN, 3.0, 7.0, 4.0, NAN, 8.0, 9.0, 6.0, NAN],
    );
    let check = |fill, join, max_fill, expect: &str| {
        let aligned = align(fill, join, max_fill).apply(&data).unwrap();
        assert_eq!(shown(&aligned), expect, "{fill:?} {join:?}");
    };
    use Fill::{Last, Linear, Mean, Previous};
    check(
        Last,
        Join::Outer,
        10,
        "0: 1 5, 10: 3 7, 20: 4 -, 30: 8 9, 50: 6 -",
    );
    check(Last, Join::Inner, 10, "0: 1 5, 10: 3 7, 30: 8 9");
    check(
        Mean,
        Join::Outer,
        10,
        "0: 1 5, 10: 2.5 7, 20: 4 -, 30: 8 9, 50: 6 -",
    );
    check(Fill::None, Join::Outer, 10, "0: 1 5, 30: 8 9");
    check(
        Previous,
        Join::Outer,
        12,
        "0: 1 5, 10: 3 7, 20: 4 7*, 30: 8 9, 40: 8* 9*, 50: 6 -",
    );
    // 3 at 8 s and 4 at 12 s make 3.5 at 10 s; 4 and 8 at 30 s lie 18 s apart.
    check(Linear, Join::Outer, 10, "0: 1 5, 10: 3.5 -, 30: 8 9");
    check(
        Linear,
        Join::Outer,
        20,
        "0: 1 5, 10: 3.5 -, 20: 5.777777777777778 -, 30: 8 9, 40: 6.181818181818182* -",
    );
    let aligned = align(Previous, Join::Outer, 12).apply(&data).unwrap();
    assert_eq!(aligned.n_filled, [1, 2]);
    assert_eq!(aligned.sample_of, [0, 1, 1, 2, 3, 5]);
}

#[test]
fn events_long_ago_are_passed_over_at_once() {
    let data = frame(&["a"], &[0, 1_000_000_000], &[1.0, 2.0]);
    let aligned = align(Fill::Previous, Join::Outer, 30).apply(&data).unwrap();
    assert_eq!(shown(&aligned), "0: 1, 10: 1*, 20: 1*, 30: 1*, 1000000000: 2");
    // Data that begin beside the grid.
    let data = frame(&["a"], &[-3, 5], &[1.0, 2.0]);
    assert_eq!(
        shown(&align(Fill::Last, Join::Outer, 0).apply(&data).unwrap()),
        "0: 1, 10: 2"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let data = frame(&["a", "b"], &[0, 1], &[1.0, NAN, NAN, 2.0]);
    let refused = |align: Align| align.apply(&data).unwrap_err();
    assert_eq!(refused(Align::every(Duration::ZERO)), AlignError::Cadence);
    assert_eq!(refused(align(Fill::None, Join::Inner, 0)), AlignError::Empty);
    let names: Vec<Result<Fill, _>> = Fill::ALL.iter().map(|fill| fill.name().parse()).collect();
    assert_eq!(names, Fill::ALL.map(Ok));
    let error = "cubic".parse::<Fill>().unwrap_err().to_string();
    assert_eq!(error, "\"cubic\": wanted previous, linear, mean, last or none");
    assert_eq!("inner".parse(), Ok(Join::Inner));
}

fn any_align() -> impl Strategy<Value = Align> {
    let fill = prop::sample::select(Fill::ALL.to_vec());
    let join = prop::sample::select(Join::ALL.to_vec());
    (fill, join, 0_u64..60).prop_map(|(fill, join, max_fill)| align(fill, join, max_fill))
}

proptest! {
    #[test]
    fn to_align_what_is_aligned_changes_nothing(
        align in any_align(),
        steps in prop::collection::vec(1_i64..40, 1..60),
        missing in prop::collection::vec(any::<bool>(), 120),
    ) {
        let secs: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
        let values: Vec<f64> = (0..2 * secs.len())
            .map(|cell| if missing[cell] { NAN } else { (cell as f64 * 0.7).sin() })
            .collect();
        let data = frame(&["a", "b"], &secs, &values);
        let Ok(once) = align.apply(&data) else { return Ok(()) };
        let again = align.apply(&once.frame).unwrap();
        prop_assert_eq!(shown(&again), shown(&once));
        // No value is invented out of nothing: marked or measured within its step.
        for row in 0..once.frame.n_samples() {
            let end = once.frame.time()[row];
            for idx in 0..2 {
                let is_there = !once.frame.sample(row).values[idx].is_nan();
                let is_measured = (0..data.n_samples()).any(|of| {
                    let at = data.time()[of];
                    at <= end && end.since(at) < Duration::from_secs(10) && !data.sample(of).values[idx].is_nan()
                });
                if is_there && !once.frame.is_filled(row, idx) {
                    prop_assert!(is_measured, "row {} channel {}", row, idx);
                }
            }
        }
    }

    #[test]
    fn what_looks_back_alone_does_not_depend_on_what_follows(
        steps in prop::collection::vec(1_i64..40, 4..40), cut in 2_usize..30,
    ) {
        let secs: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
        let values: Vec<f64> = (0..secs.len()).map(|row| row as f64).collect();
        let data = frame(&["a"], &secs, &values);
        let cut = cut.min(secs.len() - 1);
        for fill in [Fill::Previous, Fill::Last, Fill::Mean, Fill::None] {
            let align = align(fill, Join::Outer, 30);
            let Ok(part) = align.apply(&data.slice(0..cut).unwrap()) else { continue };
            let Ok(whole) = align.apply(&data) else { continue };
            // Steps that are over when the next row comes.
            let over = data.time()[cut];
            let until = |aligned: &Aligned| {
                let n = aligned.frame.time().partition_point(|at| *at < over);
                (0..n).map(|row| aligned.frame.sample(row).values[0].to_bits()).collect::<Vec<_>>()
            };
            let (part, whole) = (until(&part), until(&whole));
            prop_assert_eq!(&part[..], &whole[..part.len()], "{:?}", fill);
        }
    }
}
