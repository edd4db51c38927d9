//! A network of any layers as a [`Model`].

use bellwether_core::model::{Answers, Model, ModelError};
use bellwether_core::window::{WindowSpec, Windows};

use crate::framing::{Framing, FramingError};
use crate::kernels::Kernels;
use crate::network::architecture::Architecture;
use crate::network::spec::{Head, NetworkSpec};
use crate::network::weights::Weights;
use crate::predictor::{Kind, Predictor};

/// A trained network whose layers somebody has chosen.
///
/// What it expects is measured as an [`Autoencoder`](crate::Autoencoder)'s for samples that it sees, as a
/// [`Forecaster`](crate::Forecaster)'s for the one that it foresees.
#[derive(Debug)]
pub struct Layered(pub(crate) Predictor);

impl Layered {
    /// Puts a network together for scoring on `n_threads` threads.
    ///
    /// # Errors
    /// [`FramingError::Kind`] where the architecture is one of LSTM stacks,
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
        Predictor::new(Kind::Layers, architecture, framing, weights, kernels, n_threads).map(Self)
    }

    /// Its layers.
    pub fn spec(&self) -> &NetworkSpec {
        self.0
            .architecture
            .spec()
            .expect("checked when it was put together")
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

impl Model for Layered {
    fn name(&self) -> &'static str {
        "network"
    }

    fn window(&self) -> WindowSpec {
        self.0.window()
    }

    fn n_channels(&self) -> usize {
        self.0.framing.n_channels()
    }

    fn answers(&self) -> Answers {
        self.0.architecture.answers()
    }

    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.0.expected(windows, out)
    }

    /// Where one sample is foreseen and the others are rebuilt, each error counts what it counts in training.
    fn squares_residuals(&self) -> bool {
        !matches!(self.0.architecture.head(), Head::Both { .. })
    }

    fn errors(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        self.expected(windows, out)?;
        let n_channels = windows.n_channels();
        let (head, len) = (self.0.architecture.head(), windows.window_len());
        let n_answers = self.0.architecture.n_answers();
        for (window_idx, errors) in out.chunks_exact_mut(n_answers * n_channels).enumerate() {
            let values = windows.values(window_idx);
            let observed = windows.observed(window_idx);
            let first = values.len() - errors.len();
            for (at, error) in errors.iter_mut().enumerate() {
                let off = values[first + at] - *error;
                *error = match observed {
                    Some(observed) if !observed[first + at] => 0.0,
                    _ => head.weight(at / n_channels, len) * off * off,
                };
            }
        }
        Ok(())
    }
}
