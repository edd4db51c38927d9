//! The routes: samples in, and whether the system lives and is ready.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::body::{self, Kind};
use super::keys::{HeldKey, KeysUnderWay, kept_as, key_of};
use super::lines;
use super::pace::Pace;
use super::{Answers, HttpSpec, REQUESTS_MAX, STREAMS_MAX};
use crate::arrival::{Batch, Inlet, Receipt, Refused};
use crate::bodies::Bodies;
use crate::clock;
use crate::problem::Problem;
use crate::source::Stop;
use crate::source::decode::{Decoded, Decoder, Mapping};

/// Bodies from this size on are decoded beside the tasks, not among them.
const LARGE_BYTES: usize = 1 << 16;

/// Decoders kept for later requests, with the names they share.
const DECODERS_MAX: usize = 16;

/// Reasons told in an answer.
const REASONS_MAX: usize = 10;

/// Who sends, where nobody is asked who they are.
pub const ANYBODY: &str = "anybody";

/// What taking samples needs; shared by all requests.
#[derive(Clone)]
pub struct Ingest(Arc<Shared>);

pub(super) struct Shared {
    name: Arc<str>,
    mapping: Mapping,
    bodies: Bodies,
    inlet: Mutex<Option<Inlet>>,
    answers: Answers,
    is_ready: watch::Receiver<bool>,
    stop: Stop,
    places: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    pace: Pace,
    keys: KeysUnderWay,
    decoders: Mutex<Vec<Decoder>>,
    /// A place for each core: more large bodies at once would be decoded no sooner, and keep the threads that answer from
    /// the cores.
    decoding: Arc<Semaphore>,
}

/// What becomes of samples for which the queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhereFull {
    /// They are refused.
    Refuse,
    /// They wait.
    Wait,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

impl Ingest {
    /// Samples go to `inlet` as those of the source that `spec` names; streams end once `stop` is told.
    pub fn new(
        spec: &HttpSpec,
        bodies: Bodies,
        inlet: Inlet,
        answers: Answers,
        is_ready: watch::Receiver<bool>,
        stop: Stop,
    ) -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            name: spec.name.as_str().into(),
            mapping: spec.mapping.clone(),
            bodies,
            inlet: Mutex::new(Some(inlet)),
            answers,
            is_ready,
            stop,
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            pace: Pace::new(clock::instant()),
            keys: KeysUnderWay::default(),
            decoders: Mutex::new(Vec::new()),
            decoding: Arc::new(Semaphore::new(n_cores)),
        }))
    }

    /// Takes the samples of a request, and answers once they are durable: however long that takes, so whoever calls
    /// sets the time limit. Idempotency keys are the `caller`'s own; the name has no blanks.
    pub async fn take(&self, request: Request, caller: &str) -> Response {
        match self.0.take(request, caller).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// Lets go of the way in: the live system ends once every source has. Samples are refused from here on.
    pub fn close(&self) {
        *self.0.inlet.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes lines of JSON for as long as they come, and answers piece by piece.
    pub fn take_lines(&self, request: Request, caller: &str) -> Response {
        match lines::take(&self.0, request, caller) {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }
}

/// The routes of the ingest endpoint and of health; what is not answered within `timeout` is answered with 503.
pub fn router(ingest: Ingest, timeout: Duration) -> Router {
    let within = from_fn(move |request: Request, next: Next| async move {
        tokio::time::timeout(timeout, next.run(request))
            .await
            .unwrap_or_else(|_| out_of_time().into_response())
    });
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
        .layer(within)
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
    ingest.take(request, ANYBODY).await
}

impl Shared {
    async fn take(self: &Arc<Self>, request: Request, caller: &str) -> Result<Response, Problem> {
        let arrived = clock::instant();
        let _place = place(&self.places, REQUESTS_MAX, "requests are being worked on")?;
        let (head, body) = request.into_parts();
        let kind = Kind::of(&head.headers)?;
        let key = key_of(&head.headers)?.map(|key| kept_as(caller, &key, None));
        let body = self.bodies.read(body, &head.headers).await?;
        let taken = self
            .pace
            .take(body.len(), clock::instant())
            .ok_or_else(queue_full)?;
        let kept = self.keep(kind, key, body, arrived, WhereFull::Refuse).await?;
        taken.done(clock::instant());
        Ok(kept)
    }

    /// Takes a piece of a stream, whose sender can be made to wait.
    pub(super) async fn take_piece(
        self: &Arc<Self>,
        key: Option<String>,
        piece: Vec<u8>,
    ) -> Result<Response, Problem> {
        let taken = self.pace.take_in_turn(piece.len()).await;
        let arrived = clock::instant();
        let kept = self.keep(Kind::JsonLines, key, piece, arrived, WhereFull::Wait);
        let kept = kept.await?;
        taken.done(clock::instant());
        Ok(kept)
    }

    fn inlet(&self) -> Result<Inlet, Problem> {
        let inlet = self.inlet.lock().unwrap_or_else(PoisonError::into_inner);
        inlet.clone().ok_or_else(stopped)
    }

    /// Bytes of a body at most.
    pub(super) fn body_bytes_max(&self) -> usize {
        self.bodies.bytes_max()
    }

    /// A place among the streams.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        place(&self.streams, STREAMS_MAX, "streams are open")
    }

    /// Told when streams are to end.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Decodes a body, hands it over, and waits until it is durable.
    async fn keep(
        self: &Arc<Self>,
        kind: Kind,
        key: Option<String>,
        body: impl Deref<Target = [u8]> + Send + 'static,
        arrived: Instant,
        full: WhereFull,
    ) -> Result<Response, Problem> {
        let keyed = match key {
            None => None,
            Some(key) => {
                let body_hash = crate::hex(&Sha256::digest(&*body));
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
        let receipt = match keyed {
            Some((held, key, body_hash)) => {
                let (mut batch, receipt) =
                    Batch::new(self.name.clone(), decoded.arrivals, decoded.quarantined, arrived);
                batch.key = Some((key, body_hash));
                self.send(batch, full).await?;
                hold_until_told(held, receipt).await.map_err(|_| stopped())?
            }
            None => self.in_batches(decoded, arrived, full).await?,
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

    async fn decode(
        self: &Arc<Self>,
        kind: Kind,
        body: impl Deref<Target = [u8]> + Send + 'static,
    ) -> Result<Decoded, Problem> {
        if body.len() < LARGE_BYTES {
            return self.decode_here(kind, &body);
        }
        let this = self.clone();
        let place = Arc::clone(&self.decoding).acquire_owned().await;
        let place = place.expect("the places are never closed");
        let decode = move || {
            let decoded = this.decode_here(kind, &body);
            drop(place);
            decoded
        };
        tokio::task::spawn_blocking(decode).await.unwrap_or_else(|error| {
            let detail = format!("decoding broke off: {error}");
            Err(Problem::later("unavailable", "The body was not decoded", detail))
        })
    }

    fn decode_here(&self, kind: Kind, body: &[u8]) -> Result<Decoded, Problem> {
        let kept = || self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = kept().pop();
        let mut decoder = taken.unwrap_or_else(|| {
            Decoder::new(self.name.clone(), self.mapping.clone(), None)
                .with_bytes_max(self.bodies.bytes_max())
        });
        let device = self.mapping.device.as_ref();
        let decoded = body::decode(&self.name, &mut decoder, device, kind, body);
        let mut kept = kept();
        if kept.len() < DECODERS_MAX {
            kept.push(decoder);
        }
        decoded
    }

    /// Hands all over in as many batches as it takes, and waits until all are durable. Only the first may find the queue
    /// full: the others wait for room.
    async fn in_batches(
        &self,
        decoded: Decoded,
        arrived: Instant,
        mut full: WhereFull,
    ) -> Result<Receipt, Problem> {
        let mut told = Vec::new();
        for piece in decoded.into_batches() {
            let (batch, receipt) = Batch::new(self.name.clone(), piece.arrivals, piece.quarantined, arrived);
            self.send(batch, full).await?;
            full = WhereFull::Wait;
            told.push(receipt);
        }
        let mut sum = Receipt::default();
        for receipt in told {
            let receipt = receipt.await.map_err(|_| stopped())?;
            sum.accepted += receipt.accepted;
            sum.duplicate += receipt.duplicate;
            sum.late += receipt.late;
            sum.quarantined += receipt.quarantined;
            sum.reasons.extend(receipt.reasons);
            sum.reasons.truncate(REASONS_MAX);
        }
        Ok(sum)
    }

    async fn send(&self, batch: Batch, full: WhereFull) -> Result<(), Problem> {
        let inlet = self.inlet()?;
        match full {
            WhereFull::Wait => inlet.send(batch).await.map_err(|_| stopped()),
            WhereFull::Refuse => inlet.try_send(batch).map_err(|refused| match refused {
                Refused::Full(_) => queue_full(),
                Refused::Stopped => stopped(),
            }),
        }
    }
}

fn place(places: &Arc<Semaphore>, max: usize, what: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| Problem::later("busy", "Too many requests at once", format!("{max} {what}")))
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

/// Not 409: many senders take that for final and drop their samples, while the first request may still fail. Nothing is
/// wrong with the server either.
fn under_way() -> Problem {
    let detail = "a request with this idempotency key is being worked on";
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "under-way",
        "The first request is not done yet",
        detail,
    )
}

fn out_of_time() -> Problem {
    let detail = "it is not known whether the samples are durable; they may become so. Sending them again is safe: what \
                  was taken is dropped as duplicate";
    Problem::later("timeout", "The answer takes too long", detail)
}

pub(super) fn stopped() -> Problem {
    let detail = "the system is stopping; what is not acknowledged is to be sent again";
    Problem::later("stopping", "The system is stopping", detail)
}
