//! Models at hand: loaded once, however many ask, and kept within bounds.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bellwether_core::model::Model;
use bellwether_store::registry::{ModelName, ModelRef, NamedRef, Pick, Registry, Resolved};
use bellwether_stream::problem::Problem;
use moka::sync::Cache;

use super::batching::Batched;
use crate::app::{Loaded, Loader, SeamError};
use crate::error;

/// A version as it was published: one that was removed and published again is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: ModelName,
    version: u32,
    sha256: String,
}

/// A model that is loaded, and what names its content.
#[derive(Debug, Clone)]
pub(crate) struct AtHand {
    pub(crate) loaded: Loaded,
    pub(crate) version: u32,
    pub(crate) sha256: Arc<str>,
}

/// Models that are loaded. All its functions read the registry or load: not to be called where tasks run.
///
/// Every request asks the registry anew, so that a champion is seen as soon as it is promoted.
#[derive(Debug)]
pub(crate) struct ModelCache {
    registry: Registry,
    loader: Arc<dyn Loader>,
    cache: Cache<Key, AtHand>,
    n_cores: usize,
    /// Models that somebody took out of service by hand.
    unloaded: Mutex<HashSet<ModelName>>,
}

impl ModelCache {
    pub(super) fn new(registry: Registry, loader: Arc<dyn Loader>, bytes_max: u64, n_cores: usize) -> Self {
        let weight = |_: &Key, model: &AtHand| u32::try_from(model.loaded.bytes).unwrap_or(u32::MAX);
        let cache = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weight)
            .support_invalidation_closures()
            .eviction_listener(|_, _, cause| crate::metrics::cache_evicted("models", cause))
            .build();
        Self {
            registry,
            loader,
            cache,
            n_cores,
            unloaded: Mutex::default(),
        }
    }

    /// The model that a reference leads to now; many who ask at once wait for one who loads it.
    pub(crate) fn get(&self, reference: &NamedRef) -> Result<AtHand, Problem> {
        let key = self.resolve(reference)?;
        let mut is_fresh = false;
        let load = || {
            is_fresh = true;
            let version = bellwether_store::registry::Version::new(key.version);
            let Some(version) = version else {
                return Err(SeamError::NotFound("a version is at least 1".to_owned()));
            };
            let exact = NamedRef {
                name: key.name.clone(),
                pick: Pick::Version(version),
            };
            let n_cores = self.n_cores;
            let wrap = move |model: Arc<dyn Model>| Arc::new(Batched::new(model, n_cores)) as Arc<dyn Model>;
            let loaded = self.loader.load(&exact, &wrap)?;
            Ok(AtHand {
                loaded,
                version: key.version,
                sha256: key.sha256.as_str().into(),
            })
        };
        let found = self.cache.try_get_with(key.clone(), load);
        crate::metrics::cache_asked("models", !is_fresh);
        found.map_err(|error| seam(&error))
    }

    /// Puts a model back into service, loaded.
    pub(crate) fn load(&self, reference: &NamedRef) -> Result<AtHand, Problem> {
        let model = self.get(reference)?;
        self.taken_out().remove(&reference.name);
        Ok(model)
    }

    /// Takes a model out of service until it is loaded again, and frees its memory.
    pub(crate) fn unload(&self, name: &ModelName) -> Result<(), Problem> {
        self.registry.show(name).map_err(error::lookup)?;
        self.taken_out().insert(name.clone());
        let gone = name.clone();
        // Cannot fail: the cache was built with support for it.
        let _ = self.cache.invalidate_entries_if(move |key, _| key.name == gone);
        Ok(())
    }

    /// Bytes of the models that are kept, about.
    pub(super) fn bytes(&self) -> u64 {
        // What was put in or taken out is counted when the cache comes round to it.
        self.cache.run_pending_tasks();
        self.cache.weighted_size()
    }

    /// Whether somebody took a model out of service.
    pub(crate) fn is_taken_out(&self, name: &ModelName) -> bool {
        self.taken_out().contains(name)
    }

    /// All models with their champions.
    pub(crate) fn list(&self) -> Result<Vec<(ModelName, Vec<u32>, u32)>, Problem> {
        let listing = self.registry.list().map_err(|error| error::internal(&error))?;
        let model = |index: bellwether_store::registry::Index| {
            let versions = index
                .versions()
                .iter()
                .map(|entry| entry.version.number())
                .collect();
            (index.name().clone(), versions, index.champion().number())
        };
        Ok(listing.models.into_iter().map(model).collect())
    }

    fn taken_out(&self) -> std::sync::MutexGuard<'_, HashSet<ModelName>> {
        self.unloaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, reference: &NamedRef) -> Result<Key, Problem> {
        match self.registry.resolve(&ModelRef::Named(reference.clone())) {
            Ok(Resolved::Version { name, entry, .. }) => Ok(Key {
                name,
                version: entry.version.number(),
                sha256: entry.sha256.to_string(),
            }),
            Ok(Resolved::File(_)) => Err(error::not_found("models are asked for by name")),
            Err(error) => Err(error::lookup(error)),
        }
    }
}

fn seam(error: &SeamError) -> Problem {
    match error {
        SeamError::NotFound(text) => {
            // What is said may name folders.
            tracing::warn!(error = %text, "a model that was asked for is gone");
            error::not_found("the model was removed just now")
        }
        SeamError::Refused(_) | SeamError::Failed(_) => error::internal(error),
    }
}
