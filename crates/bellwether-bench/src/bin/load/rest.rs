//! `bellwether serve` under load: single samples, batches, judging on demand; then ten times more than it can do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Case, Figures, Times};
use crate::ground::Ground;
use crate::http::{Connection, Said};
use crate::process;
use crate::server::{Plan, Server, Source};
use crate::tape::{Form, Tape};

/// Connections of a case that is measured at its own pace.
const N_CONNECTIONS: usize = 8;

/// Connections of those who send more than can be done.
const N_CROWD: usize = 256;

/// How much more that is.
const OVERLOAD: f64 = 10.0;

/// Samples of a batch, and of a request to judge under overload.
const N_BATCH: usize = 1000;

/// Samples of a request to judge otherwise.
const N_JUDGED: usize = 64;

/// How long the server has to be as before.
const RECOVERY: Duration = Duration::from_secs(10);

/// What is asked again and again.
#[derive(Debug, Clone, Copy)]
enum Ask {
    /// One sample of one device.
    Single,
    /// A batch of samples of one device.
    Batch,
    /// Samples to judge that are not kept, never the same twice.
    Judge(usize),
    /// The same samples to judge again and again.
    Repeat(usize),
}

impl Ask {
    fn kind(self) -> &'static str {
        match self {
            Self::Single => "application/json",
            Self::Batch => "application/x-ndjson",
            Self::Judge(_) | Self::Repeat(_) => "text/csv",
        }
    }
}

/// A request, made in place of the one before.
#[derive(Debug, Default)]
struct Question {
    path: String,
    kind: &'static str,
    body: Vec<u8>,
}

/// All cases, on one server.
pub(crate) fn run(ground: &Ground, seconds: Duration, figures: &mut Figures) -> Result<()> {
    let database = format!("sqlite:{}", ground.path("rest.db").display());
    let plan = Plan {
        source: Source::Rest,
        database: ground.database().unwrap_or(&database),
        history: "history-rest",
        core: None,
        n_threads: None,
    };
    let starting = Instant::now();
    let server = Server::start(ground, &plan)?;
    let ready = starting.elapsed();
    sleep(Duration::from_secs(3));
    figures.add(
        Case::new("REST, at rest")
            .with("ready_ms", ready.as_secs_f64() * 1e3)
            .with("idle_mib", mib(process::resident_bytes(server.pid())))
            .with("binary_mb", std::fs::metadata(ground.bin())?.len() as f64 / 1e6),
    );
    let bodies = Bodies::read(ground)?;
    let cases = [
        ("REST, single samples", Ask::Single),
        ("REST, batches of 1,000", Ask::Batch),
        ("REST, judging 64 samples", Ask::Judge(N_JUDGED)),
        ("REST, judging 1,000 samples", Ask::Judge(N_BATCH)),
        ("REST, judging the same 64 samples again", Ask::Repeat(N_JUDGED)),
    ];
    let mut rates = Vec::new();
    for (name, ask) in cases {
        let asked = at_own_pace(&bodies, server.address(), ask, seconds)?;
        ensure!(asked.broken == 0, "{name}: {} requests broke off", asked.broken);
        asked.check_cache(name, ask)?;
        rates.push(asked.rate());
        figures.add(asked.case(name));
    }
    for (name, ask, rate) in [
        ("REST, 10 x as many single samples", Ask::Single, rates[0]),
        ("REST, 10 x as many batches", Ask::Batch, rates[1]),
        ("REST, 10 x as much judging", Ask::Judge(N_BATCH), rates[3]),
    ] {
        figures.add(overload(&bodies, &server, name, ask, rate, seconds)?);
    }
    server.end()?;
    Ok(())
}

/// What requests hold.
struct Bodies {
    tape: Tape,
    header: String,
    rows: Vec<String>,
    /// The first instant that a sender has not sent yet for its device: no sample is a repetition, and none is missing.
    next_instant: Vec<AtomicU64>,
    /// Requests to judge so far.
    n_judged: AtomicU64,
}

impl Bodies {
    fn read(ground: &Ground) -> Result<Self> {
        let path = ground.recorded();
        let text = std::fs::read_to_string(&path)?;
        let mut lines = text.lines();
        let header = lines.next().context("a header")?.to_owned();
        let first = lines.clone().next().and_then(|line| line.split(',').nth(1));
        let device = first.context("a device")?.to_owned();
        let of_device = lines.filter(|line| line.split(',').nth(1) == Some(&*device));
        Ok(Self {
            tape: Tape::read(&path, Form::JsonLines, N_CROWD)?,
            header,
            rows: of_device.map(str::to_owned).collect(),
            next_instant: (0..N_CROWD).map(|_| AtomicU64::new(0)).collect(),
            n_judged: AtomicU64::new(0),
        })
    }

    /// The next request; `sender` keeps time for itself.
    fn next(&self, ask: Ask, sender: usize, into: &mut Question) {
        let Question { path, kind, body } = into;
        path.clear();
        body.clear();
        *kind = ask.kind();
        match ask {
            Ask::Single => {
                path.push_str("/api/v1/data/ingest");
                self.tape.write(sender..sender + 1, self.instant(sender, 1), body);
            }
            Ask::Batch => {
                path.push_str("/api/v1/data/batch");
                let first = self.instant(sender, N_BATCH);
                for second in first..first + N_BATCH {
                    self.tape.write(sender..sender + 1, second, body);
                }
            }
            Ask::Judge(n_rows) => {
                // The recording has too few rows for other ones each time, and the same question would be answered
                // from memory: another device makes it another question.
                let nth = self.n_judged.fetch_add(1, Ordering::Relaxed) as usize;
                *path = format!("/api/v1/detect?model=load&device=load-{sender}-{nth}");
                self.rows(sender * 131 + nth * 17, n_rows, body);
            }
            Ask::Repeat(n_rows) => {
                path.push_str("/api/v1/detect?model=load&device=load-again");
                self.rows(0, n_rows, body);
            }
        }
    }

    /// A table of rows that follow each other.
    fn rows(&self, first: usize, n_rows: usize, into: &mut Vec<u8>) {
        let first = first % (self.rows.len() - n_rows);
        into.extend_from_slice(self.header.as_bytes());
        for row in &self.rows[first..first + n_rows] {
            into.push(b'\n');
            into.extend_from_slice(row.as_bytes());
        }
        into.push(b'\n');
    }

    /// The first of the next `n` instants of a sender's device.
    fn instant(&self, sender: usize, n: usize) -> usize {
        self.next_instant[sender].fetch_add(n as u64, Ordering::Relaxed) as usize
    }
}

/// What became of requests.
struct Asked {
    accepted: Times,
    refused: Times,
    n_accepted: u64,
    n_refused: u64,
    /// Accepted ones whose answer was in memory.
    n_hits: u64,
    broken: u64,
    wall: Duration,
}

impl Asked {
    fn new() -> Self {
        Self {
            accepted: Times::new(),
            refused: Times::new(),
            n_accepted: 0,
            n_refused: 0,
            n_hits: 0,
            broken: 0,
            wall: Duration::ZERO,
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.accepted.absorb(&other.accepted);
        self.refused.absorb(&other.refused);
        self.n_accepted += other.n_accepted;
        self.n_refused += other.n_refused;
        self.n_hits += other.n_hits;
        self.broken += other.broken;
    }

    fn rate(&self) -> f64 {
        self.n_accepted as f64 / self.wall.as_secs_f64()
    }

    /// Whether the server had to judge, or not to, as the case means.
    fn check_cache(&self, name: &str, ask: Ask) -> Result<()> {
        let n_hits = self.n_hits;
        match ask {
            Ask::Repeat(_) => {
                let n_misses = self.n_accepted - n_hits;
                ensure!(
                    n_misses <= N_CONNECTIONS as u64,
                    "{name}: {n_misses} requests were judged anew"
                );
            }
            Ask::Single | Ask::Batch | Ask::Judge(_) => {
                ensure!(n_hits == 0, "{name}: {n_hits} requests were answered from memory");
            }
        }
        Ok(())
    }

    fn case(&self, name: &str) -> Case {
        Case::new(name)
            .with("requests_per_s", self.rate())
            .with("p50_ms", self.accepted.ms(0.5))
            .with("p99_ms", self.accepted.ms(0.99))
            .with("refused_requests", self.n_refused as f64)
    }

    /// Asks once.
    fn ask(
        &mut self,
        connection: &mut Option<Connection>,
        address: SocketAddr,
        question: &Question,
    ) -> Result<()> {
        let Question { path, kind, body } = question;
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(address)?),
        };
        let sent = Instant::now();
        match open.ask(path, kind, body) {
            Ok(Said {
                status: 200,
                is_last,
                is_hit,
            }) => {
                self.accepted.add(sent.elapsed());
                self.n_accepted += 1;
                self.n_hits += u64::from(is_hit);
                if is_last {
                    *connection = None;
                }
            }
            Ok(Said {
                status: 429 | 503,
                is_last,
                ..
            }) => {
                self.refused.add(sent.elapsed());
                self.n_refused += 1;
                if is_last {
                    *connection = None;
                }
            }
            Ok(Said { status, .. }) => anyhow::bail!("{path} was answered with {status}"),
            Err(_) => {
                self.broken += 1;
                *connection = None;
            }
        }
        Ok(())
    }
}

/// Each connection asks again as soon as it is answered.
fn at_own_pace(bodies: &Bodies, address: SocketAddr, ask: Ask, seconds: Duration) -> Result<Asked> {
    let start = Instant::now();
    let mut all = together(N_CONNECTIONS, |sender| {
        let mut asked = Asked::new();
        let (mut connection, mut question) = (None, Question::default());
        while start.elapsed() < seconds {
            bodies.next(ask, sender, &mut question);
            asked.ask(&mut connection, address, &question)?;
        }
        Ok(asked)
    })?;
    all.wall = start.elapsed();
    Ok(all)
}

/// Ten times as many requests as the server can do, whether or not it answers; then as before.
fn overload(
    bodies: &Bodies,
    server: &Server,
    name: &str,
    ask: Ask,
    rate: f64,
    seconds: Duration,
) -> Result<Case> {
    let address = server.address();
    let offered = rate * OVERLOAD;
    let tickets = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let before = process::resident_bytes(server.pid());
    // The crowd's first requests are written before the clock starts: written all at once they would come late, and then
    // in one burst that is far more than ten times too much.
    let (is_prepared, start) = (Barrier::new(N_CROWD), OnceLock::new());
    let (all, health) = std::thread::scope(|scope| -> Result<_> {
        let health = scope.spawn(|| watch_health(address, &is_over));
        let all = together(N_CROWD, |sender| {
            let mut asked = Asked::new();
            let (mut connection, mut question) = (None, Question::default());
            bodies.next(ask, sender, &mut question);
            is_prepared.wait();
            let start = start.get_or_init(Instant::now);
            loop {
                let ticket = tickets.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(ticket as f64 / offered);
                if due >= seconds || start.elapsed() >= seconds {
                    return Ok(asked);
                }
                sleep(due.saturating_sub(start.elapsed()));
                asked.ask(&mut connection, address, &question)?;
                bodies.next(ask, sender, &mut question);
            }
        });
        is_over.store(true, Ordering::Relaxed);
        let health = health
            .join()
            .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        Ok((all?, health))
    })?;
    let wall = start.get().context("nobody was there")?.elapsed().as_secs_f64();
    all.check_cache(name, ask)?;
    let peak = server.taken().peak_bytes;
    sleep(RECOVERY);
    let resident_after = process::resident_bytes(server.pid());
    let after = at_own_pace(bodies, address, ask, Duration::from_secs(3))?;
    let n_asked = all.n_accepted + all.n_refused + all.broken;
    Ok(Case::new(name)
        .with("offered_per_s", n_asked as f64 / wall)
        .with("accepted_per_s", all.n_accepted as f64 / wall)
        .with("goodput_of_peak", all.n_accepted as f64 / wall / rate)
        .with("accepted_p50_ms", all.accepted.ms(0.5))
        .with("accepted_p99_ms", all.accepted.ms(0.99))
        .with("refused_per_s", all.n_refused as f64 / wall)
        .with("refused_p50_ms", all.refused.ms(0.5))
        .with("refused_p99_ms", all.refused.ms(0.99))
        .with("refused_max_ms", all.refused.ms(1.0))
        .with("broken_off", all.broken as f64)
        .with("health_p99_ms", health.ms(0.99))
        .with("resident_before_mib", mib(before))
        .with("server_peak_mib", mib(peak))
        .with("resident_after_mib", mib(resident_after))
        .with("after_10_s_of_peak", after.rate() / rate)
        .with("after_10_s_p99_ms", after.accepted.ms(0.99)))
}

fn watch_health(address: SocketAddr, is_over: &AtomicBool) -> Result<Times> {
    let mut times = Times::new();
    let mut connection = Connection::open(address)?;
    while !is_over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        if connection.is_ready().is_err() {
            connection = Connection::open(address)?;
        }
        times.add(sent.elapsed());
        sleep(Duration::from_millis(100));
    }
    Ok(times)
}

/// What all senders met.
fn together(n: usize, send: impl Fn(usize) -> Result<Asked> + Sync) -> Result<Asked> {
    let asked: Vec<Result<Asked>> = std::thread::scope(|scope| {
        let send = &send;
        let senders: Vec<_> = (0..n).map(|nth| scope.spawn(move || send(nth))).collect();
        let told = senders.into_iter().map(|sender| sender.join());
        told.map(|told| told.unwrap_or_else(|_| Err(anyhow::anyhow!("a sender panicked"))))
            .collect()
    });
    let mut all = Asked::new();
    for asked in asked {
        all.absorb(&asked?);
    }
    Ok(all)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1048576.0
}
