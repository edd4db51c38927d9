//! Samples in: acknowledged once they are durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bellwether_stream::source::http::ANYBODY;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, Principal, guard};
use crate::app::App;
use crate::judging::table::TimeText;
use crate::wire::ProblemDetails;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(one))
        .routes(routes!(batch))
        .routes(routes!(stream));
    guard(app, Permission::Ingest, routes)
}

/// A sample: what the sensors of a device said at one instant.
#[derive(Debug, Serialize, ToSchema)]
struct SampleBody {
    /// The device.
    #[schema(example = "pump-01")]
    device: String,
    /// When it was measured.
    timestamp: TimeText,
    /// A number for each channel; `null` where it was not measured.
    #[schema(example = json!({ "flow": 12.5, "pressure": 3.1 }))]
    values: BTreeMap<String, Option<f64>>,
}

/// What became of the samples; they are durable.
#[derive(Debug, Serialize, ToSchema)]
struct ReceiptBody {
    /// Taken.
    accepted: u64,
    /// Of an instant that was taken already; dropped.
    duplicate: u64,
    /// Behind what is allowed; dropped.
    late: u64,
    /// In quarantine.
    quarantined: u64,
    /// The first few reasons.
    reasons: Vec<String>,
}

/// Send a sample.
///
/// Answered once it is durable. With an `Idempotency-Key` a repeated request gets the first answer.
#[utoipa::path(post, path = "/api/v1/data/ingest", tag = "ingest", request_body = SampleBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters")),
    responses(
        (status = 200, body = ReceiptBody, description = "Durable"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It could not be decoded; it is in quarantine"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Of a kind that is not read"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The idempotency key was used for another body"),
))]
async fn one(State(app): State<Arc<App>>, Caller(caller): Caller, request: Request) -> Response {
    app.ingest.take(request, name_of(&caller)).await
}

/// Send many samples.
///
/// A JSON array, lines of JSON, or a table (`text/csv`), of any devices. All of it is durable once it is answered.
#[utoipa::path(post, path = "/api/v1/data/batch", tag = "ingest",
    request_body(content(
        (Vec<SampleBody> = "application/json"), (String = "application/x-ndjson"), (String = "text/csv")
    )),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters")),
    responses(
        (status = 200, body = ReceiptBody, description = "Durable"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "Nothing could be decoded; it is in quarantine"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large: send it in parts"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Of a kind that is not read"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The idempotency key was used for another body"),
))]
async fn batch(State(app): State<Arc<App>>, Caller(caller): Caller, request: Request) -> Response {
    app.ingest.take(request, name_of(&caller)).await
}

/// Send samples for as long as you like.
///
/// The body is lines of JSON without end; the answer is a line with a receipt for each piece of up to 1,000 lines or
/// 256 KiB, as soon as it is durable, and ends with a problem as a line where the stream cannot go on. With an
/// `Idempotency-Key` the same stream may be sent again from its beginning.
#[utoipa::path(post, path = "/api/v1/data/stream", tag = "ingest",
    request_body(content = String, content_type = "application/x-ndjson"),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 printable ASCII characters")),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson", description = "Receipts, a line each"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The idempotency key cannot be used"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Of a kind that is not read"),
))]
async fn stream(State(app): State<Arc<App>>, Caller(caller): Caller, request: Request) -> Response {
    app.ingest.take_lines(request, name_of(&caller))
}

/// Whose idempotency keys they are: those of a key, or everybody's where keys are not asked for.
fn name_of(caller: &Principal) -> &str {
    caller.key_id.as_deref().unwrap_or(ANYBODY)
}
