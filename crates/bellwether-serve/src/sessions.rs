//! Sessions: a client sends only the newest samples, and the server keeps the window.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_core::session::Session;
use bellwether_stream::clock;

/// Sessions at once at most; those that were idle for longest go first.
const SESSIONS_MAX: usize = 10_000;

/// A session that nobody uses for so long is over.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(3600);

/// A session, and whose it is.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The name of the key that made it.
    pub(crate) owner: Arc<str>,
    /// The device.
    pub(crate) device: String,
    /// `pump@3`.
    pub(crate) model: Arc<str>,
    /// What judges. Requests of one session take turns.
    pub(crate) session: Mutex<Session>,
    used: Mutex<Instant>,
}

/// All sessions. They are in memory alone: a restart ends them.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<String, Arc<Kept>>>);

impl Sessions {
    /// Keeps a session; returns its id, which nobody can guess.
    pub(crate) fn keep(&self, owner: Arc<str>, device: String, model: Arc<str>, session: Session) -> String {
        let now = clock::instant();
        let id = crate::edge::random_id();
        let kept = Kept {
            owner,
            device,
            model,
            session: Mutex::new(session),
            used: Mutex::new(now),
        };
        let mut all = self.all();
        all.retain(|_, kept| now.saturating_duration_since(kept.used()) < IDLE_MAX);
        if all.len() >= SESSIONS_MAX {
            let idlest = all.iter().min_by_key(|(_, kept)| kept.used());
            if let Some(idlest) = idlest.map(|(id, _)| id.clone()) {
                all.remove(&idlest);
            }
        }
        all.insert(id.clone(), Arc::new(kept));
        id
    }

    /// The session of that id, where it is `owner`'s.
    pub(crate) fn find(&self, id: &str, owner: &str) -> Option<Arc<Kept>> {
        let now = clock::instant();
        let kept = Arc::clone(self.all().get(id)?);
        let is_idle = now.saturating_duration_since(kept.used()) >= IDLE_MAX;
        if *kept.owner != *owner || is_idle {
            return None;
        }
        *kept.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Some(kept)
    }

    /// Ends a session; `None` where it is not there, or not `owner`'s.
    pub(crate) fn end(&self, id: &str, owner: &str) -> Option<()> {
        self.find(id, owner)?;
        self.all().remove(id).map(|_| ())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
