//! Streams of samples whose last window the server keeps: whoever made one sends only what is new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwether_core::session::Session;
use bellwether_core::time::Timestamp;
use bellwether_stream::bodies::{Budget, Share};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::models::AtHand;
use crate::access::Principal;
use crate::error;

/// Sessions at once at most.
const SESSIONS_MAX: usize = 10_000;

/// Bytes of all sessions at most, about.
const BYTES_MAX: usize = 256 << 20;

/// A session nobody uses for so long is over.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// Bytes of the last answers of all sessions at most. An answer that finds no room is not kept.
const ANSWERS_BYTES_MAX: usize = 128 << 20;

/// All sessions, by ids that nobody can guess.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Arc<Open>>>,
    answers: Budget,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            answers: Budget::new(ANSWERS_BYTES_MAX),
        }
    }
}

/// A session that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) device: String,
    pub(crate) model: AtHand,
    /// Whose it is.
    owner: Owner,
    bytes: usize,
    pub(crate) pushed: Mutex<Pushed>,
    used: Mutex<(Instant, Timestamp)>,
}

/// How far a session is.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) session: Session,
    last: Option<Answered>,
    answers: Budget,
}

/// The answer to the last push, for who asks again because it never came.
#[derive(Debug)]
struct Answered {
    request: [u8; 32],
    answer: Bytes,
    _share: Share,
}

impl Pushed {
    /// The answer to this request, where it was the last.
    pub(crate) fn again(&self, body: &[u8]) -> Option<Bytes> {
        let last = self.last.as_ref()?;
        let request: [u8; 32] = Sha256::digest(body).into();
        (last.request == request).then(|| last.answer.clone())
    }

    /// Keeps the answer to the last request, instead of the one before.
    pub(crate) fn answered(&mut self, body: &[u8], answer: &Bytes) {
        self.last = None;
        let mut share = self.answers.share();
        self.last = share.grow(answer.len()).then(|| Answered {
            request: Sha256::digest(body).into(),
            answer: answer.clone(),
            _share: share,
        });
    }
}

/// A key, or a name where keys are not asked for.
#[derive(Debug, PartialEq, Eq)]
struct Owner(Arc<str>);

impl Owner {
    fn of(principal: &Principal) -> Self {
        Self(principal.key_id.clone().unwrap_or_else(|| principal.name.clone()))
    }
}

impl Sessions {
    /// Keeps a session.
    ///
    /// # Errors
    /// 503 `busy` where there are too many.
    pub(crate) fn add(
        &self,
        by: &Principal,
        model: AtHand,
        device: String,
        session: Session,
    ) -> Result<(String, Arc<Open>), Problem> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| error::internal(&error))?;
        let id = data_encoding::HEXLOWER.encode(&secret);
        let bytes = bytes_of(&model);
        let mut sessions = self.lock();
        let now = clock::instant();
        sessions.retain(|_, open| !open.is_over(now));
        let in_use: usize = sessions.values().map(|open| open.bytes).sum();
        if sessions.len() >= SESSIONS_MAX || in_use + bytes > BYTES_MAX {
            return Err(error::busy(
                "too many sessions are open; end those that are not needed",
            ));
        }
        let open = Arc::new(Open {
            device,
            model,
            owner: Owner::of(by),
            bytes,
            pushed: Mutex::new(Pushed {
                session,
                last: None,
                answers: self.answers.clone(),
            }),
            used: Mutex::new((now, clock::now())),
        });
        sessions.insert(id.clone(), Arc::clone(&open));
        Ok((id, open))
    }

    /// The session of that id, if it belongs to who asks.
    ///
    /// # Errors
    /// 404, whether there is none or it is somebody else's.
    pub(crate) fn get(&self, by: &Principal, id: &str) -> Result<Arc<Open>, Problem> {
        let now = clock::instant();
        let found = self.lock().get(id).map(Arc::clone);
        match found.filter(|open| open.owner == Owner::of(by) && !open.is_over(now)) {
            Some(open) => {
                *lock(&open.used) = (now, clock::now());
                Ok(open)
            }
            None => Err(gone()),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Sessions::get`].
    pub(crate) fn end(&self, by: &Principal, id: &str) -> Result<(), Problem> {
        self.get(by, id)?;
        self.lock().remove(id);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Open>>> {
        lock(&self.open)
    }
}

impl Open {
    /// When it is over, if nobody uses it.
    pub(crate) fn expires_at(&self) -> Timestamp {
        lock(&self.used).1.plus(IDLE_MAX)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(lock(&self.used).0) > IDLE_MAX
    }
}

/// What a session of this model keeps at most: its last window, the rows that smoothing remembers, and those that features
/// look back at.
fn bytes_of(model: &AtHand) -> usize {
    let detector = &model.loaded.detector;
    let n = detector.pipeline().n_channels();
    let memories = detector
        .members()
        .iter()
        .map(|of| of.parts().causal.smoothing.memory());
    let history = 2 * 8 * detector.pipeline().n_remembered();
    (detector.window_len() * 9 + memories.sum::<usize>() * 8 + 64) * n + history + 1024
}

fn gone() -> Problem {
    error::not_found("there is no such session; it may have been idle for too long")
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
