//! The domain of bellwether: pure, synchronous, deterministic. No disk, net, clock, async or ambient randomness.
//!
//! In reading order, each module built on those before it:
//!
//! 1. What data are: [`time`] (instants and spacings), [`zone`] (clocks of places), [`frame`] (the samples of one series), [`quantile`] (the one
//!    definition of median and quantile).
//! 2. What a model sees: [`transform`] (raw rows made finite and scaled by a fitted pipeline), [`window`] (views on
//!    such rows), [`model`] (the seam to what learns).
//! 3. What its errors mean: [`score`] (calibrated and smoothed errors, each channel's part), [`threshold`] (the error
//!    that is an alarm), [`event`] (the runs of scores that a person is told of).
//! 4. All of it as one thing: [`detect`] (a detector judges a frame), [`session`] (the same judge for one sample after
//!    the other).
//! 5. Why it judged so: [`explain`] (which channels, since when, what would have been normal).
//! 6. Beside it: [`classic`] (detectors without a network), [`rhythm`] (what repeats in data), [`drift`] (whether data still look like those of the
//!    training), [`eval`] (how good an answer was), [`synth`] (plants with known faults).
#![forbid(unsafe_code)]

pub mod classic;
pub mod condition;
pub mod detect;
pub mod drift;
pub mod eval;
pub mod event;
pub mod explain;
pub mod frame;
pub mod model;
pub mod quantile;
pub mod rhythm;
pub mod score;
pub mod session;
pub mod synth;
pub mod threshold;
pub mod time;
pub mod transform;
pub mod validate;
pub mod window;
pub mod zone;
