//! Which version judges, what aliases name, and what is deleted.

use std::sync::Arc;

use axum::extract::State;
use bellwether_store::registry::{AliasName, Because, ModelName, NamedRef, Pick, Version};
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bodies::ModelBody;
use super::{name, on_registry, shown, version};
use crate::access::{Caller, Principal};
use crate::app::App;
use crate::wire::{Json, Path, ProblemDetails};
use crate::{audit, error};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(promote))
        .routes(routes!(rollback))
        .routes(routes!(set_alias, drop_alias))
        .routes(routes!(remove))
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
    let models = Arc::clone(&app.judging.models);
    let (moved, because) = on_registry(&app, move |registry| {
        // A version that cannot be loaded would leave devices without a judge.
        models.get(&reference).map_err(|problem| {
            if problem.status().is_server_error() {
                error::unprocessable("the version cannot be loaded; look at its file")
            } else {
                problem
            }
        })?;
        let moved = registry
            .promote(&reference, &because, clock::now())
            .map_err(error::change)?;
        Ok((moved, because))
    })
    .await?;
    let detail = format!("from version {} to {}: {}", moved.from, moved.to, because.reason);
    changed(&app, &caller, "promote", name, detail).await
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
    changed(&app, &caller, "rollback", name, detail).await
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
    let because = by(&caller);
    on_registry(&app, move |registry| {
        registry
            .set_alias(&alias, &reference, &because, clock::now())
            .map_err(error::change)
    })
    .await?;
    changed(&app, &caller, "alias", name, detail).await
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
    let because = by(&caller);
    on_registry(&app, move |registry| {
        registry
            .drop_alias(&of, &alias, &because, clock::now())
            .map_err(error::change)
    })
    .await?;
    changed(&app, &caller, "alias", name, detail).await
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
    let because = by(&caller);
    on_registry(&app, move |registry| {
        registry
            .remove(&of, version, &because, clock::now())
            .map_err(error::change)
    })
    .await?;
    changed(&app, &caller, "remove", name, format!("version {version}")).await
}

/// Who changes something, where nobody is asked why.
fn by(caller: &Principal) -> Because {
    Because {
        by: caller.actor().to_string(),
        reason: String::new(),
    }
}

/// Puts a change in force, writes it down, and shows the model.
async fn changed(
    app: &App,
    by: &Principal,
    action: &'static str,
    name: ModelName,
    detail: String,
) -> Result<Json<ModelBody>, Problem> {
    let reloaded = app.control.reload().await;
    audit::note(app, by, action, name.to_string(), detail).await;
    if let Err(error) = reloaded {
        tracing::error!(%error, "a change of models could not be put in force");
        return Err(error::unavailable(
            "the registry is changed, but what judges is as before: the log of the server says why; the next reload \
             takes it over",
        ));
    }
    shown(app, name).await
}
