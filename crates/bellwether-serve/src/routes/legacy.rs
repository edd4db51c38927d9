//! Routes of an earlier HTTP interface, on the same judge.

use std::sync::Arc;

use axum::extract::State;
use bellwether_core::detect::Mode;
use bellwether_store::bundle::manifest::CalibrationRecord;
use bellwether_stream::bodies::Held;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::detect::model_of;
use super::mlflow::in_rows;
use crate::access::{Caller, Permission, guard};
use crate::app::App;
use crate::judging::models::AtHand;
use crate::judging::table::check_rows;
use crate::judging::verdict::{column_names, judge};
use crate::wire::{Json, ProblemDetails, Query, Raw, from_json};
use crate::{audit, error};

/// Requests in a batch at most.
const BATCH_MAX: usize = 100;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let read = OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(metrics));
    let detect = OpenApiRouter::new()
        .routes(routes!(predict))
        .routes(routes!(model_predict))
        .routes(routes!(batch));
    guard(app, Permission::Read, read)
        .merge(guard(app, Permission::Detect, detect))
        .merge(guard(
            app,
            Permission::Publish,
            OpenApiRouter::new().routes(routes!(load)),
        ))
}

/// Which model; may be left out where one is in service.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `pump` (its champion), `pump@3` or `pump@ALIAS`.
    model: Option<String>,
}

/// The model to load.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ToLoad {
    /// `pump`, `pump@3` or `pump@ALIAS`; never a path.
    model_path: String,
}

/// What a model is.
#[derive(Debug, Serialize, ToSchema)]
struct InfoBody {
    model: String,
    architecture: String,
    channels: Vec<String>,
    window_size: usize,
    threshold: f64,
    n_weights: usize,
    created_at: String,
}

/// How a model did on rows it had not seen.
#[derive(Debug, Serialize, ToSchema)]
struct MetricsBody {
    model: String,
    rule: String,
    n_rows: usize,
    n_scored: usize,
    n_events: usize,
    error_median: f64,
    error_q99: f64,
    error_max: f64,
    best_epoch: usize,
    train_loss: Option<f64>,
    val_loss: Option<f64>,
}

/// Rows to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct PredictBody {
    /// Rows: values by name, or values in the order of the model's channels.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    /// May be left out; else it must be that of the model.
    #[schema(minimum = 1)]
    window_size: Option<usize>,
    /// A row is an anomaly where its score is at least this, from 0.1 to 10; 1 where it is left out.
    #[schema(minimum = 0.1, maximum = 10)]
    threshold_factor: Option<f64>,
}

/// Several requests in one.
#[derive(Debug, Deserialize, ToSchema)]
struct BatchBody {
    /// 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    batch: Vec<PredictBody>,
}

/// What is said of the rows.
#[derive(Debug, Serialize, ToSchema)]
struct PredictAnswer {
    model: String,
    /// A score for each row; 1.0 is the threshold of the model.
    scores: Vec<Option<f64>>,
    /// Whether each is an anomaly.
    predictions: Vec<Option<bool>>,
    n_anomalies: usize,
    threshold_factor: f64,
}

#[derive(Debug, Serialize, ToSchema)]
struct BatchAnswer {
    results: Vec<PredictAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LoadAnswer {
    model: String,
    status: &'static str,
}

/// What a model is.
#[utoipa::path(get, path = "/model/info", tag = "legacy", params(Asked), responses(
    (status = 200, body = InfoBody, description = "The model"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Which model?"),
))]
async fn info(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Json<InfoBody>, Problem> {
    let model = find(app, asked.model).await?;
    let (detector, manifest) = (&model.loaded.detector, &model.loaded.manifest);
    Ok(Json(InfoBody {
        model: model.loaded.reference.to_string(),
        architecture: manifest.architecture(),
        channels: column_names(&model),
        window_size: detector.window_len(),
        threshold: detector.threshold(Mode::Causal).error(),
        n_weights: manifest.n_weights(),
        created_at: manifest.created_at.to_string(),
    }))
}

/// How a model did on rows it had not seen.
#[utoipa::path(get, path = "/model/metrics", tag = "legacy", params(Asked), responses(
    (status = 200, body = MetricsBody, description = "Figures of its calibration"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Which model?"),
))]
async fn metrics(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Result<Json<MetricsBody>, Problem> {
    let model = find(app, asked.model).await?;
    let training = &model.loaded.manifest.training;
    let CalibrationRecord { rule, causal, .. } = &model.loaded.manifest.calibration;
    let best = training
        .epochs
        .iter()
        .find(|epoch| epoch.epoch == training.best_epoch);
    Ok(Json(MetricsBody {
        model: model.loaded.reference.to_string(),
        rule: rule.clone(),
        n_rows: causal.n_rows,
        n_scored: causal.n_scored,
        n_events: causal.n_events,
        error_median: causal.error_median,
        error_q99: causal.error_q99,
        error_max: causal.error_max,
        best_epoch: training.best_epoch,
        train_loss: best.map(|epoch| epoch.train_loss),
        val_loss: best.map(|epoch| epoch.val_loss),
    }))
}

/// Have rows judged.
#[utoipa::path(post, path = "/predict", tag = "legacy", params(Asked), request_body = PredictBody, responses(
    (status = 200, body = PredictAnswer, description = "A score for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn predict(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    Raw(body): Raw,
) -> Result<Json<PredictAnswer>, Problem> {
    predicted(app, asked, body, |model, body: PredictBody| one(model, body)).await
}

/// Have rows judged.
#[utoipa::path(post, path = "/model/predict", tag = "legacy", params(Asked), request_body = PredictBody, responses(
    (status = 200, body = PredictAnswer, description = "A score for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn model_predict(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    Raw(body): Raw,
) -> Result<Json<PredictAnswer>, Problem> {
    predicted(app, asked, body, |model, body: PredictBody| one(model, body)).await
}

/// Have up to 100 series judged.
#[utoipa::path(post, path = "/model/predict/batch", tag = "legacy", params(Asked), request_body = BatchBody, responses(
    (status = 200, body = BatchAnswer, description = "An answer for each"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn batch(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    Raw(body): Raw,
) -> Result<Json<BatchAnswer>, Problem> {
    predicted(app, asked, body, |model, body: BatchBody| {
        if !(1..=BATCH_MAX).contains(&body.batch.len()) {
            return Err(error::unprocessable(format!(
                "{} requests in a batch; 1 to {BATCH_MAX} are wanted",
                body.batch.len()
            )));
        }
        check_rows(body.batch.iter().map(|body| body.data.len()).sum())?;
        let results = body.batch.into_iter().map(|body| one(model, body));
        Ok(BatchAnswer {
            results: results.collect::<Result<_, _>>()?,
        })
    })
    .await
}

/// Load a model, so that the first request need not wait.
#[utoipa::path(post, path = "/model/load", tag = "legacy", params(ToLoad), responses(
    (status = 200, body = LoadAnswer, description = "It is loaded"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn load(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(to_load): Query<ToLoad>,
) -> Result<Json<LoadAnswer>, Problem> {
    let reference = to_load
        .model_path
        .parse()
        .map_err(|_| error::not_found("models are loaded by name: NAME, NAME@VERSION or NAME@ALIAS"))?;
    let models = Arc::clone(&app.judging.models);
    let model = app.judging.gate.run(move || models.load(&reference)).await?;
    audit::note(
        &app,
        &caller,
        "load",
        model.loaded.reference.to_string(),
        String::new(),
    )
    .await;
    Ok(Json(LoadAnswer {
        model: model.loaded.reference.to_string(),
        status: "loaded",
    }))
}

async fn find(app: Arc<App>, asked: Option<String>) -> Result<AtHand, Problem> {
    let gate = app.judging.gate.clone();
    gate.run(move || app.judging.models.get(&model_of(&app, asked.as_deref())?))
        .await
}

async fn predicted<B, T>(
    app: Arc<App>,
    asked: Asked,
    body: Held,
    judge: impl FnOnce(&AtHand, B) -> Result<T, Problem> + Send + 'static,
) -> Result<Json<T>, Problem>
where
    B: serde::de::DeserializeOwned,
    T: Send + 'static,
{
    let gate = app.judging.gate.clone();
    let about = format!("legacy {}", asked.model.as_deref().unwrap_or_default());
    let judged = gate.judge(&about, body.len(), move |meter| {
        let read = from_json(&body)?;
        let model = app.judging.models.get(&model_of(&app, asked.model.as_deref())?)?;
        meter.measure(|| judge(&model, read))
    });
    judged.await.map(Json)
}

fn one(model: &AtHand, body: PredictBody) -> Result<PredictAnswer, Problem> {
    let window_len = model.loaded.detector.window_len();
    if let Some(other) = body.window_size.filter(|len| *len != window_len) {
        return Err(error::unprocessable(format!(
            "window_size {other}: {} sees {window_len} rows at once, and that is part of what it learnt",
            model.loaded.reference
        )));
    }
    let factor = body.threshold_factor.unwrap_or(1.0);
    if !(0.1..=10.0).contains(&factor) {
        return Err(error::unprocessable(format!(
            "threshold_factor {factor}: 0.1 to 10 is wanted"
        )));
    }
    let series = in_rows(&body.data, model)?;
    let verdicts = judge(model, vec![series], Mode::Causal)?;
    let scores: Vec<Option<f64>> = verdicts.rows().into_iter().map(|row| row.score).collect();
    let predictions: Vec<Option<bool>> = scores
        .iter()
        .map(|score| score.map(|score| score >= factor))
        .collect();
    Ok(PredictAnswer {
        model: model.loaded.reference.to_string(),
        n_anomalies: predictions
            .iter()
            .filter(|is_anomaly| **is_anomaly == Some(true))
            .count(),
        scores,
        predictions,
        threshold_factor: factor,
    })
}
