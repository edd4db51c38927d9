//! The domain of bellwether: pure, synchronous, deterministic. No disk, net, clock, async or ambient randomness.
//!
//! In reading order: [`time`] and [`frame`] say what data are; [`window`] and [`model`] what learns from them;
//! [`eval`] says how good an answer was; [`synth`] makes plants with known faults.
#![forbid(unsafe_code)]

pub mod eval;
pub mod frame;
pub mod model;
pub mod synth;
pub mod time;
pub mod window;
