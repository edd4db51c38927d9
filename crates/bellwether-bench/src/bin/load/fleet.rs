//! 10,000 devices with one sample a second each: how long a sample waits for its verdict, the server on one core and
//! the senders on another.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Case, Figures, Times};
use crate::ground::Ground;
use crate::http::{Answer, Connection, Receipt};
use crate::process;
use crate::server::{Plan, Server, Source};
use crate::tape::{Form, Tape};

const N_DEVICES: usize = 10_000;

/// Requests in a second; each has one sample of every hundredth part of the fleet.
const N_TICKS: usize = 100;

/// Connections; each has its turn twice a second, for devices of its own.
const N_CONNECTIONS: usize = 50;

/// Until windows are full and every sample is judged.
const WARM_UP: usize = 20;

/// Cores of the senders and of the server.
const CORES: (usize, usize) = (0, 1);

/// Measures for `seconds`, after windows have filled.
pub(crate) fn run(ground: &Ground, seconds: Duration, figures: &mut Figures) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_apart = cores > CORES.1;
    if is_apart {
        stay_on_core(CORES.0)?;
    } else {
        eprintln!("there is one core only: the senders take from the server");
    }
    let tape = Tape::read(&ground.recorded(), Form::JsonLines, N_DEVICES)?;
    let sqlite = format!("sqlite:{}", ground.path("fleet.db").display());
    let plan = Plan {
        source: Source::Http,
        database: ground.database().unwrap_or(&sqlite),
        history: "history-fleet",
        core: is_apart.then_some(CORES.1),
        n_threads: Some(1),
    };
    let load = process::machine_load();
    let server = Server::start(ground, &plan)?;
    let n_seconds = WARM_UP + seconds.as_secs() as usize;
    let start = Instant::now();
    let (sent, cpu_before) = std::thread::scope(|scope| -> Result<_> {
        let senders = (0..N_CONNECTIONS).map(|nth| {
            let (tape, address) = (&tape, server.address());
            scope.spawn(move || push(tape, nth, Connection::open(address)?, start, n_seconds))
        });
        let senders: Vec<_> = senders.collect();
        std::thread::sleep(Duration::from_secs(WARM_UP as u64).saturating_sub(start.elapsed()));
        let cpu_before = (server.taken().cpu, process::cpu(std::process::id()));
        let mut all = Sent::new();
        for sender in senders {
            let sent = sender
                .join()
                .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
            all.absorb(&sent);
        }
        Ok((all, cpu_before))
    })?;
    let measured_s = start.elapsed().as_secs_f64() - WARM_UP as f64;
    let taken = server.taken();
    let own_cpu = process::cpu(std::process::id()).saturating_sub(cpu_before.1);
    let told = server.end()?;
    ensure!(
        told.counter("accepted") >= sent.receipt.accepted as f64,
        "{} samples were acknowledged, the server counts {}",
        sent.receipt.accepted,
        told.counter("accepted")
    );
    ensure!(
        told.complaints.is_empty(),
        "it complained: {}",
        told.complaints.join("\n")
    );
    let server_cpu = taken.cpu.saturating_sub(cpu_before.0).as_secs_f64();
    let case = Case::new("fleet, 10,000 devices at 1 Hz, HTTP, one core")
        .with("offered_samples_per_s", N_DEVICES as f64)
        .with("acknowledged_per_s", sent.measured as f64 / measured_s)
        .with("verdict_p50_ms", sent.from_sending.ms(0.5))
        .with("verdict_p99_ms", sent.from_sending.ms(0.99))
        .with("verdict_max_ms", sent.from_sending.ms(1.0))
        .with("verdict_since_due_p99_ms", sent.since_due.ms(0.99))
        .with("server_lag_p50_ms", told.counter("lag_p50_ms"))
        .with("server_lag_p99_ms", told.counter("lag_p99_ms"))
        .with("server_core_share", server_cpu / measured_s)
        .with("sender_core_share", own_cpu.as_secs_f64() / measured_s)
        .with("server_peak_mib", taken.peak_bytes as f64 / 1048576.0)
        .with("refused_requests", sent.refused as f64)
        .with(
            "late_or_duplicate",
            (sent.receipt.late + sent.receipt.duplicate) as f64,
        )
        .with(
            "samples_per_commit",
            told.counter("accepted") / told.counter("commits"),
        )
        .with("events", told.counter("events"))
        .with("machine_load_before", load);
    figures.add(case);
    Ok(())
}

/// What senders did.
struct Sent {
    receipt: Receipt,
    /// Samples acknowledged after the warm-up.
    measured: u64,
    refused: u64,
    from_sending: Times,
    /// From when the samples were due: a sender that waits for an earlier answer is late.
    since_due: Times,
}

impl Sent {
    fn new() -> Self {
        Self {
            receipt: Receipt::default(),
            measured: 0,
            refused: 0,
            from_sending: Times::new(),
            since_due: Times::new(),
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.add(other.receipt);
        self.measured += other.measured;
        self.refused += other.refused;
        self.from_sending.absorb(&other.from_sending);
        self.since_due.absorb(&other.since_due);
    }

    fn add(&mut self, receipt: Receipt) {
        self.receipt.accepted += receipt.accepted;
        self.receipt.duplicate += receipt.duplicate;
        self.receipt.late += receipt.late;
        self.receipt.quarantined += receipt.quarantined;
    }
}

/// Sends every `N_CONNECTIONS`th request, when it is due.
fn push(
    tape: &Tape,
    nth: usize,
    mut connection: Connection,
    start: Instant,
    n_seconds: usize,
) -> Result<Sent> {
    let mut sent = Sent::new();
    let share = N_DEVICES / N_TICKS;
    let mut body = Vec::new();
    for tick in (nth..n_seconds * N_TICKS).step_by(N_CONNECTIONS) {
        let (second, part) = (tick / N_TICKS, tick % N_TICKS);
        body.clear();
        tape.write(part * share..(part + 1) * share, second, &mut body);
        let due = start + Duration::from_secs(1) * tick as u32 / N_TICKS as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sending = Instant::now();
        match connection.post(&body)? {
            Answer::Refused => sent.refused += 1,
            Answer::Durable(receipt) => {
                ensure!(receipt.quarantined == 0, "samples were refused: {receipt:?}");
                sent.add(receipt);
                if second >= WARM_UP {
                    sent.measured += receipt.accepted;
                    sent.from_sending.add(sending.elapsed());
                    sent.since_due.add(due.elapsed());
                }
            }
        }
    }
    Ok(sent)
}

/// Ties this process, and threads that it will start, to one core.
fn stay_on_core(core: usize) -> Result<()> {
    let status = Command::new("taskset")
        .args(["-cp", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset is missing: it comes with util-linux")?;
    ensure!(status.success(), "taskset ended with {status}");
    Ok(())
}
