//! Addresses that programs of older services call, answered by the same code as the others.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::detect::Mode;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::mlflow;
use crate::access::{Permission, guard};
use crate::app::{App, Loaded};
use crate::error;
use crate::judging::{self, Judged};
use crate::wire::{Json, ProblemDetails, Query};

/// Series of a batch at most.
const BATCH_MAX: usize = 100;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let looks = OpenApiRouter::new()
        .routes(routes!(model_info))
        .routes(routes!(model_metrics));
    let judges = OpenApiRouter::new()
        .routes(routes!(predict))
        .routes(routes!(model_predict))
        .routes(routes!(model_predict_batch))
        .routes(routes!(model_load));
    guard(app, Permission::Read, looks).merge(guard(app, Permission::Detect, judges))
}

/// The model in service.
#[derive(Debug, Serialize, ToSchema)]
struct ModelInfo {
    model: String,
    channels: Vec<String>,
    window_size: usize,
    threshold: f64,
    trained_on_samples: usize,
}

/// Counters since the start.
#[derive(Debug, Serialize, ToSchema)]
struct ModelMetrics {
    samples_judged: u64,
    events: u64,
    lag_p50_s: Option<f64>,
    lag_p99_s: Option<f64>,
}

/// Rows to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct Predict {
    /// Rows: lists in the order of the model's channels, or objects.
    data: Vec<Value>,
    /// Known to older programs; the window is that of the model.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    window_size: Option<u32>,
    /// Rows count as anomalous from this score on; 1 is the threshold of the model.
    #[serde(default)]
    #[schema(minimum = 0.1, maximum = 10.0)]
    threshold_factor: Option<f64>,
}

/// Several series to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct PredictBatch {
    #[schema(min_items = 1, max_items = 100)]
    batch: Vec<Predict>,
}

/// What the model says of rows.
#[derive(Debug, Serialize, ToSchema)]
struct PredictAnswer {
    model: String,
    window_size: usize,
    threshold_factor: f64,
    /// 1 is the threshold; `null` while the first window fills.
    scores: Vec<Option<f64>>,
    /// Positions of anomalous rows.
    anomalies: Vec<usize>,
    is_anomaly: bool,
}

/// What the model says of each series.
#[derive(Debug, Serialize, ToSchema)]
struct PredictBatchAnswer {
    results: Vec<PredictAnswer>,
}

/// Which model is to be loaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `NAME`, `NAME@VERSION` or `NAME@ALIAS`; never a path.
    model_path: String,
}

/// The model in service.
#[utoipa::path(get, path = "/model/info", tag = "legacy", responses(
    (status = 200, body = ModelInfo, description = "The model"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "It is gone"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "None is in service, or several"),
))]
async fn model_info(State(app): State<Arc<App>>) -> Result<Json<ModelInfo>, Problem> {
    let loaded = in_service(&app).await?;
    Ok(Json(info(&loaded)))
}

/// Counters since the start.
#[utoipa::path(get, path = "/model/metrics", tag = "legacy", responses(
    (status = 200, body = ModelMetrics, description = "Counters"),
))]
async fn model_metrics(State(app): State<Arc<App>>) -> Json<ModelMetrics> {
    let now = app.stats.snapshot();
    let finite = |seconds: f64| seconds.is_finite().then_some(seconds);
    Json(ModelMetrics {
        samples_judged: now.judged,
        events: now.opened,
        lag_p50_s: finite(now.lag_p50_s),
        lag_p99_s: finite(now.lag_p99_s),
    })
}

/// Judge rows with the model in service.
#[utoipa::path(post, path = "/predict", tag = "legacy", request_body = Predict, responses(
    (status = 200, body = PredictAnswer, description = "What the model says"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "The model is gone"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Rows that the model does not take"),
))]
async fn predict(
    State(app): State<Arc<App>>,
    Json(asked): Json<Predict>,
) -> Result<Json<PredictAnswer>, Problem> {
    answer(&app, asked).await.map(Json)
}

/// Judge rows with the model in service.
#[utoipa::path(post, path = "/model/predict", tag = "legacy", request_body = Predict, responses(
    (status = 200, body = PredictAnswer, description = "What the model says"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "The model is gone"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Rows that the model does not take"),
))]
async fn model_predict(
    State(app): State<Arc<App>>,
    Json(asked): Json<Predict>,
) -> Result<Json<PredictAnswer>, Problem> {
    answer(&app, asked).await.map(Json)
}

/// Judge several series with the model in service.
#[utoipa::path(post, path = "/model/predict/batch", tag = "legacy", request_body = PredictBatch, responses(
    (status = 200, body = PredictBatchAnswer, description = "What the model says"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "The model is gone"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Rows that the model does not take"),
))]
async fn model_predict_batch(
    State(app): State<Arc<App>>,
    Json(asked): Json<PredictBatch>,
) -> Result<Json<PredictBatchAnswer>, Problem> {
    if !(1..=BATCH_MAX).contains(&asked.batch.len()) {
        return Err(error::unprocessable(format!(
            "a batch has 1 to {BATCH_MAX} series"
        )));
    }
    let mut results = Vec::with_capacity(asked.batch.len());
    for series in asked.batch {
        results.push(answer(&app, series).await?);
    }
    Ok(Json(PredictBatchAnswer { results }))
}

/// Load a model into memory.
#[utoipa::path(post, path = "/model/load", tag = "legacy", params(Which), responses(
    (status = 200, body = ModelInfo, description = "It is loaded"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No model is named"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn model_load(
    State(app): State<Arc<App>>,
    Query(which): Query<Which>,
) -> Result<Json<ModelInfo>, Problem> {
    let loaded = judging::load(&app, &which.model_path).await?;
    Ok(Json(info(&loaded)))
}

async fn in_service(app: &Arc<App>) -> Result<Loaded, Problem> {
    let model = judging::only_model(&app.models.borrow())?;
    judging::load(app, &model).await
}

fn info(loaded: &Loaded) -> ModelInfo {
    ModelInfo {
        model: loaded.reference.to_string(),
        channels: judging::channels(&loaded.detector),
        window_size: loaded.detector.window_len(),
        threshold: loaded.detector.calibrated(Mode::Causal).threshold.error(),
        trained_on_samples: loaded.manifest.training.n_samples,
    }
}

async fn answer(app: &Arc<App>, asked: Predict) -> Result<PredictAnswer, Problem> {
    let factor = asked.threshold_factor.unwrap_or(1.0);
    if !(0.1..=10.0).contains(&factor) {
        return Err(error::unprocessable("threshold_factor lies between 0.1 and 10"));
    }
    if asked.window_size.is_some_and(|len| !(1..=100).contains(&len)) {
        return Err(error::unprocessable("window_size lies between 1 and 100"));
    }
    let loaded = in_service(app).await?;
    let window_size = loaded.detector.window_len();
    let table = mlflow::of_rows(judging::channels(&loaded.detector), asked.data)?;
    let input = mlflow::of_table(&loaded, table)?;
    let judged: Judged = judging::judge(app, loaded, Mode::Causal, vec![input]).await?;
    let scores: Vec<Option<f64>> = judged
        .rows()
        .map(|row| (!row.score.is_nan()).then_some(row.score))
        .collect();
    let is_over = |score: &Option<f64>| score.is_some_and(|score| score >= factor);
    let anomalies: Vec<usize> = scores
        .iter()
        .enumerate()
        .filter(|(_, score)| is_over(score))
        .map(|(idx, _)| idx)
        .collect();
    Ok(PredictAnswer {
        model: judged.reference.to_string(),
        window_size,
        threshold_factor: factor,
        is_anomaly: !anomalies.is_empty(),
        anomalies,
        scores,
    })
}
