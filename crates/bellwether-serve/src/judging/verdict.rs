//! What is said of rows: the values that the command `detect` writes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use bellwether_core::detect::{Detector, Mode, Scores};
use bellwether_core::event::Event;
use bellwether_core::frame::{Channel, Schema, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_store::write::{TableFormat, VerdictColumns, VerdictRow, VerdictWriter};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::models::AtHand;
use super::table::{Input, Row, Series};
use crate::error;

/// What is said of the series of a request.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) names: Names,
    detector: Arc<Detector>,
    pub(crate) series: Vec<(Input, Scores)>,
}

/// What channels and members of a model are called.
#[derive(Debug)]
pub(crate) struct Names {
    /// In the order of shares, features among them.
    pub(crate) channels: Vec<String>,
    /// In the order of the model, and last the training ranges.
    pub(crate) members: Vec<&'static str>,
}

impl Names {
    pub(crate) fn of(model: &AtHand) -> Self {
        Self {
            channels: names(model.loaded.detector.pipeline().schema()),
            members: model.loaded.detector.member_names().collect(),
        }
    }
}

/// What is said of one row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowBody {
    /// Its time as it was sent.
    pub(crate) timestamp: String,
    /// Its series, where the request tells of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) series: Option<String>,
    /// At least 0, 1.0 is the threshold; `null` where it has none: the first window is not full, or too little of it was
    /// measured.
    pub(crate) score: Option<f64>,
    /// Whether the score is 1.0 or more.
    pub(crate) is_anomaly: Option<bool>,
    /// The event it lies in.
    pub(crate) event: Option<String>,
    /// The channel with the largest share of the score,
    pub(crate) top_channel: Option<String>,
    /// and that share.
    pub(crate) top_share: Option<f64>,
    /// Why it does not count as operation, where it does not: then it has no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A stretch of time that was not normal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventBody {
    /// Its id: the same wherever the same samples are judged.
    pub(crate) event: String,
    /// The series.
    pub(crate) series: String,
    /// The first sample that opened it.
    pub(crate) start: String,
    /// Its last sample.
    pub(crate) end: String,
    /// When the score was highest.
    pub(crate) peak_time: String,
    /// The highest score.
    pub(crate) peak_score: f64,
    /// Samples from start to end.
    pub(crate) samples: usize,
    /// From 0 to 100.
    pub(crate) severity: f64,
    /// It goes on where the data end.
    pub(crate) is_open: bool,
    /// What kind of trouble it is: spike, level-shift, drift, stuck, noise, dropout, correlation-break or out-of-range.
    #[schema(example = "level-shift")]
    pub(crate) kind: &'static str,
    /// Whether one sensor or the device is at fault, as far as that is known: sensor or device.
    #[schema(example = "sensor")]
    pub(crate) fault: Option<&'static str>,
    /// How far the members of the model agree, from 0 to 1.
    pub(crate) confidence: f64,
    /// Channels with their shares, the largest first; they sum to 1.
    pub(crate) channels: Vec<ShareBody>,
    /// Members of the model with their shares, last the training ranges; they sum to 1.
    pub(crate) members: Vec<MemberBody>,
}

/// The share of a member.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberBody {
    /// The member.
    pub(crate) member: &'static str,
    /// Its share of the event.
    pub(crate) share: f64,
}

/// The share of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShareBody {
    /// The channel.
    pub(crate) channel: String,
    /// In [0, 1].
    pub(crate) share: f64,
}

/// Judges all series of a request.
///
/// # Errors
/// 422 with the text that the command gives, where data and model do not fit.
pub(crate) fn judge(model: &AtHand, series: Vec<Series>, mode: Mode) -> Result<Verdicts, Problem> {
    let started = clock::instant();
    let detector = &model.loaded.detector;
    let mut judged = Vec::with_capacity(series.len());
    let mut n_windows = 0;
    for Series { input, frame } in series {
        let id = SeriesId::new(input.name.as_str());
        let scores = detector.score(&id, frame, mode).map_err(|error| {
            error::unprocessable(format!(
                "{} does not fit {}: {}",
                input.name,
                model.loaded.reference,
                bellwether_stream::chain(&error)
            ))
        })?;
        n_windows += scores.score.iter().filter(|score| !score.is_nan()).count();
        judged.push((input, scores));
    }
    let duration = clock::instant().saturating_duration_since(started);
    crate::metrics::scored(n_windows, duration);
    Ok(Verdicts {
        names: Names::of(model),
        detector: Arc::clone(detector),
        series: judged,
    })
}

/// What a model has to be sent, in the order of a sample.
pub(crate) fn column_names(model: &AtHand) -> Vec<String> {
    names(model.loaded.detector.pipeline().inputs())
}

fn names(schema: &Schema) -> Vec<String> {
    let channels = schema.channels().iter();
    channels.map(Channel::name).map(str::to_owned).collect()
}

impl Verdicts {
    /// All rows in the order of the input.
    pub(crate) fn rows(&self) -> Vec<RowBody> {
        let with_series = self.with_series();
        self.in_order()
            .map(|(series, scores, row)| {
                let score = scores.score[row.sample_idx];
                let top = scores.top[row.sample_idx];
                RowBody {
                    timestamp: row.time.to_string(),
                    series: with_series.then(|| series.name.clone()),
                    score: (!score.is_nan()).then_some(score),
                    is_anomaly: scores.is_anomaly(row.sample_idx),
                    event: scores.event[row.sample_idx].map(|event| event.to_string()),
                    top_channel: top.map(|top| self.names.channels[top.channel_idx].clone()),
                    top_share: top.map(|top| top.share),
                    reason: self.reason(scores, row.sample_idx),
                }
            })
            .collect()
    }

    /// Channels that were sent and the model does not know.
    pub(crate) fn ignored(&self) -> Vec<String> {
        let all = self.series.iter().flat_map(|(_, scores)| &scores.ignored);
        all.map(|channel| channel.name().to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// All events.
    pub(crate) fn events(&self) -> Vec<EventBody> {
        let of_series = |(input, scores): &(Input, Scores)| {
            let events = scores.events.iter();
            let text = |at| time_text(input, scores, at);
            let body = |event| event_body(event, &input.name, &self.names, text);
            events.map(body).collect::<Vec<_>>()
        };
        self.series.iter().flat_map(of_series).collect()
    }

    /// The table that `detect -o` writes.
    pub(crate) fn to_csv(&self) -> Result<Vec<u8>, Problem> {
        let written = (|| {
            let mut bytes = Vec::new();
            let columns = VerdictColumns {
                with_series: self.with_series(),
                with_reason: self.detector.pipeline().operation().is_some(),
                with_p_value: self.detector.parts().rarity.is_some(),
            };
            let mut writer = VerdictWriter::new(&mut bytes, TableFormat::Csv, columns)?;
            for (series, scores, row) in self.in_order() {
                let reason = self.reason(scores, row.sample_idx);
                let top = scores.top[row.sample_idx];
                writer.row(&VerdictRow {
                    time: &row.time,
                    series: &series.name,
                    score: scores.score[row.sample_idx],
                    event: scores.event[row.sample_idx],
                    top: top.map(|top| (self.names.channels[top.channel_idx].as_str(), top.share)),
                    reason: reason.as_deref(),
                    p_value: self.detector.p_value(scores.mode, scores.score[row.sample_idx]),
                })?;
            }
            writer.finish()?;
            Ok(bytes)
        })();
        written.map_err(|error: bellwether_store::write::WriteError| error::internal(&error))
    }

    /// Why a row does not count.
    fn reason(&self, scores: &Scores, sample_idx: usize) -> Option<String> {
        let outside = scores.outside.get(sample_idx).copied().flatten()?;
        let operation = self.detector.pipeline().operation();
        operation.map(|operation| operation.reason(outside))
    }

    fn with_series(&self) -> bool {
        self.series.iter().any(|(series, _)| series.is_told_apart)
    }

    /// Rows of all series as they stood in the input: each series' rows are in order, the series may be interleaved.
    fn in_order(&self) -> impl Iterator<Item = (&Input, &Scores, &Row)> {
        let next_of = move |idx: usize, row: usize| {
            let rows = &self.series[idx].0.rows;
            rows.get(row).map(|at| Reverse((at.position, idx, row)))
        };
        let mut waiting: BinaryHeap<_> = (0..self.series.len()).filter_map(|idx| next_of(idx, 0)).collect();
        std::iter::from_fn(move || {
            let Reverse((_, idx, row)) = waiting.pop()?;
            waiting.extend(next_of(idx, row + 1));
            let (series, scores) = &self.series[idx];
            Some((series, scores, &series.rows[row]))
        })
    }
}

/// An event in JSON; `text` says how its times are written.
pub(crate) fn event_body(
    event: &Event,
    series: &str,
    names: &Names,
    text: impl Fn(Timestamp) -> String,
) -> EventBody {
    let mut shares: Vec<ShareBody> = names
        .channels
        .iter()
        .zip(&event.shares)
        .map(|(channel, share)| ShareBody {
            channel: channel.clone(),
            share: *share,
        })
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    EventBody {
        event: event.id.to_string(),
        series: series.to_owned(),
        start: text(event.start),
        end: text(event.end),
        peak_time: text(event.peak_time),
        peak_score: event.peak_score,
        samples: event.n_samples,
        severity: event.severity(),
        is_open: event.is_open,
        kind: event.kind.name(),
        fault: event.fault.map(|fault| fault.fault.name()),
        confidence: event.confidence,
        channels: shares,
        members: names
            .members
            .iter()
            .zip(&event.members)
            .map(|(member, share)| MemberBody {
                member,
                share: *share,
            })
            .collect(),
    }
}

/// The instant of a sample as it stands in the input.
fn time_text(input: &Input, scores: &Scores, at: Timestamp) -> String {
    let sample = scores.time.partition_point(|&time| time < at);
    let row = input.rows.partition_point(|row| row.sample_idx < sample);
    input
        .rows
        .get(row)
        .map_or_else(|| at.to_string(), |row| row.time.to_string())
}
