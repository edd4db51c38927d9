//! The weights of several members in one safetensors file: the tensor `w` of member 2 is there called `2.w`.
//!
//! Only what a network is made of is carried over: names, types, shapes and values. Notes that safetensors allows
//! beside them (`__metadata__`) are left out, since their order is not fixed and equal weights are to give equal bytes.

use std::collections::HashMap;

use safetensors::tensor::{Metadata, SafeTensorError, TensorView};

use super::{Bundle, BundleError, format_version};

/// Most members that a detector in a bundle may have.
pub const MEMBERS_MAX: usize = 64;

/// How safetensors calls its notes: no tensor may be called so.
const NOTES: &str = "__metadata__";

/// Bytes that say how long the header is.
const LEN_BYTES: usize = size_of::<u64>();

/// One safetensors file of those of all members, in their order; the same bytes for equal tensors.
///
/// # Errors
/// [`WeightsError`] where there is no member or more than [`MEMBERS_MAX`], or one of the files is not sound.
pub fn join_weights(parts: &[Vec<u8>]) -> Result<Vec<u8>, WeightsError> {
    check_n_members(parts.len())?;
    let mut joined = Vec::new();
    for (member_idx, bytes) in parts.iter().enumerate() {
        let unsound = |source| WeightsError::Part { member_idx, source };
        let tensors = tensors(bytes).map_err(unsound)?;
        joined.extend(
            tensors
                .into_iter()
                .map(|(name, view)| (format!("{member_idx}.{name}"), view)),
        );
    }
    write(joined)
}

/// The reverse of [`join_weights`]: one safetensors file for each member, empty where it has no tensor.
///
/// # Errors
/// [`WeightsError`] where there is no member or more than [`MEMBERS_MAX`], the file is not sound, or one of its tensors
/// belongs to no member.
pub fn split_weights(bytes: &[u8], n_members: usize) -> Result<Vec<Vec<u8>>, WeightsError> {
    check_n_members(n_members)?;
    let mut parts = vec![Vec::new(); n_members];
    for (name, view) in tensors(bytes).map_err(WeightsError::Joined)? {
        let Some((part, name_there)) = owner(&name, &mut parts) else {
            let name = name.chars().take(80).collect();
            return Err(WeightsError::Foreign { name, n_members });
        };
        part.push((name_there.to_owned(), view));
    }
    parts.into_iter().map(write).collect()
}

impl Bundle {
    /// The weights of each of `n_members` members, one safetensors file each.
    ///
    /// In format version 1 there is one member, and the weights are its own as they are.
    ///
    /// # Errors
    /// As [`split_weights`], and where the manifest's format version is not one that this version of bellwether reads or
    /// has no such number of members.
    pub fn weights_of_members(&self, n_members: usize) -> Result<Vec<Vec<u8>>, WeightsError> {
        match format_version(&self.manifest).map_err(|source| WeightsError::Manifest(Box::new(source)))? {
            1 if n_members == 1 => Ok(vec![self.weights.clone()]),
            1 => Err(WeightsError::Alone { n_members }),
            _ => split_weights(&self.weights, n_members),
        }
    }
}

fn check_n_members(n_members: usize) -> Result<(), WeightsError> {
    if (1..=MEMBERS_MAX).contains(&n_members) {
        Ok(())
    } else {
        Err(WeightsError::Members { n_members })
    }
}

/// The part that a tensor belongs to, and what it is called there.
fn owner<'p, 'n, T>(name: &'n str, parts: &'p mut [T]) -> Option<(&'p mut T, &'n str)> {
    let (prefix, name_there) = name.split_once('.')?;
    let member_idx: usize = prefix.parse().ok()?;
    // Numbers can be written in many ways (`+1`, `01`): but for one, two tensors could claim one name.
    if member_idx.to_string() != prefix || name_there == NOTES {
        return None;
    }
    Some((parts.get_mut(member_idx)?, name_there))
}

/// The tensors of a safetensors file.
///
/// The library's own reader adds the end of the last tensor to the length of the header without looking: an end near
/// the largest number there is would overflow. Here it is compared first.
fn tensors(bytes: &[u8]) -> Result<Vec<(String, TensorView<'_>)>, SafeTensorError> {
    let (len, rest) = bytes
        .split_first_chunk::<LEN_BYTES>()
        .ok_or(SafeTensorError::HeaderTooSmall)?;
    let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| SafeTensorError::HeaderTooLarge)?;
    let (header, data) = rest
        .split_at_checked(len)
        .ok_or(SafeTensorError::InvalidHeaderLength)?;
    let header: Metadata =
        serde_json::from_slice(header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
    // Tensors lie one behind the other, which was checked in reading them: the end of the last one is that of all.
    if header.data_len() != data.len() {
        return Err(SafeTensorError::MetadataIncompleteBuffer);
    }
    let views = header.tensors().into_iter().map(|(name, info)| {
        let (start, end) = info.data_offsets;
        let view = TensorView::new(info.dtype, info.shape.clone(), &data[start..end])?;
        Ok((name, view))
    });
    views.collect()
}

fn write(tensors: Vec<(String, TensorView<'_>)>) -> Result<Vec<u8>, WeightsError> {
    safetensors::serialize(tensors, None::<HashMap<String, String>>).map_err(WeightsError::Write)
}

/// Why weights cannot be joined or told apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// No member, or too many.
    #[error("weights of {n_members} members: a bundle takes those of 1 to {MEMBERS_MAX}")]
    Members {
        /// Members given or asked for.
        n_members: usize,
    },
    /// A bundle of format version 1, asked for more than it has.
    #[error("weights of {n_members} members were asked for, a bundle of format version 1 has those of one")]
    Alone {
        /// Members asked for.
        n_members: usize,
    },
    /// The bundle's format is not known.
    #[error(transparent)]
    Manifest(Box<BundleError>),
    /// The weights of one member are not a sound safetensors file.
    #[error("the weights of member {member_idx} are not a sound safetensors file")]
    Part {
        /// Position of the member.
        member_idx: usize,
        /// What is wrong with them.
        source: SafeTensorError,
    },
    /// The weights of all members are not a sound safetensors file.
    #[error("weights.safetensors is not a sound safetensors file; get the original file")]
    Joined(#[source] SafeTensorError),
    /// A tensor belongs to no member.
    #[error(
        "weights.safetensors holds the tensor {name:?}, wanted names that start with the number of one of \
         {n_members} members, counted from 0, and a dot; get the original file"
    )]
    Foreign {
        /// Its name, cut after 80 characters.
        name: String,
        /// Members there are.
        n_members: usize,
    },
    /// The tensors do not go into one file.
    #[error("the weights cannot be written as safetensors")]
    Write(#[source] SafeTensorError),
}

#[cfg(test)]
mod tests;
