//! From squared errors of a model to one number a row, and to each channel's exact part of it.
//!
//! [`calibration`] makes errors of channels comparable; [`smoothing`] joins neighbouring rows; [`norm`] joins channels where one
//! of them is enough; [`tail`] makes the errors of models comparable; [`range`] knows what no model has ever seen; [`rule`] is what people know beforehand;
//! `stopped` is an alarm where nothing comes any more.

pub mod calibration;
pub mod norm;
pub mod range;
pub mod rule;
pub mod smoothing;
mod stopped;
pub mod tail;

pub use calibration::{Calibration, CalibrationError, row_errors, window_errors};
pub use norm::Norm;
pub use range::{Ranges, ValidRanges};
pub use rule::{ChannelRule, ChannelRuleError, Direction, NamedRule, ruled_weights};
pub use smoothing::{CausalSmoother, Smoothing, TwoSidedSmoother};
pub(crate) use stopped::add_stopped;
pub use tail::Tail;
