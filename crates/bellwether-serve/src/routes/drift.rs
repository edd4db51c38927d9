//! Whether recent data still look like those that a model learnt from.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::drift::{ChannelDrift, Drift, RelationChange, Severity};
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shapes::finite;
use crate::access::{Permission, guard};
use crate::app::App;
use crate::drift::Found;
use crate::wire::{Json, ProblemDetails, Query, Time};

/// What is said where there is nothing to compare.
const NO_ROW: &str = "Nothing to compare: no device of this model has sent anything yet.";

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(app, Permission::Read, OpenApiRouter::new().routes(routes!(drift)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DriftParams {
    /// A model in service: its name (the newest version in service), `NAME@VERSION`, `NAME@ALIAS`, or a bundle file as
    /// it is called among the models in service.
    #[param(example = "pump")]
    model: String,
}

/// How the newest rows of a model's devices differ from those that it learnt from.
#[derive(Debug, Serialize, ToSchema)]
struct DriftOfModel {
    #[schema(example = "pump@3")]
    model: String,
    /// Time of the first row.
    from: Option<Time>,
    /// Time of the last row.
    to: Option<Time>,
    n_rows: usize,
    /// Whose rows these are.
    devices: Vec<String>,
    is_drift: bool,
    /// There were enough independent rows to say.
    is_judged: bool,
    /// The action to take, as one sentence.
    advice: String,
    channels: Vec<DriftOfChannel>,
    /// Channels of the training that the rows lack altogether.
    missing_channels: Vec<String>,
    /// The relation of two channels that changed most.
    joint: Option<DriftOfRelation>,
    /// The scores of the rows against those of held-out rows of the training; no part of `is_drift`.
    scores: Option<DriftOfChannel>,
}

/// How one channel differs. A number that is not defined is null.
#[derive(Debug, Serialize, ToSchema)]
struct DriftOfChannel {
    channel: String,
    /// Population stability index.
    psi: Option<f64>,
    /// Kolmogorov–Smirnov statistic.
    ks: Option<f64>,
    /// Chance of that statistic where nothing changed.
    p_value: Option<f64>,
    /// The same, corrected for the number of channels.
    q_value: Option<f64>,
    /// Mean displacement in standard deviations of the training.
    wasserstein: Option<f64>,
    /// Independent rows that the rows are worth.
    n_effective: Option<f64>,
    /// Share of rows without a value, less that of the training.
    missing_rise: Option<f64>,
    /// Chance of such a rise where nothing changed, corrected like `q_value`.
    missing_q_value: Option<f64>,
    severity: DriftSeverity,
    is_drift: bool,
}

/// How large a difference is that is beyond chance.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DriftSeverity {
    None,
    Low,
    Medium,
    High,
    Critical,
}

/// How the relation of two channels changed.
#[derive(Debug, Serialize, ToSchema)]
struct DriftOfRelation {
    /// Correlation now less that of the training.
    correlation_change: Option<f64>,
    pair: [String; 2],
    /// Chance of such a change where nothing changed, corrected for the number of pairs.
    q_value: Option<f64>,
    /// The change is large and beyond chance.
    is_drift: bool,
    /// Share of all channels that drift or are gone.
    share_of_channels: f64,
}

/// Whether recent data still look like those that a model in service learnt from.
#[utoipa::path(get, path = "/api/v1/drift", tag = "models",
    params(DriftParams),
    responses(
        (status = 200, body = DriftOfModel, description = "How they differ"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model is in service"),
        (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "The model does not say what it learnt from: train it again"),
    ))]
async fn drift(
    State(app): State<Arc<App>>,
    Query(params): Query<DriftParams>,
) -> Result<Json<DriftOfModel>, Problem> {
    let found = app.drifts.of(&params.model, &app.room).await?;
    Ok(Json(DriftOfModel::from(&*found)))
}

impl From<&Found> for DriftOfModel {
    fn from(found: &Found) -> Self {
        let drift = found.drift.as_ref();
        Self {
            model: found.model.to_string(),
            from: found.range.map(|(from, _)| Time(from)),
            to: found.range.map(|(_, to)| Time(to)),
            n_rows: drift.map_or(0, |drift| drift.n_rows),
            devices: found.devices.iter().map(ToString::to_string).collect(),
            is_drift: drift.is_some_and(Drift::is_drift),
            is_judged: drift.is_some_and(Drift::is_judged),
            advice: drift.map_or_else(|| NO_ROW.to_owned(), Drift::advice),
            channels: drift.map(channels).unwrap_or_default(),
            missing_channels: drift
                .map(|drift| drift.missing_channels.clone())
                .unwrap_or_default(),
            joint: drift.and_then(|drift| Some(DriftOfRelation::of(drift.relation.as_ref()?, drift))),
            scores: found.scores.as_ref().map(DriftOfChannel::from),
        }
    }
}

/// All channels of the training; one that is gone has no numbers.
fn channels(drift: &Drift) -> Vec<DriftOfChannel> {
    let gone = drift.missing_channels.iter().map(|name| DriftOfChannel {
        channel: name.clone(),
        psi: None,
        ks: None,
        p_value: None,
        q_value: None,
        wasserstein: None,
        n_effective: None,
        missing_rise: None,
        missing_q_value: None,
        severity: DriftSeverity::Critical,
        is_drift: true,
    });
    drift
        .channels
        .iter()
        .map(DriftOfChannel::from)
        .chain(gone)
        .collect()
}

impl From<&ChannelDrift> for DriftOfChannel {
    fn from(channel: &ChannelDrift) -> Self {
        Self {
            channel: channel.channel.clone(),
            psi: finite(channel.psi),
            ks: finite(channel.ks),
            p_value: finite(channel.p_value),
            q_value: finite(channel.q_value),
            wasserstein: finite(channel.wasserstein),
            n_effective: finite(channel.n_effective),
            missing_rise: finite(channel.missing_rise),
            missing_q_value: finite(channel.missing_q_value),
            severity: channel.severity.into(),
            is_drift: channel.is_drift(),
        }
    }
}

impl From<Severity> for DriftSeverity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::None => Self::None,
            Severity::Low => Self::Low,
            Severity::Medium => Self::Medium,
            Severity::High => Self::High,
            Severity::Critical => Self::Critical,
        }
    }
}

impl DriftOfRelation {
    fn of(relation: &RelationChange, drift: &Drift) -> Self {
        Self {
            correlation_change: finite(relation.change()),
            pair: relation.pair.clone(),
            q_value: finite(relation.q_value),
            is_drift: relation.is_drift,
            share_of_channels: drift.share_of_channels(),
        }
    }
}
