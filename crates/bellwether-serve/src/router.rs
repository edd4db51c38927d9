//! All routes, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::access::{PERMISSION_FIELD, cookie_name, named_operations, operations_of};
use crate::app::App;
use crate::edge::edge;
use crate::routes;
use crate::wire::ProblemDetails;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "bellwether",
        description = "Early warning of trouble in fleets of machines. Times are RFC 3339, UTC. A score of 1.0 is the threshold.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(name = "bellwether")
    ),
    components(schemas(ProblemDetails))
)]
struct Described;

/// The service, ready to be served.
///
/// # Panics
/// Where a route says neither which permission it takes nor that it is open: a bug.
pub fn router(app: &Arc<App>) -> Router {
    let (router, document) = assembled(app).split_for_parts();
    let document: Arc<str> = to_json(document).into();
    router
        .merge(routes::pages(document))
        .layer(DefaultBodyLimit::max(app.limits.body_bytes_max))
        .layer(from_fn_with_state(Arc::clone(app), edge))
        .with_state(Arc::clone(app))
}

/// All routes under their names; each says which permission it takes.
fn assembled(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let mut router = OpenApiRouter::with_openapi(Described::openapi()).merge(routes::all(app));
    let document = router.get_openapi_mut();
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            let says = operation
                .extensions
                .as_ref()
                .is_some_and(|extensions| extensions.contains_key(PERMISSION_FIELD));
            assert!(says, "a route of {path} says not which permission it takes");
        }
        // Names of handlers are those of Rust modules, and repeat.
        for (method, operation) in named_operations(item) {
            operation.operation_id = Some(operation_id(method, path));
        }
    }
    let components = document.components.get_or_insert_default();
    let schemes = [
        (
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        ),
        (
            "header",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        ),
        (
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(cookie_name(
                app.limits.is_encrypted,
            )))),
        ),
    ];
    for (name, scheme) in schemes {
        components.security_schemes.insert(name.to_owned(), scheme.into());
    }
    router
}

/// `get /api/v1/devices/{device}` is `get_devices_device`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let parts = path.split(|c: char| !c.is_ascii_alphanumeric());
    let parts = parts.filter(|part| !part.is_empty());
    [method].into_iter().chain(parts).collect::<Vec<_>>().join("_")
}

fn to_json(document: utoipa::openapi::OpenApi) -> String {
    document.to_json().expect("a document is plain JSON")
}
