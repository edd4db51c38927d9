//! `[alerts]`: when alerts fire, and whom they reach.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_stream::alert::rules::{AlertRules, DeliveryRules};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretRef;
use super::leaf::{As, Limit, Name, Pattern};
use super::places::{Broker, default_prefix};

/// When alerts fire, and whom they reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Alerts {
    /// An alert waits this long, by the clock of this machine, before it fires. An event that ends before is never told.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "30d"))]
    pub(crate) hold: As<Duration>,
    /// Events below this severity, from 0 to 100, are not told.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub(crate) severity_min: f64,
    /// Whether an alert stays until somebody acknowledges it, also where its cause is over.
    pub(crate) latch: bool,
    /// A firing alert that nobody acknowledged is told again after this time; or `never`.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "365d"))]
    pub(crate) repeat: As<Limit>,
    /// First wait after a message could not be sent; it doubles with every failure up to `backoff_max`.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1h"))]
    pub(crate) backoff_min: As<Duration>,
    /// Longest wait between two attempts to send a message.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1d"))]
    pub(crate) backoff_max: As<Duration>,
    /// A message that has not arrived after this time is kept as a dead letter.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "365d"))]
    pub(crate) give_up_after: As<Duration>,
    /// Address of the links in messages that say what an alert was: `BASE/alerts/ID/feedback/VERDICT`. Without it
    /// messages have no links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) link_base: Option<As<Url>>,
    /// Times in which devices are worked at: their alerts are kept and not told.
    pub(crate) maintenance: Vec<Maintenance>,
    /// Whom alerts reach.
    pub(crate) channels: Vec<Channel>,
}

/// What differs for some devices.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DeviceAlerts {
    /// Instead of `alerts.hold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "30d"))]
    pub(crate) hold: Option<As<Duration>>,
    /// Instead of `alerts.severity_min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub(crate) severity_min: Option<f64>,
    /// Instead of `alerts.latch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latch: Option<bool>,
    /// Instead of `alerts.repeat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "365d"))]
    pub(crate) repeat: Option<As<Limit>>,
    /// Names of the channels that are told; none at all: nobody is. Without it: all channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<Vec<As<Name>>>,
}

/// A time in which devices are worked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Maintenance {
    /// Patterns of device names.
    #[schemars(length(min = 1))]
    pub(crate) devices: Vec<As<Pattern>>,
    /// Its start: `2024-05-01T08:00:00Z`. A time without a zone is UTC.
    pub(crate) from: As<Timestamp>,
    /// Its end.
    pub(crate) until: As<Timestamp>,
    /// Why, for who looks at the alerts later.
    #[serde(default)]
    pub(crate) reason: String,
}

/// Whom alerts reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Channel {
    /// A webhook: the JSON that Alertmanager sends to webhooks (version 4), signed.
    Webhook(WebhookChannel),
    /// Prometheus Alertmanager, API v2.
    Alertmanager(AlertmanagerChannel),
    /// The state of each device as a retained message at `PREFIX/DEVICE/anomaly/state`.
    Mqtt(MqttChannel),
    /// Mail by SMTP.
    Email(EmailChannel),
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChannel {
    /// Its name, by which devices choose it; `webhook` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// Where to post: `https://host/path`.
    pub(crate) url: As<Url>,
    /// Signs the body: `X-Bellwether-Signature: sha256=` and the HMAC-SHA256 in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<SecretRef>,
    /// How long one attempt may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) timeout: As<Duration>,
}

/// Prometheus Alertmanager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertmanagerChannel {
    /// Its name, by which devices choose it; `alertmanager` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// Its address: `http://alertmanager:9093`.
    pub(crate) url: As<Url>,
    /// Labels for every alert, for its routes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// How often a firing alert is told again: well below its `resolve_timeout`, or it believes the alert over.
    #[serde(default = "default_repeat")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) repeat: As<Duration>,
    /// How long one attempt may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) timeout: As<Duration>,
}

/// States by MQTT.
// No `deny_unknown_fields`: serde cannot combine it with `flatten`. Unknown keys are found before serde looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct MqttChannel {
    /// Its name, by which devices choose it; `mqtt` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The broker and who we are to it.
    #[serde(flatten)]
    pub(crate) broker: Broker,
    /// First levels of the topic.
    #[serde(default = "default_prefix")]
    pub(crate) prefix: String,
}

/// Mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailChannel {
    /// Its name, by which devices choose it; `email` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The server: `smtp://host:25` (STARTTLS where offered), `smtp+starttls://host:587` (STARTTLS or nothing),
    /// `smtps://host:465`.
    pub(crate) url: As<Url>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// The user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<SecretRef>,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) ca_file: Option<PathBuf>,
    /// Who writes: `bellwether@plant.example`.
    pub(crate) from: String,
    /// To whom.
    #[schemars(length(min = 1))]
    pub(crate) to: Vec<String>,
    /// How long one attempt may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) timeout: As<Duration>,
}

impl Default for Alerts {
    fn default() -> Self {
        let rules = AlertRules::default();
        let delivery = DeliveryRules::default();
        Self {
            hold: As(rules.hold),
            severity_min: rules.severity_min,
            latch: rules.latch,
            repeat: As(Limit(rules.repeat)),
            backoff_min: As(delivery.backoff_min),
            backoff_max: As(delivery.backoff_max),
            give_up_after: As(delivery.give_up_after),
            link_base: delivery.link_base.map(As),
            maintenance: Vec::new(),
            channels: Vec::new(),
        }
    }
}

fn default_timeout() -> As<Duration> {
    As(Duration::from_secs(10))
}

fn default_repeat() -> As<Duration> {
    As(Duration::from_secs(60))
}
