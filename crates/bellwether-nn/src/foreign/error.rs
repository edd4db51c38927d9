//! Why a file of weights is refused.

/// Why the weights of another program are not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// Not a safetensors file, or a damaged one.
    #[error("the weights are not a sound safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// The architecture is more than stacks of LSTM layers.
    #[error(
        "only networks of LSTM layers take weights of other programs: give sizes such as --architecture 64-16/64"
    )]
    Layers,
    /// Numbers of another type.
    #[error("the tensor {name} is {got}: save it as float32 or float64")]
    Type {
        /// Its name.
        name: String,
        /// Its type.
        got: String,
    },
    /// A weight is infinite or not a number.
    #[error("the tensor {name} holds a number that is not finite")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// Tensors that no LSTM layer and no dense layer has.
    #[error(
        "{names}: no tensor of an LSTM layer in one direction or of a dense layer; leave out what else the model has"
    )]
    Others {
        /// Their names.
        names: String,
    },
    /// There is no LSTM layer.
    #[error(
        "there is no LSTM layer: wanted weight_ih_l0 and weight_hh_l0 of PyTorch, or kernel and recurrent_kernel of Keras"
    )]
    NoLstm,
    /// There is not one dense layer.
    #[error("wanted one dense layer, the head that gives the answers; there are: {}", if names.is_empty() { "none" } else { names })]
    Denses {
        /// Their names.
        names: String,
    },
    /// A layer lacks a tensor.
    #[error("the layer {layer} has no {what}")]
    Incomplete {
        /// Its name.
        layer: String,
        /// What is missing.
        what: &'static str,
    },
    /// A tensor of a shape that cannot be.
    #[error("the tensor {name} has the shape {got:?}, wanted {want}")]
    Tensor {
        /// Its name.
        name: String,
        /// Its shape.
        got: Vec<usize>,
        /// The shape wanted.
        want: String,
    },
    /// A GRU.
    #[error("the tensor {name} has three gates for each unit: that is a GRU, and only LSTM layers are taken")]
    Gru {
        /// Its name.
        name: String,
    },
    /// Another number of layers.
    #[error(
        "the architecture has {want} LSTM layers, the file {n}: {got}; give the sizes of the file as --architecture"
    )]
    Count {
        /// Layers wanted.
        want: usize,
        /// Layers found,
        n: usize,
        /// and which, in order.
        got: String,
    },
    /// A layer of another size.
    #[error(
        "LSTM layer {layer} of the file is {got}, the architecture wants {n_units} units that read {n_inputs}; layers are taken \
         in the order of their names, those with `enc` first and those with `dec` last"
    )]
    Shape {
        /// Its place, from 1.
        layer: usize,
        /// What it is.
        got: String,
        /// Units wanted.
        n_units: usize,
        /// Inputs wanted.
        n_inputs: usize,
    },
    /// A head of another size.
    #[error(
        "the dense layer {name} makes {n_outputs} outputs of {n_inputs}, the architecture wants {want_outputs} of {want_inputs}"
    )]
    Head {
        /// Its name.
        name: String,
        /// Its outputs.
        n_outputs: usize,
        /// Its inputs.
        n_inputs: usize,
        /// Outputs wanted.
        want_outputs: usize,
        /// Inputs wanted.
        want_inputs: usize,
    },
}
