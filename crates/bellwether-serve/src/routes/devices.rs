//! Devices: all of them, page by page, and one.

use std::sync::Arc;

use axum::extract::State as Shared;
use bellwether_store::history;
use bellwether_stream::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shapes::Device;
use crate::access::{Permission, guard};
use crate::app::App;
use crate::board::{Order, State, Wanted};
use crate::error;
pub(super) use crate::error::history as of_history;
use crate::wire::{Json, Path, ProblemDetails, Query, Time, page_len};

/// Devices on a page, where nobody says.
const DEVICES_LEN: usize = 100;

pub(super) fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let routes = OpenApiRouter::new().routes(routes!(list)).routes(routes!(one));
    guard(app, Permission::Read, routes)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Part of the name, in any case.
    query: Option<String>,
    /// Only devices that are so.
    #[param(inline)]
    state: Option<State>,
    /// What comes first.
    #[param(inline)]
    sort: Option<Order>,
    /// `next` of the page before; all else but the limit is then as it was there.
    cursor: Option<String>,
    /// Devices on a page at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of devices.
#[derive(Debug, Serialize, ToSchema)]
struct DevicePage {
    devices: Vec<Device>,
    /// Leads to the next page.
    next: Option<String>,
    /// Devices on all pages.
    total: usize,
}

/// A device, and what is known of it beyond now.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceDetail {
    #[serde(flatten)]
    device: Device,
    /// What it measures.
    channels: Vec<String>,
    /// When its first sample was measured.
    first_time: Option<Time>,
}

/// Devices.
///
/// The order is that of the moment in which the first page is asked for; each page tells how its devices are by then.
#[utoipa::path(get, path = "/api/v1/devices", tag = "fleet", params(ListParams), responses(
    (status = 200, body = DevicePage, description = "A page of devices"),
    (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A parameter that cannot be read, or a cursor that is not known any more"),
))]
async fn list(
    Shared(app): Shared<Arc<App>>,
    Query(params): Query<ListParams>,
) -> Result<Json<DevicePage>, Problem> {
    let limit = page_len(params.limit.or(Some(DEVICES_LEN)))?;
    let listed = match params.cursor {
        Some(cursor) => app.board.list_on(&cursor, limit).ok_or_else(|| {
            error::bad_request(
                "cursor: it is not that of a list, or was kept for too long: begin again without it",
            )
        })?,
        None => {
            let wanted = Wanted {
                query: params.query.unwrap_or_default(),
                state: params.state,
                order: params.sort.unwrap_or_default(),
            };
            app.board.list(&wanted, limit)
        }
    };
    Ok(Json(DevicePage {
        devices: listed.entries.iter().map(|entry| Device::of(entry)).collect(),
        next: listed.next,
        total: listed.total,
    }))
}

/// A device.
#[utoipa::path(get, path = "/api/v1/devices/{device}", tag = "fleet",
    params(("device" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = DeviceDetail, description = "The device"),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json", description = "A name that is no text"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json", description = "No such device"),
))]
async fn one(
    Shared(app): Shared<Arc<App>>,
    Path(device): Path<String>,
) -> Result<Json<DeviceDetail>, Problem> {
    let entry = app.board.get(&device).ok_or_else(|| unknown(&device))?;
    let first_time = match entry.first_time {
        Some(time) => Some(time),
        None => {
            let _place = app.room.read().await?;
            let found = history::first_time(&app.db, &app.history, &device).await;
            let found = found.map_err(of_history)?;
            if let Some(time) = found {
                app.board.set_first_time(&device, time);
            }
            found
        }
    };
    let models = Arc::clone(&app.models.borrow());
    let served = models.of(&device).as_ref();
    Ok(Json(DeviceDetail {
        device: Device::of(&entry),
        channels: served
            .map(|served| served.columns().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        first_time: first_time.map(Time),
    }))
}

/// There is no such device.
pub(super) fn unknown(device: &str) -> Problem {
    error::not_found(format!(
        "no device {device:?} has sent samples; /api/v1/devices has a list"
    ))
}
