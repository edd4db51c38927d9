//! Trainings: asked for, looked at, taken back.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bellwether_core::frame::Frame;
use bellwether_core::threshold::budget::AlarmBudget;
use bellwether_store::registry::ModelName;
use bellwether_stream::media::media_type;
use bellwether_stream::patterns;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, Principal, guard};
use crate::app::App;
use crate::jobs::{Asked, NotCancelled, NotTaken, TrainJob};
use crate::judging::table;
use crate::wire::{Json, Path, ProblemDetails, Query, Raw, Time};
use crate::{audit, error};

/// Patterns of devices in one request at most.
const PATTERNS_MAX: usize = 100;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let read = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one));
    let train = OpenApiRouter::new()
        .routes(routes!(train))
        .routes(routes!(cancel));
    guard(app, Permission::Read, read).merge(guard(app, Permission::Train, train))
}

/// A training job.
#[derive(Debug, Serialize, ToSchema)]
struct JobBody {
    /// Its id.
    id: String,
    /// What is done.
    #[schema(example = "train")]
    kind: &'static str,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    state: &'static str,
    /// The model that gets a version.
    name: String,
    /// Who asked for it.
    made_by: String,
    /// Since when it waits.
    created_at: Time,
    /// When it began.
    started_at: Option<Time>,
    /// When it was over.
    ended_at: Option<Time>,
    /// Passes over the data that are done.
    epoch: usize,
    /// Passes at most; null before the first.
    epochs: Option<usize>,
    /// Losses of each pass.
    loss: Vec<LossBody>,
    /// The version that it became.
    #[schema(example = "pump@4")]
    model: Option<String>,
    /// Why it failed.
    error: Option<String>,
}

/// Losses of one pass.
#[derive(Debug, Serialize, ToSchema)]
struct LossBody {
    /// From 1.
    epoch: usize,
    /// On what is learnt from.
    train_loss: Option<f64>,
    /// On what decides when to stop.
    val_loss: Option<f64>,
}

impl From<TrainJob> for JobBody {
    fn from(job: TrainJob) -> Self {
        let loss = job.detail.loss.iter().map(|loss| LossBody {
            epoch: loss.epoch,
            train_loss: loss.train_loss,
            val_loss: loss.val_loss,
        });
        Self {
            kind: "train",
            state: job.state.word(),
            created_at: job.created_at.into(),
            started_at: job.started_at.map(Time::from),
            ended_at: job.ended_at.map(Time::from),
            epoch: job.detail.epoch,
            epochs: job.detail.epochs,
            loss: loss.collect(),
            model: job.detail.model,
            error: job.error,
            id: job.id,
            name: job.name,
            made_by: job.made_by,
        }
    }
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct JobsBody {
    /// The newest 200.
    jobs: Vec<JobBody>,
}

/// A training to do, of the history.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrainBody {
    /// The model that gets a new version. The first version of a new name serves at once.
    #[schema(example = "pump", pattern = "^[a-z0-9][a-z0-9_-]*$", max_length = 64)]
    name: String,
    /// Patterns of device names.
    #[schema(example = json!(["pump-*"]), min_items = 1, max_items = 100)]
    devices: Vec<String>,
    /// Only samples from then on.
    #[serde(default)]
    from: Option<Time>,
    /// Only samples before then.
    #[serde(default)]
    to: Option<Time>,
    /// Passes over the data at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    epochs: Option<usize>,
    /// Samples in a window.
    #[serde(default)]
    #[schema(minimum = 2, maximum = 4096)]
    window: Option<usize>,
    /// Alarms that one device may raise while all is well.
    #[serde(default)]
    #[schema(example = "1/week")]
    alarm_budget: Option<String>,
    /// Seed of weights and order.
    #[serde(default)]
    seed: Option<u32>,
}

/// The same for a table in the body.
#[derive(Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TrainQuery {
    /// The model that gets a new version; with a table.
    name: Option<String>,
    /// Passes over the data at most; with a table.
    #[param(minimum = 1, maximum = 1000)]
    epochs: Option<usize>,
    /// Samples in a window; with a table.
    #[param(minimum = 2, maximum = 4096)]
    window: Option<usize>,
    /// Alarms that one device may raise while all is well, such as `1/week`; with a table.
    alarm_budget: Option<String>,
    /// Seed of weights and order; with a table.
    seed: Option<u32>,
}

/// All trainings.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "models", responses(
    (status = 200, body = JobsBody, description = "The newest 200, the newest first"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The database is damaged"),
))]
async fn list(State(app): State<Arc<App>>) -> Result<Json<JobsBody>, Problem> {
    let jobs = app.jobs.list().await.map_err(error::database)?;
    let jobs = jobs.into_iter().map(JobBody::from).collect();
    Ok(Json(JobsBody { jobs }))
}

/// One training, as far as it is.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "models", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = JobBody, description = "The job"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is none of that id"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The database is damaged"),
))]
async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<JobBody>, Problem> {
    let found = app.jobs.one(&id).await.map_err(error::database)?;
    found.map(|job| Json(job.into())).ok_or_else(no_job)
}

fn no_job() -> Problem {
    error::not_found("there is no job of that id; GET /api/v1/jobs lists them")
}

/// Take a training back.
///
/// One that waits is over at once; one that runs breaks off at its next step, and nothing is published.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "models", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, body = JobBody, description = "The job"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is none of that id"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It was over before"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The database is damaged"),
))]
async fn cancel(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<JobBody>, Problem> {
    let job = app.jobs.cancel(&id).await.map_err(|why| match why {
        NotCancelled::Unknown => no_job(),
        NotCancelled::Over(state) => error::conflict(format!("it is {} already", state.word())),
        NotCancelled::Database(error) => error::database(error),
    })?;
    note(&app, &caller, "cancel", &job, "").await;
    Ok(Json(job.into()))
}

/// Train a model.
///
/// Of what the devices sent before, without the events that people called real, or of a table in the body, with the
/// parameters in the address. One training runs at a time, 16 wait at most.
#[utoipa::path(post, path = "/api/v1/models/train", tag = "models", params(TrainQuery),
    request_body(content((TrainBody = "application/json"), (String = "text/csv"))),
    responses(
        (status = 202, body = JobBody, description = "It waits for its turn", headers(("Location" = String, description = "The job"))),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The request cannot be understood"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The table is too large"),
        (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "Neither JSON nor a table"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "A name, pattern, number or table that cannot be"),
        (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The database is damaged"),
))]
async fn train(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(query): Query<TrainQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let place = app.jobs.place().map_err(not_taken)?;
    let (name, asked, table) = if media_type(request.headers()).as_deref() == Some("text/csv") {
        let Raw(bytes) = Raw::from_request(request, &app).await?;
        let name = query
            .name
            .clone()
            .ok_or_else(|| error::bad_request("with a table, ?name=NAME is wanted"))?;
        let asked = Asked {
            is_table: true,
            epochs: query.epochs,
            window: query.window,
            alarm_budget: query.alarm_budget,
            seed: query.seed.map(u64::from),
            ..Asked::default()
        };
        check(&name, &asked)?;
        let table = app.jobs.read(move || frames(&bytes)).await?;
        (name, asked, Some(table))
    } else {
        let Json(body) = Json::<TrainBody>::from_request(request, &app).await?;
        if query != TrainQuery::default() {
            return Err(error::bad_request(
                "with a JSON body, parameters stand in the body",
            ));
        }
        let asked = Asked {
            devices: body.devices,
            from: body.from,
            to: body.to,
            is_table: false,
            epochs: body.epochs,
            window: body.window,
            alarm_budget: body.alarm_budget,
            seed: body.seed.map(u64::from),
        };
        check(&body.name, &asked)?;
        (body.name, asked, None)
    };
    let submitted = app.jobs.submit(place, name, asked, table, &caller.actor()).await;
    let job = submitted.map_err(not_taken)?;
    let devices = job.detail.asked.devices.join(", ");
    note(&app, &caller, "train", &job, &devices).await;
    let location = [(header::LOCATION, format!("/api/v1/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(JobBody::from(job))).into_response())
}

fn not_taken(why: NotTaken) -> Problem {
    match why {
        NotTaken::Full => {
            error::busy("16 trainings wait already; try again when one is done").retry_after(60)
        }
        NotTaken::TablesFull => {
            error::busy("the tables that wait are too large together; try again when a training is done")
                .retry_after(60)
        }
        NotTaken::Database(error) => error::database(error),
    }
}

/// Frames of each series of a table, as `bellwether train` reads it.
fn frames(bytes: &[u8]) -> Result<Vec<(String, Vec<Frame>)>, Problem> {
    let recordings = table::read(bytes, &table::BOUNDS_TO_TRAIN)?;
    Ok(recordings
        .into_iter()
        .map(|recording| (recording.name, vec![recording.frame]))
        .collect())
}

fn check(name: &str, asked: &Asked) -> Result<(), Problem> {
    let refused = |text: String| Err(error::unprocessable(text));
    if let Err(error) = name.parse::<ModelName>() {
        return refused(error.to_string());
    }
    if !asked.is_table && !(1..=PATTERNS_MAX).contains(&asked.devices.len()) {
        return refused(format!("devices: 1 to {PATTERNS_MAX} patterns are wanted"));
    }
    for pattern in &asked.devices {
        if let Err(error) = patterns::matcher(pattern) {
            return refused(error.to_string());
        }
    }
    if let (Some(from), Some(to)) = (asked.from, asked.to)
        && from >= to
    {
        return refused("from is not before to".to_owned());
    }
    if asked.epochs.is_some_and(|n| !(1..=1000).contains(&n)) {
        return refused("epochs: 1 to 1000 are wanted".to_owned());
    }
    if asked.window.is_some_and(|n| !(2..=4096).contains(&n)) {
        return refused("window: 2 to 4096 samples are wanted".to_owned());
    }
    match asked.alarm_budget.as_deref().map(str::parse::<AlarmBudget>) {
        Some(Err(error)) => refused(error.to_string()),
        _ => Ok(()),
    }
}

async fn note(app: &App, by: &Principal, action: &'static str, job: &TrainJob, detail: &str) {
    let detail = format!("job {} {detail}", job.id).trim_end().to_owned();
    audit::note(app, by, action, job.name.clone(), detail).await;
}
