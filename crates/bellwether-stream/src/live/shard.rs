//! A part of the fleet: devices whose names hash alike, judged by one thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bellwether_core::event::EventId;
use bellwether_core::frame::Sample;
use bellwether_core::session::{PushError, Scratch, Turn, judge};
use bellwether_core::time::Timestamp;
use bellwether_core::transform::Outside;

use super::device::{Device, Told, Until};
use super::models::Served;
use super::reorder::{Entry, Message};
use super::wire::Step;
use crate::arrival::Layout;

/// Devices in memory, by name.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) devices: HashMap<Arc<str>, Box<Device>>,
    scratch: Scratch,
    /// Where the values of a layout stand in a sample of a model; both are kept alive by the key.
    places: HashMap<(PlaceKey, PlaceKey), Places>,
}

type PlaceKey = usize;

#[derive(Debug)]
struct Places {
    layout: Arc<Layout>,
    served: Arc<Served>,
    places: Arc<[Option<usize>]>,
}

/// Pairs of layout and model that are remembered; where senders make up more, all are looked up anew.
const PLACES_MAX: usize = 4096;

/// A step of this cycle, and its place among all of the cycle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due<'a> {
    pub(super) order: u32,
    pub(super) step: &'a Step,
}

/// What a shard made of its part of a cycle.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// What became of each step, and its place among all of the cycle.
    pub(super) entries: Vec<(u32, StepEntry)>,
    /// Judged samples.
    pub(super) rows: Vec<Row>,
    /// Raw values of the rows, one after the other.
    pub(super) values: Vec<f64>,
    pub(super) told: Told,
    /// Devices that were touched.
    pub(super) touched: Vec<Arc<str>>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepEntry {
    Accepted,
    Duplicate,
    Late,
    /// The model knows none of its channels.
    Unknown,
}

/// A judged sample.
#[derive(Debug)]
pub(super) struct Row {
    /// Place of the step that let it go.
    pub(super) order: u32,
    pub(super) series: Arc<str>,
    pub(super) served: Arc<Served>,
    pub(super) time: Timestamp,
    pub(super) time_text: Option<Box<str>>,
    /// Where its values begin in [`Work::values`].
    pub(super) values: usize,
    /// NaN: none.
    pub(super) score: f64,
    pub(super) event: Option<EventId>,
    pub(super) top: Option<(u32, f64)>,
    /// Why the sample does not count as operation.
    pub(super) outside: Option<Outside>,
    /// Which values were filled in on a grid; empty where there is none.
    pub(super) filled: Box<[bool]>,
}

impl Shard {
    /// Takes the steps of a cycle, in order; every device of them is in memory.
    pub(super) fn run(&mut self, dues: &[Due<'_>], cycle: u64, now: Instant) -> Work {
        let mut work = Work::default();
        // Devices of this cycle, taken out of the map so that all can be worked on at once.
        let mut places: HashMap<&Arc<str>, usize> = HashMap::new();
        let mut devices: Vec<(Box<Device>, Vec<usize>)> = Vec::new();
        for due in dues {
            let name = due.step.series();
            let idx = *places.entry(name).or_insert_with(|| {
                let device = self
                    .devices
                    .remove(name)
                    .expect("devices are loaded before their steps run");
                devices.push((device, Vec::new()));
                devices.len() - 1
            });
            let (device, rows) = &mut devices[idx];
            device.last_cycle = cycle;
            let until = match due.step {
                Step::Arrival(_) => Until::Late,
                Step::Flush(_) => Until::Quiet,
                Step::Close(_) => Until::End,
            };
            let entry = self.enter(device, due, now, &mut work.told);
            work.entries.push((due.order, entry));
            let (series, served) = (Arc::clone(&device.name), Arc::clone(&device.served));
            device.release(until, &mut |sample| {
                rows.push(work.rows.len());
                work.rows.push(Row {
                    order: due.order,
                    series: Arc::clone(&series),
                    served: Arc::clone(&served),
                    time: sample.time,
                    time_text: sample.time_text,
                    values: work.values.len(),
                    score: f64::NAN,
                    event: None,
                    top: None,
                    outside: None,
                    filled: sample.filled,
                });
                work.values.extend_from_slice(&sample.values);
            });
        }
        self.judge(&mut devices, &mut work);
        for (device, _) in devices {
            work.told.open(&device);
            work.touched.push(Arc::clone(&device.name));
            self.devices.insert(Arc::clone(&device.name), device);
        }
        work
    }

    fn enter(&mut self, device: &mut Device, due: &Due<'_>, now: Instant, told: &mut Told) -> StepEntry {
        let Step::Arrival(arrival) = due.step else {
            return StepEntry::Accepted;
        };
        device.heard = now;
        let places = self.places(&arrival.layout, &device.served);
        if places.iter().all(Option::is_none) {
            return StepEntry::Unknown;
        }
        let before = device.reorder.newest;
        let entry = device.push(Message {
            time: arrival.time,
            time_text: arrival.time_text.as_deref(),
            values: &arrival.values,
            places: &places,
            is_whole: arrival.is_whole,
        });
        match entry {
            Entry::Duplicate => StepEntry::Duplicate,
            Entry::Late => StepEntry::Late,
            Entry::Accepted => {
                device.is_told_silent = false;
                if std::mem::take(&mut device.may_be_silent)
                    && let Some(before) = before
                {
                    told.speaks(&device.name, before, arrival.time);
                }
                StepEntry::Accepted
            }
        }
    }

    fn places(&mut self, layout: &Arc<Layout>, served: &Arc<Served>) -> Arc<[Option<usize>]> {
        let key = (Arc::as_ptr(layout) as PlaceKey, Arc::as_ptr(served) as PlaceKey);
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&key) {
            self.places.clear();
        }
        let found = self.places.entry(key).or_insert_with(|| Places {
            layout: Arc::clone(layout),
            served: Arc::clone(served),
            places: served.places(layout).into(),
        });
        debug_assert!(Arc::ptr_eq(&found.layout, layout) && Arc::ptr_eq(&found.served, served));
        Arc::clone(&found.places)
    }

    /// Judges what was let go: all devices of one model in one call.
    fn judge(&mut self, devices: &mut [(Box<Device>, Vec<usize>)], work: &mut Work) {
        let Work {
            rows, values, told, ..
        } = work;
        let mut by_model: Vec<(Arc<Served>, Vec<usize>)> = Vec::new();
        for (idx, (device, of_device)) in devices.iter().enumerate() {
            if of_device.is_empty() {
                continue;
            }
            match by_model
                .iter_mut()
                .find(|(served, _)| Arc::ptr_eq(served, &device.served))
            {
                Some((_, members)) => members.push(idx),
                None => by_model.push((Arc::clone(&device.served), vec![idx])),
            }
        }
        for (served, members) in by_model {
            let n = served.columns().len();
            let samples: Vec<Vec<Sample<'_>>> = members
                .iter()
                .map(|idx| {
                    let of_device = devices[*idx].1.iter().map(|row| &rows[*row]);
                    of_device
                        .map(|row| Sample {
                            time: row.time,
                            values: &values[row.values..row.values + n],
                        })
                        .collect()
                })
                .collect();
            let filled: Vec<Vec<bool>> = members
                .iter()
                .map(|idx| {
                    let of_device = devices[*idx].1.iter().map(|row| &rows[*row]);
                    of_device.flat_map(|row| row.filled.iter().copied()).collect()
                })
                .collect();
            let mut is_member = vec![None; devices.len()];
            for (turn_idx, idx) in members.iter().enumerate() {
                is_member[*idx] = Some(turn_idx);
            }
            let mut turns = Vec::with_capacity(members.len());
            let mut notes = Vec::with_capacity(members.len());
            for ((device, _), member) in devices.iter_mut().zip(is_member) {
                if let Some(turn_idx) = member {
                    let Device {
                        session,
                        notes: device_notes,
                        name,
                        ..
                    } = &mut **device;
                    turns.push(Turn {
                        session,
                        samples: &samples[turn_idx],
                        filled: &filled[turn_idx],
                    });
                    notes.push((device_notes, Arc::clone(name)));
                }
            }
            let mut answers: Vec<(usize, usize, Option<Answer>)> = Vec::new();
            judge(&mut turns, &mut self.scratch, &mut |judged| {
                let (device_notes, name) = &mut notes[judged.turn_idx];
                let actual = samples[judged.turn_idx][judged.sample_idx].values;
                told.judged(name, &served, device_notes, actual, &judged);
                answers.push((judged.turn_idx, judged.sample_idx, answer(&judged.answer, name)));
            });
            drop(turns);
            for (turn_idx, sample_idx, answer) in answers {
                let row = devices[members[turn_idx]].1[sample_idx];
                if let Some(answer) = answer {
                    let row = &mut rows[row];
                    (row.score, row.event, row.top, row.outside) = answer;
                }
            }
        }
    }
}

type Answer = (f64, Option<EventId>, Option<(u32, f64)>, Option<Outside>);

/// What a row says of its verdict.
fn answer(
    answer: &Result<Option<bellwether_core::session::Verdict>, PushError>,
    name: &str,
) -> Option<Answer> {
    match answer {
        Ok(Some(verdict)) => {
            let top = verdict.top.map(|top| (top.channel_idx as u32, top.share));
            let score = verdict.score.unwrap_or(f64::NAN);
            Some((score, verdict.event(), top, verdict.outside))
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(device = name, %error, "a sample has no score");
            None
        }
    }
}
