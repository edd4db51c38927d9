//! The shape of an LSTM autoencoder.

use std::fmt;

/// Most units of a layer, most samples of a window, most inputs: beyond these a typing error is likelier than a wish.
const SIZE_MAX: usize = 4096;

/// An LSTM autoencoder: encoder stack → last hidden state, repeated → decoder stack → linear head per sample.
///
/// # Shapes
/// Input `[n_windows, window_len, n_inputs]`, output `[n_windows, window_len, n_outputs]`; the last encoder size is
/// the bottleneck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    window_len: usize,
    n_inputs: usize,
    n_outputs: usize,
    encoder: Vec<usize>,
    decoder: Vec<usize>,
}

impl Architecture {
    /// A network of those sizes.
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
        let check = |what: &'static str, size: usize| match size {
            1..=SIZE_MAX => Ok(()),
            _ => Err(ArchitectureError::Size { what, size }),
        };
        check("window length", window_len)?;
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        for (what, stack) in [("encoder", encoder), ("decoder", decoder)] {
            if stack.is_empty() {
                return Err(ArchitectureError::NoLayer { what });
            }
            stack.iter().try_for_each(|&units| check(what, units))?;
        }
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: encoder.to_vec(),
            decoder: decoder.to_vec(),
        })
    }

    /// Samples in a window.
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

    /// Units of each decoder layer, first to last.
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
        self.decoder[self.decoder.len() - 1]
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
                self.window_len
            };
            per_window += 8 * n_units * (n_inputs * input_steps + n_units * self.window_len);
        }
        per_window + 2 * self.window_len * self.n_outputs * self.n_last()
    }
}

/// `64-16 | 16-64` with the window and widths around it.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
        write!(
            f,
            "{}×{} → {}",
            self.window_len,
            self.n_inputs,
            join(&self.encoder)
        )?;
        write!(
            f,
            " | {} → {}×{}",
            join(&self.decoder),
            self.window_len,
            self.n_outputs
        )
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
