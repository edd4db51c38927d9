//! Models: their versions, which of them judges, and how that changes.

mod bodies;
mod change;

use std::sync::Arc;

use axum::extract::State;
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::registry::{LoadError, ModelName, ModelRef, NamedRef, Pick, Registry, Version};
use bellwether_stream::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Permission, guard};
use crate::app::App;
use crate::beside::beside;
use crate::error;
use crate::wire::{Json, Path, ProblemDetails};
use bodies::{FactsBody, ModelBody, ModelsBody, body, facts_of};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let read = OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(called_train))
        .routes(routes!(facts));
    guard(app, Permission::Read, read).merge(guard(app, Permission::Publish, change::routes()))
}

/// Does something with the registry beside the tasks that must not wait for a disk.
async fn on_registry<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Registry) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let registry = app.registry.clone();
    let done = beside(move || work(&registry)).await;
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

/// The model called `train`, if there is one, and its versions: under its path trainings are asked for, too.
#[utoipa::path(get, path = "/api/v1/models/train", tag = "models", responses(
    (status = 200, body = ModelBody, description = "The model"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is none of that name"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "The registry cannot be read"),
))]
async fn called_train(State(app): State<Arc<App>>) -> Result<Json<ModelBody>, Problem> {
    shown(&app, name("train")?).await
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
