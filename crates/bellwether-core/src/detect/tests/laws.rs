//! Laws that scores obey: of order, units, blocks, cuts, and the way rows arrive.

use proptest::prelude::*;

use super::*;
use crate::event::EventChange;

#[test]
fn columns_in_another_order_give_the_same_bits() {
    let detector = ensemble(8, true);
    let data = Plant {
        missing: 0.1,
        ..clean(120)
    }
    .rows(6);
    let order = [2, 0, 3, 1];
    let names = order.map(|idx: usize| CHANNELS[idx]);
    let values = data
        .values()
        .chunks_exact(4)
        .flat_map(|row| order.map(|idx| row[idx]))
        .collect();
    let secs = data
        .time()
        .iter()
        .map(|time| time.as_nanos() / 1_000_000_000)
        .collect();
    let moved = frame(&names, secs, values);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let (one, one_shares) = scores_and_shares(&detector, data.clone(), mode);
        let (other, other_shares) = scores_and_shares(&detector, moved.clone(), mode);
        assert_eq!(bits(&one.score), bits(&other.score));
        assert_eq!(bits(&one_shares), bits(&other_shares));
        assert_eq!((one.events, one.event), (other.events, other.event));
    }
}

#[test]
fn permuting_channels_before_the_fit_permutes_shares() {
    let order = [3, 1, 0, 2];
    let permute = |data: &Frame| {
        let values = data
            .values()
            .chunks_exact(4)
            .flat_map(|row| order.map(|idx: usize| row[idx]))
            .collect();
        let secs = data
            .time()
            .iter()
            .map(|time| time.as_nanos() / 1_000_000_000)
            .collect();
        frame(&order.map(|idx| CHANNELS[idx]), secs, values)
    };
    let (train, held_out) = (clean(300).rows(1), clean(200).rows(2));
    let data = Plant {
        missing: 0.1,
        fault: true,
        ..clean(120)
    }
    .rows(7);
    let one = fit(train.clone(), held_out.clone(), 8, false);
    let other = fit(permute(&train), permute(&held_out), 8, false);
    for mode in [Mode::Causal, Mode::Retrospective] {
        let (a, a_shares) = scores_and_shares(&one, data.clone(), mode);
        let (b, b_shares) = scores_and_shares(&other, permute(&data), mode);
        for row in (0..120).filter(|row| !a.score[*row].is_nan()) {
            assert_close(b.score[row], a.score[row], 1e-9, "score");
            for (to, from) in order.iter().enumerate() {
                assert_close(b_shares[row * 4 + to], a_shares[row * 4 + from], 1e-9, "share");
            }
        }
    }
}

#[test]
fn another_unit_of_a_channel_leaves_scores_alone() {
    // Degrees Fahrenheit for Celsius, and a sign turned round; the constant channel keeps its unit.
    let affine = [(1.8, 32.0), (-250.0, 1e3), (3.0, -1.0), (1.0, 0.0)];
    let rescale = |data: &Frame| {
        let cells = data.values().iter().enumerate();
        let values = cells
            .map(|(idx, x)| affine[idx % 4].0 * x + affine[idx % 4].1)
            .collect();
        let secs = data
            .time()
            .iter()
            .map(|time| time.as_nanos() / 1_000_000_000)
            .collect();
        frame(&CHANNELS, secs, values)
    };
    let (train, held_out) = (clean(300).rows(1), clean(200).rows(2));
    let data = Plant {
        missing: 0.05,
        gaps: 0.01,
        fault: true,
        ..clean(200)
    }
    .rows(8);
    for always in [true, false] {
        let one = fit(train.clone(), held_out.clone(), 8, always);
        let other = fit(rescale(&train), rescale(&held_out), 8, always);
        for mode in [Mode::Causal, Mode::Retrospective] {
            let a = one.score(&series(), data.clone(), mode).unwrap().score;
            let b = other.score(&series(), rescale(&data), mode).unwrap().score;
            for (a, b) in a.iter().zip(&b) {
                assert_eq!(a.is_nan(), b.is_nan());
                if !a.is_nan() {
                    assert_close(*b, *a, 1e-9, "score");
                }
            }
        }
    }
}

/// Asserts that a session says of each row what the scores of the whole frame say.
pub(super) fn assert_stream_equals_batch(detector: &Arc<Detector>, data: &Frame) {
    let (batch, shares) = scores_and_shares(detector, data.clone(), Mode::Causal);
    let mut session = detector.session(series(), data.schema()).unwrap();
    let (mut scores, mut events) = (Vec::new(), Vec::new());
    let n = detector.pipeline().n_channels();
    for row in 0..data.n_samples() {
        let verdict = session.push(data.sample(row)).unwrap();
        let score = verdict.as_ref().and_then(|verdict| verdict.score);
        scores.push(score.unwrap_or(NAN));
        let event = verdict.as_ref().and_then(crate::session::Verdict::event);
        assert_eq!(event, batch.event[row], "event of row {row}");
        assert_eq!(verdict.as_ref().and_then(|verdict| verdict.top), batch.top[row]);
        let outside = verdict.as_ref().and_then(|verdict| verdict.outside);
        assert_eq!(outside, batch.outside.get(row).copied().flatten(), "row {row}");
        if score.is_some() {
            assert_eq!(
                bits(session.shares()),
                bits(&shares[row * n..(row + 1) * n]),
                "shares of row {row}"
            );
            assert_close(session.shares().iter().sum(), 1.0, 1e-12, "shares");
        }
        if let Some(verdict) = verdict {
            assert!(verdict.ended.is_none() || !matches!(verdict.change, EventChange::Closed(_)));
            events.extend(verdict.closed().cloned());
        }
    }
    events.extend(session.finish());
    assert_eq!(bits(&scores), bits(&batch.score));
    assert_eq!(events, batch.events);
}

#[test]
fn an_event_that_a_gap_ends_is_told_by_the_stream_too() {
    let detector = Arc::new(ensemble(8, false));
    let faulty = Plant {
        fault: true,
        ..clean(60)
    }
    .rows(13);
    // Cut in the middle of the fault, an hour's gap, and on.
    let values = faulty.values()[..40 * 4].to_vec();
    let secs = (0..40)
        .map(|row| if row < 38 { 10 * row } else { 3600 + 10 * row })
        .collect();
    let data = frame(&CHANNELS, secs, values);
    let scores = detector.score(&series(), data.clone(), Mode::Causal).unwrap();
    assert!(scores.events.last().is_some_and(|event| !event.is_open));
    assert_stream_equals_batch(&detector, &data);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stream_and_batch_agree_bit_for_bit(
        seed in any::<u64>(), n_rows in 20_usize..160, len in 1_usize..12, always in any::<bool>(),
        missing in 0.0..0.7_f64, gaps in 0.0..0.1_f64, fault in any::<bool>(),
    ) {
        let detector = Arc::new(ensemble(len, always));
        let data = Plant { n_rows, missing, gaps, fault }.rows(seed);
        assert_stream_equals_batch(&detector, &data);
        assert_stream_equals_batch(&Arc::new(drifting(&detector, 10 + len)), &data);
        for combination in [Combination::Max, Combination::Aom] {
            assert_stream_equals_batch(&Arc::new(combined(&detector, combination)), &data);
        }
    }

    #[test]
    fn a_file_cut_with_its_context_gives_the_same_bits(
        seed in any::<u64>(), cut in 0_usize..150, len in 1_usize..12,
        missing in 0.0..0.7_f64, gaps in 0.0..0.03_f64,
    ) {
        let detector = ensemble(len, false);
        let detector = if seed % 2 == 0 { detector } else { drifting(&detector, 10 + len) };
        let data = Plant { n_rows: 300, missing, gaps, fault: true }.rows(seed);
        let whole = detector.score(&series(), data.clone(), Mode::Causal).unwrap();
        let tail = detector.score(&series(), data.slice(cut..300).unwrap(), Mode::Causal).unwrap();
        let first = cut + detector.context_len() - 1;
        prop_assert!(first < 300);
        prop_assert_eq!(bits(&whole.score[first..]), bits(&tail.score[first - cut..]));
        // An event that begins where both know the same is the same event, kind and confidence included.
        let votes_from = data.time()[(first + detector.parts().events.m()).min(299)];
        let of_whole = whole.events.iter().find(|event| event.end >= data.time()[cut]);
        if let (Some(of_whole), Some(of_tail)) = (of_whole, tail.events.first())
            && of_whole.start >= votes_from
            && of_tail.start >= votes_from
        {
            prop_assert_eq!(of_whole, of_tail);
        }
    }

    #[test]
    fn scores_do_not_depend_on_the_size_of_blocks(
        seed in any::<u64>(), windows_max in 1_usize..40, len in 1_usize..12, gaps in 0.0..0.1_f64,
    ) {
        let detector = ensemble(len, false);
        let data = Plant { n_rows: 150, missing: 0.2, gaps, fault: true }.rows(seed);
        for mode in [Mode::Causal, Mode::Retrospective] {
            let run = |windows_max| {
                let prepared = detector.pipeline().apply(data.clone()).unwrap();
                crate::detect::scores::score_rows(&detector, &series(), prepared, mode, windows_max, &mut |_| {}).unwrap()
            };
            let (one, other) = (run(windows_max), run(crate::detect::blocks::BLOCK_WINDOWS));
            prop_assert_eq!(bits(&one.score), bits(&other.score));
            prop_assert_eq!(one.events, other.events);
        }
    }
}
