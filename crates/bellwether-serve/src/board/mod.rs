//! The fleet as it is now: for each device its last sample, its score, its worst of late, and its open event.
//!
//! It is filled from the database and then follows commits. Readers take shared entries out of it and hold no lock
//! while they use them; an entry that somebody still holds is copied when it changes.

mod entry;
mod figures;
mod follow;
mod list;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, DatabaseError, EventRecord, JudgedBlock};
use bellwether_stream::live::{Committed, Models};
use bellwether_stream::source::Stop;
use bytes::Bytes;
use tokio::sync::{broadcast, watch};

pub(crate) use entry::{Entry, State};
pub(crate) use figures::FleetFigures;
pub(crate) use list::{Order, Wanted};

/// Changes of the fleet that wait for a slow reader at most.
const CHANGES_LEN_MAX: usize = 8;

/// The fleet as it is now.
#[derive(Debug)]
pub struct Board {
    inner: RwLock<Inner>,
    listings: Mutex<list::Listings>,
    /// What changed in about a second, for those who watch.
    changes: broadcast::Sender<Arc<Changed>>,
    models: watch::Receiver<Arc<Models>>,
}

/// What changed in about a second.
#[derive(Debug)]
pub(crate) struct Changed {
    entries: Vec<Arc<Entry>>,
    written: OnceLock<Bytes>,
}

impl Changed {
    /// Its message, which whoever watches first writes for all.
    pub(crate) fn written(&self, write: impl FnOnce(&[Arc<Entry>]) -> Bytes) -> Bytes {
        self.written.get_or_init(|| write(&self.entries)).clone()
    }
}

#[derive(Debug, Default)]
struct Inner {
    places: HashMap<Arc<str>, u32>,
    entries: Vec<Arc<Entry>>,
    /// Rises with each change.
    version: u64,
    /// The newest commit that is in here.
    seq: i64,
}

/// How many devices there are, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) normal: usize,
    pub(crate) event: usize,
    pub(crate) silent: usize,
    pub(crate) warming: usize,
}

impl Counts {
    /// One more in that state.
    fn add(&mut self, state: State) {
        self.total += 1;
        match state {
            State::Event => self.event += 1,
            State::Silent => self.silent += 1,
            State::Warming => self.warming += 1,
            State::Normal => self.normal += 1,
        }
    }
}

impl Board {
    /// A board of all devices that the database knows, which follows `committed` until `stop` is told. To be called
    /// before anything is committed, so that nothing is missed. Devices whose samples are all in files of `history`
    /// get their last one a little later.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn start(
        database: Database,
        history: PathBuf,
        committed: &broadcast::Sender<Arc<Committed>>,
        models: watch::Receiver<Arc<Models>>,
        stop: Stop,
    ) -> Result<Arc<Self>, DatabaseError> {
        let commits = committed.subscribe();
        let board = Arc::new(Self::new(models));
        follow::fill(&board, &database).await?;
        let remember = follow::remember(Arc::clone(&board), database.clone(), history, stop.clone());
        tokio::spawn(remember);
        tokio::spawn(follow::follow(Arc::clone(&board), database, commits, stop));
        Ok(board)
    }

    fn new(models: watch::Receiver<Arc<Models>>) -> Self {
        Self {
            inner: RwLock::default(),
            listings: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES_LEN_MAX),
            models,
        }
    }

    /// A device.
    pub(crate) fn get(&self, device: &str) -> Option<Arc<Entry>> {
        self.read(|inner| {
            let place = *inner.places.get(device)?;
            Some(Arc::clone(&inner.entries[place as usize]))
        })
    }

    /// How many devices there are, by state.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.all() {
            counts.add(entry.state());
        }
        counts
    }

    /// What changed after `version`, and the version now.
    pub(crate) fn changed_since(&self, version: u64) -> (Vec<Arc<Entry>>, u64) {
        self.read(|inner| {
            let changed = inner.entries.iter().filter(|entry| entry.version > version);
            (changed.cloned().collect(), inner.version)
        })
    }

    /// What changes from now on, about once a second.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<Changed>> {
        self.changes.subscribe()
    }

    /// Remembers when the device's first sample was measured.
    pub(crate) fn set_first_time(&self, device: &str, time: Timestamp) {
        self.write(|inner| inner.change(device, |entry| entry.first_time = Some(time)));
    }

    /// All devices.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.read(|inner| inner.entries.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes samples of one block, each device's in order of time.
    fn judged(&self, block: &JudgedBlock, seen: Timestamp) {
        let model: Arc<str> = block.model.as_str().into();
        let mut rows: HashMap<&Arc<str>, Vec<(Timestamp, f64)>> = HashMap::new();
        for ((series, &time), &score) in block.series.iter().zip(&block.time).zip(&block.score) {
            rows.entry(series).or_default().push((time, score));
        }
        let models = Arc::clone(&self.models.borrow());
        for (series, rows) in rows {
            let cadence = models
                .of(series)
                .as_ref()
                .map(|served| served.detector.pipeline().schema().cadence());
            // A lock for each device: nobody waits for a whole block.
            self.write(|inner| {
                inner.change(series, |entry| entry.judged(&model, cadence, &rows, seen));
            });
        }
    }

    fn event(&self, series: &str, id: EventId, model: &str, is_open: bool) {
        self.write(|inner| inner.change(series, |entry| entry.event(id, model, is_open)));
    }

    fn committed(&self, commit: &Committed, now: Timestamp) {
        for block in &commit.judged {
            self.judged(block, now);
        }
        for EventRecord {
            event, model, series, ..
        } in &commit.events
        {
            self.event(series, event.id, model, event.is_open);
        }
        self.write(|inner| inner.seq = inner.seq.max(commit.seq));
    }
}

impl Inner {
    /// Changes a device, which may not have been known.
    fn change(&mut self, device: &str, change: impl FnOnce(&mut Entry)) {
        self.version += 1;
        let place = match self.places.get(device) {
            Some(place) => *place as usize,
            None => {
                let name: Arc<str> = device.into();
                self.entries.push(Arc::new(Entry::new(Arc::clone(&name))));
                let place = self.entries.len() - 1;
                self.places.insert(
                    name,
                    u32::try_from(place).expect("a fleet is far smaller than 2^32 devices"),
                );
                place
            }
        };
        let entry = Arc::make_mut(&mut self.entries[place]);
        change(entry);
        entry.version = self.version;
    }
}

#[cfg(test)]
mod tests;
