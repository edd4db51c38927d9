//! Rows that name the channels of their values mended: by the same rules, each channel by itself, so that nothing is
//! filled but cells that are there and empty.

use super::{RawRow, RawSeries, RepairSpec, Repaired, Why};
use crate::frame::Channel;
use crate::time::Timestamp;
use crate::validate::check::Check;
use crate::validate::contract::Contract;

/// The rows of one series, each with the name of its channel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedSeries {
    /// The channels, in order of first appearance.
    pub channels: Vec<Channel>,
    /// The rows.
    pub rows: Vec<NamedRow>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRow {
    /// The number of the row among all rows of the input, from 1; values of one row have the same.
    pub number: u64,
    /// Its time.
    pub time: Timestamp,
    /// The position of its channel.
    pub channel_idx: usize,
    /// The value: NaN where the cell is empty or holds no number.
    pub value: f64,
    /// What stands there, where it is no number.
    pub not_number: Option<String>,
}

impl NamedSeries {
    /// Whether the rows come channel after channel: those of each stand together, and some lie behind one of another.
    fn is_by_channel(&self) -> bool {
        let pairs = || self.rows.windows(2).map(|pair| (&pair[0], &pair[1]));
        let n_changes = pairs()
            .filter(|(row, next)| row.channel_idx != next.channel_idx)
            .count();
        let goes_back =
            |(row, next): (&NamedRow, &NamedRow)| row.channel_idx != next.channel_idx && next.time < row.time;
        n_changes + 1 == self.channels.len() && pairs().any(goes_back)
    }

    /// Mends the series as a contract wants it, and says what was done.
    ///
    /// Rows that come channel after channel are sorted by time within each channel, others all together. Where rows
    /// were moved, those of a series (or channel) take the places that they had.
    pub fn repair(&mut self, contract: Option<&Contract>, spec: RepairSpec) -> Vec<Repaired> {
        let mut done = Vec::new();
        self.order(&mut done);
        for idx in 0..self.channels.len() {
            let places = self.rows.iter().enumerate();
            let places = places.filter(|(_, row)| row.channel_idx == idx);
            let places: Vec<usize> = places.map(|(place, _)| place).collect();
            let rows = places.iter().map(|&place| {
                let row = &mut self.rows[place];
                let not_number = row.not_number.take().map(|text| (0, text));
                RawRow {
                    number: row.number,
                    time: Some(row.time),
                    not_numbers: not_number.into_iter().collect(),
                }
            });
            let mut alone = RawSeries {
                rows: rows.collect(),
                channels: vec![self.channels[idx].clone()],
                values: places.iter().map(|&place| self.rows[place].value).collect(),
            };
            let repaired = alone.repair(contract, spec);
            done.extend(repaired.into_iter().map(|repair| Repaired {
                channel_idx: Some(idx),
                ..repair
            }));
            for (place, value) in places.into_iter().zip(alone.values) {
                self.rows[place].value = value;
            }
        }
        done
    }

    /// Sorts the rows, and leaves out what an earlier row of its channel and time has.
    fn order(&mut self, done: &mut Vec<Repaired>) {
        let is_by_channel = self.is_by_channel();
        let n_units = if is_by_channel { self.channels.len() } else { 1 };
        let unit_of = |row: &NamedRow| if is_by_channel { row.channel_idx } else { 0 };
        let mut latest = vec![None; n_units];
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); n_units];
        for (place, row) in self.rows.iter().enumerate() {
            let latest = &mut latest[unit_of(row)];
            if Some(row.time) < *latest {
                tell(done, row, Check::LateRow);
            }
            *latest = (*latest).max(Some(row.time));
            places[unit_of(row)].push(place);
        }
        let mut ordered: Vec<(usize, NamedRow)> = Vec::with_capacity(self.rows.len());
        for places in places {
            let mut rows: Vec<&NamedRow> = places.iter().map(|&place| &self.rows[place]).collect();
            rows.sort_by_key(|row| row.time);
            ordered.extend(places.iter().copied().zip(rows.into_iter().cloned()));
        }
        ordered.sort_by_key(|(place, _)| *place);
        let mut last_of: Vec<Option<Timestamp>> = vec![None; self.channels.len()];
        self.rows.clear();
        for (_, row) in ordered {
            if last_of[row.channel_idx].replace(row.time) == Some(row.time) {
                tell(done, &row, Check::RepeatedTime);
            } else {
                self.rows.push(row);
            }
        }
    }
}

/// Says it once of a row, whose values are neighbours.
fn tell(done: &mut Vec<Repaired>, row: &NamedRow, check: Check) {
    let why = Why::Check(check);
    if done
        .last()
        .is_some_and(|last| last.row == row.number && last.why == why)
    {
        return;
    }
    done.push(Repaired {
        row: row.number,
        time: Some(row.time),
        channel_idx: None,
        was: None,
        now: None,
        why,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::SeriesId;
    use crate::validate::{Level, NamedCheck, NamedValue};

    fn series(rows: &[(i64, usize, f64)]) -> NamedSeries {
        let row = |(number, (secs, channel_idx, value)): (u64, &(i64, usize, f64))| NamedRow {
            number,
            time: Timestamp::from_secs(*secs),
            channel_idx: *channel_idx,
            value: *value,
            not_number: None,
        };
        NamedSeries {
            channels: ["a", "b"].map(Channel::new).into(),
            rows: (1..).zip(rows).map(row).collect(),
        }
    }

    fn told(done: &[Repaired]) -> Vec<String> {
        let of = |repair: &Repaired| {
            format!(
                "{} {:?} {:?} {}",
                repair.row,
                repair.channel_idx,
                repair.now,
                repair.why.name()
            )
        };
        done.iter().map(of).collect()
    }

    fn stand(series: &NamedSeries) -> Vec<(i64, usize)> {
        let secs = |row: &NamedRow| row.time.as_nanos() / 1_000_000_000;
        series
            .rows
            .iter()
            .map(|row| (secs(row), row.channel_idx))
            .collect()
    }

    #[test]
    fn rows_that_come_by_time_are_sorted_together() {
        let mut of = series(&[
            (1, 0, 1.0),
            (1, 1, 1.0),
            (2, 0, 2.0),
            (3, 0, 3.0),
            (2, 1, 2.0),
            (3, 1, 3.0),
            (4, 0, 4.0),
            (4, 1, 4.0),
            (4, 1, 9.0),
        ]);
        let done = of.repair(None, RepairSpec::default());
        assert_eq!(told(&done), ["5 None None late-row", "9 None None repeated-time"]);
        let expect = [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)];
        assert_eq!(stand(&of), expect);
        assert_eq!(of.rows[7].value, 4.0);
        assert!(of.repair(None, RepairSpec::default()).is_empty());
    }

    #[test]
    fn rows_that_come_channel_after_channel_stay_so_and_cells_that_are_there_are_filled() {
        let mut of = series(&[
            (1, 0, 1.0),
            (2, 0, 2.0),
            (3, 0, f64::NAN),
            (4, 0, 4.0),
            (1, 1, 1.0),
            (3, 1, 3.0),
            (2, 1, 2.0),
            (4, 1, 4.0),
        ]);
        for row in &mut of.rows {
            row.value *= 1.5;
        }
        // More values than a channel with few states has.
        for secs in 5..12 {
            for channel_idx in [0, 1] {
                let place = if channel_idx == 0 {
                    4 + (secs - 5) as usize
                } else {
                    of.rows.len()
                };
                of.rows.insert(
                    place,
                    NamedRow {
                        number: 100 + secs as u64,
                        time: Timestamp::from_secs(secs),
                        channel_idx,
                        value: secs as f64 * 1.5,
                        not_number: None,
                    },
                );
            }
        }
        let done = of.repair(None, RepairSpec::default());
        assert_eq!(
            told(&done),
            ["7 None None late-row", "3 Some(0) Some(4.5) interpolated"]
        );
        let in_order = |idx: usize| (1..12).map(move |secs| (secs, idx));
        assert_eq!(stand(&of), in_order(0).chain(in_order(1)).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn what_was_mended_has_nothing_left_to_mend(
            rows in prop::collection::vec((0..40_i64, 0..2_usize, -5.0..5.0_f64, 0..8_u8), 1..120),
            is_by_channel in any::<bool>(),
        ) {
            let mut rows = rows;
            if is_by_channel {
                rows.sort_by_key(|row| row.1);
            }
            let plain: Vec<(i64, usize, f64)> = rows.iter().map(|row| (row.0, row.1, row.2)).collect();
            let mut of = series(&plain);
            for (row, (.., defect)) in of.rows.iter_mut().zip(&rows) {
                match *defect {
                    0 => row.value = f64::NAN,
                    1 => row.value = f64::INFINITY,
                    2 => (row.value, row.not_number) = (f64::NAN, Some("Bad".to_owned())),
                    _ => {}
                }
            }
            let n_before = of.rows.len();
            let done = of.repair(None, RepairSpec::default());
            let mut check = NamedCheck::new(SeriesId::new("s"), None, Timestamp::from_secs(1000));
            for row in &of.rows {
                prop_assert!(row.not_number.is_none());
                check.push(NamedValue {
                    number: row.number,
                    time: row.time,
                    channel: of.channels[row.channel_idx].name(),
                    value: row.value,
                    is_text: false,
                });
            }
            for finding in check.finish().findings(Level::Strict) {
                prop_assert!(!finding.check.is_repairable(), "{:?}", finding);
            }
            // Every row that was left out was told, and nothing is mended twice.
            let n_left_out = done.iter().filter(|of| of.why == Why::Check(Check::RepeatedTime)).count();
            prop_assert_eq!(n_before - of.rows.len(), n_left_out);
            prop_assert!(of.repair(None, RepairSpec::default()).is_empty());
        }
    }
}
