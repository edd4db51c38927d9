//! Scoring as MLflow's servers do it: `/invocations` with a table in one of its forms, `/ping`, `/version`.
//!
//! A column `timestamp` says when rows were measured; without one they are as far apart as the model knows rows.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_core::detect::Mode;
use bellwether_core::time::Timestamp;
use bellwether_store::read::time_format::parse_time;
use bellwether_store::read::{ReadOptions, read_csv_bytes};
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kserve::evenly;
use crate::access::{Permission, guard, open};
use crate::app::{App, Loaded};
use crate::error;
use crate::judging::{self, Input};
use crate::wire::{Json, ProblemDetails, Query};

/// Names of the column with the time.
const TIME_COLUMNS: [&str; 3] = ["timestamp", "time", "datetime"];

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    open(
        OpenApiRouter::new()
            .routes(routes!(ping))
            .routes(routes!(version)),
    )
    .merge(guard(
        app,
        Permission::Detect,
        OpenApiRouter::new().routes(routes!(invocations)),
    ))
}

/// Which model is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `NAME`, `NAME@VERSION` or `NAME@ALIAS`; left out: the model in service, where there is one.
    model: Option<String>,
}

/// A table with its columns named once.
#[derive(Debug, Deserialize, ToSchema)]
struct Split {
    columns: Vec<String>,
    /// A list for each row.
    data: Vec<Vec<Value>>,
}

/// A table in one of four forms.
#[derive(Debug, Deserialize, ToSchema)]
struct Invocation {
    dataframe_split: Option<Split>,
    /// An object for each row.
    dataframe_records: Option<Vec<Map<String, Value>>>,
    /// An object, or a list in the order of the model's channels, for each row.
    instances: Option<Vec<Value>>,
    /// A list for each column; or a list for each row.
    inputs: Option<Value>,
    /// `mode`: `causal` or `retrospective`.
    params: Option<Map<String, Value>>,
}

/// What the model says of a row.
#[derive(Debug, Serialize, ToSchema)]
struct Prediction {
    /// 1.0 is the threshold; `null` while the first window fills, and where too little was measured.
    score: Option<f64>,
    is_anomaly: Option<bool>,
    top_channel: Option<String>,
    top_share: Option<f64>,
}

/// What the model says of each row.
#[derive(Debug, Serialize, ToSchema)]
struct Predictions {
    predictions: Vec<Prediction>,
}

/// Whether the server lives.
#[utoipa::path(get, path = "/ping", tag = "mlflow", responses(
    (status = 200, body = String, content_type = "text/plain", description = "It lives"),
))]
async fn ping() -> Response {
    plain("\n")
}

/// Version of the server.
#[utoipa::path(get, path = "/version", tag = "mlflow", responses(
    (status = 200, body = String, content_type = "text/plain", description = "The version"),
))]
async fn version() -> Response {
    plain(env!("CARGO_PKG_VERSION"))
}

fn plain(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Judge a table.
#[utoipa::path(post, path = "/invocations", tag = "mlflow", params(Which),
    request_body(content((Invocation = "application/json"), (String = "text/csv"))), responses(
    (status = 200, body = Predictions, description = "What the model says of each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "Neither JSON nor a table"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Of a kind that is not read"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "A table that the model does not take"),
))]
async fn invocations(
    State(app): State<Arc<App>>,
    Query(which): Query<Which>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Predictions>, Problem> {
    let model = match which.model {
        Some(model) => model,
        None => judging::only_model(&app.models.borrow())?,
    };
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or("application/json")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let loaded = judging::load(&app, &model).await?;
    let (series, mode) = match kind.to_ascii_lowercase().as_str() {
        "application/json" => {
            let read: Invocation = serde_json::from_slice(&body).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => error::unprocessable(error.to_string()),
                _ => error::bad_request(error.to_string()),
            })?;
            let mode = mode_of(read.params.as_ref())?;
            (vec![of_table(&loaded, table(&loaded, read)?)?], mode)
        }
        "text/csv" => (of_csv(&body).await?, Mode::Causal),
        _ => {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is of a kind that is not read",
                "Content-Type: application/json or text/csv is wanted",
            ));
        }
    };
    let judged = judging::judge(&app, loaded, mode, series).await?;
    let prediction = |row: judging::Row<'_>| {
        let score = (!row.score.is_nan()).then_some(row.score);
        Prediction {
            score,
            is_anomaly: score.map(|score| score >= 1.0),
            top_channel: row.top.map(|(channel, _)| channel.to_owned()),
            top_share: row.top.map(|(_, share)| share),
        }
    };
    Ok(Json(Predictions {
        predictions: judged.rows().map(prediction).collect(),
    }))
}

/// The series of a table, as `bellwether detect` reads it.
pub(super) async fn of_csv(body: &axum::body::Bytes) -> Result<Vec<Input>, Problem> {
    let body = body.clone();
    let read = tokio::task::spawn_blocking(move || read_csv_bytes(&body, &ReadOptions::default())).await;
    let recordings = read
        .map_err(|error| error::internal(&error))?
        .map_err(|error| error::unprocessable(bellwether_stream::chain(&error)))?;
    Ok(recordings.into_iter().map(Input::of_recording).collect())
}

fn mode_of(params: Option<&Map<String, Value>>) -> Result<Mode, Problem> {
    match params.and_then(|params| params.get("mode")) {
        None | Some(Value::Null) => Ok(Mode::Causal),
        Some(mode) => mode
            .as_str()
            .and_then(|mode| mode.parse().ok())
            .ok_or_else(|| error::unprocessable("params.mode is \"causal\" or \"retrospective\"")),
    }
}

/// Columns, and the cells of each row.
pub(super) type Table = (Vec<String>, Vec<Vec<Value>>);

fn table(loaded: &Loaded, read: Invocation) -> Result<Table, Problem> {
    let channels = judging::channels(&loaded.detector);
    let forms = [
        read.dataframe_split.is_some(),
        read.dataframe_records.is_some(),
        read.instances.is_some(),
        read.inputs.is_some(),
    ];
    if forms.iter().filter(|is_there| **is_there).count() != 1 {
        return Err(error::unprocessable(
            "one of dataframe_split, dataframe_records, instances and inputs is wanted",
        ));
    }
    if let Some(split) = read.dataframe_split {
        return Ok((split.columns, split.data));
    }
    if let Some(records) = read.dataframe_records {
        return Ok(of_records(records));
    }
    match (read.instances, read.inputs) {
        (Some(rows), _) | (None, Some(Value::Array(rows))) => of_rows(channels, rows),
        (None, Some(Value::Object(columns))) => of_columns(columns),
        _ => Err(error::unprocessable(
            "inputs is an object of columns, or a list of rows",
        )),
    }
}

fn of_records(records: Vec<Map<String, Value>>) -> Table {
    let mut columns: Vec<String> = Vec::new();
    for record in &records {
        for name in record.keys() {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    let rows = records.into_iter().map(|mut record| {
        let cell = |name: &String| record.remove(name).unwrap_or(Value::Null);
        columns.iter().map(cell).collect()
    });
    let rows = rows.collect();
    (columns, rows)
}

pub(super) fn of_rows(channels: Vec<String>, rows: Vec<Value>) -> Result<Table, Problem> {
    if rows.iter().all(Value::is_object) {
        let records = rows.into_iter().filter_map(|row| match row {
            Value::Object(record) => Some(record),
            _ => None,
        });
        return Ok(of_records(records.collect()));
    }
    let row = |row: Value| match row {
        Value::Array(cells) => Ok(cells),
        _ => Err(error::unprocessable("rows are all objects, or all lists")),
    };
    Ok((channels, rows.into_iter().map(row).collect::<Result<_, _>>()?))
}

fn of_columns(columns: Map<String, Value>) -> Result<Table, Problem> {
    let mut names = Vec::new();
    let mut all: Vec<std::vec::IntoIter<Value>> = Vec::new();
    for (name, cells) in columns {
        let Value::Array(cells) = cells else {
            return Err(error::unprocessable(format!("the column {name:?} is no list")));
        };
        if all.first().is_some_and(|first| first.len() != cells.len()) {
            return Err(error::unprocessable(format!(
                "the column {name:?} has {} cells, another {}",
                cells.len(),
                all[0].len()
            )));
        }
        names.push(name);
        all.push(cells.into_iter());
    }
    let n_rows = all.first().map_or(0, ExactSizeIterator::len);
    let rows = (0..n_rows).map(|_| all.iter_mut().filter_map(Iterator::next).collect());
    let rows = rows.collect();
    Ok((names, rows))
}

/// A table of JSON cells as a series.
pub(super) fn of_table(loaded: &Loaded, (columns, rows): Table) -> Result<Input, Problem> {
    let time_idx = columns
        .iter()
        .position(|name| TIME_COLUMNS.contains(&name.as_str()));
    let channels: Vec<String> = columns
        .iter()
        .enumerate()
        .filter(|(idx, _)| Some(*idx) != time_idx)
        .map(|(_, name)| name.clone())
        .collect();
    judging::check_size(rows.len(), channels.len())?;
    let implied = evenly(loaded, rows.len());
    let (mut times, mut values) = (Vec::with_capacity(rows.len()), Vec::new());
    for ((row_idx, cells), implied) in rows.into_iter().enumerate().zip(implied) {
        if cells.len() != columns.len() {
            return Err(error::unprocessable(format!(
                "row {row_idx} has {} cells, and there are {} columns",
                cells.len(),
                columns.len()
            )));
        }
        let mut time = (implied.to_string(), implied);
        for (idx, cell) in cells.into_iter().enumerate() {
            if Some(idx) == time_idx {
                time = instant(&cell)
                    .ok_or_else(|| error::unprocessable(format!("row {row_idx}: {cell} is no time")))?;
            } else {
                values.push(number(&cell).ok_or_else(|| {
                    let channel = &columns[idx];
                    error::unprocessable(format!("row {row_idx}, {channel:?}: {cell} is no finite number"))
                })?);
            }
        }
        times.push(time);
    }
    Input::of_rows(None, channels, times, values)
}

/// A time as a text or as a number since 1970, with its text.
pub(super) fn instant(cell: &Value) -> Option<(String, Timestamp)> {
    let text = match cell {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let time = parse_time(&text)?;
    Some((text, time))
}

/// A number, NaN for `null`.
pub(super) fn number(cell: &Value) -> Option<f64> {
    match cell {
        Value::Null => Some(f64::NAN),
        cell => cell.as_f64().filter(|number| number.is_finite()),
    }
}
