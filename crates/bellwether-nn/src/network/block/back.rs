//! The way back through a block: from the loss of its answers to the gradients of all weights.

use std::ops::Range;

use super::{Block, Found, hidden, sum};
use crate::kernels::{LstmStepBack, MatMul, OuterSum};
use crate::network::loss::Loss;
use crate::network::products::gates_times;
use crate::network::weights::Layout;

/// Rows (windows × steps) over which a weight gradient is summed in registers before it goes to memory.
const GRADIENT_ROWS: usize = 128;

impl Block {
    /// Loss of the outputs, and its gradient with respect to all weights.
    pub(crate) fn backward(&mut self, layout: &Layout, weights_t: &[f32], loss: Loss, found: &mut Found) {
        found.n_observed = sum(&self.observed);
        found.loss = self.lose(layout, loss);
        let gradient = &mut found.gradient;
        // Products overwrite what they find first.
        for layer in &layout.layers {
            gradient[layer.bias.clone()].fill(0.0);
        }
        gradient[layout.head.bias.clone()].fill(0.0);
        for states in &mut self.layers {
            states.dh_above.fill(0.0);
            states.dh_after.fill(0.0);
            states.dc.fill(0.0);
        }
        self.over_time.fill(0.0);
        let (n_encoder, n_layers) = (layout.n_encoder, self.layers.len());
        if layout.has_decoder() {
            self.stack_back(layout, weights_t, n_encoder..n_layers, 0, gradient);
            self.bottleneck_back(layout, weights_t, gradient);
        }
        // Only the last step of the last encoder layer is read: by the decoder, or by the head of a forecaster.
        self.stack_back(layout, weights_t, 0..n_encoder, layout.n_steps - 1, gradient);
    }

    /// Back through all steps of the layers `stack`, from the head over them where they are the last. What lies above
    /// reads the steps from `read_from` on.
    fn stack_back(
        &mut self,
        layout: &Layout,
        weights_t: &[f32],
        stack: Range<usize>,
        read_from: usize,
        gradient: &mut [f32],
    ) {
        let is_last = stack.end == self.layers.len();
        let chunk = (GRADIENT_ROWS / self.rows).max(1);
        let mut done = layout.n_steps;
        for step in (0..layout.n_steps).rev() {
            if let Some(answer) = layout.answer_at(step).filter(|_| is_last) {
                self.head_back(layout, weights_t, answer);
            }
            for idx in stack.clone().rev() {
                let from_above = idx + 1 < stack.end || step >= read_from;
                self.step_back(layout, weights_t, idx, step, from_above, gradient);
            }
            if done - step == chunk || step == 0 {
                if is_last {
                    self.head_gradient(layout, step.max(read_from)..done, gradient);
                }
                for idx in stack.clone() {
                    self.weight_gradient(layout, idx, step..done, gradient);
                }
                done = step;
            }
        }
    }

    /// Turns outputs into gradients of the loss, which is returned.
    fn lose(&mut self, layout: &Layout, loss: Loss) -> f64 {
        let (n, width) = (layout.head.n_outputs, layout.head.width);
        let targets = self.target.chunks_exact(n).zip(self.observed.chunks_exact(n));
        let outputs = self.output.chunks_exact_mut(width);
        loss.gradient(outputs.map(|outputs| &mut outputs[..n]).zip(targets))
    }

    fn head_back(&mut self, layout: &Layout, weights_t: &[f32], answer: usize) {
        let (kernels, head) = (layout.kernels, &layout.head);
        let last = self.layers.len() - 1;
        kernels.matmul(MatMul {
            rows: self.rows,
            a: &self.output[answer * self.rows * head.width..],
            a_stride: head.width,
            n_blocks: 1,
            block_stride: 0,
            inner: head.n_outputs,
            b: &weights_t[head.to_inputs.clone()],
            n_vectors: head.input_width / kernels.lanes(),
            init: None,
            c: &mut self.layers[last].dh_above,
            c_stride: head.input_width,
        });
    }

    fn step_back(
        &mut self,
        layout: &Layout,
        weights_t: &[f32],
        idx: usize,
        step: usize,
        from_above: bool,
        gradient: &mut [f32],
    ) {
        let (rows, kernels, layer) = (self.rows, layout.kernels, &layout.layers[idx]);
        let state = rows * layer.width;
        let (below, from) = self.layers.split_at_mut(idx);
        let states = &mut from[0];
        let gates = &mut states.gates[step * 4 * state..(step + 1) * 4 * state];
        kernels.lstm_step_back(LstmStepBack {
            rows,
            width: layer.width,
            gates: &mut *gates,
            c_before: hidden(&states.c, state, step),
            h_after: hidden(&states.h, state, step + 1),
            dh_above: from_above.then_some(&states.dh_above[..]),
            dh_after: &states.dh_after,
            dc: &mut states.dc,
            bias: &mut gradient[layer.bias.clone()],
            over_time: (idx == layout.n_encoder).then_some(&mut self.over_time[..]),
        });
        let back = |b: &[f32], width: usize, c: &mut [f32]| {
            gates_times(kernels, layer, rows, gates, b, width, c);
        };
        if step > 0 {
            back(
                &weights_t[layer.to_units.clone()],
                layer.width,
                &mut states.dh_after,
            );
        }
        // The first layer has nothing below; the first decoder layer's input waits for the sum over time.
        if idx != 0 && idx != layout.n_encoder {
            back(
                &weights_t[layer.to_inputs.clone()],
                layer.input_width,
                &mut below[idx - 1].dh_above,
            );
        }
    }

    /// From the gradients of the decoder's first input, summed over time, to the bottleneck.
    fn bottleneck_back(&mut self, layout: &Layout, weights_t: &[f32], gradient: &mut [f32]) {
        let (rows, layer) = (self.rows, &layout.layers[layout.n_encoder]);
        let bottleneck = &mut self.layers[layout.n_encoder - 1];
        gates_times(
            layout.kernels,
            layer,
            rows,
            &self.over_time,
            &weights_t[layer.to_inputs.clone()],
            layer.input_width,
            &mut bottleneck.dh_above,
        );
        let gate_width = layout.kernels.gate_width();
        for block in 0..layer.n_blocks {
            layout.kernels.outer_sum(OuterSum {
                a: hidden(&bottleneck.h, rows * layer.input_width, layout.n_steps),
                a_stride: layer.input_width,
                a_step: 0,
                inner: layer.n_inputs,
                b: &self.over_time[block * rows * gate_width..],
                b_stride: gate_width,
                b_step: 0,
                n_steps: 1,
                rows,
                n_vectors: 4,
                adds: false,
                c: &mut gradient[layer.weights.start + block * layer.block(gate_width)..],
            });
        }
    }

    /// Adds the weight gradients of layer `idx` for `steps`, the last of which come first.
    fn weight_gradient(&self, layout: &Layout, idx: usize, steps: Range<usize>, gradient: &mut [f32]) {
        let (rows, layer, step) = (self.rows, &layout.layers[idx], steps.start);
        let gate_width = layout.kernels.gate_width();
        let (below, from) = self.layers.split_at(idx);
        let state = rows * layer.width;
        let x: Option<(&[f32], usize)> = if idx == 0 {
            Some((&self.x[step * rows * layer.n_inputs..], layer.n_inputs))
        } else if idx == layout.n_encoder {
            None // done once, from the sum over time
        } else {
            let below = &below[idx - 1].h;
            Some((&below[(step + 1) * rows * layer.input_width..], layer.input_width))
        };
        // What is hidden before the first step is zero.
        let after_first = steps.start.max(1)..steps.end;
        let adds = steps.end < layout.n_steps;
        for block in 0..layer.n_blocks {
            let at = layer.weights.start + block * layer.block(gate_width);
            let add = |a, a_stride, inner, steps: &Range<usize>, c: &mut [f32]| {
                layout.kernels.outer_sum(OuterSum {
                    a,
                    a_stride,
                    a_step: rows * a_stride,
                    inner,
                    b: &from[0].gates[steps.start * 4 * state + block * rows * gate_width..],
                    b_stride: gate_width,
                    b_step: 4 * state,
                    n_steps: steps.len(),
                    rows,
                    n_vectors: 4,
                    adds,
                    c,
                });
            };
            let (of_inputs, of_units) =
                gradient[at..at + layer.block(gate_width)].split_at_mut(layer.n_inputs * gate_width);
            if let Some((x, x_stride)) = x {
                add(x, x_stride, layer.n_inputs, &steps, of_inputs);
            }
            if !after_first.is_empty() {
                let h = &from[0].h[after_first.start * state..];
                add(h, layer.width, layer.n_units, &after_first, of_units);
            } else if !adds {
                of_units.fill(0.0);
            }
        }
    }

    /// Adds the head's gradients for the answers after `steps`, the last of which come first.
    fn head_gradient(&self, layout: &Layout, steps: Range<usize>, gradient: &mut [f32]) {
        let Some(answer) = layout.answer_at(steps.start).filter(|_| !steps.is_empty()) else {
            return;
        };
        let (rows, kernels, head) = (self.rows, layout.kernels, &layout.head);
        let out = rows * head.width;
        let d_output = &self.output[answer * out..(answer + steps.len()) * out];
        kernels.outer_sum(OuterSum {
            a: &self.layers[self.layers.len() - 1].h[(steps.start + 1) * rows * head.input_width..],
            a_stride: head.input_width,
            a_step: rows * head.input_width,
            inner: head.n_inputs,
            b: d_output,
            b_stride: head.width,
            b_step: out,
            n_steps: steps.len(),
            rows,
            n_vectors: head.width / kernels.lanes(),
            adds: steps.end < layout.n_steps,
            c: &mut gradient[head.weights.clone()],
        });
        let bias = &mut gradient[head.bias.clone()];
        for row in d_output.chunks_exact(head.width) {
            for (bias, d) in bias.iter_mut().zip(row) {
                *bias += d; // beyond the outputs all is zero
            }
        }
    }
}
