//! The service: what people and programs touch every day.
//!
//! # Tour
//! - [`app`]: what all routes share, and the three seams to the process around it
//! - [`access`]: who may do what; every route names its permission
//! - [`routes`]: a file for each group of routes; [`router`] puts them together with their OpenAPI document
//! - `dashboard`: the pages for people, packed into the binary
//!
//! Nothing is open unless it says so: a route without a permission does not start.

#![forbid(unsafe_code)]

pub mod access;
pub mod app;
mod dashboard;
mod edge;
mod error;
mod metrics;
mod router;
mod routes;
mod wire;

pub use app::App;
pub use router::{document, router};
