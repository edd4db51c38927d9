//! Sources at work.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_store::database::Database;
use bellwether_stream::arrival::Inlet;
use bellwether_stream::source::{Source, SourceError, Stop};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::checked::SourceSpec;
use crate::failure::{Failure, chain};
use crate::wiring;

/// Sources at work, each with a signal of its own: a reload stops those that changed, and no other.
pub(super) struct Sources {
    db: Database,
    inlet: Option<Inlet>,
    ready: watch::Receiver<bool>,
    running: HashMap<Arc<str>, (SourceSpec, watch::Sender<bool>)>,
    tasks: JoinSet<(Arc<str>, Result<(), SourceError>)>,
    /// The first that could not go on.
    pub(super) failed: Option<SourceError>,
}

/// Sources that are ready to begin.
pub(super) struct Prepared {
    wanted: Vec<SourceSpec>,
    offsets: HashMap<String, String>,
    ready: Vec<(Box<dyn Source>, SourceSpec)>,
    /// Those whose address is not free yet.
    later: Vec<SourceSpec>,
}

impl Sources {
    pub(super) fn new(db: Database, inlet: Inlet, ready: watch::Receiver<bool>) -> Self {
        Self {
            db,
            inlet: Some(inlet),
            ready,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            failed: None,
        }
    }

    /// Makes ready what is wanted and not there. What can fail does so here, and nothing has changed then.
    ///
    /// # Errors
    /// Where a source cannot be made, or the database does not say how far the sources are.
    pub(super) async fn prepare(&self, wanted: &[SourceSpec]) -> Result<Prepared, Failure> {
        let is_new = |spec: &&SourceSpec| !self.running.values().any(|(known, _)| known == *spec);
        let (later, now): (Vec<_>, Vec<_>) = wanted
            .iter()
            .filter(is_new)
            .cloned()
            .partition(|spec| self.waits_for_an_address(spec, wanted));
        let make = |spec: SourceSpec| -> Result<_, Failure> {
            Ok((wiring::source(&spec, &self.db, &self.ready)?, spec))
        };
        Ok(Prepared {
            wanted: wanted.to_vec(),
            offsets: self.db.offsets().await?,
            ready: now.into_iter().map(make).collect::<Result<_, Failure>>()?,
            later,
        })
    }

    /// Whether a source that goes listens where this one will.
    fn waits_for_an_address(&self, spec: &SourceSpec, wanted: &[SourceSpec]) -> bool {
        let SourceSpec::Http(http) = spec else {
            return false;
        };
        let mut goes = self.running.values().filter(|(known, _)| !wanted.contains(known));
        goes.any(|(known, _)| matches!(known, SourceSpec::Http(known) if known.listen == http.listen))
    }

    /// Stops what is not wanted any more, starts what was made ready. What is the same goes on untouched.
    pub(super) async fn change(&mut self, prepared: Prepared) {
        let Prepared {
            wanted,
            offsets,
            ready,
            later,
        } = prepared;
        let gone: Vec<Arc<str>> = self
            .running
            .iter()
            .filter(|(_, (spec, _))| !wanted.contains(spec))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in gone {
            if let Some((_, stop)) = self.running.remove(&name) {
                stop.send_replace(true);
                // An address or a session at a broker is free only once the old one has ended.
                self.wait_for(&name).await;
            }
        }
        let Some(inlet) = self.inlet.clone() else {
            return;
        };
        for (source, spec) in ready {
            self.start(source, spec, &inlet, &offsets);
        }
        for spec in later {
            match wiring::source(&spec, &self.db, &self.ready) {
                Ok(source) => self.start(source, spec, &inlet, &offsets),
                // As if it had ended right after its start.
                Err(error) => {
                    tracing::error!(source = spec.name(), error = %chain(&error), "the source cannot go on");
                    self.failed.get_or_insert(error);
                }
            }
        }
    }

    fn start(
        &mut self,
        source: Box<dyn Source>,
        spec: SourceSpec,
        inlet: &Inlet,
        offsets: &HashMap<String, String>,
    ) {
        let (give_stop, stop) = Stop::new();
        let (name, inlet) = (source.name(), inlet.clone());
        let resume = offsets.get(&*name).cloned();
        let task_name = Arc::clone(&name);
        self.tasks
            .spawn(async move { (task_name, source.run(inlet, resume, stop).await) });
        self.running.insert(name, (spec, give_stop));
    }

    pub(super) async fn wait_for(&mut self, name: &Arc<str>) {
        while let Some(Ok((ended, result))) = self.tasks.join_next().await {
            if let Err(error) = result {
                tracing::error!(source = &*ended, error = %chain(&error), "the source ended badly");
            }
            if ended == *name {
                return;
            }
            self.running.remove(&ended);
        }
    }

    /// The next source that ends; `None` where none is left, and then the way in is closed.
    pub(super) async fn ended(&mut self) -> Option<(Arc<str>, Result<(), SourceError>)> {
        match self.tasks.join_next().await {
            Some(Ok((name, result))) => {
                self.running.remove(&name);
                Some((name, result))
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a source has failed");
                None
            }
            None => {
                self.inlet = None;
                None
            }
        }
    }

    pub(super) fn stop(&mut self) {
        for (_, stop) in self.running.values() {
            stop.send_replace(true);
        }
    }
}
