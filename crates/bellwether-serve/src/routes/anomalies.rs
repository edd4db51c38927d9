//! Events: found, looked at, and decided on.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Alert, AlertOfEvent, EventCursor, EventFilter, EventOrder, EventWithAlert};
use bellwether_stream::alert::feedback::{self, DecideError};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::history::{Onset, onset};
use super::shapes::{Event, VerdictWord, event_id};
use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::error;
use crate::wire::{Json, Path, ProblemDetails, Query, Time, cut, page_len};

/// Characters of a note at most.
const NOTE_LEN_MAX: usize = 4000;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let looks = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one));
    let decides = OpenApiRouter::new()
        .routes(routes!(give_feedback))
        .routes(routes!(acknowledge));
    guard(app, Permission::Read, looks).merge(guard(app, Permission::Decide, decides))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this device alone.
    device: Option<String>,
    /// The same, under another name.
    asset: Option<String>,
    /// That end at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// That start before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// That go on (`true`), or that are over (`false`).
    open: Option<bool>,
    /// Of at least this severity.
    #[param(minimum = 0, maximum = 100)]
    severity_min: Option<f64>,
    /// Of which this was said last.
    verdict: Option<VerdictWord>,
    /// Of which something was said (`true`), or nothing yet (`false`).
    judged: Option<bool>,
    /// Which come first.
    #[param(inline)]
    order: Option<OrderWord>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Events on a page at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OrderWord {
    /// Those that started last.
    #[default]
    Newest,
    /// Those that started first.
    Oldest,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
struct EventPage {
    anomalies: Vec<Event>,
    /// Leads to the next page.
    next: Option<String>,
}

/// An event, and what is known of it.
#[derive(Debug, Serialize, ToSchema)]
struct EventDetail {
    #[serde(flatten)]
    event: Event,
    /// Which channels left what was expected of them, and when: who moved first comes first.
    onset: Vec<Onset>,
    /// What was said of it, in order.
    feedback: Vec<Said>,
}

/// Something that was said of an event.
#[derive(Debug, Serialize, ToSchema)]
struct Said {
    verdict: VerdictWord,
    note: String,
    made_by: String,
    made_at: Time,
}

/// What somebody says of an event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Saying {
    pub(super) verdict: VerdictWord,
    /// In words.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub(super) note: String,
}

/// Events.
#[utoipa::path(get, path = "/api/v1/anomalies", tag = "fleet", params(ListParams), responses(
    (status = 200, body = EventPage, description = "A page of events"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read"),
))]
async fn list(
    State(app): State<Arc<App>>,
    Query(params): Query<ListParams>,
) -> Result<Json<EventPage>, Problem> {
    if let Some(severity) = params.severity_min
        && !(0.0..=100.0).contains(&severity)
    {
        return Err(error::bad_request("severity_min: wanted a number from 0 to 100"));
    }
    let after = params.cursor.as_deref().map(|cursor| {
        read_cursor(cursor).ok_or_else(|| error::bad_request("cursor: wanted `next` of the page before"))
    });
    let limit = page_len(params.limit)?;
    let filter = EventFilter {
        series: params
            .device
            .or(params.asset)
            .into_iter()
            .map(Arc::from)
            .collect(),
        from: params.from.map(|time| time.0),
        to: params.to.map(|time| time.0),
        is_open: params.open,
        severity_min: params.severity_min,
        verdict: params.verdict.map(Into::into),
        is_judged: params.judged,
        order: match params.order.unwrap_or_default() {
            OrderWord::Newest => EventOrder::Newest,
            OrderWord::Oldest => EventOrder::Oldest,
        },
        after: after.transpose()?,
    };
    let mut found = app.db.events(&filter, limit + 1).await.map_err(error::database)?;
    let next = cut(&mut found, limit).map(|last| write_cursor(&last.event.cursor()));
    Ok(Json(EventPage {
        anomalies: found.iter().map(Event::from).collect(),
        next,
    }))
}

/// An event.
#[utoipa::path(get, path = "/api/v1/anomalies/{id}", tag = "fleet",
    params(("id" = String, Path, description = "Twelve hexadecimal digits")),
    responses(
        (status = 200, body = EventDetail, description = "The event"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "An id that is no text"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such event"),
))]
async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<EventDetail>, Problem> {
    let found = find(&app, &id).await?;
    let feedback = match &found.alert {
        Some(alert) => app.db.feedback_of(&alert.id).await.map_err(error::database)?,
        None => Vec::new(),
    };
    Ok(Json(EventDetail {
        onset: onset(&app, &found.event).await?,
        event: Event::from(&found),
        feedback: feedback
            .into_iter()
            .map(|said| Said {
                verdict: said.verdict.into(),
                note: said.note,
                made_by: said.made_by,
                made_at: Time(said.made_at),
            })
            .collect(),
    }))
}

/// Say what an event was.
#[utoipa::path(post, path = "/api/v1/anomalies/{id}/feedback", tag = "fleet", request_body = Saying,
    params(("id" = String, Path, description = "Twelve hexadecimal digits")),
    responses(
        (status = 200, body = Event, description = "The event with what was said"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such event, or one without an alert"),
        (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "The alert moved meanwhile"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "No verdict, or a note that is too long"),
))]
async fn give_feedback(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(saying): Json<Saying>,
) -> Result<Json<Event>, Problem> {
    let found = find(&app, &id).await?;
    let alert = say(&app, alert_of(&found)?, &saying, &caller.actor()).await?;
    Ok(Json(decided(found, alert, Some(saying.verdict))))
}

/// Take an event on.
#[utoipa::path(post, path = "/api/v1/anomalies/{id}/acknowledge", tag = "fleet",
    params(("id" = String, Path, description = "Twelve hexadecimal digits")),
    responses(
        (status = 200, body = Event, description = "The event, taken on"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "An id that is no text"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such event, or one without an alert"),
        (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It is over, or taken on already"),
))]
async fn acknowledge(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<Event>, Problem> {
    let found = find(&app, &id).await?;
    let alert = take_on(&app, alert_of(&found)?, &caller.actor()).await?;
    Ok(Json(decided(found, alert, None)))
}

/// The event of that id; where several model versions found it, what changed last.
pub(super) async fn find(app: &App, id: &str) -> Result<EventWithAlert, Problem> {
    let unknown = || error::not_found(format!("there is no event {id:?}; /api/v1/anomalies has a list"));
    let id = event_id(id).ok_or_else(unknown)?;
    let found = app.db.event(id).await.map_err(error::database)?;
    found
        .into_iter()
        .max_by_key(|found| found.event.seq)
        .ok_or_else(unknown)
}

fn alert_of(found: &EventWithAlert) -> Result<&str, Problem> {
    let alert = found.alert.as_ref().map(|alert| &*alert.id);
    alert.ok_or_else(|| error::not_found(format!("the event {} made no alert", found.event.id)))
}

/// An event after a decision. It is not read again: that could fail, and the decision be taken for one that was not made.
fn decided(mut found: EventWithAlert, alert: Alert, verdict: Option<VerdictWord>) -> Event {
    found.alert = Some(AlertOfEvent {
        id: alert.id,
        state: alert.state,
        acknowledged_by: alert.acknowledged_by,
        acknowledged_at: alert.acknowledged_at,
        suppressed_by: alert.suppressed_by,
    });
    found.verdict = verdict.map(Into::into).or(found.verdict);
    Event::from(&found)
}

/// Says what an alert was, and tells those who follow its event.
pub(super) async fn say(app: &App, alert: &str, saying: &Saying, by: &str) -> Result<Alert, Problem> {
    if saying.note.chars().count() > NOTE_LEN_MAX {
        return Err(error::unprocessable(format!(
            "note: at most {NOTE_LEN_MAX} characters"
        )));
    }
    let verdict = saying.verdict.into();
    let given = feedback::give(&app.db, alert, verdict, &saying.note, by, clock::now()).await;
    let alert = given.map_err(of_decision)?.alert;
    tell(app, &alert);
    Ok(alert)
}

/// Takes an alert on, and tells those who follow its event.
pub(super) async fn take_on(app: &App, alert: &str, by: &str) -> Result<Alert, Problem> {
    let taken = feedback::acknowledge(&app.db, alert, by, clock::now()).await;
    let alert = taken.map_err(of_decision)?;
    tell(app, &alert);
    Ok(alert)
}

/// Tells those who follow the event of an alert that somebody decided on it.
fn tell(app: &App, alert: &Alert) {
    if let Some(event) = alert.event.as_deref().and_then(event_id) {
        app.changes.decided(event, alert.id.clone());
    }
}

fn of_decision(error: DecideError) -> Problem {
    match error {
        DecideError::Unknown { id, .. } | DecideError::Ambiguous { id, .. } => {
            error::not_found(format!("there is no alert {id:?}; /api/v1/alerts has a list"))
        }
        DecideError::Database(error) => error::database(error),
        error => error::conflict(error.to_string()),
    }
}

fn write_cursor(cursor: &EventCursor) -> String {
    format!("{}.{}.{}", cursor.start.as_nanos(), cursor.id, cursor.model)
}

fn read_cursor(text: &str) -> Option<EventCursor> {
    let mut parts = text.splitn(3, '.');
    Some(EventCursor {
        start: Timestamp::from_nanos(parts.next()?.parse().ok()?),
        id: event_id(parts.next()?)?,
        model: parts.next()?.to_owned(),
    })
}
