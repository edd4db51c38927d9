//! Scoring of stacks on kernels that multiply in tiles of bfloat16: [`super::score`] with other products. The cells, and all
//! that is summed, are float32 as ever.

use std::ops::Range;

use super::score::SCORE_ROWS;
use super::weights::{Layout, LstmLayout};
use crate::kernels::{Aligned, Split, TILE, TILE_INNER, TileGuard, TilePart, TileProduct};

/// Weights of a stack as tiles want them.
#[derive(Debug)]
pub(crate) struct Tiled {
    layers: Vec<TiledLayer>,
    /// Panel after panel.
    head: Split,
}

/// `[n_blocks]` times the tiles of the inputs, then those of the states.
#[derive(Debug)]
struct TiledLayer {
    weights: Split,
    n_inputs: usize,
    n_units: usize,
}

impl Tiled {
    /// Packs the packed weights once more; `None` where the kernels have no tiles.
    pub(crate) fn new(layout: &Layout, weights: &[f32]) -> Option<Self> {
        if !layout.kernels.has_tiles() {
            return None;
        }
        let width = layout.kernels.gate_width();
        let layer = |of: &LstmLayout| {
            let (n_inputs, n_units) = (of.n_inputs.div_ceil(TILE_INNER), of.n_units.div_ceil(TILE_INNER));
            let mut packed = Split::zeroed(of.n_blocks * (n_inputs + n_units) * TILE_INNER * width);
            let mut at = 0;
            for block in weights[of.weights.clone()].chunks_exact(of.block(width)) {
                let (inputs, units) = block.split_at(of.n_inputs * width);
                at = packed.pack(at, inputs, of.n_inputs, width);
                at = packed.pack(at, units, of.n_units, width);
            }
            TiledLayer {
                weights: packed,
                n_inputs,
                n_units,
            }
        };
        let of = &layout.head;
        let mut head = Split::zeroed(of.n_inputs.next_multiple_of(TILE_INNER) * of.width);
        let mut at = 0;
        for (from, n_vectors, _) in layout.panels_of_head() {
            let width = n_vectors * layout.kernels.lanes();
            at = head.pack(at, &weights[of.weights.start + from..], of.n_inputs, width);
        }
        Some(Self {
            layers: layout.layers.iter().map(layer).collect(),
            head,
        })
    }
}

impl TiledLayer {
    /// Where the tiles of a block of units begin: those of inputs, and those of states.
    fn block(&self, block: usize, width: usize) -> (usize, usize) {
        let start = block * (self.n_inputs + self.n_units) * TILE_INNER * width;
        (start, start + self.n_inputs * TILE_INNER * width)
    }
}

/// Workspace for scoring up to [`SCORE_ROWS`] windows. Rows that no window has are computed like others, and answer to nobody.
#[derive(Debug)]
pub(crate) struct TiledSpace {
    /// `[n_steps][TILE][inputs]`, and one sample as it came, with zeros behind it.
    x: Split,
    sample: Aligned,
    /// Per layer `[TILE][units]`: hidden state before and after; the widths are whole tiles.
    h: Vec<[Split; 2]>,
    /// Per layer `[n_blocks][TILE][lanes]`.
    c: Vec<Aligned>,
    /// Of the decoder's first layer, `[n_blocks][TILE][4 lanes]`.
    projection: Aligned,
    /// Of one block of units: `[TILE][4 lanes]`, `[TILE][lanes]`.
    gates: Aligned,
    hidden: Aligned,
    output: Aligned,
}

impl TiledSpace {
    pub(crate) fn new(layout: &Layout) -> Self {
        const { assert!(SCORE_ROWS == TILE) };
        let (lanes, gate_width) = (layout.kernels.lanes(), layout.kernels.gate_width());
        let n_inputs = layout.layers[0].n_inputs;
        let state = |layer: &LstmLayout| Split::zeroed(TILE * layer.n_units.next_multiple_of(TILE_INNER));
        let decoder = layout.layers.get(layout.n_encoder);
        Self {
            x: Split::zeroed(layout.n_steps * TILE * n_inputs.next_multiple_of(TILE_INNER)),
            sample: Aligned::zeroed(n_inputs.next_multiple_of(TILE_INNER)),
            h: layout
                .layers
                .iter()
                .map(|layer| [state(layer), state(layer)])
                .collect(),
            c: layout
                .layers
                .iter()
                .map(|layer| Aligned::zeroed(TILE * layer.width))
                .collect(),
            projection: Aligned::zeroed(decoder.map_or(0, |layer| TILE * layer.n_blocks * gate_width)),
            gates: Aligned::zeroed(TILE * gate_width),
            hidden: Aligned::zeroed(TILE * lanes),
            output: Aligned::zeroed(TILE * layout.head.width),
        }
    }

    /// As [`super::score::ScoreSpace::run`]; `weights` are the packed ones, whose biases count here.
    pub(crate) fn run(
        &mut self,
        layout: &Layout,
        (weights, tiled): (&[f32], &Tiled),
        rows: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        assert!(rows <= SCORE_ROWS);
        let guard = TileGuard::begin(layout.kernels).expect("weights are packed for kernels with tiles");
        let (n_inputs, stride) = (layout.layers[0].n_inputs, self.sample.len());
        for step in 0..layout.n_steps {
            for row in 0..rows {
                fill(row, step, &mut self.sample[..n_inputs]);
                let at = (step * TILE + row) * stride;
                guard.split(&self.sample, stride, &mut self.x, at, stride);
            }
        }
        self.c.iter_mut().for_each(|c| c.fill(0.0));
        let numbers = Numbers {
            layout,
            weights,
            tiled,
            guard: &guard,
        };
        self.stack(&numbers, rows, 0..layout.n_encoder, &mut emit);
        if layout.has_decoder() {
            self.project(&numbers);
            self.stack(&numbers, rows, layout.n_encoder..layout.layers.len(), &mut emit);
        }
    }

    /// All steps of the layers `stack`, with the head over them where they are the last.
    fn stack(
        &mut self,
        of: &Numbers<'_>,
        rows: usize,
        stack: Range<usize>,
        emit: &mut impl FnMut(usize, usize, &[f32]),
    ) {
        let layout = of.layout;
        let is_last = stack.end == layout.layers.len();
        for step in 0..layout.n_steps {
            for idx in stack.clone() {
                self.step(of, idx, step);
            }
            if let Some(answer) = layout.answer_at(step).filter(|_| is_last) {
                self.head(of, step);
                let head = &layout.head;
                for (row, output) in self.output.chunks_exact(head.width).take(rows).enumerate() {
                    emit(row, answer, &output[..head.n_outputs]);
                }
            }
        }
    }

    /// What the bottleneck gives the sums of the decoder's first layer, at every step the same.
    fn project(&mut self, of: &Numbers<'_>) {
        let (layout, idx) = (of.layout, of.layout.n_encoder);
        let (layer, tiles) = (&layout.layers[idx], &of.tiled.layers[idx]);
        let gate_width = layout.kernels.gate_width();
        for (block, sums) in self.projection.chunks_exact_mut(TILE * gate_width).enumerate() {
            let part = TilePart {
                a: &self.h[idx - 1][layout.n_steps % 2],
                a_start: 0,
                a_stride: tiles.n_inputs * TILE_INNER,
                n_inner: tiles.n_inputs,
                b: &tiles.weights,
                b_start: tiles.block(block, gate_width).0,
            };
            of.guard.product(TileProduct {
                parts: &[part],
                n_tiles: gate_width / TILE,
                init: &of.weights[layer.bias.start + block * gate_width..],
                init_stride: 0,
                c: sums,
                c_stride: gate_width,
            });
        }
    }

    fn step(&mut self, of: &Numbers<'_>, idx: usize, step: usize) {
        let layout = of.layout;
        let (layer, tiles) = (&layout.layers[idx], &of.tiled.layers[idx]);
        let (lanes, gate_width) = (layout.kernels.lanes(), layout.kernels.gate_width());
        let (below, from) = self.h.split_at_mut(idx);
        let [even, odd] = &mut from[0];
        let (h_before, h) = if step.is_multiple_of(2) {
            (even, odd)
        } else {
            (odd, even)
        };
        let is_projected = idx == layout.n_encoder;
        let (x, x_start) = match idx.checked_sub(1) {
            None => (&self.x, step * TILE * tiles.n_inputs * TILE_INNER),
            Some(idx) => (&below[idx][(step + 1) % 2], 0),
        };
        for (block, c) in self.c[idx].chunks_exact_mut(TILE * lanes).enumerate() {
            let (of_inputs, of_units) = tiles.block(block, gate_width);
            let input = TilePart {
                a: x,
                a_start: x_start,
                a_stride: tiles.n_inputs * TILE_INNER,
                n_inner: tiles.n_inputs,
                b: &tiles.weights,
                b_start: of_inputs,
            };
            let state = TilePart {
                a: h_before,
                a_start: 0,
                a_stride: tiles.n_units * TILE_INNER,
                n_inner: tiles.n_units,
                b: &tiles.weights,
                b_start: of_units,
            };
            let parts = [input, state];
            let parts = &parts[usize::from(is_projected)..if step == 0 { 1 } else { 2 }];
            let (init, init_stride) = if is_projected {
                (&self.projection[block * TILE * gate_width..], gate_width)
            } else {
                (&of.weights[layer.bias.start + block * gate_width..], 0)
            };
            of.guard.product(TileProduct {
                parts,
                n_tiles: gate_width / TILE,
                init,
                init_stride,
                c: &mut self.gates,
                c_stride: gate_width,
            });
            layout
                .kernels
                .lstm_cells(TILE, &mut self.gates, c, &mut self.hidden);
            let (stride, at) = (tiles.n_units * TILE_INNER, block * lanes);
            of.guard.split(&self.hidden, lanes, h, at, stride);
        }
    }

    fn head(&mut self, of: &Numbers<'_>, step: usize) {
        let (layout, head) = (of.layout, &of.layout.head);
        let n_inner = head.n_inputs.div_ceil(TILE_INNER);
        let mut b_start = 0;
        for (_, n_vectors, first) in layout.panels_of_head() {
            let n_tiles = n_vectors * layout.kernels.lanes() / TILE;
            let part = TilePart {
                a: &self.h[layout.layers.len() - 1][(step + 1) % 2],
                a_start: 0,
                a_stride: n_inner * TILE_INNER,
                n_inner,
                b: &of.tiled.head,
                b_start,
            };
            of.guard.product(TileProduct {
                parts: &[part],
                n_tiles,
                init: &of.weights[head.bias.start + first..],
                init_stride: 0,
                c: &mut self.output[first..],
                c_stride: head.width,
            });
            b_start += n_inner * n_tiles * TILE_INNER * TILE;
        }
    }
}

/// What stays the same while windows are scored.
struct Numbers<'a> {
    layout: &'a Layout,
    weights: &'a [f32],
    tiled: &'a Tiled,
    guard: &'a TileGuard,
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng as _, SeedableRng as _};

    use super::super::architecture::Architecture;
    use super::super::loss::Loss;
    use super::super::scorer::Scorer;
    use super::super::trainer::{Trainer, Update};
    use super::super::weights::Weights;
    use crate::kernels::Kernels;

    /// Waves of several periods, a bit of each in every channel, and noise as of sensors, `[n_rows, n_channels]`.
    fn waves(n_rows: usize, n_channels: usize) -> Vec<f32> {
        let mut noise = ChaCha8Rng::seed_from_u64(1);
        let mut cell = |at: usize| {
            let (row, channel) = ((at / n_channels) as f32, (at % n_channels) as f32);
            let noise = 0.2 * ((noise.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5);
            (row * 0.11 + channel).sin() + 0.4 * (row * (0.05 + 0.01 * channel)).cos() + noise
        };
        (0..n_rows * n_channels).map(&mut cell).collect()
    }

    /// Answers for windows of `data`, one after the other at each row.
    fn answers(scorer: &Scorer, of: &Architecture, data: &[f32], n_windows: usize, from: usize) -> Vec<f32> {
        let (n, n_outputs) = (of.n_inputs(), of.n_outputs());
        let per_window = of.n_answers() * n_outputs;
        let mut out = vec![0.0; n_windows * per_window];
        scorer.run(
            &mut out,
            per_window,
            |window, step, x| x.copy_from_slice(&data[(from + window + step) * n..][..n]),
            |_, answer, y, out| out[answer * n_outputs..][..n_outputs].copy_from_slice(y),
        );
        out
    }

    /// Weights after some training, which is when small differences begin to count.
    fn trained(of: &Architecture, data: &[f32], n_updates: usize) -> Weights {
        let (n, len) = (of.n_inputs(), of.n_seen());
        let start = Weights::random(of, 3);
        let mut trainer = Trainer::new(of.clone(), &start, Kernels::detect(), 1);
        let update = Update {
            learning_rate: 3e-3,
            clip_norm: Some(1.0),
        };
        let n_windows = data.len() / n - len;
        for at in 0..n_updates {
            let fill = |window: usize, slot: &mut super::super::block::Slot<'_>| {
                let row = (at * 37 + window * 13) % n_windows;
                for step in 0..len {
                    slot.input(step).copy_from_slice(&data[(row + step) * n..][..n]);
                }
                for answer in 0..of.n_answers() {
                    let seen = len - of.n_answers() + answer;
                    for (output, target) in slot.target(answer).iter_mut().enumerate() {
                        *target = data[(row + seen) * n + output % n];
                    }
                }
            };
            trainer.step(32, fill, Loss::Mse, update);
        }
        trainer.weights()
    }

    /// The score of each window: the mean square of what its answers leave.
    fn scores(of: &Architecture, answers: &[f32], data: &[f32]) -> Vec<f64> {
        let first = of.n_seen() - of.n_answers();
        let per_window = of.n_answers() * of.n_outputs();
        let score = |(window, answers): (usize, &[f32])| {
            let left = answers.iter().enumerate().map(|(cell, y)| {
                let (answer, output) = (cell / of.n_outputs(), cell % of.n_outputs());
                let x = data[(window + first + answer) * of.n_inputs() + output % of.n_inputs()];
                f64::from(x - y).powi(2)
            });
            left.sum::<f64>() / per_window as f64
        };
        answers.chunks_exact(per_window).enumerate().map(score).collect()
    }

    #[test]
    fn scores_of_trained_networks_are_within_one_in_ten_thousand_and_of_the_same_bits_in_any_batch() {
        let Some(twin) = Kernels::twin_of_amx() else {
            return println!("skipped: tiles need a processor with AVX-512");
        };
        let shapes = [
            Architecture::new(30, 5, 5, &[32, 16], &[16, 32]),
            Architecture::new(12, 37, 70, &[40, 20], &[20, 24]),
            Architecture::new(9, 3, 2, &[7], &[9]),
            Architecture::forecaster(16, 6, 6, &[24, 33]),
        ];
        for of in shapes.map(Result::unwrap) {
            let n_rows = 400;
            let data = waves(n_rows, of.n_inputs());
            let weights = trained(&of, &data, 600);
            let plain = Scorer::new(&of, &weights, Kernels::detect(), 1);
            let n_windows = 39;
            let want = answers(&plain, &of, &data, n_windows, 0);
            for kernels in [Some(twin), Kernels::by_name("amx")].into_iter().flatten() {
                let tiled = Scorer::new(&of, &weights, kernels, 1);
                let got = answers(&tiled, &of, &data, n_windows, 0);
                let per_window = want.len() / n_windows;
                for window in 0..n_windows {
                    let alone = answers(&tiled, &of, &data, 1, window);
                    let at = window * per_window;
                    assert_eq!(alone, got[at..at + per_window], "{of:?}, window {window}");
                }
                // Of a single row the answer may be near by chance, and its score next to nothing.
                let (got, want) = (scores(&of, &got, &data), scores(&of, &want, &data));
                let mean = want.iter().sum::<f64>() / n_windows as f64;
                for (got, want) in got.iter().zip(want) {
                    let off = (got - want).abs();
                    assert!(off <= 1e-4 * want.max(mean), "{of:?}: {got}, want {want}");
                }
            }
        }
    }
}
