//! A fitted classic detector as plain data, whatever its kind: what a bundle keeps of it.

use super::kind::Kind;
use super::layout::{PartsError, check_len, check_numbers};
use crate::model::Model;

/// A fitted classic detector that can be kept and made again.
pub trait Classic: Model {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// What it consists of: [`Kind::from_parts`] makes the same detector of it, bit for bit.
    fn to_parts(&self) -> Parts;
}

/// What a classic detector consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Rows of a window.
    pub window_len: usize,
    /// Channels of a window, active or not.
    pub n_channels: usize,
    /// The channels that are read, rising.
    pub active: Vec<usize>,
    /// The whole numbers that [`Kind::settings`] names, in that order.
    pub settings: Vec<(&'static str, usize)>,
    /// What was learnt, by name.
    pub tensors: Vec<(String, Tensor)>,
}

/// Numbers of one type, one after the other; who takes them knows their shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// Of 64 bits.
    F64(Vec<f64>),
    /// Of 32 bits.
    F32(Vec<f32>),
    /// Positions and counts.
    U32(Vec<u32>),
}

impl From<Vec<f64>> for Tensor {
    fn from(numbers: Vec<f64>) -> Self {
        Self::F64(numbers)
    }
}

impl From<Vec<f32>> for Tensor {
    fn from(numbers: Vec<f32>) -> Self {
        Self::F32(numbers)
    }
}

impl From<Vec<u32>> for Tensor {
    fn from(numbers: Vec<u32>) -> Self {
        Self::U32(numbers)
    }
}

impl Parts {
    /// One of the settings.
    pub(super) fn setting(&self, name: &'static str) -> Result<usize, PartsError> {
        let found = self.settings.iter().find(|(of, _)| *of == name);
        found.map(|&(_, n)| n).ok_or(PartsError::Missing { name })
    }

    /// Numbers of 64 bits, all finite, as many as wanted.
    pub(super) fn f64s(&self, name: &'static str, want: usize) -> Result<Vec<f64>, PartsError> {
        let numbers = self.f64s_of_any_len(name)?;
        check_numbers(name, &numbers, want)?;
        Ok(numbers)
    }

    /// Numbers of 64 bits, whatever they are.
    pub(super) fn f64s_of_any_len(&self, name: &'static str) -> Result<Vec<f64>, PartsError> {
        match self.tensor(name) {
            Some(Tensor::F64(numbers)) => Ok(numbers.clone()),
            _ => Err(PartsError::Missing { name }),
        }
    }

    /// Numbers of 32 bits, whatever they are.
    pub(super) fn f32s_of_any_len(&self, name: &'static str) -> Result<Vec<f32>, PartsError> {
        match self.tensor(name) {
            Some(Tensor::F32(numbers)) => Ok(numbers.clone()),
            _ => Err(PartsError::Missing { name }),
        }
    }

    /// Positions or counts, as many as wanted.
    pub(super) fn u32s(&self, name: &'static str, want: usize) -> Result<Vec<u32>, PartsError> {
        let numbers = self.u32s_of_any_len(name)?;
        check_len(name, numbers.len(), want)?;
        Ok(numbers)
    }

    /// Positions or counts, however many.
    pub(super) fn u32s_of_any_len(&self, name: &'static str) -> Result<Vec<u32>, PartsError> {
        match self.tensor(name) {
            Some(Tensor::U32(numbers)) => Ok(numbers.clone()),
            _ => Err(PartsError::Missing { name }),
        }
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        let found = self.tensors.iter().find(|(of, _)| of == name);
        found.map(|(_, tensor)| tensor)
    }
}
