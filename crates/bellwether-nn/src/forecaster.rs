//! The LSTM forecaster as a [`Model`].

use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::{WindowSpec, Windows};

use crate::framing::{Framing, FramingError};
use crate::kernels::Kernels;
use crate::network::architecture::Architecture;
use crate::network::weights::Weights;
use crate::predictor::{Kind, Predictor};

/// A trained LSTM forecaster: from all samples of a window but the last, what is to be expected in the last.
///
/// Where an autoencoder asks whether a window hangs together, a forecaster asks whether its newest sample follows from
/// those before. It learns the step from the last sample seen, so an untrained one says "as before".
#[derive(Debug)]
pub struct Forecaster(pub(crate) Predictor);

impl Forecaster {
    /// Puts a network together for scoring on `n_threads` threads.
    ///
    /// # Errors
    /// [`FramingError::Kind`] where the architecture is an autoencoder's,
    /// [`FramingError::Network`] where the network's widths are not those of the framing.
    ///
    /// # Panics
    /// Where the weights are of another architecture.
    pub fn new(
        architecture: Architecture,
        framing: Framing,
        weights: Weights,
        kernels: &'static Kernels,
        n_threads: usize,
    ) -> Result<Self, FramingError> {
        Predictor::new(
            Kind::Forecaster,
            architecture,
            framing,
            weights,
            kernels,
            n_threads,
        )
        .map(Self)
    }

    /// Shape of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.0.architecture
    }

    /// How windows become inputs.
    pub fn framing(&self) -> &Framing {
        &self.0.framing
    }

    /// The trained weights.
    pub fn weights(&self) -> &Weights {
        &self.0.weights
    }
}

impl Model for Forecaster {
    fn name(&self) -> &'static str {
        "lstm-forecast"
    }

    fn window(&self) -> WindowSpec {
        self.0.window()
    }

    fn n_channels(&self) -> usize {
        self.0.framing.n_channels()
    }

    fn answers(&self) -> Answers {
        Answers::LastRow
    }

    /// The last sample seen plus the network's answer, `[n_windows, 1, n_channels]`; zero for channels that it does not
    /// read: they were constant in training, and scaled to zero there.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.0.expected(windows, out)
    }

    fn derivatives(
        &self,
        windows: Windows<'_>,
        weights: &[f64],
        out: &mut [f64],
    ) -> Result<bool, ModelError> {
        self.0.derivatives(windows, weights, out).map(|()| true)
    }
}
