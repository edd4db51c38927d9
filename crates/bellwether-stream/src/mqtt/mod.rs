//! How to reach an MQTT broker: the same for samples that come and alerts that go.

mod backoff;
pub(crate) mod link;
pub mod publisher;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
pub mod topic;
mod v4;
mod v5;

use std::path::PathBuf;

use bellwether_store::disk::DiskError;
use url::Url;

use crate::secret::Secret;

pub(crate) use backoff::Backoff;

/// Bytes of a client's name at most: what every broker must take is less, what none needs is more.
const CLIENT_ID_BYTES_MAX: usize = 1024;

/// A broker and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// `mqtt://host:1883` or `mqtts://host:8883`; `tcp` and `ssl` mean the same.
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

/// Why a broker cannot be reached as it is described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Its address says something else than where it is.
    #[error("broker address {url}: {problem}")]
    Address {
        /// The address, without a password.
        url: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// The broker cannot keep a session for nobody.
    #[error("client_id: {problem}")]
    ClientId {
        /// What is wrong.
        problem: &'static str,
    },
    /// A password of nobody.
    #[error("password without username: name the user that it belongs to")]
    NobodysPassword,
    /// Certificates are named, and nothing is encrypted.
    #[error("certificates are given, but {url} is not encrypted: use mqtts://")]
    CertificatesUnused {
        /// The address.
        url: String,
    },
    /// A file cannot be read.
    #[error("{key}: {}", whole_text(source))]
    File {
        /// Which option names it.
        key: &'static str,
        /// What failed.
        source: DiskError,
    },
    /// A file does not hold what it should.
    #[error("{key} {}: {problem}", path.display())]
    Content {
        /// Which option names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is missing or wrong in it.
        problem: String,
    },
    /// This machine has no certificates to trust.
    #[error("no trusted certificates on this machine ({problem}): install them, or name a ca_file")]
    NoSystemRoots {
        /// What the search for them said.
        problem: String,
    },
}

impl Broker {
    /// Checks what can be checked without a connection: address, names, files.
    ///
    /// # Errors
    /// [`BrokerError`] says which option is wrong.
    pub fn check(&self) -> Result<(), BrokerError> {
        if self.client_id.is_empty() {
            let problem = "it is empty; the broker keeps our place under this name";
            return Err(BrokerError::ClientId { problem });
        }
        if self.client_id.len() > CLIENT_ID_BYTES_MAX {
            let problem = "it is longer than 1024 bytes";
            return Err(BrokerError::ClientId { problem });
        }
        if self.password.is_some() && self.username.is_none() {
            return Err(BrokerError::NobodysPassword);
        }
        self.target().map(drop)
    }

    /// Where it is and how the line is protected. Reads certificates each time, so that renewed ones are taken.
    fn target(&self) -> Result<Target, BrokerError> {
        let wrong = |problem| BrokerError::Address {
            url: self.shown_url(),
            problem,
        };
        let is_encrypted = match self.url.scheme() {
            "mqtt" | "tcp" => false,
            "mqtts" | "ssl" => true,
            _ => return Err(wrong("use mqtt://host:1883 or mqtts://host:8883")),
        };
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return Err(wrong(
                "give user and password as username and password, not in the address",
            ));
        }
        if !matches!(self.url.path(), "" | "/") || self.url.query().is_some() || self.url.fragment().is_some()
        {
            return Err(wrong("nothing may follow host and port"));
        }
        let host = match self.url.host_str() {
            Some(host) if !host.is_empty() => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            _ => return Err(wrong("it names no host")),
        };
        let tls = if is_encrypted {
            Some(tls::client_config(self)?)
        } else if self.ca_file.is_some() || self.client_cert.is_some() {
            return Err(BrokerError::CertificatesUnused {
                url: self.shown_url(),
            });
        } else {
            None
        };
        let port = self.url.port().unwrap_or(if is_encrypted { 8883 } else { 1883 });
        Ok(Target { host, port, tls })
    }

    /// The address for people to read: without what is secret.
    pub(crate) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Fails only for addresses that cannot have a user, and these have none.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }
}

/// An error and what caused it, in one line.
pub(crate) fn whole_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Many errors repeat their cause.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Where to connect.
struct Target {
    /// Without brackets around an IPv6 address.
    host: String,
    port: u16,
    tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Target {
    /// As sockets want it.
    fn socket_address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
