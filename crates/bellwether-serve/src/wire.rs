//! What all routes have in common in JSON: bodies, parameters, times, pages, problems.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bellwether_core::time::Timestamp;
use bellwether_store::read::time_format::parse_time;
use bellwether_stream::bodies::{Bodies, Held};
use bellwether_stream::media::media_type;
use bellwether_stream::problem::{KINDS, Problem, TYPE_PREFIX};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::app::App;
use crate::error;

/// A JSON body; an error says what is wrong with it as a problem.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        Self::of(request, &app.bodies).await
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Reads a body within those bounds.
    pub(crate) async fn of(request: Request, bodies: &Bodies) -> Result<Self, Problem> {
        if media_type(request.headers()).as_deref() != Some("application/json") {
            return Err(error::unsupported("application/json"));
        }
        let (head, body) = request.into_parts();
        let bytes = bodies.read(body, &head.headers).await?;
        from_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Parameters of the address; an error says what is wrong with them as a problem.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(value)| Self(value))
            .map_err(error::query)
    }
}

/// Parts of the path; one that cannot be is of something that is not there.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| error::not_found("there is nothing of that name"))
    }
}

/// The bytes of a body, within server.body_bytes_max and what all bodies together may take.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Held);

impl FromRequest<Arc<App>> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        app.bodies.read(body, &head.headers).await.map(Self)
    }
}

/// A JSON body at hand: to be read where reading it may take its time.
///
/// # Errors
/// 400 where it is no JSON, 422 where it is not what is wanted.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be read field by field, whatever their names.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(error::unprocessable("a JSON object is wanted, not a list"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let text = error.to_string();
        if error.inner().is_data() {
            error::unprocessable(text)
        } else {
            error::bad_request(text)
        }
    })?;
    json.end()
        .map_err(|error| error::bad_request(error.to_string()))?;
    Ok(read)
}

/// An instant: RFC 3339, UTC. Without a zone it is UTC, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-05-01T08:00:00Z")]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A count of seconds or more could be meant; here it would be a slip.
        let is_count = text.parse::<f64>().is_ok();
        let time = if is_count { None } else { parse_time(&text) };
        time.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no time; wanted such as 2024-05-01T08:00:00Z"
            ))
        })
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

/// A problem, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDetails {
    /// Stays the same for one kind of problem: `urn:bellwether:problem:NAME`.
    r#type: ProblemType,
    /// What kind of problem it is, for people.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What exactly is wrong, and what to do.
    detail: String,
    /// The request, as the log of the server names it.
    request_id: String,
}

/// The type of a problem, for the document: one of all that there are.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct ProblemType(String);

impl PartialSchema for ProblemType {
    fn schema() -> RefOr<Schema> {
        let types = KINDS.map(|kind| format!("{TYPE_PREFIX}{kind}"));
        let one = ObjectBuilder::new().schema_type(Type::String);
        one.enum_values(Some(types)).into()
    }
}

impl ToSchema for ProblemType {}

/// How many things a page holds, where nobody says.
pub(crate) const PAGE_LEN: usize = 50;

/// How many things a page holds at most.
pub(crate) const PAGE_LEN_MAX: usize = 1000;

/// Cuts what was found down to a page of `limit`, where one more was asked for; gives the last of the page where there
/// is a next one.
pub(crate) fn cut<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let is_more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| is_more)
}

/// The length of a page that was asked for.
///
/// # Errors
/// 400 where it is none.
pub(crate) fn page_len(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(PAGE_LEN) {
        len @ 1..=PAGE_LEN_MAX => Ok(len),
        _ => Err(error::bad_request(format!(
            "limit lies between 1 and {PAGE_LEN_MAX}"
        ))),
    }
}
