//! Who was turned away: in the log, and in the audit.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bellwether_store::database::{Database, NewAuditEntry};
use bellwether_stream::clock;
use moka::sync::Cache;
use tokio::sync::{mpsc, oneshot};

use super::Principal;
use super::attempts::network;

/// The same one at the same route from the same network is told once in this time: whoever is turned away a thousand
/// times a second does not fill the disk.
const ONCE_IN: Duration = Duration::from_secs(60);

/// Different ones that are told apart at most.
const TOLD_APART_MAX: u64 = 10_000;

/// Of those whom nobody knows, so many are told in a minute; of the rest, how many there were.
const UNKNOWN_MAX: u32 = 100;

/// Entries that wait for the database at most; beyond that they are in the log alone.
const WAITING_MAX: usize = 1000;

/// Writes down who was turned away. In the log alone, where there is no database.
#[derive(Debug)]
pub struct Denials {
    lately: Cache<What, ()>,
    /// Those of this minute whom nobody knows.
    n_unknown: Arc<AtomicU32>,
    notes: Option<mpsc::Sender<Note>>,
}

/// Who, from where, at which route, why.
type What = (Arc<str>, IpAddr, String, String);

#[derive(Debug)]
enum Note {
    Entry(NewAuditEntry),
    /// All before it is written down.
    Written(oneshot::Sender<()>),
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            lately: Cache::builder()
                .max_capacity(TOLD_APART_MAX)
                .time_to_live(ONCE_IN)
                .build(),
            n_unknown: Arc::default(),
            notes: None,
        }
    }
}

impl Denials {
    /// Writes to the audit of this database, by a task of its own.
    pub fn kept(database: Database) -> Self {
        let (notes, waiting) = mpsc::channel(WAITING_MAX);
        let denials = Self {
            notes: Some(notes),
            ..Self::default()
        };
        tokio::spawn(write(database, waiting, Arc::clone(&denials.n_unknown)));
        denials
    }

    /// Waits until all is written down that was noted so far.
    pub async fn written(&self) {
        let Some(notes) = &self.notes else { return };
        let (tell, told) = oneshot::channel();
        if notes.send(Note::Written(tell)).await.is_ok() {
            let _ = told.await;
        }
    }

    pub(crate) fn note(&self, principal: Option<&Principal>, from: IpAddr, route: &str, why: &str) {
        let actor = principal.map_or_else(|| "nobody".into(), Principal::actor);
        let what = (
            Arc::clone(&actor),
            network(from),
            route.to_owned(),
            why.to_owned(),
        );
        if !self.lately.entry(what).or_insert(()).is_fresh() {
            return;
        }
        if principal.is_none() && self.n_unknown.fetch_add(1, Ordering::Relaxed) >= UNKNOWN_MAX {
            return;
        }
        tracing::warn!(name = &*actor, %from, route, why, "turned away");
        let Some(notes) = &self.notes else { return };
        let entry = denied(&actor, route, format!("{why}, from {from}"));
        if notes.try_send(Note::Entry(entry)).is_err() {
            tracing::warn!("that somebody was turned away is not in the audit: too many wait to be written");
        }
    }
}

fn denied(actor: &str, subject: &str, detail: String) -> NewAuditEntry {
    NewAuditEntry {
        at: clock::now(),
        actor: actor.to_owned(),
        action: "denied",
        subject: subject.to_owned(),
        detail,
    }
}

async fn write(database: Database, mut waiting: mpsc::Receiver<Note>, n_unknown: Arc<AtomicU32>) {
    let mut minutes = tokio::time::interval(ONCE_IN);
    minutes.tick().await;
    loop {
        tokio::select! {
            note = waiting.recv() => match note {
                Some(Note::Entry(entry)) => record(&database, &entry).await,
                Some(Note::Written(tell)) => {
                    sum_up(&database, &n_unknown).await;
                    let _ = tell.send(());
                }
                None => return,
            },
            _ = minutes.tick() => sum_up(&database, &n_unknown).await,
        }
    }
}

/// Tells how many more there were than are told, and begins to count anew.
async fn sum_up(database: &Database, n_unknown: &AtomicU32) {
    let n_more = n_unknown.swap(0, Ordering::Relaxed).saturating_sub(UNKNOWN_MAX);
    if n_more > 0 {
        tracing::warn!(n_more, "turned away without being told one by one");
        let detail = format!("{n_more} more than are told one by one");
        record(database, &denied("nobody", "many", detail)).await;
    }
}

async fn record(database: &Database, entry: &NewAuditEntry) {
    if let Err(error) = database.record(entry).await {
        let error = bellwether_stream::chain(&error);
        tracing::warn!(%error, "that somebody was turned away is not in the audit");
    }
}
