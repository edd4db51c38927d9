//! What passes between layers, and what they share while it does.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::kernels::{Aligned, Kernels};
use crate::network::plan::SeqShape;

/// Numbers of a block of windows, `[steps][rows][stride]`: a line is one step of one window; beyond its width it is zero.
#[derive(Debug)]
pub(super) struct Seq {
    pub shape: SeqShape,
    /// Windows there are now; at most as many as it was made for.
    pub rows: usize,
    pub stride: usize,
    pub values: Aligned,
}

impl Seq {
    /// Room for `rows` windows, lines of whole registers.
    pub(super) fn new(kernels: &Kernels, shape: SeqShape, rows: usize) -> Self {
        Self::with_stride(shape, rows, kernels.padded(shape.width))
    }

    pub(super) fn with_stride(shape: SeqShape, rows: usize, stride: usize) -> Self {
        Self {
            shape,
            rows,
            stride,
            values: Aligned::zeroed(shape.steps * rows * stride),
        }
    }

    pub(super) fn n_lines(&self) -> usize {
        self.shape.steps * self.rows
    }

    /// Floats of a step.
    pub(super) fn step_len(&self) -> usize {
        self.rows * self.stride
    }

    /// All windows at a step.
    pub(super) fn step(&self, step: usize) -> &[f32] {
        &self.values[step * self.step_len()..(step + 1) * self.step_len()]
    }

    pub(super) fn step_mut(&mut self, step: usize) -> &mut [f32] {
        let len = self.step_len();
        &mut self.values[step * len..(step + 1) * len]
    }

    /// A step of a window, `[width]`.
    pub(super) fn line(&self, step: usize, row: usize) -> &[f32] {
        &self.values[(step * self.rows + row) * self.stride..][..self.shape.width]
    }

    pub(super) fn line_mut(&mut self, step: usize, row: usize) -> &mut [f32] {
        &mut self.values[(step * self.rows + row) * self.stride..][..self.shape.width]
    }

    /// Every line, `[width]`.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[f32]> {
        let lines = self.values.chunks_exact(self.stride).take(self.n_lines());
        lines.map(|line| &line[..self.shape.width])
    }

    pub(super) fn lines_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let (n, width) = (self.n_lines(), self.shape.width);
        let lines = self.values.chunks_exact_mut(self.stride).take(n);
        lines.map(move |line| &mut line[..width])
    }

    /// Takes the numbers of another of the same shape.
    pub(super) fn copy_from(&mut self, other: &Self) {
        for (to, from) in self.lines_mut().zip(other.lines()) {
            to.copy_from_slice(from);
        }
    }

    /// Adds those of another of the same shape.
    pub(super) fn add(&mut self, other: &Self) {
        for (to, from) in self.lines_mut().zip(other.lines()) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}

/// Random numbers of one training step: for each layer and window a stream of its own, so that they depend neither on threads
/// nor on how windows are cut into blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    pub seed: u64,
    /// Updates done before.
    pub update: u64,
    /// Position in the mini-batch of the block's first window.
    pub first_window: u64,
}

impl Noise {
    /// The stream of a layer for a window of the block.
    pub(super) fn rng(&self, layer: usize, row: usize) -> ChaCha8Rng {
        let mut state = self.seed ^ 0x0d0b_0a7e_5eed_90a1;
        for part in [self.update, self.first_window + row as u64, layer as u64] {
            // The finaliser of splitmix64 (Steele and others 2014): neighbouring streams share nothing.
            state = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
            state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^= state >> 31;
        }
        ChaCha8Rng::seed_from_u64(state)
    }
}

/// Fills `mask` with 0 for that share of its numbers and 1 / (1 − rate) for the others.
pub(super) fn draw_mask(rng: &mut ChaCha8Rng, rate: f64, mask: &mut [f32]) {
    let limit = (rate * f64::from(u32::MAX)) as u32;
    let kept = (1.0 / (1.0 - rate)) as f32;
    for value in mask {
        *value = if rng.next_u32() < limit { 0.0 } else { kept };
    }
}

/// Two independent numbers of the standard normal distribution (Box and Muller 1958).
pub(super) fn normal_pair(rng: &mut ChaCha8Rng) -> (f32, f32) {
    let unit = |bits: u32| (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0);
    let radius = (-2.0 * unit(rng.next_u32()).ln()).sqrt();
    let angle = std::f64::consts::TAU * unit(rng.next_u32());
    ((radius * angle.cos()) as f32, (radius * angle.sin()) as f32)
}

/// What all layers may look at while a block passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub kernels: &'static Kernels,
    /// What is learnt.
    pub weights: &'a [f32],
    /// Statistics of batch norm.
    pub statistics: &'a [f32],
    /// Copies of the weights for the way back; empty in scoring.
    pub transposed: &'a [f32],
    /// `None` in scoring.
    pub noise: Option<Noise>,
    /// Factor of what a layer adds to the summed loss of a window: the values that a window answers for.
    pub penalty_scale: f64,
}

/// What the way back through a layer starts from, and what it adds to.
#[derive(Debug)]
pub(super) struct Back<'a> {
    pub x: &'a Seq,
    pub y: &'a Seq,
    /// Gradient of the summed loss with respect to `y`; the layer may spoil it.
    pub dy: &'a mut Seq,
    pub kept: &'a mut [Aligned],
    /// With respect to what is learnt; added to.
    pub gradient: &'a mut [f32],
    /// Of batch norm: what was found, times the windows it was found in; added to.
    pub statistics: &'a mut [f32],
}

/// A layer cut to its place.
pub(super) trait Layer: std::fmt::Debug + Send + Sync {
    /// Lengths of the buffers that it wants to keep for `rows` windows.
    fn kept(&self, _rows: usize) -> Vec<usize> {
        Vec::new()
    }

    /// Writes all of `y`. A window's bits depend on that window alone, but for batch norm in training.
    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]);

    /// Adds to the gradients of its weights, and writes all of `dx`.
    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq);

    /// What it adds to the summed loss, for all windows together and before [`Pass::penalty_scale`].
    fn penalty(&self, _y: &Seq, _kept: &[Aligned]) -> f64 {
        0.0
    }
}
