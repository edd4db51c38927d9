//! Prometheus Alertmanager, API v2.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

/// Which Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertmanagerSpec {
    /// Its name.
    pub name: String,
    /// Its address: `http://alertmanager:9093`.
    pub url: Url,
    /// Labels for every alert, for its routes.
    pub labels: BTreeMap<String, String>,
    /// How often a firing alert is told again, well below its `resolve_timeout`.
    pub repeat: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}
