//! Networks for bellwether: kernels, layers, training, scoring.
//!
//! In reading order: `kernels` is the only code that knows SIMD; `network` is one network: its shape
//! ([`Architecture`]), its [`Weights`], forward, backward, one training step ([`Trainer`]), and answers
//! ([`Scorer`]); [`Framing`] cuts windows to it; [`Autoencoder`], [`Forecaster`] and [`Layered`] make it a `Model`
//! of windows; [`train()`], [`train_forecaster`] and [`train_layered`] train one; `artifact` stores it, `foreign` reads what
//! other programs learnt, `onnx` writes it for other runtimes.
#![deny(unsafe_code)]

mod artifact;
mod autoencoder;
mod crew;
mod forecaster;
mod foreign;
mod framing;
mod kernels;
mod layered;
mod network;
mod onnx;
mod predictor;
mod train;

pub use artifact::WeightsError;
pub use autoencoder::Autoencoder;
pub use forecaster::Forecaster;
pub use foreign::ForeignError;
pub use framing::{Framing, FramingError};
pub use kernels::Kernels;
pub use layered::Layered;
pub use network::architecture::{Architecture, ArchitectureError, LayerCost};
pub use network::block::Slot;
pub use network::loss::Loss;
pub use network::optimiser::Optimiser;
pub use network::plan::SeqShape;
pub use network::precision::{Precision, UnknownPrecision};
pub use network::problem::LayerProblem;
pub use network::scorer::Scorer;
pub use network::spec::{Activation, Conv, Head, LayerKind, LayerSpec, NetworkSpec, Padding, Recurrent};
pub use network::trainer::{StepReport, Trainer, Update, WindowLoss};
pub use network::weights::{Tensor, Weights};
pub use onnx::to_onnx;
pub use train::checkpoint::{Checkpoint, Start};
pub use train::report::{EpochReport, Progress, TrainEnd, TrainError, TrainReport};
pub use train::schedule::Schedule;
pub use train::spec::{TrainSpec, default_epochs};
pub use train::{train, train_forecaster, train_layered};
