//! How far back is looked, and what is said of what is found.

use bellwether_core::frame::Channel;

use super::*;

#[test]
fn every_device_has_its_turn() {
    assert_eq!(places(0, 3), Vec::<usize>::new());
    assert_eq!(places(2, 5), [0, 1]);
    let mut seen = vec![false; 1000];
    for look in 0..32 {
        let places = places(1000, look);
        assert_eq!(places.len(), DEVICES_MAX);
        places.into_iter().for_each(|place| seen[place] = true);
    }
    assert!(seen.into_iter().all(|is_seen| is_seen));
}

/// Of a day's wave with that many rows a day.
fn daily(n_a_day: usize) -> Baseline {
    let n = 7 * n_a_day;
    let cadence = 86_400 / n_a_day as i64;
    let time = (0..n as i64)
        .map(|row| Timestamp::from_secs(cadence * row))
        .collect();
    let wave = |row| (std::f64::consts::TAU * row as f64 / n_a_day as f64).sin();
    Baseline::of(&[Frame::new(vec![Channel::new("a")], time, (0..n).map(wave).collect()).unwrap()])
}

#[test]
fn slow_channels_are_looked_at_over_days() {
    // A wave is worth about three rows a day: 20,000 rows a second apart are worth less than one.
    let baseline = daily(8_640);
    let second = Duration::from_secs(1);
    let fleet = Reach::of(&baseline, second, 32);
    assert_eq!(
        fleet,
        Reach {
            spacing: 50 * second,
            n_rows: 625
        }
    );
    // One device a minute apart: a month is read.
    let alone = Reach::of(&baseline, 60 * second, 1);
    let reach = alone.spacing * 20_000;
    assert!(
        (20.0..60.0).contains(&(reach.as_secs_f64() / 86_400.0)),
        "{reach:?}"
    );
    // What is fast is read as it is.
    let values = (0..500).map(|row| f64::from(row * 7919 % 500)).collect();
    let time = (0..500).map(Timestamp::from_secs).collect();
    let fast = Baseline::of(&[Frame::new(vec![Channel::new("a")], time, values).unwrap()]);
    assert_eq!(Reach::of(&fast, second, 1).spacing, second);
}

#[test]
fn of_each_stretch_of_time_one_row_is_kept_in_whatever_order_they_come() {
    let row = |seconds: i64, model: &str| Row {
        time: Timestamp::from_secs(seconds),
        model: model.into(),
        channels: Arc::new(["a".to_owned()]),
        values: vec![1.0],
        score: 0.5,
        event: None,
        top: None,
    };
    let mut spaced = Spaced {
        spacing: 10_000_000_000,
        judge: "pump@2".into(),
        rows: BTreeMap::new(),
    };
    for (seconds, model) in [
        (25, "pump@2"),
        (21, "pump@1"),
        (3, "pump@1"),
        (21, "pump@2"),
        (9, "pump@2"),
    ] {
        let _ = spaced.take(row(seconds, model));
    }
    let kept = spaced.rows.into_values().map(|row| (row.time, row.model));
    let want = [(3, "pump@1"), (21, "pump@2")].map(|(at, model)| (Timestamp::from_secs(at), model.into()));
    assert_eq!(kept.collect::<Vec<_>>(), want);
}
