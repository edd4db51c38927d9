//! The routes: samples in, and whether the system lives and is ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::body::{self, Kind};
use super::keys::{HeldKey, KeysUnderWay, key_of};
use super::lines;
use super::pace::Pace;
use super::{Answers, HttpSpec, REQUESTS_MAX};
use crate::arrival::{Batch, Inlet, Receipt, Refused};
use crate::clock;
use crate::problem::Problem;
use crate::source::decode::{Decoded, Decoder, Mapping};

/// Bodies from this size on are decoded beside the tasks, not among them.
const LARGE_BYTES: usize = 1 << 16;

/// Decoders kept for later requests, with the names they share.
const DECODERS_MAX: usize = 16;

/// Reasons told in an answer.
const REASONS_MAX: usize = 10;

/// What taking samples needs; shared by all requests.
#[derive(Clone)]
pub struct Ingest(Arc<Shared>);

pub(super) struct Shared {
    name: Arc<str>,
    mapping: Mapping,
    body_bytes_max: usize,
    timeout: Duration,
    inlet: Mutex<Option<Inlet>>,
    answers: Answers,
    is_ready: watch::Receiver<bool>,
    places: Arc<Semaphore>,
    pace: Pace,
    keys: KeysUnderWay,
    decoders: Mutex<Vec<Decoder>>,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

impl Ingest {
    /// Samples go to `inlet` as those of the source that `spec` names.
    pub fn new(spec: &HttpSpec, inlet: Inlet, answers: Answers, is_ready: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Shared {
            name: spec.name.as_str().into(),
            mapping: spec.mapping.clone(),
            body_bytes_max: spec.body_bytes_max,
            timeout: spec.timeout,
            inlet: Mutex::new(Some(inlet)),
            answers,
            is_ready,
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
            pace: Pace::new(clock::instant()),
            keys: KeysUnderWay::default(),
            decoders: Mutex::new(Vec::new()),
        }))
    }

    /// Takes the samples of a request, and answers once they are durable.
    pub async fn take(&self, request: Request) -> Response {
        match self.0.take(request).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// Lets go of the way in: the live system ends once every source has. Samples are refused from here on.
    pub fn close(&self) {
        *self.0.inlet.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes lines of JSON for as long as they come, and answers piece by piece.
    pub fn take_lines(&self, request: Request) -> Response {
        match lines::take(&self.0, request) {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }
}

/// The routes of the ingest endpoint and of health.
pub fn router(ingest: Ingest) -> Router {
    Router::new()
        .route("/api/v1/data/batch", post(take_batch))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .method_not_allowed_fallback(async || {
            let detail = "samples are sent with POST, health is asked for with GET";
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Another method is wanted here",
                detail,
            )
        })
        .fallback(async || {
            let detail = "there are /api/v1/data/batch, /health/live and /health/ready";
            Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "There is nothing here",
                detail,
            )
        })
        .with_state(ingest)
}

async fn live() -> Response {
    json_of(json!({ "status": "live" }).to_string())
}

async fn ready(State(ingest): State<Ingest>) -> Response {
    if *ingest.0.is_ready.borrow() {
        json_of(json!({ "status": "ready" }).to_string())
    } else {
        let detail = "the state of the devices is being restored";
        Problem::later("not-ready", "Samples cannot be judged yet", detail).into_response()
    }
}

async fn take_batch(State(ingest): State<Ingest>, request: Request) -> Response {
    ingest.take(request).await
}

impl Shared {
    async fn take(self: &Arc<Self>, request: Request) -> Result<Response, Problem> {
        let arrived = clock::instant();
        let _place = self.place()?;
        let (head, body) = request.into_parts();
        let kind = Kind::of(&head.headers)?;
        let key = key_of(&head.headers)?;
        let body = body::read(body, &head.headers, self.body_bytes_max).await?;
        let taken = self
            .pace
            .take(body.len(), clock::instant())
            .ok_or_else(queue_full)?;
        let kept = self.keep(kind, key, body, arrived).await?;
        taken.done(clock::instant());
        Ok(kept)
    }

    fn inlet(&self) -> Result<Inlet, Problem> {
        let inlet = self.inlet.lock().unwrap_or_else(PoisonError::into_inner);
        inlet.clone().ok_or_else(stopped)
    }

    /// Bytes of a body at most.
    pub(super) fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// A place among the requests that are worked on.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = format!("{REQUESTS_MAX} requests are being worked on");
            Problem::later("busy", "Too many requests at once", detail)
        })
    }

    /// Decodes a body, hands it over, and waits until it is durable.
    pub(super) async fn keep(
        self: &Arc<Self>,
        kind: Kind,
        key: Option<String>,
        body: Vec<u8>,
        arrived: std::time::Instant,
    ) -> Result<Response, Problem> {
        let keyed = match key {
            None => None,
            Some(key) => {
                let body_hash = crate::hex(&Sha256::digest(&body));
                let held = self.keys.hold(&key).ok_or_else(under_way)?;
                if let Some(response) = self.replay(&key, &body_hash).await? {
                    return Ok(response);
                }
                Some((held, key, body_hash))
            }
        };
        let decoded = self.decode(kind, body).await?;
        if decoded.n_messages() == 0 {
            return Err(nothing("the body holds no samples".to_owned()));
        }
        let deadline = Instant::from_std(arrived) + self.timeout;
        let receipt = match keyed {
            Some((held, key, body_hash)) => {
                let (mut batch, receipt) =
                    Batch::new(self.name.clone(), decoded.arrivals, decoded.quarantined, arrived);
                batch.key = Some((key, body_hash));
                self.send_now(batch)?;
                told_by(deadline, hold_until_told(held, receipt)).await?
            }
            None => self.in_batches(decoded, arrived, deadline).await?,
        };
        respond(&receipt)
    }

    /// What was answered to the request with this key, if there was one.
    async fn replay(&self, key: &str, body_hash: &str) -> Result<Option<Response>, Problem> {
        let answer = (self.answers)(key.to_owned()).await.map_err(|error| {
            Problem::later("unavailable", "The database does not answer", error.to_string())
        })?;
        let Some(answer) = answer else { return Ok(None) };
        if answer.body_hash != body_hash {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another body",
                "take another key for other samples",
            ));
        }
        let receipt: Receipt = serde_json::from_str(&answer.answer).map_err(|error| {
            let detail = format!("the earlier answer cannot be read: {error}");
            Problem::later("unavailable", "The database does not answer", detail)
        })?;
        let mut response = respond(&receipt).unwrap_or_else(IntoResponse::into_response);
        response.headers_mut().insert(
            HeaderName::from_static("idempotent-replayed"),
            HeaderValue::from_static("true"),
        );
        Ok(Some(response))
    }

    async fn decode(self: &Arc<Self>, kind: Kind, body: Vec<u8>) -> Result<Decoded, Problem> {
        if body.len() < LARGE_BYTES {
            return self.decode_here(kind, &body);
        }
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.decode_here(kind, &body))
            .await
            .unwrap_or_else(|error| {
                let detail = format!("decoding broke off: {error}");
                Err(Problem::later("unavailable", "The body was not decoded", detail))
            })
    }

    fn decode_here(&self, kind: Kind, body: &[u8]) -> Result<Decoded, Problem> {
        let kept = || self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = kept().pop();
        let mut decoder = taken.unwrap_or_else(|| {
            Decoder::new(self.name.clone(), self.mapping.clone(), None).with_bytes_max(self.body_bytes_max)
        });
        let device = self.mapping.device.as_ref();
        let decoded = body::decode(&self.name, &mut decoder, device, kind, body);
        let mut kept = kept();
        if kept.len() < DECODERS_MAX {
            kept.push(decoder);
        }
        decoded
    }

    /// Hands all over in as many batches as it takes, and waits until all are durable. The first must find room at once:
    /// the others may wait for it.
    async fn in_batches(
        &self,
        decoded: Decoded,
        arrived: std::time::Instant,
        deadline: Instant,
    ) -> Result<Receipt, Problem> {
        let mut told = Vec::new();
        for (nth, piece) in decoded.into_batches().enumerate() {
            let (batch, receipt) = Batch::new(self.name.clone(), piece.arrivals, piece.quarantined, arrived);
            if nth == 0 {
                self.send_now(batch)?;
            } else {
                timeout_at(deadline, self.inlet()?.send(batch))
                    .await
                    .map_err(|_| unknown())?
                    .map_err(|_| stopped())?;
            }
            told.push(receipt);
        }
        let mut sum = Receipt::default();
        for receipt in told {
            let receipt = told_by(deadline, receipt).await?;
            sum.accepted += receipt.accepted;
            sum.duplicate += receipt.duplicate;
            sum.late += receipt.late;
            sum.quarantined += receipt.quarantined;
            sum.reasons.extend(receipt.reasons);
            sum.reasons.truncate(REASONS_MAX);
        }
        Ok(sum)
    }

    fn send_now(&self, batch: Batch) -> Result<(), Problem> {
        self.inlet()?.try_send(batch).map_err(|refused| match refused {
            Refused::Full(_) => queue_full(),
            Refused::Stopped => stopped(),
        })
    }
}

/// Waits for a receipt and keeps the key meanwhile, also where whoever asked has gone: the batch may still be committed,
/// and a second one of this key must not be taken beside it.
async fn hold_until_told(
    held: HeldKey,
    receipt: oneshot::Receiver<Receipt>,
) -> Result<Receipt, oneshot::error::RecvError> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let receipt = receipt.await;
        drop(held);
        if let Ok(receipt) = receipt {
            // Whoever asked may be gone.
            let _ = tell.send(receipt);
        }
    });
    told.await
}

async fn told_by<E>(
    deadline: Instant,
    receipt: impl Future<Output = Result<Receipt, E>>,
) -> Result<Receipt, Problem> {
    match timeout_at(deadline, receipt).await {
        Ok(Ok(receipt)) => Ok(receipt),
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Err(unknown()),
    }
}

/// The answer that goes with a receipt: the same whenever it is given.
fn respond(receipt: &Receipt) -> Result<Response, Problem> {
    let n_read = receipt.accepted + receipt.duplicate + receipt.late;
    if n_read == 0 && receipt.quarantined > 0 {
        let detail = format!("{} in quarantine; see `reasons`", receipt.quarantined);
        return Err(nothing(detail)
            .with("quarantined", json!(receipt.quarantined))
            .with("reasons", json!(receipt.reasons)));
    }
    let body = serde_json::to_string(receipt).expect("a receipt is plain numbers and text");
    Ok(json_of(body))
}

fn json_of(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn nothing(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "nothing-decoded",
        "Nothing in the body could be decoded",
        detail,
    )
}

fn queue_full() -> Problem {
    let detail = "more is coming in than is judged; nothing of this request was taken";
    Problem::later("queue-full", "The queue is full", detail)
}

/// Not 409: many senders take that for final and drop their samples, while the first request may still fail.
fn under_way() -> Problem {
    let detail = "a request with this idempotency key is being worked on";
    Problem::later("under-way", "The first request is not done yet", detail)
}

fn unknown() -> Problem {
    let detail = "it was not known in time whether the samples are durable; they may become so. Sending them again is \
                  safe: what was taken is dropped as duplicate";
    Problem::later("timeout", "The commit takes too long", detail)
}

fn stopped() -> Problem {
    let detail = "the system is stopping; what is not acknowledged is to be sent again";
    Problem::later("stopping", "The system is stopping", detail)
}
