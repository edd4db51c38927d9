//! Who changed what, and who was turned away.

use std::sync::Arc;

use axum::extract::State;
use bellwether_store::database::AuditEntry;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Permission, guard};
use crate::app::App;
use crate::error;
use crate::wire::{Json, ProblemDetails, Query, Time, cut, page_len};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(app, Permission::Audit, OpenApiRouter::new().routes(routes!(list)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<usize>,
}

/// An entry of the audit.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    /// Counts from 1, without gaps.
    n: i64,
    /// When.
    at: Time,
    /// Who.
    actor: String,
    /// What was done.
    #[schema(example = "revoke-key")]
    action: String,
    /// To what.
    subject: String,
    /// The rest, in words.
    detail: String,
}

/// Entries of the audit, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Entries {
    /// The page.
    entries: Vec<Entry>,
    /// The `cursor` of the next page; `null`: there is none.
    next: Option<String>,
    /// Every entry there is, on all pages, is as it was written, and none is missing. Entries that were found so are
    /// looked at again within the hour.
    is_intact: bool,
    /// Where that is not so: what is wrong, and at which entry it begins.
    fault: Option<String>,
}

/// Who changed what, and who was turned away; the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "access", params(Asked), responses(
    (status = 200, body = Entries, description = "A page"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No such cursor"),
))]
async fn list(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Json<Entries>, Problem> {
    let limit = page_len(asked.limit)?;
    let before = match asked.cursor.as_deref().map(str::parse::<i64>) {
        None => None,
        Some(Ok(n)) if n > 0 => Some(n),
        Some(_) => return Err(error::bad_request("cursor: wanted the `next` of another page")),
    };
    // At most `PAGE_LEN_MAX`, and one more tells whether there is a next page.
    let rows = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut found = app.db.audit(before, rows).await.map_err(error::database)?;
    let next = cut(&mut found, limit).map(|last| last.n.to_string());
    let fault = app.audit.fault(&app.db).await.map_err(error::database)?;
    Ok(Json(Entries {
        next,
        entries: found.into_iter().map(Entry::from).collect(),
        is_intact: fault.is_none(),
        fault: fault.map(|fault| fault.to_string()),
    }))
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            n: entry.n,
            at: entry.at.into(),
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
        }
    }
}
