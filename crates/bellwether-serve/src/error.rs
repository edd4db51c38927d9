//! What routes say when they say no: one constructor for each type of problem, so that the types stay few.

use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use bellwether_store::database::DatabaseError;
use bellwether_store::history::HistoryError;
use bellwether_store::registry::{ChangeError, LookupError, StateError};
use bellwether_stream::problem::Problem;

use crate::access::{Denied, Permission, Principal};
use crate::app::SeamError;

/// Nobody is let in: 401, 429 or 503.
pub(crate) fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Unknown => not_signed_in(),
        Denied::TooOften(seconds) => too_many_attempts(seconds),
        Denied::Unavailable(why) => unavailable(why),
    }
}

/// 401: who asks is not known.
pub(crate) fn not_signed_in() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "not-signed-in",
        "A valid key is wanted",
        "send it as `Authorization: Bearer KEY`; `bellwether keys create` makes one",
    )
}

/// 403: a key that may not do this.
pub(crate) fn not_allowed(principal: &Principal, permission: Permission) -> Problem {
    let detail = format!(
        "this takes the permission {:?}, which the key {:?} ({}) does not have",
        permission.word(),
        principal.name,
        principal.role.word()
    );
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-allowed",
        "The key may not do this",
        detail,
    )
}

/// 429: too many wrong keys.
fn too_many_attempts(seconds: u32) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-attempts",
        "Too many wrong keys from this address",
        format!("try again in {seconds} s"),
    )
    .retry_after(seconds)
}

/// 429: a key that asks too often.
pub(crate) fn too_often(seconds: u32) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-often",
        "The key sends more requests than it may",
        format!("try again in {seconds} s; server.rate_per_minute says how many it may send"),
    )
    .retry_after(seconds)
}

/// 503: something that is needed does not answer now.
pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
    Problem::later("unavailable", "This cannot be answered now", detail)
}

/// 503: more is asked than can be answered.
pub(crate) fn busy(detail: impl Into<String>) -> Problem {
    Problem::later("busy", "Too many requests at once", detail)
}

/// 404: no such thing.
pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "There is no such thing",
        detail,
    )
}

/// 400: the request cannot be understood.
pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad-request",
        "The request cannot be understood",
        detail,
    )
}

/// 422: the request can be understood, and asks for what cannot be.
pub(crate) fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unprocessable",
        "The request asks for what cannot be",
        detail,
    )
}

/// 409: things are not as the request takes them to be.
pub(crate) fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "conflict",
        "Things are not as the request takes them to be",
        detail,
    )
}

/// 413: more than is taken.
pub(crate) fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "The request is too large",
        detail,
    )
}

/// 500: a bug or a damaged file. What exactly stands in the log, for it may name paths.
pub(crate) fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %bellwether_stream::chain(error), "a request failed");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The server failed",
        "the log of the server says why, under the id of this request",
    )
}

/// The database does not do it: mostly for a while.
pub(crate) fn database(error: DatabaseError) -> Problem {
    if error.is_passing() {
        tracing::warn!(error = %bellwether_stream::chain(&error), "the database does not answer a request");
        unavailable("the database does not answer")
    } else {
        internal(&error)
    }
}

/// The history does not do it: mostly for a while.
pub(crate) fn history(error: HistoryError) -> Problem {
    match error {
        HistoryError::Database(error) => database(error),
        error if error.is_passing() => {
            tracing::warn!(error = %bellwether_stream::chain(&error), "the history does not answer a request");
            unavailable("the history cannot be read now")
        }
        error => internal(&error),
    }
}

/// 422: a configuration with mistakes.
pub(crate) fn wrong_config() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "wrong-configuration",
        "The configuration is wrong",
        "what is in force is as before; mistakes says what is wrong where",
    )
}

/// 412: a change of a configuration that is another by now.
pub(crate) fn stale() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed-meanwhile",
        "Somebody else has changed it meanwhile",
        "read the configuration again, and make the change there",
    )
}

/// 422: a configuration that changes what it may not.
pub(crate) fn protected(keys: &[String]) -> Problem {
    let problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "protected",
        "This is changed at the machine alone",
        format!(
            "{}: change the file there, and send SIGHUP or restart",
            keys.join(", ")
        ),
    );
    problem.with("keys", keys.into())
}

/// The registry does not find it, or cannot be read. Says nothing of paths.
pub(crate) fn lookup(error: LookupError) -> Problem {
    match error {
        LookupError::UnknownModel { name, near, .. } => not_found(format!("there is no model {name}{near}")),
        LookupError::State(StateError::Busy { .. }) => {
            unavailable("another process is changing the registry of models")
        }
        LookupError::UnknownVersion { .. } | LookupError::UnknownAlias { .. } => not_found(error.to_string()),
        other => internal(&other),
    }
}

/// The registry does not make a change.
pub(crate) fn change(error: ChangeError) -> Problem {
    match error {
        ChangeError::Lookup(error) => lookup(error),
        ChangeError::ChampionIsPromoted | ChangeError::LongReason { .. } | ChangeError::LongLabel { .. } => {
            unprocessable(error.to_string())
        }
        ChangeError::InUse { .. }
        | ChangeError::Pinned { .. }
        | ChangeError::ManyLabels { .. }
        | ChangeError::Full { .. }
        | ChangeError::NoEarlierChampion { .. }
        | ChangeError::TooManyAliases { .. } => conflict(error.to_string()),
        other => internal(&other),
    }
}

/// The process around the service says no.
pub(crate) fn seam(error: SeamError) -> Problem {
    match error {
        SeamError::NotFound(text) => not_found(text),
        SeamError::Refused(text) => unprocessable(text),
        SeamError::Failed(_) => internal(&error),
    }
}

/// 405: the path is there, the method is not.
pub(crate) fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Another method is wanted here",
        "/openapi.json says which, and so does Allow",
    )
}

/// 415: a body of a kind that is not read.
pub(crate) fn unsupported(wanted: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body is of a kind that is not read",
        format!("Content-Type: {wanted} is wanted"),
    )
}

/// Parameters of an address that cannot be used.
pub(crate) fn query(rejection: QueryRejection) -> Problem {
    bad_request(rejection.body_text())
}
