//! Who was turned away.

use std::net::IpAddr;

use super::Principal;

/// Writes down who was turned away.
#[derive(Debug, Default)]
pub struct Denials {}

impl Denials {
    pub(crate) fn note(&self, principal: Option<&Principal>, from: IpAddr, route: &str) {
        let name = principal.map_or("", |principal| &*principal.name);
        tracing::warn!(name, %from, route, "turned away");
    }
}
