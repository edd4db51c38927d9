//! Weights in the order that everybody knows, and in the order that the kernels want.

use std::ops::Range;

use bellwether_core::model::Answers;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::architecture::Architecture;
use super::plan::{Init, Plan};
use super::precision::Precision;
use crate::crew::Crew;
use crate::kernels::{Aligned, Kernels};

/// Weights in PyTorch's layout: per LSTM layer `w_ih [4 n_units, n_inputs]`, `w_hh [4 n_units, n_units]`,
/// `b [4 n_units]` with gates in the order i, f, g, o; then the head's `w [n_outputs, n_last]`, `b [n_outputs]`. A network of
/// any layers has the tensors of each layer, in PyTorch's layout as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    tensors: Vec<Tensor>,
    precision: Precision,
}

/// A named matrix or vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// `encoder.0.w_ih`, …, `head.b`; the layers of a forecaster are `lstm.0` and so on, those of a list `layers.0` and so on.
    pub name: String,
    /// Rows and columns, or length.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

impl Weights {
    /// All zero.
    pub fn zeroed(architecture: &Architecture) -> Self {
        if let Some(plan) = architecture.plan() {
            return Self::of_layers(plan, |_, _| 0.0);
        }
        let n_encoder = architecture.encoder().len();
        let mut tensors = Vec::new();
        let mut push = |name: String, shape: &[usize]| {
            let values = vec![0.0; shape.iter().product()];
            tensors.push(Tensor {
                name,
                shape: shape.to_vec(),
                values,
            });
        };
        for (idx, (n_inputs, n_units)) in architecture.layers().into_iter().enumerate() {
            // Names of their own: neither network's file is taken for the other's.
            let layer = match (architecture.answers(), idx.checked_sub(n_encoder)) {
                (Answers::LastRow, _) => format!("lstm.{idx}"),
                (Answers::Window, None) => format!("encoder.{idx}"),
                (Answers::Window, Some(idx)) => format!("decoder.{idx}"),
            };
            push(format!("{layer}.w_ih"), &[4 * n_units, n_inputs]);
            push(format!("{layer}.w_hh"), &[4 * n_units, n_units]);
            push(format!("{layer}.b"), &[4 * n_units]);
        }
        push(
            "head.w".into(),
            &[architecture.n_outputs(), architecture.n_last()],
        );
        push("head.b".into(), &[architecture.n_outputs()]);
        Self::of(tensors)
    }

    /// LSTM weights uniform in ±1/√n_units (PyTorch's choice), head zero: an untrained network answers zero, which
    /// for a centred window is its mean and for a forecast is "as before", so training starts from a sensible guess.
    ///
    /// Layers of a list are drawn as PyTorch does: products uniform in ±1/√(inputs of an output).
    pub fn random(architecture: &Architecture, seed: u64) -> Self {
        if let Some(plan) = architecture.plan() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            return Self::of_layers(plan, |init, _| match init {
                Init::Uniform(bound) => bound * (2.0 * unit_interval(&mut rng) - 1.0),
                Init::Zero => 0.0,
                Init::One => 1.0,
            });
        }
        let mut weights = Self::zeroed(architecture);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for layer in weights.tensors.chunks_mut(3).take(architecture.layers().len()) {
            let bound = 1.0 / ((layer[2].values.len() / 4) as f32).sqrt();
            for value in layer.iter_mut().flat_map(|tensor| &mut tensor.values) {
                *value = bound * (2.0 * unit_interval(&mut rng) - 1.0);
            }
        }
        weights
    }

    /// Those of a list of layers: `draw(how, position in the tensor)` gives each number.
    fn of_layers(plan: &Plan, mut draw: impl FnMut(Init, usize) -> f32) -> Self {
        let n_layers = plan.spec().layers.len();
        let mut tensors = Vec::new();
        for idx in 0..=n_layers {
            let layer = if idx == n_layers {
                "head".to_owned()
            } else {
                format!("layers.{idx}")
            };
            for tensor in plan.tensors(idx) {
                let len = tensor.shape.iter().product();
                tensors.push(Tensor {
                    name: format!("{layer}.{}", tensor.name),
                    values: (0..len).map(|at| draw(tensor.init, at)).collect(),
                    shape: tensor.shape,
                });
            }
        }
        Self::of(tensors)
    }

    fn of(tensors: Vec<Tensor>) -> Self {
        Self {
            tensors,
            precision: Precision::Float32,
        }
    }

    /// The tensors in order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensors in order, to fill in. Shapes must stay. What is filled in is float32 until it is
    /// [rounded](Self::round).
    pub fn tensors_mut(&mut self) -> &mut [Tensor] {
        self.precision = Precision::Float32;
        &mut self.tensors
    }

    /// In what numbers they are kept.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Puts every weight to the nearest number that `precision` has: what is scored with and what a file holds are then the
    /// same.
    pub fn round(&mut self, precision: Precision) {
        for tensor in &mut self.tensors {
            if let Some(row_len) = tensor.row_len_in(precision) {
                precision.round(&mut tensor.values, row_len);
            }
        }
        self.precision = precision;
    }
}

impl Tensor {
    /// Numbers in a row, which have one scale in [`Precision::Int8`]; `None` where the tensor stays float32.
    pub(crate) fn row_len_in(&self, precision: Precision) -> Option<usize> {
        let is_matrix = self.shape.len() > 1;
        let is_rounded = match precision {
            Precision::Float32 => false,
            Precision::Float16 => true,
            Precision::Int8 => is_matrix,
        };
        let row_len = if is_matrix {
            self.shape[1..].iter().product()
        } else {
            1
        };
        is_rounded.then_some(row_len)
    }
}

/// Uniform in [0, 1), 24 bits.
fn unit_interval(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Where an LSTM layer's numbers lie in the packed weights.
#[derive(Debug, Clone)]
pub(crate) struct LstmLayout {
    pub n_inputs: usize,
    pub n_units: usize,
    /// Units padded to whole registers.
    pub width: usize,
    pub n_blocks: usize,
    /// `[n_blocks][n_inputs + n_units][4 lanes]`
    pub weights: Range<usize>,
    /// `[n_blocks][4 lanes]`
    pub bias: Range<usize>,
    /// In the transposed weights: gates → units, panels of `width`.
    pub to_units: Range<usize>,
    /// In the transposed weights: gates → inputs, panels of `input_width`; empty for the first layer.
    pub to_inputs: Range<usize>,
    /// Inputs padded to whole registers.
    pub input_width: usize,
}

/// Room that layers take for their numbers, one after the other.
#[derive(Debug)]
pub(crate) struct Room {
    pub kernels: &'static Kernels,
    pub n_weights: usize,
    pub n_transposed: usize,
}

impl Room {
    pub(crate) fn new(kernels: &'static Kernels) -> Self {
        Self {
            kernels,
            n_weights: 0,
            n_transposed: 0,
        }
    }

    pub(crate) fn weights(&mut self, n: usize) -> Range<usize> {
        let start = self.n_weights;
        self.n_weights += n;
        start..self.n_weights
    }

    pub(crate) fn transposed(&mut self, n: usize) -> Range<usize> {
        let start = self.n_transposed;
        self.n_transposed += n;
        start..self.n_transposed
    }
}

impl LstmLayout {
    /// A layer; `is_first` where nothing below wants a gradient.
    pub(crate) fn new(room: &mut Room, n_inputs: usize, n_units: usize, is_first: bool) -> Self {
        let kernels = room.kernels;
        let gate_width = kernels.gate_width();
        let (width, input_width) = (kernels.padded(n_units), kernels.padded(n_inputs));
        let n_blocks = width / kernels.lanes();
        let back = n_blocks * gate_width;
        Self {
            n_inputs,
            n_units,
            width,
            n_blocks,
            weights: room.weights(n_blocks * (n_inputs + n_units) * gate_width),
            bias: room.weights(n_blocks * gate_width),
            to_units: room.transposed(back * width),
            to_inputs: room.transposed(if is_first { 0 } else { back * input_width }),
            input_width,
        }
    }

    /// Calls `visit(tensor, position in it, position in the packed weights)` for every weight; tensors are `w_ih`, `w_hh`
    /// and `b`.
    pub(crate) fn each_weight(&self, kernels: &Kernels, mut visit: impl FnMut(usize, usize, usize)) {
        let (lanes, gate_width) = (kernels.lanes(), kernels.gate_width());
        for gate in 0..4 {
            for unit in 0..self.n_units {
                let (row, lane) = (gate * self.n_units + unit, gate * lanes + unit % lanes);
                let block = self.weights.start + unit / lanes * self.block(gate_width) + lane;
                for k in 0..self.n_inputs {
                    visit(0, row * self.n_inputs + k, block + k * gate_width);
                }
                for k in 0..self.n_units {
                    let inner = self.n_inputs + k;
                    visit(1, row * self.n_units + k, block + inner * gate_width);
                }
                visit(2, row, self.bias.start + unit / lanes * gate_width + lane);
            }
        }
    }

    /// Numbers of its transposed copies, which lie one behind the other.
    pub(crate) fn n_transposed(&self) -> usize {
        self.to_units.len() + self.to_inputs.len()
    }

    /// Rebuilds its transposed copies, which the way back multiplies by.
    pub(crate) fn transpose(&self, kernels: &Kernels, packed: &[f32], transposed: &mut [f32]) {
        let (lanes, gate_width) = (kernels.lanes(), kernels.gate_width());
        let back = self.n_blocks * gate_width;
        let (to_units, to_inputs) = transposed.split_at_mut(self.to_units.len());
        let fill = |to: &mut [f32], first_inner: usize, n: usize, width: usize| {
            for (at, vectors, first) in kernels.panels(back, width / lanes) {
                let panel = vectors * lanes;
                for block in 0..self.n_blocks {
                    let from = self.weights.start + block * self.block(gate_width);
                    let to = &mut to[at + block * gate_width * panel..][..gate_width * panel];
                    let n_outputs = panel.min(n - first);
                    let rows = &packed[from + (first_inner + first) * gate_width..];
                    turn(rows, gate_width, n_outputs, to, panel);
                }
            }
        };
        fill(to_units, self.n_inputs, self.n_units, self.width);
        if !to_inputs.is_empty() {
            fill(to_inputs, 0, self.n_inputs, self.input_width);
        }
    }

    /// Floats of one block of units.
    pub(crate) fn block(&self, gate_width: usize) -> usize {
        (self.n_inputs + self.n_units) * gate_width
    }
}

/// Rebuilds the transposed copy of a packed matrix of `taps` times `n_in` rows: panels of `in_width`, inner dimension
/// `taps · n_out`, the last tap first.
pub(crate) fn transpose(
    kernels: &Kernels,
    taps: usize,
    (n_in, in_width): (usize, usize),
    (n_out, width): (usize, usize),
    packed: &[f32],
    transposed: &mut [f32],
) {
    let lanes = kernels.lanes();
    for (at, vectors, first) in kernels.panels(taps * n_in, width / lanes) {
        let (panel, outputs) = (vectors * lanes, first..n_out.min(first + vectors * lanes));
        for (to_at, to_vectors, to_first) in kernels.panels(taps * n_out, in_width / lanes) {
            let to_panel = to_vectors * lanes;
            for tap in 0..taps {
                let rows = &packed[at + (tap * n_in + to_first) * panel..];
                let to = to_at + ((taps - 1 - tap) * n_out + first) * to_panel;
                let to = &mut transposed[to..][..outputs.len() * to_panel];
                turn(rows, panel, to_panel.min(n_in - to_first), to, to_panel);
            }
        }
    }
}

/// Parts of `transposed` of these lengths, one behind the other.
pub(crate) fn parts(mut transposed: &mut [f32], lens: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    lens.map(|len| transposed.split_off_mut(..len).expect("room for all was taken"))
        .collect()
}

/// Turns the first columns of `n_rows` rows of a matrix, `width` numbers each, into rows of `turned`, which are
/// `turned_width` wide: as many as it has.
fn turn(rows: &[f32], width: usize, n_rows: usize, turned: &mut [f32], turned_width: usize) {
    const TILE: usize = 4; // compilers make shuffles of it
    let whole = n_rows - n_rows % TILE;
    for first in (0..whole).step_by(TILE) {
        let tiles: [&[[f32; TILE]]; TILE] =
            std::array::from_fn(|at| rows[(first + at) * width..][..width].as_chunks().0);
        for (column, turned) in turned.chunks_exact_mut(TILE * turned_width).enumerate() {
            let tile: [[f32; TILE]; TILE] = std::array::from_fn(|at| tiles[at][column]);
            for (at, turned) in turned.chunks_exact_mut(turned_width).enumerate() {
                let column: [f32; TILE] = std::array::from_fn(|row| tile[row][at]);
                turned[first..first + TILE].copy_from_slice(&column);
            }
        }
    }
    let n_whole_columns = turned.len() / turned_width / TILE * TILE;
    for (column, turned) in turned.chunks_exact_mut(turned_width).enumerate() {
        let from = if column < n_whole_columns { whole } else { 0 };
        for row in from..n_rows {
            turned[row] = rows[row * width + column];
        }
    }
}

/// Where the head's numbers lie.
#[derive(Debug, Clone)]
pub(crate) struct HeadLayout {
    pub n_inputs: usize,
    pub n_outputs: usize,
    /// Outputs padded to whole registers.
    pub width: usize,
    /// Panels of `width`, inner dimension `n_inputs`.
    pub weights: Range<usize>,
    pub bias: Range<usize>,
    /// In the transposed weights: outputs → inputs.
    pub to_inputs: Range<usize>,
    pub input_width: usize,
}

/// The packed layout of a network for one table of kernels.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub kernels: &'static Kernels,
    /// Samples that enter.
    pub n_steps: usize,
    /// Samples answered for: the head reads the last layer's states after the last `n_answers` steps.
    pub n_answers: usize,
    pub layers: Vec<LstmLayout>,
    /// Layers before the bottleneck; all of them where there is no decoder.
    pub n_encoder: usize,
    pub head: HeadLayout,
    pub n_weights: usize,
    pub n_transposed: usize,
}

impl Layout {
    pub(crate) fn new(architecture: &Architecture, kernels: &'static Kernels) -> Self {
        let mut room = Room::new(kernels);
        let layers = architecture.layers().into_iter().enumerate();
        let layers =
            layers.map(|(idx, (n_inputs, n_units))| LstmLayout::new(&mut room, n_inputs, n_units, idx == 0));
        let layers: Vec<_> = layers.collect();
        let (n_inputs, n_outputs) = (architecture.n_last(), architecture.n_outputs());
        let (width, input_width) = (kernels.padded(n_outputs), kernels.padded(n_inputs));
        let head = HeadLayout {
            n_inputs,
            n_outputs,
            width,
            weights: room.weights(n_inputs * width),
            bias: room.weights(width),
            to_inputs: room.transposed(n_outputs * input_width),
            input_width,
        };
        Self {
            kernels,
            n_steps: architecture.n_seen(),
            n_answers: architecture.n_answers(),
            layers,
            n_encoder: architecture.encoder().len(),
            head,
            n_weights: room.n_weights,
            n_transposed: room.n_transposed,
        }
    }

    /// The [panels](Kernels::panels) of the head's weights.
    pub(crate) fn panels_of_head(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let n_vectors = self.head.width / self.kernels.lanes();
        self.kernels.panels(self.head.n_inputs, n_vectors)
    }

    /// Whether a second stack starts from the last state of the first.
    pub(crate) fn has_decoder(&self) -> bool {
        self.n_encoder < self.layers.len()
    }

    /// The answer that the head gives after `step`; the first ones of a forecaster have none.
    pub(crate) fn answer_at(&self, step: usize) -> Option<usize> {
        step.checked_sub(self.n_steps - self.n_answers)
    }

    /// # Panics
    /// Where the weights are of another architecture.
    pub(crate) fn pack(&self, weights: &Weights) -> Aligned {
        let lens = weights.tensors.iter().map(|tensor| tensor.values.len());
        assert!(lens.eq(self.tensor_lens()), "weights of another architecture");
        let mut packed = Aligned::zeroed(self.n_weights);
        self.each_weight(|tensor, at, to| packed[to] = weights.tensors[tensor].values[at]);
        packed
    }

    /// Lengths of the tensors of [`Weights`], in order.
    fn tensor_lens(&self) -> impl Iterator<Item = usize> {
        let lstm = self.layers.iter().flat_map(|layer| {
            let rows = 4 * layer.n_units;
            [rows * layer.n_inputs, rows * layer.n_units, rows]
        });
        lstm.chain([self.head.n_outputs * self.head.n_inputs, self.head.n_outputs])
    }

    pub(crate) fn unpack(&self, packed: &[f32], weights: &mut Weights) {
        let tensors = weights.tensors_mut();
        self.each_weight(|tensor, at, from| tensors[tensor].values[at] = packed[from]);
    }

    /// Calls `visit(tensor, position in it, position in the packed weights)` for every weight.
    fn each_weight(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let lanes = self.kernels.lanes();
        for (idx, layer) in self.layers.iter().enumerate() {
            layer.each_weight(self.kernels, |tensor, at, to| visit(3 * idx + tensor, at, to));
        }
        let head = &self.head;
        let (w, b) = (3 * self.layers.len(), 3 * self.layers.len() + 1);
        for (at, vectors, first) in self.panels_of_head() {
            let panel = vectors * lanes;
            for output in first..(first + panel).min(head.n_outputs) {
                for k in 0..head.n_inputs {
                    let to = head.weights.start + at + k * panel + output - first;
                    visit(w, output * head.n_inputs + k, to);
                }
                visit(b, output, head.bias.start + output);
            }
        }
    }

    /// Rebuilds the transposed copies that the way back multiplies by.
    pub(crate) fn transpose(&self, crew: &Crew, packed: &[f32], transposed: &mut [f32]) {
        let lens = self.layers.iter().map(|layer| layer.n_transposed());
        let parts = parts(transposed, lens.chain([self.head.to_inputs.len()]));
        crew.each(parts.into_iter().enumerate(), |(idx, part)| {
            let Some(layer) = self.layers.get(idx) else {
                let head = &self.head;
                let (inputs, outputs) = ((head.n_inputs, head.input_width), (head.n_outputs, head.width));
                return transpose(
                    self.kernels,
                    1,
                    inputs,
                    outputs,
                    &packed[head.weights.clone()],
                    part,
                );
            };
            layer.transpose(self.kernels, packed, part);
        });
    }
}
