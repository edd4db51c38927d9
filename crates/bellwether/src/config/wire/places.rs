//! `[[sources]]` and `[[outputs]]`, and the broker and the mapping that they share with others.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bellwether_stream::source::decode::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretRef;
use super::leaf::{As, Name};

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Source {
    /// Lines from stdin: CSV or JSON lines, found out by itself.
    Stdin(StdinSource),
    /// A file that grows: CSV or JSON lines, found out by itself. Reading goes on where it ended, also after a restart.
    File(FileSource),
    /// HTTP push: `POST /api/v1/data/batch` with JSON lines, answered once they are durable.
    Http(HttpSource),
    /// Messages of an MQTT broker, acknowledged once they are durable.
    Mqtt(MqttSource),
}

/// Lines from stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdinSource {
    /// Its name, for counting and for messages; `stdin` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The device, where lines do not name one; `-` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The column that is the time, where finding out is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_column: Option<String>,
    /// The column that names the device, where finding out is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) series_column: Option<String>,
    /// Columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ignore_columns: Vec<String>,
    /// How JSON lines are read, where they have no usual shape.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub(crate) mapping: Mapping,
}

/// A file that grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSource {
    /// Its name, for counting, for messages and for where reading goes on; `file:PATH` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The file.
    #[schemars(extend("format" = "path"))]
    pub(crate) path: PathBuf,
    /// The device, where lines do not name one; the file's name without its ending where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The column that is the time, where finding out is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_column: Option<String>,
    /// The column that names the device, where finding out is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) series_column: Option<String>,
    /// Columns to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ignore_columns: Vec<String>,
    /// How JSON lines are read, where they have no usual shape.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub(crate) mapping: Mapping,
}

/// HTTP push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpSource {
    /// Its name, for counting and for messages; `http` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// Address and port to listen at. Only addresses of this machine (`127.0.0.1`, `[::1]`): this way in asks nobody for
    /// a key. `bellwether serve` does.
    #[serde(default = "default_listen")]
    pub(crate) listen: As<SocketAddr>,
    /// Bytes of a body at most.
    #[serde(default = "default_body_bytes_max")]
    #[schemars(range(min = 1_024, max = 268_435_456))]
    pub(crate) body_bytes_max: usize,
    /// How long a request may wait for its commit before it is answered with 503.
    #[serde(default = "default_http_timeout")]
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) timeout: As<Duration>,
    /// How JSON lines are read, where they have no usual shape.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub(crate) mapping: Mapping,
}

/// Messages of a broker.
// No `deny_unknown_fields`: serde cannot combine it with `flatten`. Unknown keys are found before serde looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct MqttSource {
    /// Its name, for counting and for messages; `mqtt` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The broker and who we are to it.
    #[serde(flatten)]
    pub(crate) broker: Broker,
    /// Topic filters: `plant/+/data`, `plant/#`.
    #[schemars(length(min = 1))]
    pub(crate) topics: Vec<String>,
    /// How messages are read, where they have no usual shape.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub(crate) mapping: Mapping,
}

/// An MQTT broker and who we are to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Broker {
    /// The broker: `mqtt://host:1883`, or with TLS `mqtts://host:8883`.
    pub(crate) url: As<Url>,
    /// Which MQTT is spoken.
    #[serde(default)]
    pub(crate) version: MqttVersion,
    /// The name under which the broker keeps our session: every connection needs one of its own. `bellwether-NAME` with
    /// the name of this entry where not given; give one where several bellwethers share a broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
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
    /// Our certificate (PEM), where the broker wants to know us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key (PEM) of our certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) client_key: Option<PathBuf>,
}

/// Which MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) enum MqttVersion {
    /// MQTT 3.1.1
    #[serde(rename = "3.1.1")]
    V4,
    /// MQTT 5
    #[default]
    #[serde(rename = "5")]
    V5,
}

/// How device, time and values are found in a message. A place is `field:meta.id` (a field of the message), `topic:1`
/// (a level of the topic, counted from 0) or `fixed:pump-7` (always this text).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mapping {
    /// Place of the device's name. Without it: the first of the fields `device`, `device_id`, `sensor_id`, `asset_id`,
    /// `series` that a message has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<As<Place>>,
    /// Place of the time. Without it: the first of the fields `timestamp`, `ts`, `time` that a message has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<As<Place>>,
    /// The field whose object holds the values. Without it: `values` or `data`, else the message itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<String>,
    /// Place of the channel's name, where a message is one bare number or has one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<As<Place>>,
}

/// Where verdicts go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "a handful of them, made once")]
pub(crate) enum Output {
    /// Rows on stdout.
    Stdout(StdoutOutput),
    /// Rows at the end of a file.
    File(FileOutput),
    /// A message for each row, as JSON, at `PREFIX/DEVICE/verdict`.
    Mqtt(MqttOutput),
}

/// Rows on stdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdoutOutput {
    /// Its name, for messages; `stdout` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// Form of the rows.
    #[serde(default)]
    pub(crate) format: RowFormat,
}

/// Rows at the end of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileOutput {
    /// Its name, for messages; `file` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The file. Its ending tells the form of the rows: `.csv` or `.jsonl`.
    #[schemars(extend("format" = "path"))]
    pub(crate) path: PathBuf,
}

/// Rows to a broker.
// No `deny_unknown_fields`: serde cannot combine it with `flatten`. Unknown keys are found before serde looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub(crate) struct MqttOutput {
    /// Its name, for messages; `mqtt` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<As<Name>>,
    /// The broker and who we are to it.
    #[serde(flatten)]
    pub(crate) broker: Broker,
    /// First levels of the topic.
    #[serde(default = "default_prefix")]
    pub(crate) prefix: String,
}

/// Form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowFormat {
    /// Comma-separated with a header
    #[default]
    Csv,
    /// A JSON object a line
    Jsonl,
}

impl Mapping {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn default_listen() -> As<SocketAddr> {
    As(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))
}

fn default_body_bytes_max() -> usize {
    16 << 20
}

fn default_http_timeout() -> As<Duration> {
    As(Duration::from_secs(30))
}

/// First levels of topics that we publish at.
pub(super) fn default_prefix() -> String {
    "bellwether".to_owned()
}
