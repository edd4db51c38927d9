//! Forward only: no activation is kept longer than the next step needs it.

use std::ops::Range;

use super::products::{head_product, project};
use super::weights::Layout;
use crate::kernels::{Aligned, Init, LstmStep};

/// Windows that are scored together by one thread.
pub(crate) const SCORE_ROWS: usize = 16;
/// Up to so many windows at once, the input projections of a whole sequence are one product: few rows leave the
/// registers of a step half empty.
const FEW_ROWS: usize = 4;

/// Workspace for scoring up to [`SCORE_ROWS`] windows.
#[derive(Debug)]
pub(crate) struct ScoreSpace {
    /// `[n_steps][rows][n_inputs]`
    x: Aligned,
    /// Per layer `[rows][width]`: hidden state before and after, cell state.
    h: Vec<[Aligned; 2]>,
    c: Vec<Aligned>,
    projection: Aligned,
    output: Aligned,
    /// For few windows: hidden states `[n_steps + 1][rows][width]` of the layer below and of this one, and
    /// projections `[n_blocks][n_steps · rows][4 lanes]`.
    sequences: [Aligned; 2],
    projections: Aligned,
}

impl ScoreSpace {
    pub(crate) fn new(layout: &Layout) -> Self {
        let (rows, len) = (SCORE_ROWS, layout.n_steps);
        let state = |layer: &super::weights::LstmLayout| Aligned::zeroed(rows * layer.width);
        let decoder = layout.layers.get(layout.n_encoder);
        let widest = layout.layers.iter().map(|layer| layer.width).max().unwrap_or(0);
        Self {
            x: Aligned::zeroed(len * rows * layout.layers[0].n_inputs),
            h: layout
                .layers
                .iter()
                .map(|layer| [state(layer), state(layer)])
                .collect(),
            c: layout.layers.iter().map(state).collect(),
            projection: Aligned::zeroed(decoder.map_or(0, |layer| rows * layer.width * 4)),
            output: Aligned::zeroed(rows.max(layout.n_answers * FEW_ROWS) * layout.head.width),
            sequences: std::array::from_fn(|_| Aligned::zeroed((len + 1) * FEW_ROWS * widest)),
            projections: Aligned::zeroed(len * FEW_ROWS * widest * 4),
        }
    }

    /// Scores `rows` windows: `fill(row, step, inputs)` writes each sample, `emit(row, answer, outputs)` takes each
    /// answer. The bits of a row are the same whatever `rows` is.
    pub(crate) fn run(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        rows: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
        emit: impl FnMut(usize, usize, &[f32]),
    ) {
        assert!(rows <= SCORE_ROWS);
        let n_inputs = layout.layers[0].n_inputs;
        for (at, sample) in self
            .x
            .chunks_exact_mut(n_inputs)
            .take(layout.n_steps * rows)
            .enumerate()
        {
            fill(at % rows, at / rows, sample);
        }
        if rows <= FEW_ROWS {
            self.layer_by_layer(layout, weights, rows, emit);
        } else {
            self.step_by_step(layout, weights, rows, emit);
        }
    }

    /// Many windows: all layers advance together, so a state is used while it is hot.
    fn step_by_step(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        rows: usize,
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        self.c.iter_mut().for_each(|c| c.fill(0.0));
        self.stack(layout, weights, rows, 0..layout.n_encoder, &mut emit);
        if layout.has_decoder() {
            let bottleneck = &self.h[layout.n_encoder - 1][layout.n_steps % 2];
            project(
                layout,
                weights,
                layout.n_encoder,
                rows,
                bottleneck,
                &mut self.projection,
            );
            let decoder = layout.n_encoder..layout.layers.len();
            self.stack(layout, weights, rows, decoder, &mut emit);
        }
    }

    /// All steps of the layers `stack`, with the head over them where they are the last.
    fn stack(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        rows: usize,
        stack: Range<usize>,
        emit: &mut impl FnMut(usize, usize, &[f32]),
    ) {
        let is_last = stack.end == layout.layers.len();
        for step in 0..layout.n_steps {
            for idx in stack.clone() {
                self.step(layout, weights, rows, idx, step);
            }
            if let Some(answer) = layout.answer_at(step).filter(|_| is_last) {
                let head = &layout.head;
                let last = &self.h[stack.end - 1][(step + 1) % 2];
                head_product(layout, weights, rows, last, &mut self.output);
                for (row, output) in self.output.chunks_exact(head.width).take(rows).enumerate() {
                    emit(row, answer, &output[..head.n_outputs]);
                }
            }
        }
    }

    fn step(&mut self, layout: &Layout, weights: &[f32], rows: usize, idx: usize, step: usize) {
        let layer = &layout.layers[idx];
        let gate_width = layout.kernels.gate_width();
        let (below, from) = self.h.split_at_mut(idx);
        let (x, x_stride): (&[f32], usize) = if idx == 0 {
            (&self.x[step * rows * layer.n_inputs..], layer.n_inputs)
        } else if idx == layout.n_encoder {
            (&[], 0)
        } else {
            (&below[idx - 1][(step + 1) % 2], layer.input_width)
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
        let [even, odd] = &mut from[0];
        let (h_before, h) = if step.is_multiple_of(2) {
            (even, odd)
        } else {
            (odd, even)
        };
        layout.kernels.lstm_step(LstmStep {
            rows,
            x,
            x_stride,
            n_inputs: layer.n_inputs,
            n_units: layer.n_units,
            weights: &weights[layer.weights.clone()],
            init,
            h_before: (step > 0).then_some(h_before),
            c_before: None,
            c: &mut self.c[idx],
            h,
            gates: None,
            is_backwards: false,
        });
    }

    /// Few windows: one layer at a time, its input projected for all steps in one product.
    fn layer_by_layer(
        &mut self,
        layout: &Layout,
        weights: &[f32],
        rows: usize,
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        let (len, gate_width) = (layout.n_steps, layout.kernels.gate_width());
        for (idx, layer) in layout.layers.iter().enumerate() {
            let state = rows * layer.width;
            let [below, this] = &mut self.sequences;
            let below_state = rows * layer.input_width;
            let is_bottleneck = idx == layout.n_encoder;
            let (input, n_rows): (&[f32], usize) = if idx == 0 {
                (&self.x, len * rows)
            } else if is_bottleneck {
                (&below[len * below_state..], rows)
            } else {
                (&below[below_state..], len * rows)
            };
            project(layout, weights, idx, n_rows, input, &mut self.projections);
            let c = &mut self.c[idx];
            c[..state].fill(0.0);
            for step in 0..len {
                let at = if is_bottleneck {
                    0
                } else {
                    step * rows * gate_width
                };
                let (h_before, h) = this[step * state..(step + 2) * state].split_at_mut(state);
                layout.kernels.lstm_step(LstmStep {
                    rows,
                    x: &[],
                    x_stride: 0,
                    n_inputs: layer.n_inputs,
                    n_units: layer.n_units,
                    weights: &weights[layer.weights.clone()],
                    init: Init {
                        values: &self.projections[at..],
                        block_stride: n_rows * gate_width,
                        row_stride: gate_width,
                    },
                    h_before: (step > 0).then_some(h_before),
                    c_before: None,
                    c,
                    h,
                    gates: None,
                    is_backwards: step % 2 == 1,
                });
            }
            self.sequences.swap(0, 1);
        }
        let head = &layout.head;
        let n_answers = layout.n_answers;
        let last = &self.sequences[0][(len - n_answers + 1) * rows * head.input_width..];
        head_product(layout, weights, n_answers * rows, last, &mut self.output);
        let outputs = self.output.chunks_exact(head.width);
        for (at, output) in outputs.take(n_answers * rows).enumerate() {
            emit(at % rows, at / rows, &output[..head.n_outputs]);
        }
    }
}
