//! The products that training and scoring, or stacks and lists of layers, share: input projections, the head, gates on their way back.

use super::weights::{Layout, LstmLayout};
use crate::kernels::{Kernels, MatMul};

/// `[n_blocks][rows][4 lanes]` = bias + input · input weights of layer `idx`.
pub(super) fn project(
    layout: &Layout,
    weights: &[f32],
    idx: usize,
    rows: usize,
    input: &[f32],
    out: &mut [f32],
) {
    let (kernels, layer) = (layout.kernels, &layout.layers[idx]);
    let gate_width = kernels.gate_width();
    for block in 0..layer.n_blocks {
        kernels.matmul(MatMul {
            rows,
            a: input,
            a_stride: if idx == 0 {
                layer.n_inputs
            } else {
                layer.input_width
            },
            n_blocks: 1,
            block_stride: 0,
            inner: layer.n_inputs,
            b: &weights[layer.weights.start + block * layer.block(gate_width)..],
            n_vectors: 4,
            init: Some(&weights[layer.bias.start + block * gate_width..]),
            c: &mut out[block * rows * gate_width..],
            c_stride: gate_width,
        });
    }
}

/// `[rows][head width]` = bias + hidden · head weights.
pub(super) fn head_product(layout: &Layout, weights: &[f32], rows: usize, hidden: &[f32], out: &mut [f32]) {
    let head = &layout.head;
    layout.kernels.matmul(MatMul {
        rows,
        a: hidden,
        a_stride: head.input_width,
        n_blocks: 1,
        block_stride: 0,
        inner: head.n_inputs,
        b: &weights[head.weights.clone()],
        n_vectors: head.width / layout.kernels.lanes(),
        init: Some(&weights[head.bias.clone()]),
        c: out,
        c_stride: head.width,
    });
}

/// `c = gates · b`: gradients of the gates of a layer back through transposed weights, `[rows][width]`.
pub(super) fn gates_times(
    kernels: &Kernels,
    layer: &LstmLayout,
    rows: usize,
    gates: &[f32],
    b: &[f32],
    width: usize,
    c: &mut [f32],
) {
    let gate_width = kernels.gate_width();
    kernels.matmul(MatMul {
        rows,
        a: gates,
        a_stride: gate_width,
        n_blocks: layer.n_blocks,
        block_stride: rows * gate_width,
        inner: gate_width,
        b,
        n_vectors: width / kernels.lanes(),
        init: None,
        c,
        c_stride: width,
    });
}
