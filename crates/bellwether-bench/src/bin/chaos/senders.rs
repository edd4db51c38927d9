//! Who sends: over HTTP until it is acknowledged, over MQTT until the broker has it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::ground::Ground;
use crate::server::request;

/// A batch that nobody acknowledges for so long is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// What HTTP senders have met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Requests that were not acknowledged, and sent again.
    pub(crate) n_again: AtomicUsize,
    /// Answers 503 or 507 among them.
    pub(crate) n_refused: AtomicUsize,
}

/// Sends rows of these devices in batches of so many rows, at so many samples a second at most.
pub(crate) fn http(
    ground: &Ground,
    devices: &[Arc<str>],
    rows: std::ops::Range<usize>,
    rows_at_once: usize,
    (address, rate): (SocketAddr, usize),
    met: &Met,
) -> Result<()> {
    let begun = Instant::now();
    let first = rows.start;
    for from in rows.clone().step_by(rows_at_once) {
        let to = (from + rows_at_once).min(rows.end);
        let body: String = ground.lines(devices, from..to).map(|line| line + "\n").collect();
        let due = Duration::from_secs_f64(((from - first) * devices.len()) as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let headers = format!(
            "Content-Type: application/x-ndjson\r\nIdempotency-Key: batch-{}-{from}\r\n",
            devices[0]
        );
        let tried = Instant::now();
        loop {
            match request(
                address,
                "POST /api/v1/data/batch HTTP/1.1",
                &headers,
                body.as_bytes(),
            ) {
                Ok((200, answer)) => {
                    ensure!(
                        answer.contains("\"quarantined\":0"),
                        "samples in quarantine: {answer}"
                    );
                    break;
                }
                Ok((503 | 507 | 429, answer)) => {
                    ensure!(
                        answer.to_ascii_lowercase().contains("retry-after"),
                        "no Retry-After: {answer}"
                    );
                    met.n_refused.fetch_add(1, Ordering::Relaxed);
                }
                Ok((status, answer)) => bail!("answered {status}: {answer}"),
                Err(_) => {}
            }
            met.n_again.fetch_add(1, Ordering::Relaxed);
            ensure!(
                tried.elapsed() < PATIENCE,
                "a batch was not taken for {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Publishes rows of these devices at quality of service 1, some rows to a message.
pub(crate) fn mqtt(
    ground: &Ground,
    devices: &[Arc<str>],
    rows_at_once: usize,
    port: u16,
    rate: usize,
) -> Result<()> {
    let mut child = Command::new("mosquitto_pub")
        .args([
            "-p",
            &port.to_string(),
            "-t",
            "plant/data",
            "-q",
            "1",
            "-l",
            "-i",
            "chaos-sender",
            "-c",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start mosquitto_pub")?;
    let mut stdin = child.stdin.take().context("stdin is a pipe")?;
    let begun = Instant::now();
    let n_rows = ground.devices[&devices[0]].len();
    for from in (0..n_rows).step_by(rows_at_once) {
        let lines: Vec<String> = ground
            .lines(devices, from..(from + rows_at_once).min(n_rows))
            .collect();
        let due = Duration::from_secs_f64((from * devices.len()) as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        writeln!(stdin, "[{}]", lines.join(","))?;
    }
    drop(stdin);
    let status = child.wait()?;
    ensure!(status.success(), "mosquitto_pub ended with {status}");
    Ok(())
}
