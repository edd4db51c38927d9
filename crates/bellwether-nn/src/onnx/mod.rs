//! Networks as ONNX files that other runtimes read: the whole of a [`bellwether_core::model::Model`], framing included.
//!
//! A file takes what a model is given and answers what it answers:
//!
//! | name | type | shape | meaning |
//! |---|---|---|---|
//! | `window` (in) | double | `[n_windows, window_len, n_channels]` | prepared values, as the pipeline gives them; missing ones filled |
//! | `observed` (in) | bool | the same | whether a value was measured, not filled |
//! | `expected` (out) | double | `[n_windows, n_answers, n_channels]` | what the network expects, in the same units |
//!
//! An autoencoder answers for all samples of a window, a forecaster for the last; a sample that is foreseen is in the window
//! and not looked at. Channels that the network does not read are expected to be zero. Opset 17 without extensions; the
//! levels are in double precision as in bellwether, the network in single precision.
//!
//! What a model is off by is counted as the note `bellwether.answer_weights` says, a number for each answer: the error of a value
//! is that times the square of what it differs from `expected`, 0 where it was not observed. The weights are 1 but for networks
//! that rebuild and foresee.

mod draft;
mod graph;
mod layers;
mod proto;

use crate::framing::Framing;
use crate::network::architecture::Architecture;
use crate::network::weights::Weights;

/// The file of a network, with notes of the caller's (`metadata_props`): keys and values. Equal networks and notes give
/// equal bytes.
///
/// # Panics
/// Where architecture, framing and weights do not belong together.
pub fn to_onnx(
    architecture: &Architecture,
    framing: &Framing,
    weights: &Weights,
    notes: &[(&str, &str)],
) -> Vec<u8> {
    assert_eq!(
        (architecture.n_inputs(), architecture.n_outputs()),
        (framing.n_inputs(), framing.n_outputs()),
        "the network is cut for this framing"
    );
    let graph = graph::graph(architecture, framing, weights);
    let head = architecture.head();
    let counts = (0..architecture.n_answers()).map(|answer| head.weight(answer, architecture.window_len()));
    let counts = counts
        .map(|weight| weight.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let own = [("bellwether.answer_weights", counts.as_str())];
    proto::model(&graph, &[&own, notes].concat())
}
