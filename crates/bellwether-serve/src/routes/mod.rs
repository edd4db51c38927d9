//! A file for each group of routes.

mod alerts;
mod anomalies;
mod audit;
mod config;
mod detect;
mod devices;
mod drift;
mod export;
mod health;
mod history;
mod ingest;
mod jobs;
mod keys;
mod kserve;
mod kserve_tensors;
mod legacy;
mod live;
mod metrics;
mod mlflow;
mod models;
mod sessions;
mod shapes;
mod sign_in;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::dashboard;

/// Every route of the document.
pub(crate) fn all(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(health::routes())
        .merge(sign_in::routes(app))
        .merge(ingest::routes(app))
        .merge(detect::routes(app))
        .merge(sessions::routes(app))
        .merge(kserve::routes(app))
        .merge(mlflow::routes(app))
        .merge(legacy::routes(app))
        .merge(models::routes(app))
        .merge(jobs::routes(app))
        .merge(keys::routes(app))
        .merge(audit::routes(app))
        .merge(status::routes(app))
        .merge(devices::routes(app))
        .merge(history::routes(app))
        .merge(anomalies::routes(app))
        .merge(alerts::routes(app))
        .merge(live::routes(app))
        .merge(drift::routes(app))
        .merge(export::routes(app))
        .merge(config::routes(app))
        .merge(metrics::routes(app))
}

/// What is for people, and not in the document: the document itself, and the dashboard.
pub(crate) fn pages(document: Arc<str>) -> Router<Arc<App>> {
    let openapi = async move || {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (kind, document.to_string()).into_response()
    };
    Router::new()
        .route("/openapi.json", get(openapi))
        .fallback(dashboard::serve)
}
