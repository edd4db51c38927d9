//! What happens, as it happens: streams of events in the sense of browsers (server-sent events).
//!
//! Each stream is a task that writes into a short queue. A client that does not take from it for long is dropped, and
//! holds nobody up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bellwether_core::event::EventId;
use bellwether_store::database::{ChangeCursor, EventWithAlert, JudgedBlock};
use bellwether_stream::problem::Problem;
use bellwether_stream::source::Stop;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shapes::{Device, Event, event_id, finite, millis};
use crate::access::{Permission, guard};
use crate::app::App;
use crate::board::Changed;
use crate::changes::{PAGE_LEN, Told};
use crate::error;
use crate::wire::{ProblemDetails, Query};

/// Messages that wait for a client at most: what the fleet changes in a second may be megabytes.
const WAITING_MAX: usize = 2;

/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A comment goes out where nothing else has for so long: proxies close connections that are quiet.
const QUIET_MAX: Duration = Duration::from_secs(15);

/// When a client comes back after its connection broke.
const RETRY: Duration = Duration::from_secs(1);

/// A pause where the database does not answer.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(changes))
        .routes(routes!(live));
    guard(app, Permission::Read, routes)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamParams {
    /// Of this device alone.
    device: Option<String>,
}

/// What changed in about a second.
#[derive(Debug, Serialize, ToSchema)]
struct FleetChange {
    devices: Vec<Device>,
}

/// Samples of a device, as they were judged.
#[derive(Debug, Serialize, ToSchema)]
struct Rows {
    device: String,
    channels: Vec<String>,
    /// When each was measured.
    time_ms: Vec<f64>,
    score: Vec<Option<f64>>,
    /// A list for each channel.
    values: Vec<Vec<Option<f64>>>,
}

/// Follow events.
///
/// A message `anomaly` at each change of an event. Who connects again with the `id` of the last message as
/// `Last-Event-ID` (browsers do) gets all that has changed since, each change once; without it, what changes from now
/// on. When somebody acknowledges an event or says what it was, a message without an `id` has it as it is then; who
/// was not connected reads it from the list.
#[utoipa::path(get, path = "/api/v1/detect/stream", tag = "fleet",
    params(StreamParams, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last message")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "Messages without end"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "An id of no message"),
))]
async fn changes(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(params): Query<StreamParams>,
) -> Result<Response, Problem> {
    let place = app.room.stream()?;
    let after = match headers.get("last-event-id") {
        Some(id) => {
            let id = id.to_str().ok().and_then(read_id);
            let problem = || error::bad_request("Last-Event-ID: wanted the id of a message of this stream");
            Some(id.ok_or_else(problem)?)
        }
        // Whoever has nothing yet knows where to go on all the same, should the connection break.
        None => app.db.last_change().await.map_err(error::database)?,
    };
    let (out, response) = Out::new(app.room.stop());
    let device = params.device;
    let follow = async move {
        let _place = place;
        follow(&app, device.as_deref(), after, out).await;
    };
    tokio::spawn(follow.in_current_span());
    Ok(response)
}

/// Follow the fleet, or one device.
///
/// Without `device` a message `fleet` about once a second, with the devices that have changed; with it a message
/// `rows` with each sample that is judged.
#[utoipa::path(get, path = "/api/v1/live", tag = "fleet", params(StreamParams), responses(
    (status = 200, body = String, content_type = "text/event-stream", description = "Messages without end"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
))]
async fn live(State(app): State<Arc<App>>, Query(params): Query<StreamParams>) -> Result<Response, Problem> {
    let place = app.room.stream()?;
    let (out, response) = Out::new(app.room.stop());
    match params.device {
        None => {
            let changes = app.board.changes();
            tokio::spawn(async move {
                let _place = place;
                follow_fleet(changes, out).await;
            });
        }
        Some(device) => {
            let commits = app.committed.subscribe();
            tokio::spawn(async move {
                let _place = place;
                follow_device(&device, commits, out).await;
            });
        }
    }
    Ok(response)
}

/// The client has gone, is too slow, or the server ends.
struct Over;

/// The way to a client.
struct Out {
    messages: mpsc::Sender<Bytes>,
    stop: Stop,
}

impl Out {
    fn new(stop: Stop) -> (Self, Response) {
        let (messages, waiting) = mpsc::channel(WAITING_MAX);
        let body = stream::unfold(waiting, async |mut waiting| {
            let message: Bytes = waiting.recv().await?;
            Some((Ok::<_, Infallible>(message), waiting))
        });
        let kind = [(header::CONTENT_TYPE, "text/event-stream")];
        (
            Self { messages, stop },
            (kind, Body::from_stream(body)).into_response(),
        )
    }

    async fn send(&self, message: Bytes) -> Result<(), Over> {
        self.messages
            .send_timeout(message, PATIENCE)
            .await
            .map_err(|_| Over)
    }

    /// What comes of `next`; meanwhile the connection is kept alive.
    async fn wait<T>(&mut self, next: impl Future<Output = T> + Send) -> Result<T, Over> {
        let mut next = std::pin::pin!(next);
        loop {
            tokio::select! {
                biased;
                () = self.stop.told() => return Err(Over),
                () = self.messages.closed() => return Err(Over),
                next = next.as_mut() => return Ok(next),
                () = tokio::time::sleep(QUIET_MAX) => {}
            }
            self.send(Bytes::from_static(b":\n\n")).await?;
        }
    }
}

async fn follow(app: &App, device: Option<&str>, mut after: Option<ChangeCursor>, mut out: Out) {
    // Before anything is read: what changes from here on is told.
    let mut told = app.changes.subscribe();
    let start = after
        .as_ref()
        .map_or_else(|| "0.000000000000.".to_owned(), write_id);
    let first = format!("id: {start}\nretry: {}\n\n", RETRY.as_millis());
    if out.send(first.into()).await.is_err() {
        return;
    }
    let mut is_behind = true;
    loop {
        if is_behind {
            match catch_up(app, device, &mut after, &mut out).await {
                Ok(is_done) => is_behind = !is_done,
                Err(Over) => return,
            }
            continue;
        }
        let heard = out.wait(told.recv()).await;
        match heard {
            Ok(Ok(Told::Changed(changed))) => {
                for found in changed.iter() {
                    let of_device = device.is_none_or(|device| *found.event.series == *device);
                    if of_device
                        && is_beyond(found, after.as_ref())
                        && tell(found, &mut after, &out).await.is_err()
                    {
                        return;
                    }
                }
            }
            Ok(Ok(Told::Decided { found, at })) => {
                let of_device = device.is_none_or(|device| *found.event.series == *device);
                if of_device
                    && tell_decided(app, &found, at.as_ref(), after.as_ref(), &out)
                        .await
                        .is_err()
                {
                    return;
                }
            }
            Ok(Ok(Told::Look) | Err(RecvError::Lagged(_))) => is_behind = true,
            Ok(Err(RecvError::Closed)) | Err(Over) => return,
        }
    }
}

/// Tells a page of what the database knows beyond `after`; whether that was all.
async fn catch_up(
    app: &App,
    device: Option<&str>,
    after: &mut Option<ChangeCursor>,
    out: &mut Out,
) -> Result<bool, Over> {
    match app.db.events_changed(after.as_ref(), device, PAGE_LEN).await {
        Ok(page) => {
            for found in &page {
                tell(found, after, out).await?;
            }
            Ok(page.len() < PAGE_LEN)
        }
        Err(error) => {
            tracing::warn!(error = %bellwether_stream::chain(&error), "a stream waits for the database");
            out.wait(tokio::time::sleep(PAUSE)).await?;
            Ok(false)
        }
    }
}

/// Without an id: whoever connects again goes on after the last change of an event all the same. It is read again where
/// the client may know a later change of it.
async fn tell_decided(
    app: &App,
    found: &EventWithAlert,
    at: Option<&ChangeCursor>,
    after: Option<&ChangeCursor>,
    out: &Out,
) -> Result<(), Over> {
    if after.map(order) <= at.map(order) {
        return out.send(message(None, "anomaly", &Event::from(found))?).await;
    }
    let event = &found.event;
    match app.db.event(event.id).await {
        Ok(now) => match now.iter().find(|now| now.event.model == event.model) {
            Some(now) => out.send(message(None, "anomaly", &Event::from(now))?).await,
            None => Ok(()),
        },
        Err(error) => {
            tracing::warn!(error = %bellwether_stream::chain(&error), "a stream does not hear of a decision");
            Ok(())
        }
    }
}

async fn tell(found: &EventWithAlert, after: &mut Option<ChangeCursor>, out: &Out) -> Result<(), Over> {
    let cursor = found.event.change_cursor();
    let id = write_id(&cursor);
    out.send(message(Some(&id), "anomaly", &Event::from(found))?)
        .await?;
    *after = Some(cursor);
    Ok(())
}

async fn follow_fleet(mut changes: tokio::sync::broadcast::Receiver<Arc<Changed>>, mut out: Out) {
    loop {
        match out.wait(changes.recv()).await {
            Ok(Ok(changed)) => {
                let written = changed.written(|entries| {
                    let devices = entries.iter().map(|entry| Device::of(entry)).collect();
                    message(None, "fleet", &FleetChange { devices }).unwrap_or_default()
                });
                if out.send(written).await.is_err() {
                    return;
                }
            }
            // It misses changes: it is to connect and to ask again.
            Ok(Err(_)) | Err(Over) => return,
        }
    }
}

async fn follow_device(
    device: &str,
    mut commits: tokio::sync::broadcast::Receiver<Arc<bellwether_stream::live::Committed>>,
    mut out: Out,
) {
    loop {
        match out.wait(commits.recv()).await {
            Ok(Ok(commit)) => {
                for block in &commit.judged {
                    let Some(rows) = rows_of(block, device) else {
                        continue;
                    };
                    let Ok(message) = message(None, "rows", &rows) else {
                        return;
                    };
                    if out.send(message).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(_)) | Err(Over) => return,
        }
    }
}

fn rows_of(block: &JudgedBlock, device: &str) -> Option<Rows> {
    let of_device = |(idx, series): (usize, &Arc<str>)| (**series == *device).then_some(idx);
    let own: Vec<usize> = block.series.iter().enumerate().filter_map(of_device).collect();
    if own.is_empty() {
        return None;
    }
    let n_channels = block.channels.len();
    let values = |channel| {
        own.iter()
            .map(|idx| finite(block.values[idx * n_channels + channel]))
            .collect()
    };
    Some(Rows {
        device: device.to_owned(),
        channels: block.channels.clone(),
        time_ms: own.iter().map(|&idx| millis(block.time[idx])).collect(),
        score: own.iter().map(|&idx| finite(block.score[idx])).collect(),
        values: (0..n_channels).map(values).collect(),
    })
}

fn is_beyond(found: &EventWithAlert, after: Option<&ChangeCursor>) -> bool {
    after.is_none_or(|after| order(&found.event.change_cursor()) > order(after))
}

/// As the database puts changes in order: ids of one length by their digits, names by their bytes.
fn order(cursor: &ChangeCursor) -> (i64, EventId, &str) {
    (cursor.seq, cursor.id, &cursor.model)
}

/// A message of a stream; no line end stands in its data, for JSON has none.
fn message(id: Option<&str>, event: &str, data: &impl Serialize) -> Result<Bytes, Over> {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let mut message = format!("{id}event: {event}\ndata: ").into_bytes();
    // Cannot fail: texts and finite numbers have a JSON form.
    serde_json::to_writer(&mut message, data).map_err(|_| Over)?;
    message.extend(b"\n\n");
    Ok(message.into())
}

fn write_id(cursor: &ChangeCursor) -> String {
    // Names of models have no line ends, which a message could not hold; one that had would end the id there.
    let model: String = cursor
        .model
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    format!("{}.{}.{model}", cursor.seq, cursor.id)
}

fn read_id(text: &str) -> Option<ChangeCursor> {
    let mut parts = text.splitn(3, '.');
    Some(ChangeCursor {
        seq: parts.next()?.parse().ok()?,
        id: event_id(parts.next()?)?,
        model: parts.next()?.to_owned(),
    })
}
