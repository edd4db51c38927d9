//! The process around the routes, in a few lines each.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bellwether_core::detect::Detector;
use bellwether_core::frame::Frame;
use bellwether_core::model::Model;
use bellwether_serve::access::{Authenticator, Credentials, Denied, Principal, Role};
use bellwether_serve::app::{
    ConfigChanged, ConfigMistake, ConfigRefused, ConfigText, Control, Loaded, Loader, SeamError,
    TrainProgress, TrainRequest, Trainer, tag_of,
};
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::{ModelRef, NamedRef, Pick, Registry, Resolved};
use bellwether_stream::clock;
use futures_util::future::BoxFuture;

use super::toy::{Mean, bundle};

/// Keys that say who they are: the name of a role, or `NAME:ROLE`.
#[derive(Debug)]
pub(crate) struct Keys;

impl Authenticator for Keys {
    fn authenticate(&self, shown: Credentials, _: IpAddr) -> BoxFuture<'_, Result<Principal, Denied>> {
        let Credentials::Key(key) = shown else {
            return Box::pin(std::future::ready(Err(Denied::Unknown)));
        };
        let (name, role) = key.split_once(':').unwrap_or((&key, &key));
        let known = Role::from_word(role).map(|role| Principal {
            name: name.into(),
            key_id: Some(key.as_str().into()),
            role,
            scopes: None,
            expires_at: None,
        });
        Box::pin(std::future::ready(known.ok_or(Denied::Unknown)))
    }

    fn revoked(&self, _: &str) {}

    fn asks_for_keys(&self) -> bool {
        true
    }
}

/// Makes toy detectors of toy bundles.
#[derive(Debug)]
pub(crate) struct ToyLoader {
    registry: Registry,
    n_loaded: AtomicUsize,
}

impl ToyLoader {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            n_loaded: AtomicUsize::new(0),
        }
    }

    /// How often a bundle was loaded.
    pub(crate) fn n_loaded(&self) -> usize {
        self.n_loaded.load(Ordering::SeqCst)
    }
}

impl Loader for ToyLoader {
    fn load(
        &self,
        reference: &NamedRef,
        wrap: &dyn Fn(Arc<dyn Model>) -> Arc<dyn Model>,
    ) -> Result<Loaded, SeamError> {
        self.n_loaded.fetch_add(1, Ordering::SeqCst);
        let found = self.registry.load(&ModelRef::Named(reference.clone()));
        let found = found.map_err(|error| SeamError::NotFound(error.to_string()))?;
        let Resolved::Version { name, entry, .. } = found.from else {
            return Err(SeamError::NotFound("no version".to_owned()));
        };
        let manifest = Manifest::from_json_bytes(&found.bundle.manifest)
            .map_err(|error| SeamError::Failed(error.to_string()))?;
        let model = Mean {
            len: manifest.window_len(),
            n_channels: manifest.detector.pipeline.n_channels(),
        };
        let detector = Detector::from_parts(manifest.detector.clone(), vec![wrap(Arc::new(model))]);
        Ok(Loaded {
            reference: format!("{name}@{}", entry.version).into(),
            detector: Arc::new(detector.map_err(|error| SeamError::Failed(error.to_string()))?),
            manifest: Arc::new(manifest),
            bytes: 10_000,
        })
    }
}

/// Publishes a toy after as many passes as were asked for (3 where none).
#[derive(Debug)]
pub(crate) struct ToyTrainer {
    registry: Registry,
    /// Whoever holds this holds up the next pass.
    pub(crate) pass: tokio::sync::Mutex<()>,
}

impl ToyTrainer {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            pass: tokio::sync::Mutex::default(),
        }
    }
}

impl Trainer for ToyTrainer {
    fn train(
        &self,
        request: &TrainRequest,
        series: Vec<(String, Vec<Frame>)>,
        observe: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
    ) -> Result<NamedRef, SeamError> {
        let n_rows: usize = series
            .iter()
            .flat_map(|(_, frames)| frames)
            .map(Frame::n_samples)
            .sum();
        if n_rows < 100 {
            return Err(SeamError::Refused(format!(
                "{n_rows} rows are too few to learn from: send at least 100"
            )));
        }
        let n_epochs = request.epochs.map_or(3, std::num::NonZeroUsize::get);
        for epoch in 1..=n_epochs {
            let _pass = self.pass.blocking_lock();
            let losses = Some((1.0 / epoch as f64, 1.5 / epoch as f64));
            let progress = TrainProgress {
                epoch,
                n_epochs,
                losses,
            };
            if observe(progress).is_break() {
                return Err(SeamError::Refused("cancelled".to_owned()));
            }
        }
        let bundle = bundle(request.name.as_str(), 0.99);
        let summary = serde_json::json!({ "architecture": "toy" });
        let version = self
            .registry
            .publish(&request.name, &bundle, summary, clock::now())
            .map_err(|error| SeamError::Failed(error.to_string()))?;
        Ok(NamedRef {
            name: request.name.clone(),
            pick: Pick::Version(version),
        })
    }
}

/// A configuration of one text: what begins with `bad` is wrong, what begins with `path` is protected.
#[derive(Debug)]
pub(crate) struct ToyControl {
    toml: Mutex<String>,
    n_reloads: AtomicUsize,
    /// Whoever holds this holds up whatever is put in force.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Default for ToyControl {
    fn default() -> Self {
        Self {
            toml: Mutex::new("[stream]\nlatency = \"20ms\"\n".to_owned()),
            n_reloads: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl ToyControl {
    /// How often it was told to reload.
    pub(crate) fn n_reloads(&self) -> usize {
        self.n_reloads.load(Ordering::SeqCst)
    }

    fn text(&self) -> ConfigText {
        let toml = self.toml.lock().unwrap().clone();
        ConfigText {
            file: Some(toml.clone()),
            toml,
            needs_restart: Vec::new(),
        }
    }
}

impl Control for ToyControl {
    fn reload(&self) -> BoxFuture<'_, Result<(), SeamError>> {
        Box::pin(async {
            let _turn = self.turn.lock().await;
            self.n_reloads.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }

    fn config(&self) -> BoxFuture<'_, Result<ConfigText, SeamError>> {
        Box::pin(std::future::ready(Ok(self.text())))
    }

    fn change_config(
        &self,
        toml: String,
        seen: Option<String>,
    ) -> BoxFuture<'_, Result<ConfigChanged, ConfigRefused>> {
        let changed = if seen.is_some_and(|seen| seen != tag_of(self.toml.lock().unwrap().as_bytes())) {
            Err(ConfigRefused::Stale)
        } else if toml.starts_with("bad") {
            Err(ConfigRefused::Mistakes(vec![ConfigMistake {
                line: Some(1),
                column: Some(1),
                key: "bad".to_owned(),
                problem: "there is no such key".to_owned(),
            }]))
        } else if toml.starts_with("path") {
            Err(ConfigRefused::Protected(vec!["path".to_owned()]))
        } else {
            *self.toml.lock().unwrap() = toml;
            Ok(ConfigChanged {
                text: self.text(),
                keys: vec!["stream.latency".to_owned()],
            })
        };
        Box::pin(async {
            let _turn = self.turn.lock().await;
            changed
        })
    }
}
