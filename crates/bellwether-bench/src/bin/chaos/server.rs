//! The program that is broken: started, killed, asked whether it is ready.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::ground::{Ground, MODEL};

/// How long it may take to be ready where the machine does much else.
const READY_MAX: Duration = Duration::from_secs(60);

/// How it is run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) config: PathBuf,
    log: PathBuf,
}

impl Plan {
    /// Writes the configuration: HTTP push, MQTT if there is a broker, alerts to a webhook.
    pub(crate) fn write(
        ground: &Ground,
        database: &str,
        broker: Option<&str>,
        webhook: SocketAddr,
    ) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], bellwether_testkit::peer::free_port()));
        let mqtt = broker.map_or_else(String::new, |url| {
            format!("[[sources]]\ntype = \"mqtt\"\nurl = \"{url}\"\ntopics = [\"plant/data\"]\nclient_id = \"chaos\"\n")
        });
        let text = format!(
            "[storage]\nurl = {database:?}\nhistory = \"history\"\nroll_len = 20000\n\
             [models]\ndefault = \"{MODEL}\"\nregistry = \"models\"\n\
             [[sources]]\ntype = \"http\"\nlisten = \"{address}\"\n{mqtt}\
             [alerts]\nbackoff_min = \"100ms\"\nbackoff_max = \"1s\"\n\
             [[alerts.channels]]\ntype = \"webhook\"\nurl = \"http://{webhook}/hook\"\n\
             [log]\nlevel = \"info\"\n"
        );
        let config = ground.path("live.toml");
        std::fs::write(&config, text)?;
        Ok(Self {
            address,
            config,
            log: ground.path("live.log"),
        })
    }

    /// Starts it, behind `wrapper` if there is one, and does not wait.
    pub(crate) fn start(&self, ground: &Ground, wrapper: &[String]) -> Result<Server> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut words = wrapper.iter();
        let mut command = match words.next() {
            None => Command::new(ground.bin()),
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(ground.bin());
                command
            }
        };
        let child = command
            .args(["stream", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Server {
            child,
            address: self.address,
        })
    }

    /// Starts it and waits until it is ready; how long that took.
    pub(crate) fn start_ready(&self, ground: &Ground) -> Result<(Server, Duration)> {
        let begun = Instant::now();
        let mut server = self.start(ground, &[])?;
        while !server.is_ready() {
            if let Some(status) = server.child.try_wait()? {
                bail!(
                    "it ended with {status} instead of being ready: {}",
                    self.last_log()
                );
            }
            ensure!(
                begun.elapsed() < READY_MAX,
                "it is not ready after {READY_MAX:?}: {}",
                self.last_log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((server, begun.elapsed()))
    }

    /// Fails where the log tells of a panic.
    pub(crate) fn no_panic(&self) -> Result<()> {
        let log = std::fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        match log.lines().find(|line| line.contains("panicked")) {
            Some(line) => bail!("it panicked: {line}"),
            None => Ok(()),
        }
    }

    fn last_log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }
}

/// The program at work; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Whether samples are being made durable.
    pub(crate) fn is_ready(&self) -> bool {
        request(self.address, "GET /health/ready HTTP/1.1", "", b"").is_ok_and(|(status, _)| status == 200)
    }

    /// Whether it has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends the tracer that it runs under; the program goes on.
    pub(crate) fn let_go(&self) -> Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn end(mut self) -> Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: status, and all of the answer.
pub(crate) fn request(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(40)))?;
    stream.set_write_timeout(Some(Duration::from_secs(40)))?;
    let len = body.len();
    let head =
        format!("{line}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .context("no status")?;
    Ok((status, answer))
}
