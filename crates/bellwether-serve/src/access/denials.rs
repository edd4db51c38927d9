//! Who was turned away: in the log, and in the audit.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::{Database, NewAuditEntry};
use bellwether_stream::clock;
use moka::sync::Cache;
use tokio::sync::mpsc;

use super::Principal;

/// The same one at the same route from the same address is in the audit once in this time: whoever is turned away
/// a thousand times a second does not fill the disk.
const ONCE_IN: Duration = Duration::from_secs(60);

/// Different ones that are told apart at most.
const TOLD_APART_MAX: u64 = 10_000;

/// Entries that wait for the database at most; beyond that they are in the log alone.
const WAITING_MAX: usize = 1000;

/// Writes down who was turned away. In the log alone, where there is no database.
#[derive(Debug, Default)]
pub struct Denials(Option<Kept>);

#[derive(Debug)]
struct Kept {
    entries: mpsc::Sender<NewAuditEntry>,
    lately: Cache<(Arc<str>, IpAddr, String), ()>,
}

impl Denials {
    /// Writes to the audit of this database, by a task of its own.
    pub fn kept(database: Database) -> Self {
        let (entries, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write(database, waiting));
        Self(Some(Kept {
            entries,
            lately: Cache::builder()
                .max_capacity(TOLD_APART_MAX)
                .time_to_live(ONCE_IN)
                .build(),
        }))
    }

    pub(crate) fn note(&self, principal: Option<&Principal>, from: IpAddr, route: &str) {
        let name = principal.map_or_else(|| "nobody".into(), |principal| Arc::clone(&principal.name));
        tracing::warn!(name = &*name, %from, route, "turned away");
        let Some(kept) = &self.0 else { return };
        let what = (Arc::clone(&name), from, route.to_owned());
        if !kept.lately.entry(what).or_insert(()).is_fresh() {
            return;
        }
        let entry = NewAuditEntry {
            at: clock::now(),
            actor: name.to_string(),
            action: "denied",
            subject: route.to_owned(),
            detail: format!("from {from}"),
        };
        if kept.entries.try_send(entry).is_err() {
            tracing::warn!("that somebody was turned away is not in the audit: too many wait to be written");
        }
    }
}

async fn write(database: Database, mut waiting: mpsc::Receiver<NewAuditEntry>) {
    while let Some(entry) = waiting.recv().await {
        if let Err(error) = database.record(&entry).await {
            let error = bellwether_stream::chain(&error);
            tracing::warn!(%error, "that somebody was turned away is not in the audit");
        }
    }
}
