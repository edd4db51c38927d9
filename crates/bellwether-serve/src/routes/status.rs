//! How the service is, in figures.

use std::sync::Arc;

use axum::extract::State;
use bellwether_stream::clock;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shapes::finite;
use crate::access::{Permission, guard};
use crate::app::App;
use crate::wire::{Json, Time};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    guard(
        app,
        Permission::Read,
        OpenApiRouter::new().routes(routes!(status)),
    )
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    version: &'static str,
    /// Samples are being made durable.
    is_ready: bool,
    uptime_s: f64,
    started_at: Time,
    devices: Devices,
    samples: Samples,
    /// From arrival to a durable verdict: half of all samples were faster,
    lag_p50_s: Option<f64>,
    /// 99 of 100.
    lag_p99_s: Option<f64>,
    /// Batches in the queue.
    waiting_batches: u64,
    /// Commits that failed and were tried again.
    failed_commits: u64,
    /// Events that go on.
    events_open: usize,
    /// Model versions in service.
    models: Vec<String>,
    /// Memory of the process.
    memory_bytes: Option<u64>,
}

/// Devices by state.
#[derive(Debug, Serialize, ToSchema)]
struct Devices {
    total: usize,
    normal: usize,
    event: usize,
    silent: usize,
    warming: usize,
}

/// Samples since the start.
#[derive(Debug, Serialize, ToSchema)]
struct Samples {
    accepted: u64,
    duplicate: u64,
    late: u64,
    quarantined: u64,
    judged: u64,
}

/// How the service is.
#[utoipa::path(get, path = "/api/v1/status", tag = "fleet", responses(
    (status = 200, body = Status, description = "Figures"),
))]
async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    let (counts, stats) = (app.board.counts(), app.stats.snapshot());
    let models = app.models.borrow().in_service();
    let uptime = clock::instant().saturating_duration_since(app.started);
    let is_ready = *app.is_ready.borrow();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        is_ready,
        uptime_s: uptime.as_secs_f64(),
        started_at: Time(app.started_at),
        devices: Devices {
            total: counts.total,
            normal: counts.normal,
            event: counts.event,
            silent: counts.silent,
            warming: counts.warming,
        },
        samples: Samples {
            accepted: stats.accepted,
            duplicate: stats.duplicate,
            late: stats.late,
            quarantined: stats.quarantined,
            judged: stats.judged,
        },
        lag_p50_s: finite(stats.lag_p50_s),
        lag_p99_s: finite(stats.lag_p99_s),
        waiting_batches: stats.waiting,
        failed_commits: stats.failed_commits,
        events_open: counts.event,
        models: models.into_keys().map(|name| name.to_string()).collect(),
        memory_bytes: crate::metrics::resident_bytes(),
    })
}
