//! Faults do what they say, where they say, and nothing else; what does not fit is refused.

use proptest::prelude::*;

use super::*;

/// For each kind, with explicit parts: outside interval and channels all bits stay, and the truth says where.
#[test]
fn an_anomaly_changes_its_interval_and_channels_only() {
    let healthy = one(&with(&[]));
    for kind in AnomalyKind::ALL {
        let text = format!("{kind}@6000+200:flow_m3h,vibration_mm_s");
        let ill = one(&with(&[&text]));
        let [fault] = &ill.faults[..] else {
            panic!("{kind}: one fault")
        };
        assert_eq!(
            (fault.kind, fault.first_idx, fault.last_idx, fault.n_samples()),
            (kind, 6000, 6199, 200)
        );
        assert_eq!(
            (fault.start, fault.end),
            (ill.frame.time()[6000], ill.frame.time()[6199])
        );
        assert_eq!(fault.channels, ["flow_m3h", "vibration_mm_s"]);
        let mut n_changed = 0;
        for idx in 0..healthy.frame.values().len() {
            let (sample_idx, channel_idx) = (idx / 8, idx % 8);
            let is_inside = (6000..6200).contains(&sample_idx) && [1, 7].contains(&channel_idx);
            let is_same = healthy.frame.values()[idx].to_bits() == ill.frame.values()[idx].to_bits();
            assert!(
                is_same || is_inside,
                "{kind}: sample {sample_idx} channel {channel_idx}"
            );
            n_changed += usize::from(!is_same);
        }
        assert!(n_changed > 300, "{kind}: changed {n_changed} of 400 values");
    }
}

#[test]
fn an_anomaly_added_at_the_end_moves_none_before() {
    let some = one(&with(&["spike", "drift", "noise", "stuck"]));
    let more = one(&with(&[
        "spike",
        "drift",
        "noise",
        "stuck",
        "dropout",
        "level-shift@100+9",
    ]));
    assert_eq!(some.faults[..], more.faults[..4]);
    // Giving one part of an anomaly leaves its other parts as the seed chose them.
    let pinned = one(&with(&["spike", "drift*2", "noise", "stuck"]));
    assert_eq!(pinned.faults[1].magnitude, Some(2.0));
    assert_eq!(
        (pinned.faults[1].start, pinned.faults[1].end),
        (some.faults[1].start, some.faults[1].end)
    );
    assert_eq!(pinned.faults[1].channels, some.faults[1].channels);
}

#[test]
fn chosen_anomalies_lie_in_the_second_half_and_apart() {
    for seed in 0..20 {
        // The longest first: it is placed while there is room.
        let mut anomalies = AnomalyKind::ALL.map(AnomalySpec::new).to_vec();
        anomalies.reverse();
        let plant = PlantSpec {
            seed,
            anomalies,
            ..PlantSpec::default()
        };
        let device = one(&plant);
        let mut spans: Vec<(usize, usize)> =
            device.faults.iter().map(|f| (f.first_idx, f.last_idx)).collect();
        spans.sort_unstable();
        assert!(spans[0].0 >= 5040, "{spans:?}");
        assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{spans:?}");
        let n_labelled = labels(plant.n_samples, &device.faults)
            .into_iter()
            .filter(|&label| label)
            .count();
        assert_eq!(
            n_labelled,
            device.faults.iter().map(Fault::n_samples).sum::<usize>()
        );
    }
}

#[test]
fn starts_may_be_shares_and_times() {
    let check = |text: &str, want: usize| assert_eq!(one(&with(&[text])).faults[0].first_idx, want, "{text}");
    check("stuck@0+9", 0);
    check("stuck@50%+9", 5040);
    check("stuck@57%+9", 5745);
    check("stuck@99.99%+2:0", 10_078);
    check("stuck@2024-01-01+9", 0);
    check("stuck@2024-01-02T00:00:01Z+9", 1441);
    check("dropout@2024-01-07T23:59+1", 10_079);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let check = |plant: PlantSpec, expect: &str| {
        let error = generate(&plant).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let range = "samples 0 to 10079, 2024-01-01T00:00:00Z to 2024-01-07T23:59:00Z";
    check(
        with(&["spike@10080"]),
        &format!("pump-01: anomaly \"spike@10080\": starts outside the data, which are {range}"),
    );
    check(with(&["spike@2023-12-31"]), "starts outside");
    check(with(&["spike@2024-01-08"]), "starts outside");
    check(
        with(&["drift@10000+81"]),
        "needs 81 samples but the data hold 80 from its start on",
    );
    check(
        with(&["drift+10081"]),
        "needs 10081 samples but the data hold 10080",
    );
    check(
        with(&["correlation-break@10075"]),
        "needs 8 samples but the data hold 5",
    );
    check(
        with(&["spike:flow"]),
        "no channel \"flow\"; channels are 0 speed_rpm, 1 flow_m3h, 2 ",
    );
    check(with(&["spike:8"]), "no channel \"8\"");
    check(with(&["spike:1,flow_m3h"]), "channel \"flow_m3h\" is named twice");
    check(
        with(&["dropout@5+5:1", "dropout@6+3:1"]),
        "would change nothing in channel \"flow_m3h\" at samples 6 to 8",
    );
    check(with(&["dropout@5+5:1", "spike@6+3:1"]), "would change nothing");
    check(
        with(&["stuck+6000", "noise+6000"]),
        "no 6000 samples free of other anomalies",
    );
    check(with(&["spike*1e308"]), "would become infinite");
    check(
        with(&["pump-02/spike"]),
        "no such device; devices are pump-01 to pump-01",
    );
    let one_channel = PlantSpec {
        n_channels: Some(1),
        ..with(&["correlation-break"])
    };
    check(one_channel, "the data have one channel");

    let plain = PlantSpec::default;
    check(
        PlantSpec {
            n_samples: 0,
            ..plain()
        },
        "0 samples",
    );
    check(
        PlantSpec {
            n_devices: 0,
            ..plain()
        },
        "0 devices: want 1 to 100000",
    );
    check(
        PlantSpec {
            n_devices: usize::MAX,
            ..plain()
        },
        "devices",
    );
    check(
        PlantSpec {
            n_channels: Some(0),
            ..plain()
        },
        "0 channels: want 1 to 10000",
    );
    check(
        PlantSpec {
            n_channels: Some(usize::MAX),
            ..plain()
        },
        "channels",
    );
    check(
        PlantSpec {
            cadence: Duration::ZERO,
            ..plain()
        },
        "cadence 0",
    );
    let endless = PlantSpec {
        n_samples: usize::MAX,
        cadence: Duration::from_nanos(1),
        ..plain()
    };
    check(endless, "end after the year 2262");
    let huge = PlantSpec {
        n_samples: 1 << 60,
        cadence: Duration::from_nanos(1),
        ..plain()
    };
    check(huge, "do not fit into memory");
}

#[test]
fn any_frame_can_be_given_faults() {
    let channels = ["a", "b", "flat", "gone"].map(crate::frame::Channel::new);
    let time: Vec<Timestamp> = (0..100).map(Timestamp::from_secs).collect();
    let row = |t: i32| [f64::from(t), f64::from(t % 7) / 10.0, 5.0, f64::NAN];
    let frame = Frame::new(channels.to_vec(), time, (0..100).flat_map(row).collect()).unwrap();
    let inject = |text: &str, seed| inject(&frame, &[spec(text)], seed);

    for seed in 0..30 {
        for kind in AnomalyKind::ALL {
            let (ill, faults) = inject(kind.name(), seed).unwrap();
            assert_ne!(format!("{ill:?}"), format!("{frame:?}"), "{kind}");
            let is_free =
                kind == AnomalyKind::Dropout || ["a", "b"].contains(&faults[0].channels[0].as_str());
            assert!(
                is_free && faults[0].channels[0] != "gone",
                "{kind} in {:?}",
                faults[0].channels
            );
        }
    }
    let (ill, _) = inject("noise@10+50*0.5:b", 1).unwrap();
    let tenths = column(&ill, "b").into_iter().map(|value| value * 10.0);
    assert!(
        tenths
            .map(|value| (value - value.round()).abs())
            .all(|off| off < 1e-9),
        "keeps to tenths"
    );

    let check = |text: &str, expect: &str| {
        let error = inject(text, 0).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("spike:flat", "channel \"flat\" is constant or missing throughout");
    check(
        "dropout:gone",
        "channel \"gone\" is constant or missing throughout",
    );
    check("dropout:*", "channel \"gone\"");
    let unchecked = AnomalySpec {
        length: Some(0),
        ..AnomalySpec::new(AnomalyKind::Spike)
    };
    let error = super::inject(&frame, &[unchecked], 0).unwrap_err().to_string();
    assert!(error.contains("length \"0\""), "{error}");
}

#[test]
fn live_data_are_scaled_by_a_longer_frame() {
    let mut stream = PlantStream::new(&PlantSpec::default(), 0).unwrap();
    let history = stream.next_frame(5_000).unwrap();
    let live = stream.next_frame(60).unwrap();
    let shift = [spec("level-shift@30+10*4:flow_m3h")];
    let (ill, faults) = inject_scaled(&live, &history, &shift, 0).unwrap();
    let offset = column(&ill, "flow_m3h")[30] - column(&live, "flow_m3h")[30];
    let std = moments(&column(&history, "flow_m3h")).1;
    assert!((offset / std - 4.0).abs() < 0.011, "{offset} at {std}");
    assert_eq!(faults[0].start, live.time()[30]);

    let server = PlantSpec {
        template: Template::Server,
        ..PlantSpec::default()
    };
    let error = inject_scaled(&live, &one(&server).frame, &shift, 0)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has channels 0 requests_per_s, 1 cpu_percent"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(.{0,20}|(a/)?(spike|noise|stuck)[@+*:0-9TZé, .-]{0,40})") {
        if let Ok(read) = text.parse::<AnomalySpec>() {
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    /// On small frames with holes, where much does not fit: refused, or true to the label.
    #[test]
    fn any_anomaly_fits_or_is_refused(
        values in prop::collection::vec(prop_oneof![4 => -9.0..9.0, 1 => Just(f64::NAN), 1 => Just(3.0)], 2..120),
        kind in prop::sample::select(&AnomalyKind::ALL),
        start in prop::option::of(0_usize..70),
        length in prop::option::of(0_usize..70),
        seed: u64,
    ) {
        let n_samples = values.len() / 2;
        let time: Vec<Timestamp> = (0..).map(Timestamp::from_secs).take(n_samples).collect();
        let channels = ["a", "b"].map(crate::frame::Channel::new).to_vec();
        let frame = Frame::new(channels, time, values[..2 * n_samples].to_vec()).unwrap();
        let anomaly = AnomalySpec { start: start.map(Start::Sample), length, ..AnomalySpec::new(kind) };
        if let Ok((ill, faults)) = inject(&frame, std::slice::from_ref(&anomaly), seed) {
            let fault = &faults[0];
            prop_assert!(start.is_none_or(|start| fault.first_idx == start));
            prop_assert!(length.is_none_or(|length| fault.n_samples() == length));
            let mut n_changed = 0;
            for (idx, (was, is)) in frame.values().iter().zip(ill.values()).enumerate() {
                let is_inside = (fault.first_idx..=fault.last_idx).contains(&(idx / 2))
                    && fault.channels.iter().any(|name| name == ["a", "b"][idx % 2]);
                let is_same = was.to_bits() == is.to_bits();
                prop_assert!(is_same || is_inside);
                n_changed += usize::from(!is_same);
            }
            prop_assert!(n_changed > 0);
        }
    }
}

/// Where the seed chooses the place, the channel goes with another in just those samples: |r| of 0.5 or more.
#[test]
fn a_correlation_breaks_where_there_is_one() {
    for template in Template::ALL {
        for seed in 0..4 {
            let healthy = PlantSpec {
                template,
                n_samples: 10_080,
                seed,
                ..PlantSpec::default()
            };
            let clean = one(&healthy).frame;
            let ill = one(&PlantSpec {
                anomalies: vec![spec("correlation-break")],
                ..healthy
            });
            let fault = &ill.faults[0];
            let channel = clean.schema().channel_idx(&fault.channels[0]).unwrap();
            let rows = fault.first_idx..fault.last_idx + 1;
            let coupling = crate::synth::injection::coupling(&clean, rows, channel);
            assert!(
                coupling >= 0.5,
                "{template} {seed}: {coupling} of {}",
                fault.channels[0]
            );
        }
    }
}
