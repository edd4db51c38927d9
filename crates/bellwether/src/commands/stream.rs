//! `stream`: the live system, from its configuration to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::Database;
use bellwether_store::history::{self, RollSpec};
use bellwether_stream::alert::Notifier;
use bellwether_stream::alert::suppressions;
use bellwether_stream::arrival::Inlet;
use bellwether_stream::clock;
use bellwether_stream::live::{Live, LiveError, LiveRules, Settings, Stats};
use bellwether_stream::source::{SourceError, Stop};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing_subscriber::EnvFilter;

use crate::cli::StreamArgs;
use crate::commands::config::environment;
use crate::config;
use crate::config::checked::{Checked, LogFormat, LogLevel, LogSpec, SourceSpec};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::wiring;

/// Threads for sources, sinks and the database; judging has its own.
const ASYNC_THREADS: usize = 2;

/// How often the log says how things go.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// How often the history is looked after.
const ROLL_EVERY: Duration = Duration::from_secs(5);

/// Commits that those who follow may lie behind.
const COMMITTED_LEN_MAX: usize = 256;

/// How long the end waits for messages that are on their way.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &StreamArgs, output: &Output) -> Result<(), Failure> {
    let loaded = load(args, output)?;
    if loaded.sources.is_empty() {
        return Err(Failure::Usage(
            "nothing to judge: give --from URL, or [[sources]] in a configuration file".to_owned(),
        ));
    }
    start_log(loaded.log, output);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ASYNC_THREADS)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(stream(args, loaded, output));
    // A thread that waits for stdin cannot be woken; it must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

fn load(args: &StreamArgs, output: &Output) -> Result<Checked, Failure> {
    let overrides = args.flags.overrides(output.format());
    let loaded = config::load(args.config.as_deref(), &environment(), &overrides);
    loaded
        .map(|loaded| loaded.checked)
        .map_err(Failure::Configuration)
}

fn start_log(log: LogSpec, output: &Output) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info if output.is_quiet() => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Statements of the database are its own affair.
    let filter = EnvFilter::new(format!("{level},sqlx=error"));
    let log_lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // Fails only where a log was started before.
    let _ = match log.format {
        LogFormat::Text => log_lines.with_ansi(output.has_color()).try_init(),
        LogFormat::Json => log_lines.json().try_init(),
    };
}

/// What woke the main task.
enum Woken {
    Judged(Result<(), LiveError>),
    SourceEnded(Arc<str>, Result<(), SourceError>),
    Signal(Signal),
    Report,
}

async fn stream(args: &StreamArgs, checked: Checked, output: &Output) -> Result<(), Failure> {
    let db = wiring::database(&checked, args.config.is_some()).await?;
    let rules = wiring::live_rules(&checked, None)?;
    let mut signals = Signals::new()?;
    let (give_stop, stop) = Stop::new();
    let (inlet, batches) = Inlet::new(checked.settings.queue_len_max);
    let (set_ready, ready) = watch::channel(false);
    let (reload, reloaded) = mpsc::channel(1);
    let alerts = Arc::new(Notify::new());
    let stats = Arc::new(Stats::default());
    let mut notifier = Teller::start(&db, &checked, &alerts).await?;
    let mut sources = Sources::new(db.clone(), inlet, ready);
    sources.change(&checked.sources).await?;
    let live = Live {
        db: db.clone(),
        rules: rules.clone(),
        reload: reloaded,
        batches,
        outputs: wiring::outputs(&checked)?,
        committed: broadcast::Sender::new(COMMITTED_LEN_MAX),
        alerts: Arc::clone(&alerts),
        ready: set_ready,
        stats: Arc::clone(&stats),
        stop: stop.clone(),
    };
    let mut judging = tokio::spawn(live.run());
    let rolling = tokio::spawn(roll(db.clone(), rules.settings.clone(), stop.clone()));
    tracing::info!(database = %db, "started");

    let mut now = Running { checked, rules };
    let mut report = tokio::time::interval(REPORT_EVERY);
    report.tick().await;
    let mut interrupted = false;
    let judged = loop {
        let woken = tokio::select! {
            ended = &mut judging => Woken::Judged(ended?),
            Some((name, ended)) = sources.ended() => Woken::SourceEnded(name, ended),
            signal = signals.next() => Woken::Signal(signal),
            _ = report.tick() => Woken::Report,
        };
        match woken {
            Woken::Judged(ended) => break ended,
            Woken::SourceEnded(name, ended) => match ended {
                Ok(()) => tracing::info!(source = &*name, "the source has ended"),
                Err(error) => {
                    tracing::error!(source = &*name, error = %chain(&error), "the source cannot go on");
                    sources.failed.get_or_insert(error);
                }
            },
            Woken::Signal(Signal::Reload) => {
                match reloaded_rules(args, output, &mut now, &mut sources, &mut notifier, &db, &alerts).await
                {
                    Ok(rules) => {
                        // Fails only where judging has ended, which is noticed next.
                        let _ = reload.send(rules).await;
                    }
                    Err(failure) => {
                        tracing::error!(error = %failure.text(), "the old configuration stays in force");
                    }
                }
            }
            Woken::Signal(Signal::Stop { is_interrupt }) => {
                if stop.is_told() {
                    return Err(Failure::Interrupted(
                        "interrupted twice: ended at once".to_owned(),
                    ));
                }
                interrupted = is_interrupt;
                tracing::info!("stopping; a second signal ends at once");
                give_stop.send_replace(true);
                sources.stop();
            }
            Woken::Report => report_to_log(&stats),
        }
    };
    sources.stop();
    give_stop.send_replace(true);
    if let Err(error) = rolling.await {
        tracing::error!(%error, "the task that rolls the history has failed");
    }
    notifier.farewell(&db).await;
    report_to_log(&stats);
    db.close().await;
    match judged {
        Err(error) if error.is_unread() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) if interrupted => Err(Failure::Interrupted(
            "interrupted; everything taken was judged".to_owned(),
        )),
        Ok(()) => sources.failed.map_or(Ok(()), |error| Err(error.into())),
    }
}

/// What is in force.
struct Running {
    checked: Checked,
    rules: LiveRules,
}

/// Reads the configuration again and puts it in force, but for the rules of judging, which are returned. Where it is
/// wrong, everything stays as it was.
async fn reloaded_rules(
    args: &StreamArgs,
    output: &Output,
    now: &mut Running,
    sources: &mut Sources,
    notifier: &mut Teller,
    db: &Database,
    alerts: &Arc<Notify>,
) -> Result<LiveRules, Failure> {
    let checked = load(args, output)?;
    let rules = wiring::live_rules(&checked, Some(&now.rules.models))?;
    wiring::channels(&checked.channels)?;
    let needs_restart = [
        ("storage", checked.database != now.checked.database),
        ("outputs", checked.outputs != now.checked.outputs),
        ("log", checked.log != now.checked.log),
        (
            "stream.threads",
            checked.settings.n_threads != now.checked.settings.n_threads,
        ),
        (
            "stream.queue_len_max",
            checked.settings.queue_len_max != now.checked.settings.queue_len_max,
        ),
    ];
    for (key, _) in needs_restart.iter().filter(|(_, is_changed)| *is_changed) {
        tracing::warn!(key, "this takes a restart to change");
    }
    sources.change(&checked.sources).await?;
    let is_told_otherwise = checked.alerts != now.checked.alerts
        || checked.delivery != now.checked.delivery
        || checked.channels != now.checked.channels
        || checked.maintenance != now.checked.maintenance;
    if is_told_otherwise {
        notifier.stop().await;
        *notifier = Teller::start(db, &checked, alerts).await?;
    }
    *now = Running {
        checked,
        rules: rules.clone(),
    };
    Ok(rules)
}

fn report_to_log(stats: &Stats) {
    let now = stats.snapshot();
    tracing::info!(
        accepted = now.accepted,
        duplicate = now.duplicate,
        late = now.late,
        quarantined = now.quarantined,
        judged = now.judged,
        events = now.opened,
        commits = now.commits,
        failed_commits = now.failed_commits,
        rows_shed = now.rows_shed,
        devices = now.devices,
        waiting_batches = now.waiting,
        lag_p50_ms = now.lag_p50_s * 1e3,
        lag_p99_ms = now.lag_p99_s * 1e3,
        lag_max_ms = now.lag_max_s * 1e3,
        "so far"
    );
}

/// Sources at work, each with a signal of its own: a reload stops those that changed, and no other.
struct Sources {
    db: Database,
    inlet: Option<Inlet>,
    ready: watch::Receiver<bool>,
    running: HashMap<Arc<str>, (SourceSpec, watch::Sender<bool>)>,
    tasks: JoinSet<(Arc<str>, Result<(), SourceError>)>,
    /// The first that could not go on.
    failed: Option<SourceError>,
}

impl Sources {
    fn new(db: Database, inlet: Inlet, ready: watch::Receiver<bool>) -> Self {
        Self {
            db,
            inlet: Some(inlet),
            ready,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            failed: None,
        }
    }

    /// Stops what is not wanted any more, starts what was not there. What is the same goes on untouched.
    async fn change(&mut self, wanted: &[SourceSpec]) -> Result<(), Failure> {
        let is_wanted = |spec: &SourceSpec| wanted.contains(spec);
        let gone: Vec<Arc<str>> = self
            .running
            .iter()
            .filter(|(_, (spec, _))| !is_wanted(spec))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in gone {
            if let Some((_, stop)) = self.running.remove(&name) {
                stop.send_replace(true);
                // An address or a session at a broker is free only once the old one has ended.
                self.wait_for(&name).await;
            }
        }
        let Some(inlet) = self.inlet.clone() else {
            return Ok(());
        };
        let offsets = self.db.offsets().await?;
        for spec in wanted {
            if self.running.contains_key(spec.name()) {
                continue;
            }
            let source = wiring::source(spec, &self.db, &self.ready)?;
            let (give_stop, stop) = Stop::new();
            let (name, inlet) = (source.name(), inlet.clone());
            let resume = offsets.get(&*name).cloned();
            let task_name = Arc::clone(&name);
            self.tasks
                .spawn(async move { (task_name, source.run(inlet, resume, stop).await) });
            self.running.insert(name, (spec.clone(), give_stop));
        }
        Ok(())
    }

    async fn wait_for(&mut self, name: &Arc<str>) {
        while let Some(Ok((ended, result))) = self.tasks.join_next().await {
            if let Err(error) = result {
                tracing::error!(source = &*ended, error = %chain(&error), "the source ended badly");
            }
            if ended == *name {
                return;
            }
            self.running.remove(&ended);
        }
    }

    /// The next source that ends; `None` where none is left, and then the way in is closed.
    async fn ended(&mut self) -> Option<(Arc<str>, Result<(), SourceError>)> {
        match self.tasks.join_next().await {
            Some(Ok((name, result))) => {
                self.running.remove(&name);
                Some((name, result))
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a source has failed");
                None
            }
            None => {
                self.inlet = None;
                None
            }
        }
    }

    fn stop(&mut self) {
        for (_, stop) in self.running.values() {
            stop.send_replace(true);
        }
    }
}

/// The task that tells of alerts.
struct Teller {
    give_stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    channels: Vec<String>,
    wait_max: Duration,
}

impl Teller {
    async fn start(db: &Database, checked: &Checked, alerts: &Arc<Notify>) -> Result<Self, Failure> {
        let channels = wiring::channels(&checked.channels)?;
        suppressions::configure(db, &wiring::windows(&checked.maintenance), clock::now()).await?;
        let names = channels.iter().map(|channel| channel.name().to_owned()).collect();
        let notifier = Notifier::new(
            db.clone(),
            checked.alerts.clone(),
            checked.delivery.clone(),
            channels,
        );
        let (give_stop, stop) = Stop::new();
        Ok(Self {
            give_stop,
            task: tokio::spawn(notifier.run(Arc::clone(alerts), stop)),
            channels: names,
            wait_max: checked.delivery.backoff_max,
        })
    }

    async fn stop(&mut self) {
        self.give_stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the task that tells of alerts has failed");
        }
    }

    /// Gives messages that are due a moment to go out: a pipe that ends must not end before its alerts are told.
    async fn farewell(mut self, db: &Database) {
        if !self.channels.is_empty() {
            let told = async {
                // The notifier looks around twice a second; once it has, what is new is due.
                tokio::time::sleep(Duration::from_millis(600)).await;
                while self.is_any_due(db).await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            if tokio::time::timeout(FAREWELL_MAX, told).await.is_err() {
                tracing::warn!(
                    "some messages about alerts have not gone out; a restart on the same database sends them"
                );
            }
        }
        self.stop().await;
    }

    async fn is_any_due(&self, db: &Database) -> bool {
        for channel in &self.channels {
            let due = db.due_deliveries(channel, clock::now(), self.wait_max, 1).await;
            if due.is_ok_and(|due| !due.is_empty()) {
                return true;
            }
        }
        false
    }
}

/// Rolls judged samples into Parquet from time to time.
async fn roll(db: Database, settings: Settings, mut stop: Stop) {
    let Some(folder) = settings.history.clone() else {
        return;
    };
    while !stop.is_told() {
        let before =
            clock::now().as_nanos() - i64::try_from(settings.roll_age.as_nanos()).unwrap_or(i64::MAX);
        let spec = RollSpec {
            before: bellwether_core::time::Timestamp::from_nanos(before),
            rows_kept_max: settings.roll_len,
            rows_at_once: settings.roll_len.max(1000),
        };
        match history::roll(&db, &folder, &spec).await {
            Ok(rolled) if rolled.n_rows > 0 => {
                tracing::info!(
                    rows = rolled.n_rows,
                    files = rolled.n_files,
                    "history rolled into parquet"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(error = %chain(&error), "the history was not rolled, it is tried again")
            }
        }
        tokio::select! {
            () = stop.told() => {}
            () = tokio::time::sleep(ROLL_EVERY) => {}
        }
    }
}

enum Signal {
    Stop { is_interrupt: bool },
    Reload,
}

/// What the system tells the process.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => Signal::Stop { is_interrupt: true },
            _ = self.terminate.recv() => Signal::Stop { is_interrupt: false },
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        // Fails only where no handler can be set; then nothing can interrupt, as before.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop { is_interrupt: true }
    }
}
