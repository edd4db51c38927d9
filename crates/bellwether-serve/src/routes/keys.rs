//! Keys: made once, shown once, revoked for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bellwether_core::time::Timestamp;
use bellwether_store::database::StoredKey;
use bellwether_stream::clock;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{self, Caller, IssueError, KeyRequest, Permission, Role, Sender, guard};
use crate::app::App;
use crate::error;
use crate::wire::{Json, Path, ProblemDetails, Time};

/// Keys that are listed at most, the newest.
const LISTED_MAX: u32 = 10_000;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke));
    guard(app, Permission::Keys, routes)
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct KeyBody {
    /// The part by which it is found: 12 hexadecimal digits.
    #[schema(example = "0123456789ab")]
    id: String,
    /// What it is for.
    name: String,
    /// Its role.
    role: String,
    /// What it may, of all that its role may; `null`: all of it.
    scopes: Option<Vec<String>>,
    /// When it was made.
    created_at: Time,
    /// From when on it lets nobody in; `null`: it does not end by itself.
    expires_at: Option<Time>,
    /// When it was revoked.
    revoked_at: Option<Time>,
    /// When it was last used, to a minute.
    last_used_at: Option<Time>,
}

/// All keys, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct KeyList {
    /// Those that are revoked or have expired, too.
    keys: Vec<KeyBody>,
}

/// A key that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100, example = "line 1")]
    name: String,
    /// Its role.
    role: Role,
    /// What it may, of all that its role may; without it: all of that.
    #[serde(default)]
    scopes: Option<Vec<Permission>>,
    /// How long it is good for: a whole number with its unit, `d`, `h`, `m` or `s`; without it: until it is revoked,
    /// or for as long as the key that makes it.
    #[serde(default)]
    #[schema(example = "90d")]
    expires_in: Option<String>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
struct MadeKey {
    /// What is known of it from here on.
    #[serde(flatten)]
    known: KeyBody,
    /// All of it. It is shown this once.
    #[schema(example = "bw_0123456789ab_…")]
    key: String,
}

/// All keys, the newest first.
#[utoipa::path(get, path = "/api/v1/keys", tag = "access", responses(
    (status = 200, body = KeyList, description = "Without their secrets"),
))]
async fn list(State(app): State<Arc<App>>) -> Result<Json<KeyList>, Problem> {
    let keys = app.db.keys(LISTED_MAX).await.map_err(error::database)?;
    Ok(Json(KeyList {
        keys: keys.into_iter().map(KeyBody::from).collect(),
    }))
}

/// Make a key.
///
/// Nobody makes a key that may do more than their own, or is good for longer. The answer is the one place where all of it stands.
#[utoipa::path(post, path = "/api/v1/keys", tag = "access", request_body = NewKeyBody, responses(
    (status = 201, body = MadeKey, description = "Made"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Such a key cannot be"),
))]
async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Sender(from): Sender,
    Json(wanted): Json<NewKeyBody>,
) -> Result<Response, Problem> {
    let expires_in = wanted.expires_in.as_deref().map(parse_span).transpose();
    let wanted = KeyRequest {
        name: wanted.name,
        role: wanted.role,
        scopes: wanted.scopes,
        expires_in: expires_in.map_err(error::unprocessable)?,
        expires_by: caller.expires_at,
    };
    if let Some(beyond) = wanted.permissions().iter().find(|one| !caller.may(**one)) {
        let why = format!("would make a key with {}, and has it not", beyond.word());
        app.denials.note(Some(&caller), from, "POST /api/v1/keys", &why);
        return Err(error::not_allowed(&caller, *beyond));
    }
    let made = wanted.issue(&app.db, &caller.actor(), clock::now()).await;
    let (key, made) = made.map_err(|refused| match refused {
        IssueError::Database(failed) => error::database(failed),
        refused => error::unprocessable(refused.to_string()),
    })?;
    let location = format!("/api/v1/keys/{}", made.id);
    let stored = StoredKey {
        key: made,
        revoked_at: None,
        last_used_at: None,
    };
    if let Some(principal) = access::principal(&stored) {
        app.authenticator.made(&principal);
    }
    let made = MadeKey {
        known: KeyBody::from(stored),
        key: key.reveal(),
    };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}

/// Revoke a key.
///
/// It lets nobody in from then on: in this server at once, in others of the same database within a minute.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "Id of the key")),
    responses(
        (status = 204, description = "It is revoked, or was already"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "There is no such key"),
))]
async fn revoke(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let was_good = app.db.revoke_key(&id, &caller.actor(), clock::now()).await;
    let was_good = was_good.map_err(error::database)?;
    if !was_good && app.db.key(&id).await.map_err(error::database)?.is_none() {
        return Err(error::not_found(format!("there is no key {id:?}")));
    }
    app.authenticator.revoked(&id);
    Ok(StatusCode::NO_CONTENT)
}

fn parse_span(text: &str) -> Result<Duration, String> {
    let wanted = || format!("expires_in: {text:?} is no span of time; wanted such as 90d, 12h, 30m or 60s");
    let unit = text.chars().next_back().ok_or_else(wanted)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return Err(wanted()),
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u64>().ok());
    let span = number.and_then(|number| number.checked_mul(seconds));
    span.map(Duration::from_secs).ok_or_else(wanted)
}

impl From<StoredKey> for KeyBody {
    fn from(stored: StoredKey) -> Self {
        let key = stored.key;
        let time = |time: Option<Timestamp>| time.map(Time::from);
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            scopes: key.scopes,
            created_at: key.created_at.into(),
            expires_at: time(key.expires_at),
            revoked_at: time(stored.revoked_at),
            last_used_at: time(stored.last_used_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_with_its_unit() {
        for (text, secs) in [("90d", 7_776_000), ("12h", 43_200), ("5m", 300), ("60s", 60)] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for wrong in [
            "",
            "d",
            "90",
            "-1d",
            "1.5h",
            "90 d",
            "1é",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            let error = parse_span(wrong).unwrap_err();
            assert!(error.contains("90d"), "{wrong}: {error}");
        }
    }
}
