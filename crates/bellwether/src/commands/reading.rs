//! `bench read`: the figures of [`crate::bench::read`], shown.

use serde_json::json;

use crate::bench::read::{MeasureError, ReadSpec, measure};
use crate::cli::ReadArgs;
use crate::failure::Failure;
use crate::output::{Output, Rows};

pub(crate) fn run(args: &ReadArgs, output: &Output) -> Result<(), Failure> {
    let spec = ReadSpec {
        n_rows: args.rows.get(),
        n_channels: args.channels.get(),
        decimals: args.decimals,
    };
    let rates = measure(&spec, args.dir.as_deref(), |what| {
        output.note(&format!("measuring {what}"));
    });
    let rates = rates.map_err(|error| match error {
        MeasureError::Write(error) => Failure::from(error),
        MeasureError::Read(error) => error.into(),
    })?;
    let mut rows = Rows::new(&[
        "format",
        "threads",
        "bytes",
        "rows",
        "channels",
        "mb_per_s",
        "m_values_per_s",
    ]);
    for rate in &rates {
        rows.push(vec![
            json!(rate.format),
            json!(rate.threads),
            json!(rate.bytes),
            json!(rate.rows),
            json!(rate.channels),
            json!(rate.mb_per_s),
            json!(rate.m_values_per_s),
        ]);
    }
    output.answer(&json!({ "reads": rates }), &rows)
}
