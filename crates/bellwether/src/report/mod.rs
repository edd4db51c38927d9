//! The self-contained report: one HTML file that opens offline, and the same facts as JSON.
//!
//! A report holds buckets, not samples: each [`SeriesReport`] is decimated as it is made, so a report of a million
//! rows is as small in memory as on disk, and one of a thousand devices keeps charts of the worst only.

pub(crate) mod card;
pub(crate) mod causes;
mod cost;
mod decimate;
mod metrics;
mod page;
mod series;
mod summary;
mod sweep;
pub(crate) mod validation;
mod wire;

use std::io;

use bellwether_core::time::Timestamp;
use serde::Serialize;

pub(crate) use cost::{CostRow, CostTable};
pub(crate) use metrics::{MetricsRow, MetricsTable};
pub(crate) use series::{Event, Expected, Resolution, SeriesInput, SeriesReport};
pub(crate) use sweep::Sweep;

/// Rows of the fleet table, the worst series of all.
const N_SERIES_MAX: usize = 500;

/// What `detect --report` and `evaluate --report` write.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    format: &'static str,
    version: u32,
    /// Heading of the page.
    pub(crate) title: String,
    /// Program and version.
    pub(crate) generated_by: String,
    /// When; none makes the same input give the same bytes.
    #[serde(serialize_with = "wire::maybe_instant")]
    pub(crate) generated_at: Option<Timestamp>,
    /// Reference of the model, such as `press@3`.
    pub(crate) model: Option<String>,
    /// Raw error at which the score is 1.0.
    #[serde(serialize_with = "wire::maybe_number")]
    pub(crate) threshold: Option<f64>,
    /// What the reader should know besides, a sentence each.
    pub(crate) notes: Vec<String>,
    /// Detection quality where the truth is known.
    pub(crate) metrics: Option<MetricsTable>,
    /// How often alarms would be at other thresholds.
    pub(crate) sweep: Option<Sweep>,
    /// What thresholds would have cost.
    pub(crate) costs: Option<CostTable>,
    totals: Totals,
    series: Vec<SeriesReport>,
}

/// Sums over all series, those without a row included.
#[derive(Debug, Clone, Default, Serialize)]
struct Totals {
    n_series: usize,
    n_samples: usize,
    n_unscored: usize,
    n_events: usize,
    n_series_with_events: usize,
    #[serde(serialize_with = "wire::millis")]
    in_events_ms: std::time::Duration,
    #[serde(serialize_with = "wire::millis")]
    watched_ms: std::time::Duration,
}

impl Report {
    /// A report without series. `generated_by` names program and version.
    pub(crate) fn new(title: impl Into<String>, generated_by: impl Into<String>) -> Self {
        Self {
            format: "bellwether-report",
            version: 1,
            title: title.into(),
            generated_by: generated_by.into(),
            generated_at: None,
            model: None,
            threshold: None,
            notes: Vec::new(),
            metrics: None,
            sweep: None,
            costs: None,
            totals: Totals::default(),
            series: Vec::new(),
        }
    }

    /// Adds a series. Of many, the worst keep their charts, and of very many, the worst keep their row.
    pub(crate) fn push(&mut self, series: SeriesReport) {
        let totals = &mut self.totals;
        totals.n_series += 1;
        totals.n_samples += series.n_samples;
        totals.n_unscored += series.n_unscored;
        totals.n_events += series.n_events;
        totals.n_series_with_events += usize::from(series.n_events > 0);
        totals.in_events_ms += series.in_events_ms;
        totals.watched_ms += series.end.since(series.start) + series.cadence_ms;
        self.series.push(series);

        let n_charted = self
            .series
            .iter()
            .filter(|series| series.charts.is_some())
            .count();
        if n_charted > series::N_CHARTED_MAX {
            let mildest = self
                .series
                .iter_mut()
                .filter(|series| series.charts.is_some())
                .min_by(|a, b| a.badness().total_cmp(&b.badness()));
            if let Some(mildest) = mildest {
                mildest.drop_charts();
            }
        }
        if self.series.len() > N_SERIES_MAX {
            let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
            let badness = self.series.iter().map(SeriesReport::badness);
            if let Some((mildest, _)) = badness.enumerate().min_by(order) {
                self.series.remove(mildest);
            }
        }
    }

    /// The report as one JSON document: what the page shows, decimated like its charts.
    pub(crate) fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        let mut document = serde_json::to_value(self)?;
        document["summary"] = self.summary().into();
        Ok(document)
    }

    /// Writes the page: one file, no other needed.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write_html(&self, out: &mut impl io::Write) -> io::Result<()> {
        page::write(self, out)
    }

    /// The report in one paragraph of plain text.
    pub(crate) fn summary(&self) -> String {
        summary::paragraph(self)
    }
}

#[cfg(test)]
mod tests;
