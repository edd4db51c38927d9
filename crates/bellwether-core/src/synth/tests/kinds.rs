//! Each kind of anomaly does what it says.

use super::*;

/// The same interval of one channel, healthy and ill, and the healthy channel's standard deviation.
fn before_and_after(text: &str, channel: &str) -> (Vec<f64>, Vec<f64>, f64) {
    let (healthy, ill) = (one(&with(&[])), one(&with(&[text])));
    let range = ill.faults[0].first_idx..ill.faults[0].last_idx + 1;
    let all = column(&healthy.frame, channel);
    let std = moments(&all).1;
    (
        all[range.clone()].to_vec(),
        column(&ill.frame, channel)[range].to_vec(),
        std,
    )
}

/// Instruments read to 0.1: that is how exact the measured magnitudes can be.
#[test]
fn kinds_do_what_they_say() {
    let change = |text: &str| -> Vec<f64> {
        let (before, after, std) = before_and_after(text, "flow_m3h");
        after
            .iter()
            .zip(&before)
            .map(|(after, before)| (after - before) / std)
            .collect()
    };
    let check = |got: f64, want: f64| assert!((got - want).abs() < 0.011, "got {got}, want {want}");

    check(change("spike@7000+1*9:flow_m3h")[0], 9.0);
    let spike = change("spike@7000+4*-9:flow_m3h");
    for (got, want) in spike.iter().zip([-9.0, -6.75, -4.5, -2.25]) {
        check(*got, want);
    }
    for got in change("level-shift@7000+50*4:flow_m3h") {
        check(got, 4.0);
    }
    let drift = change("drift@7000+500*-6:flow_m3h");
    check(drift[0], -0.012);
    check(drift[249], -3.0);
    check(drift[499], -6.0);
    // Standard deviation of 4 000 draws: 3 with a standard error of 0.034.
    let noise = moments(&change("noise@5000+4000*3:flow_m3h"));
    assert!(noise.0.abs() < 0.2 && (noise.1 - 3.0).abs() < 0.14, "{noise:?}");

    let (before, stuck, _) = before_and_after("stuck@7000+300:flow_m3h", "flow_m3h");
    assert!(stuck.iter().all(|value| value.to_bits() == before[0].to_bits()));
    let (_, gone, _) = before_and_after("dropout@7000+300:flow_m3h", "flow_m3h");
    assert!(gone.iter().all(|value| value.is_nan()));
}

#[test]
fn a_broken_correlation_keeps_its_distribution() {
    for length in [240, 1440, 2880] {
        let text = format!("correlation-break@6500+{length}:motor_current_a");
        let (before, after, std) = before_and_after(&text, "motor_current_a");
        let frame = one(&with(&[])).frame;
        let speed = &column(&frame, "speed_rpm")[6500..6500 + length];
        let (was, is) = (correlation(speed, &before), correlation(speed, &after));
        assert!(was > 0.95 && is.abs() < 0.35, "{length}: {was} became {is}");
        let ((mean_was, std_was), (mean_is, std_is)) = (moments(&before), moments(&after));
        assert!(
            (mean_is - mean_was).abs() < std,
            "{length}: mean {mean_was} became {mean_is}"
        );
        assert!(
            (0.5..2.0).contains(&(std_is / std_was)),
            "{length}: std {std_was} became {std_is}"
        );
        // Every value is one that the channel has shown.
        let all = column(&frame, "motor_current_a");
        assert!(
            after
                .iter()
                .all(|value| all.iter().any(|known| known.to_bits() == value.to_bits()))
        );
    }
}

/// Share of the variance of changes from sample to sample, against that of the values: the rougher, the larger.
fn roughness(values: &[f64]) -> f64 {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    moments(&steps).1 / moments(values).1
}

#[test]
fn a_collective_anomaly_keeps_each_sample_and_loses_their_order() {
    let (healthy, ill) = (one(&with(&[])), one(&with(&["collective@7000+300"])));
    // A channel that does not move in all that time has no part in it; here all eight do.
    assert_eq!(ill.faults[0].channels.len(), 8);
    let rows = |device: &Device| -> Vec<Vec<u64>> {
        let row = |idx| {
            device
                .frame
                .sample(idx)
                .values
                .iter()
                .map(|value| value.to_bits())
                .collect()
        };
        let mut rows: Vec<Vec<u64>> = (7000..7300).map(row).collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!(rows(&healthy), rows(&ill));
    let bearing = |device: &Device| roughness(&column(&device.frame, "bearing_temp_c")[7000..7300]);
    assert!(
        bearing(&healthy) < 0.3 && bearing(&ill) > 1.0,
        "{} {}",
        bearing(&healthy),
        bearing(&ill)
    );
}

#[test]
fn a_contextual_anomaly_is_an_ordinary_stretch_at_the_wrong_time() {
    for start in [5400, 6200, 7900] {
        let text = format!("contextual@{start}+120:flow_m3h");
        let (before, after, std) = before_and_after(&text, "flow_m3h");
        let off = (moments(&after).0 - moments(&before).0).abs() / std;
        assert!(off > 1.0, "{start}: {off} standard deviations");
        let all = column(&one(&with(&[])).frame, "flow_m3h");
        assert!(
            all.windows(120).any(|stretch| stretch == after),
            "{start}: a stretch of the channel's own"
        );
    }
}

#[test]
fn a_frequency_change_runs_three_times_as_fast() {
    let healthy = one(&with(&[]));
    let (_, after, _) = before_and_after("frequency-change@6000+200:flow_m3h", "flow_m3h");
    let all = column(&healthy.frame, "flow_m3h");
    assert!((0..200).all(|idx| after[idx].to_bits() == all[6000 + 3 * idx].to_bits()));
    // On the sine of period 314 samples: of 314 samples' crossings of zero there were 2, now 6.
    let sine = |anomalies: &[&str]| {
        let plant = PlantSpec {
            template: Template::Sine,
            ..with(anomalies)
        };
        column(&one(&plant).frame, "sensor_1")[6000..6314].to_vec()
    };
    let swings = |values: &[f64]| {
        let smooth: Vec<f64> = values.windows(15).map(|w| w.iter().sum::<f64>()).collect();
        smooth.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count()
    };
    let (slow, fast) = (
        swings(&sine(&[])),
        swings(&sine(&["frequency-change@6000+314:0"])),
    );
    assert!(
        (1..=3).contains(&slow) && (5..=8).contains(&fast),
        "{slow} {fast}"
    );
}

#[test]
fn a_degradation_grows_to_its_magnitude_and_ends_in_a_failure() {
    let (before, after, std) = before_and_after("degradation@6000+1000*6:bearing_temp_c", "bearing_temp_c");
    let change: Vec<f64> = after
        .iter()
        .zip(&before)
        .map(|(after, before)| (after - before) / std)
        .collect();
    let mean = |range: std::ops::Range<usize>| moments(&change[range]).0;
    // By hand: 6 (e^{3u} - 1) / (e^3 - 1) at the middle of each range; scatter of a fifth over 50 draws is 3 %.
    for (range, want) in [(0..50, 0.024), (475..525, 1.095), (950..1000, 5.545)] {
        let got = mean(range.clone());
        assert!(
            (got - want).abs() < 0.03 + 0.1 * want,
            "{range:?}: {got}, want {want}"
        );
    }
    let ill = one(&with(&["degradation@6000+1000", "spike@8000"]));
    assert_eq!(ill.faults[0].channels.len(), 3);
    let life = remaining_life(ill.frame.time(), &ill.faults);
    assert_eq!(life[0], Some(Duration::from_secs(60 * 6999)));
    assert_eq!(life[6999], Some(Duration::ZERO));
    assert_eq!(life[7000], None);
}
