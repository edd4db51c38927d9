//! Prometheus Alertmanager, API v2.
//!
//! Alertmanager knows an alert by its labels. They are the same from the first message to the last, but for
//! `severity`, which may rise while an event goes on: then the alert of the severity told before is ended, and one of
//! the higher severity begins, as Prometheus itself does it. After a restart it is not known what was told before;
//! that alert then ends by itself, for each firing alert is told with an end of three times `repeat` from now.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bellwether_core::time::Timestamp;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde::Serialize;
use url::Url;

use super::http::Poster;
use super::labels::{OURS, address, annotations, is_label_name, labels};
use super::text::Severity;
use super::{Channel, SendError, SpecProblem};
use crate::alert::Notice;
use crate::clock;

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

/// Tells an Alertmanager.
#[derive(Debug)]
pub struct AlertmanagerChannel {
    name: String,
    poster: Poster,
    labels: BTreeMap<String, String>,
    repeat: Duration,
    /// The severity told last of each firing alert, by its id.
    told: Mutex<HashMap<String, Severity>>,
}

/// Firing alerts whose severity is kept; beyond, all are forgotten, as after a restart.
const TOLD_LEN_MAX: usize = 100_000;

impl AlertmanagerChannel {
    /// A channel to that Alertmanager; nothing is sent yet.
    ///
    /// # Errors
    /// [`SpecProblem`] where the address is none of HTTP, a label is not one that Alertmanager takes or is one of
    /// ours, or `repeat` is nothing.
    pub fn new(spec: AlertmanagerSpec) -> Result<Self, SpecProblem> {
        let problem = |key, text: String| Err(SpecProblem::at(&spec.name, key, text));
        for label in spec.labels.keys() {
            if !is_label_name(label) {
                let text =
                    format!("{label:?} is no label: letters, digits and _ are, beginning with no digit");
                return problem("labels", text);
            }
            if OURS.contains(&label.as_str()) {
                return problem(
                    "labels",
                    format!("{label} is a label that bellwether sets: name yours otherwise"),
                );
            }
        }
        if spec.repeat.is_zero() {
            return problem("repeat", "it must be longer than nothing".to_owned());
        }
        let mut url = spec.url;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v2", "alerts"]);
        }
        Ok(Self {
            poster: Poster::new(&spec.name, url, spec.timeout)?,
            name: spec.name,
            labels: spec.labels,
            repeat: spec.repeat,
            told: Mutex::default(),
        })
    }

    async fn post(&self, notice: &Notice) -> Result<(), SendError> {
        let now = clock::now();
        let told = self.told_of(&notice.id);
        let alerts = posted(notice, told, now, self.repeat, &self.labels);
        let body = serde_json::to_vec(&alerts).expect("text has a JSON form");
        self.poster.post(HeaderMap::new(), body).await?;
        self.remember(notice);
        Ok(())
    }

    fn told_of(&self, id: &str) -> Option<Severity> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(id).copied()
    }

    fn remember(&self, notice: &Notice) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !notice.is_firing {
            told.remove(&notice.id);
            return;
        }
        if told.len() >= TOLD_LEN_MAX {
            told.clear();
        }
        told.insert(notice.id.clone(), Severity::of(notice));
    }
}

impl Channel for AlertmanagerChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn repeat(&self) -> Option<Duration> {
        Some(self.repeat)
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.post(notice))
    }
}

/// An alert as `POST /api/v2/alerts` takes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PostedAlert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
}

/// What Alertmanager is told of a notice, where it was `told` this severity before.
fn posted(
    notice: &Notice,
    told: Option<Severity>,
    now: Timestamp,
    repeat: Duration,
    extra: &BTreeMap<String, String>,
) -> Vec<PostedAlert> {
    // Devices have clocks of their own; an alert must not begin in the future, nor end before it begins.
    let start = notice.start.min(now);
    let over = notice.end.unwrap_or(now).clamp(start, now);
    let alert = |severity: Severity, end: Timestamp| {
        let mut labels = labels(notice, severity);
        labels.extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
        PostedAlert {
            labels,
            annotations: annotations(notice),
            starts_at: start.to_string(),
            ends_at: end.to_string(),
            generator_url: address(notice).to_owned(),
        }
    };
    let severity = Severity::of(notice);
    if !notice.is_firing {
        return vec![alert(told.unwrap_or(severity), over)];
    }
    let fades = now.plus(repeat.saturating_mul(3));
    let risen = told.filter(|&told| told != severity);
    let ended = risen.map(|told| alert(told, now));
    ended.into_iter().chain([alert(severity, fades)]).collect()
}

#[cfg(test)]
mod tests;
