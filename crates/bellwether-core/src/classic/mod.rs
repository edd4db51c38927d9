//! Detectors without a network. [`baseline`] holds those that every other one has to beat.
//!
//! The others are fitted and serve as a [`Model`](crate::model::Model); a [`Kind`] names each, fits it and makes it again
//! of what a bundle keeps, its [`Parts`]. All read the *active* channels alone; the others were constant in training,
//! are scaled to 0 there, and 0 is what is expected of them.
//!
//! Beneath them: `layout` (how a window is cut to its active channels), `fit` (which windows a fit rests on), `judge` (how
//! active cells become a model's answers), `linear` (decompositions), `product` (the inner loop of scoring), `nearest`
//! and `bounds` (what lies nearest, and what cannot), `forest` (trees). What comes from outside is checked before anything is allocated for it.

pub mod baseline;
mod bounds;
mod changepoint;
pub mod cross;
mod fit;
mod forest;
mod isolation_forest;
mod judge;
mod kind;
mod kmeans;
pub mod knn;
mod layout;
mod linear;
mod mahalanobis;
mod matrix_profile;
mod nearest;
mod parts;
pub mod pca;
mod pca_t2;
mod product;
mod robust_z;
mod rrcf;
mod seasonal_naive;
mod spectral_residual;
pub mod var;

pub use fit::{FitClassicError, Training};
pub use kind::Kind;
pub use layout::PartsError;
pub use parts::{Classic, Parts, Tensor};
