//! Alerts: listed, and decided on by their own id, as messages name them.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::event::EventKind;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use bellwether_store::database::{self, AlertKind};
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::anomalies::{Saying, say, take_on};
use super::shapes::{AlertWord, finite};
use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::error;
use crate::wire::{Json, Path, ProblemDetails, Query, Time, cut, page_len};

/// Hexadecimal digits of an id.
const ID_LEN: usize = 16;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let looks = OpenApiRouter::new().routes(routes!(list));
    let decides = OpenApiRouter::new()
        .routes(routes!(give_feedback))
        .routes(routes!(acknowledge));
    guard(app, Permission::Read, looks).merge(guard(app, Permission::Decide, decides))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only alerts that are there in their life.
    state: Option<AlertWord>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Alerts on a page at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of alerts, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct AlertPage {
    alerts: Vec<Alert>,
    /// Leads to the next page.
    next: Option<String>,
}

/// Why there is an alert.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KindWord {
    /// An event opened.
    Event,
    /// The device stopped sending.
    Silence,
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
struct Alert {
    id: String,
    kind: KindWord,
    /// Id of the event, where that is why.
    event: Option<String>,
    device: String,
    model: String,
    state: AlertWord,
    /// When it began, by the clock of the data.
    start: Time,
    /// When its cause ended.
    end: Option<Time>,
    /// The highest score so far; 0 for silence.
    peak_score: Option<f64>,
    /// What kind of trouble the event is, as far as it is known: spike, level-shift, drift, stuck, noise, dropout,
    /// correlation-break or out-of-range.
    #[schema(example = "level-shift")]
    event_kind: Option<&'static str>,
    /// Whether one sensor or the device is at fault, as far as that is known: sensor or device.
    #[schema(example = "sensor")]
    fault: Option<&'static str>,
    /// How far the members of the model agree, from 0 to 1.
    confidence: Option<f64>,
    created_at: Time,
    acknowledged_by: Option<String>,
    /// Why nobody is told.
    suppressed_by: Option<String>,
}

impl From<database::Alert> for Alert {
    fn from(alert: database::Alert) -> Self {
        Self {
            kind: match alert.kind {
                AlertKind::Event => KindWord::Event,
                AlertKind::Silence => KindWord::Silence,
            },
            state: alert.state.into(),
            start: Time(alert.start),
            end: alert.end.map(Time),
            peak_score: finite(alert.peak_score),
            event_kind: alert.event_kind.map(EventKind::name),
            fault: alert.fault.map(Fault::name),
            confidence: alert.confidence.and_then(finite),
            created_at: Time(alert.created_at),
            id: alert.id,
            event: alert.event,
            device: alert.series,
            model: alert.model,
            acknowledged_by: alert.acknowledged_by,
            suppressed_by: alert.suppressed_by,
        }
    }
}

/// Alerts.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "fleet", params(ListParams), responses(
    (status = 200, body = AlertPage, description = "A page of alerts, newest first"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
))]
async fn list(
    State(app): State<Arc<App>>,
    Query(params): Query<ListParams>,
) -> Result<Json<AlertPage>, Problem> {
    let before = match &params.cursor {
        None => None,
        Some(cursor) => Some(
            read_cursor(cursor)
                .ok_or_else(|| error::bad_request("cursor: wanted `next` of the page before"))?,
        ),
    };
    let limit = page_len(params.limit)?;
    let asked = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let found = app.db.alerts(params.state.map(Into::into), before, asked).await;
    let mut found = found.map_err(error::database)?;
    let next = cut(&mut found, limit).map(|last| format!("{}.{}", last.created_at.as_nanos(), last.id));
    Ok(Json(AlertPage {
        alerts: found.into_iter().map(Alert::from).collect(),
        next,
    }))
}

/// Say what an alert was.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/feedback", tag = "fleet", request_body = Saying,
    params(("id" = String, Path, description = "Sixteen hexadecimal digits")),
    responses(
        (status = 200, body = Alert, description = "The alert after it"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such alert"),
        (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "The alert moved meanwhile"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "No verdict, or a note that is too long"),
))]
async fn give_feedback(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(saying): Json<Saying>,
) -> Result<Json<Alert>, Problem> {
    check_id(&id)?;
    Ok(Json(say(&app, &id, &saying, &caller.actor()).await?.into()))
}

/// Take an alert on.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "fleet",
    params(("id" = String, Path, description = "Sixteen hexadecimal digits")),
    responses(
        (status = 200, body = Alert, description = "The alert, taken on"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "An id that is no text"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such alert"),
        (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It is over, or taken on already"),
))]
async fn acknowledge(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<Alert>, Problem> {
    check_id(&id)?;
    Ok(Json(take_on(&app, &id, &caller.actor()).await?.into()))
}

/// Nobody decides on an alert by the beginning of its id, as people at a terminal may.
fn check_id(id: &str) -> Result<(), Problem> {
    if id.len() == ID_LEN && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(error::not_found(format!(
        "there is no alert {id:?}; /api/v1/alerts has a list"
    )))
}

fn read_cursor(text: &str) -> Option<(Timestamp, &str)> {
    let (time, id) = text.split_once('.')?;
    check_id(id).ok()?;
    Some((Timestamp::from_nanos(time.parse().ok()?), id))
}
