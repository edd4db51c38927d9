//! A model whose networks are trained further, on other rows.

use std::sync::Arc;

use bellwether_core::transform::Pipeline;
use bellwether_nn::{Architecture, Framing, Weights};
use bellwether_store::bundle::manifest::ParentRecord;
use bellwether_store::registry::ModelRef;

use super::family::{Kind, Plan};
use crate::artifact::{self, Learnt};
use crate::cli::RegistryArgs;
use crate::failure::Failure;

/// The model that a training starts from: its networks give their shapes and weights; scales and calibration are learnt anew, and
/// so are members without weights.
pub(crate) struct Parent {
    /// Which it is.
    pub(crate) record: ParentRecord,
    /// Names of its channels in their order.
    channels: Vec<String>,
    /// In their order.
    networks: Vec<Learnt>,
}

impl std::fmt::Debug for Parent {
    /// The record alone: it names all the rest, and settings are compared by what they show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Parent").field(&self.record).finish()
    }
}

impl Parent {
    /// Reads it.
    ///
    /// # Errors
    /// Where there is no such model, or it has no network.
    pub(crate) fn read(model: &ModelRef, registry: &RegistryArgs) -> Result<Arc<Self>, Failure> {
        let opened = artifact::open(model, registry)?;
        let mut networks = opened.learnt(1)?;
        networks.retain(Learnt::is_network);
        if networks.is_empty() {
            return Err(Failure::Usage(format!(
                "--from {}: it has no network to train further; what it is made of is fitted anew by any training",
                opened.reference
            )));
        }
        let channels = opened.manifest.detector.pipeline.schema().channels();
        Ok(Arc::new(Self {
            channels: channels.iter().map(|channel| channel.name().to_owned()).collect(),
            record: ParentRecord {
                model: opened.reference,
                sha256: opened.sha256.to_string(),
            },
            networks,
        }))
    }

    /// Gives the networks of a plan the windows of the parent's.
    ///
    /// # Errors
    /// Where they are not of the same kinds.
    pub(super) fn shape(&self, plan: &mut Plan) -> Result<(), Failure> {
        let planned: Vec<_> = plan
            .members
            .iter_mut()
            .filter(|planned| planned.kind.is_network())
            .collect();
        let fits = |kind: Kind, of: &Learnt| match kind {
            Kind::LstmAe => matches!(of, Learnt::Autoencoder(_)),
            Kind::LstmForecast => matches!(of, Learnt::Forecaster(_)),
            Kind::Network => true,
            Kind::Classic(_) => false,
        };
        let alike = planned
            .iter()
            .zip(&self.networks)
            .all(|(planned, of)| fits(planned.kind, of));
        if planned.len() != self.networks.len() || !alike {
            let networks: Vec<&str> = self.networks.iter().map(|of| of.model().name()).collect();
            return Err(Failure::Usage(format!(
                "--from {}: its networks ({}) are not those of this --model-family: give that of the parent",
                self.record.model,
                networks.join(", ")
            )));
        }
        for (planned, of) in planned.into_iter().zip(&self.networks) {
            planned.len = of.model().window().len;
        }
        Ok(())
    }

    /// A network of it, for rows of that pipeline.
    ///
    /// # Errors
    /// Where the rows have other channels.
    pub(super) fn network(&self, network_idx: usize, pipeline: &Pipeline) -> Result<Start<'_>, Failure> {
        let channels = pipeline.schema().channels().iter();
        if !channels
            .map(|channel| channel.name())
            .eq(self.channels.iter().map(String::as_str))
        {
            return Err(Failure::Misfit(
                format!(
                    "--from {}: it learnt from the channels {} in this order, and the rows have others: bring them to the same \
                     columns, or train without --from",
                    self.record.model,
                    self.channels.join(", ")
                )
                .into(),
            ));
        }
        let network = &self.networks[network_idx];
        let (architecture, framing, weights) = match network {
            Learnt::Autoencoder(of) => (of.architecture(), of.framing(), of.weights()),
            Learnt::Forecaster(of) => (of.architecture(), of.framing(), of.weights()),
            Learnt::Network(of) => (of.architecture(), of.framing(), of.weights()),
            Learnt::Classic(_) => unreachable!("only networks were retained"),
        };
        Ok(Start {
            architecture,
            framing,
            weights: Arc::new(weights.clone()),
        })
    }
}

/// What a network of the parent gives to one that is trained.
pub(super) struct Start<'a> {
    pub(super) architecture: &'a Architecture,
    pub(super) framing: &'a Framing,
    pub(super) weights: Arc<Weights>,
}
