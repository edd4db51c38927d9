//! The network itself: its shape, its weights, forward, backward, one training step.

pub(crate) mod architecture;
pub(crate) mod block;
pub(crate) mod loss;
mod products;
pub(crate) mod score;
pub(crate) mod scorer;
pub(crate) mod trainer;
pub(crate) mod weights;
