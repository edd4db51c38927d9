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

/// The grid as it is defined, without a thought of how it comes row by row: all instants from the step of the first
/// sample to that of the last, and for each channel what `align` says of all its values.
fn by_definition(align: &Align, data: &Frame) -> Vec<(i64, Vec<(u64, bool)>)> {
    const SECOND: i64 = 1_000_000_000;
    let cadence = align.cadence.as_nanos() as i64;
    let max_fill = align.max_fill.as_nanos() as i64;
    let step_of =
        |at: i64| at.div_euclid(cadence) * cadence + if at.rem_euclid(cadence) == 0 { 0 } else { cadence };
    let at = |row: usize| data.time()[row].as_nanos();
    let mut rows = Vec::new();
    let (mut instant, end) = (step_of(at(0)), step_of(at(data.n_samples() - 1)));
    while instant <= end {
        let cell = |channel_idx: usize| {
            let all: Vec<(i64, f64)> = (0..data.n_samples())
                .map(|row| (at(row), data.sample(row).values[channel_idx]))
                .filter(|(_, value)| !value.is_nan())
                .collect();
            let within: Vec<_> = all
                .iter()
                .filter(|(at, _)| *at > instant - cadence && *at <= instant)
                .collect();
            let before = all.iter().rfind(|(at, _)| *at <= instant);
            let after = all.iter().find(|(at, _)| *at > instant);
            let exact = all
                .iter()
                .find(|(at, _)| *at == instant)
                .map(|(_, value)| (*value, false));
            let last = within.last().map(|(_, value)| (*value, false));
            match align.fill {
                Fill::None => exact,
                Fill::Last => last,
                Fill::Mean => last.map(|_| {
                    (
                        within.iter().map(|(_, value)| value).sum::<f64>() / within.len() as f64,
                        false,
                    )
                }),
                Fill::Previous => last.or_else(|| {
                    before
                        .filter(|(at, _)| instant - step_of(*at) <= max_fill)
                        .map(|(_, value)| (*value, true))
                }),
                Fill::Linear => exact.or_else(|| {
                    let ((from, a), (to, b)) = (before?, after?);
                    let share = (instant - from) as f64 / (to - from) as f64;
                    (to - from <= max_fill).then(|| (a * (1.0 - share) + b * share, within.is_empty()))
                }),
            }
        };
        let cells: Vec<Option<(f64, bool)>> = (0..data.n_channels()).map(cell).collect();
        let is_sample = match align.join {
            Join::Inner => cells.iter().all(Option::is_some),
            Join::Outer => cells.iter().any(Option::is_some),
        };
        if is_sample {
            let bits = cells
                .iter()
                .map(|cell| cell.map_or((u64::MAX, false), |(value, is_filled)| (bits(value), is_filled)));
            rows.push((instant / SECOND, bits.collect()));
        }
        instant += cadence;
    }
    rows
}

fn bits(value: f64) -> u64 {
    if value.is_nan() { u64::MAX } else { value.to_bits() }
}

/// The second of a grid's row, and its cells: bits, and whether they were filled.
type Row = (i64, Vec<(u64, bool)>);

/// The rows that samples make one after the other, each with the number of samples that had come by then. Before the
/// samples in `breaks` the grid is put away and taken up again.
fn row_by_row(align: &Align, data: &Frame, breaks: &[usize]) -> Vec<(usize, Row)> {
    let mut grid = Aligner::new(align, data.n_channels()).unwrap();
    let mut rows = Vec::new();
    for row in 0..=data.n_samples() {
        if breaks.contains(&row) {
            let memory = grid.memory();
            grid = Aligner::resume(align, data.n_channels(), memory.clone()).unwrap();
            assert_eq!(format!("{:?}", grid.memory()), format!("{memory:?}"));
        }
        let mut take = |of: GridRow<'_>| {
            let cells = of
                .values
                .iter()
                .zip(of.filled)
                .map(|(value, is_filled)| (bits(*value), *is_filled));
            rows.push((row, (of.time.as_nanos() / 1_000_000_000, cells.collect())));
            true
        };
        if row < data.n_samples() {
            grid.push(data.time()[row], data.sample(row).values, &[], &mut take);
        } else {
            grid.finish(&mut take);
        }
    }
    rows
}

#[test]
fn a_row_is_told_as_soon_as_nothing_can_change_it() {
    let data = frame(
        &["a", "b"],
        &[0, 4, 8, 12, 20, 31],
        &[1.0, 5.0, 2.0, NAN, 3.0, 7.0, 4.0, NAN, 8.0, 9.0, 6.0, NAN],
    );
    let told = |fill| -> Vec<(usize, i64)> {
        row_by_row(&align(fill, Join::Outer, 20), &data, &[])
            .into_iter()
            .map(|(row, (secs, _))| (row, secs))
            .collect()
    };
    // 0 s and 20 s lie on the grid; 10 s is over once 12 s has come, 30 s with 31 s, 40 s with the end.
    assert_eq!(told(Fill::Previous), [(0, 0), (3, 10), (4, 20), (5, 30), (6, 40)]);
    assert_eq!(told(Fill::Last), [(0, 0), (3, 10), (4, 20), (6, 40)]);
    // Of 10 s channel b, which has 7 at 8 s, has its next value at 20 s alone.
    assert_eq!(told(Fill::Linear)[..3], [(0, 0), (4, 10), (4, 20)]);
    // At 31 s channel b could still have a value that is near enough to that of 20 s.
    assert_eq!(told(Fill::Linear)[3], (6, 30));
}

#[test]
fn what_comes_too_late_is_passed_over() {
    let align = align(Fill::Mean, Join::Outer, 0);
    let mut grid = Aligner::new(&align, 1).unwrap();
    let mut rows = Vec::new();
    let mut push = |grid: &mut Aligner, secs, value| {
        grid.push(Timestamp::from_secs(secs), &[value], &[], &mut |row| {
            rows.push((row.time.as_nanos() / 1_000_000_000, row.values[0]));
            true
        })
    };
    for (secs, value) in [
        (3, 1.0),
        (2, 100.0),
        (7, 3.0),
        (11, 5.0),
        (9, 100.0),
        (20, 7.0),
        (20, 100.0),
    ] {
        push(&mut grid, secs, value);
    }
    assert_eq!(grid.over(), Some(Timestamp::from_secs(20)));
    assert!(!grid.is_waiting());
    assert_eq!(rows, [(10, 2.0), (20, 6.0)]);
    assert_eq!(Aligner::resume(&align, 2, grid.memory()).map(|_| ()), None);
    let mut memory = grid.memory();
    memory.over = Some(Timestamp::from_secs(3));
    assert_eq!(Aligner::resume(&align, 1, memory).map(|_| ()), None);
}

proptest! {
    #[test]
    fn the_grid_row_by_row_is_the_grid_by_definition(
        align in any_align(),
        steps in prop::collection::vec(prop_oneof![8 => 1_i64..14, 1 => 15_i64..300], 1..60),
        missing in prop::collection::vec(any::<bool>(), 120),
        breaks in prop::collection::vec(0_usize..60, 0..6),
    ) {
        let secs: Vec<i64> = steps.iter().scan(-40, |at, step| { *at += step; Some(*at) }).collect();
        let values: Vec<f64> = (0..2 * secs.len())
            .map(|cell| if missing[cell] { NAN } else { (cell as f64 * 0.7).sin() })
            .collect();
        let data = frame(&["a", "b"], &secs, &values);
        let rows: Vec<_> = row_by_row(&align, &data, &breaks).into_iter().map(|(_, row)| row).collect();
        prop_assert_eq!(&rows, &by_definition(&align, &data));
        if let Ok(whole) = align.apply(&data) {
            prop_assert_eq!(whole.frame.n_samples(), rows.len());
        }
    }

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
