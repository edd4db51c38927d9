//! What a request says its body is written in.

use axum::http::{HeaderMap, header};

/// The media type of a body without its parameters, in small letters; `None` where nothing is said.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}
