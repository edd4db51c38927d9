//! The layers of a network, from the first to its head, on sequences `[steps, n_windows, width]`: time first, as ONNX wants
//! it of recurrent layers. What only training does (dropout, noise) is not there.

use super::draft::Draft;
use super::proto::{Attribute, Node};
use crate::network::architecture::Architecture;
use crate::network::layers::{LAYER_EPSILON, position_table, steps_before};
use crate::network::plan::{Plan, SeqShape};
use crate::network::spec::{Activation, Head, LayerKind, LayerSpec, NetworkSpec, Padding, Recurrent};
use crate::network::weights::{Tensor, Weights};

/// Where ONNX has the gates i, o, f, c of an LSTM among ours: i, f, g (c there), o.
const LSTM_GATES: [usize; 4] = [0, 3, 1, 2];

/// Where it has the gates z, r, h of a GRU among ours: r, z, n (h there).
const GRU_GATES: [usize; 3] = [1, 0, 2];

/// The network's answers, `[n_answers, n_windows, n_outputs]`, for its input `[n_seen, n_windows, n_inputs]`.
pub(super) fn network(
    draft: &mut Draft,
    architecture: &Architecture,
    weights: &Weights,
    input: &str,
) -> String {
    let of_stacks;
    let plan = if let Some(plan) = architecture.plan() {
        plan
    } else {
        of_stacks = stacks(architecture);
        &of_stacks
    };
    let n_layers = plan.spec().layers.len();
    // What enters, then what each layer gives.
    let mut given = vec![input.to_owned()];
    let mut tensors = weights.tensors();
    for idx in 0..n_layers {
        let (of_layer, others) = tensors.split_at(plan.tensors(idx).len());
        tensors = others;
        let layer = Layer {
            name: format!("layer.{idx}"),
            tensors: of_layer,
            x: plan.shapes()[idx],
            y: plan.shapes()[idx + 1],
        };
        let added = plan.added()[idx].map(|at| given[at].clone());
        let output = layer.write(
            draft,
            &plan.spec().layers[idx].kind,
            &given[idx],
            added.as_deref(),
        );
        given.push(output);
    }
    let head = Layer {
        name: "head".to_owned(),
        tensors,
        x: plan.last(),
        y: plan.answers(),
    };
    head.product(draft, "", &given[n_layers], plan.answers().width)
}

/// Stacks of LSTM layers as what they are: a list of layers.
fn stacks(architecture: &Architecture) -> Plan {
    let n_encoder = architecture.encoder().len();
    let mut kinds = Vec::new();
    for (idx, (_, units)) in architecture.layers().into_iter().enumerate() {
        if idx == n_encoder {
            kinds.push(LayerKind::Repeat);
        }
        kinds.push(LayerKind::Lstm(Recurrent {
            units,
            bidirectional: false,
            last: idx + 1 == n_encoder,
            recurrent_dropout: 0.0,
        }));
    }
    let spec = NetworkSpec {
        head: match architecture.decoder() {
            [] => Head::Forecast,
            _ => Head::Reconstruction,
        },
        layers: kinds
            .into_iter()
            .map(|kind| LayerSpec { name: None, kind })
            .collect(),
    };
    let (n_inputs, n_outputs) = (architecture.n_inputs(), architecture.n_outputs());
    Plan::infer(&spec, architecture.window_len(), n_inputs, n_outputs)
        .expect("a network whose weights are at hand has shapes that fit")
}

/// One layer, its tensors and its shapes.
struct Layer<'a> {
    name: String,
    tensors: &'a [Tensor],
    x: SeqShape,
    y: SeqShape,
}

impl Layer<'_> {
    /// Its operators; gives the name of its output. `added` is what a residual connection adds.
    fn write(&self, draft: &mut Draft, kind: &LayerKind, x: &str, added: Option<&str>) -> String {
        match kind {
            LayerKind::Lstm(rnn) => self.lstm(draft, *rnn, x),
            LayerKind::Gru(rnn) => self.gru(draft, *rnn, x),
            LayerKind::Dense { activation, .. } | LayerKind::Latent { activation, .. } => {
                let product = self.product(draft, "", x, self.y.width);
                self.activation(draft, *activation, product)
            }
            LayerKind::Variational { .. } => self.product(draft, "", x, self.y.width),
            LayerKind::Expand { activation, .. } => {
                let (steps, units) = (self.y.steps, self.y.width);
                let product = self.product(draft, "", x, steps * units);
                let by_step = self.reshape(draft, &product, "by_step", &[-1, steps as i64, units as i64]);
                let spread = self.transpose(draft, &by_step, "spread", &[1, 0, 2]);
                self.activation(draft, *activation, spread)
            }
            LayerKind::Conv(conv) => {
                let is_causal = conv.padding == Padding::Causal;
                let reach = (conv.kernel - 1) * conv.dilation;
                let before = steps_before(is_causal, conv.kernel, conv.dilation);
                let w = draft.floats(&self.at("W"), &self.tensors[0].shape, &self.tensors[0].values);
                let b = draft.floats(&self.at("B"), &self.tensors[1].shape, &self.tensors[1].values);
                let by_channel = self.transpose(draft, x, "by_channel", &[1, 2, 0]);
                let attributes = vec![
                    ("dilations", Attribute::Ints(vec![conv.dilation as i64])),
                    ("kernel_shape", Attribute::Ints(vec![conv.kernel as i64])),
                    (
                        "pads",
                        Attribute::Ints(vec![before as i64, (reach - before) as i64]),
                    ),
                ];
                let found = draft.node("Conv", &[&by_channel, &w, &b], &self.at("found"), attributes);
                let by_step = self.transpose(draft, &found, "by_step", &[2, 0, 1]);
                self.activation(draft, conv.activation, by_step)
            }
            LayerKind::BatchNorm => self.batch_norm(draft, x),
            LayerKind::LayerNorm => {
                let [w, b] = ["W", "B"].map(|name| self.at(name));
                draft.floats(&w, &self.tensors[0].shape, &self.tensors[0].values);
                draft.floats(&b, &self.tensors[1].shape, &self.tensors[1].values);
                let attributes = vec![
                    ("axis", Attribute::Int(-1)),
                    ("epsilon", Attribute::Float(LAYER_EPSILON)),
                ];
                draft.node("LayerNormalization", &[x, &w, &b], &self.at("normal"), attributes)
            }
            LayerKind::Dropout { .. } => x.to_owned(),
            LayerKind::Activation(activation) => self.activation(draft, *activation, x.to_owned()),
            LayerKind::Residual { .. } => {
                let added = added.expect("the plan says what is added");
                draft.node("Add", &[x, added], &self.at("sum"), Vec::new())
            }
            LayerKind::Attention { heads } => self.attention(draft, *heads, x),
            LayerKind::Position => {
                let (steps, width) = (self.x.steps, self.x.width);
                let table = position_table(self.x);
                let table = draft.floats(&self.at("table"), &[steps, 1, width], &table);
                draft.node("Add", &[x, &table], &self.at("placed"), Vec::new())
            }
            LayerKind::Last => {
                let from = draft.ints(&self.at("from"), &[self.x.steps - 1]);
                let to = draft.ints(&self.at("to"), &[self.x.steps]);
                let axis = draft.ints(&self.at("axis"), &[0]);
                draft.node("Slice", &[x, &from, &to, &axis], &self.at("last"), Vec::new())
            }
            LayerKind::Repeat => {
                let shape = draft.ints(&self.at("times"), &[self.y.steps, 1, self.y.width]);
                draft.node("Expand", &[x, &shape], &self.at("repeated"), Vec::new())
            }
            LayerKind::Flatten => {
                let by_window = self.transpose(draft, x, "by_window", &[1, 0, 2]);
                self.reshape(draft, &by_window, "flat", &[1, -1, self.y.width as i64])
            }
        }
    }

    fn at(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    fn transpose(&self, draft: &mut Draft, x: &str, output: &str, order: &[i64]) -> String {
        let order = vec![("perm", Attribute::Ints(order.to_vec()))];
        draft.node("Transpose", &[x], &self.at(output), order)
    }

    /// Other sides, of which 0 is as it was and -1 what is left.
    fn reshape(&self, draft: &mut Draft, x: &str, output: &str, sides: &[i64]) -> String {
        let output = self.at(output);
        let shape = draft.signed(&format!("{output}.shape"), sides);
        draft.node("Reshape", &[x, &shape], &output, Vec::new())
    }

    /// `x · wᵀ + b` of the tensors whose first is `w`, an empty prefix, or begins with it.
    fn product(&self, draft: &mut Draft, prefix: &str, x: &str, n_out: usize) -> String {
        let first = self
            .tensors
            .iter()
            .position(|tensor| prefix.is_empty() || tensor.name.ends_with(&format!(".{prefix}w")))
            .expect("the layer has that product");
        let [w, b] = &self.tensors[first..first + 2] else {
            unreachable!("a slice of two");
        };
        let n_in = w.values.len() / n_out;
        let transposed: Vec<f32> = (0..n_in)
            .flat_map(|input| (0..n_out).map(move |output| w.values[output * n_in + input]))
            .collect();
        let w = draft.floats(&self.at(&format!("{prefix}W")), &[n_in, n_out], &transposed);
        let b = draft.floats(&self.at(&format!("{prefix}B")), &[n_out], &b.values);
        let product = draft.node(
            "MatMul",
            &[x, &w],
            &self.at(&format!("{prefix}product")),
            Vec::new(),
        );
        draft.node(
            "Add",
            &[&product, &b],
            &self.at(&format!("{prefix}sum")),
            Vec::new(),
        )
    }

    fn activation(&self, draft: &mut Draft, of: Activation, x: String) -> String {
        let operator = match of {
            Activation::Linear => return x,
            Activation::Relu => "Relu",
            // Slope 0.01 and factor 1, where nothing else is said, here as there.
            Activation::LeakyRelu => "LeakyRelu",
            Activation::Elu => "Elu",
            Activation::Tanh => "Tanh",
            Activation::Sigmoid => "Sigmoid",
        };
        draft.node(operator, &[&x], &self.at("activated"), Vec::new())
    }

    /// What is learnt of means and variances is in the numbers: `(x − mean) · scale / √(variance + ε) + shift`.
    fn batch_norm(&self, draft: &mut Draft, x: &str) -> String {
        let [scale, shift, mean, variance] = self.tensors else {
            unreachable!("batch norm has four tensors");
        };
        let factors = scale.values.iter().zip(&variance.values);
        let factors: Vec<f32> = factors
            .map(|(scale, variance)| scale / (variance + LAYER_EPSILON).sqrt())
            .collect();
        let width = [self.x.width];
        let mean = draft.floats(&self.at("mean"), &width, &mean.values);
        let factors = draft.floats(&self.at("W"), &width, &factors);
        let shift = draft.floats(&self.at("B"), &width, &shift.values);
        let centred = draft.node("Sub", &[x, &mean], &self.at("centred"), Vec::new());
        let scaled = draft.node("Mul", &[&centred, &factors], &self.at("scaled"), Vec::new());
        draft.node("Add", &[&scaled, &shift], &self.at("normal"), Vec::new())
    }

    fn lstm(&self, draft: &mut Draft, rnn: Recurrent, x: &str) -> String {
        let by_gate = |tensor: &Tensor| by_gate(&tensor.values, &LSTM_GATES);
        let (mut w, mut r, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for direction in self.tensors.chunks_exact(3) {
            w.extend(by_gate(&direction[0]));
            r.extend(by_gate(&direction[1]));
            b.extend(by_gate(&direction[2]));
            // The operator has two biases per gate, of which only the sum matters.
            b.extend(vec![0.0; 4 * rnn.units]);
        }
        self.recurrent(draft, "LSTM", LSTM_GATES.len(), rnn, [w, r, b], x)
    }

    fn gru(&self, draft: &mut Draft, rnn: Recurrent, x: &str) -> String {
        let by_gate = |tensor: &Tensor| by_gate(&tensor.values, &GRU_GATES);
        let (mut w, mut r, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for direction in self.tensors.chunks_exact(4) {
            w.extend(by_gate(&direction[0]));
            r.extend(by_gate(&direction[2]));
            b.extend(by_gate(&direction[1]));
            b.extend(by_gate(&direction[3]));
        }
        self.recurrent(draft, "GRU", GRU_GATES.len(), rnn, [w, r, b], x)
    }

    /// A recurrent operator with its weights, recurrent weights and biases of each direction.
    fn recurrent(
        &self,
        draft: &mut Draft,
        operator: &'static str,
        n_gates: usize,
        rnn: Recurrent,
        [w, r, b]: [Vec<f32>; 3],
        x: &str,
    ) -> String {
        let (n, n_units) = (if rnn.bidirectional { 2 } else { 1 }, rnn.units);
        let w = draft.floats(&self.at("W"), &[n, n_gates * n_units, self.x.width], &w);
        let r = draft.floats(&self.at("R"), &[n, n_gates * n_units, n_units], &r);
        let b = draft.floats(&self.at("B"), &[n, 2 * n_gates * n_units], &b);
        let (all, last) = (self.at("all"), self.at("last"));
        let mut attributes = vec![("hidden_size", Attribute::Int(n_units as i64))];
        if rnn.bidirectional {
            attributes.push(("direction", Attribute::Text("bidirectional")));
        }
        if operator == "GRU" {
            // The reset gate is behind the product, as in PyTorch.
            attributes.push(("linear_before_reset", Attribute::Int(1)));
        }
        draft.nodes.push(Node {
            operator,
            inputs: vec![x.to_owned(), w, r, b],
            outputs: vec![all.clone(), last.clone()],
            attributes,
        });
        let width = self.y.width as i64;
        match (rnn.last, rnn.bidirectional) {
            // [1, n_windows, units] as it is.
            (true, false) => last,
            (true, true) => {
                let by_window = self.transpose(draft, &last, "by_window", &[1, 0, 2]);
                self.reshape(draft, &by_window, "both", &[1, -1, width])
            }
            (false, false) => draft.node("Squeeze", &[&all, "axis_1"], &self.at("states"), Vec::new()),
            (false, true) => {
                let by_window = self.transpose(draft, &all, "by_window", &[0, 2, 1, 3]);
                self.reshape(draft, &by_window, "both", &[0, 0, width])
            }
        }
    }

    /// `softmax(q kᵀ / √d) v` of each head, side by side, through the output product.
    fn attention(&self, draft: &mut Draft, heads: usize, x: &str) -> String {
        let width = self.x.width;
        let each = width / heads;
        let cut = |draft: &mut Draft, name: &str, order: &[i64]| {
            let product = self.product(draft, &format!("{name}_"), x, width);
            let by_head = format!("{name}_by_head");
            let by_head = self.reshape(draft, &product, &by_head, &[0, 0, heads as i64, each as i64]);
            self.transpose(draft, &by_head, name, order)
        };
        let q = cut(draft, "q", &[1, 2, 0, 3]);
        let k = cut(draft, "k", &[1, 2, 3, 0]);
        let v = cut(draft, "v", &[1, 2, 0, 3]);
        let alike = draft.node("MatMul", &[&q, &k], &self.at("alike"), Vec::new());
        let scale = draft.float(&self.at("scale"), 1.0 / (each as f32).sqrt());
        let scaled = draft.node("Mul", &[&alike, &scale], &self.at("scaled"), Vec::new());
        let axis = vec![("axis", Attribute::Int(-1))];
        let shares = draft.node("Softmax", &[&scaled], &self.at("shares"), axis);
        let said = draft.node("MatMul", &[&shares, &v], &self.at("said"), Vec::new());
        let by_step = self.transpose(draft, &said, "by_step", &[2, 0, 1, 3]);
        let joined = self.reshape(draft, &by_step, "joined", &[0, 0, width as i64]);
        self.product(draft, "out_", &joined, width)
    }
}

/// The rows of a matrix, or the cells of a vector, with the gates in ONNX's order.
fn by_gate(values: &[f32], gates: &[usize]) -> Vec<f32> {
    let per_gate = values.len() / gates.len();
    let gates = gates
        .iter()
        .map(|gate| &values[gate * per_gate..(gate + 1) * per_gate]);
    gates.flatten().copied().collect()
}
