//! How to reach an MQTT broker: the same for samples that come and alerts that go.

use std::path::PathBuf;

use url::Url;

use crate::secret::Secret;

/// A broker and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// `mqtt://host:1883` or `mqtts://host:8883`.
    pub url: Url,
    /// Which protocol.
    pub version: MqttVersion,
    /// The name under which the broker keeps our session: one for each connection.
    pub client_id: String,
    /// The user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and key (PEM), where the broker wants to know us.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MqttVersion {
    /// 3.1.1
    V4,
    /// 5
    #[default]
    V5,
}
