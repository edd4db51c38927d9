//! Weights as safetensors: names and shapes as in PyTorch, little-endian floats, nothing that can execute.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::network::architecture::Architecture;
use crate::network::weights::Weights;

impl Weights {
    /// The weights as a safetensors file. Equal weights give equal bytes.
    ///
    /// # Errors
    /// [`WeightsError`] where the format refuses them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<Vec<u8>> = self
            .tensors()
            .iter()
            .map(|tensor| {
                tensor
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            })
            .collect();
        let views = self.tensors().iter().zip(&bytes).map(|(tensor, bytes)| {
            Ok((
                tensor.name.as_str(),
                TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?,
            ))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        Ok(safetensors::serialize(views, None::<HashMap<String, String>>)?)
    }

    /// Reads the weights of `architecture` out of a safetensors file.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is damaged or too short, lacks a tensor, has one of another shape or type, or holds a
    /// number that is not finite.
    pub fn from_safetensors(bytes: &[u8], architecture: &Architecture) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes)?;
        // Before room is made for them: the architecture may come from outside as well.
        let want = architecture.n_weights().saturating_mul(size_of::<f32>());
        if bytes.len() < want {
            return Err(WeightsError::Short {
                got: bytes.len(),
                want,
            });
        }
        let mut weights = Self::zeroed(architecture);
        for tensor in weights.tensors_mut() {
            let name = || tensor.name.clone();
            let view = file
                .tensor(&tensor.name)
                .map_err(|_| WeightsError::Missing { name: name() })?;
            if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
                let got = format!("{:?} {:?}", view.dtype(), view.shape());
                return Err(WeightsError::Shape {
                    name: name(),
                    want: format!("{:?}", tensor.shape),
                    got,
                });
            }
            for (value, bytes) in tensor.values.iter_mut().zip(view.data().chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            if tensor.values.iter().any(|value| !value.is_finite()) {
                return Err(WeightsError::NotFinite { name: name() });
            }
        }
        Ok(weights)
    }
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
    #[error("the tensor {name} is {got}, the architecture wants F32 {want}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape wanted.
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
