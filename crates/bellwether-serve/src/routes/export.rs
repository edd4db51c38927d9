//! Events as a file: read and written a page at a time, however many there are.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bellwether_core::event::{EventKind, severity};
use bellwether_store::database::{EventFilter, EventWithAlert, Verdict};
use bellwether_store::write::{Cell, Column, ColumnKind, TableFormat, TableWriter, WriteError};
use bellwether_stream::problem::Problem;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::Instrument as _;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Permission, guard};
use crate::app::App;
use crate::beside::beside;
use crate::error;
use crate::wire::{ProblemDetails, Query, Time};

/// Events read at once.
const PAGE_LEN: usize = 500;

/// Pieces that wait for a client at most.
const WAITING_MAX: usize = 8;

/// Devices in one request at most.
const DEVICES_MAX: usize = 1000;

/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a piece, about.
const PIECE_BYTES: usize = 64 << 10;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Read,
        OpenApiRouter::new().routes(routes!(anomalies)),
    )
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportParams {
    /// Events that end at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    start_date: Option<Time>,
    /// Events that start before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    end_date: Option<Time>,
    /// What the file is.
    #[param(inline)]
    format: Option<Format>,
    /// Of this device alone.
    device: Option<String>,
    /// Of these devices alone: names with commas between them.
    sensor_ids: Option<String>,
}

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// An array of objects.
    #[default]
    Json,
    /// Comma-separated, with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// An event as a row, for the document: rows are written cell by cell.
#[derive(Debug, Serialize, ToSchema)]
struct ExportedEvent {
    event: String,
    series: String,
    start: Time,
    end: Time,
    peak_time: Time,
    peak_score: Option<f64>,
    samples: i64,
    severity: f64,
    kind: String,
    /// Channels with their shares: `flow=0.900000;pressure=0.100000`.
    channels: String,
    model: String,
    /// 1 where it goes on, else 0.
    is_open: i64,
    alert: Option<String>,
    state: Option<String>,
    verdict: Option<String>,
}

/// Events as a file.
///
/// The oldest first. The first columns are those of `bellwether detect --events`.
#[utoipa::path(get, path = "/api/v1/export/anomalies", tag = "fleet", params(ExportParams), responses(
    (status = 200, description = "The file", content(
        (Vec<ExportedEvent> = "application/json"), (String = "text/csv"), (String = "application/vnd.apache.parquet")
    )),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
))]
async fn anomalies(
    State(app): State<Arc<App>>,
    Query(params): Query<ExportParams>,
) -> Result<Response, Problem> {
    let place = app.room.export()?;
    let format = params.format.unwrap_or_default();
    let several = params.sensor_ids.as_deref().unwrap_or_default();
    let devices: Vec<&str> = several.split(',').filter(|name| !name.is_empty()).collect();
    if devices.len() > DEVICES_MAX {
        return Err(error::bad_request(format!(
            "sensor_ids: at most {DEVICES_MAX} are wanted"
        )));
    }
    let filter = EventFilter {
        series: devices
            .into_iter()
            .chain(params.device.as_deref())
            .map(Arc::from)
            .collect(),
        from: params.start_date.map(|time| time.0),
        to: params.end_date.map(|time| time.0),
        ..EventFilter::default()
    };
    // The first page is read before anything is said: where the database does not answer, the answer is a problem.
    let first = app.db.events(&filter, PAGE_LEN).await.map_err(error::database)?;
    let (pieces, waiting) = mpsc::channel(WAITING_MAX);
    let work = async move {
        let _place = place;
        let mut stop = app.room.stop();
        let ended = tokio::select! {
            () = stop.told() => Err(io::Error::other("the server ends")),
            ended = write(&app, filter, first, format, pieces) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an export broke off");
        }
    };
    tokio::spawn(work.in_current_span());
    let body = stream::unfold(Some(waiting), async |waiting| {
        let mut waiting = waiting?;
        match waiting.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(waiting))),
            Some(None) => None,
            // The client must see that the file is not whole.
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    });
    let (kind, name) = match format {
        Format::Json => ("application/json", "anomalies.json"),
        Format::Csv => ("text/csv", "anomalies.csv"),
        Format::Parquet => ("application/vnd.apache.parquet", "anomalies.parquet"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn write(
    app: &App,
    mut filter: EventFilter,
    first: Vec<EventWithAlert>,
    format: Format,
    pieces: mpsc::Sender<Option<Bytes>>,
) -> io::Result<()> {
    let mut page = first;
    let mut file = File::begin(format, pieces).await?;
    loop {
        let next = page.last().filter(|_| page.len() == PAGE_LEN);
        filter.after = next.map(|last| last.event.cursor());
        file = file.add(page).await?;
        if filter.after.is_none() {
            return file.finish().await;
        }
        page = app.db.events(&filter, PAGE_LEN).await.map_err(io::Error::other)?;
    }
}

/// A file on its way to a client.
struct File {
    table: TableWriter<Pieces>,
}

impl File {
    async fn begin(format: Format, pieces: mpsc::Sender<Option<Bytes>>) -> io::Result<Self> {
        let out = Pieces::new(pieces, format == Format::Json);
        let format = match format {
            Format::Json => TableFormat::Jsonl,
            Format::Csv => TableFormat::Csv,
            Format::Parquet => TableFormat::Parquet,
        };
        blocking(move || {
            let table = TableWriter::new(out, format, columns()).map_err(of_table)?;
            Ok(Self { table })
        })
        .await
    }

    async fn add(mut self, page: Vec<EventWithAlert>) -> io::Result<Self> {
        blocking(move || {
            for found in &page {
                add(&mut self.table, found).map_err(of_table)?;
            }
            self.table.flush().map_err(of_table)?;
            Ok(self)
        })
        .await
    }

    async fn finish(self) -> io::Result<()> {
        blocking(move || self.table.finish().map_err(of_table)?.finish()).await
    }
}

/// Writing waits for the client: not where tasks run.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    beside(work).await.map_err(io::Error::other)?
}

fn of_table(error: WriteError) -> io::Error {
    match error {
        WriteError::Table(error) => error,
        error => io::Error::other(error),
    }
}

fn columns() -> Vec<Column> {
    use ColumnKind::{Integer, Real, Text};
    vec![
        Column::new("event", Text),
        Column::new("series", Text),
        Column::new("start", Text),
        Column::new("end", Text),
        Column::new("peak_time", Text),
        Column::new("peak_score", Real).optional(),
        Column::new("samples", Integer),
        Column::new("severity", Real),
        Column::new("kind", Text).optional(),
        Column::new("channels", Text),
        Column::new("model", Text),
        Column::new("is_open", Integer),
        Column::new("alert", Text).optional(),
        Column::new("state", Text).optional(),
        Column::new("verdict", Text).optional(),
    ]
}

fn add(table: &mut TableWriter<Pieces>, found: &EventWithAlert) -> Result<(), WriteError> {
    let event = &found.event;
    let alert = found.alert.as_ref();
    let shares: Vec<String> = event
        .channels
        .iter()
        .map(|note| format!("{}={:.6}", note.channel, note.share))
        .collect();
    table.row(&[
        Cell::Text(&event.id.to_string()),
        Cell::Text(&event.series),
        Cell::Text(&event.start.to_string()),
        Cell::Text(&event.end.to_string()),
        Cell::Text(&event.peak_time.to_string()),
        Cell::Real(event.peak_score),
        Cell::Integer(i64::try_from(event.n_samples).unwrap_or(i64::MAX)),
        Cell::Real(severity(event.peak_score)),
        Cell::text(event.kind.map(EventKind::name)),
        Cell::Text(&shares.join(";")),
        Cell::Text(&event.model),
        Cell::Integer(i64::from(event.is_open)),
        Cell::text(alert.map(|alert| &*alert.id)),
        Cell::text(alert.map(|alert| alert.state.word())),
        Cell::text(found.verdict.map(Verdict::word)),
    ])
}

/// Bytes on their way, in pieces; waits where the client does.
struct Pieces {
    pieces: mpsc::Sender<Option<Bytes>>,
    waiting: Vec<u8>,
    /// Lines become the elements of an array.
    is_array: bool,
    /// The element at hand goes on.
    is_line_open: bool,
    is_begun: bool,
}

impl Pieces {
    fn new(pieces: mpsc::Sender<Option<Bytes>>, is_array: bool) -> Self {
        Self {
            pieces,
            waiting: if is_array { b"[".to_vec() } else { Vec::new() },
            is_array,
            is_line_open: false,
            is_begun: false,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.waiting).into();
        self.put(Some(piece))
    }

    /// `None`: that was all.
    fn put(&self, piece: Option<Bytes>) -> io::Result<()> {
        let put = self.pieces.send_timeout(piece, PATIENCE);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        tokio::runtime::Handle::current().block_on(put).map_err(gone)
    }

    fn finish(mut self) -> io::Result<()> {
        if self.is_array {
            self.waiting.extend(b"\n]\n");
        }
        self.send()?;
        self.put(None)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_array {
            for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                if !self.is_line_open {
                    self.waiting
                        .extend(if self.is_begun { ",\n".as_bytes() } else { b"\n" });
                }
                self.waiting.extend(line.strip_suffix(b"\n").unwrap_or(line));
                (self.is_begun, self.is_line_open) = (true, !line.ends_with(b"\n"));
            }
        } else {
            self.waiting.extend(bytes);
        }
        if self.waiting.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
