//! The configuration in force, and another in its place.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bellwether_stream::problem::Problem;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Caller, Permission, Sender, guard};
use crate::app::{App, ConfigRefused, ConfigText, tag_of};
use crate::wire::{Json, ProblemDetails, Raw};
use crate::{audit, error};

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
    /// The file as it stands, to be changed; null: there is none, and nothing can be changed here.
    file: Option<String>,
    /// Keys whose change waits for a restart.
    needs_restart: Vec<String>,
}

impl From<ConfigText> for ConfigBody {
    fn from(text: ConfigText) -> Self {
        Self {
            toml: text.toml,
            file: text.file,
            needs_restart: text.needs_restart,
        }
    }
}

/// The configuration in force.
#[utoipa::path(get, path = "/api/v1/config", tag = "config", responses(
    (status = 200, body = ConfigBody, description = "As TOML; the header ETag names this state of the file"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "The file is wrong by now"),
    (status = 500, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be read"),
))]
async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let text = app.control.config().await.map_err(error::seam)?;
    Ok(tagged(text))
}

/// With a tag, so that nobody changes what somebody else has changed meanwhile.
fn tagged(text: ConfigText) -> Response {
    let tag = text.file.as_ref().map(|file| tag_of(file.as_bytes()));
    let tag = tag.and_then(|tag| HeaderValue::try_from(tag).ok());
    let mut response = Json(ConfigBody::from(text)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Puts another configuration in force, as the text of the file.
///
/// With `If-Match`, only if the file is still the one that had this `ETag`.
/// All or nothing: where there is a mistake, all is as before. What names places, addresses or secrets is changed at
/// the machine alone.
#[utoipa::path(put, path = "/api/v1/config", tag = "config", request_body(content = String, content_type = "text/plain"),
    params(("If-Match" = Option<String>, Header, description = "`ETag` of the file that was changed")), responses(
    (status = 200, body = ConfigBody, description = "It is in force"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "The body is no text"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "There is no file to change"),
    (status = 412, body = ProblemDetails, content_type = "application/problem+json", description = "Somebody else has changed the file meanwhile"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "The body is too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "There are mistakes, or it changes what is protected"),
))]
async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Sender(from): Sender,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let toml = String::from_utf8(body.to_vec()).map_err(|_| error::bad_request("the body is no UTF-8"))?;
    let seen = headers.get(header::IF_MATCH).map(|tag| {
        let tag = tag.to_str().map(str::to_owned);
        tag.map_err(|_| error::bad_request("If-Match: wanted the ETag of the configuration"))
    });
    let seen = seen.transpose()?.filter(|tag| tag != "*");
    let changed = app.control.change_config(toml, seen).await;
    if let Err(ConfigRefused::Protected(keys)) = &changed {
        let why = format!("would change {}", keys.join(", "));
        app.denials.note(Some(&caller), from, "PUT /api/v1/config", &why);
    }
    let changed = changed.map_err(refused)?;
    let subject = "configuration".to_owned();
    audit::note(&app, &caller, "configure", subject, changed.keys.join(", ")).await;
    Ok(tagged(changed.text))
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
        ConfigRefused::Stale => error::stale(),
        ConfigRefused::Protected(keys) => error::protected(&keys),
        ConfigRefused::NoFile => {
            error::conflict("the server was started without --config FILE: there is no file to change")
        }
        ConfigRefused::Unusable(why) => error::unprocessable(format!("it was not put in force: {why}")),
        ConfigRefused::Failed(why) => error::unavailable(why),
    }
}
