//! Other programs, started for a test and killed with it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen; generous, for machines that do much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A child process, killed when dropped.
#[derive(Debug)]
pub struct Peer(Child);

impl Peer {
    /// Starts the command; it reads nothing and its output is dropped.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) => panic!("cannot start {command:?}: {error}"),
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is, looked for in `PATH` and where Debian puts servers.
///
/// `None`, with a line on stderr naming `test`, where it is not installed. Under `CI=true` absence is a failure.
///
/// # Panics
/// Where it is absent and `CI` is set.
pub fn program(test: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        missing(test, name);
    }
    found
}

/// A Python that has a module; Debian's own is not always the first in `PATH`.
///
/// `None`, with a line on stderr naming `test`, where there is none. Under `CI=true` absence is a failure.
///
/// # Panics
/// Where it is absent and `CI` is set.
pub fn python_with(test: &str, module: &str) -> Option<&'static str> {
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut probe = Command::new(python);
        probe
            .args(["-c", &format!("import {module}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    if found.is_none() {
        missing(test, &format!("Python's {module}"));
    }
    found
}

/// Says that a test is skipped for want of `what`.
///
/// # Panics
/// Where `CI` is set.
pub fn missing(test: &str, what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{test}: {what} is not installed: CI must have it"
    );
    eprintln!("skipped {test}: {what} is not installed");
}

/// A port of the loopback that nobody uses now. Somebody else may take it before it is used: see [`serving`].
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// Starts a server on a free port and waits until it takes connections; tries another port where it ends at once.
///
/// # Panics
/// Where it does not serve within [`PATIENCE`], or ends five times.
pub fn serving(mut start: impl FnMut(u16) -> Peer) -> (Peer, u16) {
    for _ in 0..5 {
        let port = free_port();
        let mut peer = start(port);
        let mut has_ended = false;
        wait_until("the server takes connections", || {
            has_ended = peer.has_ended();
            has_ended || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        if !has_ended {
            return (peer, port);
        }
    }
    panic!("the server ends at once, five times");
}

/// Waits until something holds.
///
/// # Panics
/// Where it does not within [`PATIENCE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests wait by the clock of this machine"
    )]
    let begin = Instant::now();
    while !holds() {
        assert!(
            begin.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain until {what}"
        );
        sleep(Duration::from_millis(20));
    }
}
