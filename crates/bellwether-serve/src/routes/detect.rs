//! Rows in, verdicts out: what the command `detect` does, for what a request brings.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bellwether_core::detect::Mode;
use bellwether_store::registry::NamedRef;
use bellwether_stream::media::media_type;
use bellwether_stream::problem::Problem;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Permission, guard};
use crate::app::App;
use crate::error;
use crate::judging::AnswerKey;
use crate::judging::gate::Meter;
use crate::judging::table::{self, Gather, Series, TimeText, UNNAMED, Values};
use crate::judging::verdict::{self, EventBody, RowBody};
use crate::wire::{ProblemDetails, Query, Raw, from_json};

static X_CACHE: HeaderName = HeaderName::from_static("x-cache");

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Detect,
        OpenApiRouter::new().routes(routes!(detect)),
    )
}

/// Which rows a score may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeBody {
    /// Those up to its own: what a live system knows.
    #[default]
    Causal,
    /// All: for looking back.
    Retrospective,
}

impl From<ModeBody> for Mode {
    fn from(mode: ModeBody) -> Self {
        match mode {
            ModeBody::Causal => Self::Causal,
            ModeBody::Retrospective => Self::Retrospective,
        }
    }
}

/// What is asked for, where the body does not say.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `pump` (its champion), `pump@3` or `pump@ALIAS`; may be left out where one model is in service.
    model: Option<String>,
    /// `causal`, or `retrospective`.
    mode: Option<ModeBody>,
    /// What the series is called, where the table does not say.
    device: Option<String>,
}

impl Asked {
    /// What is known of a request before its body is read.
    fn kind(&self, kind: Kind) -> String {
        format!("detect {kind:?} {}", self.model.as_deref().unwrap_or_default())
    }
}

/// Rows to judge: either `samples`, or `timestamps` and `channels`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DetectBody {
    /// `pump` (its champion), `pump@3` or `pump@ALIAS`; may be left out where one model is in service.
    model: Option<String>,
    /// Which rows a score may use.
    mode: Option<ModeBody>,
    /// What the series is called.
    device: Option<String>,
    /// Row by row, in order of time.
    samples: Option<Vec<JudgedSample>>,
    /// Column by column: the times,
    timestamps: Option<Vec<TimeText>>,
    /// and as many values for each channel, `null` where nothing was measured.
    channels: Option<BTreeMap<String, Vec<Option<f64>>>>,
}

/// What was measured at one instant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgedSample {
    /// When.
    pub(super) timestamp: TimeText,
    /// A number for each channel; `null`, or not there, where it was not measured.
    #[schema(example = json!({ "flow": 12.5, "pressure": 3.1 }))]
    pub(super) values: Values,
}

/// What is said of the rows.
#[derive(Debug, Serialize, ToSchema)]
struct DetectAnswer {
    /// The version that judged.
    #[schema(example = "pump@3")]
    model: String,
    /// Which rows each score could use.
    mode: ModeBody,
    /// A verdict for each row, in the order of the request.
    rows: Vec<RowBody>,
    /// All events.
    events: Vec<EventBody>,
    /// Channels that were sent and the model does not know.
    ignored_channels: Vec<String>,
}

/// Have rows judged.
///
/// The values are those of the command `detect`, bit for bit. Nothing is kept, but for answers: the same request is
/// answered from memory (`X-Cache: hit`). With `Accept: text/csv` the answer is the table that `detect -o` writes.
#[utoipa::path(post, path = "/api/v1/detect", tag = "detect", params(Asked),
    request_body(content((DetectBody = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, description = "A verdict for each row", headers(("X-Cache" = String, description = "`hit` or `miss`")),
            content((DetectAnswer = "application/json"), (String = "text/csv"))),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "More than 100,000 rows, 1,000 channels, 10,000,000 values, or server.body_bytes_max"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Neither JSON nor CSV"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn detect(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let kind = Kind::of(&headers)?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let as_csv = accept.is_some_and(|accept| accept.contains("text/csv"));
    let gate = app.judging.gate.clone();
    let (answer, is_hit) = gate
        .judge(&asked.kind(kind), body.len(), move |meter| {
            answer(&app, asked, kind, as_csv, &body, meter)
        })
        .await?;
    let content_type = if as_csv {
        "text/csv; charset=utf-8"
    } else {
        "application/json"
    };
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        &X_CACHE,
        HeaderValue::from_static(if is_hit { "hit" } else { "miss" }),
    );
    Ok(response)
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Csv,
}

impl Kind {
    /// What the headers say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match media_type(headers).as_deref() {
            Some("application/json") => Ok(Self::Json),
            Some("text/csv") => Ok(Self::Csv),
            _ => Err(error::unsupported("application/json or text/csv")),
        }
    }
}

/// A JSON body in two steps: what it asks for is known only when it was read.
fn answer(
    app: &App,
    asked: Asked,
    kind: Kind,
    as_csv: bool,
    body: &[u8],
    meter: &Meter,
) -> Result<(Bytes, bool), Problem> {
    let mut read = match kind {
        Kind::Json => Some(from_json::<DetectBody>(body)?),
        Kind::Csv => None,
    };
    let of_body = |said: fn(&mut DetectBody) -> Option<String>, read: &mut Option<DetectBody>| {
        read.as_mut().and_then(said)
    };
    let reference = of_body(|body| body.model.take(), &mut read).or(asked.model);
    let device = of_body(|body| body.device.take(), &mut read).or(asked.device);
    let mode = read
        .as_ref()
        .and_then(|body| body.mode)
        .or(asked.mode)
        .unwrap_or_default();
    let model = app.judging.models.get(&model_of(app, reference.as_deref())?)?;
    let key = key(&[
        model.loaded.reference.as_bytes(),
        model.sha256.as_bytes(),
        &[mode as u8, kind as u8, u8::from(as_csv)],
        device.as_deref().unwrap_or_default().as_bytes(),
        body,
    ]);
    let judge = || {
        let series = match read {
            Some(read) => vec![of_json(read, device.as_deref())?],
            None => table::of_csv(body, device.as_deref())?,
        };
        let verdicts = verdict::judge(&model, series, mode.into())?;
        if as_csv {
            return verdicts.to_csv();
        }
        let answer = DetectAnswer {
            model: model.loaded.reference.to_string(),
            mode,
            rows: verdicts.rows(),
            events: verdicts.events(),
            ignored_channels: verdicts.ignored(),
        };
        serde_json::to_vec(&answer).map_err(|error| error::internal(&error))
    };
    let answers = &app.judging.answers;
    answers.get_or(key, || meter.measure(judge).map(Bytes::from))
}

/// The model that is asked for; where nobody says, the only one in service.
pub(super) fn model_of(app: &App, asked: Option<&str>) -> Result<NamedRef, Problem> {
    let only;
    let text = match asked {
        Some(text) => text,
        None => {
            let names: Vec<Arc<str>> = app.models.borrow().in_service().into_keys().collect();
            let [name] = names.as_slice() else {
                return Err(error::unprocessable(format!(
                    "which model? {} are in service; say model=NAME",
                    names.len()
                )));
            };
            only = Arc::clone(name);
            &only
        }
    };
    text.parse().map_err(|_| {
        error::unprocessable(format!(
            "{text:?} is no model: write NAME (its champion), NAME@VERSION or NAME@ALIAS"
        ))
    })
}

fn of_json(body: DetectBody, device: Option<&str>) -> Result<Series, Problem> {
    let mut gather = Gather::default();
    match (body.samples, body.timestamps, body.channels) {
        (Some(samples), None, None) => {
            for sample in samples {
                gather.row(sample.timestamp.read()?, sample.values)?;
            }
        }
        (None, Some(times), Some(channels)) => {
            table::check_rows(times.len())?;
            if let Some((name, values)) = channels.iter().find(|(_, values)| values.len() != times.len()) {
                return Err(error::unprocessable(format!(
                    "channel {name:?} has {} values where there are {} timestamps",
                    values.len(),
                    times.len()
                )));
            }
            for (idx, time) in times.iter().enumerate() {
                let values = channels.iter().map(|(name, values)| (name, values[idx]));
                gather.row(time.read()?, values)?;
            }
        }
        _ => {
            return Err(error::unprocessable(
                "either `samples`, or `timestamps` and `channels`, are wanted",
            ));
        }
    }
    gather.finish(device.unwrap_or(UNNAMED))
}

/// A hash of parts that cannot be mistaken for other parts.
fn key(parts: &[&[u8]]) -> AnswerKey {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
