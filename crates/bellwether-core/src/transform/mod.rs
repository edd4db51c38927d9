//! From raw rows to rows a model can see: columns by name, missing cells filled, channels scaled, gaps found.
//!
//! [`scale`] learns one channel, [`pipeline`] all of them; [`columns`] finds them in data by name; [`apply`] does the
//! work, row by row, the same way for a file and for a stream.

pub mod apply;
pub mod columns;
pub mod pipeline;
pub mod scale;

pub use apply::{PipelineState, Prepared, RowStep};
pub use columns::{ApplyError, Columns, MissingChannel};
pub use pipeline::{FitError, Pipeline, PipelineParts, PipelineSpec};
pub use scale::{ChannelKind, ChannelScale, ScalerKind};
