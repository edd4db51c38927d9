//! The configuration in force, and another in its place.

use std::sync::Arc;

use axum::extract::State;
use bellwether_store::database::NewAuditEntry;
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, Sender, guard};
use crate::app::{App, ConfigRefused, ConfigText};
use crate::error;
use crate::wire::{Json, ProblemDetails};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Configure,
        OpenApiRouter::new().routes(routes!(show, change)),
    )
}

/// The configuration.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigBody {
    /// What is in force, defaults included, secrets by reference.
    toml: String,
    /// Whether there is a file, so that it can be changed.
    file: bool,
    /// Keys whose change waits for a restart.
    needs_restart: Vec<String>,
}

impl From<ConfigText> for ConfigBody {
    fn from(text: ConfigText) -> Self {
        Self {
            toml: text.toml,
            file: text.file.is_some(),
            needs_restart: text.needs_restart,
        }
    }
}

/// The configuration in force.
#[utoipa::path(get, path = "/api/v1/config", tag = "config", responses(
    (status = 200, body = ConfigBody, description = "As TOML"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The file is wrong by now"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be read"),
))]
async fn show(State(app): State<Arc<App>>) -> Result<Json<ConfigBody>, Problem> {
    let text = app.control.config().await.map_err(error::seam)?;
    Ok(Json(text.into()))
}

/// Puts another configuration in force.
///
/// All or nothing: where there is a mistake, all is as before. What names places, addresses or secrets is changed at
/// the machine alone.
#[utoipa::path(put, path = "/api/v1/config", tag = "config", request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, body = ConfigBody, description = "It is in force"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The body is no text"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "There is no file to change"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The body is too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "There are mistakes, or it changes what is protected"),
))]
async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Sender(from): Sender,
    body: axum::body::Bytes,
) -> Result<Json<ConfigBody>, Problem> {
    let toml = String::from_utf8(body.into()).map_err(|_| error::bad_request("the body is no UTF-8"))?;
    let changed = app.control.change_config(toml).await;
    if let Err(ConfigRefused::Protected(keys)) = &changed {
        let why = format!("would change {}", keys.join(", "));
        app.denials.note(Some(&caller), from, "PUT /api/v1/config", &why);
    }
    let text = changed.map_err(refused)?;
    let entry = NewAuditEntry {
        at: clock::now(),
        actor: caller.actor().to_string(),
        action: "configure",
        subject: "configuration".to_owned(),
        detail: String::new(),
    };
    app.db.record(&entry).await.map_err(error::database)?;
    Ok(Json(text.into()))
}

fn refused(why: ConfigRefused) -> Problem {
    match why {
        ConfigRefused::Mistakes(mistakes) => {
            let told = mistakes.iter().map(|mistake| {
                json!({
                    "line": mistake.line,
                    "column": mistake.column,
                    "key": mistake.key,
                    "what": mistake.problem,
                })
            });
            error::wrong_config().with("mistakes", told.collect())
        }
        ConfigRefused::Protected(keys) => error::protected(&keys),
        ConfigRefused::NoFile => {
            error::conflict("the server was started without --config FILE: there is no file to change")
        }
        ConfigRefused::Failed(why) => error::unavailable(why),
    }
}
