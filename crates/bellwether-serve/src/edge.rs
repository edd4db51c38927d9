//! The outermost layer: every request gets an id, a line in the log and a deadline, and must come to us by our name.
//!
//! At its deadline a request is dropped. What changes something goes on all the same: the guard sees to that.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bellwether_stream::clock;
use bellwether_stream::listen::Peer;
use bellwether_stream::problem::Problem;
use tracing::Instrument as _;

use crate::access::{address, is_safe};
use crate::app::{App, Limits};
use crate::error;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes of an id that a client gives its request at most.
const ID_BYTES_MAX: usize = 128;

/// Bytes of a problem at most.
const PROBLEM_BYTES_MAX: usize = 1 << 20;

pub(crate) async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = clock::instant();
    let trace_id = trace_id(request.headers()).map_or_else(random_id, str::to_owned);
    let id = request_id(request.headers()).unwrap_or(&trace_id).to_owned();
    let method = request.method().clone();
    let is_kserve = matches!(request.uri().path().split('/').nth(1), Some("v2"));
    let route: Arc<str> = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .into();
    // At the level of errors, so that it is there at any level: a warning without its request helps nobody.
    let span = tracing::error_span!("request", %id, %trace_id, %method, route = &*route);
    let response = async {
        if let Err(problem) = admit(&app, &request) {
            let why = match problem.status() {
                StatusCode::MISDIRECTED_REQUEST => "asks under a name of another server",
                StatusCode::FORBIDDEN => "comes from a page of another server",
                _ => "names no server",
            };
            let from = address(&app.limits, request.headers(), request.extensions().get::<Peer>());
            app.denials
                .note(None, from, &format!("{} {route}", request.method()), why);
            return problem.into_response();
        }
        match deadline(&app, request.headers()) {
            Err(problem) => problem.into_response(),
            Ok(timeout) => tokio::time::timeout(timeout, next.run(request))
                .await
                .unwrap_or_else(|_| out_of_time(timeout).into_response()),
        }
    }
    .instrument(span.clone())
    .await;
    let mut response = completed(response, &id, is_kserve).await;
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

/// The id that the client gave, where it can stand in a log.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let is_plain = |id: &&str| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    given.filter(is_plain)
}

/// The trace that the request is part of, by W3C trace context: version, trace, parent, flags. All zeros are none.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let trace = headers.get(&TRACE_PARENT)?.to_str().ok()?.split('-').nth(1)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_trace = trace.len() == 32 && trace.bytes().all(is_digit) && trace.bytes().any(|byte| byte != b'0');
    is_trace.then_some(trace)
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
    if !is_ours(&app.limits, name_of(host)) {
        let problem = Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong-host",
            "The server is not known under this name",
            "name it in server.hosts of the configuration",
        );
        return Err(problem);
    }
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| !is_safe(request.method())) {
        let origin = origin.to_str().unwrap_or_default();
        let of_origin = origin.split_once("://").map_or(origin, |(_, rest)| rest);
        // A proxy in front may ask under another name than the browser did.
        if of_origin != host && !is_named(&app.limits, name_of(of_origin)) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "other-origin",
                "The request comes from a page of another server",
                "only pages of this server may change things in a browser; name it in server.hosts if it is one",
            ));
        }
    }
    Ok(())
}

/// A host without its port, and an address without its brackets.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_named(limits: &Limits, name: &str) -> bool {
    limits.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A page of another origin reaches us under a name that somebody else gave our address: never under the address
/// itself, nor as `localhost`.
fn is_ours(limits: &Limits, name: &str) -> bool {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    // Where others reach the server, they show keys, and a browser sends no key by itself to a name made up by others.
    let is_any_name = limits.hosts.is_empty() && !limits.is_loopback;
    is_address || name.eq_ignore_ascii_case("localhost") || is_named(limits, name) || is_any_name
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
    let detail = format!(
        "there was no answer within {:.3} s; a change that was asked for may be made all the same",
        timeout.as_secs_f64()
    );
    Problem::later("timeout", "The answer takes too long", detail)
}

/// Problems name the request, as the log does. Clients of KServe look for `error`.
async fn completed(response: Response, id: &str, is_kserve: bool) -> Response {
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
            if is_kserve && let Some(detail) = problem.get("detail").cloned() {
                problem.insert("error".to_owned(), detail);
            }
            Body::from(serde_json::Value::Object(problem).to_string())
        }
        _ => Body::from(bytes),
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_names_and_never_by_one_that_others_made_up() {
        let limits = |hosts: &[&str], is_loopback: bool| Limits {
            timeout: Duration::from_secs(1),
            cache_bytes_max: 1,
            hosts: hosts.iter().map(ToString::to_string).collect(),
            is_loopback,
            is_encrypted: true,
            is_behind_proxy: false,
        };
        let check = |limits: &Limits, host: &str, want: bool| {
            assert_eq!(
                is_ours(limits, name_of(host)),
                want,
                "{host} with {:?}",
                limits.hosts
            );
        };
        for limits in [
            limits(&[], true),
            limits(&["plant.example"], false),
            limits(&["plant.example"], true),
        ] {
            check(&limits, "127.0.0.1:8080", true);
            check(&limits, "10.0.0.7", true);
            check(&limits, "[::1]:8080", true);
            check(&limits, "LocalHost:8080", true);
            check(&limits, "evil.example:8080", false);
            check(&limits, "127.0.0.1.evil.example", false);
            check(&limits, "Plant.example:443", !limits.hosts.is_empty());
        }
        check(&limits(&[], false), "any.example", true);
    }

    #[test]
    fn a_trace_is_taken_from_its_header_where_it_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |header: &'static str, want: Option<&str>| {
            let headers = HeaderMap::from_iter([(TRACE_PARENT.clone(), HeaderValue::from_static(header))]);
            assert_eq!(trace_id(&headers), want, "{header}");
        };
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some(trace),
        );
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None);
        check("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None);
        check("00-4bf92f3577b34da6-00f067aa0ba902b7-01", None);
        check("", None);
    }
}
