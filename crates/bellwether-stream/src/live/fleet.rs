//! All devices: shards, which of them a restart would have to replay, and what a cycle writes.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Commit, JudgedBlock, StoredState};
use rayon::prelude::*;

use super::LiveError;
use super::device::{Device, Told};
use super::models::Models;
use super::settings::{DeviceRules, Settings};
use super::shard::{Due, Row, Shard, StepEntry, Work};
use super::wire::{Step, decode_state, encode_steps};
use crate::patterns::ByDevice;

/// Beyond the sessions allowed in memory, so many of a thousand go at once, so that not every cycle looks for one.
const EVICTED_PER_MILLE: usize = 50;

/// Every device that is in memory, and the books of what the database holds of them.
#[derive(Debug)]
pub(super) struct Fleet {
    shards: Vec<Shard>,
    pool: rayon::ThreadPool,
    pub(super) models: Arc<Models>,
    pub(super) rules: Arc<ByDevice<DeviceRules>>,
    settings: Settings,
    cycle: u64,
    /// The last commit.
    seq: i64,
    /// Devices whose checkpoints lag, and since which commit; oldest first. Entries of devices that have been written
    /// since are stale, and passed over.
    dirty: VecDeque<(i64, Arc<str>)>,
    /// Journal blocks that are kept: commit and number of steps.
    journal: VecDeque<(i64, usize)>,
    /// Told while restoring or changing models; goes into the next commit. All of it is harmless when told twice.
    told: Told,
}

/// Which states a cycle writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoints {
    /// Those whose turn it is.
    Due,
    /// All that lag, so that a restart has nothing to replay: the last cycle before an end, or before models change.
    All,
}

/// What one cycle made.
#[derive(Debug)]
pub(super) struct Cycle {
    /// Without offsets, quarantine and answers: these are the batches'.
    pub(super) commit: Commit,
    /// What became of each step.
    pub(super) entries: Vec<StepEntry>,
    /// Judged samples in the order in which steps let them go.
    pub(super) rows: Vec<Row>,
}

impl Fleet {
    /// A fleet of which nothing is in memory; the database's last commit is `seq`.
    ///
    /// # Errors
    /// [`LiveError::Threads`] where threads cannot be had.
    pub(super) fn new(
        settings: Settings,
        models: Arc<Models>,
        rules: Arc<ByDevice<DeviceRules>>,
        seq: i64,
    ) -> Result<Self, LiveError> {
        let n_threads = settings.n_threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .thread_name(|idx| format!("judge-{idx}"))
            .build()?;
        Ok(Self {
            shards: (0..n_threads).map(|_| Shard::default()).collect(),
            pool,
            models,
            rules,
            settings,
            cycle: 0,
            seq,
            dirty: VecDeque::new(),
            journal: VecDeque::new(),
            told: Told::default(),
        })
    }

    /// Devices of these steps that are not in memory.
    pub(super) fn absent<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> Vec<Arc<str>> {
        let mut absent = HashSet::new();
        for step in steps {
            if !self.shard_of(step.series()).devices.contains_key(step.series()) {
                absent.insert(Arc::clone(step.series()));
            }
        }
        absent.into_iter().collect()
    }

    /// Takes devices into memory: as `stored`, else as never heard of. Those without a model stay where they are.
    ///
    /// # Errors
    /// [`LiveError::State`] where a stored state cannot be used.
    pub(super) fn admit(
        &mut self,
        names: Vec<Arc<str>>,
        stored: &HashMap<Arc<str>, StoredState>,
        now: Instant,
    ) -> Result<(), LiveError> {
        for name in names {
            let Some(served) = self.models.of(&name).clone() else {
                continue;
            };
            let rules = self.rules.of(&name).clone();
            let device = match stored.get(&name) {
                None => Device::new(Arc::clone(&name), served, rules, now),
                Some(stored) => {
                    let of_device = |problem: String| LiveError::State {
                        device: name.to_string(),
                        problem,
                    };
                    let state = decode_state(&stored.state).map_err(|error| of_device(error.to_string()))?;
                    Device::restore(Arc::clone(&name), served, rules, now, state, &mut self.told)
                        .map_err(|error| of_device(error.to_string()))?
                }
            };
            self.shard_of_mut(&name).devices.insert(name, Box::new(device));
        }
        Ok(())
    }

    /// Does again what the journal says and checkpoints do not cover; devices are in memory as their checkpoints say.
    pub(super) fn replay(
        &mut self,
        blocks: Vec<(i64, Vec<Step>)>,
        stored: &HashMap<Arc<str>, StoredState>,
        now: Instant,
    ) {
        for (seq, mut steps) in blocks {
            self.journal.push_back((seq, steps.len()));
            steps.retain(|step| stored.get(step.series()).is_none_or(|stored| stored.seq < seq));
            // A device may have lost its model while nothing ran.
            steps.retain(|step| self.models.of(step.series()).is_some());
            let works = self.work(&steps, now);
            for work in works {
                self.mark_dirty(seq, &work.touched);
                self.told.absorb(work.told);
            }
        }
        // Whether it was called silent since, the journal does not say.
        for device in self
            .shards
            .iter_mut()
            .flat_map(|shard| shard.devices.values_mut())
        {
            device.may_be_silent = device.rules.silence.is_some();
        }
    }

    /// Judges the steps of a cycle, and says what is to be committed.
    pub(super) fn run(
        &mut self,
        steps: &[Step],
        checkpoints: Checkpoints,
        now: Timestamp,
        at: Instant,
    ) -> Cycle {
        let seq = self.seq + 1;
        let mut commit = Commit::at(now);
        let works = self.work(steps, at);
        let mut entries = vec![StepEntry::Accepted; steps.len()];
        let mut told = std::mem::take(&mut self.told);
        let mut rows = Vec::new();
        let mut values = Vec::new();
        for work in works {
            self.mark_dirty(seq, &work.touched);
            for (order, entry) in &work.entries {
                entries[*order as usize] = *entry;
            }
            told.absorb(work.told);
            let base = values.len();
            values.extend_from_slice(&work.values);
            rows.extend(work.rows.into_iter().map(|row| Row {
                values: row.values + base,
                ..row
            }));
        }
        // The sort is stable: what one step let go stays in its order.
        rows.sort_by_key(|row| row.order);
        let is_accepted = |(_, entry): &(&Step, &StepEntry)| **entry == StepEntry::Accepted;
        let accepted: Vec<&Step> = steps
            .iter()
            .zip(&entries)
            .filter(is_accepted)
            .map(|(step, _)| step)
            .collect();
        if !accepted.is_empty() {
            commit.arrivals = encode_steps(&accepted);
            self.journal.push_back((seq, accepted.len()));
        }
        if self.settings.history.is_some() {
            commit.judged = blocks(&rows, &values);
        }
        self.evict(&mut commit);
        self.checkpoint(&mut commit, checkpoints, accepted.len());
        commit.journal_from = Some(self.journal.front().map_or(seq + 1, |(seq, _)| *seq));
        told.write(&mut commit);
        Cycle {
            commit,
            entries,
            rows,
        }
    }

    /// The last cycle's commit is durable.
    pub(super) fn committed(&mut self) {
        self.seq += 1;
    }

    /// The last commit.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// Devices that have been quiet: those that nobody waits for any longer are flushed by the steps returned, those
    /// silent beyond their rule are told of in the next commit (`true` where there are any).
    pub(super) fn look_around(&mut self, now: Instant) -> (Vec<Step>, bool) {
        let mut steps = Vec::new();
        let mut is_any_silent = false;
        for shard in &mut self.shards {
            for device in shard.devices.values_mut() {
                let quiet = now.saturating_duration_since(device.heard);
                if !device.reorder.waiting.is_empty() && quiet >= device.patience() {
                    steps.push(Step::Flush(Arc::clone(&device.name)));
                }
                let is_silent = device.rules.silence.is_some_and(|silence| quiet >= silence);
                if is_silent
                    && !device.is_told_silent
                    && let Some(last_time) = device.reorder.newest
                {
                    (device.is_told_silent, device.may_be_silent) = (true, true);
                    self.told.silent(device, last_time);
                    is_any_silent = true;
                }
            }
        }
        (steps, is_any_silent)
    }

    /// Flushes of all devices that hold samples back: the input has ended.
    pub(super) fn flush_all(&self) -> Vec<Step> {
        let all = self.shards.iter().flat_map(|shard| shard.devices.values());
        let mut names: Vec<_> = all
            .filter(|device| device.holds_back())
            .map(|device| (Arc::clone(&device.name), device.grid.is_some()))
            .collect();
        names.sort();
        let step = |(name, is_on_grid)| {
            if is_on_grid {
                Step::Close(name)
            } else {
                Step::Flush(name)
            }
        };
        names.into_iter().map(step).collect()
    }

    /// Other rules and models from here on. Checkpoints must cover everything: see [`Checkpoints::All`].
    pub(super) fn reconfigure(
        &mut self,
        settings: Settings,
        models: Arc<Models>,
        rules: Arc<ByDevice<DeviceRules>>,
    ) {
        assert!(
            self.journal.is_empty(),
            "what a model judged is never replayed with another"
        );
        (self.settings, self.models, self.rules) = (settings, models, rules);
        let seq = self.seq + 1;
        let mut switched = Vec::new();
        for shard in &mut self.shards {
            // Its state is in the database, for when it has a model again.
            shard.devices.retain(|name, _| self.models.of(name).is_some());
            for device in shard.devices.values_mut() {
                let Some(served) = self.models.of(&device.name) else {
                    continue;
                };
                device.rules = self.rules.of(&device.name).clone();
                if served.reference != device.served.reference {
                    device.switch(served, &mut self.told);
                    switched.push(Arc::clone(&device.name));
                }
            }
        }
        self.mark_dirty(seq, &switched);
    }

    /// Devices in memory.
    pub(super) fn n_devices(&self) -> usize {
        self.shards.iter().map(|shard| shard.devices.len()).sum()
    }

    fn work(&mut self, steps: &[Step], now: Instant) -> Vec<Work> {
        self.cycle += 1;
        let mut dues: Vec<Vec<Due<'_>>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (order, step) in steps.iter().enumerate() {
            let order = u32::try_from(order).expect("a cycle is far smaller than 2^32 steps");
            dues[shard_idx(step.series(), self.shards.len())].push(Due { order, step });
        }
        let (shards, cycle) = (&mut self.shards, self.cycle);
        if let [shard] = &mut shards[..] {
            return vec![shard.run(&dues[0], cycle, now)];
        }
        self.pool.install(|| {
            let both = shards.par_iter_mut().zip(&dues);
            both.map(|(shard, dues)| shard.run(dues, cycle, now)).collect()
        })
    }

    fn mark_dirty(&mut self, seq: i64, names: &[Arc<str>]) {
        for name in names {
            let n_shards = self.shards.len();
            if let Some(device) = self.shards[shard_idx(name, n_shards)].devices.get_mut(name)
                && device.dirty_since.is_none()
            {
                device.dirty_since = Some(seq);
                self.dirty.push_back((seq, Arc::clone(name)));
            }
        }
    }

    /// Writes the states that have lagged longest: as many as it takes to come round once while the journal fills, so
    /// that no commit has many to write; and more where a restart would still have too much to replay.
    fn checkpoint(&mut self, commit: &mut Commit, checkpoints: Checkpoints, n_accepted: usize) {
        let mut n_due = (self.dirty.len() * n_accepted).div_ceil(self.settings.replay_len_max.max(1));
        let n_max = match checkpoints {
            Checkpoints::All => 0,
            Checkpoints::Due => self.settings.replay_len_max,
        };
        let mut n_kept: usize = self.journal.iter().map(|(_, n)| n).sum();
        while n_due > 0 || n_kept > n_max || (n_max == 0 && !self.dirty.is_empty()) {
            n_due = n_due.saturating_sub(1);
            let Some((since, name)) = self.dirty.pop_front() else {
                self.journal.clear();
                break;
            };
            let device = self.shard_of_mut(&name).devices.get_mut(&name);
            if let Some(device) = device.filter(|device| device.dirty_since == Some(since)) {
                device.dirty_since = None;
                commit.checkpoints.push(device.checkpoint());
            }
            let from = self.dirty.front().map_or(i64::MAX, |(since, _)| *since);
            while let Some((seq, n)) = self.journal.front()
                && *seq < from
            {
                n_kept -= n;
                self.journal.pop_front();
            }
        }
    }

    /// Sends the least recently used devices to the database where there are too many in memory.
    fn evict(&mut self, commit: &mut Commit) {
        let n_max = self.settings.sessions_max;
        let n_devices = self.n_devices();
        if n_devices <= n_max {
            return;
        }
        let n_evicted = n_devices - n_max + n_max * EVICTED_PER_MILLE / 1000;
        let all = self.shards.iter().flat_map(|shard| shard.devices.values());
        let mut by_age: Vec<(u64, Arc<str>)> = all
            .map(|device| (device.last_cycle, Arc::clone(&device.name)))
            .collect();
        let n_evicted = n_evicted.min(by_age.len());
        if n_evicted < by_age.len() {
            by_age.select_nth_unstable(n_evicted);
        }
        for (_, name) in by_age.drain(..n_evicted) {
            let Some(device) = self.shard_of_mut(&name).devices.remove(&name) else {
                continue;
            };
            if device.dirty_since.is_some() {
                commit.checkpoints.push(device.checkpoint());
            }
        }
    }

    fn shard_of(&self, name: &Arc<str>) -> &Shard {
        &self.shards[shard_idx(name, self.shards.len())]
    }

    fn shard_of_mut(&mut self, name: &Arc<str>) -> &mut Shard {
        let idx = shard_idx(name, self.shards.len());
        &mut self.shards[idx]
    }
}

/// Which shard a device belongs to. Which it is does not matter to any answer.
fn shard_idx(name: &str, n_shards: usize) -> usize {
    let mut hash = DefaultHasher::new();
    name.hash(&mut hash);
    (hash.finish() % n_shards as u64) as usize
}

/// Where a channel of the model stands among those that are kept.
fn place(row: &Row, block: &JudgedBlock, channel: u32) -> u32 {
    let name = &row.served.channels()[channel as usize];
    let kept = block.channels.iter().position(|kept| **kept == **name);
    kept.map_or(channel, |idx| idx as u32)
}

/// Judged samples, a block for each model version, in order of judgement.
fn blocks(rows: &[Row], values: &[f64]) -> Vec<JudgedBlock> {
    let mut blocks: Vec<JudgedBlock> = Vec::new();
    for row in rows {
        let idx = match blocks
            .iter()
            .position(|block| *block.model == *row.served.reference)
        {
            Some(idx) => idx,
            None => {
                let kept = row.served.kept();
                let channels = kept.iter().map(|name| name.to_string()).collect();
                let model = row.served.reference.to_string();
                blocks.push(JudgedBlock {
                    model,
                    channels,
                    ..JudgedBlock::default()
                });
                blocks.len() - 1
            }
        };
        let block = &mut blocks[idx];
        block.series.push(Arc::clone(&row.series));
        block.time.push(row.time);
        let sent = &values[row.values..row.values + row.served.columns().len()];
        block.values.extend_from_slice(sent);
        // Features are not kept: they are worked out of what is.
        let n_features = block.channels.len() - sent.len();
        block.values.extend(std::iter::repeat_n(f64::NAN, n_features));
        block.score.push(row.score);
        block.event.push(row.event);
        block.top.push(
            row.top
                .map(|(channel, share)| (place(row, block, channel), share)),
        );
    }
    blocks
}

impl Told {
    fn absorb(&mut self, other: Self) {
        self.events.extend(other.events);
        self.alerts.extend(other.alerts);
        self.ended.extend(other.ended);
    }

    /// Puts everything into a commit, the last word on each event.
    fn write(self, commit: &mut Commit) {
        let mut places: HashMap<(bellwether_core::event::EventId, String), usize> = HashMap::new();
        for event in self.events {
            let key = (event.event.id, event.model.clone());
            match places.get(&key) {
                Some(place) => commit.events[*place] = event,
                None => {
                    places.insert(key, commit.events.len());
                    commit.events.push(event);
                }
            }
        }
        let mut begun = HashSet::new();
        commit.alerts.extend(
            self.alerts
                .into_iter()
                .filter(|alert| begun.insert(alert.id.clone())),
        );
        commit.ended.extend(self.ended);
    }
}
