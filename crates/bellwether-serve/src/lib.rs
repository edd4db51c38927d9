//! The service: what people and programs touch every day.
//!
//! # Tour
//! - [`app`]: what all routes share, and the three seams to the process around it
//! - [`access`]: who may do what; every route names its permission
//! - `judging`: models at hand, work within bounds, what is said of rows
//! - `board`: the fleet as it is now
//! - `drift`: whether the fleet still looks like what its models learnt from
//! - `routes`: a file for each group of routes; [`router`] puts them together with their OpenAPI document
//! - `dashboard`: the pages for people, packed into the binary
//!
//! Nothing is open unless it says so: a route without a permission does not start.

#![forbid(unsafe_code)]

pub mod access;
pub mod app;
mod audit;
mod beside;
mod board;
mod changes;
mod dashboard;
mod drift;
mod edge;
mod error;
pub mod jobs;
mod judging;
mod metrics;
mod newest;
mod room;
mod router;
mod routes;
mod wire;

pub use app::App;
pub use board::Board;
pub use changes::Changes;
pub use drift::Drifts;
pub use judging::Judging;
pub use metrics::Gatherer;
pub use room::Room;
pub use router::router;
