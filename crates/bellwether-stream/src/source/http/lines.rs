//! Lines of JSON without end: taken piece by piece, each acknowledged by a line of the answer once it is durable.

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
use super::ingest::Shared;
use super::keys::key_of;
use crate::clock;
use crate::problem::Problem;

/// Lines of a piece. Pieces are cut at the same lines whenever a stream is sent again.
const PIECE_LINES: usize = 1000;

/// Without a key nobody counts pieces, and lines that wait for company do so for this long at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Nothing comes for so long: the sender has gone.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Bytes of the key that a client gives; the number of a piece is put behind it.
const KEY_BYTES_MAX: usize = 200;

/// Bytes of the answer to a piece at most.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Begins to take the lines of a request; the answer goes on for as long as they come.
pub(super) fn take(shared: &Arc<Shared>, request: Request) -> Result<Response, Problem> {
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
    let place = shared.place()?;
    let (answers, mut told) = mpsc::channel::<Bytes>(4);
    let taking = Taking {
        shared: Arc::clone(shared),
        key,
        answers,
        n_pieces: 0,
        piece: Vec::new(),
        n_lines: 0,
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
    key: Option<String>,
    answers: mpsc::Sender<Bytes>,
    n_pieces: usize,
    piece: Vec<u8>,
    n_lines: usize,
}

/// The stream is over: its sender has gone, or was told why.
struct Over;

impl Taking {
    async fn run(mut self, body: Body) {
        let mut chunks = body.into_data_stream();
        let mut since: Option<Instant> = None;
        loop {
            let patience = match since {
                Some(since) if self.key.is_none() => since + PATIENCE,
                _ => Instant::from_std(clock::instant()) + SILENCE_MAX,
            };
            let done = match tokio::time::timeout_at(patience, chunks.next()).await {
                Ok(Some(Ok(chunk))) => self.chunk(&chunk).await,
                Ok(None) => {
                    let _ = self.flush().await;
                    return;
                }
                Err(_) if since.is_some() && self.key.is_none() => self.flush().await,
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
            self.piece.extend_from_slice(part);
            if self.piece.len() > self.shared.body_bytes_max() {
                let detail = "a line, or 1,000 lines together, are larger than a request may be";
                return self
                    .refuse(Problem::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "too-large",
                        "The request is too large",
                        detail,
                    ))
                    .await;
            }
            if part.ends_with(b"\n") {
                self.n_lines += 1;
                if self.n_lines == PIECE_LINES {
                    self.cut(self.piece.len()).await?;
                }
            }
        }
        Ok(())
    }

    /// What is there, up to the last end of a line; at the end of the stream all of it.
    async fn flush(&mut self) -> Result<(), Over> {
        let whole = match self.piece.iter().rposition(|&byte| byte == b'\n') {
            Some(end) if self.n_lines > 0 => end + 1,
            _ => self.piece.len(),
        };
        if whole == 0 {
            return Ok(());
        }
        self.cut(whole).await
    }

    /// Keeps the first bytes of the piece, and tells of it.
    async fn cut(&mut self, n_bytes: usize) -> Result<(), Over> {
        let rest = self.piece.split_off(n_bytes);
        let piece = std::mem::replace(&mut self.piece, rest);
        self.n_lines = 0;
        if piece.trim_ascii().is_empty() {
            return Ok(());
        }
        let key = self.key.as_ref().map(|key| format!("{key}#{}", self.n_pieces));
        self.n_pieces += 1;
        let kept = self
            .shared
            .keep(Kind::JsonLines, key, piece, clock::instant())
            .await;
        match kept {
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
