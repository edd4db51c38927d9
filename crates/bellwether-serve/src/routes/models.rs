//! Models: their versions, which of them judges, and how that changes.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::time::Timestamp;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::database::NewAuditEntry;
use bellwether_store::registry::{
    Action, AliasName, Because, Index, LoadError, ModelName, ModelRef, NamedRef, Pick, Registry, Version,
};
use bellwether_stream::clock;
use bellwether_stream::live::Models;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, guard};
use crate::app::{App, SeamError};
use crate::error;
use crate::wire::{Json, Path, ProblemDetails, Time};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let read = OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(facts));
    let publish = OpenApiRouter::new()
        .routes(routes!(promote))
        .routes(routes!(rollback))
        .routes(routes!(set_alias, drop_alias))
        .routes(routes!(remove));
    guard(app, Permission::Read, read).merge(guard(app, Permission::Publish, publish))
}

/// A model with all its versions.
#[derive(Debug, Serialize, ToSchema)]
struct ModelBody {
    /// Its name.
    #[schema(example = "pump")]
    name: String,
    /// The version that the name stands for.
    champion: u32,
    /// All versions, the oldest first.
    versions: Vec<VersionBody>,
    /// Changes of champion, the oldest first.
    history: Vec<ChangeBody>,
}

/// All models.
#[derive(Debug, Serialize, ToSchema)]
struct ModelsBody {
    /// By name.
    models: Vec<ModelBody>,
}

/// A version of a model.
#[derive(Debug, Serialize, ToSchema)]
struct VersionBody {
    /// Its number.
    version: u32,
    /// When it was published.
    created_at: Time,
    /// Names that stand for it.
    aliases: Vec<String>,
    /// What kind of network it is.
    architecture: Option<String>,
    /// Size of its file.
    size_bytes: u64,
    /// Checksum of its file.
    sha256: String,
    /// Whether it judges devices now.
    is_in_service: bool,
}

/// A change of champion.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeBody {
    /// When.
    at: Time,
    /// `publish`, `promote` or `rollback`.
    action: &'static str,
    /// The champion before.
    from: Option<u32>,
    /// The champion since.
    to: u32,
    /// Why; empty where nobody said.
    reason: String,
    /// Who; empty where nobody said.
    by: String,
}

/// Everything about a version.
#[derive(Debug, Serialize, ToSchema)]
struct FactsBody {
    /// Of the model.
    name: String,
    /// Its number.
    version: u32,
    /// What it watches.
    channels: Vec<String>,
    /// Samples in a window.
    window_len: usize,
    /// Time between samples.
    cadence_s: f64,
    /// What kind of network it is.
    architecture: String,
    /// Units of each encoder layer.
    encoder: Vec<usize>,
    /// Units of each decoder layer.
    decoder: Vec<usize>,
    /// Trainable numbers.
    n_weights: usize,
    /// The error at which a score is 1.
    threshold: f64,
    /// Alarms that one device may raise while all is well.
    alarm_budget: Option<String>,
    /// What it learnt from.
    trained: TrainedBody,
    /// How the training went.
    epochs: Vec<EpochBody>,
}

/// What a version learnt from.
#[derive(Debug, Serialize, ToSchema)]
struct TrainedBody {
    /// When.
    at: Time,
    /// Samples.
    n_rows: usize,
    /// The first.
    from: Option<Time>,
    /// The last.
    to: Option<Time>,
}

/// One pass over the data.
#[derive(Debug, Serialize, ToSchema)]
struct EpochBody {
    /// From 1.
    epoch: usize,
    /// On what is learnt from.
    train_loss: f64,
    /// On what decides when to stop.
    val_loss: f64,
}

/// A version to promote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PromoteBody {
    /// Its number.
    #[schema(minimum = 1)]
    version: u32,
    /// Why; kept in the history.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// Why the champion before is to come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    /// Kept in the history.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
}

/// The version that an alias is to name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AliasBody {
    /// Its number.
    #[schema(minimum = 1)]
    version: u32,
}

fn body(index: &Index, models: &Models) -> ModelBody {
    let in_service = |version: Version| {
        let reference = format!("{}@{version}", index.name());
        models.find(&reference).is_some()
    };
    let versions = index.versions().iter().map(|entry| VersionBody {
        version: entry.version.number(),
        created_at: entry.created_at.into(),
        aliases: index
            .aliases_of(entry.version)
            .iter()
            .map(ToString::to_string)
            .collect(),
        architecture: entry
            .summary
            .get("architecture")
            .and_then(|text| text.as_str())
            .map(str::to_owned),
        size_bytes: entry.bytes,
        sha256: entry.sha256.to_string(),
        is_in_service: in_service(entry.version),
    });
    let mut before = None;
    let history = index.history().iter().map(|change| ChangeBody {
        at: change.at.into(),
        action: match change.action {
            Action::Published => "publish",
            Action::Promoted => "promote",
            Action::RolledBack => "rollback",
        },
        from: before.replace(change.version.number()),
        to: change.version.number(),
        reason: change.because.reason.clone(),
        by: change.because.by.clone(),
    });
    ModelBody {
        name: index.name().to_string(),
        champion: index.champion().number(),
        versions: versions.collect(),
        history: history.collect(),
    }
}

/// Does something with the registry beside the tasks that must not wait for a disk.
async fn on_registry<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Registry) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let registry = app.registry.clone();
    let done = tokio::task::spawn_blocking(move || work(&registry)).await;
    done.map_err(|error| error::internal(&error))?
}

fn name(text: &str) -> Result<ModelName, Problem> {
    text.parse()
        .map_err(|_| error::not_found("there is no model of that name"))
}

fn version(number: u32) -> Result<Version, Problem> {
    Version::new(number).ok_or_else(|| error::unprocessable("versions are counted from 1"))
}

/// All models and their versions.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", responses(
    (status = 200, body = ModelsBody, description = "All that can be read"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be read"),
))]
async fn list(State(app): State<Arc<App>>) -> Result<Json<ModelsBody>, Problem> {
    let listing = on_registry(&app, |registry| {
        registry.list().map_err(|error| error::internal(&error))
    })
    .await?;
    for error in &listing.damaged {
        tracing::warn!(error = %bellwether_stream::chain(error), "a model cannot be read");
    }
    let served = Arc::clone(&app.models.borrow());
    let models = listing.models.iter().map(|index| body(index, &served)).collect();
    Ok(Json(ModelsBody { models }))
}

async fn shown(app: &App, name: ModelName) -> Result<Json<ModelBody>, Problem> {
    let index = on_registry(app, move |registry| registry.show(&name).map_err(error::lookup)).await?;
    let served = Arc::clone(&app.models.borrow());
    Ok(Json(body(&index, &served)))
}

/// One model and its versions.
#[utoipa::path(get, path = "/api/v1/models/{name}", tag = "models", params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelBody, description = "The model"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is none of that name"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be read"),
))]
async fn one(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<ModelBody>, Problem> {
    shown(&app, name(&text)?).await
}

/// The model called `train`, whose path is also where trainings are asked for.
pub(super) async fn called_train(State(app): State<Arc<App>>) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    match name("train") {
        Ok(name) => shown(&app, name).await.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Everything about a version.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path, description = "The model"), ("version" = String, Path, description = "Its number")), responses(
    (status = 200, body = FactsBody, description = "What its file says"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such version"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "Its file is damaged"),
))]
async fn facts(
    State(app): State<Arc<App>>,
    Path((model, number)): Path<(String, String)>,
) -> Result<Json<FactsBody>, Problem> {
    let reference = reference(&model, &number)?;
    let facts = on_registry(&app, move |registry| {
        let loaded = registry
            .load(&ModelRef::Named(reference.clone()))
            .map_err(|error| match error {
                LoadError::Lookup(error) => error::lookup(error),
                other => error::internal(&other),
            })?;
        let manifest = Manifest::from_json_bytes(&loaded.bundle.manifest);
        let manifest = manifest.map_err(|error| error::internal(&error))?;
        Ok(facts_of(&reference, manifest))
    });
    facts.await.map(Json)
}

/// `NAME@VERSION` of a path; what cannot be is not there.
fn reference(model: &str, number: &str) -> Result<NamedRef, Problem> {
    let version = number
        .parse()
        .map_err(|_| error::not_found("there is no such version"))?;
    Ok(NamedRef {
        name: name(model)?,
        pick: Pick::Version(version),
    })
}

fn facts_of(reference: &NamedRef, manifest: Manifest) -> FactsBody {
    let training = &manifest.training;
    let schema = manifest.detector.pipeline.schema();
    let epochs = training.epochs.iter().map(|epoch| EpochBody {
        epoch: epoch.epoch + 1,
        train_loss: epoch.train_loss,
        val_loss: epoch.val_loss,
    });
    FactsBody {
        name: reference.name.to_string(),
        version: match reference.pick {
            Pick::Version(version) => version.number(),
            Pick::Alias(_) => 0,
        },
        channels: schema
            .channels()
            .iter()
            .map(|channel| channel.name().to_owned())
            .collect(),
        window_len: manifest.model.window_len,
        cadence_s: schema.cadence().as_secs_f64(),
        architecture: manifest.model.architecture.clone(),
        encoder: manifest.model.encoder.clone(),
        decoder: manifest.model.decoder.clone(),
        n_weights: manifest.model.n_weights,
        threshold: manifest.detector.causal.threshold.error(),
        alarm_budget: manifest
            .calibration
            .rule
            .strip_prefix("budget:")
            .map(str::to_owned),
        trained: TrainedBody {
            at: manifest.created_at.into(),
            n_rows: training.n_samples,
            from: training
                .series
                .iter()
                .map(|series| series.start)
                .min()
                .map(Time::from),
            to: training
                .series
                .iter()
                .map(|series| series.end)
                .max()
                .map(Time::from),
        },
        epochs: epochs.collect(),
    }
}

/// Lets a version judge.
///
/// Devices whose model is this name go over to it; no sample is lost.
#[utoipa::path(post, path = "/api/v1/models/{name}/promote", tag = "models", request_body = PromoteBody,
    params(("name" = String, Path, description = "The model")), responses(
    (status = 200, body = ModelBody, description = "The model as it is now"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The body cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such version"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The body is too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "The body is no JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The version cannot be used"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be written"),
))]
async fn promote(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(text): Path<String>,
    Json(asked): Json<PromoteBody>,
) -> Result<Json<ModelBody>, Problem> {
    let name = name(&text)?;
    let reference = NamedRef {
        name: name.clone(),
        pick: Pick::Version(version(asked.version)?),
    };
    let because = Because {
        by: caller.actor().to_string(),
        reason: asked.reason.trim().to_owned(),
    };
    let loader = Arc::clone(&app.loader);
    let (moved, because) = on_registry(&app, move |registry| {
        registry
            .show(&reference.name)
            .map_err(error::lookup)?
            .find(&reference.pick)
            .map_err(error::lookup)?;
        // A version that cannot be loaded would leave devices without a judge.
        loader
            .load(&reference, &|model| model)
            .map_err(|error| match error {
                SeamError::Failed(_) => {
                    error::unprocessable("the version cannot be loaded; look at its file")
                }
                other => error::seam(other),
            })?;
        let moved = registry
            .promote(&reference, &because, clock::now())
            .map_err(error::change)?;
        Ok((moved, because))
    })
    .await?;
    let detail = format!("from version {} to {}: {}", moved.from, moved.to, because.reason);
    changed(&app, &caller.actor(), "promote", name, detail).await
}

/// Lets the champion before judge again.
#[utoipa::path(post, path = "/api/v1/models/{name}/rollback", tag = "models", request_body = RollbackBody,
    params(("name" = String, Path, description = "The model")), responses(
    (status = 200, body = ModelBody, description = "The model as it is now"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The body cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is none of that name"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "There was no champion before"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The body is too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "The body is no JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The reason is too long"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be written"),
))]
async fn rollback(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(text): Path<String>,
    Json(asked): Json<RollbackBody>,
) -> Result<Json<ModelBody>, Problem> {
    let name = name(&text)?;
    let because = Because {
        by: caller.actor().to_string(),
        reason: asked.reason.trim().to_owned(),
    };
    let of = name.clone();
    let (moved, because) = on_registry(&app, move |registry| {
        let moved = registry
            .rollback(&of, &because, clock::now())
            .map_err(error::change)?;
        Ok((moved, because))
    })
    .await?;
    let detail = format!("from version {} to {}: {}", moved.from, moved.to, because.reason);
    changed(&app, &caller.actor(), "rollback", name, detail).await
}

/// Lets an alias name a version.
#[utoipa::path(put, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models", request_body = AliasBody,
    params(("name" = String, Path, description = "The model"), ("alias" = String, Path, description = "The alias")), responses(
    (status = 200, body = ModelBody, description = "The model as it is now"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The body cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such version"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "There are too many aliases"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The body is too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "The body is no JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "No alias can be called that"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be written"),
))]
async fn set_alias(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((model, alias)): Path<(String, String)>,
    Json(asked): Json<AliasBody>,
) -> Result<Json<ModelBody>, Problem> {
    let name = name(&model)?;
    let alias: AliasName = alias
        .parse()
        .map_err(|error| error::unprocessable(format!("{error}")))?;
    let reference = NamedRef {
        name: name.clone(),
        pick: Pick::Version(version(asked.version)?),
    };
    let detail = format!("{alias} names version {}", asked.version);
    on_registry(&app, move |registry| {
        registry.set_alias(&alias, &reference).map_err(error::change)
    })
    .await?;
    changed(&app, &caller.actor(), "alias", name, detail).await
}

/// Forgets an alias.
#[utoipa::path(delete, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path, description = "The model"), ("alias" = String, Path, description = "The alias")), responses(
    (status = 200, body = ModelBody, description = "The model as it is now"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such alias"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The champion is promoted, not aliased"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be written"),
))]
async fn drop_alias(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((model, alias)): Path<(String, String)>,
) -> Result<Json<ModelBody>, Problem> {
    let name = name(&model)?;
    let alias: AliasName = alias
        .parse()
        .map_err(|_| error::not_found("there is no such alias"))?;
    let detail = format!("{alias} names no version any more");
    let of = name.clone();
    on_registry(&app, move |registry| {
        registry.drop_alias(&of, &alias).map_err(error::change)
    })
    .await?;
    changed(&app, &caller.actor(), "alias", name, detail).await
}

/// Deletes a version for good.
///
/// Only one that no alias names, and that judges no device.
#[utoipa::path(delete, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path, description = "The model"), ("version" = String, Path, description = "Its number")), responses(
    (status = 200, body = ModelBody, description = "The model as it is now"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such version"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It is in use"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be written"),
))]
async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((model, number)): Path<(String, String)>,
) -> Result<Json<ModelBody>, Problem> {
    let name = name(&model)?;
    let version: Version = number
        .parse()
        .map_err(|_| error::not_found("there is no such version"))?;
    let reference = format!("{name}@{version}");
    if app.models.borrow().find(&reference).is_some() {
        return Err(error::conflict(format!(
            "{reference} judges devices; give them another model first"
        )));
    }
    let of = name.clone();
    on_registry(&app, move |registry| {
        registry.remove(&of, version).map_err(error::change)
    })
    .await?;
    changed(
        &app,
        &caller.actor(),
        "remove",
        name,
        format!("version {version}"),
    )
    .await
}

/// Writes a change down, puts it in force, and shows the model.
async fn changed(
    app: &App,
    actor: &str,
    action: &'static str,
    name: ModelName,
    detail: String,
) -> Result<Json<ModelBody>, Problem> {
    let at: Timestamp = clock::now();
    let entry = NewAuditEntry {
        at,
        actor: actor.to_owned(),
        action,
        subject: name.to_string(),
        detail,
    };
    app.db.record(&entry).await.map_err(error::database)?;
    if let Err(error) = app.control.reload().await {
        tracing::error!(%error, "a change of models could not be put in force");
        return Err(error::unavailable(
            "the registry is changed, but what judges is as before: the log of the server says why; the next reload \
             takes it over",
        ));
    }
    shown(app, name).await
}
