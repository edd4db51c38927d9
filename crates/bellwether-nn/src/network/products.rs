//! The products that training and scoring share: input projections and the head.

use super::weights::Layout;
use crate::kernels::MatMul;

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
