//! Whatever touches the disk. No other crate opens a file.
//!
//! [`read`] turns the files people have into frames: it sniffs their form, refuses what it cannot trust and says
//! where. [`mod@write`] puts answers beside them: tables that are complete or not there at all. [`bundle`] keeps what
//! was learnt in one file, [`registry`] the versions of it, [`remote`] those that several sites share, [`checkpoint`] where a training stood; all stand on [`disk`]. [`database`] holds what a live
//! system must not lose, [`history`] keeps what it judged in Parquet.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod checkpoint;
pub mod database;
pub mod disk;
pub mod history;
pub mod read;
pub mod registry;
pub mod remote;
pub mod signature;
pub mod write;
