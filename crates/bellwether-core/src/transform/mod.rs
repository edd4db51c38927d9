//! From raw rows to rows a model can see: columns by name, missing cells filled, channels scaled, gaps found.
//!
//! [`derive`](mod@derive) says which rows count and works out features; [`scale`] learns one channel, [`pipeline`] all of them;
//! `still` knows when a channel has stopped; [`align`] brings channels of different cadence to one grid beforehand; [`columns`] finds
//! channels in data by name; [`apply`] does the work, row by row, the same way for a file and for a stream.

pub mod align;
pub mod apply;
pub mod columns;
pub mod derive;
pub mod pipeline;
pub mod scale;
mod still;

pub use align::{Align, AlignError, Aligned, Aligner, AlignerMemory, Fill, GridRow, Join};
pub(crate) use apply::PipelineMemory;
pub use apply::{PipelineState, Prepared, RowStep};
pub use columns::{ApplyError, Columns, MissingChannel};
pub use derive::{
    DerivationMemory, DerivationParts, DerivationSpec, DerivationState, Derived, FeatureWish, Interval,
    Operation, Outside,
};
pub use pipeline::{FitError, Pipeline, PipelineParts, PipelineSpec};
pub use scale::{ChannelKind, ChannelScale, ScalerKind};
