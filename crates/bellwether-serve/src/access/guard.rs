//! Routes and the permission that each takes, in the router and in the document at once.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequest as _, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bellwether_stream::listen::Peer;
use bellwether_stream::problem::Problem;
use tracing::Instrument as _;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{PathItem, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;

use super::standing::until;
use super::{Credentials, Permission, cookie_name};
use crate::app::{App, Limits};
use crate::error;
use crate::wire::Raw;

/// Where the document says which permission an operation takes; `none` where it is open to all.
pub const PERMISSION_FIELD: &str = "x-permission";

/// These routes take that permission.
pub fn guard(
    app: &Arc<App>,
    permission: Permission,
    router: OpenApiRouter<Arc<App>>,
) -> OpenApiRouter<Arc<App>> {
    let mut router = router.route_layer(from_fn_with_state((Arc::clone(app), permission), check));
    for operation in operations(&mut router) {
        say(operation, permission.word());
        operation.security = Some(vec![
            SecurityRequirement::new("bearer", [] as [&str; 0]),
            SecurityRequirement::new("header", [] as [&str; 0]),
            SecurityRequirement::new("cookie", [] as [&str; 0]),
        ]);
        for (status, text) in [
            ("401", "No key, or one that is not valid"),
            ("403", "The key may not do this"),
            ("429", "Too many requests; see Retry-After"),
            ("503", "Not now; see Retry-After"),
        ] {
            let responses = &mut operation.responses.responses;
            responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::T(problem_response(text)));
        }
    }
    router
}

/// These routes are open to everybody.
pub fn open(mut router: OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>> {
    for operation in operations(&mut router) {
        say(operation, "none");
        operation.security = Some(Vec::new());
    }
    router
}

pub(crate) fn problem_response(text: &str) -> utoipa::openapi::Response {
    ResponseBuilder::new()
        .description(text)
        .content(
            "application/problem+json",
            utoipa::openapi::ContentBuilder::new()
                .schema(Some(utoipa::openapi::Ref::from_schema_name("ProblemDetails")))
                .build(),
        )
        .build()
}

fn say(operation: &mut Operation, permission: &str) {
    let said = ExtensionsBuilder::new().add(PERMISSION_FIELD, permission).build();
    match &mut operation.extensions {
        Some(extensions) => extensions.merge(said),
        none => *none = Some(said),
    }
}

fn operations(router: &mut OpenApiRouter<Arc<App>>) -> impl Iterator<Item = &mut Operation> {
    router
        .get_openapi_mut()
        .paths
        .paths
        .values_mut()
        .flat_map(operations_of)
}

/// The operations of a path, whatever their methods.
pub(crate) fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    named_operations(item).map(|(_, operation)| operation)
}

/// The operations of a path, with their methods.
pub(crate) fn named_operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("patch", &mut item.patch),
        ("head", &mut item.head),
        ("options", &mut item.options),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

async fn check(
    State((app, permission)): State<(Arc<App>, Permission)>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = address(&app.limits, request.headers(), request.extensions().get::<Peer>());
    let credentials = Credentials::of(request.headers(), cookie_name(app.limits.is_encrypted));
    let principal = match app.authenticator.authenticate(credentials, from).await {
        Ok(principal) => principal,
        Err(denied) => {
            if let Some(why) = denied.reason() {
                app.denials.note(None, from, &route_of(&request), why);
            }
            return error::denied(denied).into_response();
        }
    };
    if !principal.may(permission) {
        let why = format!("has not {}", permission.word());
        app.denials
            .note(Some(&principal), from, &route_of(&request), &why);
        return error::not_allowed(&principal, permission).into_response();
    }
    let allowance = match app.rates.take(&principal) {
        Ok(allowance) => allowance,
        Err(too_often) => {
            app.denials
                .note(Some(&principal), from, &route_of(&request), "too often");
            return too_often.into_response();
        }
    };
    request.extensions_mut().insert(principal.clone());
    let response = if permission.changes() && !is_safe(request.method()) {
        to_the_end(&app, request, next)
            .await
            .unwrap_or_else(IntoResponse::into_response)
    } else {
        next.run(request).await
    };
    let mut response = response.map(|body| until(body, || app.authenticator.over(&principal)));
    allowance.tell(&mut response);
    response
}

/// Whether requests of this method only look.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A change goes on to its end once all of its request is here, whether or not somebody still waits for the answer: it
/// is never made without being put in force and written down.
async fn to_the_end(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let Raw(body) = Raw::from_request(Request::from_parts(head.clone(), body), app).await?;
    let request = Request::from_parts(head, body.into());
    let change = async move { next.run(request).await };
    let done = tokio::spawn(change.in_current_span()).await;
    done.map_err(|error| error::internal(&error))
}

/// Where a request comes from, for handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender(pub(crate) IpAddr);

impl FromRequestParts<Arc<App>> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(address(&app.limits, &parts.headers, parts.extensions.get())))
    }
}

/// The other end of the connection, or where a proxy is there, whom that one names last: what stands before it in the
/// header anybody can write. What came through no connection is of this process.
pub(crate) fn address(limits: &Limits, headers: &HeaderMap, peer: Option<&Peer>) -> IpAddr {
    let told = || {
        let told = headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()?
            .to_str()
            .ok()?;
        let last = told.rsplit(',').next()?.trim();
        let with_port = || last.parse::<SocketAddr>().ok().map(|address| address.ip());
        last.parse().ok().or_else(with_port)
    };
    let told = if limits.is_behind_proxy { told() } else { None };
    told.or(peer.map(|peer| peer.0.ip()))
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn route_of(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or(request.uri().path(), MatchedPath::as_str);
    let method: &Method = request.method();
    format!("{method} {path}")
}
