//! What all networks have in common: a network and its framing answer for windows.

mod derivatives;

use std::num::NonZeroUsize;

use bellwether_core::model::ModelError;
use bellwether_core::window::{WindowSpec, Windows};

use crate::framing::{Framing, FramingError};
use crate::kernels::Kernels;
use crate::network::architecture::Architecture;
use crate::network::scorer::Scorer;
use crate::network::spec::Head;
use crate::network::weights::Weights;

/// A network that expects something of windows.
#[derive(Debug)]
pub(crate) struct Predictor {
    pub architecture: Architecture,
    pub framing: Framing,
    pub weights: Weights,
    scorer: Scorer,
}

impl Predictor {
    /// A network of that kind.
    ///
    /// # Panics
    /// Where the weights are of another architecture.
    pub(crate) fn new(
        want: Kind,
        architecture: Architecture,
        framing: Framing,
        weights: Weights,
        kernels: &'static Kernels,
        n_threads: usize,
    ) -> Result<Self, FramingError> {
        let got = Kind::of(&architecture);
        if got != want {
            return Err(FramingError::Kind {
                got: got.in_words(),
                want: want.in_words(),
            });
        }
        let (inputs, outputs) = (architecture.n_inputs(), architecture.n_outputs());
        let (want_inputs, want_outputs) = (framing.n_inputs(), framing.n_outputs());
        if (inputs, outputs) != (want_inputs, want_outputs) {
            return Err(FramingError::Network {
                inputs,
                outputs,
                want_inputs,
                want_outputs,
            });
        }
        let scorer = Scorer::new(&architecture, &weights, kernels, n_threads);
        Ok(Self {
            architecture,
            framing,
            weights,
            scorer,
        })
    }

    pub(crate) fn window(&self) -> WindowSpec {
        let len = NonZeroUsize::new(self.architecture.window_len()).unwrap_or(NonZeroUsize::MIN);
        WindowSpec {
            len,
            stride: NonZeroUsize::MIN,
        }
    }

    /// What each answer is measured from plus the network's number; zero for channels that it does not read: they were
    /// constant in training, and scaled to zero there.
    pub(crate) fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let (len, n_channels) = (self.architecture.window_len(), self.framing.n_channels());
        if windows.window_len() != len || windows.n_channels() != n_channels {
            return Err(ModelError::Shape {
                want_len: len,
                want_channels: n_channels,
                len: windows.window_len(),
                channels: windows.n_channels(),
            });
        }
        let n_cells = self.architecture.n_answers() * n_channels;
        assert_eq!(
            out.len(),
            windows.n_windows() * n_cells,
            "out must hold every window"
        );
        let active = self.framing.active();
        let view = |window: usize| self.framing.view(&windows, window, self.architecture.head());
        let mut means = vec![0.0; windows.n_windows() * active.len()];
        for (window, means) in means.chunks_exact_mut(active.len()).enumerate() {
            view(window).means(means);
        }
        let means = |window: usize| &means[window * active.len()..(window + 1) * active.len()];
        out.fill(0.0);
        self.scorer.run(
            out,
            n_cells,
            |window, step, input| view(window).input(step, means(window), input),
            |window, answer, output, out| {
                let out = &mut out[answer * n_channels..(answer + 1) * n_channels];
                let channels = output.iter().zip(active);
                for ((output, &channel), origin) in channels.zip(view(window).origins(answer, means(window)))
                {
                    out[channel] = origin + f64::from(*output);
                }
            },
        );
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(ModelError::NotFinite {
                window_idx: at / n_cells,
            }),
        }
    }
}

/// What sort of network an architecture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Autoencoder,
    Forecaster,
    Layers,
}

impl Kind {
    fn of(architecture: &Architecture) -> Self {
        match architecture.head() {
            _ if architecture.spec().is_some() => Self::Layers,
            Head::Forecast => Self::Forecaster,
            Head::Reconstruction | Head::Both { .. } => Self::Autoencoder,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Autoencoder => "an autoencoder",
            Self::Forecaster => "a forecaster",
            Self::Layers => "a list of layers",
        }
    }
}
