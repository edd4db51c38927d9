//! A turn of many devices, and a session put away and taken up again, say what one sample after the other says.

use proptest::prelude::*;

use super::*;
use crate::detect::Combination;
use crate::detect::tests::{Plant, combined, derived_ensemble, drifting, ensemble};
use crate::frame::Frame;

/// What one device was told, bit for bit.
fn told(verdict: Option<&Verdict>, shares: &[f64]) -> String {
    let Some(verdict) = verdict else {
        return "filling".to_owned();
    };
    let bits: Vec<u64> = verdict
        .score
        .iter()
        .chain(shares.iter().filter(|_| verdict.score.is_some()))
        .map(|value| value.to_bits())
        .collect();
    format!(
        "{bits:?} {:?} {:?} {:?} {:?}",
        verdict.top, verdict.change, verdict.ended, verdict.outside
    )
}

/// The samples laid out as those of a session that is taken up.
fn as_inputs(detector: &Detector, data: &Frame) -> Frame {
    let inputs = detector.pipeline().inputs().channels();
    let place = |channel: &Channel| data.schema().channel_idx(channel.name()).unwrap();
    let order: Vec<usize> = inputs.iter().map(place).collect();
    let values =
        (0..data.n_samples()).flat_map(|row| order.iter().map(move |&idx| data.sample(row).values[idx]));
    Frame::new(inputs.to_vec(), data.time().to_vec(), values.collect()).unwrap()
}

fn one_by_one(detector: &Arc<Detector>, name: &str, data: &Frame) -> (Vec<String>, Option<Event>) {
    let mut session = detector.session(SeriesId::new(name), data.schema()).unwrap();
    let told = (0..data.n_samples())
        .map(|row| {
            let verdict = session.push(data.sample(row)).unwrap();
            told(verdict.as_ref(), session.shares())
        })
        .collect();
    (told, session.finish())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn turns_of_many_devices_and_restored_sessions_agree_with_single_pushes(
        seed in any::<u64>(), len in 1_usize..12, missing in 0.0..0.5_f64, gaps in 0.0..0.1_f64,
        chunks in proptest::collection::vec(0_usize..9, 12..40),
    ) {
        let detector = Arc::new(match seed % 5 {
            4 => combined(&ensemble(len, false), Combination::Aom),
            3 => drifting(&ensemble(len, false), 10 + len),
            0 => derived_ensemble(len.min(8)),
            rest => ensemble(len, rest == 1),
        });
        let names = ["a", "b", "c"];
        let data: Vec<Frame> = (0..3)
            .map(|idx| as_inputs(&detector, &Plant { n_rows: 90, missing, gaps, fault: true }.rows(seed ^ idx)))
            .collect();
        let mut sessions: Vec<Session> = names.iter().zip(&data)
            .map(|(name, data)| detector.session(SeriesId::new(*name), data.schema()).unwrap())
            .collect();
        let mut got: [Vec<String>; 3] = Default::default();
        let mut next = [0; 3];
        let mut scratch = Scratch::default();
        for round in 0.. {
            if next.iter().zip(&data).all(|(next, data)| *next == data.n_samples()) {
                break;
            }
            let samples: Vec<Vec<Sample<'_>>> = (0..3).map(|idx| {
                let n = (chunks[(3 * round + idx) % chunks.len()] + usize::from(round > 200))
                    .min(data[idx].n_samples() - next[idx]);
                next[idx] += n;
                (next[idx] - n..next[idx]).map(|row| data[idx].sample(row)).collect()
            }).collect();
            let mut turns: Vec<Turn<'_>> = sessions.iter_mut().zip(&samples)
                .map(|(session, samples)| Turn { session, samples, filled: &[] })
                .collect();
            judge(&mut turns, &mut scratch, &mut |judged| {
                let verdict = judged.answer.as_ref().unwrap();
                got[judged.turn_idx].push(told(verdict.as_ref(), judged.session.shares()));
            });
            // One of them is put away and taken up again.
            let idx = round % 3;
            let state = sessions[idx].state();
            sessions[idx] = detector.resume(SeriesId::new(names[idx]), state.clone()).unwrap();
            prop_assert_eq!(format!("{:?}", sessions[idx].state()), format!("{state:?}"));
        }
        for ((name, data), (session, got)) in names.iter().zip(&data).zip(sessions.into_iter().zip(got)) {
            prop_assert_eq!((got, session.finish()), one_by_one(&detector, name, data));
        }
    }
}

#[test]
fn what_is_expected_of_a_sample_does_not_depend_on_its_turn() {
    let detector = Arc::new(ensemble(5, true));
    let data = Plant {
        n_rows: 30,
        missing: 0.1,
        gaps: 0.0,
        fault: true,
    }
    .rows(3);
    let samples: Vec<_> = (0..30).map(|row| data.sample(row)).collect();
    let mut session = detector.session(SeriesId::new("a"), data.schema()).unwrap();
    let mut turn = [Turn {
        session: &mut session,
        samples: &samples,
        filled: &[],
    }];
    let mut got = Vec::new();
    judge(&mut turn, &mut Scratch::default(), &mut |judged| {
        got.push(judged.expected().unwrap())
    });
    assert!(got[..4].iter().all(Option::is_none));
    let want = detector
        .expected(&data, 4..30, crate::detect::Mode::Causal)
        .unwrap();
    for (row, got) in got[4..].iter().enumerate() {
        let want = &want.expected[row * 4..(row + 1) * 4];
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(got.as_ref().unwrap()), bits(want), "row {row}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let detector = Arc::new(ensemble(4, true));
    let data = Plant {
        n_rows: 20,
        missing: 0.0,
        gaps: 0.0,
        fault: true,
    }
    .rows(1);
    let mut session = detector.session(SeriesId::new("a"), data.schema()).unwrap();
    for row in 0..20 {
        session.push(data.sample(row)).unwrap();
    }
    let check = |spoil: &dyn Fn(&mut SessionState), expect: &str| {
        let mut state = session.state();
        spoil(&mut state);
        let error = detector
            .resume(SeriesId::new("a"), state)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(&|state| state.age.truncate(1), "number of channels");
    check(&|state| state.recent.truncate(3), "do not fill a window");
    check(&|state| state.recent.extend([0.0; 4]), "do not fill a window");
    check(&|state| state.last_value[0] = f64::NAN, "not finite");
    check(
        &|state| state.contributions[0].extend(vec![None; 100_000]),
        "remembers more rows",
    );
    check(
        &|state| state.contributions[0].fill(Some(vec![])),
        "contributions",
    );
    check(&|state| state.contributions.truncate(1), "number of members");
    check(&|state| state.level.push(0.1), "follows other rows");
    check(
        &|state| {
            let row = crate::event::TrackedRow {
                time: Timestamp::from_secs(0),
                score: 1.0,
                shares: vec![],
                members: vec![],
                agreement: 0.0,
            };
            state.tracker.phase = crate::event::Phase::Quiet(vec![row]);
        },
        "contradict the event rule",
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn samples_brought_to_a_grid_as_they_come_are_told_what_the_aligned_frame_is_told(
        seed in any::<u64>(), len in 1_usize..8, missing in 0.0..0.7_f64, gaps in 0.0..0.1_f64,
        fill in prop::sample::select(vec!["previous", "linear", "mean", "last", "none"]),
        join in prop::sample::select(vec!["outer", "inner"]),
        chunks in proptest::collection::vec(0_usize..30, 4..12),
    ) {
        use crate::detect::Mode;
        use crate::transform::{Align, Aligner};

        let detector = Arc::new(match seed % 3 {
            0 => derived_ensemble(len),
            1 => drifting(&ensemble(len, true), 10 + len),
            _ => ensemble(len, false),
        });
        let plant = as_inputs(&detector, &Plant { n_rows: 240, missing, gaps, fault: true }.rows(seed));
        // Six seconds or so apart, on no grid.
        let time: Vec<Timestamp> = plant
            .time()
            .iter()
            .zip(0_i64..)
            .map(|(at, row)| Timestamp::from_secs(at.as_nanos() / 1_000_000_000 * 6 / 10 + row * 7 % 5))
            .collect();
        let (channels, _, values) = plant.into_parts();
        let data = Frame::new(channels.channels().to_vec(), time, values).unwrap();
        let align = Align {
            fill: fill.parse().unwrap(),
            join: join.parse().unwrap(),
            max_fill: std::time::Duration::from_secs(40),
            ..Align::every(std::time::Duration::from_secs(10))
        };
        let Ok(aligned) = align.apply(&data) else { return Ok(()) };
        let Ok(want) = detector.score(&SeriesId::new("a"), aligned.frame.clone(), Mode::Causal) else {
            return Ok(());
        };

        let mut session = detector.session(SeriesId::new("a"), data.schema()).unwrap();
        let mut grid = Aligner::new(&align, data.n_channels()).unwrap();
        let (mut scratch, mut got, mut row) = (Scratch::default(), Vec::new(), 0);
        for round in 0.. {
            let (mut time, mut values, mut filled) = (Vec::new(), Vec::new(), Vec::new());
            let mut take = |of: crate::transform::GridRow<'_>| {
                time.push(of.time);
                values.push(of.values.to_vec());
                filled.extend_from_slice(of.filled);
                true
            };
            let n = (chunks[round % chunks.len()] + usize::from(round > 100)).min(data.n_samples() - row);
            for row in row..row + n {
                grid.push(data.time()[row], data.sample(row).values, &[], &mut take);
            }
            row += n;
            let is_end = row == data.n_samples();
            if is_end {
                grid.finish(&mut take);
            }
            let samples: Vec<Sample<'_>> = time
                .iter()
                .zip(&values)
                .map(|(time, values)| Sample { time: *time, values })
                .collect();
            let mut turn = [Turn { session: &mut session, samples: &samples, filled: &filled }];
            judge(&mut turn, &mut scratch, &mut |judged| {
                let verdict = judged.answer.unwrap();
                let score = verdict.as_ref().and_then(|verdict| verdict.score);
                let event = verdict.as_ref().and_then(Verdict::event);
                got.push((score.map_or(u64::MAX, f64::to_bits), event, verdict.and_then(|verdict| verdict.top)));
            });
            let memory = grid.memory();
            grid = Aligner::resume(&align, data.n_channels(), memory).unwrap();
            if is_end {
                break;
            }
        }
        let bits = |score: f64| if score.is_nan() { u64::MAX } else { score.to_bits() };
        let want: Vec<_> = (0..aligned.frame.n_samples())
            .map(|row| (bits(want.score[row]), want.event[row], want.top[row]))
            .collect();
        prop_assert_eq!(got, want, "{:?}", align);
    }
}
