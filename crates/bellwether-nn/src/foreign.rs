//! LSTM weights that PyTorch or Keras learnt, as safetensors: brought into our order, or refused with what was found.
//!
//! | | PyTorch (`nn.LSTM`, `nn.LSTMCell`, `nn.Linear`) | Keras (`LSTM`, `Dense`) |
//! |---|---|---|
//! | inputs | `weight_ih_l0` `[4 units, inputs]` | `kernel` `[inputs, 4 units]` |
//! | states | `weight_hh_l0` `[4 units, units]` | `recurrent_kernel` `[units, 4 units]` |
//! | biases | `bias_ih_l0` and `bias_hh_l0`, `[4 units]` each: their sum counts | `bias` `[4 units]` |
//! | gates | i, f, g, o | i, f, c, o: the same |
//! | head | `weight` `[outputs, units]`, `bias` | `kernel` `[units, outputs]`, `bias` |
//!
//! Names may have anything in front. A file does not keep the order of layers: those with `enc` in their name come first, those
//! with `dec` last, and else they are in the order of their names, numbers in them counted as numbers (`lstm`, `lstm_1`,
//! `lstm_10`).

mod error;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors};

use crate::network::architecture::Architecture;
use crate::network::weights::Weights;
pub use error::ForeignError;

/// Most bytes that an error lists of names.
const NAMES_MAX: usize = 300;

impl Weights {
    /// The weights of a network of LSTM stacks out of a file that PyTorch or Keras wrote.
    ///
    /// # Errors
    /// [`ForeignError`] where the file is not sound, holds another network than that of `architecture`, or numbers that are not
    /// finite.
    pub fn from_foreign(bytes: &[u8], architecture: &Architecture) -> Result<Self, ForeignError> {
        if architecture.spec().is_some() {
            return Err(ForeignError::Layers);
        }
        let (lstms, dense) = layers_of(&SafeTensors::deserialize(bytes)?)?;
        let want = architecture.layers();
        if lstms.len() != want.len() {
            return Err(ForeignError::Count {
                want: want.len(),
                got: listed(lstms.iter().map(Lstm::in_words)),
                n: lstms.len(),
            });
        }
        let mut weights = Self::zeroed(architecture);
        let n_layers = want.len();
        for (idx, (lstm, (n_inputs, n_units))) in lstms.into_iter().zip(want).enumerate() {
            if (lstm.n_inputs, lstm.n_units) != (n_inputs, n_units) {
                return Err(ForeignError::Shape {
                    layer: idx + 1,
                    got: lstm.in_words(),
                    n_units,
                    n_inputs,
                });
            }
            let of_layer = &mut weights.tensors_mut()[3 * idx..3 * idx + 3];
            of_layer[0].values = lstm.w_ih;
            of_layer[1].values = lstm.w_hh;
            of_layer[2].values = lstm.bias;
        }
        let (n_outputs, n_last) = (architecture.n_outputs(), architecture.n_last());
        if (dense.n_outputs, dense.n_inputs) != (n_outputs, n_last) {
            return Err(ForeignError::Head {
                name: dense.name,
                n_outputs: dense.n_outputs,
                n_inputs: dense.n_inputs,
                want_outputs: n_outputs,
                want_inputs: n_last,
            });
        }
        let head = &mut weights.tensors_mut()[3 * n_layers..];
        head[0].values = dense.w;
        head[1].values = dense.bias;
        Ok(weights)
    }

    /// How many numbers of a sample the first LSTM layer of such a file reads.
    ///
    /// # Errors
    /// As [`from_foreign`](Self::from_foreign).
    pub fn foreign_inputs(bytes: &[u8]) -> Result<usize, ForeignError> {
        let (lstms, _) = layers_of(&SafeTensors::deserialize(bytes)?)?;
        lstms
            .first()
            .map(|lstm| lstm.n_inputs)
            .ok_or(ForeignError::NoLstm)
    }
}

/// An LSTM layer in our order.
struct Lstm {
    name: String,
    n_inputs: usize,
    n_units: usize,
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    bias: Vec<f32>,
}

impl Lstm {
    /// `encoder.l0: 64 units that read 10`
    fn in_words(&self) -> String {
        format!(
            "{}: {} units that read {}",
            self.name, self.n_units, self.n_inputs
        )
    }
}

/// A product with a bias in our order.
struct Dense {
    name: String,
    n_inputs: usize,
    n_outputs: usize,
    w: Vec<f32>,
    bias: Vec<f32>,
}

/// What a tensor is to the layer whose name stands before its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    TorchInput,
    TorchState,
    TorchInputBias,
    TorchStateBias,
    TorchDense,
    Kernel,
    RecurrentKernel,
    Bias,
}

/// The layer that a tensor belongs to, and its role; `None` where it has none in an LSTM network.
fn place(name: &str) -> Option<(String, Role)> {
    let plain = name.strip_suffix(":0").unwrap_or(name);
    let (layer, last) = plain.rsplit_once(['.', '/']).unwrap_or(("", plain));
    let role = match last {
        "weight" => Role::TorchDense,
        "kernel" => Role::Kernel,
        "recurrent_kernel" => Role::RecurrentKernel,
        "bias" => Role::Bias,
        _ => {
            let of = |start: &str, role| {
                let rest = last.strip_prefix(start)?;
                let is_depth =
                    |depth: &str| !depth.is_empty() && depth.bytes().all(|byte| byte.is_ascii_digit());
                let is_fine = rest.is_empty() || rest.strip_prefix("_l").is_some_and(is_depth);
                is_fine.then(|| (format!("{layer}{rest}"), role))
            };
            return of("weight_ih", Role::TorchInput)
                .or_else(|| of("weight_hh", Role::TorchState))
                .or_else(|| of("bias_ih", Role::TorchInputBias))
                .or_else(|| of("bias_hh", Role::TorchStateBias));
        }
    };
    Some((layer.to_owned(), role))
}

/// Numbers of a tensor, and its shape.
struct Found {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Found {
    /// Rows and columns.
    fn sides(&self) -> Result<(usize, usize), ForeignError> {
        match self.shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
            _ => Err(self.wrong("a matrix")),
        }
    }

    fn wrong(&self, want: impl Into<String>) -> ForeignError {
        ForeignError::Tensor {
            name: self.name.clone(),
            got: self.shape.clone(),
            want: want.into(),
        }
    }

    /// Checks its length as a vector.
    fn vector(self, n: usize) -> Result<Vec<f32>, ForeignError> {
        match self.shape[..] {
            [len] if len == n => Ok(self.values),
            _ => Err(self.wrong(format!("[{n}]"))),
        }
    }
}

/// The LSTM layers of a file in their order, and its one dense layer.
fn layers_of(file: &SafeTensors<'_>) -> Result<(Vec<Lstm>, Dense), ForeignError> {
    let mut layers: BTreeMap<String, BTreeMap<Role, Found>> = BTreeMap::new();
    let mut others = Vec::new();
    for (name, view) in file.tensors() {
        let Some((layer, role)) = place(&name) else {
            others.push(name);
            continue;
        };
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            Dtype::F64 => {
                let numbers = view.data().as_chunks::<8>().0.iter();
                numbers.map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
            }
            other => {
                return Err(ForeignError::Type {
                    name,
                    got: format!("{other:?}"),
                });
            }
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(ForeignError::NotFinite { name });
        }
        let shape = view.shape().to_vec();
        layers
            .entry(layer)
            .or_default()
            .insert(role, Found { name, shape, values });
    }
    if !others.is_empty() {
        others.sort();
        return Err(ForeignError::Others {
            names: listed(others.into_iter()),
        });
    }
    let (mut lstms, mut denses) = (Vec::new(), Vec::new());
    for (name, mut tensors) in layers {
        let mut take = |role| tensors.remove(&role);
        if let Some(w_ih) = take(Role::TorchInput) {
            let parts = [Role::TorchState, Role::TorchInputBias, Role::TorchStateBias].map(&mut take);
            lstms.push(torch_lstm(name, w_ih, parts)?);
        } else if let Some(w_hh) = take(Role::RecurrentKernel) {
            let parts = [Role::Kernel, Role::Bias].map(&mut take);
            lstms.push(keras_lstm(name, w_hh, parts)?);
        } else if let Some(w) = take(Role::TorchDense) {
            let (n_outputs, n_inputs) = w.sides()?;
            let bias = bias(take(Role::Bias), n_outputs)?;
            denses.push(Dense {
                name,
                n_inputs,
                n_outputs,
                w: w.values,
                bias,
            });
        } else if let Some(w) = take(Role::Kernel) {
            let (n_inputs, n_outputs) = w.sides()?;
            let bias = bias(take(Role::Bias), n_outputs)?;
            let w = transposed(&w.values, n_outputs);
            denses.push(Dense {
                name,
                n_inputs,
                n_outputs,
                w,
                bias,
            });
        }
        if let Some((_, alone)) = tensors.pop_first() {
            return Err(ForeignError::Others { names: alone.name });
        }
    }
    lstms.sort_by(|one, other| in_order(&one.name, &other.name));
    let names = listed(denses.iter().map(|dense| dense.name.clone()));
    match (lstms.is_empty(), denses.pop(), denses.is_empty()) {
        (true, ..) => Err(ForeignError::NoLstm),
        (false, Some(dense), true) => Ok((lstms, dense)),
        (false, ..) => Err(ForeignError::Denses { names }),
    }
}

fn torch_lstm(
    name: String,
    w_ih: Found,
    [w_hh, input_bias, state_bias]: [Option<Found>; 3],
) -> Result<Lstm, ForeignError> {
    let (rows, n_inputs) = w_ih.sides()?;
    let w_hh = w_hh.ok_or_else(|| ForeignError::Incomplete {
        layer: name.clone(),
        what: "weight_hh",
    })?;
    let (state_rows, n_units) = w_hh.sides()?;
    check_gates(&w_hh, state_rows, n_units)?;
    if rows != state_rows {
        return Err(w_ih.wrong(format!("[{state_rows}, inputs]")));
    }
    let mut sum = bias(input_bias, rows)?;
    for (sum, other) in sum.iter_mut().zip(bias(state_bias, rows)?) {
        *sum += other;
    }
    Ok(Lstm {
        name,
        n_inputs,
        n_units,
        w_ih: w_ih.values,
        w_hh: w_hh.values,
        bias: sum,
    })
}

fn keras_lstm(name: String, w_hh: Found, [w_ih, of_gates]: [Option<Found>; 2]) -> Result<Lstm, ForeignError> {
    let (n_units, columns) = w_hh.sides()?;
    check_gates(&w_hh, columns, n_units)?;
    let w_ih = w_ih.ok_or_else(|| ForeignError::Incomplete {
        layer: name.clone(),
        what: "kernel",
    })?;
    let (n_inputs, input_columns) = w_ih.sides()?;
    if input_columns != columns {
        return Err(w_ih.wrong(format!("[inputs, {columns}]")));
    }
    Ok(Lstm {
        name,
        n_inputs,
        n_units,
        w_ih: transposed(&w_ih.values, columns),
        w_hh: transposed(&w_hh.values, columns),
        bias: bias(of_gates, columns)?,
    })
}

/// Four gates for each unit: three are those of a GRU.
fn check_gates(w_hh: &Found, n_rows: usize, n_units: usize) -> Result<(), ForeignError> {
    match n_rows {
        n if n == 4 * n_units => Ok(()),
        n if n == 3 * n_units => Err(ForeignError::Gru {
            name: w_hh.name.clone(),
        }),
        _ => Err(w_hh.wrong("four gates for each unit")),
    }
}

/// A layer without biases has zeros.
fn bias(found: Option<Found>, n: usize) -> Result<Vec<f32>, ForeignError> {
    found.map_or_else(|| Ok(vec![0.0; n]), |found| found.vector(n))
}

/// `[rows][n_columns]` → `[n_columns][rows]`
fn transposed(values: &[f32], n_columns: usize) -> Vec<f32> {
    (0..n_columns)
        .flat_map(|column| values.iter().skip(column).step_by(n_columns))
        .copied()
        .collect()
}

/// The order of layers by their names.
fn in_order(one: &str, other: &str) -> Ordering {
    let rank = |name: &str| {
        let name = name.to_ascii_lowercase();
        match (name.contains("enc"), name.contains("dec")) {
            (true, false) => 0,
            (false, true) => 2,
            _ => 1,
        }
    };
    rank(one).cmp(&rank(other)).then_with(|| natural(one, other))
}

/// Letters as letters, numbers as numbers.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while let (Some(a), Some(b)) = (one.chars().next(), other.chars().next()) {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (n, m) = (digits(one), digits(other));
        let (order, a_len, b_len) = if n > 0 && m > 0 {
            let number = |text: &str| text.trim_start_matches('0').to_owned();
            let (a, b) = (number(&one[..n]), number(&other[..m]));
            (a.len().cmp(&b.len()).then_with(|| a.cmp(&b)), n, m)
        } else {
            (a.cmp(&b), a.len_utf8(), b.len_utf8())
        };
        if order.is_ne() {
            return order;
        }
        (one, other) = (&one[a_len..], &other[b_len..]);
    }
    one.len().cmp(&other.len())
}

/// Some names, not all of them where there are many.
fn listed(names: impl Iterator<Item = String>) -> String {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() > NAMES_MAX {
            return list + ", …";
        }
        if !list.is_empty() {
            list += ", ";
        }
        list += &name;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_in_the_order_of_their_names() {
        let mut names = [
            "decoder_l0",
            "lstm_10/lstm_cell",
            "encoder_l1",
            "lstm/lstm_cell",
            "lstm_2/lstm_cell",
            "encoder_l0",
        ];
        names.sort_by(|one, other| in_order(one, other));
        let want = [
            "encoder_l0",
            "encoder_l1",
            "lstm/lstm_cell",
            "lstm_2/lstm_cell",
            "lstm_10/lstm_cell",
            "decoder_l0",
        ];
        assert_eq!(names, want);
    }

    #[test]
    fn tensors_have_their_place() {
        let check = |name: &str, want: Option<(&str, Role)>| {
            assert_eq!(
                place(name),
                want.map(|(layer, role)| (layer.to_owned(), role)),
                "{name}"
            );
        };
        check("encoder.weight_ih_l1", Some(("encoder_l1", Role::TorchInput)));
        check("weight_hh_l0", Some(("_l0", Role::TorchState)));
        check("cell.bias_hh", Some(("cell", Role::TorchStateBias)));
        check("head.weight", Some(("head", Role::TorchDense)));
        check("lstm/lstm_cell/kernel:0", Some(("lstm/lstm_cell", Role::Kernel)));
        check(
            "lstm/lstm_cell/recurrent_kernel",
            Some(("lstm/lstm_cell", Role::RecurrentKernel)),
        );
        check("encoder.weight_ih_l0_reverse", None);
        check("norm.running_mean", None);
        check("", None);
    }
}
