//! A product with packed weights, the way back through it, and the gradient of it. One matrix is a dense layer, a convolution
//! has one per step of its kernel.

use std::ops::Range;

use super::sequence::Pass;
use crate::kernels::{Kernels, MatMul, OuterSum};
use crate::network::weights::{self, Room};

/// Where the numbers of a product lie.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub n_in: usize,
    pub n_out: usize,
    /// Matrices side by side: steps of a kernel.
    pub taps: usize,
    /// Outputs and inputs in whole registers.
    pub width: usize,
    pub in_width: usize,
    /// Panels of `width`, inner dimension `taps · n_in`.
    weights: Range<usize>,
    bias: Range<usize>,
    /// In the transposed weights: panels of `in_width`, inner dimension `taps · n_out`, the last tap first.
    back: Range<usize>,
}

/// Rows that a product reads: `[rows, n]` with that distance between rows, and between taps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    pub n: usize,
    pub stride: usize,
    pub tap_stride: usize,
}

impl<'a> Rows<'a> {
    /// The rows of a product without taps.
    pub(super) fn new(values: &'a [f32], n: usize, stride: usize) -> Self {
        Self {
            values,
            n,
            stride,
            tap_stride: 0,
        }
    }
}

impl Matrix {
    pub(super) fn new(room: &mut Room, n_in: usize, n_out: usize, taps: usize) -> Self {
        let (width, in_width) = (room.kernels.padded(n_out), room.kernels.padded(n_in));
        Self {
            n_in,
            n_out,
            taps,
            width,
            in_width,
            weights: room.weights(taps * n_in * width),
            bias: room.weights(width),
            back: room.transposed(taps * n_out * in_width),
        }
    }

    /// `c [rows, width]` = bias + a · weights.
    pub(super) fn product(&self, pass: &Pass<'_>, a: Rows<'_>, c: &mut [f32], c_stride: usize) {
        pass.kernels.matmul(MatMul {
            rows: a.n,
            a: a.values,
            a_stride: a.stride,
            n_blocks: self.taps,
            block_stride: a.tap_stride,
            inner: self.n_in,
            b: &pass.weights[self.weights.clone()],
            n_vectors: self.width / pass.kernels.lanes(),
            init: Some(&pass.weights[self.bias.clone()]),
            c,
            c_stride,
        });
    }

    /// `c [rows, in_width]` = d · transposed weights; the taps of `d` are those of the product in reverse.
    pub(super) fn product_back(&self, pass: &Pass<'_>, d: Rows<'_>, c: &mut [f32], c_stride: usize) {
        pass.kernels.matmul(MatMul {
            rows: d.n,
            a: d.values,
            a_stride: d.stride,
            n_blocks: self.taps,
            block_stride: d.tap_stride,
            inner: self.n_out,
            b: &pass.transposed[self.back.clone()],
            n_vectors: self.in_width / pass.kernels.lanes(),
            init: None,
            c,
            c_stride,
        });
    }

    /// Adds the gradients of weights and bias, where `a` entered and `d [rows, width]` is the gradient of what left.
    pub(super) fn add_gradient(&self, pass: &Pass<'_>, a: Rows<'_>, d: Rows<'_>, gradient: &mut [f32]) {
        let lanes = pass.kernels.lanes();
        for (at, vectors, first) in pass.kernels.panels(self.taps * self.n_in, self.width / lanes) {
            for tap in 0..self.taps {
                let of_tap = self.weights.start + at + tap * self.n_in * vectors * lanes;
                pass.kernels.outer_sum(OuterSum {
                    a: &a.values[tap * a.tap_stride..],
                    a_stride: a.stride,
                    a_step: 0,
                    inner: self.n_in,
                    b: &d.values[first..],
                    b_stride: d.stride,
                    b_step: 0,
                    n_steps: 1,
                    rows: a.n,
                    n_vectors: vectors,
                    adds: true,
                    c: &mut gradient[of_tap..],
                });
            }
        }
        let bias = &mut gradient[self.bias.start..self.bias.start + self.n_out];
        for row in d.values.chunks(d.stride).take(d.n) {
            for (bias, d) in bias.iter_mut().zip(row) {
                *bias += d;
            }
        }
    }

    /// Calls `visit(tensor, position in it, position in the weights)`: tensor 0 is `[n_out, n_in, taps]`, 1 the bias.
    pub(super) fn each_weight(&self, kernels: &Kernels, mut visit: impl FnMut(usize, usize, usize)) {
        let lanes = kernels.lanes();
        for (at, vectors, first) in kernels.panels(self.taps * self.n_in, self.width / lanes) {
            let panel = vectors * lanes;
            for output in first..(first + panel).min(self.n_out) {
                for input in 0..self.n_in {
                    for tap in 0..self.taps {
                        let from = (output * self.n_in + input) * self.taps + tap;
                        let to = self.weights.start + at + (tap * self.n_in + input) * panel;
                        visit(0, from, to + output - first);
                    }
                }
                visit(1, output, self.bias.start + output);
            }
        }
    }

    /// Numbers of the copy for the way back.
    pub(super) fn n_transposed(&self) -> usize {
        self.back.len()
    }

    /// Rebuilds the copy for the way back.
    pub(super) fn transpose(&self, kernels: &Kernels, weights: &[f32], transposed: &mut [f32]) {
        let (inputs, outputs) = ((self.n_in, self.in_width), (self.n_out, self.width));
        let packed = &weights[self.weights.clone()];
        weights::transpose(kernels, self.taps, inputs, outputs, packed, transposed);
    }
}
