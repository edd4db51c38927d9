//! Prometheus Alertmanager, as Debian has it.

use std::process::Command;

use tempfile::TempDir;

use crate::peer::{Peer, program, serving};

/// An Alertmanager of its own on the loopback, without storage that lasts.
#[derive(Debug)]
pub struct Alertmanager {
    port: u16,
    _peer: Peer,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts one that tells every alert to `webhook`, each as a group of its own, at once.
    ///
    /// `None` where it is not installed; see [`program`].
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(test: &str, webhook: &str) -> Option<Self> {
        let program = program(test, "prometheus-alertmanager")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = folder.path().join("alertmanager.yml");
        #[expect(clippy::disallowed_methods, reason = "a file of the test, for the peer to read")]
        std::fs::write(
            &config,
            format!(
                "route:\n  receiver: test\n  group_by: ['...']\n  group_wait: 10ms\n  group_interval: 100ms\n  \
                 repeat_interval: 1h\nreceivers:\n- name: test\n  webhook_configs:\n  - url: '{webhook}'\n"
            ),
        )
        .expect("a file in a temporary folder can be written");
        let (peer, port) = serving(|port| {
            Peer::start(
                Command::new(&program)
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--storage.path={}", folder.path().join("data").display()))
                    .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                    .arg("--cluster.listen-address="),
            )
        });
        Some(Self {
            port,
            _peer: peer,
            _folder: folder,
        })
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
