//! Work that takes the processor, within bounds: what would have to wait for long is refused at once.
//!
//! # Bounds
//! The gate knows how long a byte of a request takes, from the requests of its kind before it, and so about how long all
//! that it has let in will take. A request that would wait for more than [`WAIT_MAX`] is answered with 503 `busy` before
//! its body is looked at. With estimates that are off by less than half, what is let in is answered within a second.
//!
//! A kind is a route, a form and a model, as far as they are known before the body is read: one pace for all would make
//! light requests wait for the heavy ones that are never there.
//!
//! Small requests run side by side, more of them than there are cores, so that their windows are computed together
//! ([`super::batching`]); of large ones each core runs one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use tokio::sync::Semaphore;

use crate::error;

/// Work that may wait before a request, for each core.
const WAIT_MAX: Duration = Duration::from_millis(300);

/// Shares of a core that requests take.
const SHARES: usize = 16;

/// A request takes a share of a core for each so many nanoseconds of its work, up to the whole.
const SHARE_NANOS: u64 = 500_000;

/// Nanoseconds for a byte, before anything was measured.
const FIRST_PACE: f64 = 300.0;

/// Kinds of requests whose pace is known at most.
const KINDS_MAX: usize = 1024;

/// How much the last request says of the pace.
const LAST_WEIGHT: f64 = 0.1;

/// Requests that are let in at once at most, however short they seem.
const REQUESTS_MAX: usize = 1024;

/// Lets work in, or says busy.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shares: Arc<Semaphore>,
    n_cores: usize,
    /// Requests let in.
    n_inside: AtomicUsize,
    /// Requests at work.
    n_running: AtomicUsize,
    /// What all that was let in will take, in nanoseconds.
    ahead_nanos: AtomicU64,
    /// Nanoseconds for a byte, for each kind of request.
    paces: Mutex<HashMap<Box<str>, f64>>,
}

/// Measures what a request took, where it says something of others.
#[derive(Debug)]
pub(crate) struct Meter {
    kind: Box<str>,
    n_bytes: usize,
    inner: Arc<Inner>,
}

/// A request that was let in.
struct Inside {
    inner: Arc<Inner>,
    nanos: u64,
}

impl Gate {
    pub(super) fn new(n_cores: usize) -> Self {
        Self(Arc::new(Inner {
            shares: Arc::new(Semaphore::new(n_cores * SHARES)),
            n_cores,
            n_inside: AtomicUsize::new(0),
            n_running: AtomicUsize::new(0),
            ahead_nanos: AtomicU64::new(0),
            paces: Mutex::default(),
        }))
    }

    /// Does work that takes no time worth counting, beside the tasks.
    ///
    /// # Errors
    /// As [`Gate::judge`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.judge("", 0, |_| work()).await
    }

    /// Does work that a body of `n_bytes` makes, in a request of this kind, beside the tasks.
    ///
    /// # Errors
    /// 503 `busy`, at once, where it would wait for too long; else what `work` says.
    pub(crate) async fn judge<T: Send + 'static>(
        &self,
        kind: &str,
        n_bytes: usize,
        work: impl FnOnce(&Meter) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let inside = self.enter(kind, n_bytes)?;
        let n_shares = (inside.nanos / SHARE_NANOS + 1).min(SHARES as u64);
        let n_shares = u32::try_from(n_shares).unwrap_or(1);
        let shares = Arc::clone(&self.0.shares).acquire_many_owned(n_shares).await;
        let shares = shares.map_err(|_| error::unavailable("the server ends"))?;
        let meter = Meter {
            kind: kind.into(),
            n_bytes,
            inner: Arc::clone(&self.0),
        };
        let done = crate::beside::beside(move || {
            let _held = (inside, shares);
            let _running = Running::new(&meter.inner);
            work(&meter)
        });
        done.await.unwrap_or_else(|error| Err(error::internal(&error)))
    }

    fn enter(&self, kind: &str, n_bytes: usize) -> Result<Inside, Problem> {
        let inner = &self.0;
        let pace = inner.paces().get(kind).copied().unwrap_or(FIRST_PACE);
        let nanos = (pace * n_bytes.max(64) as f64) as u64;
        let n_before = inner.n_inside.fetch_add(1, Ordering::Relaxed);
        let ahead = inner.ahead_nanos.fetch_add(nanos, Ordering::Relaxed);
        let inside = Inside {
            inner: Arc::clone(inner),
            nanos,
        };
        let wait = Duration::from_nanos(ahead / inner.n_cores as u64);
        if wait > WAIT_MAX || n_before >= REQUESTS_MAX {
            crate::metrics::busy();
            return Err(error::busy(format!(
                "work for {:.1} s waits on each core; send fewer requests at once",
                wait.as_secs_f64()
            )));
        }
        Ok(inside)
    }
}

impl Inner {
    fn paces(&self) -> MutexGuard<'_, HashMap<Box<str>, f64>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the pace of the last request of a kind into account; the first says all.
    fn learn(&self, kind: &str, last: f64) {
        let mut paces = self.paces();
        if let Some(pace) = paces.get_mut(kind) {
            *pace += LAST_WEIGHT * (last - *pace);
            return;
        }
        if paces.len() >= KINDS_MAX {
            // Models come and go. What is still asked for is soon known again.
            paces.clear();
        }
        paces.insert(kind.into(), last);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.inner.n_inside.fetch_sub(1, Ordering::Relaxed);
        self.inner.ahead_nanos.fetch_sub(self.nanos, Ordering::Relaxed);
    }
}

/// A request at work.
struct Running(Arc<Inner>);

impl Running {
    fn new(inner: &Arc<Inner>) -> Self {
        inner.n_running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.n_running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    /// Does the part of the work that others of this size take as well: not what is found in a cache, nor the loading
    /// of a model.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = clock::instant();
        let done = work();
        let took = clock::instant().saturating_duration_since(started);
        // Side by side each takes longer, by as much as there are more of them than cores.
        let n_running = self
            .inner
            .n_running
            .load(Ordering::Relaxed)
            .max(self.inner.n_cores);
        let share = self.inner.n_cores as f64 / n_running as f64;
        let last = took.as_nanos() as f64 * share / self.n_bytes.max(64) as f64;
        self.inner.learn(&self.kind, last);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_would_wait_for_long_is_refused_and_what_ends_makes_room() {
        let gate = Gate::new(1);
        // Half a second of work, at the first pace.
        let large = (0.5e9 / FIRST_PACE) as usize;
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let gate = gate.clone();
            async move { gate.judge("a", large, move |_| Ok(ended.recv().is_ok())).await }
        });
        while gate.0.n_inside.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let refused = gate.run(|| Ok(())).await.unwrap_err();
        assert_eq!(refused.status(), 503);
        end.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        gate.run(|| Ok(())).await.unwrap();
        assert_eq!(gate.0.ahead_nanos.load(Ordering::Relaxed), 0);
    }
    #[tokio::test(flavor = "multi_thread")]
    async fn a_heavy_model_makes_no_light_request_wait() {
        let gate = Gate::new(1);
        gate.0.learn("heavy", 1e9);
        gate.0.learn("light", 1.0);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let gate = gate.clone();
            async move {
                gate.judge("light", 1_000_000, move |_| Ok(ended.recv().is_ok()))
                    .await
            }
        });
        while gate.0.n_inside.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // A millisecond waits, not a thousand seconds.
        gate.run(|| Ok(())).await.unwrap();
        end.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        for nth in 0..2 * KINDS_MAX {
            gate.0.learn(&nth.to_string(), 1.0);
        }
        assert!(gate.0.paces().len() <= KINDS_MAX);
    }
}
