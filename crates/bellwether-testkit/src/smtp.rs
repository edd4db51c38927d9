//! An SMTP server: Debian's python3-aiosmtpd.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::peer::{Peer, python_with, serving, wait_until};

/// How the server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// In the clear.
    Never,
    /// STARTTLS or nothing.
    StartTls,
    /// TLS from the first byte.
    Wrapped,
}

/// An SMTP server of its own on the loopback. It refuses `refused@…` for good and `full@…` for now.
#[derive(Debug)]
pub struct Smtp {
    port: u16,
    folder: TempDir,
    _peer: Peer,
}

impl Smtp {
    /// Starts one with a certificate and its key (PEM), that wants a `login`, name and password, if there is one.
    ///
    /// `None`, with a line on stderr naming `test`, where Python or aiosmtpd is not installed.
    ///
    /// # Panics
    /// Where it cannot be started, or where it is not installed and `CI` is set.
    pub fn start(test: &str, tls: SmtpTls, cert: [&str; 2], login: Option<(&str, &str)>) -> Option<Self> {
        let python = python_with(test, "aiosmtpd")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        for (file, pem) in files.iter().zip(cert) {
            #[expect(
                clippy::disallowed_methods,
                reason = "a file of the test, for the peer to read"
            )]
            std::fs::write(file, pem).expect("a file in a temporary folder can be written");
        }
        let (peer, port) = serving(|port| {
            let spec = json!({
                "port": port,
                "mails": folder.path().join("mails"),
                "tls": match tls {
                    SmtpTls::Never => "never",
                    SmtpTls::StartTls => "starttls",
                    SmtpTls::Wrapped => "wrapped",
                },
                "cert": files[0],
                "key": files[1],
                "login": login.map(|(user, password)| [user, password]),
            });
            let script = include_str!("smtp.py");
            Peer::start(Command::new(python).args(["-c", script, &spec.to_string()]))
        });
        Some(Self {
            port,
            folder,
            _peer: peer,
        })
    }

    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// File of the certificate it shows.
    pub fn cert_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The mails so far, in no order, once there are `n` of them at least.
    ///
    /// # Panics
    /// Where they do not come.
    pub fn mails(&self, n: usize) -> Vec<String> {
        let kept = self.folder.path().join("mails").join("new");
        let files = || {
            let entries = std::fs::read_dir(&kept).into_iter().flatten();
            entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>()
        };
        wait_until("the mails have come", || files().len() >= n);
        files().iter().map(|file| read(file)).collect()
    }
}

fn read(file: &Path) -> String {
    #[expect(clippy::disallowed_methods, reason = "a file that the peer wrote")]
    let text = std::fs::read_to_string(file);
    text.expect("a mail is text and can be read")
}
