//! The band that normal values rarely leave.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bellwether_core::detect::{Expected, Mode};
use bellwether_core::frame::{Channel, Frame};
use bellwether_core::time::Timestamp;
use bellwether_store::history::{self, HistoryError, Row};
use bellwether_stream::live::Served;

use super::envelope::Envelope;
use super::numbers;
use crate::app::App;
use crate::newest::{Last, before};

/// Context is looked for in this many times the span that it has where no sample is missing.
const CONTEXT_SPANS: u32 = 2;

/// What was expected of some samples of one model version.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) model: Arc<str>,
    /// Where channels stand in what was expected, and in a row; `None`: features, of which rows keep no value.
    places: HashMap<String, (usize, Option<usize>)>,
    rows: Vec<Row>,
    expected: Expected,
}

impl Band {
    /// The band of those of `rows` that the model version of the newest judged; `None` where there are none, that
    /// version is not in service any more, or it has no answer. `rows` are in order of time.
    ///
    /// # Errors
    /// Where the rows before them cannot be read.
    pub(super) async fn of(
        app: &App,
        device: &str,
        rows: Option<Vec<Row>>,
    ) -> Result<Option<Self>, HistoryError> {
        let Some(mut rows) = rows else { return Ok(None) };
        let Some(model) = rows.last().map(|row| Arc::clone(&row.model)) else {
            return Ok(None);
        };
        let served = app.models.borrow().find(&model).cloned();
        let Some(served) = served else {
            return Ok(None);
        };
        rows.retain(|row| row.model == model);
        let Some(first) = rows.first().map(|row| row.time) else {
            return Ok(None);
        };
        let context = context(app, device, &served, first).await?;
        let work = move || Self::work_out(&served, model, context, rows);
        Ok(crate::beside::beside(work).await.ok().flatten())
    }

    fn work_out(served: &Served, model: Arc<str>, context: Vec<Row>, mut rows: Vec<Row>) -> Option<Self> {
        rows.dedup_by_key(|row| row.time);
        let (n_context, n_rows) = (context.len(), rows.len());
        let kept = served.kept();
        let channels: Vec<Channel> = kept.iter().map(|name| Channel::new(Arc::clone(name))).collect();
        let n_channels = channels.len();
        let all = context.iter().chain(&rows);
        if all.clone().any(|row| row.values.len() != n_channels) {
            return None;
        }
        let time = all.clone().map(|row| row.time).collect();
        let values = all.flat_map(|row| row.values.iter().copied()).collect();
        let frame = Frame::new(channels, time, values).ok()?;
        let expected = served
            .detector
            .expected(&frame, n_context..n_context + n_rows, Mode::Causal);
        match expected {
            Ok(expected) => Some(Self {
                model,
                places: served
                    .channels()
                    .iter()
                    .enumerate()
                    .map(|(idx, name)| {
                        let place = served.columns().iter().position(|column| column == name);
                        (name.to_string(), (idx, place))
                    })
                    .collect(),
                rows,
                expected,
            }),
            Err(error) => {
                tracing::debug!(error = %bellwether_stream::chain(&error), "no expected values for a stretch");
                None
            }
        }
    }

    /// Expected, lower and upper for each point of the envelope: the mean of what was expected, and what the bands of
    /// its samples reach over.
    pub(super) fn lines(&self, channel: &str, envelope: &Envelope) -> Option<[Vec<Option<f64>>; 3]> {
        let (place, _) = *self.places.get(channel)?;
        let keys = envelope.keys();
        let mut sums = vec![(0.0, 0_usize); keys.len()];
        let (mut lower, mut upper) = (vec![f64::NAN; keys.len()], vec![f64::NAN; keys.len()]);
        for (idx, row) in self.rows.iter().enumerate() {
            let Some(point) = envelope.point_of(&keys, row.time) else {
                continue;
            };
            let at = idx * self.expected.n_channels + place;
            let expected = self.expected.expected[at];
            if !expected.is_nan() {
                sums[point].0 += expected;
                sums[point].1 += 1;
            }
            // Of a number and NaN both are the number.
            lower[point] = self.expected.lower[at].min(lower[point]);
            upper[point] = self.expected.upper[at].max(upper[point]);
        }
        let means = sums.iter().map(|(sum, n)| sum / *n as f64);
        Some([
            numbers(means),
            numbers(lower.into_iter()),
            numbers(upper.into_iter()),
        ])
    }

    /// The first sample where a channel lies outside of its band.
    pub(super) fn first_outside(&self, channel: &str) -> Option<Timestamp> {
        let (place, in_row) = *self.places.get(channel)?;
        let in_row = in_row?;
        let outside = self.rows.iter().enumerate().find(|(idx, row)| {
            let at = idx * self.expected.n_channels + place;
            let value = row.values[in_row];
            value < self.expected.lower[at] || value > self.expected.upper[at]
        });
        outside.map(|(_, row)| row.time)
    }
}

/// The samples before `first` that what is expected of it depends on.
async fn context(
    app: &App,
    device: &str,
    served: &Served,
    first: Timestamp,
) -> Result<Vec<Row>, HistoryError> {
    let n_rows = served.detector.context_len();
    let cadence = served.detector.pipeline().schema().cadence();
    let span: Duration = cadence.saturating_mul(u32::try_from(n_rows).unwrap_or(u32::MAX));
    let from = before(first, span.saturating_mul(CONTEXT_SPANS));
    // Other model versions may have judged some of them: those are left out below.
    let none = Last::new(2 * n_rows);
    let read = history::visit(&app.db, &app.history, device, (from, first), none, Last::take).await?;
    let mut rows = read.rows();
    rows.retain(|row| *row.model == *served.reference);
    rows.dedup_by_key(|row| row.time);
    let n_over = rows.len().saturating_sub(n_rows);
    rows.drain(..n_over);
    Ok(rows)
}
