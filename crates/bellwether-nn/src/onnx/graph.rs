//! A network as a graph of ONNX operators: what `framing` and `network` compute, operator by operator.

use bellwether_core::model::Answers;

use super::proto::{Attribute, Constant, Element, Graph, Node, Port, Size};
use crate::framing::{DEVIATION_MAX, Framing, LEVEL_RANGE};
use crate::network::architecture::Architecture;
use crate::network::weights::{Tensor, Weights};

/// Where ONNX has the gates i, o, f, c among ours: i, f, g (c there), o.
const GATES: [usize; 4] = [0, 3, 1, 2];

/// A graph under way.
#[derive(Default)]
struct Draft {
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

impl Draft {
    /// Adds an operation with one output, and gives its name.
    fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        self.nodes.push(Node {
            operator,
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec![output.to_owned()],
            attributes,
        });
        output.to_owned()
    }

    fn constant(&mut self, name: &str, element: Element, shape: &[usize], bytes: Vec<u8>) -> String {
        self.constants.push(Constant {
            name: name.to_owned(),
            element,
            shape: shape.to_vec(),
            bytes,
        });
        name.to_owned()
    }

    /// Whole numbers, `[n]`.
    fn ints(&mut self, name: &str, values: &[usize]) -> String {
        let bytes = values
            .iter()
            .flat_map(|value| (*value as i64).to_le_bytes())
            .collect();
        self.constant(name, Element::Int64, &[values.len()], bytes)
    }

    /// One number.
    fn double(&mut self, name: &str, value: f64) -> String {
        self.constant(name, Element::Double, &[], value.to_le_bytes().to_vec())
    }

    fn float(&mut self, name: &str, value: f32) -> String {
        self.constant(name, Element::Float, &[], value.to_le_bytes().to_vec())
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::Float, shape, bytes)
    }

    fn cast(&mut self, input: &str, output: &str, to: Element) -> String {
        self.node("Cast", &[input], output, vec![("to", Attribute::Int(to as i64))])
    }

    /// Samples `from..to` of `[n_windows, len, n]`.
    fn samples(&mut self, input: &str, output: &str, from: usize, to: usize) -> String {
        let (from, to) = (
            self.ints(&format!("{output}.from"), &[from]),
            self.ints(&format!("{output}.to"), &[to]),
        );
        self.node("Slice", &[input, &from, &to, "axis_1"], output, Vec::new())
    }
}

/// The graph of a network.
pub(super) fn graph(architecture: &Architecture, framing: &Framing, weights: &Weights) -> Graph {
    let mut draft = Draft::default();
    draft.ints("axis_1", &[1]);
    let seen = seen(&mut draft, architecture, framing);
    let input = input(&mut draft, framing, &seen);
    let output = network(&mut draft, architecture, weights, &input);
    answer(&mut draft, architecture, framing, &seen, &output);
    let size = |len: usize| {
        vec![
            Size::Named("n_windows"),
            Size::Known(len),
            Size::Known(framing.n_channels()),
        ]
    };
    let port = |name, element, len| Port {
        name,
        element,
        shape: size(len),
    };
    Graph {
        name: match architecture.answers() {
            Answers::Window => "lstm-ae".to_owned(),
            Answers::LastRow => "lstm-forecast".to_owned(),
        },
        nodes: draft.nodes,
        constants: draft.constants,
        inputs: vec![
            port("window", Element::Double, architecture.window_len()),
            port("observed", Element::Bool, architecture.window_len()),
        ],
        outputs: vec![port("expected", Element::Double, architecture.n_answers())],
    }
}

/// What the network sees of a window before it is cut to it.
struct Seen {
    /// `[n_windows, n_seen, n_active]`
    values: String,
    /// Of the observed values of each channel; of all where none is: `[n_windows, 1, n_active]`.
    means: String,
}

fn seen(draft: &mut Draft, architecture: &Architecture, framing: &Framing) -> Seen {
    let n_seen = architecture.n_seen();
    let active = draft.ints("active", framing.active());
    let mut cut = |input: &str, output: &str| {
        let rows = draft.samples(input, &format!("{output}.seen"), 0, n_seen);
        let axis = vec![("axis", Attribute::Int(2))];
        draft.node("Gather", &[&rows, &active], output, axis)
    };
    let values = cut("window", "values");
    let is_observed = cut("observed", "is_observed");
    let marks = draft.cast(&is_observed, "marks", Element::Double);
    let sum = |draft: &mut Draft, input: &str, output: &str| {
        draft.node("ReduceSum", &[input, "axis_1"], output, Vec::new())
    };
    let observed = draft.node("Mul", &[&values, &marks], "observed_values", Vec::new());
    let sum_observed = sum(draft, &observed, "sum_observed");
    let n_observed = sum(draft, &marks, "n_observed");
    let sum_all = sum(draft, &values, "sum_all");
    let (zero, one, n_all) = (
        draft.double("zero", 0.0),
        draft.double("one", 1.0),
        draft.double("n_seen", n_seen as f64),
    );
    let divisor = draft.node("Max", &[&n_observed, &one], "divisor", Vec::new());
    let of_observed = draft.node("Div", &[&sum_observed, &divisor], "mean_observed", Vec::new());
    let of_all = draft.node("Div", &[&sum_all, &n_all], "mean_all", Vec::new());
    let has_any = draft.node("Greater", &[&n_observed, &zero], "has_observed", Vec::new());
    let means = draft.node("Where", &[&has_any, &of_observed, &of_all], "means", Vec::new());
    Seen { values, means }
}

/// The network's input, `[n_seen, n_windows, n_inputs]`: time first, as the LSTM operator wants it.
fn input(draft: &mut Draft, framing: &Framing, seen: &Seen) -> String {
    let clipped = |draft: &mut Draft, input: &str, output: &str, low: f32, high: f32| {
        let single = draft.cast(input, &format!("{output}.single"), Element::Float);
        let low = draft.float(&format!("{output}.min"), low);
        let high = draft.float(&format!("{output}.max"), high);
        draft.node("Clip", &[&single, &low, &high], output, Vec::new())
    };
    let centred = draft.node("Sub", &[&seen.values, &seen.means], "centred", Vec::new());
    let deviation = clipped(draft, &centred, "deviation", -DEVIATION_MAX, DEVIATION_MAX);
    let sample = if framing.with_level() {
        let level = clipped(draft, &seen.values, "level", LEVEL_RANGE.0, LEVEL_RANGE.1);
        let axis = vec![("axis", Attribute::Int(2))];
        draft.node("Concat", &[&level, &deviation], "sample", axis)
    } else {
        deviation
    };
    let order = vec![("perm", Attribute::Ints(vec![1, 0, 2]))];
    draft.node("Transpose", &[&sample], "input", order)
}

/// The network's output, `[n_windows, n_answers, n_outputs]`.
fn network(draft: &mut Draft, architecture: &Architecture, weights: &Weights, input: &str) -> String {
    let n_encoder = architecture.encoder().len();
    let layers = architecture.layers();
    let mut states = input.to_owned();
    for (idx, (n_inputs, n_units)) in layers.iter().enumerate() {
        let name = format!("layer.{idx}");
        let [w_ih, w_hh, bias] = &weights.tensors()[3 * idx..3 * idx + 3] else {
            unreachable!("a slice of three");
        };
        let w = draft.floats(
            &format!("{name}.W"),
            &[1, 4 * n_units, *n_inputs],
            &by_gate(w_ih, *n_units),
        );
        let r = draft.floats(
            &format!("{name}.R"),
            &[1, 4 * n_units, *n_units],
            &by_gate(w_hh, *n_units),
        );
        // The operator has two biases per gate, of which only the sum matters.
        let mut biases = by_gate(bias, *n_units);
        biases.resize(8 * n_units, 0.0);
        let b = draft.floats(&format!("{name}.B"), &[1, 8 * n_units], &biases);
        let (all, last) = (format!("{name}.all"), format!("{name}.last"));
        draft.nodes.push(Node {
            operator: "LSTM",
            inputs: vec![states, w, r, b],
            outputs: vec![all.clone(), last.clone()],
            attributes: vec![("hidden_size", Attribute::Int(*n_units as i64))],
        });
        states = if idx + 1 != n_encoder {
            draft.node(
                "Squeeze",
                &[&all, "axis_1"],
                &format!("{name}.states"),
                Vec::new(),
            )
        } else if architecture.answers() == Answers::LastRow {
            last
        } else {
            // The bottleneck, once for each sample.
            let shape = draft.ints("times", &[architecture.n_seen(), 1, *n_units]);
            draft.node("Expand", &[&last, &shape], "bottleneck", Vec::new())
        };
    }
    let [head, bias] = &weights.tensors()[3 * layers.len()..] else {
        unreachable!("after the layers come the weights and the bias of the head");
    };
    let (n_outputs, n_last) = (architecture.n_outputs(), architecture.n_last());
    let transposed: Vec<f32> = (0..n_last)
        .flat_map(|unit| (0..n_outputs).map(move |output| head.values[output * n_last + unit]))
        .collect();
    let head = draft.floats("head.W", &[n_last, n_outputs], &transposed);
    let bias = draft.floats("head.B", &[n_outputs], &bias.values);
    let product = draft.node("MatMul", &[&states, &head], "head", Vec::new());
    let answers = draft.node("Add", &[&product, &bias], "answers", Vec::new());
    let order = vec![("perm", Attribute::Ints(vec![1, 0, 2]))];
    draft.node("Transpose", &[&answers], "output", order)
}

/// The rows of a matrix, or the cells of a vector, with the gates in ONNX's order.
fn by_gate(tensor: &Tensor, n_units: usize) -> Vec<f32> {
    let per_gate = tensor.values.len() / 4;
    debug_assert_eq!(per_gate % n_units, 0, "gates have whole rows");
    let gates = GATES
        .iter()
        .map(|gate| &tensor.values[gate * per_gate..(gate + 1) * per_gate]);
    gates.flatten().copied().collect()
}

/// Puts the answers on what they are measured from, and among the channels of the window.
fn answer(draft: &mut Draft, architecture: &Architecture, framing: &Framing, seen: &Seen, output: &str) {
    let double = draft.cast(output, "output.double", Element::Double);
    let origins = match architecture.answers() {
        Answers::Window => seen.means.clone(),
        Answers::LastRow => {
            let n_seen = architecture.n_seen();
            draft.samples(&seen.values, "before", n_seen - 1, n_seen)
        }
    };
    let (n_active, n_channels) = (framing.active().len(), framing.n_channels());
    if n_active == n_channels {
        draft.node("Add", &[&origins, &double], "expected", Vec::new());
        return;
    }
    let of_active = draft.node("Add", &[&origins, &double], "of_active", Vec::new());
    // One column of zeros behind the others, for all channels that are not read.
    let pads = draft.ints("pads", &[0, 0, 0, 0, 0, 1]);
    let padded = draft.node("Pad", &[&of_active, &pads], "padded", Vec::new());
    let column = |channel: usize| framing.active().iter().position(|active| *active == channel);
    let columns: Vec<usize> = (0..n_channels)
        .map(|channel| column(channel).unwrap_or(n_active))
        .collect();
    let columns = draft.ints("columns", &columns);
    let axis = vec![("axis", Attribute::Int(2))];
    draft.node("Gather", &[&padded, &columns], "expected", axis);
}
