//! MLflow's scoring protocol: tables in its four forms of JSON, or CSV.

use std::collections::BTreeMap;
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
use crate::judging::table::{self, Gather, Series, TimeText, UNNAMED};
use crate::judging::verdict::{RowBody, channel_names, judge};
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
    let judged = gate.run(body.len(), move |meter| {
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
    let rows = if let Some(split) = body.dataframe_split {
        let named = |row: Vec<Value>| named(&split.columns, row);
        split.data.into_iter().map(named).collect::<Result<Vec<_>, _>>()?
    } else if let Some(records) = body.dataframe_records {
        records.into_iter().map(BTreeMap::from_iter).collect()
    } else {
        match (body.instances, body.inputs) {
            (Some(rows), _) | (None, Some(Value::Array(rows))) => in_rows(rows, model)?,
            (None, Some(Value::Object(columns))) => in_columns(columns)?,
            _ => return Err(error::unprocessable("`inputs` is neither rows nor columns")),
        }
    };
    series(rows, model)
}

type NamedRow = BTreeMap<String, Value>;

fn named(columns: &[String], row: Vec<Value>) -> Result<NamedRow, Problem> {
    if row.len() != columns.len() {
        return Err(error::unprocessable(format!(
            "a row has {} values where {} are wanted: {}",
            row.len(),
            columns.len(),
            columns.join(", ")
        )));
    }
    Ok(columns.iter().cloned().zip(row).collect())
}

pub(super) fn in_rows(rows: Vec<Value>, model: &AtHand) -> Result<Vec<NamedRow>, Problem> {
    let channels = channel_names(model);
    let row = |row| match row {
        Value::Object(row) => Ok(BTreeMap::from_iter(row)),
        Value::Array(row) => named(&channels, row),
        other => Err(error::unprocessable(format!("{other} is no row of values"))),
    };
    rows.into_iter().map(row).collect()
}

fn in_columns(columns: Map<String, Value>) -> Result<Vec<NamedRow>, Problem> {
    let mut rows: Vec<NamedRow> = Vec::new();
    for (idx, (name, values)) in columns.into_iter().enumerate() {
        let Value::Array(values) = values else {
            return Err(error::unprocessable(format!(
                "the column {name:?} is no list of values"
            )));
        };
        if idx == 0 {
            rows.resize(values.len(), NamedRow::new());
        }
        if values.len() != rows.len() {
            return Err(error::unprocessable(format!(
                "the column {name:?} has {} values where others have {}",
                values.len(),
                rows.len()
            )));
        }
        for (row, value) in rows.iter_mut().zip(values) {
            // Lists of one value are columns too, as NumPy writes them.
            let value = match value {
                Value::Array(mut one) if one.len() == 1 => one.remove(0),
                value => value,
            };
            row.insert(name.clone(), value);
        }
    }
    Ok(rows)
}

pub(super) fn series(rows: Vec<NamedRow>, model: &AtHand) -> Result<Series, Problem> {
    let implied = implied(rows.len(), model, Timestamp::from_nanos(0));
    let mut gather = Gather::default();
    for (mut row, time) in rows.into_iter().zip(implied) {
        let time = match row.remove(TIME) {
            None => (time, time.to_string()),
            Some(sent) => serde_json::from_value::<TimeText>(sent)
                .map_err(|_| error::unprocessable("a timestamp is a text or a number"))?
                .read()?,
        };
        let cells = row
            .into_iter()
            .map(|(name, value)| match value {
                Value::Null => Ok((name, None)),
                Value::Number(number) => Ok((name, number.as_f64())),
                other => Err(error::unprocessable(format!("{name}: {other} is no number"))),
            })
            .collect::<Result<Vec<_>, _>>()?;
        gather.row(time, cells)?;
    }
    gather.finish(UNNAMED)
}
