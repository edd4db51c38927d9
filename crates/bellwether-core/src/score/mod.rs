//! From squared reconstruction errors to one number a row, and to each channel's exact part of it.
//!
//! [`calibration`] makes errors of channels comparable; [`smoothing`] joins neighbouring rows.

pub mod calibration;
pub mod smoothing;

pub use calibration::{Calibration, CalibrationError, row_errors, window_errors};
pub use smoothing::{CausalSmoother, Smoothing, TwoSidedSmoother};
