//! Bodies of requests: what they are written in, and the samples in them.

use std::path::Path;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use bellwether_store::read::ReadOptions;
use serde_json::value::RawValue;

use super::REQUEST_LEN_MAX;
use crate::bodies::too_large;
use crate::clock;
use crate::media::media_type;
use crate::problem::Problem;
use crate::source::decode::{Decoded, Decoder, Place, Reason, TableDecoder};

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One JSON value, or lines of JSON.
    Json,
    /// Lines of JSON.
    JsonLines,
    /// A table with a header.
    Table,
}

impl Kind {
    /// The kind that the headers of a request say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(coding) = headers.get(header::CONTENT_ENCODING)
            && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Self::refused(
                "packed bodies are not read: send it without Content-Encoding",
            ));
        }
        match media_type(headers).as_deref() {
            None | Some("application/json") => Ok(Self::Json),
            Some(
                "application/x-ndjson"
                | "application/ndjson"
                | "application/jsonl"
                | "application/x-jsonlines",
            ) => Ok(Self::JsonLines),
            Some("text/csv" | "text/tab-separated-values") => Ok(Self::Table),
            _ => Err(Self::refused(
                "Content-Type: application/x-ndjson, application/json or text/csv is wanted",
            )),
        }
    }

    /// 415, with what is wanted.
    pub(super) fn refused(detail: &str) -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body is of a kind that is not read",
            detail,
        )
    }
}

/// The samples in a body, and what could not be decoded. At most [`REQUEST_LEN_MAX`] lines and samples are taken.
pub(super) fn decode(
    source: &Arc<str>,
    decoder: &mut Decoder,
    device: Option<&Place>,
    kind: Kind,
    body: &[u8],
) -> Result<Decoded, Problem> {
    let mut into = Decoded::default();
    let is_one_value =
        kind == Kind::Json && (is_array(body) || serde_json::from_slice::<&RawValue>(body).is_ok());
    if is_one_value {
        decoder.message(None, body, clock::now(), &mut into);
        bounded(&into)?;
        return Ok(into);
    }
    let n_lines = body.split(|&byte| byte == b'\n').count();
    if n_lines > REQUEST_LEN_MAX + 2 {
        return Err(too_many(n_lines, "lines"));
    }
    let lines = body.split_inclusive(|&byte| byte == b'\n');
    if kind == Kind::Table {
        let device = match device {
            Some(Place::Fixed(name)) => Some(name.as_str()),
            _ => None,
        };
        let options = ReadOptions {
            timezone: decoder.timezone().cloned(),
            ..ReadOptions::default()
        };
        let mut table = TableDecoder::new(source.clone(), Path::new("body"), options, device);
        let mut result = Ok(());
        for line in lines {
            result = table.line(line, &mut into);
            if result.is_err() {
                break;
            }
            bounded(&into)?;
        }
        if let Err(error) = result.and_then(|()| table.end(&mut into)) {
            let refusal = Reason::BadTable.because(error.to_string());
            into.quarantined.push(refusal.of(source, body));
        }
    } else {
        for (line, line_no) in lines.zip(1..) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let n_before = into.quarantined.len();
            decoder.message(None, line, clock::now(), &mut into);
            for entry in &mut into.quarantined[n_before..] {
                entry.detail.insert_str(0, &format!("line {line_no}: "));
            }
            bounded(&into)?;
        }
    }
    bounded(&into)?;
    Ok(into)
}

fn is_array(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"[")
}

fn bounded(decoded: &Decoded) -> Result<(), Problem> {
    match decoded.n_messages() {
        0..=REQUEST_LEN_MAX => Ok(()),
        n_messages => Err(too_many(n_messages, "samples")),
    }
}

fn too_many(found: usize, what: &str) -> Problem {
    too_large(format!(
        "{found} {what} or more; at most {REQUEST_LEN_MAX} are taken at once: send it in parts"
    ))
}
