//! Judging what a request brings: models at hand, windows of many requests in one call, work within bounds.
//!
//! The way of a request: [`gate`] lets it in or says busy, [`models`] has its model at hand, [`table`] holds its rows,
//! [`verdict`] is what is said of them, the same values as from the command `detect`. [`batching`] is put around every
//! model.

pub(crate) mod batching;
pub(crate) mod gate;
pub(crate) mod models;
pub(crate) mod sessions;
pub(crate) mod table;
pub(crate) mod verdict;

use std::sync::Arc;

use bellwether_stream::problem::Problem;
use bytes::Bytes;
use moka::sync::Cache;

use crate::app::Loader;
use bellwether_store::registry::Registry;
use gate::Gate;
use models::ModelCache;
use sessions::Sessions;

/// What judging needs, shared by all routes.
#[derive(Debug)]
pub struct Judging {
    pub(crate) models: Arc<ModelCache>,
    pub(crate) gate: Gate,
    pub(crate) answers: Answers,
    pub(crate) sessions: Arc<Sessions>,
}

impl Judging {
    /// Judges with the models of `registry`, on `n_cores` cores; caches of models and of answers hold half of
    /// `cache_bytes_max` each.
    pub fn new(registry: Registry, loader: Arc<dyn Loader>, cache_bytes_max: u64, n_cores: usize) -> Self {
        let n_cores = n_cores.max(1);
        Self {
            models: Arc::new(ModelCache::new(registry, loader, cache_bytes_max / 2, n_cores)),
            gate: Gate::new(n_cores),
            answers: Answers::new(cache_bytes_max / 2),
            sessions: Arc::default(),
        }
    }

    /// Tells how large the caches are now.
    pub(crate) fn tell_sizes(&self) {
        crate::metrics::cache_holds("models", self.models.bytes());
        crate::metrics::cache_holds("answers", self.answers.bytes());
    }
}

/// The hash of all that an answer depends on.
pub(crate) type AnswerKey = [u8; 32];

/// Answers to requests that were made before, bounded in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Cache<AnswerKey, Bytes>);

/// Bytes of an entry besides its answer, about.
const ENTRY_BYTES: usize = 128;

impl Answers {
    fn new(bytes_max: u64) -> Self {
        let weight = |_: &AnswerKey, answer: &Bytes| weight(answer.len() + ENTRY_BYTES);
        let cache = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weight)
            .eviction_listener(|_, _, cause| crate::metrics::cache_evicted("answers", cause))
            .build();
        Self(cache)
    }

    /// The answer to the same request before, or else what `make` says; many who ask at once wait for one who makes it.
    /// True where it was there.
    pub(crate) fn get_or(
        &self,
        key: AnswerKey,
        make: impl FnOnce() -> Result<Bytes, Problem>,
    ) -> Result<(Bytes, bool), Problem> {
        let mut is_fresh = false;
        let found = self.0.try_get_with(key, || {
            is_fresh = true;
            make()
        });
        crate::metrics::cache_asked("answers", !is_fresh);
        match found {
            Ok(answer) => Ok((answer, !is_fresh)),
            Err(problem) => Err(Arc::unwrap_or_clone(problem)),
        }
    }

    /// Bytes of the answers that are kept, about.
    fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

/// Bytes as the caches count them.
fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
