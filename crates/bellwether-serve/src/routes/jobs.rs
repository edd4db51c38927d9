//! Trainings: asked for, looked at, taken back.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bellwether_core::frame::Frame;
use bellwether_core::threshold::budget::AlarmBudget;
use bellwether_store::database::NewAuditEntry;
use bellwether_store::read::{ReadOptions, read_csv_bytes};
use bellwether_store::registry::ModelName;
use bellwether_stream::problem::Problem;
use bellwether_stream::{clock, patterns};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::error;
use crate::jobs::{Asked, NotCancelled, NotTaken, TrainJob};
use crate::wire::{Json, Path, ProblemDetails, Query, Time};

/// Patterns of devices in one request at most.
const PATTERNS_MAX: usize = 100;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let read = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one));
    let train = OpenApiRouter::new()
        .routes(routes!(train))
        .routes(routes!(cancel));
    // A model may be called `train`: its page is where this is asked for.
    let named_train = OpenApiRouter::new().route("/api/v1/models/train", get(super::models::called_train));
    guard(app, Permission::Read, read)
        .merge(guard(app, Permission::Train, train))
        .merge(guard(app, Permission::Read, named_train))
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
    audit(&app, &caller.actor(), "cancel", &job, "").await?;
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
    let (name, asked, table) = if is_table(request.headers()) {
        let bytes = to_bytes(request.into_body(), app.limits.body_bytes_max).await;
        let bytes = bytes.map_err(|_| error::too_large("the table is larger than server.body_bytes_max"))?;
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
        let read = tokio::task::spawn_blocking(move || table(&bytes)).await;
        (name, asked, Some(read.map_err(|error| error::internal(&error))??))
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
    let submitted = app.jobs.submit(name, asked, table, &caller.actor()).await;
    let job = submitted.map_err(|why| match why {
        NotTaken::Full => {
            error::busy("16 trainings wait already; try again when one is done").retry_after(60)
        }
        NotTaken::Database(error) => error::database(error),
    })?;
    audit(
        &app,
        &caller.actor(),
        "train",
        &job,
        &job.detail.asked.devices.join(", "),
    )
    .await?;
    let location = [(header::LOCATION, format!("/api/v1/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(JobBody::from(job))).into_response())
}

fn is_table(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv"))
    })
}

/// Frames of each series of a table, as `bellwether train` reads it.
fn table(bytes: &[u8]) -> Result<Vec<(String, Vec<Frame>)>, Problem> {
    let recordings = read_csv_bytes(bytes, &ReadOptions::default());
    let recordings = recordings.map_err(|error| error::unprocessable(bellwether_stream::chain(&error)))?;
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

async fn audit(
    app: &App,
    actor: &str,
    action: &'static str,
    job: &TrainJob,
    detail: &str,
) -> Result<(), Problem> {
    let entry = NewAuditEntry {
        at: clock::now(),
        actor: actor.to_owned(),
        action,
        subject: job.name.clone(),
        detail: format!("job {} {detail}", job.id).trim_end().to_owned(),
    };
    app.db.record(&entry).await.map(|_| ()).map_err(error::database)
}
