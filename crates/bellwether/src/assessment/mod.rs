//! From scores and truth to figures: what `evaluate`, `compare` and `bench quality` share.

mod assess;
mod contender;
mod cost;
mod figures;
mod truth;
mod unlabelled;

pub(crate) use assess::{AssessSpec, Assessed, Mean, assess, means};
pub(crate) use contender::{Contender, Fit, Judge};
pub(crate) use cost::Costs;
pub(crate) use figures::{METRIC_KEYS, Values, column_means, intervals_json, metric_values, metrics_json};
pub(crate) use truth::{SeriesTruth, Truth, row_truth, truth};
pub(crate) use unlabelled::{UNLABELLED_KEYS, Unlabelled, unlabelled, unlabelled_mean};
