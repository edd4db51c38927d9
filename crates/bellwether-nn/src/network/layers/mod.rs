//! Networks of any layers: each layer a file, a list of them the network, forward and backward through it.
//!
//! Speed comes from the kernels that the layers multiply with; what stands between is plain loops.

mod activation;
mod attention;
pub(crate) mod block;
mod conv;
mod dense;
mod gru;
mod latent;
mod lstm;
mod matrix;
mod norm;
mod plain;
mod recurrent;
mod sequence;

use self::attention::Attention;
use self::conv::Convolution;
pub(crate) use self::conv::steps_before;
use self::dense::{Dense, Expand};
use self::gru::GruCell;
use self::latent::Variational;
use self::lstm::LstmCell;
use self::matrix::Matrix;
pub(crate) use self::norm::EPSILON as LAYER_EPSILON;
use self::norm::{BatchNorm, LayerNorm};
pub(crate) use self::plain::position_table;
use self::plain::{Activate, Dropout, Flatten, Last, Position, Repeat};
use self::recurrent::{Cell, Recurrence, RecurrentDropout};
use self::sequence::Layer;
pub(crate) use self::sequence::Noise;
use super::plan::{Plan, SeqShape};
use super::spec::{Activation, LayerKind, Padding, Recurrent};
use super::weights::{LstmLayout, Room, parts};
use crate::crew::Crew;
use crate::kernels::Kernels;
use std::ops::Range;

/// Share of the statistics of batch norm that an update renews, as PyTorch.
const MOMENTUM: f32 = 0.1;

/// A network cut for one table of kernels: its layers, and where their numbers lie.
#[derive(Debug)]
pub(crate) struct Net {
    pub kernels: &'static Kernels,
    /// What enters, then what each layer gives.
    shapes: Vec<SeqShape>,
    answers: SeqShape,
    /// `None` where a layer adds what another has given.
    layers: Vec<Option<Box<dyn Layer>>>,
    /// Position in `shapes` of what a layer adds.
    added: Vec<Option<usize>>,
    head: Dense,
    /// Of each tensor in order.
    places: Vec<Place>,
    /// What is learnt; behind it the statistics.
    pub n_trained: usize,
    pub n_weights: usize,
    pub n_transposed: usize,
}

/// Where the numbers of one or more tensors lie.
#[derive(Debug)]
enum Place {
    /// Two tensors: matrix and bias.
    Matrix(Matrix),
    /// Three tensors: `w_ih`, `w_hh`, `b`.
    Lstm(LstmLayout),
    /// One tensor, as it is.
    Plain(Range<usize>),
    /// One tensor of statistics, as it is.
    Statistics(Range<usize>),
}

/// A network while it is cut.
struct Cutting {
    room: Room,
    n_statistics: usize,
    places: Vec<Place>,
}

impl Cutting {
    fn matrix(&mut self, n_in: usize, n_out: usize, taps: usize) -> Matrix {
        let matrix = Matrix::new(&mut self.room, n_in, n_out, taps);
        self.places.push(Place::Matrix(matrix.clone()));
        matrix
    }

    fn plain(&mut self, n: usize) -> Range<usize> {
        let start = self.room.weights(self.room.kernels.padded(n)).start;
        self.places.push(Place::Plain(start..start + n));
        start..start + n
    }

    fn statistics(&mut self, n: usize) -> Range<usize> {
        let start = self.n_statistics;
        self.n_statistics += n;
        self.places.push(Place::Statistics(start..start + n));
        start..start + n
    }

    fn recurrence(&mut self, x: SeqShape, rnn: &Recurrent, layer: usize, is_lstm: bool) -> Box<dyn Layer> {
        let n_units = rnn.units;
        let n_cells = if rnn.bidirectional { 2 } else { 1 };
        let cells = (0..n_cells).map(|_| {
            if is_lstm {
                let layout = LstmLayout::new(&mut self.room, x.width, n_units, false);
                self.places.push(Place::Lstm(layout.clone()));
                Cell::Lstm(LstmCell { layout })
            } else {
                Cell::Gru(GruCell {
                    input: self.matrix(x.width, 3 * n_units, 1),
                    hidden: self.matrix(n_units, 3 * n_units, 1),
                    n_units,
                })
            }
        });
        Box::new(Recurrence {
            cells: cells.collect(),
            n_units,
            is_last: rnn.last,
            dropout: RecurrentDropout {
                rate: rnn.recurrent_dropout,
                layer,
            },
            shape: x,
        })
    }

    /// The layer at `idx`, in the order of [`Plan::tensors`].
    fn layer(&mut self, plan: &Plan, idx: usize) -> Option<Box<dyn Layer>> {
        let (x, y) = (plan.shapes()[idx], plan.shapes()[idx + 1]);
        let kernels = self.room.kernels;
        let dense = |matrix, activation| Dense {
            matrix,
            activation,
            l1: 0.0,
            l2: 0.0,
        };
        Some(match &plan.spec().layers[idx].kind {
            LayerKind::Lstm(rnn) => self.recurrence(x, rnn, idx, true),
            LayerKind::Gru(rnn) => self.recurrence(x, rnn, idx, false),
            LayerKind::Dense { activation, .. } => {
                Box::new(dense(self.matrix(x.width, y.width, 1), *activation))
            }
            LayerKind::Latent {
                activation, l1, l2, ..
            } => Box::new(Dense {
                l1: *l1,
                l2: *l2,
                ..dense(self.matrix(x.width, y.width, 1), *activation)
            }),
            LayerKind::Expand { activation, .. } => Box::new(Expand {
                matrix: self.matrix(x.width, y.steps * y.width, 1),
                activation: *activation,
            }),
            LayerKind::Conv(conv) => {
                let is_causal = conv.padding == Padding::Causal;
                Box::new(Convolution {
                    matrix: self.matrix(x.width, y.width, conv.kernel),
                    dilation: conv.dilation,
                    before: conv::steps_before(is_causal, conv.kernel, conv.dilation),
                    activation: conv.activation,
                    steps: x.steps,
                    x_stride: conv::stride_of(x, idx == 0, kernels.padded(x.width)),
                })
            }
            LayerKind::BatchNorm => Box::new(BatchNorm {
                width: x.width,
                scale: self.plain(x.width),
                shift: self.plain(x.width),
                mean: self.statistics(x.width),
                variance: self.statistics(x.width),
            }),
            LayerKind::LayerNorm => Box::new(LayerNorm {
                scale: self.plain(x.width),
                shift: self.plain(x.width),
            }),
            LayerKind::Dropout { rate } => Box::new(Dropout {
                rate: *rate,
                layer: idx,
                shape: x,
            }),
            LayerKind::Activation(activation) => Box::new(Activate(*activation)),
            LayerKind::Residual { .. } => return None,
            LayerKind::Attention { heads } => Box::new(Attention {
                q: self.matrix(x.width, x.width, 1),
                k: self.matrix(x.width, x.width, 1),
                v: self.matrix(x.width, x.width, 1),
                out: self.matrix(x.width, x.width, 1),
                heads: *heads,
                shape: x,
            }),
            LayerKind::Position => Box::new(Position::new(x)),
            LayerKind::Last => Box::new(Last),
            LayerKind::Repeat => Box::new(Repeat),
            LayerKind::Flatten => Box::new(Flatten),
            LayerKind::Variational { kl, .. } => Box::new(Variational {
                mean: self.matrix(x.width, y.width, 1),
                log_variance: self.matrix(x.width, y.width, 1),
                kl: *kl,
                layer: idx,
                shape: y,
            }),
        })
    }
}

impl Net {
    pub(crate) fn new(plan: &Plan, kernels: &'static Kernels) -> Self {
        let mut cutting = Cutting {
            room: Room::new(kernels),
            n_statistics: 0,
            places: Vec::new(),
        };
        let n_layers = plan.spec().layers.len();
        let layers = (0..n_layers).map(|idx| cutting.layer(plan, idx)).collect();
        let head = Dense {
            matrix: cutting.matrix(plan.last().width, plan.answers().width, 1),
            activation: Activation::Linear,
            l1: 0.0,
            l2: 0.0,
        };
        let n_trained = cutting.room.n_weights;
        Self {
            kernels,
            shapes: plan.shapes().to_vec(),
            answers: plan.answers(),
            layers,
            added: plan.added().to_vec(),
            head,
            places: cutting.places,
            n_trained,
            n_weights: n_trained + kernels.padded(cutting.n_statistics),
            n_transposed: cutting.room.n_transposed,
        }
    }

    /// Values that a window answers for.
    fn cells(&self) -> usize {
        self.answers.steps * self.answers.width
    }

    /// Outputs of an answer.
    pub(crate) fn n_outputs(&self) -> usize {
        self.answers.width
    }

    /// Calls `visit(tensor, position in it, position in the weights)` for every weight.
    pub(crate) fn each_weight(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let mut first = 0;
        for place in &self.places {
            match place {
                Place::Matrix(matrix) => {
                    matrix.each_weight(self.kernels, |tensor, at, to| visit(first + tensor, at, to));
                    first += 2;
                }
                Place::Lstm(layout) => {
                    layout.each_weight(self.kernels, |tensor, at, to| visit(first + tensor, at, to));
                    first += 3;
                }
                Place::Plain(range) => {
                    range
                        .clone()
                        .enumerate()
                        .for_each(|(at, to)| visit(first, at, to));
                    first += 1;
                }
                Place::Statistics(range) => {
                    let range = range.clone().enumerate();
                    range.for_each(|(at, to)| visit(first, at, self.n_trained + to));
                    first += 1;
                }
            }
        }
    }

    /// Rebuilds the copies for the way back.
    pub(crate) fn transpose(&self, crew: &Crew, weights: &[f32], transposed: &mut [f32]) {
        let lens = self.places.iter().map(|place| match place {
            Place::Matrix(matrix) => matrix.n_transposed(),
            Place::Lstm(layout) => layout.n_transposed(),
            Place::Plain(_) | Place::Statistics(_) => 0,
        });
        let parts = self.places.iter().zip(parts(transposed, lens));
        crew.each(parts, |(place, part)| match place {
            Place::Matrix(matrix) => matrix.transpose(self.kernels, weights, part),
            Place::Lstm(layout) => layout.transpose(self.kernels, weights, part),
            Place::Plain(_) | Place::Statistics(_) => {}
        });
    }

    /// Takes what the blocks of a mini-batch of `n_windows` have found into the statistics: `found` are sums over windows.
    pub(crate) fn renew_statistics(&self, weights: &mut [f32], found: &[f32], n_windows: usize) {
        let found = &found[self.n_trained..];
        for (weight, found) in weights[self.n_trained..].iter_mut().zip(found) {
            *weight += MOMENTUM * (found / n_windows as f32 - *weight);
        }
    }
}
