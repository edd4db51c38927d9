//! Forward and backward through time for a block of windows, with everything that the way back needs kept.
//!
//! A mini-batch is cut into blocks of [`BLOCK_ROWS`] windows whatever the number of threads; each block has its own
//! gradient, and they are summed in order. That makes the trained weights independent of the threads, and small
//! blocks stay in the cache: faster than the whole batch at once.

mod back;
mod inputs;

use std::ops::Range;

use super::products::{head_product, project};
use super::weights::Layout;
use crate::kernels::{Aligned, Init, LstmStep};

/// Windows of a full block.
pub(crate) const BLOCK_ROWS: usize = 16;

/// States of one LSTM layer over time.
#[derive(Debug)]
struct LayerStates {
    /// `[n_steps + 1][rows][width]`, the first all zero.
    h: Aligned,
    c: Aligned,
    /// `[n_steps][n_blocks][rows][4 lanes]`: activated gates, then their gradients.
    gates: Aligned,
    /// `[rows][width]`: gradients that travel down and back in time.
    dh_above: Aligned,
    dh_after: Aligned,
    dc: Aligned,
}

/// Room for one block of windows of a mini-batch after the other.
#[derive(Debug)]
pub(crate) struct Block {
    rows: usize,
    layers: Vec<LayerStates>,
    /// `[n_steps][rows][n_inputs]`
    x: Aligned,
    /// `[n_answers][rows][n_outputs]`
    target: Aligned,
    observed: Aligned,
    /// `[n_answers][rows][head width]`: outputs, then their gradients.
    output: Aligned,
    /// The decoder's first input is the same at every step: its projection, and the sum of the gradients of it.
    projection: Aligned,
    over_time: Aligned,
}

/// What a block of windows has found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Gradient of the summed (not averaged) loss; behind what is learnt what was found for the statistics.
    pub gradient: Aligned,
    /// Summed loss, and how many values it was summed over.
    pub loss: f64,
    pub n_observed: f64,
}

impl Found {
    /// Room for a network of so many weights.
    pub(crate) fn new(n_weights: usize) -> Self {
        Self {
            gradient: Aligned::zeroed(n_weights),
            loss: 0.0,
            n_observed: 0.0,
        }
    }
}

/// Where a caller puts one window of a block.
#[derive(Debug)]
pub struct Slot<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) target: &'a mut [f32],
    pub(super) observed: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) row: usize,
    pub(super) n_inputs: usize,
    pub(super) n_outputs: usize,
}

impl Slot<'_> {
    /// Inputs of the sample at `step`, `[n_inputs]`.
    pub fn input(&mut self, step: usize) -> &mut [f32] {
        let at = (step * self.rows + self.row) * self.n_inputs;
        &mut self.x[at..at + self.n_inputs]
    }

    /// Targets of an answer, `[n_outputs]`: of the sample at that step, or the one of a forecaster.
    pub fn target(&mut self, answer: usize) -> &mut [f32] {
        let at = (answer * self.rows + self.row) * self.n_outputs;
        &mut self.target[at..at + self.n_outputs]
    }

    /// What the target of an answer counts: nothing where it was not observed, `[n_outputs]`; 1 unless set.
    pub fn observed(&mut self, answer: usize) -> &mut [f32] {
        let at = (answer * self.rows + self.row) * self.n_outputs;
        &mut self.observed[at..at + self.n_outputs]
    }
}

/// In double precision, and lane by lane: in one chain each addition would wait for the one before.
pub(super) fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value);
        }
    }
    lanes
        .into_iter()
        .chain(rest.iter().map(|&value| f64::from(value)))
        .sum()
}

impl Block {
    pub(crate) fn new(layout: &Layout, rows: usize) -> Self {
        let (len, n_answers) = (layout.n_steps, layout.n_answers);
        let layers = layout.layers.iter().map(|layer| {
            let state = rows * layer.width;
            LayerStates {
                h: Aligned::zeroed((len + 1) * state),
                c: Aligned::zeroed((len + 1) * state),
                gates: Aligned::zeroed(len * state * 4),
                dh_above: Aligned::zeroed(state),
                dh_after: Aligned::zeroed(state),
                dc: Aligned::zeroed(state),
            }
        });
        let decoder = layout.layers.get(layout.n_encoder);
        let projection = decoder.map_or(0, |layer| rows * layer.width * 4);
        Self {
            rows,
            layers: layers.collect(),
            x: Aligned::zeroed(len * rows * layout.layers[0].n_inputs),
            target: Aligned::zeroed(n_answers * rows * layout.head.n_outputs),
            observed: Aligned::zeroed(n_answers * rows * layout.head.n_outputs),
            output: Aligned::zeroed(n_answers * rows * layout.head.width),
            projection: Aligned::zeroed(projection),
            over_time: Aligned::zeroed(projection),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers that it has room for.
    pub(crate) fn n_floats(&self) -> usize {
        let of_layer = |states: &LayerStates| {
            let over_time = states.h.len() + states.c.len() + states.gates.len();
            over_time + states.dh_above.len() + states.dh_after.len() + states.dc.len()
        };
        let answers = self.target.len() + self.observed.len() + self.output.len();
        let decoder = self.projection.len() + self.over_time.len();
        self.layers.iter().map(of_layer).sum::<usize>() + self.x.len() + answers + decoder
    }

    /// Takes in the windows: `fill(row, slot)` writes one of them.
    pub(crate) fn fill(&mut self, layout: &Layout, fill: impl Fn(usize, &mut Slot<'_>)) {
        self.observed.fill(1.0);
        for row in 0..self.rows {
            fill(
                row,
                &mut Slot {
                    x: &mut self.x,
                    target: &mut self.target,
                    observed: &mut self.observed,
                    rows: self.rows,
                    row,
                    n_inputs: layout.layers[0].n_inputs,
                    n_outputs: layout.head.n_outputs,
                },
            );
        }
    }

    /// The outputs of an answer, `[rows][head width]`; gradients after [`Block::backward`].
    #[cfg(test)]
    pub(crate) fn output(&self, layout: &Layout, answer: usize) -> &[f32] {
        let n = self.rows * layout.head.width;
        &self.output[answer * n..(answer + 1) * n]
    }

    /// Outputs for the windows taken in.
    pub(crate) fn forward(&mut self, layout: &Layout, weights: &[f32]) {
        let (n_encoder, n_layers) = (layout.n_encoder, self.layers.len());
        self.stack(layout, weights, 0..n_encoder);
        if layout.has_decoder() {
            // Every step of the first decoder layer starts from the same projection of the bottleneck.
            let width = layout.layers[n_encoder].input_width;
            let bottleneck = hidden(&self.layers[n_encoder - 1].h, self.rows * width, layout.n_steps);
            project(
                layout,
                weights,
                n_encoder,
                self.rows,
                bottleneck,
                &mut self.projection,
            );
            self.stack(layout, weights, n_encoder..n_layers);
        }
    }

    /// All steps of the layers `stack`, with the head over them where they are the last.
    fn stack(&mut self, layout: &Layout, weights: &[f32], stack: Range<usize>) {
        let is_last = stack.end == self.layers.len();
        for step in 0..layout.n_steps {
            for idx in stack.clone() {
                self.step(layout, weights, idx, step);
            }
            if let Some(answer) = layout.answer_at(step).filter(|_| is_last) {
                let head = &layout.head;
                let (state, out) = (self.rows * head.input_width, self.rows * head.width);
                let last = hidden(&self.layers[stack.end - 1].h, state, step + 1);
                let output = &mut self.output[answer * out..(answer + 1) * out];
                head_product(layout, weights, self.rows, last, output);
            }
        }
    }

    fn step(&mut self, layout: &Layout, weights: &[f32], idx: usize, step: usize) {
        let (rows, layer) = (self.rows, &layout.layers[idx]);
        let gate_width = layout.kernels.gate_width();
        let (below, from) = self.layers.split_at_mut(idx);
        let states = &mut from[0];
        let state = rows * layer.width;
        let (x, x_stride): (&[f32], usize) = if idx == 0 {
            (&self.x[step * rows * layer.n_inputs..], layer.n_inputs)
        } else if idx == layout.n_encoder {
            (&[], 0)
        } else {
            (
                hidden(&below[idx - 1].h, rows * layer.input_width, step + 1),
                layer.input_width,
            )
        };
        let init = if idx == layout.n_encoder {
            Init {
                values: &self.projection,
                block_stride: rows * gate_width,
                row_stride: gate_width,
            }
        } else {
            Init {
                values: &weights[layer.bias.clone()],
                block_stride: gate_width,
                row_stride: 0,
            }
        };
        let (h_before, h) = states.h[step * state..(step + 2) * state].split_at_mut(state);
        let (c_before, c) = states.c[step * state..(step + 2) * state].split_at_mut(state);
        layout.kernels.lstm_step(LstmStep {
            rows,
            x,
            x_stride,
            n_inputs: layer.n_inputs,
            n_units: layer.n_units,
            weights: &weights[layer.weights.clone()],
            init,
            h_before: (step > 0).then_some(h_before),
            c_before: Some(c_before),
            c,
            h,
            gates: Some(&mut states.gates[step * 4 * state..(step + 1) * 4 * state]),
            is_backwards: false,
        });
    }
}

/// One step of a state kept over time.
fn hidden(states: &[f32], state: usize, step: usize) -> &[f32] {
    &states[step * state..(step + 1) * state]
}
