//! Lines of JSON without end: taken piece by piece, each acknowledged by a line of the answer once it is durable.
//!
//! No more is read while a piece waits: a sender that is too fast finds its connection full.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::body::Kind;
use super::ingest::{Shared, stopped};
use super::keys::{kept_as, key_of};
use crate::bodies::too_large;
use crate::clock;
use crate::problem::Problem;
use crate::source::MESSAGE_BYTES_MAX;

/// Lines of a piece. Pieces are cut at the same lines whenever a stream is sent again.
const PIECE_LINES: usize = 1000;

/// A piece is cut at the end of the line that brings it to so many bytes, however few lines it has.
const PIECE_BYTES: usize = 256 << 10;

/// Without a key nobody counts pieces, and lines that wait for company do so for this long at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Nothing comes for so long: the sender has gone.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Bytes of the key that a client gives; the number of a piece is put behind it.
const KEY_BYTES_MAX: usize = 200;

/// Bytes of the answer to a piece at most.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Begins to take the lines of a request; the answer goes on for as long as they come.
pub(super) fn take(shared: &Arc<Shared>, request: Request, caller: &str) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    if Kind::of(&head.headers)? == Kind::Table {
        return Err(Kind::refused(
            "Content-Type: application/x-ndjson is wanted; a table goes to /api/v1/data/batch",
        ));
    }
    let key = key_of(&head.headers)?;
    if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-idempotency-key",
            "The idempotency key cannot be used",
            format!("at most {KEY_BYTES_MAX} characters are wanted here"),
        ));
    }
    let place = shared.stream()?;
    let (answers, mut told) = mpsc::channel::<Bytes>(4);
    let taking = Taking {
        shared: Arc::clone(shared),
        caller: caller.to_owned(),
        key,
        line_bytes_max: MESSAGE_BYTES_MAX.min(shared.body_bytes_max()),
        answers,
        n_pieces: 0,
        piece: Vec::new(),
        n_lines: 0,
        line_start: 0,
    };
    tokio::spawn(async move {
        taking.run(body).await;
        drop(place);
    });
    let lines = futures_util::stream::poll_fn(move |context| told.poll_recv(context))
        .map(Ok::<_, std::convert::Infallible>);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

struct Taking {
    shared: Arc<Shared>,
    caller: String,
    key: Option<String>,
    line_bytes_max: usize,
    answers: mpsc::Sender<Bytes>,
    n_pieces: usize,
    piece: Vec<u8>,
    /// Whole lines of the piece.
    n_lines: usize,
    /// Where in the piece the line begins that is not whole yet.
    line_start: usize,
}

/// The stream is over: its sender has gone, or was told why.
struct Over;

impl Taking {
    async fn run(mut self, body: Body) {
        let mut chunks = body.into_data_stream();
        let mut since: Option<Instant> = None;
        let mut stop = self.shared.stop();
        loop {
            let patience = match since {
                Some(since) if self.key.is_none() => since + PATIENCE,
                _ => Instant::from_std(clock::instant()) + SILENCE_MAX,
            };
            let next = tokio::select! {
                next = tokio::time::timeout_at(patience, chunks.next()) => next,
                // Lines that have not been acknowledged are sent again.
                () = stop.told() => {
                    let _ = self.refuse(stopped()).await;
                    return;
                }
            };
            let done = match next {
                Ok(Some(Ok(chunk))) => self.chunk(&chunk).await,
                // The last line may have no end.
                Ok(None) => {
                    let _ = self.cut(self.piece.len()).await;
                    return;
                }
                Err(_) if since.is_some() && self.key.is_none() => self.cut(self.line_start).await,
                // Broken off, or silent for too long: lines that have not been acknowledged are sent again.
                Ok(Some(Err(_))) | Err(_) => return,
            };
            if done.is_err() {
                return;
            }
            since = (self.n_lines > 0).then(|| since.unwrap_or_else(|| Instant::from_std(clock::instant())));
        }
    }

    async fn chunk(&mut self, chunk: &[u8]) -> Result<(), Over> {
        for part in chunk.split_inclusive(|&byte| byte == b'\n') {
            if self.piece.len() - self.line_start + part.len() > self.line_bytes_max {
                let detail = format!("a line is longer than {} bytes", self.line_bytes_max);
                return self.refuse(too_large(detail)).await;
            }
            self.piece.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.n_lines += 1;
                self.line_start = self.piece.len();
                if self.n_lines == PIECE_LINES || self.piece.len() >= PIECE_BYTES {
                    self.cut(self.line_start).await?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the first bytes of the piece, and tells of it.
    async fn cut(&mut self, n_bytes: usize) -> Result<(), Over> {
        let rest = self.piece.split_off(n_bytes);
        let piece = std::mem::replace(&mut self.piece, rest);
        (self.n_lines, self.line_start) = (0, 0);
        if piece.trim_ascii().is_empty() {
            return Ok(());
        }
        let key = self.key.as_deref();
        let key = key.map(|key| kept_as(&self.caller, key, Some(self.n_pieces)));
        self.n_pieces += 1;
        match self.shared.take_piece(key, piece).await {
            Ok(response) => {
                let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
                self.tell(&body.unwrap_or_default()).await
            }
            // A piece of which nothing could be read is in quarantine; the next one may be better.
            Err(problem) if problem.status() == StatusCode::BAD_REQUEST => {
                self.tell(problem.to_json().to_string().as_bytes()).await
            }
            Err(problem) => self.refuse(problem).await,
        }
    }

    async fn refuse(&mut self, problem: Problem) -> Result<(), Over> {
        let _ = self.tell(problem.to_json().to_string().as_bytes()).await;
        Err(Over)
    }

    async fn tell(&mut self, line: &[u8]) -> Result<(), Over> {
        let mut answer = line.to_vec();
        answer.push(b'\n');
        self.answers.send(answer.into()).await.map_err(|_| Over)
    }
}
