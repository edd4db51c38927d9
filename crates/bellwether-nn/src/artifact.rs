//! Weights as safetensors: names and shapes as in PyTorch, little-endian numbers, nothing that can execute.

use std::collections::HashMap;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::network::architecture::Architecture;
use crate::network::precision::{self, Precision};
use crate::network::weights::Weights;

impl Weights {
    /// The weights as a safetensors file, in the numbers of their [`precision`](Weights::precision). Equal weights give equal
    /// bytes.
    ///
    /// A matrix of whole numbers has its scales beside it: `encoder.0.w_ih` those of `encoder.0.w_ih.scale`, `[n_rows]`.
    ///
    /// # Errors
    /// [`WeightsError`] where the format refuses them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let mut parts: Vec<Part> = Vec::new();
        for tensor in self.tensors() {
            let mut push = |name: &str, dtype, shape: &[usize], bytes| {
                parts.push(Part {
                    name: name.to_owned(),
                    dtype,
                    shape: shape.to_vec(),
                    bytes,
                });
            };
            let values = &tensor.values;
            match (self.precision(), tensor.row_len_in(self.precision())) {
                (Precision::Float16, Some(_)) => {
                    let halves = values
                        .iter()
                        .flat_map(|&value| f16::from_f32(value).to_le_bytes());
                    push(&tensor.name, Dtype::F16, &tensor.shape, halves.collect());
                }
                (Precision::Int8, Some(row_len)) => {
                    let (mut levels, mut scales) = (Vec::with_capacity(values.len()), Vec::new());
                    for row in values.chunks(row_len) {
                        let scale = precision::scale(row);
                        let steps = row.iter().map(|&value| precision::level(value, scale));
                        levels.extend(steps.flat_map(i8::to_le_bytes));
                        scales.extend_from_slice(&scale.to_le_bytes());
                    }
                    push(&tensor.name, Dtype::I8, &tensor.shape, levels);
                    push(&scale_name(&tensor.name), Dtype::F32, &tensor.shape[..1], scales);
                }
                _ => {
                    let floats = values.iter().flat_map(|value| value.to_le_bytes());
                    push(&tensor.name, Dtype::F32, &tensor.shape, floats.collect());
                }
            }
        }
        let views = parts.iter().map(|part| {
            let view = TensorView::new(part.dtype, part.shape.clone(), &part.bytes)?;
            Ok((part.name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        Ok(safetensors::serialize(views, None::<HashMap<String, String>>)?)
    }

    /// Reads the weights of `architecture` out of a safetensors file; the type of its first matrix says the precision of
    /// all.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is damaged or too short, lacks a tensor, has one of another shape or type, or holds a
    /// number that is not finite.
    pub fn from_safetensors(bytes: &[u8], architecture: &Architecture) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes)?;
        // Before room is made for them: the architecture may come from outside as well.
        let want = architecture.n_weights();
        if bytes.len() < want {
            return Err(WeightsError::Short {
                got: bytes.len(),
                want,
            });
        }
        let mut weights = Self::zeroed(architecture);
        // Of a matrix, for vectors stay float32 in one of them.
        let matrix = weights.tensors().iter().find(|tensor| tensor.shape.len() > 1);
        let precision = match matrix.and_then(|matrix| file.tensor(&matrix.name).ok()) {
            Some(view) if view.dtype() == Dtype::F16 => Precision::Float16,
            Some(view) if view.dtype() == Dtype::I8 => Precision::Int8,
            _ => Precision::Float32,
        };
        for tensor in weights.tensors_mut() {
            let row_len = tensor.row_len_in(precision);
            let (name, shape) = (tensor.name.as_str(), &tensor.shape[..]);
            match (precision, row_len) {
                (Precision::Float16, Some(_)) => {
                    let data = data(&file, name, Dtype::F16, shape)?;
                    for (value, bytes) in tensor.values.iter_mut().zip(data.chunks_exact(2)) {
                        *value = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
                    }
                }
                (Precision::Int8, Some(row_len)) => {
                    let levels = data(&file, name, Dtype::I8, shape)?;
                    let scales = data(&file, &scale_name(name), Dtype::F32, &shape[..1])?;
                    let rows = tensor.values.chunks_mut(row_len).zip(levels.chunks(row_len));
                    for ((row, levels), scale) in rows.zip(floats(scales)) {
                        for (value, level) in row.iter_mut().zip(levels) {
                            *value = f32::from(i8::from_le_bytes([*level])) * scale;
                        }
                    }
                }
                _ => {
                    let data = data(&file, name, Dtype::F32, shape)?;
                    for (value, float) in tensor.values.iter_mut().zip(floats(data)) {
                        *value = float;
                    }
                }
            }
            if tensor.values.iter().any(|value| !value.is_finite()) {
                return Err(WeightsError::NotFinite {
                    name: tensor.name.clone(),
                });
            }
        }
        // Of our own files this changes no bit; in others, scales may be any number.
        weights.round(precision);
        Ok(weights)
    }
}

/// A tensor of a file.
struct Part {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// What the scales of a matrix of whole numbers are called.
fn scale_name(name: &str) -> String {
    format!("{name}.scale")
}

/// The bytes of the tensor of that name, type and shape.
fn data<'a>(
    file: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'a [u8], WeightsError> {
    let view = file.tensor(name).map_err(|_| WeightsError::Missing {
        name: name.to_owned(),
    })?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(WeightsError::Shape {
            name: name.to_owned(),
            want: format!("{dtype:?} {shape:?}"),
            got: format!("{:?} {:?}", view.dtype(), view.shape()),
        });
    }
    Ok(view.data())
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let floats = bytes.chunks_exact(4);
    floats.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Why weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a safetensors file, or a damaged one.
    #[error("the weights are not a sound safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// Fewer bytes than the architecture has weights.
    #[error("the weights are {got} bytes, the architecture wants at least {want}")]
    Short {
        /// Bytes found.
        got: usize,
        /// Bytes wanted.
        want: usize,
    },
    /// A tensor is absent.
    #[error("the weights lack the tensor {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor of another network.
    #[error("the tensor {name} is {got}, the architecture wants {want}")]
    Shape {
        /// Its name.
        name: String,
        /// Type and shape wanted.
        want: String,
        /// Type and shape found.
        got: String,
    },
    /// A weight is infinite or not a number.
    #[error("the tensor {name} holds a number that is not finite")]
    NotFinite {
        /// Its name.
        name: String,
    },
}
