//! The loop: gather batches, judge, commit, acknowledge. What fails is done again until it is durable.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::{Bounds, Database, EventRecord, JudgedBlock, Writer};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use super::LiveError;
use super::fleet::{Checkpoints, Cycle, Fleet};
use super::intake::Intake;
use super::models::Models;
use super::outputs::Outputs;
use super::settings::{DeviceRules, Settings};
use super::stats::Stats;
use super::wire::{Step, decode_steps};
use crate::arrival::{Batch, Receipt};
use crate::clock;

use crate::patterns::ByDevice;
use crate::source::Stop;

/// How often the fleet is looked at for devices that say nothing.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// First and longest wait after a commit that failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Rows asked of the database at once.
const PAGE_LEN: usize = 256;

/// What may be changed while the live system runs.
#[derive(Debug, Clone)]
pub struct LiveRules {
    /// Times and sizes.
    pub settings: Settings,
    /// Which model judges which device.
    pub models: Arc<Models>,
    /// What differs from device to device.
    pub devices: Arc<ByDevice<DeviceRules>>,
}

/// What a commit made durable, for those who follow it live.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its number.
    pub seq: i64,
    /// Judged samples; none where no history is kept.
    pub judged: Vec<JudgedBlock>,
    /// Events that opened, grew or closed.
    pub events: Vec<EventRecord>,
}

/// What the live system works with.
#[derive(Debug)]
pub struct Live {
    /// Where everything is kept.
    pub db: Database,
    /// The rules it starts with.
    pub rules: LiveRules,
    /// Other rules, from now on.
    pub reload: mpsc::Receiver<LiveRules>,
    /// Where batches come from; it ends when every source has.
    pub batches: mpsc::Receiver<Batch>,
    /// Where judged samples go.
    pub outputs: Outputs,
    /// Told of each commit; nobody has to listen.
    pub committed: broadcast::Sender<Arc<Committed>>,
    /// Told after each commit that touched alerts.
    pub alerts: Arc<Notify>,
    /// Whether arrivals are being made durable.
    pub ready: watch::Sender<bool>,
    /// Counters.
    pub stats: Arc<Stats>,
    /// Told where the end is not that of the input: then nothing is flushed, for a restart goes on.
    pub stop: Stop,
}

impl Live {
    /// Judges until every source has ended; then writes down the state of every device.
    ///
    /// # Errors
    /// [`LiveError`] where going on would be wrong: another process has taken over, or what is stored cannot be read.
    /// All else is tried again.
    pub async fn run(self) -> Result<(), LiveError> {
        let Self {
            db,
            rules,
            reload,
            batches,
            outputs,
            committed,
            alerts,
            ready,
            stats,
            stop,
        } = self;
        let bounds = Bounds {
            quarantined_max: rules.settings.quarantine_len_max,
            answers_kept: rules.settings.keys_kept,
        };
        let writer = db.take_over().await?.with_bounds(bounds);
        let fleet = restore(&db, &rules, writer.seq()).await?;
        let mut judge = Judge {
            db,
            rules,
            writer,
            fleet,
            outputs,
            committed,
            alerts,
            ready,
            stats,
            stop,
        };
        judge.run(batches, reload).await
    }
}

/// The live system at work.
#[derive(Debug)]
struct Judge {
    db: Database,
    rules: LiveRules,
    writer: Writer,
    fleet: Fleet,
    outputs: Outputs,
    committed: broadcast::Sender<Arc<Committed>>,
    alerts: Arc<Notify>,
    ready: watch::Sender<bool>,
    stats: Arc<Stats>,
    stop: Stop,
}

/// What woke the loop.
enum Woken {
    Batch(Box<Batch>),
    Ended,
    Reload(LiveRules),
    LookAround,
}

impl Judge {
    async fn run(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        mut reload: mpsc::Receiver<LiveRules>,
    ) -> Result<(), LiveError> {
        let mut look_around = tokio::time::interval(LOOK_AROUND);
        look_around.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.ready.send_replace(true);
        loop {
            let woken = tokio::select! {
                batch = batches.recv() => batch.map_or(Woken::Ended, |batch| Woken::Batch(Box::new(batch))),
                Some(rules) = reload.recv() => Woken::Reload(rules),
                _ = look_around.tick() => Woken::LookAround,
            };
            match woken {
                Woken::Batch(first) => {
                    let taken = self.gather(*first, &mut batches).await;
                    self.cycle(taken, Vec::new(), Checkpoints::Due, batches.len())
                        .await?;
                }
                Woken::LookAround => {
                    let (flushes, is_any_silent) = self.fleet.look_around(clock::instant());
                    if is_any_silent || !flushes.is_empty() {
                        self.cycle(Vec::new(), flushes, Checkpoints::Due, batches.len())
                            .await?;
                    }
                }
                Woken::Reload(rules) => self.reload(rules, batches.len()).await?,
                Woken::Ended => break,
            }
        }
        self.ready.send_replace(false);
        let flushes = if self.stop.is_told() {
            Vec::new()
        } else {
            self.fleet.flush_all()
        };
        self.cycle(Vec::new(), flushes, Checkpoints::All, 0).await?;
        self.outputs.finish().await;
        Ok(())
    }

    /// More batches, until there are samples enough or the first has waited long enough.
    async fn gather(&mut self, first: Batch, batches: &mut mpsc::Receiver<Batch>) -> Vec<Batch> {
        let settings = &self.rules.settings;
        let deadline = tokio::time::Instant::now() + settings.latency;
        let mut n_arrivals = first.arrivals.len();
        let mut taken = vec![first];
        while n_arrivals < settings.cycle_len_max {
            match tokio::time::timeout_at(deadline, batches.recv()).await {
                Ok(Some(batch)) => {
                    n_arrivals += batch.arrivals.len();
                    taken.push(batch);
                }
                Ok(None) | Err(_) => break,
            }
        }
        taken
    }

    /// Judges and commits, again and again until it is durable; then gives receipts and puts out what was judged.
    async fn cycle(
        &mut self,
        batches: Vec<Batch>,
        flushes: Vec<Step>,
        checkpoints: Checkpoints,
        n_waiting: usize,
    ) -> Result<(), LiveError> {
        let intake = Intake::new(batches, flushes, &self.rules);
        let mut wait = BACKOFF.0;
        let (cycle, receipts) = loop {
            let seq = self.fleet.seq() + 1;
            let (made, error) = match self.attempt(&intake, checkpoints).await {
                Ok(made) => break made,
                Err((made, error)) => (made, error),
            };
            if !error.is_passing() {
                return Err(error);
            }
            self.stats.failed_commit();
            self.ready.send_replace(false);
            tracing::error!(error = %crate::chain(&error), "a commit failed, it is tried again");
            self.recover(&mut wait).await?;
            // The connection may have broken after the commit: then it is durable, and must not be done twice.
            if self.fleet.seq() == seq
                && let Some(made) = made
            {
                break made;
            }
        };
        self.ready.send_replace(true);
        let n_opened = cycle.commit.alerts.len();
        if n_opened > 0 || !cycle.commit.ended.is_empty() {
            self.alerts.notify_one();
        }
        let now = clock::instant();
        for (batch, receipt) in intake.batches.into_iter().zip(receipts) {
            self.stats
                .batch(&receipt, now.saturating_duration_since(batch.arrived));
            // Who does not wait for its receipt any longer has given up, and will send again.
            let _ = batch.receipt.send(receipt);
        }
        self.stats
            .commit(cycle.rows.len(), n_opened, self.fleet.n_devices(), n_waiting);
        self.stats.scored(&cycle.commit.judged);
        self.outputs.rows(&cycle.rows, &self.stats).await?;
        if self.committed.receiver_count() > 0 {
            // Fails only where the last listener has just gone.
            let _ = self.committed.send(Arc::new(Committed {
                seq: self.fleet.seq(),
                judged: cycle.commit.judged,
                events: cycle.commit.events,
            }));
        }
        Ok(())
    }

    /// One try; where it fails after judging, what was judged comes back with the error.
    async fn attempt(
        &mut self,
        intake: &Intake,
        checkpoints: Checkpoints,
    ) -> Result<(Cycle, Vec<Receipt>), (Option<(Cycle, Vec<Receipt>)>, LiveError)> {
        let now = clock::instant();
        let absent = self.fleet.absent(&intake.steps);
        if !absent.is_empty() {
            let stored = self
                .db
                .checkpoints(&absent)
                .await
                .map_err(|error| (None, error.into()))?;
            self.fleet
                .admit(absent, &stored, now)
                .map_err(|error| (None, error))?;
        }
        let fleet = &mut self.fleet;
        let mut cycle =
            tokio::task::block_in_place(|| fleet.run(&intake.steps, checkpoints, clock::now(), now));
        let receipts = intake.receipts(&cycle.entries, &mut cycle.commit);
        let judged = clock::instant();
        if !cycle.rows.is_empty() {
            self.stats.judged_in(judged.saturating_duration_since(now));
        }
        match self.writer.commit(&cycle.commit).await {
            Ok(seq) => {
                self.fleet.committed();
                tracing::debug!(
                    seq,
                    steps = intake.steps.len(),
                    checkpoints = cycle.commit.checkpoints.len(),
                    judged_ms = judged.saturating_duration_since(now).as_secs_f64() * 1e3,
                    committed_ms = clock::instant().saturating_duration_since(judged).as_secs_f64() * 1e3,
                    "committed"
                );
                Ok((cycle, receipts))
            }
            Err(error) => Err((Some((cycle, receipts)), error.into())),
        }
    }

    /// Brings memory back to what the database holds, however long it takes.
    async fn recover(&mut self, wait: &mut Duration) -> Result<(), LiveError> {
        loop {
            tokio::time::sleep(*wait).await;
            *wait = (*wait * 2).min(BACKOFF.1);
            let restored = match self.writer.resume().await {
                Ok(_) => restore(&self.db, &self.rules, self.writer.seq()).await,
                Err(error) => Err(error.into()),
            };
            match restored {
                Ok(fleet) => {
                    self.fleet = fleet;
                    return Ok(());
                }
                Err(error) if error.is_passing() => {
                    tracing::error!(error = %crate::chain(&error), "the database does not answer, it is tried again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes over other rules between two cycles: nothing in the queue is touched.
    async fn reload(&mut self, rules: LiveRules, n_waiting: usize) -> Result<(), LiveError> {
        // What one model judged is never replayed with another.
        self.cycle(Vec::new(), Vec::new(), Checkpoints::All, n_waiting)
            .await?;
        self.rules = rules.clone();
        self.fleet
            .reconfigure(rules.settings, rules.models, rules.devices);
        self.cycle(Vec::new(), Vec::new(), Checkpoints::All, n_waiting)
            .await?;
        tracing::info!("other rules from here on");
        Ok(())
    }
}

/// The fleet as the database holds it: checkpoints, and the journal done again.
async fn restore(db: &Database, rules: &LiveRules, seq: i64) -> Result<Fleet, LiveError> {
    let mut fleet = Fleet::new(
        rules.settings.clone(),
        Arc::clone(&rules.models),
        Arc::clone(&rules.devices),
        seq,
    )?;
    let mut blocks = Vec::new();
    let mut after = i64::MIN;
    loop {
        let page = db.journal(after, PAGE_LEN).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = *last;
        for (seq, bytes) in page {
            let steps = decode_steps(&bytes).map_err(|error| LiveError::Journal {
                seq,
                problem: error.to_string(),
            })?;
            blocks.push((seq, steps));
        }
    }
    let mut names = fleet.absent(blocks.iter().flat_map(|(_, steps)| steps));
    // Samples that wait are not to wait for their device to speak again; and a device that fell silent before the
    // restart must be missed after it.
    let is_any_missed = rules.devices.iter().any(|rules| rules.silence.is_some());
    let known: HashSet<_> = names.iter().cloned().collect();
    let mut after: Option<Arc<str>> = None;
    while names.len() < rules.settings.sessions_max {
        let page = db
            .checkpointed(!is_any_missed, after.as_deref(), PAGE_LEN)
            .await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(Arc::clone(last));
        let of_page = page.into_iter().map(|(name, _)| name);
        names.extend(of_page.filter(|name| !known.contains(name)));
    }
    let stored = db.checkpoints(&names).await?;
    let now = clock::instant();
    fleet.admit(names, &stored, now)?;
    tokio::task::block_in_place(|| fleet.replay(blocks, &stored, now));
    Ok(fleet)
}
