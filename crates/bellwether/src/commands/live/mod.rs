//! The live system, from its configuration to its end: run by `stream`, and by `serve` with a server around it.

mod reload;
mod rolling;
mod signals;
mod sources;
mod teller;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::Database;
use bellwether_stream::arrival::Inlet;
use bellwether_stream::live::{Committed, Live, LiveError, LiveRules, Models, Stats};
use bellwether_stream::source::{SourceError, Stop};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::cli::ConfigFlags;
use crate::commands::config::environment;
use crate::config::checked::{Checked, LogFormat, LogLevel, LogSpec};
use crate::config::{self, Loaded, Overrides};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::wiring::{self, Purpose};

pub(crate) use reload::{NotReloaded, Reload, Reloader};
use signals::{Signal, Signals};
use sources::Sources;
use teller::Teller;

/// Threads for sources, sinks and the database; judging has its own.
const ASYNC_THREADS: usize = 2;

/// How often the log says how things go.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Commits that those who follow may lie behind.
const COMMITTED_LEN_MAX: usize = 256;

/// What is run, and where its configuration comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// The configuration file.
    pub(crate) config: Option<&'a Path>,
    /// Flags that win over it,
    pub(crate) flags: &'a ConfigFlags,
    /// and those that only a server has: flag, path of its key, value.
    pub(crate) server_flags: &'a [(&'static str, &'static str, Option<String>)],
    /// What it is run for.
    pub(crate) purpose: Purpose,
    pub(crate) output: &'a Output,
}

/// What the live system shares with a server around it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) inlet: Inlet,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) models: watch::Receiver<Arc<Models>>,
    pub(crate) committed: broadcast::Sender<Arc<Committed>>,
    pub(crate) reloader: Reloader,
    /// The configuration.
    pub(crate) in_force: watch::Receiver<Arc<Loaded>>,
    pub(crate) stop: Stop,
}

/// A server around the live system: it ends once it is told to stop, and has let go of the way in by then.
pub(crate) type Server = JoinHandle<()>;

impl Plan<'_> {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Where it is wrong.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        let loaded = config::load(self.config, &environment(), &self.overrides());
        let mut loaded = loaded.map_err(Failure::Configuration)?;
        wiring::complete(&mut loaded.checked, self.purpose, self.config.is_some())?;
        Ok(loaded)
    }

    /// What the flags say.
    pub(crate) fn overrides(&self) -> Overrides {
        let mut overrides = self.flags.overrides(self.output.format());
        for (flag, path, text) in self.server_flags {
            if let Some(text) = text {
                overrides.set(flag, path, text);
            }
        }
        overrides
    }

    /// Runs the live system until its input ends or it is told to stop. `serve` starts the server around it.
    ///
    /// # Errors
    /// Where it cannot start, or must not go on.
    pub(crate) fn run(
        &self,
        loaded: Loaded,
        serve: impl AsyncFnOnce(&Checked, Shared) -> Result<Option<Server>, Failure>,
    ) -> Result<(), Failure> {
        start_log(loaded.checked.log, self.output);
        keep_small();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ASYNC_THREADS)
            .enable_all()
            .build()?;
        let ended = runtime.block_on(live(self, loaded, serve));
        // A thread that waits for stdin cannot be woken; it must not hold up the end.
        runtime.shutdown_timeout(Duration::from_millis(200));
        ended
    }
}

/// Takes memory in small pages from here on. The allocator asks for huge ones, which reading files is faster for; a system that
/// holds little and runs for months would take twice its memory with them.
fn keep_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!("memory comes in huge pages where the system gives them: {error}");
    }
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
    Reload(Reload),
    Report,
}

async fn live(
    plan: &Plan<'_>,
    loaded: Loaded,
    serve: impl AsyncFnOnce(&Checked, Shared) -> Result<Option<Server>, Failure>,
) -> Result<(), Failure> {
    let checked = loaded.checked.clone();
    let db = wiring::database(&checked).await?;
    let rules = wiring::live_rules(&checked, None, plan.purpose)?;
    let mut signals = Signals::new()?;
    let (give_stop, stop) = Stop::new();
    let (inlet, batches) = Inlet::new(checked.settings.queue_len_max);
    let (set_ready, ready) = watch::channel(false);
    let (reload, reloaded) = mpsc::channel(1);
    let (reloader, mut wishes) = Reloader::new();
    let (set_models, models) = watch::channel(Arc::clone(&rules.models));
    let committed = broadcast::Sender::new(COMMITTED_LEN_MAX);
    let alerts = Arc::new(Notify::new());
    let stats = Arc::new(Stats::default());
    let mut sources = Sources::new(db.clone(), inlet.clone(), ready.clone());
    let first_sources = sources.prepare(&checked.sources).await?;
    let notifier = teller::Prepared::new(&db, &checked, &alerts, &stats)
        .await?
        .start();
    sources.change(first_sources).await;
    let (set_in_force, in_force) = watch::channel(Arc::new(loaded));
    let shared = Shared {
        db: db.clone(),
        inlet,
        stats: Arc::clone(&stats),
        ready,
        models,
        committed: committed.clone(),
        reloader,
        in_force,
        stop: stop.clone(),
    };
    let server = serve(&checked, shared).await?;
    let live = Live {
        db: db.clone(),
        rules: rules.clone(),
        reload: reloaded,
        batches,
        outputs: wiring::outputs(&checked)?,
        committed,
        alerts: Arc::clone(&alerts),
        ready: set_ready,
        stats: Arc::clone(&stats),
        stop: stop.clone(),
    };
    let mut judging = tokio::spawn(live.run());
    let rolling = tokio::spawn(rolling::roll(db.clone(), rules.settings.clone(), stop.clone()));
    tracing::info!(database = %db, "started");

    let mut running = Running {
        plan,
        db: db.clone(),
        checked,
        rules,
        sources,
        notifier,
        alerts,
        stats: Arc::clone(&stats),
        reload,
        models: set_models,
        in_force: set_in_force,
    };
    let mut report = tokio::time::interval(REPORT_EVERY);
    report.tick().await;
    let mut interrupted = false;
    let judged = loop {
        let woken = tokio::select! {
            ended = &mut judging => Woken::Judged(ended?),
            Some((name, ended)) = running.sources.ended() => Woken::SourceEnded(name, ended),
            signal = signals.next() => Woken::Signal(signal),
            Some(wish) = wishes.recv() => Woken::Reload(wish),
            _ = report.tick() => Woken::Report,
        };
        match woken {
            Woken::Judged(ended) => break ended,
            Woken::SourceEnded(name, ended) => match ended {
                Ok(()) => tracing::info!(source = &*name, "the source has ended"),
                Err(error) => {
                    tracing::error!(source = &*name, error = %chain(&error), "the source cannot go on");
                    running.sources.failed.get_or_insert(error);
                }
            },
            Woken::Signal(Signal::Reload) => {
                if let Err(failure) = running.reload().await {
                    tracing::error!(error = %failure.text(), "the old configuration stays in force");
                }
            }
            Woken::Reload(wish) => wish.answer(running.reload().await),
            Woken::Signal(Signal::Stop { is_interrupt }) => {
                if stop.is_told() {
                    return Err(Failure::Interrupted(
                        "interrupted twice: ended at once".to_owned(),
                    ));
                }
                interrupted = is_interrupt;
                tracing::info!("stopping; a second signal ends at once");
                give_stop.send_replace(true);
                running.sources.stop();
            }
            Woken::Report => report_to_log(&stats),
        }
    };
    running.sources.stop();
    give_stop.send_replace(true);
    if let Some(server) = server
        && let Err(error) = server.await
    {
        tracing::error!(%error, "the server has failed");
    }
    if let Err(error) = rolling.await {
        tracing::error!(%error, "the task that rolls the history has failed");
    }
    running.notifier.farewell(&db).await;
    report_to_log(&stats);
    db.close().await;
    match judged {
        Err(error) if error.is_unread() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) if interrupted && plan.purpose == Purpose::Stream => Err(Failure::Interrupted(
            "interrupted; everything taken was judged".to_owned(),
        )),
        Ok(()) => running.sources.failed.map_or(Ok(()), |error| Err(error.into())),
    }
}

/// What is in force, and what a reload changes.
struct Running<'a> {
    plan: &'a Plan<'a>,
    db: Database,
    checked: Checked,
    rules: LiveRules,
    sources: Sources,
    notifier: Teller,
    alerts: Arc<Notify>,
    stats: Arc<Stats>,
    reload: mpsc::Sender<LiveRules>,
    models: watch::Sender<Arc<Models>>,
    in_force: watch::Sender<Arc<Loaded>>,
}

impl Running<'_> {
    /// Reads the configuration again and puts it in force. Where it is wrong, everything stays as it was.
    async fn reload(&mut self) -> Result<(), Failure> {
        let loaded = self.plan.load()?;
        let checked = loaded.checked.clone();
        let rules = wiring::live_rules(&checked, Some(&self.rules.models), self.plan.purpose)?;
        let sources = self.sources.prepare(&checked.sources).await?;
        for key in checked.needs_restart(&self.checked) {
            tracing::warn!(key, "this takes a restart to change");
        }
        let is_told_otherwise = checked.alerts != self.checked.alerts
            || checked.delivery != self.checked.delivery
            || checked.channels != self.checked.channels
            || checked.maintenance != self.checked.maintenance;
        let teller = match is_told_otherwise {
            true => Some(teller::Prepared::new(&self.db, &checked, &self.alerts, &self.stats).await?),
            false => None,
        };
        // From here on nothing fails.
        self.sources.change(sources).await;
        if let Some(teller) = teller {
            self.notifier.exchange(teller).await;
        }
        // Fails only where judging has ended, which is noticed next.
        let _ = self.reload.send(rules.clone()).await;
        self.models.send_replace(Arc::clone(&rules.models));
        self.in_force.send_replace(Arc::new(loaded));
        (self.checked, self.rules) = (checked, rules);
        Ok(())
    }
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
