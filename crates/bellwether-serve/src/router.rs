//! All routes, and the document that describes them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::access::{PERMISSION_FIELD, cookie_name, named_operations, operations_of};
use crate::app::App;
use crate::edge::edge;
use crate::error;
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
    let (router, document) = known_alone(assembled(app));
    let document: Arc<str> = to_json(document).into();
    router
        .merge(routes::pages(document))
        .method_not_allowed_fallback(async || error::method_not_allowed())
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

/// Lets nothing through but what the document has: a route that was put in beside it would be open to all.
fn known_alone<S>(router: OpenApiRouter<S>) -> (Router<S>, utoipa::openapi::OpenApi)
where
    S: Clone + Send + Sync + 'static,
{
    let (router, mut document) = router.split_for_parts();
    let known: HashSet<(Method, String)> = document
        .paths
        .paths
        .iter_mut()
        .flat_map(|(path, item)| named_operations(item).map(move |(method, _)| (method, path.clone())))
        .filter_map(|(method, path)| Some((method.to_uppercase().parse().ok()?, path)))
        .collect();
    let check = async |State(known): State<Arc<HashSet<(Method, String)>>>, request: Request, next: Next| {
        let method = match request.method() {
            &Method::HEAD => Method::GET,
            other => other.clone(),
        };
        let path = request.extensions().get::<MatchedPath>();
        let is_known = path.is_some_and(|path| known.contains(&(method, path.as_str().to_owned())));
        if is_known {
            next.run(request).await
        } else {
            error::not_found("/openapi.json says what there is").into_response()
        }
    };
    let router = router.route_layer(from_fn_with_state(Arc::new(known), check));
    (router, document)
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_route_beside_the_document_is_not_there() {
        let router = OpenApiRouter::<()>::new().route("/api/v1/hidden", get(async || "open to all"));
        let (router, _) = known_alone(router);
        let request = Request::builder()
            .uri("/api/v1/hidden")
            .body(Body::empty())
            .unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), 404);
    }
}
