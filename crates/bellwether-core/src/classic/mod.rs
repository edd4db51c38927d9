//! Detectors without a network. [`baseline`] holds those that every other one has to beat.

pub mod baseline;
