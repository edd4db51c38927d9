//! What a classic detector has learnt, as a safetensors file.

use std::collections::HashMap;

use bellwether_core::classic::Tensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::failure::Failure;

/// Rows of numbers by name, as a file.
pub(super) fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>, Failure> {
    let bytes: Vec<_> = tensors.iter().map(|(_, tensor)| bytes(tensor)).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, _), (dtype, n, bytes))| Ok((name, TensorView::new(*dtype, vec![*n], bytes)?)));
    let views = views
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(refused)?;
    safetensors::serialize(views, None::<HashMap<String, String>>).map_err(refused)
}

/// The rows of a file, whatever their shapes: who takes the numbers knows how many there are to be.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, Failure> {
    let tensors = SafeTensors::deserialize(bytes).map_err(refused)?;
    let tensors = tensors.tensors().into_iter().map(|(name, view)| {
        let data = view.data();
        let tensor = match view.dtype() {
            Dtype::F64 => Tensor::F64(numbers(data, f64::from_le_bytes)),
            Dtype::F32 => Tensor::F32(numbers(data, f32::from_le_bytes)),
            Dtype::U32 => Tensor::U32(numbers(data, u32::from_le_bytes)),
            other => {
                return Err(Failure::message(format!(
                    "the tensor {name} is {other:?}, wanted F64, F32 or U32"
                )));
            }
        };
        Ok((name, tensor))
    });
    tensors.collect()
}

fn bytes(tensor: &Tensor) -> (Dtype, usize, Vec<u8>) {
    match tensor {
        Tensor::F64(of) => (
            Dtype::F64,
            of.len(),
            of.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ),
        Tensor::F32(of) => (
            Dtype::F32,
            of.len(),
            of.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ),
        Tensor::U32(of) => (
            Dtype::U32,
            of.len(),
            of.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ),
    }
}

/// A sound file holds whole numbers only.
fn numbers<const N: usize, T>(bytes: &[u8], number: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|bytes| number(*bytes))
        .collect()
}

fn refused(error: safetensors::SafeTensorError) -> Failure {
    Failure::message(format!("the weights are not a sound safetensors file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_broken_files_are_refused() {
        let tensors = [
            (
                "doubles".to_owned(),
                Tensor::F64(vec![1.5, -0.1, f64::MIN_POSITIVE]),
            ),
            ("none".to_owned(), Tensor::F64(Vec::new())),
            ("places".to_owned(), Tensor::U32(vec![0, u32::MAX])),
            ("singles".to_owned(), Tensor::F32(vec![0.1])),
        ];
        let bytes = write(&tensors).unwrap();
        let mut again = read(&bytes).unwrap();
        again.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(again, tensors);
        assert!(read(&bytes[..20]).is_err());
        let view = TensorView::new(Dtype::U8, vec![1], &[7]).unwrap();
        let other = safetensors::serialize([("odd", view)], None::<HashMap<String, String>>).unwrap();
        let text = read(&other).map_err(|failure| failure.text()).unwrap_err();
        assert!(text.contains("the tensor odd is U8, wanted F64"), "{text}");
    }
}
