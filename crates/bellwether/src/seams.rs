//! What the service asks of the rest of the program: a model of a bundle, a model of data, another configuration.

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwether_core::detect::Detector;
use bellwether_core::frame::Frame;
use bellwether_core::model::Model;
use bellwether_serve::app::{
    ConfigRefused, ConfigText, Control, Loaded, Loader, SeamError, TrainProgress, TrainRequest, Trainer,
};
use bellwether_store::registry::{ModelRef, NamedRef};
use futures_util::future::BoxFuture;

use crate::artifact;
use crate::cli::{ModelArgs, RegistryArgs};
use crate::commands::live::Reloader;

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
        let loaded = artifact::load(&args, 1).map_err(failed)?;
        let _ = wrap;
        let detector: Arc<Detector> = loaded.detector;
        Ok(Loaded {
            reference: loaded.reference.into(),
            detector,
            bytes: loaded.manifest.model.n_weights as u64 * 8,
            manifest: Arc::new(loaded.manifest),
        })
    }
}

/// Trains as `train` does.
#[derive(Debug)]
pub(crate) struct Fitter;

impl Trainer for Fitter {
    fn train(
        &self,
        _: &TrainRequest,
        _: Vec<(String, Vec<Frame>)>,
        _: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
    ) -> Result<NamedRef, SeamError> {
        Err(SeamError::Failed("not here yet".to_owned()))
    }
}

/// The process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) reloader: Reloader,
}

impl Control for Process {
    fn reload(&self) -> BoxFuture<'_, Result<(), SeamError>> {
        Box::pin(async { self.reloader.reload().await.map_err(SeamError::Refused) })
    }

    fn config(&self) -> BoxFuture<'_, Result<ConfigText, SeamError>> {
        Box::pin(std::future::ready(Err(SeamError::Failed(
            "not here yet".to_owned(),
        ))))
    }

    fn change_config(&self, _: String) -> BoxFuture<'_, Result<ConfigText, ConfigRefused>> {
        Box::pin(std::future::ready(Err(ConfigRefused::NoFile)))
    }
}
