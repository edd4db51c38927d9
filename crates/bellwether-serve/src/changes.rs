//! Changes of events, as they happen: read from the database once, for all who follow them.
//!
//! Who follows asks for a receiver first, reads what there is from the database, and then takes what is told and lies
//! beyond that. Where it cannot keep up, or is told so, it reads from the database again: nothing is missed, and what
//! it has had lies behind it.

use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::{ChangeCursor, Database, EventWithAlert};
use bellwether_stream::live::Committed;
use bellwether_stream::source::Stop;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Pages of changes that wait for a slow reader at most.
const WAITING_MAX: usize = 32;

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
    Decided(Arc<EventWithAlert>),
    /// There may be more than was told: the database knows.
    Look,
}

/// Changes of events, as they happen.
#[derive(Debug)]
pub struct Changes {
    told: broadcast::Sender<Told>,
}

impl Changes {
    /// Follows `committed` until `stop` is told.
    pub fn start(database: Database, committed: &broadcast::Sender<Arc<Committed>>, stop: Stop) -> Arc<Self> {
        let changes = Arc::new(Self {
            told: broadcast::Sender::new(WAITING_MAX),
        });
        let commits = committed.subscribe();
        tokio::spawn(follow(Arc::clone(&changes), database, commits, stop));
        changes
    }

    /// What is told from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// Somebody decided on this event, as it is now.
    pub(crate) fn decided(&self, event: EventWithAlert) {
        self.tell(Told::Decided(Arc::new(event)));
    }

    fn tell(&self, told: Told) {
        // Nobody has to follow.
        let _ = self.told.send(told);
    }
}

async fn follow(
    changes: Arc<Changes>,
    database: Database,
    mut commits: broadcast::Receiver<Arc<Committed>>,
    mut stop: Stop,
) {
    // `None`: nobody followed, so nobody looked.
    let mut at: Option<Option<ChangeCursor>> = None;
    loop {
        let commit = tokio::select! {
            () = stop.told() => return,
            commit = commits.recv() => commit,
        };
        match commit {
            Ok(commit) if commit.events.is_empty() => continue,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        if changes.told.receiver_count() == 0 {
            at = None;
            continue;
        }
        if let Err(error) = catch_up(&changes, &database, &mut at).await {
            tracing::warn!(error = %bellwether_stream::chain(&error), "changes of events cannot be read");
            at = None;
            tokio::time::sleep(PAUSE).await;
            changes.tell(Told::Look);
        }
    }
}

async fn catch_up(
    changes: &Changes,
    database: &Database,
    at: &mut Option<Option<ChangeCursor>>,
) -> Result<(), bellwether_store::database::DatabaseError> {
    let Some(last) = at else {
        *at = Some(database.last_change().await?);
        changes.tell(Told::Look);
        return Ok(());
    };
    loop {
        let page = database.events_changed(last.as_ref(), None, PAGE_LEN).await?;
        let Some(newest) = page.last() else {
            return Ok(());
        };
        *last = Some(newest.event.change_cursor());
        let is_all = page.len() < PAGE_LEN;
        changes.tell(Told::Changed(page.into()));
        if is_all {
            return Ok(());
        }
    }
}
