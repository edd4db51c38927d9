//! The program that is measured: started, asked what it took, and ended in order.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bellwether_testkit::peer;
use serde_json::Value;

use crate::ground::{Ground, MODEL};
use crate::http::Connection;
use crate::process;

/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(60);

/// How long it may take to end: what is in the pipe is still judged.
const END_MAX: Duration = Duration::from_secs(120);

/// `bellwether stream` at work; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: Receiver<Value>,
    told: Told,
}

/// Where it takes samples from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// HTTP push.
    Http,
    /// Stdin, as CSV.
    Stdin,
    /// The whole service.
    Rest,
}

/// How it is to run.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Where samples come from.
    pub(crate) source: Source,
    /// The database.
    pub(crate) database: &'a str,
    /// The folder of the history, by name.
    pub(crate) history: &'a str,
    /// The one core that it may use.
    pub(crate) core: Option<usize>,
    /// Threads that judge, where it is not to decide by itself.
    pub(crate) n_threads: Option<usize>,
}

/// What it took so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// CPU time.
    pub(crate) cpu: Duration,
    /// The most memory at once, in bytes.
    pub(crate) peak_bytes: u64,
}

/// What its log says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The last line with all counters.
    pub(crate) so_far: Value,
    /// Warnings and errors, the first few.
    pub(crate) complaints: Vec<String>,
    is_started: bool,
}

/// Complaints kept.
const COMPLAINTS_MAX: usize = 10;

impl Server {
    /// Starts it and waits until it takes samples.
    pub(crate) fn start(ground: &Ground, plan: &Plan<'_>) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], peer::free_port()));
        let mut command = match plan.core {
            None => Command::new(ground.bin()),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(ground.bin());
                command
            }
        };
        match plan.source {
            Source::Http => command.args(["stream", "--from", &format!("http://{address}")]),
            Source::Stdin => command.args(["stream", "--from", "-"]),
            Source::Rest => command.args(["serve", "--auth", "none", "--listen", &address.to_string()]),
        };
        command.args(["--log-format", "json", "--model", MODEL]);
        command.arg("--registry").arg(ground.registry());
        command.arg("--history").arg(ground.path(plan.history));
        command.args(["--database", plan.database]);
        if let Some(n_threads) = plan.n_threads {
            command.args(["--threads", &n_threads.to_string()]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stderr = child.stderr.take().context("stderr is a pipe")?;
        let mut server = Self {
            child,
            address,
            log: follow(stderr),
            told: Told::default(),
        };
        let started = Instant::now();
        while !server.is_ready(plan.source) {
            if server.child.try_wait()?.is_some() || started.elapsed() > START_MAX {
                bail!("it did not start: {}", server.told.complaints.join("\n"));
            }
            sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its stdin, once.
    pub(crate) fn stdin(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().context("stdin was taken already")
    }

    /// What it took so far.
    pub(crate) fn taken(&self) -> Taken {
        Taken {
            cpu: process::cpu(self.child.id()),
            peak_bytes: process::peak_bytes(self.child.id()),
        }
    }

    /// Asks it to end, and gives what its log said.
    pub(crate) fn end(self) -> Result<Told> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        asked.context("cannot run kill")?;
        self.ended().map(|(told, _)| told)
    }

    /// Waits for its end, and gives what its log said and what it took till shortly before.
    pub(crate) fn ended(mut self) -> Result<(Told, Taken)> {
        let asked = Instant::now();
        let mut taken = self.taken();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if asked.elapsed() > END_MAX {
                bail!("it does not end");
            }
            let now = self.taken();
            if now.peak_bytes > 0 {
                taken = now;
            }
            sleep(Duration::from_millis(10));
        };
        self.listen(Duration::from_secs(5));
        let told = std::mem::take(&mut self.told);
        if !status.success() {
            bail!("it ended with {status}: {}", told.complaints.join("\n"));
        }
        Ok((told, taken))
    }

    fn is_ready(&mut self, source: Source) -> bool {
        self.listen(Duration::ZERO);
        match source {
            Source::Stdin => self.told.is_started,
            Source::Http | Source::Rest => Connection::open(self.address)
                .is_ok_and(|mut connection| connection.is_ready().unwrap_or(false)),
        }
    }

    /// Takes in the lines of the log, until there are none for `wait`.
    fn listen(&mut self, wait: Duration) {
        loop {
            match self.log.recv_timeout(wait) {
                Ok(line) => self.told.line(&line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Told {
    /// A counter of the last report.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        self.so_far[name].as_f64().unwrap_or(f64::NAN)
    }

    fn line(&mut self, line: &Value) {
        let fields = &line["fields"];
        match fields["message"].as_str() {
            Some("started") => self.is_started = true,
            Some("so far") => self.so_far = fields.clone(),
            _ => {}
        }
        let is_complaint = matches!(line["level"].as_str(), Some("WARN" | "ERROR")) || line.is_string();
        if is_complaint && self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(line.to_string());
        }
    }
}

/// The lines of the log, until it ends; what is no JSON comes as text.
fn follow(stderr: ChildStderr) -> Receiver<Value> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}
