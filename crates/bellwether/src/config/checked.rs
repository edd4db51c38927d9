//! The configuration as the program uses it: every value checked, every reference known to lead somewhere.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use bellwether_store::registry::ModelRef;
use bellwether_stream::alert::rules::{AlertRules, DeliveryRules};
use bellwether_stream::channel::alertmanager::AlertmanagerSpec;
use bellwether_stream::channel::email::EmailSpec;
use bellwether_stream::channel::mqtt::MqttStateSpec;
use bellwether_stream::channel::webhook::WebhookSpec;
use bellwether_stream::listen::TlsFiles;
use bellwether_stream::live::{DeviceRules, Settings};
use bellwether_stream::mqtt::Broker;
use bellwether_stream::patterns::ByDevice;
use bellwether_stream::secret::Secret;
use bellwether_stream::source::http::HttpSpec;
use bellwether_stream::source::mqtt::MqttSpec;
use bellwether_stream::source::text::TextSpec;
use url::Url;

pub(crate) use super::wire::{LogFormat, LogLevel, RowFormat};

/// Everything that the live system is told. Equal configurations run alike, so a reload sees what changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checked {
    /// Where everything durable is kept; `None`: the default place.
    pub(crate) database: Option<DatabaseSpec>,
    /// Folder of the registry; `None`: the default place.
    pub(crate) registry: Option<PathBuf>,
    /// Files of the keys of which one must have signed a model; none: nobody need have.
    pub(crate) trust: Vec<PathBuf>,
    /// The model of each device; `None`: it has none.
    pub(crate) models: ByDevice<Option<ModelRef>>,
    /// A device's own model goes before that.
    pub(crate) models_by_device: bool,
    /// Times, sizes and places.
    pub(crate) settings: Settings,
    /// What differs between devices when they are judged.
    pub(crate) devices: ByDevice<DeviceRules>,
    /// What differs between devices when alerts are told.
    pub(crate) alerts: ByDevice<AlertRules>,
    /// How messages are sent.
    pub(crate) delivery: DeliveryRules,
    /// When devices are worked at.
    pub(crate) maintenance: Vec<MaintenanceSpec>,
    /// Where samples come from; names are unique.
    pub(crate) sources: Vec<SourceSpec>,
    /// Whose clocks times without an offset are of; `None`: UTC.
    pub(crate) timezone: Option<Zone>,
    /// Where verdicts go; names are unique.
    pub(crate) outputs: Vec<OutputSpec>,
    /// Whom alerts reach; names are unique.
    pub(crate) channels: Vec<ChannelSpec>,
    /// Where the server listens, and to whom.
    pub(crate) server: ServerSpec,
    /// What the program says of its own work.
    pub(crate) log: LogSpec,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerSpec {
    /// Address and port.
    pub(crate) listen: SocketAddr,
    /// Keys are asked for.
    pub(crate) has_keys: bool,
    /// Connections are encrypted, here or by a proxy in front.
    pub(crate) is_encrypted: bool,
    /// A proxy is in front.
    pub(crate) is_behind_proxy: bool,
    /// Certificate and key.
    pub(crate) tls: Option<TlsFiles>,
    /// Names under which it is known.
    pub(crate) hosts: Vec<String>,
    /// Bytes of a request at most.
    pub(crate) body_bytes_max: usize,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// Requests of a key in a minute at most.
    pub(crate) rate_per_minute: NonZeroU32,
    /// Bytes kept in memory for later requests.
    pub(crate) cache_bytes_max: u64,
}

impl Checked {
    /// Keys that differ from those in force, and take a restart to change.
    pub(crate) fn needs_restart(&self, in_force: &Self) -> impl Iterator<Item = &'static str> {
        let (new, old) = (&self.settings, &in_force.settings);
        let changes = [
            ("storage", self.database != in_force.database),
            ("storage.history", new.history != old.history),
            ("storage.roll_len", new.roll_len != old.roll_len),
            ("storage.roll_age", new.roll_age != old.roll_age),
            ("models.registry", self.registry != in_force.registry),
            ("models.trust", self.trust != in_force.trust),
            ("outputs", self.outputs != in_force.outputs),
            ("server", self.server != in_force.server),
            ("log", self.log != in_force.log),
            ("stream.threads", new.n_threads != old.n_threads),
            ("stream.queue_len_max", new.queue_len_max != old.queue_len_max),
        ];
        let changed = changes.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(key, _)| key)
    }
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseSpec {
    /// A file.
    Sqlite {
        /// Where.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// Without the password.
        url: Url,
        /// The password.
        password: Option<Secret>,
    },
}

/// A time in which devices are worked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MaintenanceSpec {
    /// Patterns of their names; each can be read.
    pub(crate) devices: Vec<String>,
    /// First instant.
    pub(crate) from: Timestamp,
    /// First instant after it; later than `from`.
    pub(crate) until: Timestamp,
    /// Why.
    pub(crate) reason: String,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceSpec {
    /// Stdin or a file.
    Text(TextSpec),
    /// HTTP push.
    Http(HttpSpec),
    /// MQTT.
    Mqtt(MqttSpec),
}

impl SourceSpec {
    /// The same, with times without an offset being of clocks in that zone; `None`: UTC.
    pub(crate) fn in_zone(mut self, timezone: Option<Zone>) -> Self {
        match &mut self {
            Self::Text(spec) => spec.mapping.timezone = timezone,
            Self::Http(spec) => spec.mapping.timezone = timezone,
            Self::Mqtt(spec) => spec.mapping.timezone = timezone,
        }
        self
    }
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful of them, made once")]
pub(crate) enum OutputSpec {
    /// Stdout or a file.
    Text(TextOutputSpec),
    /// MQTT.
    Mqtt(MqttOutputSpec),
}

/// Rows to stdout or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextOutputSpec {
    /// Its name.
    pub(crate) name: String,
    /// The file; `None`: stdout.
    pub(crate) path: Option<PathBuf>,
    /// Form of the rows.
    pub(crate) format: RowFormat,
}

/// Rows to a broker, each a message at `<prefix>/<device>/verdict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MqttOutputSpec {
    /// Its name.
    pub(crate) name: String,
    /// The broker.
    pub(crate) broker: Broker,
    /// First levels of the topic.
    pub(crate) prefix: String,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelSpec {
    /// A webhook.
    Webhook(WebhookSpec),
    /// Prometheus Alertmanager.
    Alertmanager(AlertmanagerSpec),
    /// MQTT.
    Mqtt(MqttStateSpec),
    /// Mail.
    Email(EmailSpec),
}

/// What the program says of its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSpec {
    /// How much.
    pub(crate) level: LogLevel,
    /// In what form.
    pub(crate) format: LogFormat,
}

impl SourceSpec {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Text(spec) => &spec.name,
            Self::Http(spec) => &spec.name,
            Self::Mqtt(spec) => &spec.name,
        }
    }
}

impl OutputSpec {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Text(spec) => &spec.name,
            Self::Mqtt(spec) => &spec.name,
        }
    }
}

impl ChannelSpec {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Webhook(spec) => &spec.name,
            Self::Alertmanager(spec) => &spec.name,
            Self::Mqtt(spec) => &spec.name,
            Self::Email(spec) => &spec.name,
        }
    }
}
