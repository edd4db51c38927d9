//! Defects put into clean rows, and what is said of them; contracts against counts made in another way; repairs.

mod contracts;

use proptest::prelude::*;

use super::repair::{RawRow, RawSeries, RepairSpec};
use super::*;
use crate::condition::Condition;
use crate::frame::{Channel, SeriesId};

const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);
const N: usize = 4000;

/// A number in [−1, 1) that depends on nothing but its arguments.
fn noise(row: usize, channel: usize) -> f64 {
    let mut mixed = (row as u64 * 31 + channel as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 29;
    (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Three channels that follow one load, and a switch; a row a minute.
struct Plant {
    time: Vec<i64>,
    rows: Vec<[f64; 4]>,
}

impl Plant {
    fn clean(n: usize) -> Self {
        let row = |idx: usize| {
            let load = (idx as f64 / 97.0).sin();
            [
                20.0 + 5.0 * load + 0.3 * noise(idx, 0),
                3.0 + load + 0.05 * noise(idx, 1),
                100.0 - 10.0 * load + noise(idx, 2),
                f64::from(u8::from(idx / 500 % 2 == 1)),
            ]
        };
        Self {
            time: (0..n as i64).map(|idx| 1_700_000_000 + 60 * idx).collect(),
            rows: (0..n).map(row).collect(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Vec<i64>, &mut Vec<[f64; 4]>)) -> Self {
        change(&mut self.time, &mut self.rows);
        self
    }

    fn profile(&self, contract: Option<&Contract>) -> SeriesProfile {
        let mut check = SeriesCheck::new(SeriesId::new("plant"), channels(), contract, NOW);
        for (number, (secs, values)) in (1..).zip(self.time.iter().zip(&self.rows)) {
            check.push(Row {
                number,
                time: Timestamp::from_secs(*secs),
                values,
                not_numbers: &[],
            });
        }
        check.finish()
    }

    fn findings(&self) -> Vec<Finding> {
        self.profile(None).findings(Level::Moderate)
    }
}

fn channels() -> Vec<Channel> {
    ["temp_c", "pressure_bar", "flow", "pump_on"]
        .map(Channel::new)
        .to_vec()
}

fn find<'a>(findings: &'a [Finding], check: Check, channel: Option<&str>) -> &'a Finding {
    let is_it = |finding: &&Finding| finding.check == check && finding.channel.as_deref() == channel;
    findings
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("no {check:?} of {channel:?} in {findings:#?}"))
}

#[test]
fn nothing_is_found_in_clean_rows() {
    let profile = Plant::clean(N).profile(None);
    assert_eq!(profile.findings(Level::Strict), []);
    assert!(profile.is_exact);
    assert_eq!(profile.time.cadence, Some(std::time::Duration::from_secs(60)));
    assert_eq!(profile.channels[0].unit, Some("°C"));
    assert_eq!(profile.channels[3].states, Some(vec![0.0, 1.0]));
    // The same in a hundred thousand rows, of which a part is drawn.
    let long = Plant::clean(100_000).profile(None);
    assert!(!long.is_exact);
    assert_eq!(long.findings(Level::Strict), []);
    assert!(long.channels.iter().all(|channel| channel.bins.len() <= 256));
}

#[test]
fn a_stuck_sensor_is_one_where_the_others_go_on() {
    let plant = Plant::clean(N).with(|_, rows| {
        for idx in 2000..2100 {
            rows[idx][1] = rows[1999][1];
        }
    });
    let findings = plant.findings();
    let stuck = find(&findings, Check::Stuck, Some("pressure_bar"));
    assert_eq!((stuck.fault, stuck.count), (Some(Fault::Sensor), 1));
    // Rows count from 1: the value of row 2000 is repeated up to row 2100.
    assert_eq!(
        (stuck.cases[0].row, stuck.cases[0].until.unwrap().0),
        (2000, 2100)
    );
    assert_eq!(
        SeriesProfile::verdict(&findings, "pressure_bar"),
        Verdict::Uncertain
    );
    assert_eq!(SeriesProfile::verdict(&findings, "temp_c"), Verdict::Good);

    let plant = Plant::clean(N).with(|_, rows| {
        for idx in 2000..2100 {
            rows[idx] = rows[1999];
        }
    });
    let findings = plant.findings();
    assert_eq!(
        find(&findings, Check::Stuck, Some("pressure_bar")).fault,
        Some(Fault::Device)
    );
}

#[test]
fn a_channel_that_alone_can_move_tells_nothing_of_its_sensor() {
    let plant = Plant::clean(N).with(|_, rows| {
        for idx in 0..N {
            rows[idx][0] = 3.0;
            rows[idx][2] = f64::from(u8::from(idx > 100));
            if (2000..2100).contains(&idx) {
                rows[idx][1] = rows[1999][1];
            }
        }
    });
    let findings = plant.findings();
    assert_eq!(find(&findings, Check::Stuck, Some("pressure_bar")).fault, None);
}

#[test]
fn a_sensor_without_values_is_one_where_the_others_have_some() {
    let plant = Plant::clean(N).with(|_, rows| {
        for row in &mut rows[500..540] {
            row[2] = f64::NAN;
        }
        rows[100][2] = f64::NAN;
    });
    let findings = plant.findings();
    assert_eq!(find(&findings, Check::Missing, Some("flow")).count, 41);
    let dropout = find(&findings, Check::Dropout, Some("flow"));
    assert_eq!((dropout.fault, dropout.cases[0].row), (Some(Fault::Sensor), 501));

    let plant = Plant::clean(N).with(|_, rows| rows[500..540].fill([f64::NAN; 4]));
    assert_eq!(
        find(&plant.findings(), Check::Dropout, Some("flow")).fault,
        Some(Fault::Device)
    );

    // A channel that is recorded every tenth row is not away.
    let plant = Plant::clean(N).with(|_, rows| {
        for (idx, row) in rows.iter_mut().enumerate() {
            if idx % 10 > 0 {
                row[2] = f64::NAN;
            }
        }
    });
    let findings = plant.findings();
    assert!(!findings.iter().any(|finding| finding.check == Check::Dropout));
    assert_eq!(SeriesProfile::verdict(&findings, "flow"), Verdict::Bad);
}

#[test]
fn a_noisy_sensor_is_one_where_the_others_are_calm() {
    let shake = |rows: &mut Vec<[f64; 4]>, channels: &[usize]| {
        for (idx, row) in rows.iter_mut().enumerate().take(2200).skip(2000) {
            for &channel in channels {
                row[channel] += [4.0, 0.8, 15.0][channel] * noise(idx, channel + 7);
            }
        }
    };
    let findings = Plant::clean(N).with(|_, rows| shake(rows, &[0])).findings();
    let noise = find(&findings, Check::Noise, Some("temp_c"));
    assert_eq!(noise.fault, Some(Fault::Sensor));
    assert!((1900..2070).contains(&noise.cases[0].row), "{noise:?}");
    let findings = Plant::clean(N).with(|_, rows| shake(rows, &[0, 1, 2])).findings();
    assert!(
        !findings.iter().any(|finding| finding.check == Check::Noise),
        "{findings:#?}"
    );
}

#[test]
fn every_defect_of_values_is_told() {
    let check = |change: fn(&mut [f64; 4], usize), check: Check, channel: &str, count: u64| {
        let plant = Plant::clean(N).with(|_, rows| {
            for (idx, row) in rows.iter_mut().enumerate() {
                change(row, idx);
            }
        });
        let findings = plant.findings();
        assert_eq!(find(&findings, check, Some(channel)).count, count, "{check:?}");
    };
    let seldom = |idx: usize| idx % 1000 == 7;
    assert!(seldom(7));
    check(
        |row, idx| {
            if idx % 1000 == 7 {
                row[0] = f64::INFINITY
            }
        },
        Check::Infinite,
        "temp_c",
        4,
    );
    check(
        |row, idx| {
            if idx % 1000 == 7 {
                row[0] = 90.0
            }
        },
        Check::Outlier,
        "temp_c",
        4,
    );
    // There and back.
    check(
        |row, idx| {
            if idx % 1000 == 7 {
                row[0] = 90.0
            }
        },
        Check::Jump,
        "temp_c",
        8,
    );
    check(|row, _| row[2] = 7.0, Check::Constant, "flow", 1);
    check(|row, _| row[2] = 32.0 + 1.8 * row[0], Check::Copy, "flow", 1);
    check(
        |row, _| row[2] = (row[2] / 2.0).round() * 2.0,
        Check::Resolution,
        "flow",
        1,
    );
    check(|row, _| row[2] = f64::NAN, Check::Missing, "flow", N as u64);
    let findings = Plant::clean(N)
        .with(|_, rows| rows.iter_mut().for_each(|row| row[1] = row[1].min(3.8)))
        .findings();
    assert!(find(&findings, Check::Saturation, Some("pressure_bar")).count > 400);
}

#[test]
fn every_defect_of_times_is_told() {
    let check = |change: fn(&mut Vec<i64>, &mut Vec<[f64; 4]>), check: Check, count: u64| {
        let findings = Plant::clean(N).with(change).findings();
        assert_eq!(find(&findings, check, None).count, count, "{check:?}");
    };
    check(|time, _| time[7] = time[6], Check::RepeatedTime, 1);
    check(|time, _| time[7] = time[2] + 1, Check::LateRow, 1);
    check(
        |time, _| time[100..].iter_mut().for_each(|time| *time -= 3600),
        Check::ClockSetBack,
        1,
    );
    check(|time, _| time[7] = 2_500_000_000, Check::FutureTime, 1);
    check(
        |time, _| time[100..].iter_mut().for_each(|time| *time += 3600),
        Check::Gap,
        1,
    );
    check(
        |time, rows| {
            time.truncate(9);
            rows.truncate(9)
        },
        Check::FewRows,
        9,
    );
    check(
        |time, _| {
            time.iter_mut()
                .enumerate()
                .for_each(|(idx, time)| *time += (idx as i64 * idx as i64 * 7) % 41)
        },
        Check::Jitter,
        1,
    );
}

#[test]
fn levels_differ_in_what_they_let_pass() {
    let plant = Plant::clean(N).with(|_, rows| {
        for row in &mut rows[0..N / 5] {
            row[2] = f64::NAN;
        }
    });
    let profile = plant.profile(None);
    let check = |level, severity| {
        let findings = profile.findings(level);
        assert_eq!(find(&findings, Check::Missing, Some("flow")).severity, severity);
    };
    check(Level::Strict, Severity::Error);
    check(Level::Moderate, Severity::Warning);
    check(Level::Permissive, Severity::Info);
}

/// Rows with every defect that repair mends.
fn defective() -> impl Strategy<Value = (Vec<i64>, Vec<[f64; 4]>)> {
    let cell = prop_oneof![
        6 => (-5.0..5.0_f64).boxed(),
        2 => Just(f64::NAN).boxed(),
        1 => Just(f64::INFINITY).boxed(),
        1 => Just(100.0).boxed(),
    ];
    let switch = prop_oneof![Just(0.0), Just(1.0), Just(7.0)];
    let row = (0..60_i64, cell.clone(), cell.clone(), cell, switch);
    prop::collection::vec(row, 1..80).prop_map(|rows| {
        rows.into_iter()
            .map(|(time, a, b, c, d)| (1_700_000_000 + time, [a, b, c, d]))
            .unzip()
    })
}

proptest! {
    #[test]
    fn what_was_mended_has_nothing_left_to_mend((time, rows) in defective()) {
        let terms = |name: &str, states: Option<Vec<f64>>| ChannelTerms {
            name: name.to_owned(),
            min: Some(-5.0),
            max: Some(5.0),
            states,
            ..ChannelTerms::default()
        };
        let contract = Contract {
            channels: vec![
                terms("temp_c", None), terms("pressure_bar", None), terms("flow", None),
                terms("pump_on", Some(vec![0.0, 1.0])),
            ],
            ..Contract::default()
        };
        let mut raw = RawSeries {
            channels: channels(),
            rows: (1..).zip(&time).map(|(number, secs)| RawRow {
                number,
                time: (secs % 13 != 0).then(|| Timestamp::from_secs(*secs)),
                not_numbers: if secs % 7 == 0 { vec![(1, "bad".to_owned())] } else { Vec::new() },
            }).collect(),
            values: rows.iter().flatten().copied().collect(),
        };
        for (row, values) in raw.rows.iter().zip(raw.values.chunks_mut(4)) {
            if !row.not_numbers.is_empty() {
                values[1] = f64::NAN;
            }
        }
        let before = raw.clone();
        let done = raw.repair(Some(&contract), RepairSpec::default());

        let mut check = SeriesCheck::new(SeriesId::new("plant"), channels(), Some(&contract), NOW);
        for (row, values) in raw.rows.iter().zip(raw.values.chunks(4)) {
            prop_assert!(row.not_numbers.is_empty());
            check.push(Row { number: row.number, time: row.time.unwrap(), values, not_numbers: &[] });
        }
        for finding in check.finish().findings(Level::Strict) {
            prop_assert!(!finding.check.is_repairable(), "{:?}", finding);
        }
        // Whatever differs from the input was told, and nothing else.
        let told = |row: u64, channel: Option<usize>| done.iter().rev().find(|one| one.row == row && one.channel_idx == channel);
        let n_left_out = before.rows.len() - raw.rows.len();
        let n_told = done.iter().filter(|one| one.channel_idx.is_none() && one.why != repair::Why::Check(Check::LateRow)).count();
        prop_assert_eq!(n_left_out, n_told);
        for (row, values) in raw.rows.iter().zip(raw.values.chunks(4)) {
            let at = before.rows.iter().position(|other| other.number == row.number).unwrap();
            for (idx, (now, was)) in values.iter().zip(&before.values[4 * at..4 * at + 4]).enumerate() {
                let is_same = now.to_bits() == was.to_bits() || now.is_nan() && was.is_nan();
                let is_cell_told = told(row.number, Some(idx));
                if !is_same {
                    let one = is_cell_told.unwrap();
                    prop_assert_eq!(one.now.map(f64::to_bits), (!now.is_nan()).then(|| now.to_bits()));
                }
                if let Some(one) = is_cell_told {
                    prop_assert!(!is_same || one.was.is_some());
                }
            }
        }
        // Mended once, mended for good.
        let mut again = raw.clone();
        prop_assert_eq!(again.repair(Some(&contract), RepairSpec::default()), []);
    }

    #[test]
    fn a_contract_counts_what_a_loop_counts(
        steps in prop::collection::vec((1..4_i64, prop::option::weighted(0.9, -4..5_i8)), 2..200),
    ) {
        let contract = Contract {
            channels: vec![ChannelTerms {
                name: "a".to_owned(),
                min: Some(-2.0),
                max: Some(3.0),
                max_rate: Some(1.5),
                ..ChannelTerms::default()
            }],
            ..Contract::default()
        };
        let mut check = SeriesCheck::new(SeriesId::new("s"), [Channel::new("a")], Some(&contract), NOW);
        let (mut at, mut last) = (0, None);
        let (mut n_range, mut n_rate) = (0, 0);
        for (number, (step, value)) in (1..).zip(&steps) {
            at += step;
            let value = value.map(f64::from);
            check.push(Row {
                number,
                time: Timestamp::from_secs(at),
                values: &[value.unwrap_or(f64::NAN)],
                not_numbers: &[],
            });
            n_range += u64::from(value.is_some_and(|value| !(-2.0..=3.0).contains(&value)));
            if let (Some(last), Some(value)) = (last, value) {
                let change: f64 = value - last;
                n_rate += u64::from(change.abs() / *step as f64 > 1.5);
            }
            last = value;
        }
        let breaches = check.finish().breaches.unwrap();
        let of_channel = breaches.channels[0].as_ref().unwrap();
        prop_assert_eq!((of_channel.range.count, of_channel.rate.count), (n_range, n_rate));
    }
}
