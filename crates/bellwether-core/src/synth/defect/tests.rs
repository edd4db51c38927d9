//! Defects are where the truth says, and nowhere else.

use super::super::{PlantSpec, generate};
use super::*;

const N: usize = 2_000;

fn fleet(start: &str) -> Vec<Device> {
    let plant = PlantSpec {
        n_samples: N,
        n_devices: 2,
        start: super::super::start::scan_time(start).unwrap().0,
        ..PlantSpec::default()
    };
    generate(&plant).unwrap()
}

fn recorded(devices: &[Device], specs: &[&str]) -> Recorded {
    let specs: Vec<DefectSpec> = specs.iter().map(|text| text.parse().unwrap()).collect();
    record(devices, &specs, Duration::from_secs(60), 5).unwrap()
}

/// The rows of one device in the order of the table.
fn rows_of(recorded: &Recorded, device_idx: usize) -> Vec<RecordedRow> {
    let rows = recorded.rows.iter().copied();
    rows.filter(|row| row.device_idx == device_idx).collect()
}

fn of_kind(recorded: &Recorded, kind: DefectKind, device_idx: usize) -> Vec<&Defect> {
    let defects = recorded.defects.iter();
    defects
        .filter(|defect| defect.kind == kind && defect.device_idx == device_idx)
        .collect()
}

#[test]
fn without_defects_a_recording_is_the_plant() {
    let devices = fleet("2024-01-01");
    let plain = recorded(&devices, &[]);
    assert_eq!(plain.rows.len(), 2 * N);
    assert!(plain.defects.is_empty() && !plain.is_local && !plain.has_text());
    for (idx, row) in plain.rows.iter().enumerate() {
        assert_eq!((row.device_idx, row.sample_idx), (idx % 2, idx / 2));
        assert_eq!(row.time, devices[0].frame.time()[idx / 2]);
    }
}

#[test]
fn what_is_asked_for_is_what_is_told() {
    let devices = fleet("2024-01-01");
    let time = devices[0].frame.time();
    for device_idx in 0..2 {
        let gaps = recorded(&devices, &["gap=0.05"]);
        let rows = rows_of(&gaps, device_idx);
        let told = of_kind(&gaps, DefectKind::Gap, device_idx);
        let n_lost: usize = told.iter().map(|gap| gap.n_samples).sum();
        assert_eq!(rows.len(), N - n_lost);
        assert!((40..200).contains(&n_lost), "{n_lost} of 2000, asked for 100");
        for gap in told {
            let behind = gaps.rows[gap.row_idx];
            assert_eq!(time[behind.sample_idx].since(gap.end), Duration::from_secs(60));
            assert!(!rows.iter().any(|row| (gap.start..=gap.end).contains(&row.time)));
        }

        let late = recorded(&devices, &["out-of-order=0.02"]);
        let rows = rows_of(&late, device_idx);
        let told = of_kind(&late, DefectKind::OutOfOrder, device_idx);
        let mut newest = time[0];
        let mut n_late = 0;
        for row in &rows {
            n_late += usize::from(row.time < newest);
            newest = newest.max(row.time);
        }
        assert_eq!((rows.len(), n_late), (N, told.len()));
        assert!((30..=40).contains(&n_late), "{n_late}");

        let twice = recorded(&devices, &["duplicate=0.02"]);
        let rows = rows_of(&twice, device_idx);
        let told = of_kind(&twice, DefectKind::Duplicate, device_idx);
        let n_twice = rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert_eq!((rows.len(), n_twice), (N + told.len(), told.len()));
        for copy in told {
            let row = twice.rows[copy.row_idx];
            assert_eq!((row.time, row.device_idx), (copy.start, device_idx));
        }

        let jump = recorded(&devices, &["clock-jump=-90"]);
        let [told] = of_kind(&jump, DefectKind::ClockJump, device_idx)[..] else {
            panic!("one jump")
        };
        for row in rows_of(&jump, device_idx) {
            let truth = time[row.sample_idx];
            let is_off = (told.start..=told.end).contains(&truth);
            assert_eq!(row.time, moved(truth, if is_off { -90_000_000_000 } else { 0 }));
        }
        assert!((40..=100).contains(&told.n_samples));

        let jitter = recorded(&devices, &["jitter=0.2"]);
        let rows = rows_of(&jitter, device_idx);
        assert!(rows.windows(2).all(|pair| pair[0].time < pair[1].time));
        let off = rows
            .iter()
            .map(|row| (row.time.as_nanos() - time[row.sample_idx].as_nanos()) as f64 / 60e9);
        let square = off.map(|off| off * off).sum::<f64>() / N as f64;
        // Cut off at 0.45, the standard deviation of 0.2 becomes 0.194; 2 000 draws tell it to 0.004.
        assert!((square.sqrt() - 0.194).abs() < 0.012, "{}", square.sqrt());
    }
}

#[test]
fn cells_hold_what_the_truth_says() {
    let devices = fleet("2024-01-01");
    let n_channels = devices[0].frame.n_channels();
    let spoilt = recorded(&devices, &["bad-text=0.02", "missing=0.03"]);
    assert!(spoilt.has_text());
    let mut counts = [0; 2];
    for row in &spoilt.rows {
        for channel_idx in 0..n_channels {
            let kind = match spoilt.cell(row, channel_idx) {
                None => continue,
                Some(CellDefect::Missing) => DefectKind::Missing,
                Some(CellDefect::BadText) => DefectKind::BadText,
            };
            counts[usize::from(kind == DefectKind::BadText)] += 1;
            let time = devices[0].frame.time()[row.sample_idx];
            let told = of_kind(&spoilt, kind, row.device_idx);
            assert!(told.iter().any(|defect| defect.channel_idx == Some(channel_idx)
                && (defect.start..=defect.end).contains(&time)));
        }
    }
    let n_told = |kind| -> usize {
        let defects = spoilt.defects.iter().filter(|defect| defect.kind == kind);
        defects.map(|defect| defect.n_samples).sum()
    };
    assert_eq!(counts, [n_told(DefectKind::Missing), n_told(DefectKind::BadText)]);
    let n_cells = (2 * N * n_channels) as f64;
    assert!((counts[0] as f64 / n_cells - 0.03).abs() < 0.005, "{counts:?}");
    assert!((counts[1] as f64 / n_cells - 0.02).abs() < 0.006, "{counts:?}");
}

/// By the calendar: the last Sundays of March and October.
#[test]
fn clocks_change_at_one_in_the_morning_utc() {
    let check = |text: &str, expect: i64| {
        let (time, _) = super::super::start::scan_time(text).unwrap();
        assert_eq!(central_european_offset(time), expect, "{text}");
    };
    for (march, october) in [
        ("2021-03-28", "2021-10-31"),
        ("2024-03-31", "2024-10-27"),
        ("2025-03-30", "2025-10-26"),
        ("2032-03-28", "2032-10-31"),
    ] {
        check(&format!("{march}T00:59:59Z"), 3600);
        check(&format!("{march}T01:00:00Z"), 7200);
        check(&format!("{october}T00:59:59Z"), 7200);
        check(&format!("{october}T01:00:00Z"), 3600);
    }
    check("2024-01-01", 3600);
    check("2024-12-31T23:59:59Z", 3600);
    check("2024-07-01", 7200);
}

#[test]
fn local_times_skip_an_hour_in_spring_and_repeat_one_in_autumn() {
    let spring = recorded(&fleet("2024-03-30T12:00Z"), &["dst"]);
    assert!(spring.is_local);
    let rows = rows_of(&spring, 0);
    let steps: Vec<i64> = rows
        .windows(2)
        .map(|pair| (pair[1].time.as_nanos() - pair[0].time.as_nanos()) / 1_000_000_000)
        .filter(|&step| step != 60)
        .collect();
    assert_eq!(steps, [3660]);
    let [told] = of_kind(&spring, DefectKind::Dst, 0)[..] else {
        panic!("one change")
    };
    assert_eq!(told.start.to_string(), "2024-03-31T01:00:00Z");
    assert_eq!(spring.rows[told.row_idx].time.to_string(), "2024-03-31T03:00:00Z");

    let autumn = recorded(&fleet("2024-10-26T12:00Z"), &["dst"]);
    let mut shown: Vec<Timestamp> = rows_of(&autumn, 1).iter().map(|row| row.time).collect();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), N - 60);
}

#[test]
fn a_defect_added_at_the_end_moves_none_before() {
    let devices = fleet("2024-01-01");
    let some = recorded(&devices, &["gap", "missing"]);
    let more = recorded(&devices, &["gap", "missing", "duplicate"]);
    let without = |recorded: &Recorded| -> Vec<(DefectKind, Timestamp, Option<usize>)> {
        let defects = recorded.defects.iter();
        let defects = defects.filter(|defect| defect.kind != DefectKind::Duplicate);
        defects
            .map(|defect| (defect.kind, defect.start, defect.channel_idx))
            .collect()
    };
    assert_eq!(without(&some), without(&more));
    assert_eq!(some, recorded(&devices, &["gap", "missing"]));
}

#[test]
fn what_cannot_be_asked_for_is_named() {
    for kind in DefectKind::ALL {
        assert_eq!(kind.name().parse(), Ok(DefectSpec::new(kind)));
    }
    assert_eq!("gap=0.25".parse::<DefectSpec>().unwrap().to_string(), "gap=0.25");
    let check = |text: &str, expect: &str| {
        let error = text.parse::<DefectSpec>().unwrap_err().to_string();
        assert!(error.contains(expect), "{text}: {error}");
    };
    check(
        "gaps",
        "unknown defect \"gaps\"; defects are jitter, gap, out-of-order, duplicate, clock-jump, dst, missing, bad-text",
    );
    check("gap=0", "want a share of the rows above 0 and up to 0.5");
    check("gap=0.6", "\"0.6\"");
    check("gap=NaN", "\"NaN\"");
    check("jitter=0.5", "up to 0.45");
    check("clock-jump=0", "seconds other than 0");
    check("missing=some", "a share of the cells");
    check("dst=1", "want no amount");

    let spec = |text: &str| [text.parse::<DefectSpec>().unwrap()];
    let devices = fleet("2024-01-01");
    let error = record(&devices, &spec("dst"), Duration::from_secs(60), 0).unwrap_err();
    assert!(error.to_string().contains("--start 2024-03-30"), "{error}");
    let short: Vec<Device> = devices
        .into_iter()
        .map(|device| Device {
            frame: device.frame.slice(0..15).unwrap(),
            ..device
        })
        .collect();
    let error = record(&short, &spec("gap"), Duration::from_secs(60), 0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("need 16 samples of each device, here are 15")
    );
}

#[test]
fn the_fewest_samples_can_be_spoilt_in_every_way() {
    let devices: Vec<Device> = fleet("2024-03-31T00:52Z")
        .into_iter()
        .map(|device| Device {
            frame: device.frame.slice(0..16).unwrap(),
            ..device
        })
        .collect();
    for kind in DefectKind::ALL {
        for seed in 0..200 {
            let most = match kind {
                DefectKind::Dst => "dst".to_owned(),
                DefectKind::Jitter => "jitter=0.45".to_owned(),
                DefectKind::ClockJump => "clock-jump=-1e9".to_owned(),
                other => format!("{other}=0.5"),
            };
            let spec = most.parse().unwrap();
            let recorded = record(&devices, &[spec], Duration::from_secs(60), seed).unwrap();
            assert!(
                !recorded.defects.is_empty() || kind == DefectKind::OutOfOrder,
                "{kind}"
            );
        }
    }
}
