//! HTTP push: `POST /api/v1/data/batch`, acknowledged after the commit.

use std::net::SocketAddr;
use std::time::Duration;

/// A source that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSpec {
    /// Its name.
    pub name: String,
    /// Where; loopback only, until there are keys and TLS.
    pub listen: SocketAddr,
    /// Bytes of a body at most.
    pub body_bytes_max: usize,
    /// How long a request may wait for the commit before it is answered with 503.
    pub timeout: Duration,
    /// How JSON lines are read.
    pub mapping: super::decode::Mapping,
}
