//! `bench`: how fast, and how good.

pub(crate) mod kernels;
pub(crate) mod network;
pub(crate) mod read;
pub(crate) mod validate;
