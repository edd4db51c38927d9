//! A real MQTT broker for a test: Debian's mosquitto on a free port of this machine, ended with the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// How long starting and stopping may take before the test fails.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// How the broker is to be.
#[derive(Debug, Clone, Default)]
pub struct MosquittoOptions {
    /// Encrypts, with a certificate for `localhost` and `127.0.0.1` by an authority of its own.
    pub tls: bool,
    /// Wants a certificate of the client too; only with `tls`.
    pub client_certs: bool,
    /// The only user and the password; `None`: anybody.
    pub user: Option<(String, String)>,
    /// More lines of its configuration.
    pub config: Vec<String>,
}

/// A broker. Keeps all messages for clients that are away, and writes down what it keeps.
#[derive(Debug)]
pub struct Mosquitto {
    child: Child,
    dir: TempDir,
    port: u16,
    tls: bool,
}

impl Mosquitto {
    /// A broker for anybody. `None`, with a line on stderr naming `test`, where mosquitto is not installed.
    ///
    /// # Panics
    /// Where it does not start, or is not installed and `CI` is set.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &MosquittoOptions::default())
    }

    /// A broker as `options` say.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    pub fn start_with(test: &str, options: &MosquittoOptions) -> Option<Self> {
        if program("mosquitto").is_none() {
            assert!(
                std::env::var_os("CI").is_none(),
                "{test}: mosquitto is not installed: CI must have it"
            );
            eprintln!("skipped {test}: mosquitto is not installed");
            return None;
        }
        let dir = TempDir::new().expect("a temporary folder");
        if options.tls {
            write_certificates(dir.path());
        }
        // Another process may take the free port before the broker does.
        for _ in 0..5 {
            let port = free_port();
            configure(dir.path(), port, options);
            if let Some(child) = spawn(dir.path(), port) {
                let tls = options.tls;
                return Some(Self {
                    child,
                    dir,
                    port,
                    tls,
                });
            }
        }
        panic!("{test}: mosquitto does not start: {}", log(dir.path()));
    }

    /// `mqtt://127.0.0.1:port`, or `mqtts://localhost:port`.
    pub fn url(&self) -> String {
        if self.tls {
            format!("mqtts://localhost:{}", self.port)
        } else {
            format!("mqtt://127.0.0.1:{}", self.port)
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority's certificate (PEM), with `tls`.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for a client and its key (PEM), with `tls`.
    pub fn client_cert(&self) -> (PathBuf, PathBuf) {
        (
            self.dir.path().join("client.pem"),
            self.dir.path().join("client.key"),
        )
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        log(self.dir.path())
    }

    /// Ends it (SIGTERM), which writes down what it keeps, and starts it again.
    ///
    /// # Panics
    /// Where it does not end or does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Ends it (SIGTERM), which writes down what it keeps.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let begun = now();
        while self.child.try_wait().expect("it is our child").is_none() {
            assert!(
                begun.elapsed() < WAIT_MAX,
                "mosquitto does not end: {}",
                self.log()
            );
            pause();
        }
    }

    /// Makes it write down what it keeps.
    ///
    /// # Panics
    /// Where it does not.
    pub fn save(&self) {
        let n_saved = || self.log().matches("Saving in-memory database").count();
        let before = n_saved();
        self.signal("-USR1");
        let begun = now();
        while n_saved() == before {
            assert!(
                begun.elapsed() < WAIT_MAX,
                "mosquitto does not save: {}",
                self.log()
            );
            pause();
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill {signal} {pid} failed"
        );
    }

    /// Ends it at once (SIGKILL): what it has not written down is lost.
    pub fn kill(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it on the same port and with what it had written down, after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        self.child = spawn(self.dir.path(), self.port)
            .unwrap_or_else(|| panic!("mosquitto does not start again: {}", log(self.dir.path())));
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program, where Debian or the path has it.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn configure(dir: &Path, port: u16, options: &MosquittoOptions) {
    let place = dir.display();
    let mut lines = vec![
        format!("listener {port} 127.0.0.1"),
        // Started by root it would become somebody who may not read this folder.
        "user root".into(),
        "persistence true".into(),
        format!("persistence_location {place}/"),
        // Written down within a second of a change.
        "autosave_on_changes true".into(),
        "autosave_interval 1".into(),
        "max_inflight_messages 0".into(),
        "max_queued_messages 0".into(),
        format!("log_dest file {place}/log"),
        "log_type all".into(),
    ];
    match &options.user {
        None => lines.push("allow_anonymous true".into()),
        Some((user, password)) => {
            let file = dir.join("users");
            let made = Command::new(program("mosquitto_passwd").expect("it comes with mosquitto"))
                .arg("-b")
                .arg("-c")
                .args([&file.display().to_string(), user, password])
                .stderr(Stdio::null())
                .status();
            assert!(
                made.is_ok_and(|status| status.success()),
                "mosquitto_passwd failed"
            );
            lines.push("allow_anonymous false".into());
            lines.push(format!("password_file {}", file.display()));
        }
    }
    if options.tls {
        lines.extend(["cafile ca", "certfile server", "keyfile server"].map(|line| {
            let (key, name) = line.split_once(' ').expect("two words each");
            let ending = if key == "keyfile" { "key" } else { "pem" };
            format!("{key} {place}/{name}.{ending}")
        }));
        lines.push(format!("require_certificate {}", options.client_certs));
    }
    lines.extend(options.config.iter().cloned());
    write(&dir.join("conf"), &(lines.join("\n") + "\n"));
}

/// Starts it; `None` where it ends at once.
fn spawn(dir: &Path, port: u16) -> Option<Child> {
    let mut child = Command::new(program("mosquitto")?)
        .arg("-c")
        .arg(dir.join("conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is there");
    let begun = now();
    loop {
        if child.try_wait().expect("it is our child").is_some() {
            return None;
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(child);
        }
        if begun.elapsed() > WAIT_MAX {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        pause();
    }
}

fn write_certificates(dir: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("authority of {}", dir.display()));
    let ca = CertifiedIssuer::self_signed(params, key()).expect("plain parameters");
    write(&dir.join("ca.pem"), &ca.pem());
    for name in ["server", "client"] {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("plain names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = key();
        let cert = params.signed_by(&key, &ca).expect("plain parameters");
        write(&dir.join(format!("{name}.pem")), &cert.pem());
        write(&dir.join(format!("{name}.key")), &key.serialize_pem());
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("this machine has random numbers")
}

fn log(dir: &Path) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

fn write(path: &Path, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(path, text).expect("a folder of our own");
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests wait for other programs, with a bound"
    )]
    Instant::now()
}

fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
