//! The LSTM autoencoder as a [`Model`]: which channels it reads, how a window becomes its input, what it expects.

use bellwether_core::model::{Model, ModelError};
use bellwether_core::window::{WindowSpec, Windows};
use std::num::NonZeroUsize;

use crate::kernels::Kernels;
use crate::network::architecture::{Architecture, ArchitectureError};
use crate::network::block::Slot;
use crate::network::scorer::Scorer;
use crate::network::weights::Weights;

/// Where a value's place in the training range is clipped before it enters the network: a hand's breadth beyond it.
const LEVEL_RANGE: (f32, f32) = (-0.25, 1.25);
/// Where a deviation from the window's mean is clipped before it enters the network, in training ranges.
const DEVIATION_MAX: f32 = 2.0;

/// How a window is cut to the network: active channels, each centred on its mean within the window.
///
/// A network that must reproduce the level itself mistakes every slow drift for a fault (mean VUS-PR .42 against .51
/// when only the deviation from the window's mean is reconstructed). The level still enters, clipped, as a second
/// input per channel, because what is normal may depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    n_channels: usize,
    active: Vec<usize>,
    with_level: bool,
}

impl Framing {
    /// Reads the channels `active` of `n_channels`.
    ///
    /// # Errors
    /// [`FramingError`] where no channel is active, one stands twice or lies beyond `n_channels`.
    pub fn new(n_channels: usize, active: Vec<usize>, with_level: bool) -> Result<Self, FramingError> {
        if active.is_empty() {
            return Err(FramingError::NoActive);
        }
        if !active.is_sorted_by(|a, b| a < b) || active.iter().any(|&idx| idx >= n_channels) {
            return Err(FramingError::Channels { n_channels });
        }
        Ok(Self {
            n_channels,
            active,
            with_level,
        })
    }

    /// Channels of the windows, active or not.
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// The channels that the network reads, rising.
    pub fn active(&self) -> &[usize] {
        &self.active
    }

    /// Whether the level enters beside the deviation.
    pub fn with_level(&self) -> bool {
        self.with_level
    }

    /// Inputs per sample.
    pub fn n_inputs(&self) -> usize {
        self.active.len() * if self.with_level { 2 } else { 1 }
    }

    /// Outputs per sample.
    pub fn n_outputs(&self) -> usize {
        self.active.len()
    }

    /// Mean of each active channel over the observed samples of a window; over the filled ones where none is.
    pub(crate) fn means(&self, windows: &Windows<'_>, window_idx: usize, means: &mut [f64]) {
        let (values, observed) = (windows.values(window_idx), windows.observed(window_idx));
        for (mean, &channel) in means.iter_mut().zip(&self.active) {
            let (mut sum, mut n, mut sum_all) = (0.0, 0_usize, 0.0);
            for at in (channel..values.len()).step_by(self.n_channels) {
                sum_all += values[at];
                if observed.is_none_or(|observed| observed[at]) {
                    sum += values[at];
                    n += 1;
                }
            }
            *mean = if n > 0 {
                sum / n as f64
            } else {
                sum_all / windows.window_len() as f64
            };
        }
    }

    /// Whether any value that the network answers for was observed in a window.
    pub(crate) fn has_observed(&self, windows: &Windows<'_>, window_idx: usize) -> bool {
        windows.observed(window_idx).is_none_or(|observed| {
            let mut samples = observed.chunks_exact(self.n_channels);
            samples.any(|sample| self.active.iter().any(|&channel| sample[channel]))
        })
    }

    /// Writes the network's input for one sample.
    pub(crate) fn input(&self, sample: &[f64], means: &[f64], input: &mut [f32]) {
        let (levels, deviations) = input.split_at_mut(if self.with_level { self.active.len() } else { 0 });
        for (level, &channel) in levels.iter_mut().zip(&self.active) {
            *level = (sample[channel] as f32).clamp(LEVEL_RANGE.0, LEVEL_RANGE.1);
        }
        for ((deviation, &channel), mean) in deviations.iter_mut().zip(&self.active).zip(means) {
            *deviation = ((sample[channel] - mean) as f32).clamp(-DEVIATION_MAX, DEVIATION_MAX);
        }
    }

    /// Writes one window into a training slot: inputs, targets (deviations from the mean), marks.
    pub(crate) fn fill(
        &self,
        windows: &Windows<'_>,
        window_idx: usize,
        means: &mut [f64],
        slot: &mut Slot<'_>,
    ) {
        self.means(windows, window_idx, means);
        let (values, observed) = (windows.values(window_idx), windows.observed(window_idx));
        for step in 0..windows.window_len() {
            let row = step * self.n_channels..(step + 1) * self.n_channels;
            let sample = &values[row.clone()];
            self.input(sample, means, slot.input(step));
            self.target(sample, means, slot.target(step));
            if let Some(observed) = observed {
                self.marks(&observed[row], slot.observed(step));
            }
        }
    }

    /// Writes the targets of one sample.
    pub(crate) fn target(&self, sample: &[f64], means: &[f64], target: &mut [f32]) {
        for ((target, &channel), mean) in target.iter_mut().zip(&self.active).zip(means) {
            *target = (sample[channel] - mean) as f32;
        }
    }

    /// Writes 1 for observed and 0 for filled values of one sample.
    pub(crate) fn marks(&self, observed: &[bool], marks: &mut [f32]) {
        for (mark, &channel) in marks.iter_mut().zip(&self.active) {
            *mark = f32::from(u8::from(observed[channel]));
        }
    }
}

/// Why a [`Framing`] cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// Nothing to read.
    #[error("no active channel: the network needs at least one channel that varies")]
    NoActive,
    /// Channels out of order or range.
    #[error("active channels must rise and lie below {n_channels}")]
    Channels {
        /// Channels of a window.
        n_channels: usize,
    },
    /// The network is cut for other windows.
    #[error(
        "the network takes {inputs} inputs and gives {outputs} outputs per sample, the framing wants {want_inputs} and {want_outputs}"
    )]
    Network {
        /// Inputs of the network.
        inputs: usize,
        /// Outputs of the network.
        outputs: usize,
        /// Inputs of the framing.
        want_inputs: usize,
        /// Outputs of the framing.
        want_outputs: usize,
    },
    /// The sizes are unusable.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

/// A trained LSTM autoencoder.
#[derive(Debug)]
pub struct Autoencoder {
    architecture: Architecture,
    framing: Framing,
    weights: Weights,
    scorer: Scorer,
}

impl Autoencoder {
    /// Puts a network together for scoring on `n_threads` threads.
    ///
    /// # Errors
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
        check_widths(&architecture, &framing)?;
        let scorer = Scorer::new(&architecture, &weights, kernels, n_threads);
        Ok(Self {
            architecture,
            framing,
            weights,
            scorer,
        })
    }

    /// Shape of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How windows become inputs.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The trained weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
}

pub(crate) fn check_widths(architecture: &Architecture, framing: &Framing) -> Result<(), FramingError> {
    let (inputs, outputs) = (architecture.n_inputs(), architecture.n_outputs());
    let (want_inputs, want_outputs) = (framing.n_inputs(), framing.n_outputs());
    if (inputs, outputs) == (want_inputs, want_outputs) {
        Ok(())
    } else {
        Err(FramingError::Network {
            inputs,
            outputs,
            want_inputs,
            want_outputs,
        })
    }
}

impl Model for Autoencoder {
    fn window(&self) -> WindowSpec {
        let len = NonZeroUsize::new(self.architecture.window_len()).unwrap_or(NonZeroUsize::MIN);
        WindowSpec {
            len,
            stride: NonZeroUsize::MIN,
        }
    }

    fn n_channels(&self) -> usize {
        self.framing.n_channels
    }

    /// The window's mean plus the network's answer; zero for channels that it does not read: they were constant in
    /// training, and scaled to zero there.
    fn expected(&self, windows: Windows<'_>, out: &mut [f64]) -> Result<(), ModelError> {
        let (len, n_channels) = (self.architecture.window_len(), self.framing.n_channels);
        if windows.window_len() != len || windows.n_channels() != n_channels {
            return Err(ModelError::Shape {
                want_len: len,
                want_channels: n_channels,
                len: windows.window_len(),
                channels: windows.n_channels(),
            });
        }
        assert_eq!(
            out.len(),
            windows.n_windows() * len * n_channels,
            "out must hold every window"
        );
        let n_active = self.framing.active.len();
        let mut means = vec![0.0; windows.n_windows() * n_active];
        for (window_idx, means) in means.chunks_exact_mut(n_active).enumerate() {
            self.framing.means(&windows, window_idx, means);
        }
        let means = |window: usize| &means[window * n_active..(window + 1) * n_active];
        out.fill(0.0);
        self.scorer.run(
            out,
            len * n_channels,
            |window, step, input| {
                let sample = &windows.values(window)[step * n_channels..(step + 1) * n_channels];
                self.framing.input(sample, means(window), input);
            },
            |window, step, output, out| {
                let out = &mut out[step * n_channels..(step + 1) * n_channels];
                for ((output, &channel), mean) in output.iter().zip(&self.framing.active).zip(means(window)) {
                    out[channel] = mean + f64::from(*output);
                }
            },
        );
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(ModelError::NotFinite {
                window_idx: at / (len * n_channels),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
