//! A network as a graph of ONNX operators: what `framing` and `network` compute, operator by operator.

use super::draft::Draft;
use super::layers;
use super::proto::{Attribute, Element, Graph, Port, Size};
use crate::framing::{DEVIATION_MAX, Framing, LEVEL_RANGE};
use crate::network::architecture::Architecture;
use crate::network::spec::Head;
use crate::network::weights::Weights;

/// The graph of a network.
pub(super) fn graph(architecture: &Architecture, framing: &Framing, weights: &Weights) -> Graph {
    let mut draft = Draft::default();
    draft.ints("axis_1", &[1]);
    let seen = seen(&mut draft, architecture, framing);
    let input = input(&mut draft, framing, &seen);
    let answers = layers::network(&mut draft, architecture, weights, &input);
    let order = vec![("perm", Attribute::Ints(vec![1, 0, 2]))];
    let output = draft.node("Transpose", &[&answers], "output", order);
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
        name: match architecture.head() {
            _ if architecture.spec().is_some() => "network",
            Head::Forecast => "lstm-forecast",
            Head::Reconstruction | Head::Both { .. } => "lstm-ae",
        }
        .to_owned(),
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

/// Puts the answers on what they are measured from, and among the channels of the window.
fn answer(draft: &mut Draft, architecture: &Architecture, framing: &Framing, seen: &Seen, output: &str) {
    let double = draft.cast(output, "output.double", Element::Double);
    let n_seen = architecture.n_seen();
    let origins = match architecture.head() {
        Head::Reconstruction => seen.means.clone(),
        Head::Forecast => draft.samples(&seen.values, "before", n_seen - 1, n_seen),
        Head::Both { .. } => {
            let before = draft.samples(&seen.values, "before", n_seen - 1, n_seen);
            let times = draft.ints("times_seen", &[1, n_seen, 1]);
            let of_seen = draft.node("Expand", &[&seen.means, &times], "means_seen", Vec::new());
            let axis = vec![("axis", Attribute::Int(1))];
            draft.node("Concat", &[&of_seen, &before], "origins", axis)
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
