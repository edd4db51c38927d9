//! MLflow's scoring protocol: tables in its four forms of JSON, or CSV.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use bellwether_core::time::Timestamp;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::detect::{Kind, ModeBody, model_of};
use super::kserve_tensors::implied;
use crate::access::{Permission, guard, open};
use crate::app::App;
use crate::error;
use crate::judging::models::AtHand;
use crate::judging::table::{self, Gather, Series, TimeText, UNNAMED, check_rows};
use crate::judging::verdict::{RowBody, column_names, judge};
use crate::wire::{Json, ProblemDetails, Query, Raw, from_json};

/// The column that is the time; without it rows follow each other by the cadence of the model.
const TIME: &str = "timestamp";

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let health = OpenApiRouter::new()
        .routes(routes!(ping))
        .routes(routes!(version));
    guard(
        app,
        Permission::Detect,
        OpenApiRouter::new().routes(routes!(invocations)),
    )
    .merge(open(health))
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `pump` (its champion), `pump@3` or `pump@ALIAS`; may be left out where one model is in service.
    model: Option<String>,
    /// `causal`, or `retrospective`.
    mode: Option<ModeBody>,
}

/// One of the forms of a table.
#[derive(Debug, Deserialize, ToSchema)]
struct Invocation {
    /// Names, and rows of values.
    dataframe_split: Option<Split>,
    /// Rows of values by name.
    #[schema(value_type = Option<Vec<Object>>)]
    dataframe_records: Option<Vec<Map<String, Value>>>,
    /// Rows: values by name, or values in the order of the model's channels.
    #[schema(value_type = Option<Vec<Object>>)]
    instances: Option<Vec<Value>>,
    /// Columns by name, or rows as in `instances`.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Value>,
}

/// Names, and rows of values.
#[derive(Debug, Deserialize, ToSchema)]
struct Split {
    columns: Vec<String>,
    #[schema(value_type = Vec<Vec<Object>>)]
    data: Vec<Vec<Value>>,
}

/// A verdict for each row.
#[derive(Debug, Serialize, ToSchema)]
struct Predictions {
    predictions: Vec<RowBody>,
}

/// Whether the server can judge.
#[utoipa::path(get, path = "/ping", tag = "mlflow", responses((status = 200, body = String, content_type = "text/plain", description = "It can")))]
async fn ping() -> &'static str {
    "\n"
}

/// The version of the server.
#[utoipa::path(get, path = "/version", tag = "mlflow", responses((status = 200, body = String, content_type = "text/plain", description = "The version")))]
async fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Have rows judged.
#[utoipa::path(post, path = "/invocations", tag = "mlflow", params(Asked),
    request_body(content((Invocation = "application/json"), (String = "text/csv"))), responses(
    (status = 200, body = Predictions, description = "A verdict for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Neither JSON nor CSV"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn invocations(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<Predictions>, Problem> {
    let kind = Kind::of(&headers)?;
    let gate = app.judging.gate.clone();
    let about = format!("mlflow {kind:?} {}", asked.model.as_deref().unwrap_or_default());
    let judged = gate.judge(&about, body.len(), move |meter| {
        let model = app.judging.models.get(&model_of(&app, asked.model.as_deref())?)?;
        meter.measure(|| {
            let series = match kind {
                Kind::Csv => table::of_csv(&body, None)?,
                Kind::Json => vec![of_json(from_json(&body)?, &model)?],
            };
            let verdicts = judge(&model, series, asked.mode.unwrap_or_default().into())?;
            Ok(Predictions {
                predictions: verdicts.rows(),
            })
        })
    });
    judged.await.map(Json)
}

fn of_json(body: Invocation, model: &AtHand) -> Result<Series, Problem> {
    let n_forms = usize::from(body.dataframe_split.is_some())
        + usize::from(body.dataframe_records.is_some())
        + usize::from(body.instances.is_some())
        + usize::from(body.inputs.is_some());
    if n_forms != 1 {
        return Err(error::unprocessable(
            "one of dataframe_split, dataframe_records, instances and inputs is wanted",
        ));
    }
    if let Some(Split { columns, data }) = body.dataframe_split {
        let mut rows = Rows::new(data.len(), model)?;
        for row in &data {
            rows.listed(&columns, row)?;
        }
        return rows.finish();
    }
    if let Some(records) = body.dataframe_records {
        let mut rows = Rows::new(records.len(), model)?;
        for record in &records {
            rows.named(record)?;
        }
        return rows.finish();
    }
    match (body.instances, body.inputs) {
        (Some(rows), _) | (None, Some(Value::Array(rows))) => in_rows(&rows, model),
        (None, Some(Value::Object(columns))) => in_columns(&columns, model),
        _ => Err(error::unprocessable("`inputs` is neither rows nor columns")),
    }
}

/// Rows of values: by name, or in the order of the model's channels.
pub(super) fn in_rows(data: &[Value], model: &AtHand) -> Result<Series, Problem> {
    let channels = column_names(model);
    let mut rows = Rows::new(data.len(), model)?;
    for row in data {
        match row {
            Value::Object(row) => rows.named(row)?,
            Value::Array(row) => rows.listed(&channels, row)?,
            other => return Err(error::unprocessable(format!("{other} is no row of values"))),
        }
    }
    rows.finish()
}

fn in_columns(columns: &Map<String, Value>, model: &AtHand) -> Result<Series, Problem> {
    let mut lists = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        let Value::Array(values) = values else {
            return Err(error::unprocessable(format!(
                "the column {name:?} is no list of values"
            )));
        };
        lists.push((name.as_str(), values.as_slice()));
    }
    let n_rows = lists.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = lists.iter().find(|(_, values)| values.len() != n_rows) {
        return Err(error::unprocessable(format!(
            "the column {name:?} has {} values where others have {n_rows}",
            values.len(),
        )));
    }
    let mut rows = Rows::new(n_rows, model)?;
    for idx in 0..n_rows {
        rows.row(lists.iter().map(|(name, values)| (*name, cell(&values[idx]))))?;
    }
    rows.finish()
}

/// A list of one value is a value too: so NumPy writes columns.
fn cell(value: &Value) -> &Value {
    match value {
        Value::Array(one) if one.len() == 1 => &one[0],
        value => value,
    }
}

/// Rows that are put together one by one; those without a time follow each other by the cadence of the model.
struct Rows {
    gather: Gather,
    implied: std::vec::IntoIter<Timestamp>,
}

impl Rows {
    /// Room for so many rows.
    fn new(n_rows: usize, model: &AtHand) -> Result<Self, Problem> {
        check_rows(n_rows)?;
        Ok(Self {
            gather: Gather::default(),
            implied: implied(n_rows, model, Timestamp::from_nanos(0)).into_iter(),
        })
    }

    fn named(&mut self, row: &Map<String, Value>) -> Result<(), Problem> {
        self.row(row.iter().map(|(name, value)| (name.as_str(), value)))
    }

    fn listed(&mut self, columns: &[String], row: &[Value]) -> Result<(), Problem> {
        if row.len() != columns.len() {
            return Err(error::unprocessable(format!(
                "a row has {} values where {} are wanted: {}",
                row.len(),
                columns.len(),
                columns.join(", ")
            )));
        }
        self.row(columns.iter().map(String::as_str).zip(row))
    }

    fn row<'v>(&mut self, row: impl Iterator<Item = (&'v str, &'v Value)>) -> Result<(), Problem> {
        let implied = self.implied.next().expect("there is a time for each row");
        let mut time = (implied, implied.to_string());
        let mut cells = Vec::new();
        for (name, value) in row {
            match value {
                sent if name == TIME => {
                    time = TimeText::deserialize(sent)
                        .map_err(|_| error::unprocessable("a timestamp is a text or a number"))?
                        .read()?;
                }
                Value::Null => cells.push((name, None)),
                Value::Number(number) => cells.push((name, number.as_f64())),
                other => return Err(error::unprocessable(format!("{name}: {other} is no number"))),
            }
        }
        self.gather.row(time, cells)
    }

    fn finish(self) -> Result<Series, Problem> {
        self.gather.finish(UNNAMED)
    }
}
