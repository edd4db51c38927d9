//! The LSTM cell in a list of layers: the kernels of the stacks, one step at a time.

use super::recurrent::{DH, H, MASK, MASKED, N_SHARED, Walk, masked};
use super::sequence::{Pass, Seq};
use crate::kernels::{Aligned, Init, LstmStep, LstmStepBack, OuterSum};
use crate::network::products::gates_times;
use crate::network::weights::LstmLayout;

/// Rows (windows × steps) over which a weight gradient is summed in registers before it goes to memory.
const GRADIENT_ROWS: usize = 128;

/// Gates i, f, g, o as PyTorch has them, with one bias.
#[derive(Debug)]
pub(super) struct LstmCell {
    pub layout: LstmLayout,
}

/// Cell states, as the hidden ones.
const C: usize = N_SHARED;
/// `[steps][n_blocks][rows][4 lanes]` by time: activated gates, then their gradients.
const GATES: usize = N_SHARED + 1;
/// `[rows][width]`: gradients that travel back in time.
const DH_AFTER: usize = N_SHARED + 2;
const DC: usize = N_SHARED + 3;
/// `[rows][input width]`
const DX: usize = N_SHARED + 4;

impl LstmCell {
    pub(super) fn kept(&self, n_steps: usize, rows: usize) -> Vec<usize> {
        let state = rows * self.layout.width;
        vec![
            (n_steps + 1) * state,
            n_steps * state * 4,
            state,
            state,
            rows * self.layout.input_width,
        ]
    }

    pub(super) fn forward(&self, pass: &Pass<'_>, walk: Walk, x: &Seq, kept: &mut [Aligned]) {
        let (layer, rows) = (&self.layout, walk.rows);
        let state = rows * layer.width;
        let [h, mask, masks, _, c, gates, ..] = kept else {
            unreachable!("as many buffers as it asked for")
        };
        h[..state].fill(0.0);
        c[..state].fill(0.0);
        for nth in 0..walk.n_steps {
            let time = walk.time(nth);
            let (before, after) = h[nth * state..(nth + 2) * state].split_at_mut(state);
            let h_before = if walk.is_masked {
                let to = &mut masks[nth * state..(nth + 1) * state];
                masked(before, mask, to);
                &*to
            } else {
                &*before
            };
            let (c_before, c) = c[nth * state..(nth + 2) * state].split_at_mut(state);
            let gates = &mut gates[time * 4 * state..(time + 1) * 4 * state];
            pass.kernels.lstm_step(LstmStep {
                rows,
                x: x.step(time),
                x_stride: x.stride,
                n_inputs: layer.n_inputs,
                n_units: layer.n_units,
                weights: &pass.weights[layer.weights.clone()],
                init: Init {
                    values: &pass.weights[layer.bias.clone()],
                    block_stride: pass.kernels.gate_width(),
                    row_stride: 0,
                },
                h_before: (nth > 0).then_some(h_before),
                c_before: Some(c_before),
                c,
                h: after,
                gates: pass.noise.is_some().then_some(gates),
                is_backwards: false,
            });
        }
    }

    /// Adds to `dx`.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_>,
        walk: Walk,
        x: &Seq,
        dx: &mut Seq,
        kept: &mut [Aligned],
        gradient: &mut [f32],
    ) {
        let (layer, rows, kernels) = (&self.layout, walk.rows, pass.kernels);
        let state = rows * layer.width;
        kept[DH_AFTER].fill(0.0);
        kept[DC].fill(0.0);
        for nth in (0..walk.n_steps).rev() {
            let time = walk.time(nth);
            let [h, mask, _, dh, c, gates, dh_after, dc, part] = &mut *kept else {
                unreachable!("as many buffers as it asked for")
            };
            let gates = &mut gates[time * 4 * state..(time + 1) * 4 * state];
            kernels.lstm_step_back(LstmStepBack {
                rows,
                width: layer.width,
                gates: &mut *gates,
                c_before: &c[nth * state..(nth + 1) * state],
                h_after: &h[(nth + 1) * state..(nth + 2) * state],
                dh_above: Some(&dh[nth * state..(nth + 1) * state]),
                dh_after: &dh_after[..state],
                dc,
                bias: &mut gradient[layer.bias.clone()],
                over_time: None,
            });
            if nth > 0 {
                let to_units = &pass.transposed[layer.to_units.clone()];
                gates_times(kernels, layer, rows, gates, to_units, layer.width, dh_after);
                if walk.is_masked {
                    for (dh, mask) in dh_after[..state].iter_mut().zip(mask.iter()) {
                        *dh *= mask;
                    }
                }
            }
            let to_inputs = &pass.transposed[layer.to_inputs.clone()];
            gates_times(kernels, layer, rows, gates, to_inputs, layer.input_width, part);
            for (row, part) in part.chunks_exact(layer.input_width).take(rows).enumerate() {
                for (dx, part) in dx.line_mut(time, row).iter_mut().zip(part) {
                    *dx += part;
                }
            }
        }
        self.add_gradient(pass, walk, x, kept, gradient);
    }

    fn add_gradient(&self, pass: &Pass<'_>, walk: Walk, x: &Seq, kept: &[Aligned], gradient: &mut [f32]) {
        let (layer, rows) = (&self.layout, walk.rows);
        let (state, gate_width) = (rows * layer.width, pass.kernels.gate_width());
        // States and gates run the same way through time only in a walk forwards.
        let chunk = if walk.is_reversed {
            1
        } else {
            (GRADIENT_ROWS / rows).max(1)
        };
        let h = &kept[if walk.is_masked { MASKED } else { H }];
        for first in (0..walk.n_steps).step_by(chunk) {
            let n_steps = chunk.min(walk.n_steps - first);
            let time = walk.time(first);
            for block in 0..layer.n_blocks {
                let at = layer.weights.start + block * layer.block(gate_width);
                let gates = &kept[GATES][time * 4 * state + block * rows * gate_width..];
                let mut add = |a: &[f32], a_stride: usize, inner: usize, first_inner: usize| {
                    pass.kernels.outer_sum(OuterSum {
                        a,
                        a_stride,
                        a_step: rows * a_stride,
                        inner,
                        b: gates,
                        b_stride: gate_width,
                        b_step: 4 * state,
                        n_steps,
                        rows,
                        n_vectors: 4,
                        adds: true,
                        c: &mut gradient[at + first_inner * gate_width..],
                    });
                };
                add(&x.values[time * x.step_len()..], x.stride, layer.n_inputs, 0);
                add(&h[first * state..], layer.width, layer.n_units, layer.n_inputs);
            }
        }
        debug_assert!(
            kept.len() == DX + 1 && kept[DH].len() >= walk.n_steps * state && kept[C].len() >= state
        );
        debug_assert!(kept[MASK].len() <= kept[H].len());
    }
}
