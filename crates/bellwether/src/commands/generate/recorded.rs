//! A fleet's rows with the defects of a careless recorder.

use std::time::Duration;

use bellwether_core::synth::{
    BAD_TEXT, CellDefect, DefectKind, DefectSpec, Device, Recorded, RecordedRow, record,
};
use bellwether_store::write::{Cell, Column, ColumnKind, push_real};
use serde_json::{Value, json};

use super::counted;
use super::live::Sent;
use super::table::{self, Line, Out, Table};
use crate::failure::Failure;
use crate::output::{Output, object};

/// Rows as they were recorded, and what is wrong with them.
pub(super) struct Recording<'a> {
    devices: &'a [Device],
    recorded: Recorded,
}

impl<'a> Recording<'a> {
    pub(super) fn new(
        devices: &'a [Device],
        specs: &[DefectSpec],
        cadence: Duration,
        seed: u64,
    ) -> Result<Self, Failure> {
        let recorded =
            record(devices, specs, cadence, seed).map_err(|error| Failure::message(error.to_string()))?;
        Ok(Self { devices, recorded })
    }

    /// Writes the rows as `table` has them, with the marks of each sample. Where cells hold words, the channels are
    /// columns of text.
    pub(super) fn write(
        &self,
        table: &Table,
        marks: impl Fn(&RecordedRow) -> Vec<bool>,
        out: Out,
    ) -> Result<(), Failure> {
        let is_text = self.recorded.has_text();
        if is_text && !out.is_csv() {
            return Err(Failure::Usage(
                "--defect bad-text: words among numbers go into CSV only; give a file that ends in .csv"
                    .to_owned(),
            ));
        }
        let kind = if is_text {
            ColumnKind::Text
        } else {
            ColumnKind::Real
        };
        out.table(table.columns(kind), |out| {
            for row in &self.recorded.rows {
                let device = &self.devices[row.device_idx];
                let time = self.time(row);
                let values = device.frame.sample(row.sample_idx).values;
                let words: Vec<String> = if is_text {
                    values.iter().map(|&value| word(value)).collect()
                } else {
                    Vec::new()
                };
                let mut cells = vec![Cell::Text(&time)];
                cells.extend(table.series.is_some().then_some(Cell::Text(&device.name)));
                for (channel_idx, &value) in values.iter().enumerate() {
                    cells.push(match self.recorded.cell(row, channel_idx) {
                        Some(CellDefect::Missing) => Cell::Missing,
                        Some(CellDefect::BadText) => Cell::Text(BAD_TEXT),
                        None if value.is_nan() => Cell::Missing,
                        None if is_text => Cell::Text(&words[channel_idx]),
                        None => Cell::Real(value),
                    });
                }
                cells.extend(marks(row).into_iter().map(|mark| Cell::Integer(mark.into())));
                out.row(&cells)?;
            }
            Ok(())
        })
    }

    /// The rows as they are sent: late where they are, and nothing in a gap.
    pub(super) fn sent(&self) -> impl Iterator<Item = Sent<'_>> {
        let mut due_idx = 0;
        self.recorded.rows.iter().map(move |row| {
            due_idx = due_idx.max(row.sample_idx);
            let device = &self.devices[row.device_idx];
            let values = device.frame.sample(row.sample_idx).values;
            let spoilt = (0..values.len()).filter_map(|idx| Some((idx, self.recorded.cell(row, idx)?)));
            Sent {
                due_idx,
                device_idx: row.device_idx,
                spoilt: spoilt.collect(),
                line: Line {
                    time: self.time(row).into(),
                    series: &device.name,
                    values,
                    marks: Vec::new(),
                },
            }
        })
    }

    /// The time as it was recorded: with a zone, or as a clock on a wall shows it.
    fn time(&self, row: &RecordedRow) -> String {
        let mut text = row.time.to_string();
        if self.recorded.is_local {
            text.pop();
        }
        text
    }

    /// Writes where the defects are: `kind,row,samples,start,end,channel,series`. Rows count from 1, without the header; times are
    /// the true ones.
    pub(super) fn write_defects(&self, out: Out) -> Result<(), Failure> {
        let text = |name: &str| Column::new(name, ColumnKind::Text);
        let whole = |name: &str| Column::new(name, ColumnKind::Integer);
        let columns = vec![
            text("kind"),
            whole("row"),
            whole("samples"),
            text("start"),
            text("end"),
            text("channel").optional(),
            text("series").optional(),
        ];
        let channels = table::names(self.devices[0].frame.schema().channels());
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        out.table(columns, |out| {
            for defect in &self.recorded.defects {
                let series = self.devices[defect.device_idx].name.as_str();
                out.row(&[
                    Cell::Text(defect.kind.name()),
                    Cell::Integer(count(defect.row_idx + 1)),
                    Cell::Integer(count(defect.n_samples)),
                    Cell::Text(&defect.start.to_string()),
                    Cell::Text(&defect.end.to_string()),
                    Cell::text(defect.channel_idx.map(|idx| channels[idx].as_str())),
                    Cell::text((self.devices.len() > 1).then_some(series)),
                ])?;
            }
            Ok(())
        })
    }

    /// Of each kind how many places, and samples in them.
    fn counts(&self) -> impl Iterator<Item = (DefectKind, usize, usize)> {
        DefectKind::ALL.into_iter().filter_map(|kind| {
            let of_kind = self.recorded.defects.iter().filter(|defect| defect.kind == kind);
            let n_samples: usize = of_kind.clone().map(|defect| defect.n_samples).sum();
            (n_samples > 0).then(|| (kind, of_kind.count(), n_samples))
        })
    }

    /// What was done, for programs.
    pub(super) fn summary(&self) -> Vec<Value> {
        let counts = self.counts();
        counts
            .map(|(kind, n_places, n_samples)| {
                object([
                    ("kind", json!(kind.name())),
                    ("places", json!(n_places)),
                    ("samples", json!(n_samples)),
                ])
            })
            .collect()
    }

    /// And for people.
    pub(super) fn note(&self, output: &Output) {
        for (kind, n_places, n_samples) in self.counts() {
            output.note(&format!(
                "  recorded with {kind}: {}, {}",
                counted(n_places, "place"),
                counted(n_samples, "sample")
            ));
        }
    }
}

fn word(value: f64) -> String {
    let mut text = String::new();
    push_real(&mut text, value);
    text
}
