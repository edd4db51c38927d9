//! The domain of bellwether: pure, synchronous, deterministic. No disk, net, clock, async or ambient randomness.
//!
//! In reading order: [`time`] and [`frame`] say what data are; [`window`] and [`model`] what learns from them;
//! [`eval`] says how good an answer was; [`synth`] makes plants with known faults.
#![forbid(unsafe_code)]

pub mod classic;
pub mod detect;
pub mod eval;
pub mod event;
pub mod frame;
pub mod model;
pub mod quantile;
pub mod score;
pub mod session;
pub mod synth;
pub mod threshold;
pub mod time;
pub mod transform;
pub mod window;
