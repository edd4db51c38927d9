//! Rows that name the channels of their values, put together to samples as they go by: a table in long form has one
//! value a row, line protocol may have several.
//!
//! Values of one instant are one sample while their rows come together. A channel whose first value lies before what
//! has come already comes after the others, as in a table that is written channel after channel: it begins a group
//! whose rows are put together and looked at by themselves. So no rows are kept but those that tell which channels
//! come together, and those of the instant at hand.

use std::collections::{BTreeSet, HashMap};

use super::Cases;
use super::contract::Contract;
use super::profile::SeriesProfile;
use super::series::{Row, SeriesCheck};
use crate::frame::{Channel, SeriesId};
use crate::time::Timestamp;

/// Values that tell which channels come together, where they are of so many instants at least,
const N_LEARNT: usize = 2048;
const N_INSTANTS: usize = 8;

/// and at most.
const N_LEARNT_MAX: usize = 1 << 16;

/// So many rows that come late, and so many that repeat a value, wait for the end of the instant at hand.
const N_WAITING: usize = 1024;

/// One value with the name of its channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedValue<'a> {
    /// The number of its row among all rows of the input, from 1.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// The channel.
    pub channel: &'a str,
    /// The value: NaN is missing, an infinite one is told of.
    pub value: f64,
    /// Whether its cell holds something that is no number; the value is NaN.
    pub is_text: bool,
}

/// Looks at one series whose rows name their channels, in one pass.
///
/// # Memory
/// That of a [`SeriesCheck`] for each group of channels, and at most 65,536 values beside it.
#[derive(Debug, Clone)]
pub struct NamedCheck<'c> {
    series: SeriesId,
    contract: Option<&'c Contract>,
    now: Timestamp,
    /// Of each channel its group, and its place in it.
    places: HashMap<String, (usize, usize)>,
    groups: Vec<Group>,
    unreadable: Cases,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u64,
    time: Timestamp,
    idx: usize,
    value: f64,
    is_text: bool,
}

#[derive(Debug, Clone)]
struct Group {
    channels: Vec<Channel>,
    latest: Option<Timestamp>,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Which channels come together is not known yet.
    Learning(Vec<Entry>, BTreeSet<Timestamp>),
    Running(Box<Running>),
}

/// Samples in the making.
#[derive(Debug, Clone)]
struct Running {
    check: SeriesCheck,
    /// The instant at hand, and the number of its first row.
    open: Option<(Timestamp, u64)>,
    values: Vec<f64>,
    is_set: Vec<bool>,
    /// Rows that bring a value once more at the instant at hand.
    repeated: Vec<u64>,
    /// Values before the instant at hand.
    late: Vec<Entry>,
}

impl<'c> NamedCheck<'c> {
    /// For the rows of a series, at `now`.
    pub fn new(series: SeriesId, contract: Option<&'c Contract>, now: Timestamp) -> Self {
        Self {
            series,
            contract,
            now,
            places: HashMap::new(),
            groups: Vec::new(),
            unreadable: Cases::default(),
        }
    }

    /// A row of this series that cannot be read at all.
    pub fn push_unreadable(&mut self, number: u64) {
        let case = super::Case {
            row: number,
            time: None,
            value: None,
            until: None,
        };
        self.unreadable.push(case, 0.0);
    }

    /// Takes the next value.
    pub fn push(&mut self, value: NamedValue<'_>) {
        let (group_idx, idx) = match self.places.get(value.channel) {
            Some(place) => *place,
            None => self.place(value.channel, value.time),
        };
        let entry = Entry {
            number: value.number,
            time: value.time,
            idx,
            value: value.value,
            is_text: value.is_text,
        };
        let group = &mut self.groups[group_idx];
        group.latest = group.latest.max(Some(value.time));
        match &mut group.state {
            State::Running(running) => running.push(entry),
            State::Learning(entries, instants) => {
                entries.push(entry);
                if instants.len() < N_INSTANTS {
                    instants.insert(value.time);
                }
                let is_known = entries.len() >= N_LEARNT && instants.len() >= N_INSTANTS;
                if is_known || entries.len() >= N_LEARNT_MAX {
                    self.run(group_idx);
                }
            }
        }
    }

    /// The place of a channel that was not there before: in the last group, where its values come together with those.
    fn place(&mut self, channel: &str, time: Timestamp) -> (usize, usize) {
        let is_open = self.groups.last().is_some_and(|group| {
            matches!(group.state, State::Learning(..)) && group.latest.is_none_or(|latest| latest <= time)
        });
        if !is_open {
            self.groups.push(Group {
                channels: Vec::new(),
                latest: None,
                state: State::Learning(Vec::new(), BTreeSet::new()),
            });
        }
        let group_idx = self.groups.len() - 1;
        let channels = &mut self.groups[group_idx].channels;
        channels.push(Channel::new(channel));
        let place = (group_idx, channels.len() - 1);
        self.places.insert(channel.to_owned(), place);
        place
    }

    /// Begins to put the samples of a group together.
    fn run(&mut self, group_idx: usize) {
        let group = &mut self.groups[group_idx];
        let n = group.channels.len();
        let check = SeriesCheck::new(
            self.series.clone(),
            group.channels.as_slice(),
            self.contract,
            self.now,
        );
        let running = Running {
            check,
            open: None,
            values: vec![f64::NAN; n],
            is_set: vec![false; n],
            repeated: Vec::new(),
            late: Vec::new(),
        };
        let before = std::mem::replace(&mut group.state, State::Running(Box::new(running)));
        if let (State::Learning(entries, _), State::Running(running)) = (before, &mut group.state) {
            entries.into_iter().for_each(|entry| running.push(entry));
        }
    }

    /// What the rows were like.
    pub fn finish(mut self) -> SeriesProfile {
        self.put_together();
        if self.groups.is_empty() {
            self.groups.push(Group {
                channels: Vec::new(),
                latest: None,
                state: State::Learning(Vec::new(), BTreeSet::new()),
            });
        }
        for group_idx in 0..self.groups.len() {
            if matches!(self.groups[group_idx].state, State::Learning(..)) {
                self.run(group_idx);
            }
        }
        let profiles = self.groups.into_iter().filter_map(|group| match group.state {
            State::Running(running) => Some(running.finish()),
            State::Learning(..) => None,
        });
        SeriesProfile::joined(profiles.collect(), self.unreadable)
    }

    /// Makes one group of all where all rows are at hand and each channel comes in the order of time: then it does not
    /// matter how they are written.
    fn put_together(&mut self) {
        if self.groups.len() < 2 {
            return;
        }
        let mut all: Vec<Entry> = Vec::new();
        let mut channels = Vec::new();
        for group in &self.groups {
            let State::Learning(entries, _) = &group.state else {
                return;
            };
            let mut latest = vec![None; group.channels.len()];
            for entry in entries {
                if latest[entry.idx].replace(entry.time) > Some(entry.time) {
                    return;
                }
                all.push(Entry {
                    idx: entry.idx + channels.len(),
                    ..*entry
                });
            }
            channels.extend(group.channels.iter().cloned());
        }
        all.sort_by_key(|entry| entry.time);
        self.groups = vec![Group {
            channels,
            latest: None,
            state: State::Learning(all, BTreeSet::new()),
        }];
    }
}

impl Running {
    fn push(&mut self, entry: Entry) {
        let is_bad = entry.is_text || entry.value.is_infinite();
        if is_bad {
            let infinite = (!entry.is_text).then_some(entry.value);
            self.check
                .count_bad_cell(entry.idx, entry.number, entry.time, infinite);
        }
        let value = if is_bad { f64::NAN } else { entry.value };
        self.take(Entry { value, ..entry });
    }

    fn take(&mut self, entry: Entry) {
        let Some((open, _)) = self.open else {
            self.begin(entry);
            return;
        };
        if entry.time > open {
            self.end_instant();
            self.begin(entry);
        } else if entry.time < open {
            self.late.push(entry);
            if self.late.len() >= N_WAITING {
                // The last of their instants may go on.
                let is_last = |late: &Entry| late.time == entry.time;
                let n_before = self.late.iter().rposition(|late| !is_last(late));
                let open = self.late.split_off(n_before.map_or(0, |idx| idx + 1));
                self.end_instant();
                open.into_iter().for_each(|late| self.take(late));
            }
        } else if !self.is_set[entry.idx] {
            self.set(entry);
        } else if self.repeated.last() != Some(&entry.number) {
            self.repeated.push(entry.number);
            if self.repeated.len() >= N_WAITING {
                self.end_instant();
                // What still comes of this instant repeats it.
                self.begin(entry);
            }
        }
    }

    fn begin(&mut self, entry: Entry) {
        self.open = Some((entry.time, entry.number));
        self.values.fill(f64::NAN);
        self.is_set.fill(false);
        self.set(entry);
    }

    fn set(&mut self, entry: Entry) {
        self.values[entry.idx] = entry.value;
        self.is_set[entry.idx] = true;
    }

    /// Hands over the sample at hand, and behind it the rows that came late.
    fn end_instant(&mut self) {
        let Some((time, number)) = self.open.take() else {
            return;
        };
        self.check.push(Row {
            number,
            time,
            values: &self.values,
            not_numbers: &[],
        });
        self.values.fill(f64::NAN);
        for number in std::mem::take(&mut self.repeated) {
            self.check.push(Row {
                number,
                time,
                values: &self.values,
                not_numbers: &[],
            });
        }
        let mut late = std::mem::take(&mut self.late).into_iter().peekable();
        while let Some(first) = late.next() {
            self.values.fill(f64::NAN);
            self.values[first.idx] = first.value;
            while let Some(entry) = late.next_if(|entry| entry.time == first.time) {
                self.values[entry.idx] = entry.value;
            }
            self.check.push(Row {
                number: first.number,
                time: first.time,
                values: &self.values,
                not_numbers: &[],
            });
        }
    }

    fn finish(mut self) -> SeriesProfile {
        self.end_instant();
        self.check.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::{Check, Finding, Level};

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn value(row: usize, channel: usize) -> f64 {
        ((row * 7919 + channel * 104_729 + row * row % 613) % 1009) as f64
    }

    fn checked(rows: &[(i64, usize, f64)]) -> SeriesProfile {
        let now = Timestamp::from_secs(10_000_000);
        let mut check = NamedCheck::new(SeriesId::new("s"), None, now);
        for (number, (secs, channel, value)) in (1..).zip(rows) {
            check.push(NamedValue {
                number,
                time: Timestamp::from_secs(*secs),
                channel: NAMES[*channel],
                value: *value,
                is_text: false,
            });
        }
        check.finish()
    }

    fn by_time(n: usize) -> Vec<(i64, usize, f64)> {
        let row = |row: usize| (0..3).map(move |channel| (10 * row as i64, channel, value(row, channel)));
        (0..n).flat_map(row).collect()
    }

    fn counts(profile: &SeriesProfile) -> Vec<(String, u64)> {
        let of = |finding: &Finding| (finding.check.name().to_owned(), finding.count);
        let all = profile.findings(Level::Moderate);
        let of_time = all.iter().filter(|finding| {
            matches!(
                finding.check,
                Check::LateRow | Check::RepeatedTime | Check::Gap | Check::ClockSetBack | Check::Missing
            )
        });
        of_time.map(of).collect()
    }

    #[test]
    fn a_long_table_is_the_wide_one_that_it_stands_for() {
        for n in [100, 3000] {
            let long = checked(&by_time(n));
            let channels: Vec<Channel> = NAMES.map(Channel::new).into();
            let mut wide = SeriesCheck::new(
                SeriesId::new("s"),
                channels,
                None,
                Timestamp::from_secs(10_000_000),
            );
            for row in 0..n {
                let values = [0, 1, 2].map(|channel| value(row, channel));
                wide.push(Row {
                    number: 3 * row as u64 + 1,
                    time: Timestamp::from_secs(10 * row as i64),
                    values: &values,
                    not_numbers: &[],
                });
            }
            assert_eq!(long, wide.finish(), "{n}");
        }
    }

    #[test]
    fn late_and_repeated_rows_and_gaps_are_counted_and_lose_no_value_of_their_neighbours() {
        let mut rows = by_time(2000);
        // A value comes ten rows late, one stands twice, and the clock leaps over a while.
        let late = rows.remove(3 * 1000);
        rows.insert(3 * 1003 + 1, late);
        rows.insert(3 * 1500, rows[3 * 1500 - 1]);
        for row in &mut rows[3 * 1800 + 1..] {
            row.0 += 500;
        }
        let profile = checked(&rows);
        // The late value is missing where it should have been.
        let expect = [("late-row", 1), ("repeated-time", 1), ("gap", 1), ("missing", 1)];
        let mut found = counts(&profile);
        found.sort();
        let mut expect = expect.map(|(check, count)| (check.to_owned(), count));
        expect.sort();
        assert_eq!(found, expect);
        assert_eq!(profile.channels[1].n_values, 2000);
    }

    #[test]
    fn a_table_that_comes_channel_after_channel_has_no_row_out_of_order() {
        for n in [100, 5000] {
            let mut rows = by_time(n);
            rows.sort_by_key(|row| row.1);
            let profile = checked(&rows);
            assert!(counts(&profile).is_empty(), "{n}: {:?}", counts(&profile));
            assert_eq!(profile.channels.len(), 3);
            let names: Vec<&str> = profile.channels.iter().map(|of| of.name.as_str()).collect();
            assert_eq!(names, NAMES);
            assert!(profile.channels.iter().all(|of| of.n_values == n as u64));
            assert_eq!(profile.time.cadence, Some(std::time::Duration::from_secs(10)));
            // A row out of order in one of them is told.
            rows.swap(n + 50, n + 52);
            let found = counts(&checked(&rows));
            assert!(
                found
                    .iter()
                    .any(|(check, count)| check == "late-row" && *count == 2),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_told_in_a_long_table_too() {
        let mut rows = by_time(1500);
        for row in &mut rows[3 * 700..] {
            row.0 -= 3600;
        }
        let profile = checked(&rows);
        assert_eq!(profile.time.n_set_back, 1);
    }
}
