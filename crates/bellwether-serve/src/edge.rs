//! The outermost layer: every request gets an id, a line in the log and a deadline, and must come to us by our name.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use tracing::Instrument as _;

use crate::app::App;
use crate::error;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// Bytes of an id that a client gives its request at most.
const ID_BYTES_MAX: usize = 128;

/// Bytes of a problem at most.
const PROBLEM_BYTES_MAX: usize = 1 << 20;

pub(crate) async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = clock::instant();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route: Arc<str> = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .into();
    let span = tracing::info_span!("request", id = %id, %method, route = &*route);
    let response = async {
        match admit(&app, &request).and_then(|()| deadline(&app, request.headers())) {
            Err(problem) => problem.into_response(),
            Ok(timeout) => tokio::time::timeout(timeout, next.run(request))
                .await
                .unwrap_or_else(|_| out_of_time(timeout).into_response()),
        }
    }
    .instrument(span.clone())
    .await;
    let mut response = with_id(response, &id).await;
    let seconds = clock::instant().saturating_duration_since(started).as_secs_f64();
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), seconds, "answered"));
    crate::metrics::answered(&method, &route, response.status(), seconds);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(&REQUEST_ID, id);
    }
    headers
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The id that the client gave, where it can stand in a log; else the trace that the request is part of, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_plain = |id: &&str| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    if let Some(id) = given.filter(is_plain) {
        return id.to_owned();
    }
    // W3C trace context: version, trace, parent, flags.
    let trace = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let trace = trace.and_then(|value| value.split('-').nth(1));
    let is_trace = |trace: &&str| trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    trace.filter(is_trace).map_or_else(random_id, str::to_owned)
}

pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    // An id is for people who search the log: one that is not random is better than none.
    let _ = getrandom::fill(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}

/// Whether the request came to us under a name of ours, and, where it changes something in a browser, from a page of
/// ours: no page of another origin can then make a browser speak for whoever sits before it.
fn admit(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().authority().map(|authority| authority.as_str()));
    let Some(host) = host else {
        return Err(error::bad_request("there is no Host in the request"));
    };
    if !is_ours(app, host) {
        let problem = Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong-host",
            "The server is not known under this name",
            "name it in server.hosts of the configuration",
        );
        return Err(problem);
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| !is_safe) {
        let origin = origin.to_str().unwrap_or_default();
        let of_origin = origin.split_once("://").map_or(origin, |(_, rest)| rest);
        if of_origin != host {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "other-origin",
                "The request comes from a page of another server",
                "only pages of this server may change things in a browser",
            ));
        }
    }
    Ok(())
}

fn is_ours(app: &App, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                host
            }
        }),
    };
    let limits = &app.limits;
    if limits.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return true;
    }
    if !limits.hosts.is_empty() {
        return false;
    }
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    // Where others reach the server, they show keys, and a browser sends no key by itself to a name made up by others.
    is_local || !limits.is_loopback
}

/// How long this request may take: what the client says, within what the server allows.
fn deadline(app: &App, headers: &HeaderMap) -> Result<Duration, Problem> {
    let Some(wanted) = headers.get(&REQUEST_TIMEOUT) else {
        return Ok(app.limits.timeout);
    };
    let seconds: Option<f64> = wanted.to_str().ok().and_then(|text| text.trim().parse().ok());
    match seconds
        .filter(|seconds| *seconds > 0.0)
        .map(Duration::try_from_secs_f64)
    {
        Some(Ok(wanted)) => Ok(wanted.min(app.limits.timeout)),
        _ => Err(error::bad_request(
            "X-Request-Timeout: wanted a number of seconds such as 2.5",
        )),
    }
}

fn out_of_time(timeout: Duration) -> Problem {
    let detail = format!("there was no answer within {:.1} s", timeout.as_secs_f64());
    Problem::later("timeout", "The answer takes too long", detail)
}

/// Problems name the request, as the log does.
async fn with_id(response: Response, id: &str) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/problem+json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, PROBLEM_BYTES_MAX).await else {
        return Response::from_parts(head, Body::empty());
    };
    let body = match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::Object(mut problem)) => {
            problem.insert("request_id".to_owned(), id.into());
            Body::from(serde_json::Value::Object(problem).to_string())
        }
        _ => Body::from(bytes),
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}
