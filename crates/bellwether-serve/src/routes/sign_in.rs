//! Who asks, and how people come in and go.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_stream::listen::Peer;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{
    COOKIE, Caller, Credentials, GOOD_FOR, Permission, Principal, Role, address, guard, open,
};
use crate::app::App;
use crate::error;
use crate::wire::{Json, ProblemDetails};

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
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct SignIn {
    /// A key.
    key: Option<String>,
    /// A code that is good once.
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
    (status = 429, body = ProblemDetails, content_type = "application/problem+json", description = "Too many wrong keys"),
    (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Not now"),
))]
async fn sign_in(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Json(shown): Json<SignIn>,
) -> Result<Response, Problem> {
    let from = address(peer.as_deref());
    let shows = match (shown.key, shown.code) {
        (Some(key), None) => Credentials::Key(key),
        (None, Some(code)) => {
            return match app.sign_ins.take_code(&code) {
                Some(principal) => Ok(entered(&app, principal)),
                None => {
                    app.denials.note(None, from, "POST /api/v1/sign-in");
                    Err(error::not_signed_in())
                }
            };
        }
        _ => return Err(error::unprocessable("either `key` or `code` is wanted")),
    };
    match app.authenticator.authenticate(shows, from).await {
        Ok(principal) => Ok(entered(&app, principal)),
        Err(denied) => {
            app.denials.note(None, from, "POST /api/v1/sign-in");
            Err(error::denied(denied))
        }
    }
}

/// Sign out.
#[utoipa::path(post, path = "/api/v1/sign-out", tag = "access", responses(
    (status = 204, description = "Signed out"),
))]
async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Credentials::Cookie(cookie) = Credentials::of(&headers) {
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
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
