//! As many samples as can be made durable: 1,000 devices, in batches, as fast as acknowledgements come.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bellwether_testkit::postgres::Postgres;

use crate::figures::{Case, Figures, Times};
use crate::ground::Ground;
use crate::http::{Answer, Connection};
use crate::process;
use crate::server::{Plan, Server, Source, Taken};
use crate::tape::{Form, Tape};

const N_DEVICES: usize = 1000;

/// Connections; each sends for devices of its own, so that their samples stay in order.
const N_CONNECTIONS: usize = 8;

/// Instants in a request: 16 of 125 devices are 2,000 samples.
const N_INSTANTS: usize = 16;

/// A pause after a refusal.
const PAUSE: Duration = Duration::from_millis(20);

/// HTTP and a pipe into SQLite, HTTP into PostgreSQL; or all into the database that was asked for.
pub(crate) fn run(ground: &Ground, seconds: Duration, figures: &mut Figures) -> Result<()> {
    let sqlite = |name: &str| format!("sqlite:{}", ground.path(name).display());
    let asked = |name: &str| ground.database().map_or_else(|| sqlite(name), str::to_owned);
    let name = if ground.database().is_some() {
        "database asked for"
    } else {
        "SQLite"
    };
    figures.add(http(
        ground,
        seconds,
        &format!("durable, HTTP, {name}"),
        &asked("http.db"),
    )?);
    if ground.database().is_some() {
        // A second case would meet the samples of the first, and drop its own as duplicates.
        return Ok(());
    }
    figures.add(pipe(
        ground,
        seconds,
        "durable, CSV pipe, SQLite",
        &sqlite("pipe.db"),
    )?);
    if let Some(postgres) = Postgres::start("the load on PostgreSQL") {
        let before = process::postgres_cpu();
        let case = http(ground, seconds, "durable, HTTP, PostgreSQL", &postgres.url())?;
        let cpu = process::postgres_cpu().saturating_sub(before);
        figures.add(case.with("database_cpu_s", cpu.as_secs_f64()));
    }
    Ok(())
}

/// What the senders did.
struct Sent {
    accepted: u64,
    refused: u64,
    times: Times,
}

fn http(ground: &Ground, seconds: Duration, name: &str, database: &str) -> Result<Case> {
    let tape = Tape::read(&ground.recorded(), Form::JsonLines, N_DEVICES)?;
    let plan = Plan {
        source: Source::Http,
        database,
        history: "history-http",
        core: None,
        n_threads: None,
    };
    let load = process::machine_load();
    let server = Server::start(ground, &plan)?;
    let (start, own_before, before) = (Instant::now(), process::cpu(std::process::id()), server.taken());
    let until = start + seconds;
    let sent: Vec<Result<Sent>> = std::thread::scope(|scope| {
        let send = |nth: usize| {
            let (tape, address) = (&tape, server.address());
            scope.spawn(move || {
                let share = tape.n_devices() / N_CONNECTIONS;
                push(
                    tape,
                    nth * share..(nth + 1) * share,
                    Connection::open(address)?,
                    until,
                )
            })
        };
        let senders: Vec<_> = (0..N_CONNECTIONS).map(send).collect();
        let told = senders.into_iter().map(|sender| sender.join());
        told.map(|told| told.unwrap_or_else(|_| Err(anyhow::anyhow!("a sender panicked"))))
            .collect()
    });
    let measured = Measured {
        wall: start.elapsed(),
        own_cpu: process::cpu(std::process::id()).saturating_sub(own_before),
        load,
    };
    let taken = server.taken();
    let mut all = Sent {
        accepted: 0,
        refused: 0,
        times: Times::new(),
    };
    for sent in sent {
        let sent = sent?;
        all.accepted += sent.accepted;
        all.refused += sent.refused;
        all.times.absorb(&sent.times);
    }
    let told = server.end()?;
    let accepted = told.counter("accepted");
    ensure!(
        accepted >= all.accepted as f64,
        "{} samples were acknowledged, the server counts {accepted}",
        all.accepted
    );
    ensure!(
        told.complaints.is_empty(),
        "it complained: {}",
        told.complaints.join("\n")
    );
    let case = measured.case(name, all.accepted as f64, before, taken);
    Ok(case
        .with("ack_p50_ms", all.times.ms(0.5))
        .with("ack_p99_ms", all.times.ms(0.99))
        .with("refused_requests", all.refused as f64)
        .with(
            "samples_per_commit",
            told.counter("accepted") / told.counter("commits"),
        )
        .with("events", told.counter("events")))
}

/// Sends for `devices` until it is time.
fn push(
    tape: &Tape,
    devices: std::ops::Range<usize>,
    mut connection: Connection,
    until: Instant,
) -> Result<Sent> {
    let mut sent = Sent {
        accepted: 0,
        refused: 0,
        times: Times::new(),
    };
    let mut body = Vec::new();
    let mut second = 0;
    while Instant::now() < until {
        body.clear();
        for instant in 0..N_INSTANTS {
            tape.write(devices.clone(), second + instant, &mut body);
        }
        let n_samples = (devices.len() * N_INSTANTS) as u64;
        let sending = Instant::now();
        match connection.post(&body)? {
            Answer::Refused => {
                sent.refused += 1;
                std::thread::sleep(PAUSE);
            }
            Answer::Durable(receipt) => {
                ensure!(
                    receipt.accepted == n_samples,
                    "{n_samples} samples became {receipt:?}"
                );
                sent.times.add(sending.elapsed());
                sent.accepted += n_samples;
                second += N_INSTANTS;
            }
        }
    }
    Ok(sent)
}

fn pipe(ground: &Ground, seconds: Duration, name: &str, database: &str) -> Result<Case> {
    let tape = Tape::read(&ground.recorded(), Form::Csv, N_DEVICES)?;
    let plan = Plan {
        source: Source::Stdin,
        database,
        history: "history-pipe",
        core: None,
        n_threads: None,
    };
    let load = process::machine_load();
    let mut server = Server::start(ground, &plan)?;
    let (start, own_before, before) = (Instant::now(), process::cpu(std::process::id()), server.taken());
    let mut stdin = server.stdin()?;
    stdin.write_all(tape.header().as_bytes())?;
    let (mut lines, mut n_sent) = (Vec::new(), 0);
    for second in 0.. {
        if start.elapsed() >= seconds {
            break;
        }
        lines.clear();
        tape.write(0..tape.n_devices(), second, &mut lines);
        stdin.write_all(&lines)?;
        n_sent += tape.n_devices();
    }
    drop(stdin);
    let (told, taken) = server.ended()?;
    let measured = Measured {
        wall: start.elapsed(),
        own_cpu: process::cpu(std::process::id()).saturating_sub(own_before),
        load,
    };
    let accepted = told.counter("accepted");
    ensure!(
        accepted as u64 == n_sent as u64,
        "{n_sent} samples were sent, {accepted} were taken"
    );
    let case = measured.case(name, accepted, before, taken);
    Ok(case.with("samples_per_commit", accepted / told.counter("commits")))
}

/// What a case took.
struct Measured {
    wall: Duration,
    own_cpu: Duration,
    load: f64,
}

impl Measured {
    fn case(&self, name: &str, accepted: f64, before: Taken, after: Taken) -> Case {
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        Case::new(name)
            .with("samples_per_s", accepted / self.wall.as_secs_f64())
            .with("samples", accepted)
            .with("seconds", self.wall.as_secs_f64())
            .with("server_cpu_s", cpu)
            .with("sender_cpu_s", self.own_cpu.as_secs_f64())
            .with("samples_per_server_cpu_s", accepted / cpu)
            .with("server_peak_mib", after.peak_bytes as f64 / 1048576.0)
            .with("machine_load_before", self.load)
    }
}
