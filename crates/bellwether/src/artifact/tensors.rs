//! Rows of numbers by name, as a safetensors file.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::failure::Failure;

/// A number that a tensor can hold.
pub(super) trait Number: Copy {
    const DTYPE: Dtype;
    const N_BYTES: usize;
    fn put(self, into: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

impl Number for f64 {
    const DTYPE: Dtype = Dtype::F64;
    const N_BYTES: usize = 8;

    fn put(self, into: &mut Vec<u8>) {
        into.extend(self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().unwrap_or_default())
    }
}

impl Number for f32 {
    const DTYPE: Dtype = Dtype::F32;
    const N_BYTES: usize = 4;

    fn put(self, into: &mut Vec<u8>) {
        into.extend(self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().unwrap_or_default())
    }
}

/// Named rows of numbers, one after the other in memory.
#[derive(Debug, Default)]
pub(super) struct Tensors(Vec<(&'static str, Dtype, usize, Vec<u8>)>);

impl Tensors {
    pub(super) fn with<T: Number>(mut self, name: &'static str, numbers: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(numbers.len() * T::N_BYTES);
        numbers.iter().for_each(|number| number.put(&mut bytes));
        self.0.push((name, T::DTYPE, numbers.len(), bytes));
        self
    }

    pub(super) fn to_safetensors(&self) -> Result<Vec<u8>, Failure> {
        let views = self
            .0
            .iter()
            .map(|(name, dtype, n, bytes)| Ok((*name, TensorView::new(*dtype, vec![*n], bytes)?)));
        let views = views
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(refused)?;
        safetensors::serialize(views, None::<HashMap<String, String>>).map_err(refused)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Named<'_>, Failure> {
        SafeTensors::deserialize(bytes).map(Named).map_err(refused)
    }
}

/// The rows of a file.
pub(super) struct Named<'a>(SafeTensors<'a>);

impl Named<'_> {
    /// Whatever its shape: who takes the numbers knows how many there are to be.
    pub(super) fn get<T: Number>(&self, name: &str) -> Result<Vec<T>, Failure> {
        let tensor = self.0.tensor(name).map_err(refused)?;
        if tensor.dtype() != T::DTYPE {
            let (found, want) = (tensor.dtype(), T::DTYPE);
            return Err(Failure::message(format!(
                "the tensor {name} is {found:?}, wanted {want:?}"
            )));
        }
        Ok(tensor.data().chunks_exact(T::N_BYTES).map(T::read).collect())
    }
}

fn refused(error: safetensors::SafeTensorError) -> Failure {
    Failure::message(format!("the weights are not a sound safetensors file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_wrong_ones_are_named() {
        let doubles = [1.5, -0.1, f64::MIN_POSITIVE];
        let bytes = Tensors::default()
            .with("doubles", &doubles)
            .with("singles", &[0.1_f32])
            .with::<f64>("none", &[])
            .to_safetensors()
            .unwrap();
        let named = Tensors::read(&bytes).unwrap();
        assert_eq!(named.get::<f64>("doubles").unwrap(), doubles);
        assert_eq!(named.get::<f32>("singles").unwrap(), [0.1]);
        assert_eq!(named.get::<f64>("none").unwrap(), [0.0; 0]);
        let text = |failure: Failure| failure.text();
        let error = named.get::<f32>("doubles").map_err(text).unwrap_err();
        assert!(error.contains("doubles is F64, wanted F32"), "{error}");
        assert!(named.get::<f64>("absent").is_err());
        assert!(Tensors::read(&bytes[..20]).is_err());
    }
}
