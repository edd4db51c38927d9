//! Whether the service lives, and is ready. Open to all: who asks is a machine without a key.

use std::sync::Arc;

use axum::extract::State;
use bellwether_stream::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::open;
use crate::app::App;
use crate::wire::{Json, ProblemDetails};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    open(
        OpenApiRouter::new()
            .routes(routes!(health))
            .routes(routes!(live))
            .routes(routes!(ready)),
    )
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `live`, or `ready`.
    status: &'static str,
}

/// Whether the service lives and is ready.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, body = Health, description = "It lives"),
))]
async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    let status = if *app.is_ready.borrow() { "ready" } else { "live" };
    Json(Health { status })
}

/// Whether the service lives.
#[utoipa::path(get, path = "/health/live", tag = "health", responses(
    (status = 200, body = Health, description = "It lives"),
))]
async fn live() -> Json<Health> {
    Json(Health { status: "live" })
}

/// Whether samples can be judged.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, body = Health, description = "It is ready"),
    (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Not yet"),
))]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if *app.is_ready.borrow() {
        Ok(Json(Health { status: "ready" }))
    } else {
        let detail = "the state of the devices is being restored";
        Err(Problem::later(
            "not-ready",
            "Samples cannot be judged yet",
            detail,
        ))
    }
}
