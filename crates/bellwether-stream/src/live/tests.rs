//! A fleet says what batch says: whatever the chunks, the threads, the order within the lateness, the repetitions, the
//! sessions that go to the database and come back, and the power cuts.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::detect::{CalibrationSpec, Candidate, Detector, Mode};
use bellwether_core::event::Event;
use bellwether_core::frame::{Channel, Frame, SeriesId};
use bellwether_core::model::{Model, ModelError};
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::{Align, Fill, PipelineSpec};
use bellwether_core::window::{WindowSpec, Windows};
use bellwether_store::database::{Commit, StoredState};
use proptest::prelude::*;

use super::fleet::{Checkpoints, Fleet};
use super::models::{Models, Served};
use super::settings::{DeviceRules, Settings};
use super::wire::{Step, decode_steps};
use crate::arrival::{Arrival, Layout};
use crate::clock;
use crate::patterns::ByDevice;

const CHANNELS: [&str; 2] = ["wave", "noise"];

/// Expects each channel's mean over the window.
#[derive(Debug)]
struct MeanModel(usize);

impl Model for MeanModel {
    fn window(&self) -> WindowSpec {
        WindowSpec {
            len: NonZeroUsize::new(self.0).unwrap(),
            stride: NonZeroUsize::MIN,
        }
    }

    fn n_channels(&self) -> usize {
        2
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        for (window_idx, out) in out.chunks_exact_mut(self.0 * 2).enumerate() {
            for (cell, out) in out.iter_mut().enumerate() {
                let values = windows.values(window_idx).iter();
                *out = values.skip(cell % 2).step_by(2).sum::<f64>() / self.0 as f64;
            }
        }
        Ok(())
    }
}

/// Small numbers that look like chance, in [0, 1).
fn noise(seed: u64, row: usize) -> f64 {
    let mut x = seed ^ (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A sample every 10 s with a fault in the middle, now and then a gap or a missing cell.
fn plant(seed: u64, n_rows: usize, is_clean: bool) -> Frame {
    let (mut time, mut values, mut now) = (Vec::new(), Vec::new(), 0);
    for row in 0..n_rows {
        now += if !is_clean && noise(seed ^ 1, row) < 0.02 {
            900
        } else {
            10
        };
        time.push(Timestamp::from_secs(now));
        let fault = if !is_clean && row % 60 > 45 { 3.0 } else { 0.0 };
        values.push((row as f64 * 0.3).sin() + 0.1 * noise(seed ^ 2, row) + fault);
        let is_missing = !is_clean && noise(seed ^ 3, row) < 0.1;
        values.push(if is_missing {
            f64::NAN
        } else {
            noise(seed ^ 4, row)
        });
    }
    let channels: Vec<Channel> = CHANNELS.map(Channel::new).into();
    Frame::new(channels, time, values).unwrap()
}

fn detector(len: usize) -> Arc<Detector> {
    let pipeline = PipelineSpec::for_window(NonZeroUsize::new(len).unwrap())
        .fit(&[plant(1, 300, true)])
        .unwrap();
    let spec = CalibrationSpec {
        threshold: ThresholdRule::Quantile(0.99),
        ..CalibrationSpec::default()
    };
    let folds = vec![vec![pipeline.apply(plant(2, 200, true)).unwrap()]];
    let candidates = vec![Candidate::alone(Arc::new(MeanModel(len)))];
    let fitted = Detector::calibrate(pipeline, candidates, folds, &spec).unwrap();
    Arc::new(fitted.0)
}

fn layout() -> Arc<Layout> {
    Arc::new(Layout {
        channels: CHANNELS.map(str::to_owned).into(),
    })
}

fn arrivals(series: &Arc<str>, data: &Frame, layout: &Arc<Layout>) -> Vec<Arrival> {
    let samples = (0..data.n_samples()).map(|row| data.sample(row));
    samples
        .map(|sample| Arrival {
            series: Arc::clone(series),
            time: sample.time,
            time_text: None,
            layout: Arc::clone(layout),
            values: sample.values.to_vec(),
            is_whole: true,
        })
        .collect()
}

/// What the database would hold after these commits.
#[derive(Debug, Default)]
struct Kept {
    seq: i64,
    journal: BTreeMap<i64, Vec<u8>>,
    checkpoints: HashMap<Arc<str>, StoredState>,
    events: BTreeMap<(Arc<str>, Timestamp), Event>,
    /// Each alert that began, and whether it has ended.
    alerts: BTreeMap<String, bool>,
    rows: HashMap<Arc<str>, Vec<(Timestamp, u64)>>,
}

impl Kept {
    fn commit(&mut self, commit: &Commit) {
        self.seq += 1;
        if !commit.arrivals.is_empty() {
            self.journal.insert(self.seq, commit.arrivals.clone());
        }
        if let Some(from) = commit.journal_from {
            self.journal.retain(|seq, _| *seq >= from);
        }
        for checkpoint in &commit.checkpoints {
            let state = StoredState {
                seq: self.seq,
                state: checkpoint.state.clone(),
            };
            self.checkpoints.insert(Arc::clone(&checkpoint.series), state);
        }
        for event in &commit.events {
            self.events.insert(
                (Arc::clone(&event.series), event.event.start),
                event.event.clone(),
            );
        }
        for alert in &commit.alerts {
            self.alerts.entry(alert.id.clone()).or_default();
        }
        for end in &commit.ended {
            *self.alerts.get_mut(&end.id).expect("only what began ends") = true;
        }
        for block in &commit.judged {
            for ((series, time), score) in block.series.iter().zip(&block.time).zip(&block.score) {
                let score = if score.is_nan() { u64::MAX } else { score.to_bits() };
                self.rows
                    .entry(Arc::clone(series))
                    .or_default()
                    .push((*time, score));
            }
        }
    }

    /// Steps that a restart would replay.
    fn n_journaled(&self) -> usize {
        self.journal
            .values()
            .map(|bytes| decode_steps(bytes).unwrap().len())
            .sum()
    }
}

struct Setup {
    models: Arc<Models>,
    rules: Arc<ByDevice<DeviceRules>>,
    settings: Settings,
}

impl Setup {
    fn new(detector: &Arc<Detector>, n_threads: usize, lateness: Duration, grid: Option<Align>) -> Self {
        let served = Arc::new(Served::new("toy@1", Arc::clone(detector)).with_grid(grid));
        Self {
            models: Arc::new(ByDevice::all(Some(served))),
            rules: Arc::new(ByDevice::all(DeviceRules {
                lateness,
                silence: None,
            })),
            settings: Settings {
                n_threads,
                sessions_max: 2,
                replay_len_max: 40,
                history: Some("unused".into()),
                ..Settings::default()
            },
        }
    }

    fn restore(&self, kept: &Kept) -> Fleet {
        let (models, rules) = (Arc::clone(&self.models), Arc::clone(&self.rules));
        let mut fleet = Fleet::new(self.settings.clone(), models, rules, kept.seq).unwrap();
        let blocks: Vec<_> = kept
            .journal
            .iter()
            .map(|(seq, bytes)| (*seq, decode_steps(bytes).unwrap()))
            .collect();
        let names = fleet.absent(blocks.iter().flat_map(|(_, steps)| steps));
        fleet.admit(names, &kept.checkpoints, clock::instant()).unwrap();
        fleet.replay(blocks, &kept.checkpoints, clock::instant());
        fleet
    }

    fn run(&self, fleet: &mut Fleet, steps: &[Step], kept: &Kept) -> Commit {
        let absent = fleet.absent(steps);
        fleet.admit(absent, &kept.checkpoints, clock::instant()).unwrap();
        let (now, at) = (Timestamp::from_secs(0), clock::instant());
        fleet.run(steps, Checkpoints::Due, now, at).commit
    }

    /// Writes the states of all devices.
    fn write_all(&self, fleet: &mut Fleet) -> Commit {
        let (now, at) = (Timestamp::from_secs(0), clock::instant());
        fleet.run(&[], Checkpoints::All, now, at).commit
    }
}

/// The same samples, each up to 8 s later.
fn beside_the_grid(data: &Frame) -> Frame {
    let (schema, time, values) = data.clone().into_parts();
    let later = time.iter().zip(0_u64..);
    let time = later
        .map(|(at, row)| at.plus(Duration::from_secs(row * 7 % 9)))
        .collect();
    Frame::new(schema.channels().to_vec(), time, values).unwrap()
}

/// Moves each arrival at most `reach` places forward or back, and repeats some.
fn shuffled(arrivals: Vec<Arrival>, reach: usize, repeated: f64, seed: u64) -> Vec<Arrival> {
    let mut keyed: Vec<(usize, Arrival)> = arrivals
        .into_iter()
        .enumerate()
        .map(|(row, arrival)| (row + (noise(seed, row) * (reach + 1) as f64) as usize, arrival))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    let mut shuffled = Vec::new();
    for (row, (_, arrival)) in keyed.into_iter().enumerate() {
        shuffled.push(arrival);
        if noise(seed ^ 5, row) < repeated {
            let again = (noise(seed ^ 6, row) * shuffled.len() as f64) as usize;
            shuffled.push(shuffled[again].clone());
        }
    }
    shuffled
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fleet_with_power_cuts_says_what_batch_says(
        seed in any::<u64>(), len in 1_usize..9, n_threads in 1_usize..3, reach in 0_usize..6,
        repeated in 0.0..0.3_f64, chunk_max in 1_usize..40, cuts in 0.0..0.4_f64,
        fill in prop::option::of(prop::sample::select(vec![Fill::Previous, Fill::Linear, Fill::Mean, Fill::Last])),
    ) {
        let detector = detector(len);
        let grid = fill.map(|fill| Align {
            fill,
            max_fill: Duration::from_secs(60),
            ..Align::every(Duration::from_secs(10))
        });
        // Samples are 10 s apart: an arrival that was moved by `reach` places is at most so much behind, and 8 s more
        // where samples are on no grid.
        let lateness = 10 * reach as u64 + if grid.is_some() && reach > 0 { 8 } else { 0 };
        let setup = Setup::new(&detector, n_threads, Duration::from_secs(lateness), grid);
        let layout = layout();
        let names: Vec<Arc<str>> = ["a", "b", "c", "d"].map(Arc::from).into();
        let data: Vec<Frame> = (0..4).map(|idx| {
            // Gaps would make what lies behind the lateness depend on where they are.
            let frame = plant(seed ^ idx, 130, false);
            let frame = if reach == 0 { frame } else { plant_without_gaps(seed ^ idx, 130) };
            if grid.is_some() { beside_the_grid(&frame) } else { frame }
        }).collect();
        let mut waiting: Vec<_> = names.iter().zip(&data).enumerate()
            .map(|(idx, (name, data))| {
                shuffled(arrivals(name, data, &layout), reach, repeated, seed ^ (70 + idx as u64)).into_iter()
            })
            .collect();
        let mut kept = Kept::default();
        let mut fleet = setup.restore(&kept);
        for round in 0.. {
            let mut steps = Vec::new();
            for (idx, waiting) in waiting.iter_mut().enumerate() {
                let n = (noise(seed ^ 8, 4 * round + idx) * (chunk_max + 1) as f64) as usize;
                steps.extend(waiting.by_ref().take(n + usize::from(idx == 0)).map(Step::Arrival));
            }
            if steps.is_empty() && waiting.iter().all(|waiting| waiting.len() == 0) {
                break;
            }
            let commit = setup.run(&mut fleet, &steps, &kept);
            let power_cut = noise(seed ^ 9, round);
            if power_cut < cuts / 2.0 {
                // Before the commit: nothing was acknowledged, so all of it comes again.
                fleet = setup.restore(&kept);
                let commit = setup.run(&mut fleet, &steps, &kept);
                kept.commit(&commit);
                fleet.committed();
            } else {
                kept.commit(&commit);
                fleet.committed();
                if power_cut < cuts {
                    // After it: the sender may not know, and sends again.
                    fleet = setup.restore(&kept);
                    let commit = setup.run(&mut fleet, &steps, &kept);
                    kept.commit(&commit);
                    fleet.committed();
                }
            }
            prop_assert!(kept.n_journaled() <= setup.settings.replay_len_max.max(4 * (chunk_max + 2)) + 8);
            prop_assert!(fleet.n_devices() <= 4);
        }
        // Those that went to the database hold samples back, too.
        for name in &names {
            let end = if grid.is_some() { Step::Close } else { Step::Flush };
            let commit = setup.run(&mut fleet, &[end(Arc::clone(name))], &kept);
            kept.commit(&commit);
            fleet.committed();
        }
        for (name, data) in names.iter().zip(&data) {
            let data = match &grid {
                Some(align) => align.apply(data).unwrap().frame,
                None => data.clone(),
            };
            let scores = detector.score(&SeriesId::new(Arc::clone(name)), data, Mode::Causal).unwrap();
            let want: Vec<(Timestamp, u64)> = scores.time.iter().zip(&scores.score)
                .map(|(time, score)| (*time, if score.is_nan() { u64::MAX } else { score.to_bits() }))
                .collect();
            prop_assert_eq!(&kept.rows[name], &want);
            let got: Vec<&Event> = kept.events.range((Arc::clone(name), Timestamp::from_nanos(i64::MIN))..)
                .take_while(|((series, _), _)| series == name)
                .map(|(_, event)| event)
                .collect();
            let want: Vec<&Event> = scores.events.iter().collect();
            prop_assert_eq!(got, want);
        }
        let n_events: usize = kept.events.len();
        prop_assert_eq!(kept.alerts.len(), n_events, "an alert for each event, and never two");
        let n_open = kept.events.values().filter(|event| event.is_open).count();
        prop_assert_eq!(kept.alerts.values().filter(|has_ended| !**has_ended).count(), n_open);
    }
}

fn plant_without_gaps(seed: u64, n_rows: usize) -> Frame {
    let with_gaps = plant(seed, n_rows, false);
    let time = (1..=n_rows as i64)
        .map(|row| Timestamp::from_secs(10 * row))
        .collect();
    Frame::new(
        with_gaps.schema().channels().to_vec(),
        time,
        with_gaps.values().to_vec(),
    )
    .unwrap()
}

#[test]
fn another_model_ends_the_open_event_and_keeps_what_waits() {
    let detector = detector(3);
    let setup = Setup::new(&detector, 1, Duration::from_secs(20), None);
    let name: Arc<str> = "a".into();
    let data = plant_without_gaps(4, 60);
    let steps: Vec<Step> = arrivals(&name, &data, &layout())
        .into_iter()
        .map(Step::Arrival)
        .collect();
    let mut kept = Kept::default();
    let mut fleet = setup.restore(&kept);
    let commit = setup.run(&mut fleet, &steps[..55], &kept);
    kept.commit(&commit);
    fleet.committed();
    assert!(kept.events.values().any(|event| event.is_open), "the fault is on");
    let commit = setup.write_all(&mut fleet);
    kept.commit(&commit);
    fleet.committed();
    assert_eq!(kept.n_journaled(), 0);
    let next = Arc::new(ByDevice::all(Some(Arc::new(Served::new(
        "toy@2",
        Arc::clone(&detector),
    )))));
    fleet.reconfigure(setup.settings.clone(), next, Arc::clone(&setup.rules));
    let commit = setup.run(&mut fleet, &[], &kept);
    kept.commit(&commit);
    fleet.committed();
    assert!(kept.events.values().all(|event| !event.is_open));
    assert!(kept.alerts.values().all(|has_ended| *has_ended));
    let commit = setup.run(&mut fleet, &steps[55..], &kept);
    let flush = [Step::Flush(Arc::clone(&name))];
    kept.commit(&commit);
    fleet.committed();
    let commit = setup.run(&mut fleet, &flush, &kept);
    kept.commit(&commit);
    assert_eq!(
        kept.rows[&name].len(),
        60,
        "every sample was judged by one of the two"
    );
}

#[test]
fn all_is_written_before_models_change_however_often_the_commit_fails() {
    let detector = detector(3);
    let setup = Setup::new(&detector, 1, Duration::from_secs(20), None);
    let data = plant_without_gaps(4, 5);
    let mut kept = Kept::default();
    let mut fleet = setup.restore(&kept);
    let steps: Vec<Step> = ["a", "b", "c"]
        .iter()
        .flat_map(|name| arrivals(&Arc::from(*name), &data, &layout()))
        .map(Step::Arrival)
        .collect();
    let commit = setup.run(&mut fleet, &steps, &kept);
    kept.commit(&commit);
    fleet.committed();
    assert!(kept.n_journaled() > 0, "a restart would have something to replay");
    for _ in 0..3 {
        // It fails, and memory is brought back to what the database holds.
        setup.write_all(&mut fleet);
        fleet = setup.restore(&kept);
    }
    let commit = setup.write_all(&mut fleet);
    kept.commit(&commit);
    fleet.committed();
    assert_eq!(kept.n_journaled(), 0);
    fleet.reconfigure(
        setup.settings.clone(),
        Arc::clone(&setup.models),
        Arc::clone(&setup.rules),
    );
}

#[test]
fn a_quiet_device_is_flushed_and_a_silent_one_is_told_once() {
    let detector = detector(3);
    let mut setup = Setup::new(&detector, 1, Duration::from_secs(20), None);
    let rules = DeviceRules {
        lateness: Duration::from_secs(20),
        silence: Some(Duration::from_secs(60)),
    };
    setup.rules = Arc::new(ByDevice::all(rules));
    let name: Arc<str> = "a".into();
    let data = plant_without_gaps(4, 12);
    let steps: Vec<Step> = arrivals(&name, &data, &layout())
        .into_iter()
        .map(Step::Arrival)
        .collect();
    let mut kept = Kept::default();
    let mut fleet = setup.restore(&kept);
    let commit = setup.run(&mut fleet, &steps[..10], &kept);
    kept.commit(&commit);
    fleet.committed();
    let start = clock::instant();
    let (flushes, is_silent) = fleet.look_around(start + Duration::from_secs(30));
    assert!(flushes.is_empty() && !is_silent);
    let (flushes, is_silent) = fleet.look_around(start + Duration::from_secs(45));
    assert!(flushes.len() == 1 && !is_silent);
    let commit = setup.run(&mut fleet, &flushes, &kept);
    kept.commit(&commit);
    fleet.committed();
    assert_eq!(kept.rows[&name].len(), 10);
    assert!(fleet.look_around(start + Duration::from_secs(61)).1);
    assert!(!fleet.look_around(start + Duration::from_secs(62)).1, "once");
    let commit = setup.run(&mut fleet, &[], &kept);
    kept.commit(&commit);
    fleet.committed();
    assert_eq!(kept.alerts.values().filter(|has_ended| !**has_ended).count(), 1);
    // After a restart it is known that it may have been called silent, and speaks again.
    let mut fleet = setup.restore(&kept);
    let commit = setup.run(&mut fleet, &steps[10..], &kept);
    kept.commit(&commit);
    assert!(kept.alerts.values().all(|has_ended| *has_ended));
}
