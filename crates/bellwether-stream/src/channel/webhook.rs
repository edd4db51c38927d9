//! A webhook: the JSON that Alertmanager sends to webhooks (version 4), signed.
//!
//! Each message is about one alert. Beside Alertmanager's keys there is `bellwether`, with all that is known.
//!
//! # Checking the signature
//! With a secret, each request carries `X-Bellwether-Timestamp: <seconds since the Unix epoch>` and
//! `X-Bellwether-Signature: sha256=<hexadecimal>`, the HMAC-SHA256 under that secret of `<timestamp>.<body>`. The
//! receiver computes it over the body as it came, byte for byte, compares the two in constant time
//! (`hmac.compare_digest` in Python, `crypto.timingSafeEqual` in Node), and refuses timestamps that are more than
//! five minutes off, so that nobody can play an old message again.
//!
//! # Twice the same
//! A message whose answer was lost comes again. `Idempotency-Key` and `X-Bellwether-Delivery` are the alert's id and
//! its status, the same each time.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_core::event::EventKind;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use bellwether_store::database::{AlertKind, ChannelNote};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use sha2::Sha256;
use url::Url;

use super::http::Poster;
use super::labels::{address, annotations, fingerprint, labels};
use super::text::{Severity, status};
use super::{Channel, SendError, SpecProblem};
use crate::alert::Notice;
use crate::clock;
use crate::secret::Secret;

/// Where to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSpec {
    /// Its name.
    pub name: String,
    /// `http://…` or `https://…`.
    pub url: Url,
    /// Signs the body: `X-Bellwether-Signature: sha256=<hex of HMAC-SHA256>`.
    pub secret: Option<Secret>,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Posts notices to a webhook.
#[derive(Debug)]
pub struct WebhookChannel {
    name: String,
    poster: Poster,
    secret: Option<Secret>,
}

impl WebhookChannel {
    /// A channel to that webhook; nothing is sent yet.
    ///
    /// # Errors
    /// [`SpecProblem`] where the address is none of HTTP, the secret is empty, or TLS cannot be set up.
    pub fn new(spec: WebhookSpec) -> Result<Self, SpecProblem> {
        if spec
            .secret
            .as_ref()
            .is_some_and(|secret| secret.reveal().is_empty())
        {
            let problem = "it is empty, so anybody could sign: give one, or leave the key out";
            return Err(SpecProblem::at(&spec.name, "secret", problem));
        }
        let poster = Poster::new(&spec.name, spec.url, spec.timeout)?;
        Ok(Self {
            name: spec.name,
            poster,
            secret: spec.secret,
        })
    }

    async fn post(&self, notice: &Notice) -> Result<(), SendError> {
        let message = Message::of(notice, &self.name);
        let body = serde_json::to_vec(&message).expect("text and numbers have a JSON form");
        self.poster.post(self.headers(notice, &body), body).await
    }

    fn headers(&self, notice: &Notice, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            // Ids are hexadecimal; a foreign one that no header can carry is left out, for the body has it too.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let delivery = format!("{}-{}", notice.id, status(notice));
        add("idempotency-key", &delivery);
        add("x-bellwether-delivery", &delivery);
        if let Some(secret) = &self.secret {
            let timestamp = clock::now().as_nanos() / 1_000_000_000;
            add("x-bellwether-timestamp", &timestamp.to_string());
            let signature = signature(secret, timestamp, body);
            add("x-bellwether-signature", &format!("sha256={signature}"));
        }
        headers
    }
}

impl Channel for WebhookChannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.post(notice))
    }
}

/// HMAC-SHA256 of `<timestamp>.<body>`, hexadecimal.
fn signature(secret: &Secret, timestamp: i64, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    crate::hex(&mac.finalize().into_bytes())
}

/// Alertmanager's message to webhooks, version 4, about one alert.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    group_labels: BTreeMap<&'static str, &'a str>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: [Alert<'a>; 1],
    bellwether: Details<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// All that is known, for programs.
#[derive(Debug, Serialize)]
struct Details<'a> {
    id: &'a str,
    kind: &'static str,
    status: &'static str,
    device: &'a str,
    model: &'a str,
    start: String,
    end: Option<String>,
    peak_score: f64,
    severity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    channels: &'a [ChannelNote],
    links: BTreeMap<&'a str, &'a str>,
    is_test: bool,
}

/// How Alertmanager writes that an alert has no end.
const NO_END: &str = "0001-01-01T00:00:00Z";

impl<'a> Message<'a> {
    fn of(notice: &'a Notice, receiver: &'a str) -> Self {
        let status = status(notice);
        let labels = labels(notice, Severity::of(notice));
        let annotations = annotations(notice);
        let end = end(notice);
        let alert = Alert {
            status,
            labels: labels.clone(),
            annotations: annotations.clone(),
            starts_at: notice.start.to_string(),
            ends_at: end.map_or_else(|| NO_END.to_owned(), |end| end.to_string()),
            generator_url: address(notice),
            fingerprint: fingerprint(notice),
        };
        Self {
            version: "4",
            group_key: format!("{{}}:{{alert={:?}}}", notice.id),
            truncated_alerts: 0,
            status,
            receiver,
            group_labels: BTreeMap::from([("alert", notice.id.as_str())]),
            common_labels: labels,
            common_annotations: annotations,
            external_url: address(notice),
            alerts: [alert],
            bellwether: Details {
                id: &notice.id,
                kind: match notice.kind {
                    AlertKind::Event => "event",
                    AlertKind::Silence => "silence",
                },
                status,
                device: &notice.device,
                model: &notice.model,
                start: notice.start.to_string(),
                end: end.map(|end| end.to_string()),
                peak_score: notice.peak_score,
                severity: notice.severity,
                event_kind: notice.event_kind.map(EventKind::name),
                fault: notice.fault.map(Fault::name),
                confidence: notice.confidence,
                channels: &notice.channels,
                links: notice
                    .links
                    .iter()
                    .map(|(verdict, url)| (verdict.as_str(), url.as_str()))
                    .collect(),
                is_test: notice.is_test,
            },
        }
    }
}

/// When it ended: nothing while it fires, even where its cause is over (a latched alert).
fn end(notice: &Notice) -> Option<Timestamp> {
    (!notice.is_firing).then(|| notice.end.unwrap_or(notice.start))
}

#[cfg(test)]
mod tests;
