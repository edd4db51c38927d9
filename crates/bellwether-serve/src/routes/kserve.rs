//! The Open Inference Protocol, version 2, as KServe and Triton speak it, for clients that know it.
//!
//! A model takes `values`, `[n_rows, n_channels]` (FP32 or FP64, channels in the order of its metadata, `null` where
//! missing), and where rows are not evenly spaced their `timestamp`, `[n_rows]` (INT64, nanoseconds since 1970). It gives
//! `score`, `is_anomaly`, `top_channel`, `top_share` and `event`, `[n_rows]` each: the bits of `bellwether detect`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bellwether_core::detect::Mode;
use bellwether_core::time::Timestamp;
use bellwether_store::registry::{Index, ModelName, NamedRef};
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Permission, guard, open};
use crate::app::{App, Loaded};
use crate::error;
use crate::judging::{self, Input, Judged, Row};
use crate::wire::{Json, ProblemDetails};

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let of_server = OpenApiRouter::new()
        .routes(routes!(server))
        .routes(routes!(live))
        .routes(routes!(ready));
    let metadata = OpenApiRouter::new()
        .routes(routes!(model))
        .routes(routes!(version))
        .routes(routes!(model_ready))
        .routes(routes!(version_ready))
        .routes(routes!(index));
    let infer = OpenApiRouter::new()
        .routes(routes!(infer_model))
        .routes(routes!(infer_version));
    let repository = OpenApiRouter::new().routes(routes!(load)).routes(routes!(unload));
    open(of_server)
        .merge(guard(app, Permission::Read, metadata))
        .merge(guard(app, Permission::Detect, infer))
        .merge(guard(app, Permission::Publish, repository))
}

/// What the server is.
#[derive(Debug, Serialize, ToSchema)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: Vec<&'static str>,
}

/// A tensor that a model takes or gives.
#[derive(Debug, Serialize, ToSchema)]
struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    /// -1: any number.
    shape: Vec<i64>,
}

/// What a model is.
#[derive(Debug, Serialize, ToSchema)]
struct ModelMetadata {
    name: String,
    versions: Vec<String>,
    platform: String,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
    /// Names of the channels, in the order of `values`.
    channels: Vec<String>,
}

/// Whether a model can be used.
#[derive(Debug, Serialize, ToSchema)]
struct ModelReady {
    name: String,
    ready: bool,
}

/// A model of the repository.
#[derive(Debug, Serialize, ToSchema)]
struct RepositoryEntry {
    name: String,
    version: String,
    /// `READY` where it judges devices, else `UNLOADED`: it is loaded when it is asked for.
    state: &'static str,
    reason: String,
}

/// Which models are listed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct RepositoryAsk {
    /// Only those that judge devices.
    ready: bool,
}

/// A tensor of a request.
#[derive(Debug, Deserialize, ToSchema)]
struct InferInput {
    /// `values` or `timestamp`.
    name: String,
    /// `[n_rows, n_channels]`, or `[n_rows]`.
    #[schema(max_items = 2, example = json!([2, 1]))]
    shape: Vec<usize>,
    /// `FP64` or `FP32` for `values`, `INT64` for `timestamp`.
    datatype: String,
    /// The numbers, row by row, flat or nested.
    data: Value,
    #[serde(default)]
    #[allow(dead_code, reason = "clients send it; nothing depends on it")]
    parameters: Option<Map<String, Value>>,
}

/// A tensor that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
struct InferAsked {
    name: String,
    #[serde(default)]
    #[allow(dead_code, reason = "clients send it; nothing depends on it")]
    parameters: Option<Map<String, Value>>,
}

/// A request to judge.
#[derive(Debug, Deserialize, ToSchema)]
struct InferRequest {
    /// Comes back with the answer.
    #[serde(default)]
    id: Option<String>,
    /// `mode`: `causal` or `retrospective`; `device`: what events are named after.
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    inputs: Vec<InferInput>,
    /// Which tensors are wanted; all where it is left out.
    #[serde(default)]
    outputs: Option<Vec<InferAsked>>,
}

/// A tensor of an answer.
#[derive(Debug, Serialize, ToSchema)]
struct InferOutput {
    name: &'static str,
    shape: Vec<usize>,
    datatype: &'static str,
    data: Vec<Value>,
}

/// What a model says.
#[derive(Debug, Serialize, ToSchema)]
struct InferAnswer {
    model_name: String,
    model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<InferOutput>,
}

/// What the server is.
#[utoipa::path(get, path = "/v2", tag = "kserve", responses(
    (status = 200, body = ServerMetadata, description = "What it is"),
))]
async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: "bellwether",
        version: env!("CARGO_PKG_VERSION"),
        extensions: vec!["model_repository"],
    })
}

/// Whether the server lives.
#[utoipa::path(get, path = "/v2/health/live", tag = "kserve", responses(
    (status = 200, body = Object, description = "It lives"),
))]
async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// Whether the server is ready.
#[utoipa::path(get, path = "/v2/health/ready", tag = "kserve", responses(
    (status = 200, body = Object, description = "It is ready"),
    (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Not yet"),
))]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    if *app.is_ready.borrow() {
        Ok(Json(json!({ "ready": true })))
    } else {
        Err(error::unavailable("the state of the devices is being restored"))
    }
}

/// What a model is.
#[utoipa::path(get, path = "/v2/models/{model}", tag = "kserve", params(("model" = String, Path)), responses(
    (status = 200, body = ModelMetadata, description = "What it is"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn model(
    State(app): State<Arc<App>>,
    Path(model): Path<String>,
) -> Result<Json<ModelMetadata>, Problem> {
    metadata(&app, &model, None).await.map(Json).map_err(as_theirs)
}

/// What a version of a model is.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}", tag = "kserve",
    params(("model" = String, Path), ("version" = String, Path)), responses(
    (status = 200, body = ModelMetadata, description = "What it is"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
))]
async fn version(
    State(app): State<Arc<App>>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<ModelMetadata>, Problem> {
    metadata(&app, &model, Some(&version))
        .await
        .map(Json)
        .map_err(as_theirs)
}

/// Whether a model can be used.
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "kserve", params(("model" = String, Path)), responses(
    (status = 200, body = ModelReady, description = "It can"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn model_ready(
    State(app): State<Arc<App>>,
    Path(model): Path<String>,
) -> Result<Json<ModelReady>, Problem> {
    find(&app, &model, None).await.map_err(as_theirs)?;
    Ok(Json(ModelReady {
        name: model,
        ready: true,
    }))
}

/// Whether a version of a model can be used.
#[utoipa::path(get, path = "/v2/models/{model}/versions/{version}/ready", tag = "kserve",
    params(("model" = String, Path), ("version" = String, Path)), responses(
    (status = 200, body = ModelReady, description = "It can"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
))]
async fn version_ready(
    State(app): State<Arc<App>>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<ModelReady>, Problem> {
    find(&app, &model, Some(&version)).await.map_err(as_theirs)?;
    Ok(Json(ModelReady {
        name: model,
        ready: true,
    }))
}

/// Which models there are.
#[utoipa::path(post, path = "/v2/repository/index", tag = "kserve", request_body = RepositoryAsk, responses(
    (status = 200, body = Vec<RepositoryEntry>, description = "All versions of all models"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Another shape is wanted"),
))]
async fn index(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Vec<RepositoryEntry>>, Problem> {
    // Clients send nothing at all, too, and name no kind of body.
    let ask: RepositoryAsk = if body.trim_ascii().is_empty() {
        RepositoryAsk::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| as_theirs(error::unprocessable(error.to_string())))?
    };
    let in_service: Vec<Arc<str>> = {
        let models = app.models.borrow();
        models
            .iter()
            .flatten()
            .map(|served| Arc::clone(&served.reference))
            .collect()
    };
    let registry = app.registry.clone();
    let listed = tokio::task::spawn_blocking(move || registry.list()).await;
    let listing = listed
        .map_err(|error| error::internal(&error))?
        .map_err(|error| error::internal(&error))?;
    let entries = listing.models.iter().flat_map(|index| {
        let in_service = &in_service;
        index.versions().iter().map(move |entry| {
            let reference = format!("{}@{}", index.name(), entry.version);
            let is_ready = in_service.iter().any(|served| **served == *reference);
            RepositoryEntry {
                name: index.name().to_string(),
                version: entry.version.to_string(),
                state: if is_ready { "READY" } else { "UNLOADED" },
                reason: String::new(),
            }
        })
    });
    Ok(Json(
        entries
            .filter(|entry| !ask.ready || entry.state == "READY")
            .collect(),
    ))
}

/// Load a model into memory.
///
/// Models are loaded when they are asked for; this does it beforehand.
#[utoipa::path(post, path = "/v2/repository/models/{model}/load", tag = "kserve", params(("model" = String, Path)), responses(
    (status = 200, body = Object, description = "It is loaded"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn load(State(app): State<Arc<App>>, Path(model): Path<String>) -> Result<Json<Value>, Problem> {
    judging::load(&app, &model).await.map_err(as_theirs)?;
    Ok(Json(json!({})))
}

/// Take a model out of memory.
///
/// Models that judge devices stay; others leave memory by themselves when others need the room.
#[utoipa::path(post, path = "/v2/repository/models/{model}/unload", tag = "kserve", params(("model" = String, Path)), responses(
    (status = 200, body = Object, description = "It is not kept any longer"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
))]
async fn unload(State(app): State<Arc<App>>, Path(model): Path<String>) -> Result<Json<Value>, Problem> {
    find(&app, &model, None).await.map_err(as_theirs)?;
    judging::unload(&app, &model);
    Ok(Json(json!({})))
}

/// Judge rows with a model.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "kserve", params(("model" = String, Path)),
    request_body = InferRequest, responses(
    (status = 200, body = InferAnswer, description = "A number for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON, or tensors as bytes"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such model"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Tensors that the model does not take"),
))]
async fn infer_model(
    State(app): State<Arc<App>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    Json(request): Json<InferRequest>,
) -> Result<Json<InferAnswer>, Problem> {
    infer(&app, &model, None, &headers, request)
        .await
        .map(Json)
        .map_err(as_theirs)
}

/// Judge rows with a version of a model.
#[utoipa::path(post, path = "/v2/models/{model}/versions/{version}/infer", tag = "kserve",
    params(("model" = String, Path), ("version" = String, Path)), request_body = InferRequest, responses(
    (status = 200, body = InferAnswer, description = "A number for each row"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON, or tensors as bytes"),
    (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such version"),
    (status = 413, body = ProblemDetails, content_type = "application/problem+json", description = "Too large"),
    (status = 415, body = ProblemDetails, content_type = "application/problem+json", description = "No JSON"),
    (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "Tensors that the model does not take"),
))]
async fn infer_version(
    State(app): State<Arc<App>>,
    Path((model, version)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<InferRequest>,
) -> Result<Json<InferAnswer>, Problem> {
    infer(&app, &model, Some(&version), &headers, request)
        .await
        .map(Json)
        .map_err(as_theirs)
}

/// Clients of this protocol look for `error`.
fn as_theirs(problem: Problem) -> Problem {
    let detail = problem.to_json()["detail"].clone();
    problem.with("error", detail)
}

fn text_of(model: &str, version: Option<&str>) -> String {
    version.map_or_else(|| model.to_owned(), |version| format!("{model}@{version}"))
}

/// The model's page in the registry, and the version that is meant.
async fn find(app: &Arc<App>, model: &str, version: Option<&str>) -> Result<Index, Problem> {
    let nothing = || error::not_found(format!("there is no model {:?}", text_of(model, version)));
    let reference: NamedRef = text_of(model, version).parse().map_err(|_| nothing())?;
    let name: ModelName = reference.name.clone();
    let registry = app.registry.clone();
    let found = tokio::task::spawn_blocking(move || {
        let index = registry.show(&name)?;
        index.find(&reference.pick)?;
        Ok::<_, bellwether_store::registry::LookupError>(index)
    });
    found
        .await
        .map_err(|error| error::internal(&error))?
        .map_err(|_| nothing())
}

async fn metadata(app: &Arc<App>, model: &str, version: Option<&str>) -> Result<ModelMetadata, Problem> {
    let index = find(app, model, version).await?;
    let loaded = judging::load(app, &text_of(model, version)).await?;
    let channels = judging::channels(&loaded.detector);
    let tensor = |name, datatype, shape| TensorMetadata {
        name,
        datatype,
        shape,
    };
    Ok(ModelMetadata {
        name: index.name().to_string(),
        versions: index
            .versions()
            .iter()
            .map(|entry| entry.version.to_string())
            .collect(),
        platform: format!("bellwether_{}", loaded.manifest.model.architecture),
        inputs: vec![
            tensor("values", "FP64", vec![-1, channels.len() as i64]),
            tensor("timestamp", "INT64", vec![-1]),
        ],
        outputs: OUTPUTS
            .map(|(name, datatype)| tensor(name, datatype, vec![-1]))
            .into(),
        channels,
    })
}

const OUTPUTS: [(&str, &str); 5] = [
    ("score", "FP64"),
    ("is_anomaly", "BOOL"),
    ("top_channel", "BYTES"),
    ("top_share", "FP64"),
    ("event", "BYTES"),
];

async fn infer(
    app: &Arc<App>,
    model: &str,
    version: Option<&str>,
    headers: &HeaderMap,
    request: InferRequest,
) -> Result<InferAnswer, Problem> {
    if headers.contains_key("inference-header-content-length") {
        return Err(error::bad_request(
            "tensors as bytes are not read: send them as JSON (for Triton's clients binary_data=False)",
        ));
    }
    find(app, model, version).await?;
    let loaded = judging::load(app, &text_of(model, version)).await?;
    let mode = mode_of(request.parameters.as_ref())?;
    let device = text_parameter(request.parameters.as_ref(), "device")?;
    let asked = asked(request.outputs.as_deref())?;
    let input = input(&loaded, device, request.inputs)?;
    let judged = judging::judge(app, loaded, mode, vec![input]).await?;
    let (name, version) = judged.reference.split_once('@').unwrap_or((model, ""));
    Ok(InferAnswer {
        model_name: name.to_owned(),
        model_version: version.to_owned(),
        id: request.id,
        outputs: asked
            .into_iter()
            .map(|(name, datatype)| output(&judged, name, datatype))
            .collect(),
    })
}

fn text_parameter(parameters: Option<&Map<String, Value>>, name: &str) -> Result<Option<String>, Problem> {
    match parameters.and_then(|parameters| parameters.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(error::unprocessable(format!("the parameter {name:?} is a text"))),
    }
}

fn mode_of(parameters: Option<&Map<String, Value>>) -> Result<Mode, Problem> {
    match text_parameter(parameters, "mode")? {
        None => Ok(Mode::Causal),
        Some(text) => text
            .parse()
            .map_err(|_| error::unprocessable("the parameter \"mode\" is \"causal\" or \"retrospective\"")),
    }
}

fn asked(outputs: Option<&[InferAsked]>) -> Result<Vec<(&'static str, &'static str)>, Problem> {
    let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else {
        return Ok(OUTPUTS.into());
    };
    let known = |asked: &InferAsked| {
        let found = OUTPUTS.into_iter().find(|(name, _)| *name == asked.name);
        found.ok_or_else(|| {
            error::unprocessable(format!(
                "there is no output {:?}; there are score, is_anomaly, top_channel, top_share, event",
                asked.name
            ))
        })
    };
    outputs.iter().map(known).collect()
}

fn input(loaded: &Loaded, device: Option<String>, inputs: Vec<InferInput>) -> Result<Input, Problem> {
    let (mut values, mut times) = (None, None);
    for input in inputs {
        match input.name.as_str() {
            "values" if values.is_none() => values = Some(input),
            "timestamp" if times.is_none() => times = Some(input),
            other => {
                return Err(error::unprocessable(format!(
                    "the input {other:?} is not wanted, or there twice; there are values and timestamp"
                )));
            }
        }
    }
    let values = values.ok_or_else(|| error::unprocessable("the input \"values\" is missing"))?;
    let channels = judging::channels(&loaded.detector);
    let &[n_rows, n_channels] = values.shape.as_slice() else {
        return Err(error::unprocessable(
            "the shape of \"values\" is [n_rows, n_channels]",
        ));
    };
    if n_channels != channels.len() {
        return Err(error::unprocessable(format!(
            "\"values\" has {n_channels} channels, the model {}: {}",
            channels.len(),
            channels.join(", ")
        )));
    }
    judging::check_size(n_rows, n_channels)?;
    let numbers = numbers(&values, n_rows * n_channels)?;
    let times = match times {
        Some(times) => instants(&times, n_rows)?,
        None => evenly(loaded, n_rows),
    };
    let times = times.into_iter().map(|time| (time.to_string(), time)).collect();
    Input::of_rows(device, channels, times, numbers)
}

/// The times of rows that come without: as far apart as the model knows rows.
pub(super) fn evenly(loaded: &Loaded, n_rows: usize) -> Vec<Timestamp> {
    let cadence = loaded.detector.pipeline().schema().cadence();
    let mut time = Timestamp::from_nanos(0);
    let mut times = Vec::with_capacity(n_rows);
    for _ in 0..n_rows {
        times.push(time);
        time = time.plus(cadence);
    }
    times
}

fn numbers(input: &InferInput, n: usize) -> Result<Vec<f64>, Problem> {
    let is_single = match input.datatype.as_str() {
        "FP64" => false,
        "FP32" => true,
        other => {
            return Err(error::unprocessable(format!(
                "\"values\" is of the datatype {other:?}; FP64 or FP32 is wanted"
            )));
        }
    };
    let mut flat = Vec::with_capacity(n);
    flatten(&input.data, 0, &mut |cell| {
        let number = match cell {
            Value::Null => f64::NAN,
            cell => cell.as_f64()?,
        };
        // A client that holds single precision means the number that it holds.
        flat.push(if is_single {
            f64::from(number as f32)
        } else {
            number
        });
        (flat.len() <= n).then_some(())
    })
    .filter(|()| flat.len() == n)
    .ok_or_else(|| error::unprocessable(format!("the data of \"values\" are {n} numbers or nulls")))?;
    if flat.iter().any(|number| number.is_infinite()) {
        return Err(error::unprocessable(
            "\"values\" holds a number that is too large",
        ));
    }
    Ok(flat)
}

fn instants(input: &InferInput, n: usize) -> Result<Vec<Timestamp>, Problem> {
    let wanted = || {
        error::unprocessable(format!(
            "\"timestamp\" is INT64 of the shape [{n}]: nanoseconds since 1970"
        ))
    };
    if input.datatype != "INT64" || input.shape != [n] {
        return Err(wanted());
    }
    let mut flat = Vec::with_capacity(n);
    flatten(&input.data, 0, &mut |cell| {
        flat.push(Timestamp::from_nanos(cell.as_i64()?));
        (flat.len() <= n).then_some(())
    })
    .filter(|()| flat.len() == n)
    .ok_or_else(wanted)?;
    Ok(flat)
}

/// Visits the cells of a tensor, flat or nested; `None` where one of them will not do.
fn flatten(data: &Value, depth: usize, visit: &mut dyn FnMut(&Value) -> Option<()>) -> Option<()> {
    match data {
        Value::Array(items) if depth < 3 => items.iter().try_for_each(|item| flatten(item, depth + 1, visit)),
        _ if depth == 0 => None,
        cell => visit(cell),
    }
}

fn output(judged: &Judged, name: &'static str, datatype: &'static str) -> InferOutput {
    let cell = |row: Row<'_>| match name {
        "score" => json!(row.score),
        "is_anomaly" => json!(row.score >= 1.0),
        "top_channel" => json!(row.top.map_or("", |(channel, _)| channel)),
        "top_share" => json!(row.top.map(|(_, share)| share)),
        _ => json!(row.event.map_or_else(String::new, |event| event.to_string())),
    };
    let data: Vec<Value> = judged.rows().map(cell).collect();
    InferOutput {
        name,
        shape: vec![data.len()],
        datatype,
        data,
    }
}
