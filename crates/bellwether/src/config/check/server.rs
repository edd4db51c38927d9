//! Where the server listens: nothing is open to others by accident.

use bellwether_stream::listen::TlsFiles;

use super::Scope;
use crate::config::checked::ServerSpec;
use crate::config::wire::{Auth, Config, TlsVersion};

pub(super) fn check(wire: &Config, scope: &mut Scope<'_>) -> ServerSpec {
    let server = &wire.server;
    let listen = server.listen.0;
    let is_loopback = listen.ip().is_loopback();
    let tls = match (&server.tls_cert, &server.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles {
            cert: scope.path("server.tls_cert", cert),
            key: scope.path("server.tls_key", key),
            with_tls_1_2: server.tls_min == TlsVersion::V1_2,
        }),
        (None, None) => None,
        (Some(_), None) => {
            scope.wrong(
                "server.tls_cert",
                "a certificate is used with its key; give server.tls_key",
            );
            None
        }
        (None, Some(_)) => {
            scope.wrong(
                "server.tls_key",
                "a key is used with its certificate; give server.tls_cert",
            );
            None
        }
    };
    let has_keys = server.auth == Auth::Keys;
    scope.require(
        is_loopback || server.tls_cert.is_some() || server.behind_proxy,
        "server.listen",
        || {
            format!(
                "{listen} is open to other machines, and keys would cross the network in the clear; give \
                 server.tls_cert and server.tls_key, or say server.behind_proxy = true where a proxy speaks TLS, or \
                 listen at 127.0.0.1:{}",
                listen.port()
            )
        },
    );
    scope.require(is_loopback || has_keys, "server.auth", || {
        format!("{listen} is open to other machines: \"none\" would let everybody in; say \"keys\"")
    });
    for (idx, host) in server.hosts.iter().enumerate() {
        let is_name = !host.is_empty() && !host.contains(['/', ' ', '@', '*']);
        scope.require(is_name, &format!("server.hosts[{idx}]"), || {
            format!("{host:?} is no name of a host; wanted such as bellwether.plant.example, without scheme and port")
        });
    }
    ServerSpec {
        listen,
        has_keys,
        is_encrypted: tls.is_some() || server.behind_proxy,
        is_behind_proxy: server.behind_proxy,
        tls,
        hosts: server.hosts.clone(),
        body_bytes_max: server.body_bytes_max,
        timeout: server.timeout.0,
        rate_per_minute: server.rate_per_minute,
        cache_bytes_max: server.cache_bytes_max,
    }
}
