//! The shape of a network: an LSTM autoencoder or an LSTM forecaster.

use std::fmt;

use bellwether_core::model::Answers;

/// Most units of a layer, most samples of a window, most inputs: beyond these a typing error is likelier than a wish.
const SIZE_MAX: usize = 4096;

/// An LSTM autoencoder: encoder stack → last hidden state, repeated → decoder stack → linear head per sample.
/// Or a forecaster, which has no decoder: encoder stack over all samples but the last → linear head on the last
/// hidden state.
///
/// # Shapes
/// Input `[n_windows, n_seen, n_inputs]`, output `[n_windows, n_answers, n_outputs]`. An autoencoder sees and answers
/// `window_len` samples, and its last encoder size is the bottleneck; a forecaster sees `window_len - 1` and answers
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    window_len: usize,
    n_inputs: usize,
    n_outputs: usize,
    encoder: Vec<usize>,
    decoder: Vec<usize>,
}

impl Architecture {
    /// An autoencoder of those sizes.
    ///
    /// # Errors
    /// [`ArchitectureError`] where a stack is empty or a size is not in 1..=4096.
    pub fn new(
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
        encoder: &[usize],
        decoder: &[usize],
    ) -> Result<Self, ArchitectureError> {
        check("window length", window_len)?;
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        check_stack("encoder", encoder)?;
        check_stack("decoder", decoder)?;
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: encoder.to_vec(),
            decoder: decoder.to_vec(),
        })
    }

    /// A forecaster of those sizes: the LSTM layers `stack` see all samples of a window but the last, and it answers for
    /// that one.
    ///
    /// # Errors
    /// [`ArchitectureError`] where the stack is empty, a size is not in 1..=4096, or `window_len` is not in 2..=4097.
    pub fn forecaster(
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
        stack: &[usize],
    ) -> Result<Self, ArchitectureError> {
        check("samples before the one to foresee", window_len.saturating_sub(1))?;
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        check_stack("encoder", stack)?;
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: stack.to_vec(),
            decoder: Vec::new(),
        })
    }

    /// Which samples of a window it answers for: all as an autoencoder, the last as a forecaster.
    pub fn answers(&self) -> Answers {
        if self.decoder.is_empty() {
            Answers::LastRow
        } else {
            Answers::Window
        }
    }

    /// Samples of a window that enter.
    pub fn n_seen(&self) -> usize {
        match self.answers() {
            Answers::Window => self.window_len,
            Answers::LastRow => self.window_len - 1,
        }
    }

    /// Samples of a window that it answers for.
    pub fn n_answers(&self) -> usize {
        match self.answers() {
            Answers::Window => self.window_len,
            Answers::LastRow => 1,
        }
    }

    /// Samples in a window, with the one to foresee.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Values that enter per sample.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Values that leave per sample.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// Units of each encoder layer, first to last.
    pub fn encoder(&self) -> &[usize] {
        &self.encoder
    }

    /// Units of each decoder layer, first to last; none in a forecaster.
    pub fn decoder(&self) -> &[usize] {
        &self.decoder
    }

    /// Inputs and units of every LSTM layer in order.
    pub fn layers(&self) -> Vec<(usize, usize)> {
        let mut n_inputs = self.n_inputs;
        let units = self.encoder.iter().chain(&self.decoder);
        units
            .map(|&n_units| (std::mem::replace(&mut n_inputs, n_units), n_units))
            .collect()
    }

    /// Units that the head reads.
    pub fn n_last(&self) -> usize {
        let stack = if self.decoder.is_empty() {
            &self.encoder
        } else {
            &self.decoder
        };
        stack[stack.len() - 1]
    }

    /// Number of trainable weights.
    pub fn n_weights(&self) -> usize {
        let lstm: usize = self
            .layers()
            .iter()
            .map(|(n_inputs, n_units)| 4 * n_units * (n_inputs + n_units + 1))
            .sum();
        lstm + self.n_outputs * (self.n_last() + 1)
    }

    /// Floating-point operations of the products of one window, forward; training takes about three times as many.
    /// The decoder's first input is constant over time and counted once.
    pub fn flops_per_window(&self) -> usize {
        let mut per_window = 0;
        for (idx, (n_inputs, n_units)) in self.layers().into_iter().enumerate() {
            let input_steps = if idx == self.encoder.len() {
                1
            } else {
                self.n_seen()
            };
            per_window += 8 * n_units * (n_inputs * input_steps + n_units * self.n_seen());
        }
        per_window + 2 * self.n_answers() * self.n_outputs * self.n_last()
    }
}

fn check(what: &'static str, size: usize) -> Result<(), ArchitectureError> {
    match size {
        1..=SIZE_MAX => Ok(()),
        _ => Err(ArchitectureError::Size { what, size }),
    }
}

fn check_stack(what: &'static str, stack: &[usize]) -> Result<(), ArchitectureError> {
    if stack.is_empty() {
        return Err(ArchitectureError::NoLayer { what });
    }
    stack.iter().try_for_each(|&units| check(what, units))
}

/// `64-16 | 16-64` with the window and widths around it; `64` alone in a forecaster.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
        write!(f, "{}×{} → {}", self.n_seen(), self.n_inputs, join(&self.encoder))?;
        if !self.decoder.is_empty() {
            write!(f, " | {}", join(&self.decoder))?;
        }
        write!(f, " → {}×{}", self.n_answers(), self.n_outputs)
    }
}

/// Why an [`Architecture`] cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A stack without a layer.
    #[error("the {what} has no layer; give at least one size, e.g. 64-16")]
    NoLayer {
        /// Which stack.
        what: &'static str,
    },
    /// A size out of range.
    #[error("{what}: {size} is not in 1..={SIZE_MAX}")]
    Size {
        /// Which size.
        what: &'static str,
        /// The value given.
        size: usize,
    },
}
