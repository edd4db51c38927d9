//! Detectors without a network. [`baseline`] holds those that every other one has to beat.
//!
//! Three are fitted and serve as a [`Model`](crate::model::Model): [`pca`] rebuilds a window from the directions in
//! which normal windows vary, [`var`] forecasts its last row from those before, [`knn`] compares its shape with
//! windows that it remembers. All three read the *active* channels alone; the others were constant in training, are
//! scaled to 0 there, and 0 is what is expected of them.
//!
//! Beneath them: `layout` (how a window is cut to its active channels), `fit` (which windows a fit rests on),
//! `linear` (decompositions), `product` (the inner loop of scoring). Each model is plain data, its *parts*, which a
//! bundle can keep; what comes from outside is checked before anything is allocated for it.

pub mod baseline;
mod fit;
pub mod knn;
mod layout;
mod linear;
mod nearest;
pub mod pca;
mod product;
pub mod var;

pub use fit::FitClassicError;
pub use layout::PartsError;
