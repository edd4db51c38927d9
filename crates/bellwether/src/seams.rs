//! What the service asks of the rest of the program: a model of a bundle, a model of data, another configuration.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_core::detect::Detector;
use bellwether_core::frame::Frame;
use bellwether_core::model::Model;
use bellwether_serve::app::{
    ConfigChanged, ConfigRefused, ConfigText, Control, Loaded, Loader, SeamError, TrainProgress,
    TrainRequest, Trainer,
};
use bellwether_store::bundle::manifest::fingerprint;
use bellwether_store::registry::{ModelRef, NamedRef, Pick, Registry};
use bellwether_stream::clock;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use crate::artifact;
use crate::cli::{FitArgs, ModelArgs, RegistryArgs};
use crate::commands::live::{NotReloaded, Reloader};
use crate::config::changing::Replaced;
use crate::config::checked::Checked;
use crate::config::{self, Overrides, changing};
use crate::failure::Failure;
use crate::fitting::{self, FitSpec, WindowWish};
use crate::publishing::{Unpublished, series_record};

/// Loads bundles of the registry.
#[derive(Debug)]
pub(crate) struct Bundles {
    pub(crate) registry: RegistryArgs,
}

impl Loader for Bundles {
    fn load(
        &self,
        reference: &NamedRef,
        wrap: &dyn Fn(Arc<dyn Model>) -> Arc<dyn Model>,
    ) -> Result<Loaded, SeamError> {
        let args = ModelArgs {
            model: ModelRef::Named(reference.clone()),
            registry: self.registry.clone(),
        };
        let failed = |failure: crate::failure::Failure| SeamError::Failed(failure.text());
        let loaded = artifact::load_wrapped(&args, 1, wrap).map_err(failed)?;
        loaded.refuse_grid().map_err(failed)?;
        let detector: Arc<Detector> = loaded.detector;
        Ok(Loaded {
            reference: loaded.reference.into(),
            detector,
            bytes: loaded.weights_bytes * 3,
            manifest: Arc::new(loaded.manifest),
        })
    }
}

/// Trains as `train` does.
#[derive(Debug)]
pub(crate) struct Fitter {
    pub(crate) registry: Registry,
    pub(crate) n_threads: usize,
}

impl Trainer for Fitter {
    fn train(
        &self,
        request: &TrainRequest,
        series: Vec<(String, Vec<Frame>)>,
        observe: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
    ) -> Result<NamedRef, SeamError> {
        self.fit_and_publish(request, series, observe)
    }
}

impl Fitter {
    /// Half of the threads at most: samples are judged beside it.
    fn spec(&self, request: &TrainRequest) -> Result<FitSpec, Failure> {
        let args = FitArgs {
            epochs: request.epochs,
            window: request.window.map(WindowWish::Rows),
            alarm_budget: request.alarm_budget,
            seed: request.seed,
            ..FitArgs::by_default()
        };
        FitSpec::from_args(&args, (self.n_threads / 2).max(1))
    }

    fn fit_and_publish(
        &self,
        request: &TrainRequest,
        series: Vec<(String, Vec<Frame>)>,
        observe: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
    ) -> Result<NamedRef, SeamError> {
        // What is wrong with settings or data is for who asked; what is wrong with the machine names its places.
        let refused = |failure: Failure| SeamError::Refused(failure.text());
        let spec = self.spec(request).map_err(refused)?;
        let started = clock::instant();
        let record = |(name, frames): &(String, Vec<Frame>)| series_record(name, frames);
        let records = series.iter().filter_map(record).collect();
        let frames: Vec<Vec<Frame>> = series.into_iter().map(|(_, frames)| frames).collect();
        let data_fingerprint = fingerprint(frames.iter().flatten());
        let mut is_broken_off = false;
        let fitted = fitting::fit(frames, None, &spec, &mut |progress| {
            let done = progress
                .epoch_report
                .map(|report| (report.train_loss, report.val_loss));
            let flow = observe(TrainProgress {
                epoch: progress.epoch + usize::from(done.is_some()),
                n_epochs: progress.n_epochs,
                losses: done,
            });
            is_broken_off |= flow.is_break();
            flow
        })
        .map_err(refused)?;
        if is_broken_off {
            let text = "the training was broken off; nothing is published";
            return Err(SeamError::Refused(text.to_owned()));
        }
        let learnt = Unpublished {
            name: &request.name,
            fitted: &fitted,
            spec: &spec,
            data_fingerprint,
            series: records,
            seconds: clock::instant().saturating_duration_since(started).as_secs_f64(),
            settings: json!({ "window": request.window, "epochs": request.epochs }),
            command: Vec::new(),
            alignment: None,
        };
        let failed = |failure: Failure| SeamError::Failed(failure.text());
        let (version, _) = learnt.publish(&self.registry).map_err(failed)?;
        Ok(NamedRef {
            name: request.name.clone(),
            pick: Pick::Version(version),
        })
    }
}

/// The process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) reloader: Reloader,
    /// Where its configuration comes from.
    pub(crate) origin: Arc<ConfigOrigin>,
    /// Changes of the file come one after the other.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// Where the configuration of the process comes from.
pub(crate) struct ConfigOrigin {
    /// The file that the process was started with.
    pub(crate) file: Option<PathBuf>,
    /// What the command line said over it.
    pub(crate) flags: Overrides,
    /// What is in force now,
    pub(crate) in_force: watch::Receiver<Arc<config::Loaded>>,
    /// and what was at the start.
    pub(crate) started: Checked,
}

impl std::fmt::Debug for ConfigOrigin {
    /// Without the flags: an address may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigOrigin")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl ConfigOrigin {
    fn text(&self) -> Result<ConfigText, SeamError> {
        let in_force = Arc::clone(&self.in_force.borrow());
        changing::text(self.file.as_deref(), &in_force, &self.started)
    }
}

impl Process {
    /// Reads or writes the file, beside the tasks.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ConfigOrigin) -> T + Send + 'static,
    ) -> Result<T, String> {
        let origin = Arc::clone(&self.origin);
        let done = tokio::task::spawn_blocking(move || work(&origin)).await;
        done.map_err(|error| format!("the work on the file broke off: {error}"))
    }

    async fn change(&self, toml: String, seen: Option<String>) -> Result<ConfigChanged, ConfigRefused> {
        let _turn = self.turn.lock().await;
        let file = self.origin.file.clone().ok_or(ConfigRefused::NoFile)?;
        let Replaced { before, keys } = self
            .on_disk({
                let file = file.clone();
                move |origin| changing::replace(&file, &origin.flags, &toml, seen.as_deref())
            })
            .await
            .map_err(ConfigRefused::Failed)??;
        if let Err(why) = self.reloader.reload().await {
            self.on_disk(move |_| changing::put_back(&file, &before))
                .await
                .map_err(ConfigRefused::Failed)??;
            return Err(match why {
                NotReloaded::Refused(why) => ConfigRefused::Unusable(why),
                NotReloaded::Stopping => ConfigRefused::Failed(why.to_string()),
            });
        }
        let text = self.on_disk(ConfigOrigin::text).await;
        let text = text.map_err(ConfigRefused::Failed)?;
        let text = text.map_err(|error| ConfigRefused::Failed(error.to_string()))?;
        Ok(ConfigChanged { text, keys })
    }
}

impl Control for Process {
    fn reload(&self) -> BoxFuture<'_, Result<(), SeamError>> {
        Box::pin(async {
            let reloaded = self.reloader.reload().await;
            reloaded.map_err(|why| SeamError::Refused(why.to_string()))
        })
    }

    fn config(&self) -> BoxFuture<'_, Result<ConfigText, SeamError>> {
        Box::pin(async {
            self.on_disk(ConfigOrigin::text)
                .await
                .map_err(SeamError::Failed)?
        })
    }

    fn change_config(
        &self,
        toml: String,
        seen: Option<String>,
    ) -> BoxFuture<'_, Result<ConfigChanged, ConfigRefused>> {
        Box::pin(self.change(toml, seen))
    }
}
