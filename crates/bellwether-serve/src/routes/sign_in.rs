//! Who asks, and how people come in and go.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_store::database::NewAuditEntry;
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{
    Caller, Credentials, Denied, GOOD_FOR, Permission, Principal, Role, Sender, cookie_name, guard, open,
};
use crate::app::App;
use crate::error;
use crate::wire::{Json, ProblemDetails};

/// Name of the route in the audit.
const SIGN_IN: &str = "POST /api/v1/sign-in";

/// Bytes of a body that shows a key or a code at most: it comes from anybody.
const BODY_BYTES_MAX: usize = 4096;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Read,
        OpenApiRouter::new().routes(routes!(whoami)),
    )
    .merge(open(
        OpenApiRouter::new()
            .routes(routes!(sign_in))
            .routes(routes!(sign_out)),
    ))
}

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
struct WhoAmI {
    /// Name of the key.
    name: String,
    /// Its role.
    role: Role,
    /// What it may do.
    permissions: Vec<Permission>,
    /// `keys`, or `none` where everybody on the machine is let in.
    auth: &'static str,
    /// Version of the server.
    version: &'static str,
}

/// A key, or the code that the server told at its first start.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct SignIn {
    /// A key.
    key: Option<String>,
    /// A code that is good once, until there is a key that makes others.
    code: Option<String>,
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "access", responses(
    (status = 200, body = WhoAmI, description = "Somebody who is known"),
))]
async fn whoami(State(app): State<Arc<App>>, Caller(caller): Caller) -> Json<WhoAmI> {
    Json(described(&app, &caller))
}

/// Sign in.
///
/// For people: a cookie stands for the key from here on, for twelve hours. Programs send their key with each request.
#[utoipa::path(post, path = "/api/v1/sign-in", tag = "access", request_body = SignIn, responses(
    (status = 200, body = WhoAmI, description = "Signed in; the answer sets a cookie"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 401, body = ProblemDetails, content_type = "application/problem+json", description = "Key or code are not valid"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Neither key nor code"),
    (status = 429, body = ProblemDetails, content_type = "application/problem+json", description = "Too many wrong keys, or too many requests of this key"),
    (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Not now"),
))]
async fn sign_in(
    State(app): State<Arc<App>>,
    Sender(from): Sender,
    request: Request,
) -> Result<Response, Problem> {
    // Anybody may send one: nobody is to hold much by it.
    let Json(shown) = Json::<SignIn>::of(request, &app.bodies.at_most(BODY_BYTES_MAX)).await?;
    let (known, with) = match (shown.key, shown.code) {
        (Some(key), None) => {
            let known = app.authenticator.authenticate(Credentials::Key(key), from).await;
            (known, "a key")
        }
        (None, Some(code)) => (by_code(&app, &code).await, "the code of the first start"),
        _ => return Err(error::unprocessable("either `key` or `code` is wanted")),
    };
    let principal = known.map_err(|denied| {
        if let Some(why) = denied.reason() {
            app.denials.note(None, from, SIGN_IN, why);
        }
        error::denied(denied)
    })?;
    let allowance = match app.rates.take(&principal) {
        Ok(allowance) => allowance,
        Err(too_often) => {
            app.denials.note(Some(&principal), from, SIGN_IN, "too often");
            return Ok(too_often.into_response());
        }
    };
    let entry = NewAuditEntry {
        at: clock::now(),
        actor: principal.actor().to_string(),
        action: "sign-in",
        subject: principal.key_id.as_deref().unwrap_or_default().to_owned(),
        detail: format!("with {with}, from {from}"),
    };
    app.db.record(&entry).await.map_err(error::database)?;
    let mut response = entered(&app, principal);
    allowance.tell(&mut response);
    Ok(response)
}

/// The code is good for nothing once somebody can make keys.
async fn by_code(app: &App, code: &str) -> Result<Principal, Denied> {
    if !app.authenticator.is_first_start().await? {
        return Err(Denied::Unknown);
    }
    app.sign_ins.take_code(code).ok_or(Denied::Unknown)
}

/// Sign out.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "access", responses(
    (status = 204, description = "Signed out"),
))]
async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Credentials::Cookie(cookie) = Credentials::of(&headers, cookie_name(app.limits.is_encrypted)) {
        app.sign_ins.leave(&cookie);
    }
    with_cookie(&app, StatusCode::NO_CONTENT.into_response(), "", 0)
}

fn entered(app: &App, principal: Principal) -> Response {
    let said = Json(described(app, &principal)).into_response();
    let cookie = app.sign_ins.enter(principal);
    with_cookie(app, said, &cookie, GOOD_FOR.as_secs())
}

fn described(app: &App, principal: &Principal) -> WhoAmI {
    let asks = app.authenticator.asks_for_keys();
    WhoAmI {
        name: principal.name.to_string(),
        role: principal.role,
        permissions: principal.permissions(),
        auth: if asks { "keys" } else { "none" },
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Scripts cannot read it, other sites cannot send it, and it crosses no network in the clear.
fn with_cookie(app: &App, mut response: Response, value: &str, seconds: u64) -> Response {
    let secure = if app.limits.is_encrypted { "; Secure" } else { "" };
    let name = cookie_name(app.limits.is_encrypted);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
