//! Judging on demand: rows that are not kept, by any model of the registry, with the bits of `bellwether detect`.

use std::sync::Arc;

use axum::http::StatusCode;
use bellwether_core::detect::{DetectError, Detector, Mode, Scores};
use bellwether_core::event::EventId;
use bellwether_core::frame::{Channel, Frame, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_store::read::Recording;
use bellwether_store::registry::{ModelRef, NamedRef};
use bellwether_stream::live::Models;
use bellwether_stream::problem::Problem;

use crate::app::{App, Loaded, SeamError};
use crate::error;

/// Rows of a request at most.
pub(crate) const ROWS_MAX: usize = 100_000;

/// Channels of a request at most.
pub(crate) const CHANNELS_MAX: usize = 1000;

/// A series to judge.
#[derive(Debug)]
pub(crate) struct Input {
    /// What it is called; events are named after it.
    pub(crate) name: String,
    /// The request has several series, or said what this one is called.
    pub(crate) is_named: bool,
    /// Its samples.
    pub(crate) frame: Frame,
    /// The time of each row, as it stood in the request, `[n_rows]`.
    pub(crate) times: Vec<String>,
    /// The sample of each row: rows that repeat a time share the first one's, `[n_rows]`.
    pub(crate) samples: Vec<usize>,
}

/// A series that was judged.
#[derive(Debug)]
pub(crate) struct JudgedSeries {
    pub(crate) input: Input,
    pub(crate) scores: Scores,
}

/// What a model says of some series.
#[derive(Debug)]
pub(crate) struct Judged {
    /// `pump@3`.
    pub(crate) reference: Arc<str>,
    /// Channels of the model.
    pub(crate) channels: Vec<String>,
    pub(crate) series: Vec<JudgedSeries>,
}

/// One row of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) time: &'a str,
    pub(crate) series: &'a str,
    /// NaN: none.
    pub(crate) score: f64,
    pub(crate) event: Option<EventId>,
    /// Channel with the largest share of the score, and that share.
    pub(crate) top: Option<(&'a str, f64)>,
}

impl Judged {
    /// All rows, in the order in which they were given.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.series.iter().flat_map(move |series| {
            let rows = series.input.times.iter().zip(&series.input.samples);
            rows.map(move |(time, &sample)| Row {
                time,
                series: &series.input.name,
                score: series.scores.score[sample],
                event: series.scores.event[sample],
                top: series.scores.top[sample]
                    .map(|top| (self.channels[top.channel_idx].as_str(), top.share)),
            })
        })
    }

    /// Whether the answer has to tell series apart.
    pub(crate) fn has_names(&self) -> bool {
        self.series.iter().any(|series| series.input.is_named)
    }
}

impl Input {
    /// A series as a file has it.
    pub(crate) fn of_recording(recording: Recording) -> Self {
        let rows = &recording.rows;
        Self {
            times: (0..rows.n_rows())
                .map(|row| rows.time_text(row).to_owned())
                .collect(),
            samples: (0..rows.n_rows()).map(|row| rows.sample_idx(row)).collect(),
            is_named: recording.series.is_some(),
            name: recording.name,
            frame: recording.frame,
        }
    }

    /// A series out of rows: `values` is `[n_rows, n_channels]`, NaN where missing; times never run backwards.
    ///
    /// # Errors
    /// 422 where the rows make no series.
    pub(crate) fn of_rows(
        name: Option<String>,
        channels: Vec<String>,
        times: Vec<(String, Timestamp)>,
        values: Vec<f64>,
    ) -> Result<Self, Problem> {
        let n_channels = channels.len();
        check_size(times.len(), n_channels)?;
        let (mut texts, mut samples) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
        let (mut kept, mut kept_values): (Vec<Timestamp>, Vec<f64>) = (Vec::new(), Vec::new());
        for (row_idx, (text, time)) in times.into_iter().enumerate() {
            match kept.last() {
                Some(&last) if time < last => {
                    return Err(error::unprocessable(format!(
                        "row {row_idx}: {text} lies before the row above it; sort the rows by time"
                    )));
                }
                Some(&last) if time == last => {}
                _ => {
                    kept.push(time);
                    let cells = &values[row_idx * n_channels..(row_idx + 1) * n_channels];
                    kept_values.extend_from_slice(cells);
                }
            }
            texts.push(text);
            samples.push(kept.len() - 1);
        }
        let channels: Vec<Channel> = channels.into_iter().map(Channel::new).collect();
        let frame = Frame::new(channels, kept, kept_values)
            .map_err(|error| error::unprocessable(error.to_string()))?;
        Ok(Self {
            is_named: name.is_some(),
            name: name.unwrap_or_else(|| "bytes".to_owned()),
            frame,
            times: texts,
            samples,
        })
    }
}

/// Refuses more rows or channels than are judged at once.
pub(crate) fn check_size(n_rows: usize, n_channels: usize) -> Result<(), Problem> {
    if n_rows == 0 || n_channels == 0 {
        return Err(error::unprocessable(
            "there is nothing to judge: no rows, or no channels",
        ));
    }
    if n_rows > ROWS_MAX || n_channels > CHANNELS_MAX {
        return Err(error::too_large(format!(
            "{n_rows} rows of {n_channels} channels; at most {ROWS_MAX} rows of {CHANNELS_MAX} channels are judged at once"
        )));
    }
    Ok(())
}

/// The model of that name, for judging on demand.
///
/// # Errors
/// 404 where there is none, 422 where the text names none.
pub(crate) async fn load(app: &Arc<App>, model: &str) -> Result<Loaded, Problem> {
    let reference: NamedRef = model.parse().map_err(|_| {
        error::not_found(format!(
            "{model:?} names no model: NAME, NAME@VERSION or NAME@ALIAS is wanted"
        ))
    })?;
    let app = Arc::clone(app);
    let loaded = tokio::task::spawn_blocking(move || app.loader.load(&reference, &|model| model)).await;
    loaded.map_err(|error| error::internal(&error))?.map_err(seam)
}

/// Does not keep the model in memory any longer.
pub(crate) fn unload(app: &App, model: &str) {
    let _ = (app, model);
}

/// The model that is meant where a request names none: the one in service, where that is one.
///
/// # Errors
/// 422 where there are none, or several.
pub(crate) fn only_model(models: &Models) -> Result<String, Problem> {
    let mut names: Vec<&str> = models.iter().flatten().map(|served| &*served.reference).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [only] if matches!(only.parse(), Ok(ModelRef::Named(_))) => Ok((*only).to_owned()),
        [] => Err(error::unprocessable(
            "no model is in service: say which is meant, as ?model=NAME",
        )),
        _ => Err(error::unprocessable(
            "several models are in service: say which is meant, as ?model=NAME",
        )),
    }
}

/// Judges series beside the tasks that must not wait.
///
/// # Errors
/// 422 where data and model do not fit each other, 503 where too much is being judged.
pub(crate) async fn judge(
    app: &Arc<App>,
    loaded: Loaded,
    mode: Mode,
    series: Vec<Input>,
) -> Result<Judged, Problem> {
    let n_rows: usize = series.iter().map(|input| input.frame.n_samples()).sum();
    check_size(n_rows, series.first().map_or(0, |input| input.frame.n_channels()))?;
    let _ = app;
    let judged = tokio::task::spawn_blocking(move || judge_here(&loaded, mode, series)).await;
    judged.map_err(|error| error::internal(&error))?
}

fn judge_here(loaded: &Loaded, mode: Mode, series: Vec<Input>) -> Result<Judged, Problem> {
    let mut judged = Vec::with_capacity(series.len());
    for input in series {
        let id = SeriesId::new(input.name.as_str());
        let scores = loaded
            .detector
            .score(&id, input.frame.clone(), mode)
            .map_err(|error| misfit(&loaded.reference, &input.name, &error))?;
        judged.push(JudgedSeries { input, scores });
    }
    Ok(Judged {
        reference: Arc::clone(&loaded.reference),
        channels: channels(&loaded.detector),
        series: judged,
    })
}

/// Names of the channels of a model.
pub(crate) fn channels(detector: &Detector) -> Vec<String> {
    let schema = detector.pipeline().schema();
    schema
        .channels()
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect()
}

/// 422: data and model do not fit each other.
fn misfit(reference: &str, name: &str, error: &DetectError) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "misfit",
        "Data and model do not fit each other",
        format!(
            "{name} does not fit {reference}: {}",
            bellwether_stream::chain(error)
        ),
    )
}

/// What a part of the process says, as a problem.
pub(crate) fn seam(error: SeamError) -> Problem {
    match error {
        SeamError::NotFound(text) => error::not_found(text),
        SeamError::Refused(text) => error::unprocessable(text),
        SeamError::Failed(text) => {
            tracing::error!(error = %text, "a request failed");
            error::unavailable("the log of the server says why, under the id of this request")
        }
    }
}
