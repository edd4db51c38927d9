//! Tensors of the Open Inference Protocol, to rows and from verdicts.

use bellwether_core::time::Timestamp;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error;
use crate::judging::models::AtHand;
use crate::judging::table::{CHANNELS_MAX, Gather, ROWS_MAX, Series, UNNAMED};
use crate::judging::verdict::{Verdicts, column_names};

/// A tensor with its data in JSON, row-major, flat or nested.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Tensor {
    name: String,
    shape: Vec<u64>,
    #[schema(example = "FP64")]
    datatype: String,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
}

impl Tensor {
    /// Its cells, in order.
    fn cells(&self, wanted: &[&str]) -> Result<Vec<&Value>, Problem> {
        if !wanted.contains(&self.datatype.as_str()) {
            return Err(error::unprocessable(format!(
                "the input {:?} is {}; {} is wanted",
                self.name,
                self.datatype,
                wanted.join(" or ")
            )));
        }
        let mut cells = Vec::new();
        flatten(&self.data, &mut cells);
        let n: Option<u64> = self.shape.iter().try_fold(1_u64, |n, len| n.checked_mul(*len));
        if n != Some(cells.len() as u64) {
            return Err(error::unprocessable(format!(
                "the input {:?} has {} values; its shape {:?} wants others",
                self.name,
                cells.len(),
                self.shape
            )));
        }
        Ok(cells)
    }
}

fn flatten<'a>(data: &'a [Value], cells: &mut Vec<&'a Value>) {
    for value in data {
        match value {
            Value::Array(inner) => flatten(inner, cells),
            cell => cells.push(cell),
        }
    }
}

/// The rows that the inputs are, in the order of the model's channels.
pub(super) fn series_of(
    inputs: &[Tensor],
    model: &AtHand,
    device: Option<&str>,
    start: Timestamp,
) -> Result<Series, Problem> {
    let known = ["values", "timestamp", "observed"];
    if let Some(other) = inputs.iter().find(|input| !known.contains(&input.name.as_str())) {
        return Err(error::unprocessable(format!(
            "there is no input {:?}; there are `values`, `timestamp` and `observed`",
            other.name
        )));
    }
    let input = |name: &str| inputs.iter().find(|input| input.name == name);
    let values = input("values").ok_or_else(|| error::unprocessable("the input `values` is wanted"))?;
    let channels = column_names(model);
    let [n_rows, n_channels] = values.shape[..] else {
        return Err(error::unprocessable(
            "the input `values` wants the shape [n_rows, n_channels]",
        ));
    };
    if n_rows > ROWS_MAX as u64 || n_channels > CHANNELS_MAX as u64 {
        return Err(error::too_large(format!(
            "{n_rows} rows of {n_channels} channels; at most {ROWS_MAX} of {CHANNELS_MAX} are judged at once"
        )));
    }
    if n_channels != channels.len() as u64 {
        return Err(error::unprocessable(format!(
            "rows of {n_channels} channels do not fit {}, which has {}: {}",
            model.loaded.reference,
            channels.len(),
            channels.join(", ")
        )));
    }
    let is_single = values.datatype == "FP32";
    let cells = values.cells(&["FP64", "FP32"])?;
    let mut numbers = cells
        .into_iter()
        .map(|cell| number(cell, is_single))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(observed) = input("observed") {
        let marks = observed.cells(&["BOOL"])?;
        if observed.shape != values.shape {
            return Err(error::unprocessable(
                "the input `observed` wants the shape of `values`",
            ));
        }
        for (number, mark) in numbers.iter_mut().zip(marks) {
            match mark {
                Value::Bool(true) => {}
                Value::Bool(false) => *number = None,
                other => return Err(error::unprocessable(format!("{other} is not true or false"))),
            }
        }
    }
    let times = times(input("timestamp"), n_rows as usize, model, start)?;
    let mut gather = Gather::default();
    for (row, time) in times.into_iter().enumerate() {
        let of_row = &numbers[row * channels.len()..(row + 1) * channels.len()];
        let cells = channels.iter().zip(of_row.iter().copied());
        gather.row((time, time.to_string()), cells)?;
    }
    gather.finish(device.unwrap_or(UNNAMED))
}

fn number(cell: &Value, is_single: bool) -> Result<Option<f64>, Problem> {
    match cell {
        Value::Null => Ok(None),
        Value::Number(number) => {
            let number = number.as_f64();
            Ok(number.map(|number| {
                if is_single {
                    f64::from(number as f32)
                } else {
                    number
                }
            }))
        }
        other => Err(error::unprocessable(format!(
            "{other} is no number; wanted a number or null"
        ))),
    }
}

/// The times that were sent, or rising by the cadence of the model.
fn times(
    input: Option<&Tensor>,
    n_rows: usize,
    model: &AtHand,
    start: Timestamp,
) -> Result<Vec<Timestamp>, Problem> {
    let Some(input) = input else {
        return Ok(implied(n_rows, model, start));
    };
    let cells = input.cells(&["INT64"])?;
    if cells.len() != n_rows {
        return Err(error::unprocessable(format!(
            "the input `timestamp` has {} values for {n_rows} rows",
            cells.len()
        )));
    }
    let time = |cell: &Value| {
        let nanos = cell.as_i64();
        nanos.map(Timestamp::from_nanos).ok_or_else(|| {
            error::unprocessable(format!("{cell} is no time: nanoseconds since 1970 are wanted"))
        })
    };
    cells.into_iter().map(time).collect()
}

/// Times of rows that were sent without.
pub(super) fn implied(n_rows: usize, model: &AtHand, start: Timestamp) -> Vec<Timestamp> {
    let cadence = model.loaded.detector.pipeline().schema().cadence();
    let after = |row: usize| start.plus(cadence.saturating_mul(u32::try_from(row).unwrap_or(u32::MAX)));
    (0..n_rows).map(after).collect()
}

/// The outputs that are wanted, in that order; all where nobody says.
pub(super) fn outputs_of(verdicts: &Verdicts, wanted: Option<&[String]>) -> Result<Vec<Tensor>, Problem> {
    let all = ["score", "is_anomaly", "top_channel", "top_share"].map(str::to_owned);
    let rows = verdicts.rows();
    let tensor = |name: &String| {
        let (datatype, data): (_, Vec<Value>) = match name.as_str() {
            "score" => ("FP64", rows.iter().map(|row| json!(row.score)).collect()),
            // A tensor of truth has no third value: the score says where there is none.
            "is_anomaly" => (
                "BOOL",
                rows.iter()
                    .map(|row| json!(row.is_anomaly == Some(true)))
                    .collect(),
            ),
            "top_channel" => (
                "BYTES",
                rows.iter()
                    .map(|row| json!(row.top_channel.as_deref().unwrap_or_default()))
                    .collect(),
            ),
            "top_share" => ("FP64", rows.iter().map(|row| json!(row.top_share)).collect()),
            other => {
                return Err(error::unprocessable(format!(
                    "there is no output {other:?}; there are {}",
                    all.join(", ")
                )));
            }
        };
        Ok(Tensor {
            name: name.clone(),
            shape: vec![rows.len() as u64],
            datatype: datatype.to_owned(),
            data,
        })
    };
    wanted.unwrap_or(&all).iter().map(tensor).collect()
}
