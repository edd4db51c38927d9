//! Whatever touches the disk.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod disk;
pub mod registry;
