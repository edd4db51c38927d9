//! What a network is made of, layer by layer, as people say it.

use bellwether_core::model::Answers;

/// What a network has to say of a window of `len` samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// It sees all samples and rebuilds each.
    Reconstruction,
    /// It sees all samples but the last and foresees that one.
    Forecast,
    /// It sees all samples but the last, rebuilds these and foresees that one: one answer per sample (AER, Wong and others 2022).
    Both {
        /// What the foreseen sample counts in loss and error, beside the rebuilt ones together: within 0 and 1.
        forecast_weight: f64,
    },
}

impl Head {
    /// Which samples of a window it answers for.
    pub fn answers(self) -> Answers {
        match self {
            Self::Reconstruction | Self::Both { .. } => Answers::Window,
            Self::Forecast => Answers::LastRow,
        }
    }

    /// Samples of a window of `window_len` that enter.
    pub fn n_seen(self, window_len: usize) -> usize {
        match self {
            Self::Reconstruction => window_len,
            Self::Forecast | Self::Both { .. } => window_len.saturating_sub(1),
        }
    }

    /// Samples of a window of `window_len` that it answers for.
    pub fn n_answers(self, window_len: usize) -> usize {
        match self {
            Self::Reconstruction | Self::Both { .. } => window_len,
            Self::Forecast => 1,
        }
    }

    /// What an answer counts, so that the mean over a window's answers is 1.
    pub(crate) fn weight(self, answer: usize, window_len: usize) -> f64 {
        match self {
            Self::Reconstruction | Self::Forecast => 1.0,
            Self::Both { forecast_weight } => {
                let n = window_len as f64;
                if answer + 1 == window_len {
                    forecast_weight * n
                } else {
                    (1.0 - forecast_weight) * n / (n - 1.0)
                }
            }
        }
    }
}

/// A network: layers from the first to the last, and a linear head over them.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    /// What it answers.
    pub head: Head,
    /// Its layers in order; each reads what the one before gives.
    pub layers: Vec<LayerSpec>,
}

/// A layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// A name, where a layer further on is to add what this one gives.
    pub name: Option<String>,
    /// What it does.
    pub kind: LayerKind,
}

/// What a layer does to a sequence `[steps, width]`.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerKind {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997), as `torch.nn.LSTM` with one bias per gate.
    Lstm(Recurrent),
    /// Gated recurrent units (Cho and others 2014), as `torch.nn.GRU`.
    Gru(Recurrent),
    /// A product per step: `[steps, n]` → `[steps, units]`.
    Dense {
        /// Outputs per step.
        units: usize,
        /// What is made of them.
        activation: Activation,
    },
    /// A convolution over time that keeps the number of steps: `[steps, n]` → `[steps, units]`, as `torch.nn.Conv1d`.
    Conv(Conv),
    /// Each width to mean 0 and variance 1 over the windows and steps of a block of up to 16 windows in training (ghost batch
    /// normalisation, Hoffer and others 2017), over what all blocks had in scoring; then scaled and shifted.
    BatchNorm,
    /// Each step to mean 0 and variance 1 over its width, then scaled and shifted (Ba and others 2016).
    LayerNorm,
    /// In training, this share of the values is set to zero and the others are scaled up; in scoring nothing.
    Dropout {
        /// Within 0 and 1.
        rate: f64,
    },
    /// A function of each value.
    Activation(Activation),
    /// Adds what the layer of that name has given; widths and steps must agree.
    Residual {
        /// The name of a layer above, or `input`.
        from: String,
    },
    /// Self-attention over all steps with an output product (Vaswani and others 2017), as `torch.nn.MultiheadAttention`.
    Attention {
        /// Parts that the width is cut into.
        heads: usize,
    },
    /// Adds sines of the position to each step (Vaswani and others 2017, section 3.5).
    Position,
    /// The last step alone: `[steps, n]` → `[1, n]`.
    Last,
    /// One step as often as there are samples to answer for: `[1, n]` → `[answers, n]`.
    Repeat,
    /// All steps side by side: `[steps, n]` → `[1, steps · n]`.
    Flatten,
    /// A product with weights of its own for each sample to answer for: `[1, n]` → `[answers, units]`.
    Expand {
        /// Outputs per step.
        units: usize,
        /// What is made of them.
        activation: Activation,
    },
    /// The bottleneck: a product per step whose outputs may be pressed towards zero.
    Latent {
        /// Outputs per step.
        units: usize,
        /// What is made of them.
        activation: Activation,
        /// Loss per window and absolute value.
        l1: f64,
        /// Loss per window and square.
        l2: f64,
    },
    /// A bottleneck of normal distributions (Kingma and Welling 2014): drawn from in training, their means in scoring.
    Variational {
        /// Numbers per step.
        units: usize,
        /// Weight of the divergence from the standard normal distribution, per window.
        kl: f64,
    },
}

/// Settings of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recurrent {
    /// Units, of each direction.
    pub units: usize,
    /// A second stack of units reads the steps from the last to the first; outputs stand side by side.
    pub bidirectional: bool,
    /// Gives the final state alone, `[1, n]`, instead of the states after all steps.
    pub last: bool,
    /// In training, this share of what a unit hears of the step before is zero, the same units at all steps (Gal and Ghahramani 2016).
    pub recurrent_dropout: f64,
}

/// Settings of a convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conv {
    /// Outputs per step.
    pub units: usize,
    /// Steps that an output sees.
    pub kernel: usize,
    /// Distance between them.
    pub dilation: usize,
    /// Which steps those are.
    pub padding: Padding,
    /// What is made of the outputs.
    pub activation: Activation,
}

/// Where the steps lie that an output of a convolution sees; beyond the ends there are zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The step itself and steps before it.
    Causal,
    /// Steps on both sides.
    Same,
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x
    Linear,
    /// max(0, x)
    Relu,
    /// x above zero, else 0.01 x
    LeakyRelu,
    /// x above zero, else e^x − 1
    Elu,
    /// tanh x
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
}

impl Activation {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Linear,
        Self::Relu,
        Self::LeakyRelu,
        Self::Elu,
        Self::Tanh,
        Self::Sigmoid,
    ];

    /// As in a specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky-relu",
            Self::Elu => "elu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}

impl LayerKind {
    /// As in a specification.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
            Self::Dense { .. } => "dense",
            Self::Conv(_) => "conv",
            Self::BatchNorm => "batch-norm",
            Self::LayerNorm => "layer-norm",
            Self::Dropout { .. } => "dropout",
            Self::Activation(_) => "activation",
            Self::Residual { .. } => "residual",
            Self::Attention { .. } => "attention",
            Self::Position => "position",
            Self::Last => "last",
            Self::Repeat => "repeat",
            Self::Flatten => "flatten",
            Self::Expand { .. } => "expand",
            Self::Latent { .. } => "latent",
            Self::Variational { .. } => "variational",
        }
    }
}

impl NetworkSpec {
    /// Sizes of encoder and decoder, where it is no more than LSTM layers, a bottleneck that is repeated, and LSTM layers: or
    /// of a forecaster, whose decoder is empty. Such a network is an [`super::architecture::Architecture`] of stacks.
    pub fn as_stacks(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        let (mut encoder, mut decoder) = (Vec::new(), Vec::new());
        let mut is_repeated = false;
        let mut is_last = false;
        for layer in &self.layers {
            match &layer.kind {
                LayerKind::Lstm(of) if !of.bidirectional && of.recurrent_dropout <= 0.0 => {
                    if is_last != is_repeated || (is_repeated && of.last) {
                        return None;
                    }
                    if is_repeated {
                        decoder.push(of.units);
                    } else {
                        encoder.push(of.units);
                        is_last = of.last;
                    }
                }
                LayerKind::Repeat if is_last && !is_repeated => is_repeated = true,
                _ => return None,
            }
        }
        match self.head {
            Head::Reconstruction => (!decoder.is_empty()).then_some((encoder, decoder)),
            Head::Forecast => (is_last && !is_repeated).then_some((encoder, decoder)),
            Head::Both { .. } => None,
        }
    }
}
