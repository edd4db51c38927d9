//! Sources at work.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_store::database::Database;
use bellwether_stream::arrival::Inlet;
use bellwether_stream::source::{SourceError, Stop};
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

    /// Stops what is not wanted any more, starts what was not there. What is the same goes on untouched.
    pub(super) async fn change(&mut self, wanted: &[SourceSpec]) -> Result<(), Failure> {
        let is_wanted = |spec: &SourceSpec| wanted.contains(spec);
        let gone: Vec<Arc<str>> = self
            .running
            .iter()
            .filter(|(_, (spec, _))| !is_wanted(spec))
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
            return Ok(());
        };
        let offsets = self.db.offsets().await?;
        for spec in wanted {
            if self.running.contains_key(spec.name()) {
                continue;
            }
            let source = wiring::source(spec, &self.db, &self.ready)?;
            let (give_stop, stop) = Stop::new();
            let (name, inlet) = (source.name(), inlet.clone());
            let resume = offsets.get(&*name).cloned();
            let task_name = Arc::clone(&name);
            self.tasks
                .spawn(async move { (task_name, source.run(inlet, resume, stop).await) });
            self.running.insert(name, (spec.clone(), give_stop));
        }
        Ok(())
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
