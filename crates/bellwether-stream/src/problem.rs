//! What went wrong, as RFC 9457 has it: `application/problem+json` with a type that stays the same.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What the type of a problem begins with; its kind follows.
pub const TYPE_PREFIX: &str = "urn:bellwether:problem:";

/// Every kind of problem: clients tell them apart by these, so none is renamed.
pub const KINDS: [&str; 28] = [
    "bad-idempotency-key",
    "bad-request",
    "broken-off",
    "busy",
    "changed-meanwhile",
    "conflict",
    "idempotency-key-reused",
    "internal",
    "method-not-allowed",
    "not-allowed",
    "not-found",
    "not-ready",
    "not-signed-in",
    "nothing-decoded",
    "other-origin",
    "protected",
    "queue-full",
    "stopping",
    "timeout",
    "too-large",
    "too-many-attempts",
    "too-often",
    "unavailable",
    "under-way",
    "unprocessable",
    "unsupported-media-type",
    "wrong-configuration",
    "wrong-host",
];

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    /// Last part of its type.
    name: &'static str,
    title: &'static str,
    detail: String,
    /// When it is worth while to try again, in seconds, where it is.
    retry_after_s: u32,
    /// More that a program may want to know.
    more: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem of the kind `name`, one of [`KINDS`].
    pub fn new(
        status: StatusCode,
        name: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        debug_assert!(KINDS.contains(&name), "{name} is no kind of problem");
        Self {
            status,
            name,
            title,
            detail: detail.into(),
            retry_after_s: 1,
            more: serde_json::Map::new(),
        }
    }

    /// Not now: the same request may well succeed in a second.
    pub fn later(name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, title, detail)
    }

    /// The same problem, which says when to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = seconds;
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn is_passing(&self) -> bool {
        matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        )
    }

    /// The same problem, which also says this.
    pub fn with(mut self, name: &str, value: serde_json::Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

impl Problem {
    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let mut body = json!({
            "type": format!("{TYPE_PREFIX}{}", self.name),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.more.clone());
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_passing() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after_s.max(1)));
        }
        response
    }
}
