//! A database with alerts in it, a clock to turn, and channels that do as they are told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{
    Alert, AlertEnd, AlertKind, AlertState, ChannelNote, Commit, Database, NewAlert, Writer,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::alert::rules::{AlertRules, DeliveryRules};
use crate::alert::{Clock, Notice, Notifier};
use crate::channel::{Channel, SendError};
use crate::patterns::ByDevice;
use crate::source::Stop;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Stage {
    url: String,
    pub(super) database: Database,
    writer: Writer,
    clock: Arc<AtomicI64>,
    pub(super) rules: AlertRules,
    pub(super) delivery: DeliveryRules,
}

impl Stage {
    /// At second 1000, with rules that fire at once.
    pub(super) async fn open(url: &str, tenant: &str) -> Self {
        let database = Database::open(url, tenant).await.unwrap();
        let writer = database.take_over().await.unwrap();
        Self {
            url: url.to_owned(),
            writer,
            database,
            clock: Arc::new(AtomicI64::new(1000)),
            rules: AlertRules {
                repeat: None,
                ..AlertRules::default()
            },
            delivery: DeliveryRules {
                backoff_min: Duration::from_secs(10),
                ..DeliveryRules::default()
            },
        }
    }

    /// The same database as another process has it.
    pub(super) async fn elsewhere(&self) -> Database {
        Database::open(&self.url, self.database.tenant()).await.unwrap()
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.clock.load(Ordering::SeqCst))
    }

    pub(super) fn advance(&self, secs: i64) {
        self.clock.fetch_add(secs, Ordering::SeqCst);
    }

    pub(super) async fn begin(&mut self, id: &str, device: &str, model: &str) {
        let mut commit = Commit::at(self.now());
        commit.alerts = vec![new_alert(id, device, model)];
        self.writer.commit(&commit).await.unwrap();
    }

    pub(super) async fn begin_many(&mut self, ids: impl Iterator<Item = String>) {
        let mut commit = Commit::at(self.now());
        commit.alerts = ids.map(|id| new_alert(&id, "pump-1", "pump@1")).collect();
        self.writer.commit(&commit).await.unwrap();
    }

    pub(super) async fn end(&mut self, id: &str) {
        let mut commit = Commit::at(self.now());
        commit.ended = vec![AlertEnd {
            id: id.to_owned(),
            end: Timestamp::from_secs(60),
            peak_score: 3.0,
            channels: Vec::new(),
        }];
        self.writer.commit(&commit).await.unwrap();
    }

    pub(super) async fn alert(&self, id: &str) -> Alert {
        let found = self.database.alerts_like(id, 1).await.unwrap();
        found.into_iter().next().unwrap()
    }

    /// Waits until the alert is in that state.
    pub(super) async fn reach(&self, id: &str, state: AlertState) {
        let what = format!("{id} {state:?}");
        eventually(&what, async || self.alert(id).await.state == state).await;
    }

    pub(super) fn run(&self, channels: &[&Arc<Recorder>]) -> Running {
        let clock = Arc::clone(&self.clock);
        let clock: Clock = Arc::new(move || Timestamp::from_secs(clock.load(Ordering::SeqCst)));
        let channels: Vec<Arc<dyn Channel>> = channels
            .iter()
            .map(|&channel| Arc::clone(channel) as Arc<dyn Channel>)
            .collect();
        let rules = ByDevice::all(self.rules.clone());
        let notifier = Notifier::new(self.database.clone(), rules, self.delivery.clone(), channels);
        let (give, stop) = Stop::new();
        let nudge = Arc::new(Notify::new());
        Running {
            give,
            task: tokio::spawn(notifier.with_clock(clock).run(nudge, stop)),
        }
    }
}

fn new_alert(id: &str, device: &str, model: &str) -> NewAlert {
    NewAlert {
        id: id.to_owned(),
        kind: AlertKind::Event,
        event: None,
        series: device.into(),
        model: model.to_owned(),
        start: Timestamp::from_secs(0),
        peak_score: 2.0,
        channels: vec![ChannelNote {
            channel: "flow".to_owned(),
            share: 1.0,
            actual: Some(2.0),
            expected: Some(1.0),
        }],
    }
}

/// A notifier at work.
pub(super) struct Running {
    give: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends it as a program ends.
    pub(super) async fn stop(self) {
        self.give.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }

    /// Ends it as a power cut does.
    pub(super) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What a channel does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    IsAway,
    Refuses,
    /// Takes it and never says so.
    Hangs,
}

/// A channel that keeps what it was sent.
pub(super) struct Recorder {
    name: String,
    every: Option<Duration>,
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Notice>>,
    n_tries: AtomicI64,
}

impl Recorder {
    pub(super) fn new(name: &str, mood: Mood) -> Arc<Self> {
        Self::repeating(name, mood, None)
    }

    pub(super) fn repeating(name: &str, mood: Mood, every: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            every,
            mood: Mutex::new(mood),
            taken: Mutex::default(),
            n_tries: AtomicI64::new(0),
        })
    }

    pub(super) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn n_tries(&self) -> i64 {
        self.n_tries.load(Ordering::SeqCst)
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        self.taken.lock().unwrap().clone()
    }

    /// `id+` for firing, `id-` for resolved, in the order they came.
    pub(super) fn taken(&self) -> Vec<String> {
        let sign = |notice: &Notice| if notice.is_firing { '+' } else { '-' };
        let notices = self.notices();
        notices
            .iter()
            .map(|notice| format!("{}{}", notice.id, sign(notice)))
            .collect()
    }

    /// Waits until exactly this was taken.
    pub(super) async fn reach(&self, want: &[&str]) {
        let what = format!("{} takes {want:?}", self.name);
        eventually(&what, async || self.taken() == want).await;
    }

    pub(super) async fn reach_tries(&self, n: i64) {
        eventually("tries", async || self.n_tries() >= n).await;
    }
}

impl Channel for Recorder {
    fn name(&self) -> &str {
        &self.name
    }

    fn repeat(&self) -> Option<Duration> {
        self.every
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>> {
        async {
            self.n_tries.fetch_add(1, Ordering::SeqCst);
            let mood = *self.mood.lock().unwrap();
            if matches!(mood, Mood::Takes | Mood::Hangs) {
                self.taken.lock().unwrap().push(notice.clone());
            }
            match mood {
                Mood::Takes => Ok(()),
                Mood::Hangs => std::future::pending().await,
                Mood::IsAway | Mood::Refuses => Err(SendError {
                    problem: format!("{mood:?}"),
                    is_passing: mood == Mood::IsAway,
                }),
            }
        }
        .boxed()
    }
}

/// Waits for it, but not for ever.
pub(super) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "never: {what}"
    );
}
