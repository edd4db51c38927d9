//! Recurrent networks for bellwether: kernels, architecture, training, scoring.
//!
//! In reading order: `kernels` is the only code that knows SIMD; `network` is one network: its shape
//! ([`Architecture`]), its [`Weights`], forward, backward, one training step ([`Trainer`]), and answers
//! ([`Scorer`]); [`Autoencoder`] makes it a `Model` of windows; [`train()`] trains one; `artifact` stores it.
#![deny(unsafe_code)]

mod artifact;
mod autoencoder;
mod kernels;
mod network;
mod train;

pub use artifact::WeightsError;
pub use autoencoder::{Autoencoder, Framing, FramingError};
pub use kernels::Kernels;
pub use network::architecture::{Architecture, ArchitectureError};
pub use network::block::Slot;
pub use network::loss::Loss;
pub use network::scorer::Scorer;
pub use network::trainer::{StepReport, Trainer, Update};
pub use network::weights::{Tensor, Weights};
pub use train::{EpochReport, Progress, TrainEnd, TrainError, TrainReport, TrainSpec, default_epochs, train};

/// A pool of `n_threads` workers; `None` where one thread does it all in place.
fn pool(n_threads: usize) -> Option<rayon::ThreadPool> {
    if n_threads <= 1 {
        return None;
    }
    // A machine that cannot start threads still computes: in place, and the same bits.
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .thread_name(|idx| format!("nn-{idx}"))
        .build()
        .ok()
}
