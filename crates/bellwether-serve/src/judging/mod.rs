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

    pub(crate) fn get(&self, key: &AnswerKey) -> Option<Bytes> {
        let found = self.0.get(key);
        crate::metrics::cache_asked("answers", found.is_some());
        found
    }

    pub(crate) fn keep(&self, key: AnswerKey, answer: Bytes) {
        self.0.insert(key, answer);
        crate::metrics::cache_holds("answers", self.0.weighted_size());
    }
}

/// Bytes as the caches count them.
fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
