//! A real PostgreSQL server for a test: its own files, its own port, gone with the test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Tries to start, in pauses of [`PAUSE`]: a minute, since a busy machine is slow.
const TRIES: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// A server on a port of the loopback interface, with a database `bellwether` of user `bellwether`.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes and starts a server.
    ///
    /// `None`, with a line on stderr naming `test`, where PostgreSQL is not installed. Under `CI=true` that is a
    /// failure.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start(test: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{test}: PostgreSQL is not installed: CI must have it"
            );
            eprintln!("skipped {test}: PostgreSQL is not installed");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(dir.path()));
        }
        let mut made = Self {
            programs,
            dir,
            port: 0,
            server: None,
        };
        let mut initdb = made.program("initdb");
        initdb.args([
            "--username=bellwether",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "-D",
        ]);
        run(initdb.arg(made.data()));
        made.serve();
        let mut createdb = made.program("createdb");
        createdb.args([
            "-h",
            "127.0.0.1",
            "-U",
            "bellwether",
            "-p",
            &made.port.to_string(),
            "bellwether",
        ]);
        run(&mut createdb);
        Some(made)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("postgres://bellwether@127.0.0.1:{}/bellwether", self.port)
    }

    /// Stops the server; connections break.
    ///
    /// # Panics
    /// Where it does not stop.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut stop = self.program("pg_ctl");
            run(stop.args(["stop", "-m", "immediate", "-D"]).arg(self.data()));
            server.wait().expect("the server is a child of ours");
        }
    }

    /// Stops the server and starts it again, on the same port.
    ///
    /// # Panics
    /// Where it does not.
    pub fn restart(&mut self) {
        self.stop();
        self.serve();
    }

    /// Starts the server, where it is stopped; on the same port as before.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn serve(&mut self) {
        for _ in 0..TRIES {
            if self.server.is_none() {
                if self.port == 0 {
                    self.port = free_port();
                }
                self.server = Some(self.spawn());
            }
            std::thread::sleep(PAUSE);
            let mut ready = self.program("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().expect("pg_isready runs").success() {
                return;
            }
            // Another process may have taken the port since it was found free.
            let server = self.server.as_mut().expect("just started");
            if server
                .try_wait()
                .expect("the server is a child of ours")
                .is_some()
            {
                self.server = None;
            }
        }
        panic!("PostgreSQL did not start; see {}", self.log().display());
    }

    fn spawn(&self) -> Child {
        let socket = format!("unix_socket_directories={}", self.dir.path().display());
        let mut server = self.program("postgres");
        server
            .args([
                "-p",
                &self.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                &socket,
            ])
            .args(["-c", "logging_collector=off", "-c", "shared_buffers=16MB", "-D"])
            .arg(self.data());
        #[expect(
            clippy::disallowed_methods,
            reason = "the log of a server that only tests start"
        )]
        let log = std::fs::File::create(self.log()).expect("a file in our own folder");
        server.stderr(log).stdout(Stdio::null());
        server.spawn().expect("the server program starts")
    }

    /// One of the programs, run as a user whom PostgreSQL accepts: it refuses root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            // The process becomes the program, so that stopping it stops the program.
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().with_extension("log")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // SIGQUIT ends the server with all of its children at once; killing it would leave them behind.
            let mut stop = self.program("pg_ctl");
            let stop = stop
                .args(["stop", "-m", "immediate", "-W", "-s", "-D"])
                .arg(self.data());
            if !stop.status().is_ok_and(|status| status.success()) {
                let _ = server.kill();
            }
            let _ = server.wait();
        }
        let _ = std::fs::remove_file(self.log());
    }
}

/// The folder of the server programs: the newest that Debian has installed, or that of `initdb` on the path.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let version = |path: &Path| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let newest = installed
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"));
    newest.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

fn is_root() -> bool {
    // Owner of what this process is: the user it runs as.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback interface");
    listener.local_addr().expect("it is bound").port()
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
