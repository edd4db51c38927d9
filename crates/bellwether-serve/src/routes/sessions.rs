//! Streams of samples: the server keeps the last window, who sends only sends what is new.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_core::frame::{Sample, SeriesId};
use bellwether_core::session::Session;
use bellwether_stream::problem::Problem;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::detect::{JudgedSample, model_of};
use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::error;
use crate::judging::sessions::{Open, lock};
use crate::judging::table::UNNAMED;
use crate::judging::verdict::{EventBody, Names, RowBody, column_names, event_body};
use crate::wire::{Json, Path, ProblemDetails, Raw, Time, from_json};

/// Samples of one request at most.
const SAMPLES_MAX: usize = 10_000;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(show, end))
        .routes(routes!(push));
    guard(app, Permission::Detect, routes)
}

/// A session to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    /// `pump` (its champion), `pump@3` or `pump@ALIAS`; may be left out where one model is in service.
    model: Option<String>,
    /// What the device is called.
    device: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionBody {
    /// Its id.
    id: String,
    /// The version that judges, to its end.
    model: String,
    /// What the device is called.
    device: String,
    /// The channels that a sample has.
    channels: Vec<String>,
    /// When it is over, if nobody uses it.
    expires_at: Time,
    /// Time of the last sample taken.
    last_time: Option<Time>,
}

/// One sample, or several in order of time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum SamplesBody {
    /// Several.
    Many {
        /// In order of time.
        samples: Vec<JudgedSample>,
    },
    /// One.
    One(JudgedSample),
}

/// What is said of the samples.
#[derive(Debug, Serialize, ToSchema)]
struct PushAnswer {
    /// A verdict for each sample that was taken.
    rows: Vec<RowBody>,
    /// Events that are over.
    events: Vec<EventBody>,
    /// Samples that were not taken, and why.
    refused: Vec<RefusedBody>,
    /// Channels that were sent and the model does not know.
    ignored_channels: Vec<String>,
}

/// A sample that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedBody {
    /// Its time as it was sent.
    timestamp: String,
    /// Why not.
    reason: String,
}

/// Begin a session.
///
/// It belongs to the key that began it, and is over when nobody has used it for 15 minutes.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "detect", request_body = NewSession, responses(
    (status = 201, body = SessionBody, description = "It has begun"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be"),
))]
async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Json(new): Json<NewSession>,
) -> Result<Response, Problem> {
    let gate = app.judging.gate.clone();
    let (id, open) = gate
        .run(move || {
            let model = app.judging.models.get(&model_of(&app, new.model.as_deref())?)?;
            let device = new.device.unwrap_or_else(|| UNNAMED.to_owned());
            let detector = &model.loaded.detector;
            let session = detector
                .session(SeriesId::new(device.as_str()), detector.pipeline().inputs())
                .map_err(|error| error::internal(&error))?;
            app.judging.sessions.add(&caller, model, device, session)
        })
        .await?;
    let place = format!("/api/v1/sessions/{id}");
    let mut response = (StatusCode::CREATED, Json(described(id, &open))).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// A session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "detect",
    params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = SessionBody, description = "It is open"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "None of yours"),
))]
async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<SessionBody>, Problem> {
    let open = app.judging.sessions.get(&caller, &id)?;
    Ok(Json(described(id, &open)))
}

/// End a session.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "detect",
    params(("id" = String, Path, description = "Its id")), responses(
    (status = 204, description = "It has ended"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "None of yours"),
))]
async fn end(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.judging.sessions.end(&caller, &id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send the next samples of a session.
///
/// The verdicts are those of the command `detect` in causal mode, bit for bit. Samples that are repeated or come late, and
/// those without a channel that the model knows, are refused, each by itself. The last request may be sent again: it gets
/// the answer that it got.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/samples", tag = "detect",
    params(("id" = String, Path, description = "Its id")), request_body = SamplesBody, responses(
    (status = 200, body = PushAnswer, description = "A verdict for each sample"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "None of yours"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "More than 10,000 samples"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Samples are wanted"),
))]
async fn push(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let open = app.judging.sessions.get(&caller, &id)?;
    let gate = app.judging.gate.clone();
    let about = format!("session {}", open.model.loaded.reference);
    let answer = gate
        .judge(&about, body.len(), move |meter| {
            let samples = match from_json(&body)? {
                SamplesBody::One(sample) => vec![sample],
                SamplesBody::Many { samples } => samples,
            };
            if samples.len() > SAMPLES_MAX {
                return Err(error::too_large(format!("at most {SAMPLES_MAX} samples at once")));
            }
            let mut pushed = lock(&open.pushed);
            if let Some(answer) = pushed.again(&body) {
                return Ok(answer);
            }
            let answer = meter.measure(|| judge(&open, &mut pushed.session, samples))?;
            let answer = serde_json::to_vec(&answer).map_err(|error| error::internal(&error))?;
            let answer = Bytes::from(answer);
            pushed.answered(&body, &answer);
            Ok(answer)
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

fn judge(open: &Open, session: &mut Session, samples: Vec<JudgedSample>) -> Result<PushAnswer, Problem> {
    let names = Names::of(&open.model);
    let channels = &names.channels;
    let columns = column_names(&open.model);
    let mut ignored = BTreeSet::new();
    let mut read = Vec::with_capacity(samples.len());
    // All are read before the first is taken: a request is wrong as a whole, or not at all.
    for sample in samples {
        let (time, text) = sample.timestamp.read()?;
        let values: Vec<f64> = columns
            .iter()
            .map(|name| sample.values.get(name).copied().flatten().unwrap_or(f64::NAN))
            .collect();
        let n_sent = sample.values.len();
        let unknown = sample.values.into_keys().filter(|name| !columns.contains(name));
        let unknown: Vec<String> = unknown.collect();
        let is_known = n_sent == 0 || unknown.len() < n_sent;
        ignored.extend(unknown);
        read.push((time, text, is_known.then_some(values)));
    }
    let mut answer = PushAnswer {
        rows: Vec::with_capacity(read.len()),
        events: Vec::new(),
        refused: Vec::new(),
        ignored_channels: ignored.into_iter().collect(),
    };
    for (time, text, values) in read {
        let pushed = match &values {
            Some(values) => session
                .push(Sample { time, values })
                .map_err(|problem| problem.to_string()),
            None => Err("the model knows none of its channels".to_owned()),
        };
        let verdict = match pushed {
            Ok(verdict) => verdict,
            Err(reason) => {
                let timestamp = text;
                answer.refused.push(RefusedBody { timestamp, reason });
                continue;
            }
        };
        let score = verdict.as_ref().and_then(|verdict| verdict.score);
        let top = verdict.as_ref().and_then(|verdict| verdict.top);
        let closed = verdict.as_ref().and_then(|verdict| verdict.closed());
        let event = verdict.as_ref().and_then(|verdict| verdict.event());
        let outside = verdict.as_ref().and_then(|verdict| verdict.outside);
        let operation = open.model.loaded.detector.pipeline().operation();
        answer
            .events
            .extend(closed.map(|event| event_body(event, &open.device, &names, |at| at.to_string())));
        answer.rows.push(RowBody {
            timestamp: text,
            series: None,
            score,
            is_anomaly: score.map(|score| score >= 1.0),
            event: event.map(|event| event.to_string()),
            top_channel: top.map(|top| channels[top.channel_idx].clone()),
            top_share: top.map(|top| top.share),
            reason: outside.zip(operation).map(|(outside, of)| of.reason(outside)),
        });
    }
    Ok(answer)
}

fn described(id: String, open: &Open) -> SessionBody {
    SessionBody {
        id,
        model: open.model.loaded.reference.to_string(),
        device: open.device.clone(),
        channels: column_names(&open.model),
        expires_at: open.expires_at().into(),
        last_time: lock(&open.pushed).session.last_time().map(Time),
    }
}
