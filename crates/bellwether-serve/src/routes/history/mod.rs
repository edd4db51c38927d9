//! What a device measured, how it scored, and what was expected of it.

mod band;
mod envelope;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use bellwether_store::database::{EventFilter, EventOrder, StoredEvent};
use bellwether_store::history;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::band::Band;
use self::envelope::Envelope;
use super::devices::{of_history, unknown};
use super::shapes::{Event, finite, millis};
use crate::access::{Permission, guard};
use crate::app::App;
use crate::error;
use crate::newest::{EVER, Last, before, newest};
use crate::wire::{Json, Path, ProblemDetails, Query, Time};

/// Points of a line, where nobody says, and at most.
const POINTS: (usize, usize) = (600, 5000);

/// Samples of the newest stretch.
const NEWEST_LEN: usize = 1000;

/// Samples whose expected values are worked out at most.
const BAND_LEN_MAX: usize = 5000;

/// Events told with a stretch at most, the newest.
const EVENTS_LEN_MAX: usize = 200;

/// Channels whose onset is looked for.
const ONSETS_MAX: usize = 8;

/// Spacing where no model says.
const CADENCE: Duration = Duration::from_secs(1);

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Read,
        OpenApiRouter::new().routes(routes!(history_of)),
    )
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryParams {
    /// From this time on. Without `from` and `to`: the newest thousand samples.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// Points of each line at most.
    #[param(minimum = 1, maximum = 5000)]
    points: Option<usize>,
    /// Only these, with commas between them.
    channels: Option<String>,
}

/// A stretch of a device's history.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    device: String,
    /// The model version that judged the newest sample of it.
    model: Option<String>,
    /// As asked for, else the first sample.
    from: Option<Time>,
    /// As asked for, else the last sample.
    to: Option<Time>,
    n_samples: usize,
    /// Points stand for several samples: each says the lowest and the highest.
    is_decimated: bool,
    /// The first sample of each point.
    time_ms: Vec<f64>,
    score: Line,
    channels: Vec<ChannelLine>,
    /// Events in that time, newest first.
    events: Vec<Event>,
}

/// A line: a value for each point.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

/// The line of a channel, with the band that normal values rarely leave where there are not too many samples for it.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelLine {
    channel: String,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    expected: Option<Vec<Option<f64>>>,
    lower: Option<Vec<Option<f64>>>,
    upper: Option<Vec<Option<f64>>>,
}

/// When a channel left what was expected of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Onset {
    channel: String,
    time: Time,
}

/// What a device measured.
#[utoipa::path(get, path = "/api/v1/devices/{device}/history", tag = "fleet",
    params(("device" = String, Path, description = "Its name"), HistoryParams),
    responses(
        (status = 200, body = History, description = "The stretch"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such device"),
))]
async fn history_of(
    State(app): State<Arc<App>>,
    Path(device): Path<String>,
    Query(params): Query<HistoryParams>,
) -> Result<Json<History>, Problem> {
    let entry = app.board.get(&device).ok_or_else(|| unknown(&device))?;
    let (from, to) = (params.from.map(|time| time.0), params.to.map(|time| time.0));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(error::bad_request("from: wanted a time before `to`"));
    }
    let n_points = params.points.unwrap_or(POINTS.0);
    if !(1..=POINTS.1).contains(&n_points) {
        return Err(error::bad_request(format!(
            "points lies between 1 and {}",
            POINTS.1
        )));
    }
    let place = app.room.read().await?;
    let mut envelope = Envelope::new(n_points, BAND_LEN_MAX);
    if from.is_none() && to.is_none() {
        if let Some(last) = entry.last_time {
            for row in newest(
                &app.db,
                &app.history,
                &device,
                last,
                cadence_of(&app, &device),
                NEWEST_LEN,
            )
            .await
            .map_err(of_history)?
            {
                envelope.add(row);
            }
        }
    } else {
        let range = (from.unwrap_or(EVER.0), to.unwrap_or(EVER.1));
        let add = |envelope: &mut Envelope, row| {
            envelope.add(row);
            ControlFlow::Continue(())
        };
        let read = history::visit(&app.db, &app.history, &device, range, envelope, add).await;
        envelope = read.map_err(of_history)?;
    }
    let band = Band::of(&app, &device, envelope.take_rows())
        .await
        .map_err(of_history)?;
    drop(place);
    let (from, to) = (from.or(envelope.first()), to.or(envelope.last()));
    let events = match (from, to) {
        (Some(from), Some(to)) => {
            let filter = EventFilter {
                series: vec![device.as_str().into()],
                from: Some(from),
                to: Some(to.plus(Duration::from_nanos(1))),
                order: EventOrder::Newest,
                ..EventFilter::default()
            };
            app.db
                .events(&filter, EVENTS_LEN_MAX)
                .await
                .map_err(error::database)?
        }
        _ => Vec::new(),
    };
    let wanted: Option<Vec<&str>> = params
        .channels
        .as_deref()
        .map(|names| names.split(',').map(str::trim).collect());
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
    let channels = envelope
        .channels()
        .iter()
        .enumerate()
        .filter(|(_, name)| is_wanted(name))
        .map(|(idx, name)| {
            let (min, max) = envelope.line(idx);
            let band = band.as_ref().and_then(|band| band.lines(name, &envelope));
            let [expected, lower, upper] = band.map_or([None, None, None], |lines| lines.map(Some));
            ChannelLine {
                channel: name.clone(),
                min,
                max,
                expected,
                lower,
                upper,
            }
        })
        .collect();
    let (min, max) = envelope.scores();
    Ok(Json(History {
        model: envelope.model().map(str::to_owned),
        from: from.map(Time),
        to: to.map(Time),
        n_samples: envelope.n_samples(),
        is_decimated: envelope.is_decimated(),
        time_ms: envelope.times().map(millis).collect(),
        score: Line { min, max },
        channels,
        events: events.iter().map(Event::from).collect(),
        device,
    }))
}

fn cadence_of(app: &App, device: &str) -> Duration {
    let models = Arc::clone(&app.models.borrow());
    let served = models.of(device).as_ref();
    served
        .map(|served| served.detector.pipeline().schema().cadence())
        .filter(|cadence| !cadence.is_zero())
        .unwrap_or(CADENCE)
}

/// Which of the channels that made an event left their band first: from a window before its start to its peak.
pub(super) async fn onset(app: &App, event: &StoredEvent) -> Result<Vec<Onset>, Problem> {
    let served = app.models.borrow().find(&event.model).cloned();
    let Some(served) = served else {
        return Ok(Vec::new());
    };
    let cadence = served.detector.pipeline().schema().cadence();
    let window = cadence * u32::try_from(served.detector.window_len()).unwrap_or(u32::MAX);
    let range = (
        before(event.start, window),
        event.peak_time.plus(Duration::from_nanos(1)),
    );
    let _place = app.room.read().await?;
    let none = Last::new(BAND_LEN_MAX);
    let read = history::visit(&app.db, &app.history, &event.series, range, none, Last::take).await;
    let rows = read.map_err(of_history)?.rows();
    let band = Band::of(app, &event.series, Some(rows))
        .await
        .map_err(of_history)?;
    let Some(band) = band.filter(|band| *band.model == *event.model) else {
        return Ok(Vec::new());
    };
    let tops = event.channels.iter().take(ONSETS_MAX);
    let mut onsets: Vec<Onset> = tops
        .filter_map(|note| {
            let time = band.first_outside(&note.channel)?;
            Some(Onset {
                channel: note.channel.clone(),
                time: Time(time),
            })
        })
        .collect();
    onsets.sort_by_key(|onset| onset.time);
    Ok(onsets)
}

/// Numbers as JSON has them.
fn numbers(values: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
    values.map(finite).collect()
}
