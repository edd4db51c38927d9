//! A network whose weights another program learnt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether_core::transform::Pipeline;
use bellwether_nn::{Architecture, Framing, NetworkSpec, TrainSpec, Weights};
use bellwether_store::bundle::Sha256;
use bellwether_store::disk;

use super::family::{Kind, Plan, Planned};
use crate::failure::Failure;

/// Most bytes of a file: as many as the largest network has, in double precision.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// A file of PyTorch or Keras, as safetensors.
pub(crate) struct Foreign {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Foreign {
    /// Its checksum alone: settings are compared by what they show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Foreign").field(&Sha256::of(&self.bytes)).finish()
    }
}

impl Foreign {
    /// Reads it.
    ///
    /// # Errors
    /// Where the disk refuses, or it is no file of LSTM layers and a head.
    pub(crate) fn read(path: &Path) -> Result<Arc<Self>, Failure> {
        let foreign = Self {
            path: path.to_owned(),
            bytes: disk::read_bounded(path, FILE_BYTES_MAX)?,
        };
        // Said before the work.
        Weights::foreign_inputs(&foreign.bytes).map_err(|error| foreign.wrong(error.into()))?;
        Ok(Arc::new(foreign))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a plan of several networks: the file has one.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), Failure> {
        let n = plan
            .members
            .iter()
            .filter(|planned| planned.kind.is_network())
            .count();
        if n == 1 {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "--weights {}: it is one network, and this --model-family has {n}: give --model-family lstm-ae or lstm-forecast",
            self.path.display()
        )))
    }

    /// Framing and weights for rows of that pipeline. The first layer tells whether it reads level and deviation of each
    /// channel, or the deviation alone. Sizes in `spec` become those of the stacks in `layers`, where there are any.
    pub(super) fn network(
        &self,
        planned: &Planned,
        pipeline: &Pipeline,
        active: &[usize],
        layers: Option<&NetworkSpec>,
        spec: &TrainSpec,
    ) -> Result<(Framing, Arc<Weights>), Failure> {
        let read = || -> Result<_, Failure> {
            let n_inputs = Weights::foreign_inputs(&self.bytes)?;
            let framing = Framing::new(
                pipeline.n_channels(),
                active.to_vec(),
                n_inputs == 2 * active.len(),
            )?;
            let (len, n_inputs, n_outputs) = (planned.len.get(), framing.n_inputs(), framing.n_outputs());
            let architecture = match layers {
                Some(layers) => Architecture::of_layers(layers, len, n_inputs, n_outputs),
                None if planned.kind == Kind::LstmForecast || spec.decoder.is_empty() => {
                    Architecture::forecaster(len, n_inputs, n_outputs, &spec.encoder)
                }
                None => Architecture::new(len, n_inputs, n_outputs, &spec.encoder, &spec.decoder),
            }?;
            let weights = Weights::from_foreign(&self.bytes, &architecture)?;
            Ok((framing, Arc::new(weights)))
        };
        read().map_err(|failure| self.wrong(failure))
    }

    fn wrong(&self, failure: Failure) -> Failure {
        failure.in_context(&format!("--weights {}", self.path.display()))
    }
}
