//! Convolution over time: one product over as many shifted copies of the sequence as the kernel has steps.

use super::activation::{activate, slope};
use super::dense::rows;
use super::matrix::{Matrix, Rows};
use super::sequence::{Back, Layer, Pass, Seq};
use crate::kernels::Aligned;
use crate::network::plan::SeqShape;
use crate::network::spec::Activation;

/// `y[t] = f(b + Σ_k w_k · x[t + k · dilation − before])`; beyond the ends x is zero.
#[derive(Debug)]
pub(super) struct Convolution {
    pub matrix: Matrix,
    pub dilation: usize,
    /// Steps before its own that an output sees.
    pub before: usize,
    pub activation: Activation,
    pub steps: usize,
    /// Stride of what enters.
    pub x_stride: usize,
}

impl Convolution {
    /// Steps that the kernel reaches beyond one.
    fn reach(&self) -> usize {
        (self.matrix.taps - 1) * self.dilation
    }

    /// The numbers of `seq` with `before` steps of zeros in front and the rest of the reach behind.
    fn pad(&self, seq: &Seq, before: usize, padded: &mut Aligned) {
        let len = seq.step_len();
        padded[..(self.steps + self.reach()) * len].fill(0.0);
        padded[before * len..][..self.steps * len].copy_from_slice(&seq.values[..self.steps * len]);
    }

    fn taps<'a>(&self, seq: &Seq, padded: &'a [f32]) -> Rows<'a> {
        Rows {
            values: padded,
            n: seq.n_lines(),
            stride: seq.stride,
            tap_stride: self.dilation * seq.step_len(),
        }
    }
}

impl Layer for Convolution {
    /// What enters and, on the way back, what comes back, with zeros at the ends.
    fn kept(&self, rows: usize) -> Vec<usize> {
        let steps = self.steps + self.reach();
        vec![steps * rows * self.x_stride, steps * rows * self.matrix.width]
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        self.pad(x, self.before, &mut kept[0]);
        let stride = y.stride;
        self.matrix
            .product(pass, self.taps(x, &kept[0]), &mut y.values, stride);
        activate(pass.kernels, self.activation, y);
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        slope(self.activation, back.y, back.dy);
        let [padded, d_padded] = back.kept else {
            unreachable!("as many buffers as it asked for")
        };
        self.matrix
            .add_gradient(pass, self.taps(back.x, padded), rows(back.dy), back.gradient);
        // dx[s] = Σ_k w_k · dy[s + before − k · dilation]: the same convolution with the taps in reverse.
        self.pad(back.dy, self.reach() - self.before, d_padded);
        let stride = dx.stride;
        self.matrix
            .product_back(pass, self.taps(back.dy, d_padded), &mut dx.values, stride);
    }
}

/// Steps before its own that an output of `taps` steps sees: all others, or half of them (the smaller half, as PyTorch).
pub(crate) fn steps_before(is_causal: bool, taps: usize, dilation: usize) -> usize {
    let reach = (taps - 1) * dilation;
    if is_causal { reach } else { reach / 2 }
}

/// The shape of a sequence that a convolution takes.
pub(super) fn stride_of(shape: SeqShape, is_input: bool, padded: usize) -> usize {
    if is_input { shape.width } else { padded }
}
