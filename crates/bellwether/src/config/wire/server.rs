//! `[server]`: where `bellwether serve` listens, and to whom.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leaf::As;

/// Ten thousand a second: bounds what a key that has gone astray can do, and holds up no sender.
const RATE_PER_MINUTE: NonZeroU32 = NonZeroU32::new(600_000).expect("not zero");

/// Where `bellwether serve` listens, and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address and port. One that other machines reach takes TLS, or a proxy in front that has it, and keys.
    pub(crate) listen: As<SocketAddr>,
    /// Whether a key is asked for. `none` is for a machine of one's own: the server must then listen on loopback.
    pub(crate) auth: Auth,
    /// The certificate (PEM), with those between it and an authority. Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key (PEM) of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub(crate) tls_key: Option<PathBuf>,
    /// The oldest TLS that is spoken.
    pub(crate) tls_min: TlsVersion,
    /// A proxy in front speaks TLS with the clients, and names them in `X-Forwarded-For`; the server may then listen
    /// without TLS where others reach it.
    pub(crate) behind_proxy: bool,
    /// Names under which clients know the server, such as `bellwether.plant.example`; requests under other names are
    /// refused. Addresses and `localhost` need not be named. Without any: every name where other machines reach it.
    pub(crate) hosts: Vec<String>,
    /// Bytes of a request at most.
    #[schemars(range(min = 1_024, max = 1_073_741_824))]
    pub(crate) body_bytes_max: usize,
    /// How long an answer may take. A request may ask for less, by `X-Request-Timeout` in seconds.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) timeout: As<Duration>,
    /// Requests of one key in a minute at most.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(crate) rate_per_minute: NonZeroU32,
    /// Bytes of models and of answers that are kept in memory for later requests.
    #[schemars(range(min = 0, max = 1_099_511_627_776_u64))]
    pub(crate) cache_bytes_max: u64,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    /// Whoever has a key.
    Keys,
    /// Whoever uses this machine.
    None,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: As(SocketAddr::from(([127, 0, 0, 1], 8080))),
            auth: Auth::Keys,
            tls_cert: None,
            tls_key: None,
            tls_min: TlsVersion::V1_3,
            behind_proxy: false,
            hosts: Vec::new(),
            body_bytes_max: 16 << 20,
            timeout: As(Duration::from_secs(30)),
            rate_per_minute: RATE_PER_MINUTE,
            cache_bytes_max: 256 << 20,
        }
    }
}
