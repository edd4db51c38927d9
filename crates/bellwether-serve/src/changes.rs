//! Changes of events, as they happen: read from the database once, for all who follow them.
//!
//! Who follows asks for a receiver first, reads what there is from the database, and then takes what is told and lies
//! beyond that. Where it cannot keep up, or is told so, it reads from the database again: no change is missed, and what
//! it has had lies behind it. What people decide has no place in that order: who cannot keep up misses it.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::event::EventId;
use bellwether_store::database::{ChangeCursor, Database, DatabaseError, EventWithAlert};
use bellwether_stream::live::Committed;
use bellwether_stream::source::Stop;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

/// Pages of changes that wait for a slow reader at most.
const WAITING_MAX: usize = 32;

/// Decisions that wait to be told at most; beyond that nobody hears of them.
const DECISIONS_MAX: usize = 256;

/// Changes read at once.
pub(crate) const PAGE_LEN: usize = 256;

/// A pause where the database does not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// What those who follow are told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// These changed, in the order in which they did.
    Changed(Arc<[EventWithAlert]>),
    /// Somebody decided on this one; in the order of changes it stays where it is.
    Decided {
        /// As it was,
        found: Arc<EventWithAlert>,
        /// when changes up to this place had been told.
        at: Option<ChangeCursor>,
    },
    /// There may be more than was told: the database knows.
    Look,
}

/// The event and the alert that somebody decided on.
type Decided = (EventId, String);

/// Changes of events, as they happen.
#[derive(Debug)]
pub struct Changes {
    told: broadcast::Sender<Told>,
    decisions: mpsc::Sender<Decided>,
}

impl Changes {
    /// Follows `committed` until `stop` is told.
    pub fn start(database: Database, committed: &broadcast::Sender<Arc<Committed>>, stop: Stop) -> Arc<Self> {
        let told = broadcast::Sender::new(WAITING_MAX);
        let (decisions, decided) = mpsc::channel(DECISIONS_MAX);
        let follower = Follower {
            told: told.clone(),
            database,
            at: None,
        };
        tokio::spawn(follower.follow(committed.subscribe(), decided, stop));
        Arc::new(Self { told, decisions })
    }

    /// What is told from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// Somebody decided on the alert of an event.
    pub(crate) fn decided(&self, event: EventId, alert: String) {
        // Where too many wait, or the process ends, nobody hears of it: the list has it.
        let _ = self.decisions.try_send((event, alert));
    }
}

/// Who reads, and tells.
struct Follower {
    told: broadcast::Sender<Told>,
    database: Database,
    /// What was told last. `None`: nobody followed, so nobody looked.
    at: Option<Option<ChangeCursor>>,
}

impl Follower {
    async fn follow(
        mut self,
        mut commits: broadcast::Receiver<Arc<Committed>>,
        mut decisions: mpsc::Receiver<Decided>,
        mut stop: Stop,
    ) {
        loop {
            let decided = tokio::select! {
                () = stop.told() => return,
                Some(decided) = decisions.recv() => Some(decided),
                commit = commits.recv() => match commit {
                    Ok(commit) if commit.events.is_empty() => continue,
                    Ok(_) | Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                },
            };
            if self.told.receiver_count() == 0 {
                self.at = None;
                continue;
            }
            if let Err(error) = self.read(decided).await {
                tracing::warn!(error = %bellwether_stream::chain(&error), "changes of events cannot be read");
                self.at = None;
                tokio::time::sleep(PAUSE).await;
                self.tell(Told::Look);
            }
        }
    }

    /// Tells what has changed, and then what was decided: so nobody sees an event as it was before.
    async fn read(&mut self, decided: Option<Decided>) -> Result<(), DatabaseError> {
        self.catch_up().await?;
        let Some((event, alert)) = decided else {
            return Ok(());
        };
        let is_its = |found: &EventWithAlert| found.alert.as_ref().is_some_and(|its| its.id == alert);
        let found = self.database.event(event).await?.into_iter().find(is_its);
        if let Some(found) = found {
            self.tell(Told::Decided {
                found: Arc::new(found),
                at: self.at.clone().flatten(),
            });
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), DatabaseError> {
        let Some(mut last) = self.at.take() else {
            self.at = Some(self.database.last_change().await?);
            self.tell(Told::Look);
            return Ok(());
        };
        loop {
            let page = self
                .database
                .events_changed(last.as_ref(), None, PAGE_LEN)
                .await?;
            let is_all = page.len() < PAGE_LEN;
            if let Some(newest) = page.last() {
                last = Some(newest.event.change_cursor());
                self.tell(Told::Changed(page.into()));
            }
            if is_all {
                self.at = Some(last);
                return Ok(());
            }
        }
    }

    fn tell(&self, told: Told) {
        // Nobody has to follow.
        let _ = self.told.send(told);
    }
}
