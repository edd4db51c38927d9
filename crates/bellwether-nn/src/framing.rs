//! Which channels a network reads, how a window becomes its input, and what its answers are held against.

use std::ops::Range;

use bellwether_core::window::Windows;

use crate::network::architecture::{Architecture, ArchitectureError};
use crate::network::block::Slot;
use crate::network::spec::Head;

/// Where a value's place in the training range is clipped before it enters the network: a hand's breadth beyond it.
pub(crate) const LEVEL_RANGE: (f32, f32) = (-0.25, 1.25);
/// Where a deviation from the window's mean is clipped before it enters the network, in training ranges.
pub(crate) const DEVIATION_MAX: f32 = 2.0;

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

    /// A window as a network with that head sees it.
    pub(crate) fn view<'a>(&'a self, windows: &Windows<'a>, window_idx: usize, head: Head) -> View<'a> {
        View {
            framing: self,
            values: windows.values(window_idx),
            observed: windows.observed(window_idx),
            head,
        }
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
}

/// One window: what a network sees of it, and what its answers are held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    framing: &'a Framing,
    /// `[len, n_channels]`
    values: &'a [f64],
    observed: Option<&'a [bool]>,
    head: Head,
}

impl<'a> View<'a> {
    /// Samples of the window.
    fn len(&self) -> usize {
        self.values.len() / self.framing.n_channels
    }

    /// How many values are seen: who foresees a sample does not see it.
    fn n_seen(&self) -> usize {
        self.head.n_seen(self.len()) * self.framing.n_channels
    }

    /// Whether an answer is for a sample that is not seen.
    fn is_foreseen(&self, answer: usize) -> bool {
        answer + 1 == self.head.n_answers(self.len()) && self.n_seen() < self.values.len()
    }

    /// Where the values of an answer lie.
    fn answered(&self, answer: usize) -> Range<usize> {
        let first = self.len() - self.head.n_answers(self.len()) + answer;
        first * self.framing.n_channels..(first + 1) * self.framing.n_channels
    }

    /// Mean of each active channel over the observed samples that are seen; over the filled ones where none is.
    pub(crate) fn means(&self, means: &mut [f64]) {
        let (n_seen, n_channels) = (self.n_seen(), self.framing.n_channels);
        for (mean, &channel) in means.iter_mut().zip(&self.framing.active) {
            let (mut sum, mut n, mut sum_all) = (0.0, 0_usize, 0.0);
            for at in (channel..n_seen).step_by(n_channels) {
                sum_all += self.values[at];
                if self.observed.is_none_or(|observed| observed[at]) {
                    sum += self.values[at];
                    n += 1;
                }
            }
            *mean = if n > 0 {
                sum / n as f64
            } else {
                sum_all / (n_seen / n_channels) as f64
            };
        }
    }

    /// What was expected of the answered rows, `[n_answers, n_channels]`, becomes 2 w (value − expected); 0 where nothing
    /// was observed.
    pub(crate) fn residual_slopes(&self, weights: &[f64], expected: &mut [f64]) {
        let first = self.values.len() - expected.len();
        let cells = expected.iter_mut().zip(&self.values[first..]).zip(weights);
        for (at, ((slope, value), weight)) in cells.enumerate() {
            let is_observed = self.observed.is_none_or(|observed| observed[first + at]);
            *slope = if is_observed {
                2.0 * weight * (value - *slope)
            } else {
                0.0
            };
        }
    }

    /// Whether the level and the deviation of an active channel enter at `step` as they are, not clipped.
    pub(crate) fn unclipped(&self, step: usize, active_idx: usize, mean: f64) -> (bool, bool) {
        let value = self.values[step * self.framing.n_channels + self.framing.active[active_idx]];
        let (level, deviation) = (value as f32, (value - mean) as f32);
        (
            LEVEL_RANGE.0 < level && level < LEVEL_RANGE.1,
            deviation.abs() < DEVIATION_MAX,
        )
    }

    /// Adds to the slopes of the values, `[len, n_channels]`, what they have through the means of [`View::means`].
    pub(crate) fn spread_means(&self, of_means: &[f64], out: &mut [f64]) {
        let (n_seen, n_channels) = (self.n_seen(), self.framing.n_channels);
        for (of_mean, &channel) in of_means.iter().zip(&self.framing.active) {
            let is_observed = |at: &usize| self.observed.is_none_or(|observed| observed[*at]);
            let cells = || (channel..n_seen).step_by(n_channels);
            let n = cells().filter(is_observed).count();
            for at in cells().filter(|at| n == 0 || is_observed(at)) {
                let of = if n > 0 { n } else { n_seen / n_channels };
                out[at] += of_mean / of as f64;
            }
        }
    }

    /// Whether any value that the network answers for was observed.
    pub(crate) fn has_observed(&self) -> bool {
        let (active, n_channels) = (&self.framing.active, self.framing.n_channels);
        self.observed.is_none_or(|observed| {
            let mut samples = observed[self.answered(0).start..].chunks_exact(n_channels);
            samples.any(|sample| active.iter().any(|&channel| sample[channel]))
        })
    }

    /// Writes the network's input for the sample at `step`.
    pub(crate) fn input(&self, step: usize, means: &[f64], input: &mut [f32]) {
        let n_channels = self.framing.n_channels;
        let sample = &self.values[step * n_channels..(step + 1) * n_channels];
        self.framing.input(sample, means, input);
    }

    /// What each active channel's answer is measured from, and a network of zeros expects: its mean within the window,
    /// or "as before" of a sample that is foreseen.
    pub(crate) fn origins(&self, answer: usize, means: &'a [f64]) -> impl Iterator<Item = f64> {
        let before = self
            .is_foreseen(answer)
            .then(|| &self.values[self.n_seen() - self.framing.n_channels..]);
        let channels = self.framing.active.iter().zip(means);
        channels.map(move |(&channel, &mean)| before.map_or(mean, |sample| sample[channel]))
    }

    /// Writes the targets of an answer: what was, measured from the origins.
    pub(crate) fn target(&self, answer: usize, means: &'a [f64], target: &mut [f32]) {
        let sample = &self.values[self.answered(answer)];
        let channels = target.iter_mut().zip(&self.framing.active);
        for ((target, &channel), origin) in channels.zip(self.origins(answer, means)) {
            *target = (sample[channel] - origin) as f32;
        }
    }

    /// Writes what each value of an answer counts: nothing where it was filled.
    pub(crate) fn marks(&self, answer: usize, marks: &mut [f32]) {
        let weight = self.head.weight(answer, self.len()) as f32;
        let Some(observed) = self.observed else {
            return marks.fill(weight);
        };
        let observed = &observed[self.answered(answer)];
        for (mark, &channel) in marks.iter_mut().zip(&self.framing.active) {
            *mark = if observed[channel] { weight } else { 0.0 };
        }
    }

    /// Writes the window into a training slot of `architecture`: inputs, targets, marks.
    pub(crate) fn fill(&self, architecture: &Architecture, slot: &mut Slot<'_>) {
        let mut means = vec![0.0; self.framing.n_outputs()];
        self.means(&mut means);
        for step in 0..architecture.n_seen() {
            self.input(step, &means, slot.input(step));
        }
        for answer in 0..architecture.n_answers() {
            self.target(answer, &means, slot.target(answer));
            self.marks(answer, slot.observed(answer));
        }
    }
}

/// Why a [`Framing`] cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// An autoencoder where a forecaster is wanted, or the reverse.
    #[error("the network is {got}, wanted {want}")]
    Kind {
        /// What it is.
        got: &'static str,
        /// What is wanted.
        want: &'static str,
    },
    /// The sizes are unusable.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

#[cfg(test)]
mod tests;
