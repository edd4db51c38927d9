//! The dashboard: its files, which `build.rs` has packed into the binary, and the headers that guard them.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::error;

/// A file as it lies in the binary.
#[derive(Debug)]
struct File {
    /// Without the first slash.
    path: &'static str,
    kind: &'static str,
    /// An entity tag, with its quotes: the fingerprint of what is inside.
    tag: &'static str,
    gzip: &'static [u8],
}

/// Sorted by path; empty where the program was built without the dashboard.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Names of files in this folder hold a fingerprint, so that what stands under one never changes.
const HASHED: &str = "assets/";

/// Nothing comes from elsewhere, nothing is sent elsewhere, no code stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page of the API is made by Swagger UI, which writes styles into its elements.
const POLICY_OF_DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                              img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
                              form-action 'self'; frame-ancestors 'none'";

/// What is said where the program was built without the dashboard.
const WITHOUT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>bellwether</title>\
    <h1>bellwether is running</h1>\
    <p>This program was built without its dashboard. To have it, install Node.js 20 or later with npm, and build again \
    (<code>cargo build --release</code>, without <code>BELLWETHER_DASHBOARD=off</code>).</p>\
    <p>All else is here: <a href=/openapi.json>/openapi.json</a> describes the API.</p></html>";

/// Answers what no route has answered: a file, a page of the dashboard, or that there is nothing.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return nothing();
    }
    answer(FILES, uri.path(), &headers)
}

fn answer(files: &'static [File], path: &str, headers: &HeaderMap) -> Response {
    let name = match path {
        "/docs" => "docs.html",
        path => path.trim_start_matches('/'),
    };
    if let Ok(i) = files.binary_search_by(|file| file.path.cmp(name)) {
        return file(&files[i], headers);
    }
    if !is_page(path, headers) {
        return nothing();
    }
    match files.binary_search_by(|file| file.path.cmp("index.html")) {
        Ok(i) => file(&files[i], headers),
        Err(_) => guarded(
            (StatusCode::OK, [(header::CONTENT_TYPE, HTML)], WITHOUT).into_response(),
            POLICY,
        ),
    }
}

fn nothing() -> Response {
    error::not_found("/openapi.json says what there is").into_response()
}

const HTML: &str = "text/html; charset=utf-8";

/// Whether a person wants a page: which one, the dashboard finds out in the browser. The address of the service alone is one
/// whoever asks.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let of_programs = [
        "/api/",
        "/assets/",
        "/v2/",
        "/health",
        "/metrics",
        "/openapi.json",
    ];
    let accepted = headers.get_all(header::ACCEPT).iter();
    let wants_html = accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    path == "/" || wants_html && !of_programs.iter().any(|prefix| path.starts_with(prefix))
}

fn file(file: &'static File, headers: &HeaderMap) -> Response {
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == file.tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(headers) {
        (
            [(header::CONTENT_ENCODING, "gzip")],
            Body::from(Bytes::from_static(file.gzip)),
        )
            .into_response()
    } else {
        match unpacked(file) {
            Ok(bytes) => Body::from(bytes).into_response(),
            Err(_) => {
                return error::not_found("this file of the program is damaged: install it again")
                    .into_response();
            }
        }
    };
    let cache = if file.path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let own = [
        (header::CONTENT_TYPE, file.kind),
        (header::ETAG, file.tag),
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
    ];
    for (name, value) in own {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    guarded(
        response,
        if file.path == "docs.html" {
            POLICY_OF_DOCS
        } else {
            POLICY
        },
    )
}

fn guarded(mut response: Response, policy: &'static str) -> Response {
    let guards = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in guards {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `gzip` or `*`, but not with a weight of zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = codings
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.into_iter().any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight: f32 = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|q| q.trim().parse().ok())
            .unwrap_or(1.0);
        matches!(name.trim(), "gzip" | "*") && weight > 0.0
    })
}

fn unpacked(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(file.gzip).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
