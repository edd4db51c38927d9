//! The Open Inference Protocol, version 2, as KServe and Triton clients speak it. `docs/rest.md` says what stands for what.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use bellwether_core::time::Timestamp;
use bellwether_store::registry::{ModelName, NamedRef, Pick};
use bellwether_stream::bodies::Held;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::detect::ModeBody;
use super::kserve_tensors::{Tensor, outputs_of, series_of};
use crate::access::{Caller, Permission, guard, open};
use crate::app::App;
use crate::judging::models::AtHand;
use crate::judging::verdict::{column_names, judge};
use crate::wire::{Json, Path, ProblemDetails, Raw, from_json};
use crate::{audit, error};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let health = OpenApiRouter::new()
        .routes(routes!(server))
        .routes(routes!(live))
        .routes(routes!(ready));
    let judged = OpenApiRouter::new()
        .routes(routes!(model))
        .routes(routes!(version))
        .routes(routes!(model_ready))
        .routes(routes!(version_ready))
        .routes(routes!(infer))
        .routes(routes!(infer_version))
        .routes(routes!(index));
    let changed = OpenApiRouter::new().routes(routes!(load)).routes(routes!(unload));
    open(health)
        .merge(guard(app, Permission::Detect, judged))
        .merge(guard(app, Permission::Publish, changed))
}

/// The server, as clients of the protocol ask.
#[derive(Debug, Serialize, ToSchema)]
struct ServerBody {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

#[derive(Debug, Serialize, ToSchema)]
struct LiveBody {
    live: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct ReadyBody {
    ready: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelReadyBody {
    name: String,
    ready: bool,
}

/// A model, as clients of the protocol ask.
#[derive(Debug, Serialize, ToSchema)]
struct KserveModel {
    name: String,
    versions: Vec<String>,
    platform: String,
    /// `values` must be there, the others may.
    inputs: Vec<TensorBody>,
    outputs: Vec<TensorBody>,
    /// `channels`: names of the columns of `values`, in order; `cadence_s`: spacing where no times are sent.
    parameters: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TensorBody {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// Rows to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct InferBody {
    id: Option<String>,
    /// `mode`: `causal` or `retrospective`; `device`: what the series is called.
    parameters: Option<InferParameters>,
    /// `values` (FP64 or FP32, `[n_rows, n_channels]`), and perhaps `timestamp` (INT64, nanoseconds, `[n_rows]`) and
    /// `observed` (BOOL, as `values`).
    inputs: Vec<Tensor>,
    /// Which outputs are wanted; all where none is named.
    outputs: Option<Vec<Wanted>>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
struct InferParameters {
    mode: Option<ModeBody>,
    device: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Wanted {
    name: String,
}

/// Verdicts as tensors.
#[derive(Debug, Serialize, ToSchema)]
struct InferAnswer {
    model_name: String,
    model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<Tensor>,
}

/// Which models are wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct IndexBody {
    /// Only those that are in service.
    #[serde(default)]
    ready: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct IndexEntry {
    name: String,
    version: String,
    state: &'static str,
    reason: &'static str,
}

/// What the server is.
#[utoipa::path(get, path = "/v2", tag = "kserve", responses((status = 200, body = ServerBody, description = "This server")))]
async fn server() -> Json<ServerBody> {
    Json(ServerBody {
        name: "bellwether",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["model_repository"],
    })
}

/// Whether the server lives.
#[utoipa::path(get, path = "/v2/health/live", tag = "kserve", responses((status = 200, body = LiveBody, description = "It lives")))]
async fn live() -> Json<LiveBody> {
    Json(LiveBody { live: true })
}

/// Whether the server is ready.
#[utoipa::path(get, path = "/v2/health/ready", tag = "kserve", responses(
    (status = 200, body = ReadyBody, description = "It is ready"),
    (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Not yet"),
))]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<ReadyBody>, Problem> {
    if *app.is_ready.borrow() {
        return Ok(Json(ReadyBody { ready: true }));
    }
    let detail = "the state of the devices is being restored";
    Err(Problem::later(
        "not-ready",
        "Samples cannot be judged yet",
        detail,
    ))
}

/// What a model is: its champion.
#[utoipa::path(get, path = "/v2/models/{model}", tag = "kserve", params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = KserveModel, description = "The model"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json<KserveModel>, Problem> {
    metadata(app, reference(&name, None)?).await
}

/// What a version of a model is.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}", tag = "kserve",
    params(("model" = String, Path, description = "Its name"), ("version" = String, Path, description = "A number or an alias")), responses(
    (status = 200, body = KserveModel, description = "The version"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
))]
async fn version(
    State(app): State<Arc<App>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<KserveModel>, Problem> {
    metadata(app, reference(&name, Some(&version))?).await
}

/// Whether a model can judge.
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "kserve", params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelReadyBody, description = "It can"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It was unloaded"),
))]
async fn model_ready(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<ModelReadyBody>, Problem> {
    readiness(app, reference(&name, None)?).await
}

/// Whether a version of a model can judge.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}/ready", tag = "kserve",
    params(("model" = String, Path, description = "Its name"), ("version" = String, Path, description = "A number or an alias")), responses(
    (status = 200, body = ModelReadyBody, description = "It can"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It was unloaded"),
))]
async fn version_ready(
    State(app): State<Arc<App>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ModelReadyBody>, Problem> {
    readiness(app, reference(&name, Some(&version))?).await
}

/// Have rows judged by a model's champion.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "kserve", request_body = InferBody,
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = InferAnswer, description = "A verdict for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It was unloaded"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn infer(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<InferAnswer>, Problem> {
    inferred(app, reference(&name, None)?, &headers, body).await
}

/// Have rows judged by a version of a model.
#[utoipa::path(post, path = "/v2/models/{model}/versions/{version}/infer", tag = "kserve", request_body = InferBody,
    params(("model" = String, Path, description = "Its name"), ("version" = String, Path, description = "A number or an alias")), responses(
    (status = 200, body = InferAnswer, description = "A verdict for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
    (status = 409, body = ProblemDetails, content_type = "application/problem+json", description = "It was unloaded"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Data and model do not fit"),
))]
async fn infer_version(
    State(app): State<Arc<App>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<InferAnswer>, Problem> {
    inferred(app, reference(&name, Some(&version))?, &headers, body).await
}

/// All models of the registry.
#[utoipa::path(post, path = "/v2/repository/index", tag = "kserve", request_body(content = Option<IndexBody>, description = "May be left out"), responses(
    (status = 200, body = Vec<IndexEntry>, description = "A model version each"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "It cannot be understood"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "It says something else"),
))]
async fn index(State(app): State<Arc<App>>, Raw(body): Raw) -> Result<Json<Vec<IndexEntry>>, Problem> {
    let asked: IndexBody = if body.trim_ascii().is_empty() {
        IndexBody::default()
    } else {
        from_json(&body)?
    };
    let gate = app.judging.gate.clone();
    let entries = gate.run(move || {
        let mut entries = Vec::new();
        for (name, versions, _) in app.judging.models.list()? {
            let is_out = app.judging.models.is_taken_out(&name);
            if is_out && asked.ready {
                continue;
            }
            let (state, reason) = if is_out {
                ("UNAVAILABLE", "unloaded")
            } else {
                ("READY", "")
            };
            entries.extend(versions.into_iter().map(|version| IndexEntry {
                name: name.to_string(),
                version: version.to_string(),
                state,
                reason,
            }));
        }
        Ok(entries)
    });
    Ok(Json(entries.await?))
}

/// Put a model into service here, loaded.
#[utoipa::path(post, path = "/v2/repository/models/{model}/load", tag = "kserve", params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, description = "It is loaded"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn load(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let reference = reference(&name, None)?;
    let models = Arc::clone(&app.judging.models);
    app.judging.gate.run(move || models.load(&reference)).await?;
    audit::note(&app, &caller, "load", name, String::new()).await;
    Ok(StatusCode::OK)
}

/// Take a model out of service for clients of this protocol, and free its memory. Devices it judges keep it.
#[utoipa::path(post, path = "/v2/repository/models/{model}/unload", tag = "kserve", params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, description = "It is unloaded"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn unload(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let reference = reference(&name, None)?;
    let models = Arc::clone(&app.judging.models);
    let gate = &app.judging.gate;
    gate.run(move || models.unload(&reference.name)).await?;
    audit::note(&app, &caller, "unload", name, String::new()).await;
    Ok(StatusCode::OK)
}

/// A name in a path that can be none is not found.
fn reference(name: &str, version: Option<&str>) -> Result<NamedRef, Problem> {
    let parsed = name.parse::<ModelName>().ok().and_then(|_| match version {
        None => name.parse().ok(),
        Some(version) => format!("{name}@{version}").parse().ok(),
    });
    parsed.ok_or_else(|| error::not_found(format!("there is no model {name:?}")))
}

async fn metadata(app: Arc<App>, reference: NamedRef) -> Result<Json<KserveModel>, Problem> {
    let gate = app.judging.gate.clone();
    let described = gate.run(move || {
        let model = app.judging.models.get(&reference)?;
        let models = app.judging.models.list()?;
        let versions = models.into_iter().find(|(name, _, _)| *name == reference.name);
        let versions = match reference.pick {
            Pick::Version(version) => vec![version.number()],
            Pick::Alias(_) => versions.map(|(_, versions, _)| versions).unwrap_or_default(),
        };
        Ok(described(&reference, &model, versions))
    });
    Ok(Json(described.await?))
}

fn described(reference: &NamedRef, model: &AtHand, versions: Vec<u32>) -> KserveModel {
    let channels = column_names(model);
    let n = i64::try_from(channels.len()).unwrap_or(i64::MAX);
    let cadence = model.loaded.detector.pipeline().schema().cadence();
    let tensor = |name, datatype, shape: &[i64]| TensorBody {
        name,
        datatype,
        shape: shape.to_vec(),
    };
    let mut parameters = Map::new();
    parameters.insert("channels".to_owned(), json!(channels));
    parameters.insert("cadence_s".to_owned(), json!(cadence.as_secs_f64()));
    KserveModel {
        name: reference.name.to_string(),
        versions: versions.iter().map(u32::to_string).collect(),
        platform: format!("bellwether_{}", model.loaded.manifest.architecture()),
        inputs: vec![
            tensor("values", "FP64", &[-1, n]),
            tensor("timestamp", "INT64", &[-1]),
            tensor("observed", "BOOL", &[-1, n]),
        ],
        outputs: vec![
            tensor("score", "FP64", &[-1]),
            tensor("is_anomaly", "BOOL", &[-1]),
            tensor("top_channel", "BYTES", &[-1]),
            tensor("top_share", "FP64", &[-1]),
        ],
        parameters,
    }
}

async fn readiness(app: Arc<App>, reference: NamedRef) -> Result<Json<ModelReadyBody>, Problem> {
    let gate = app.judging.gate.clone();
    let name = reference.name.to_string();
    gate.run(move || in_service(&app, &reference)).await?;
    Ok(Json(ModelReadyBody { name, ready: true }))
}

fn in_service(app: &App, reference: &NamedRef) -> Result<AtHand, Problem> {
    // Before it is loaded: its memory was freed on purpose.
    if app.judging.models.is_taken_out(&reference.name) {
        let name = &reference.name;
        return Err(error::conflict(format!(
            "{name} was unloaded; POST /v2/repository/models/{name}/load loads it"
        )));
    }
    app.judging.models.get(reference)
}

async fn inferred(
    app: Arc<App>,
    reference: NamedRef,
    headers: &HeaderMap,
    body: Held,
) -> Result<Json<InferAnswer>, Problem> {
    if headers.contains_key("inference-header-content-length") {
        return Err(error::bad_request(
            "tensors are taken as JSON only: send them with binary_data=False",
        ));
    }
    let gate = app.judging.gate.clone();
    let kind = format!("kserve {reference}");
    let answer = gate.judge(&kind, body.len(), move |meter| {
        let asked: InferBody = from_json(&body)?;
        let model = in_service(&app, &reference)?;
        let parameters = asked.parameters.unwrap_or_default();
        meter.measure(|| {
            let device = parameters.device.as_deref();
            let series = series_of(&asked.inputs, &model, device, Timestamp::from_nanos(0))?;
            let verdicts = judge(&model, vec![series], parameters.mode.unwrap_or_default().into())?;
            let wanted = asked.outputs.filter(|wanted| !wanted.is_empty());
            let wanted: Option<Vec<String>> =
                wanted.map(|wanted| wanted.into_iter().map(|output| output.name).collect());
            Ok(InferAnswer {
                model_name: reference.name.to_string(),
                model_version: model.version.to_string(),
                id: asked.id,
                outputs: outputs_of(&verdicts, wanted.as_deref())?,
            })
        })
    });
    Ok(Json(answer.await?))
}
