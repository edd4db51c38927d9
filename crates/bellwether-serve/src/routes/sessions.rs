//! Sessions: send the newest sample alone, and get what the model says of it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwether_core::frame::{Sample, SeriesId};
use bellwether_core::session::{Session, Verdict};
use bellwether_core::time::Timestamp;
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::error;
use crate::judging;
use crate::sessions::{IDLE_MAX, Kept};
use crate::wire::{Json, ProblemDetails, Time};

/// Samples of a request at most.
const SAMPLES_MAX: usize = 10_000;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(look, end))
        .routes(routes!(push));
    guard(app, Permission::Detect, routes)
}

/// What a session is to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct NewSession {
    /// `NAME`, `NAME@VERSION` or `NAME@ALIAS`.
    #[schema(example = "pump")]
    model: String,
    /// The device; events are named after it.
    device: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionInfo {
    id: String,
    model: String,
    device: String,
    /// The channels that the model reads.
    channels: Vec<String>,
    /// Time of the newest sample.
    last_time: Option<Time>,
    /// When it is over, unless it is used before.
    expires_at: Time,
}

/// A sample of a session.
#[derive(Debug, Clone, Deserialize, ToSchema)]
struct SessionSample {
    timestamp: Time,
    /// A number for each channel; `null`, or left out, where it was not measured.
    values: BTreeMap<String, Option<f64>>,
}

/// Samples, in the order of time.
#[derive(Debug, Deserialize, ToSchema)]
struct SessionSamples {
    #[schema(max_items = 10_000)]
    samples: Vec<SessionSample>,
}

/// What the model says of a sample.
#[derive(Debug, Serialize, ToSchema)]
struct VerdictBody {
    timestamp: Time,
    /// 1.0 is the threshold; `null` while the first window fills, and where too little was measured.
    score: Option<f64>,
    is_anomaly: Option<bool>,
    /// The event that it lies in.
    event: Option<String>,
    top_channel: Option<String>,
    top_share: Option<f64>,
    /// Why the sample was not taken.
    refused: Option<String>,
}

/// What the model says of samples, in their order.
#[derive(Debug, Serialize, ToSchema)]
struct VerdictsBody {
    rows: Vec<VerdictBody>,
}

/// Begin a session.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = NewSession, responses(
    (status = 201, body = SessionInfo, description = "It has begun"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Another shape is wanted"),
))]
async fn begin(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Json(new): Json<NewSession>,
) -> Result<Response, Problem> {
    if new.device.is_empty() || new.device.len() > 256 {
        return Err(error::unprocessable("a device has a name of 1 to 256 bytes"));
    }
    let loaded = judging::load(&app, &new.model).await?;
    let schema = loaded.detector.pipeline().schema().clone();
    let session = loaded
        .detector
        .session(SeriesId::new(new.device.as_str()), &schema)
        .map_err(|error| error::unprocessable(error.to_string()))?;
    let id = app.sessions.keep(
        Arc::clone(&caller.name),
        new.device,
        Arc::clone(&loaded.reference),
        session,
    );
    let info = info(&app, &id, &caller.name)?;
    Ok((StatusCode::CREATED, Json(info)).into_response())
}

/// Look at a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 200, body = SessionInfo, description = "A session of yours"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such session, or not yours"),
))]
async fn look(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<SessionInfo>, Problem> {
    info(&app, &id, &caller.name).map(Json)
}

/// End a session.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 204, description = "It is over"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such session, or not yours"),
))]
async fn end(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.sessions.end(&id, &caller.name).ok_or_else(|| nothing(&id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send the newest samples.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/samples", tag = "sessions", params(("id" = String, Path)),
    request_body = SessionSamples, responses(
    (status = 200, body = VerdictsBody, description = "What the model says of each"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such session, or not yours"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Another shape is wanted"),
))]
async fn push(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<SessionSamples>,
) -> Result<Json<VerdictsBody>, Problem> {
    let kept = app.sessions.find(&id, &caller.name).ok_or_else(|| nothing(&id))?;
    if body.samples.len() > SAMPLES_MAX {
        return Err(error::too_large(format!(
            "at most {SAMPLES_MAX} samples are taken at once"
        )));
    }
    let _place = judging::place(&app, body.samples.len())?;
    let judged = tokio::task::spawn_blocking(move || judge(&kept, &body.samples)).await;
    let rows = judged.map_err(|error| error::internal(&error))??;
    Ok(Json(VerdictsBody { rows }))
}

fn judge(kept: &Kept, samples: &[SessionSample]) -> Result<Vec<VerdictBody>, Problem> {
    let mut session = kept.session.lock().unwrap_or_else(PoisonError::into_inner);
    let channels = judging::channels(session.detector());
    for sample in samples {
        if let Some(unknown) = sample.values.keys().find(|name| !channels.contains(name)) {
            return Err(error::unprocessable(format!(
                "the model does not know the channel {unknown:?}; it knows {}",
                channels.join(", ")
            )));
        }
    }
    Ok(samples
        .iter()
        .map(|sample| take(&mut session, &channels, sample))
        .collect())
}

fn take(session: &mut Session, channels: &[String], sample: &SessionSample) -> VerdictBody {
    let value = |name: &String| sample.values.get(name).copied().flatten().unwrap_or(f64::NAN);
    let values: Vec<f64> = channels.iter().map(value).collect();
    let time: Timestamp = sample.timestamp.0;
    let mut body = VerdictBody {
        timestamp: sample.timestamp,
        score: None,
        is_anomaly: None,
        event: None,
        top_channel: None,
        top_share: None,
        refused: None,
    };
    match session.push(Sample {
        time,
        values: &values,
    }) {
        Err(error) => body.refused = Some(error.to_string()),
        Ok(None) => {}
        Ok(Some(verdict)) => told(&mut body, &verdict, channels),
    }
    body
}

fn told(body: &mut VerdictBody, verdict: &Verdict, channels: &[String]) {
    body.score = verdict.score;
    body.is_anomaly = verdict.is_anomaly();
    body.event = verdict.event().map(|event| event.to_string());
    if let Some(top) = verdict.top {
        body.top_channel = Some(channels[top.channel_idx].clone());
        body.top_share = Some(top.share);
    }
}

fn info(app: &App, id: &str, owner: &str) -> Result<SessionInfo, Problem> {
    let kept = app.sessions.find(id, owner).ok_or_else(|| nothing(id))?;
    let session = kept.session.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(SessionInfo {
        id: id.to_owned(),
        model: kept.model.to_string(),
        device: kept.device.clone(),
        channels: judging::channels(session.detector()),
        last_time: session.last_time().map(Time),
        expires_at: Time(clock::now().plus(IDLE_MAX)),
    })
}

fn nothing(id: &str) -> Problem {
    error::not_found(format!(
        "there is no session {id:?} of yours; it may have been idle for too long"
    ))
}
