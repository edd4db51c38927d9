//! The network itself: its shape, its weights, forward, backward, one training step.

pub(crate) mod architecture;
pub(crate) mod block;
mod compiled;
pub(crate) mod layers;
pub(crate) mod loss;
pub(crate) mod optimiser;
pub(crate) mod plan;
pub(crate) mod precision;
pub(crate) mod problem;
mod products;
pub(crate) mod score;
pub(crate) mod scorer;
pub(crate) mod spec;
mod tiled;
pub(crate) mod trainer;
pub(crate) mod weights;
