//! Moves alerts along and has them told. It reads everything from the database every time, so that what another
//! process writes there takes effect at once, and a restart forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{AlertMove, Database, DatabaseError, DeliveryKind, Open, Tell};
use futures_util::future::{join, join_all};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::lane::Lane;
use super::lifecycle::{self, STEPS_MAX};
use super::pause::Pause;
use super::rules::{AlertRules, DeliveryRules};
use super::suppressions::{InForce, Patterns};
use crate::chain;
use crate::channel::Channel;
use crate::clock;
use crate::live::Stats;
use crate::patterns::ByDevice;
use crate::source::Stop;

/// How often alerts are looked at where nobody nudges.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// Alerts that are read, and moved, in one go.
const PAGE_LEN: u32 = 256;

/// How often messages to channels that are no more are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// The clock of this machine, or what stands for it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Moves alerts along, writes messages about them and sends them.
pub struct Notifier {
    database: Database,
    rules: ByDevice<AlertRules>,
    delivery: DeliveryRules,
    channels: Vec<Arc<dyn Channel>>,
    clock: Clock,
    stats: Arc<Stats>,
}

impl Notifier {
    /// A notifier that tells of alerts in `database` on `channels`. Other rules and channels: stop it and run another,
    /// nothing is lost.
    pub fn new(
        database: Database,
        rules: ByDevice<AlertRules>,
        delivery: DeliveryRules,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        Self {
            database,
            rules,
            delivery,
            channels,
            clock: Arc::new(clock::now),
            stats: Arc::default(),
        }
    }

    /// With what it sends counted there.
    #[must_use]
    pub fn counted_in(self, stats: Arc<Stats>) -> Self {
        for channel in &self.channels {
            stats.tells(channel.name());
        }
        Self { stats, ..self }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Runs until `stop` is told; looks at the alerts when it is nudged and every half second. Trouble with the
    /// database is logged and waited for.
    pub async fn run(self, nudge: Arc<Notify>, stop: Stop) {
        let (wake, woken) = watch::channel(());
        let lane = |channel: &Arc<dyn Channel>| {
            let lane = Lane::new(
                self.database.clone(),
                Arc::clone(channel),
                self.delivery.clone(),
                Arc::clone(&self.clock),
                Arc::clone(&self.stats),
            );
            lane.run(woken.clone(), stop.clone())
        };
        let lanes = join_all(self.channels.iter().map(lane));
        join(self.watch(&nudge, &wake, stop.clone()), lanes).await;
    }

    async fn watch(&self, nudge: &Notify, wake: &watch::Sender<()>, mut stop: Stop) {
        let mut patterns = Patterns::new();
        let mut pause = Pause::default();
        let mut swept: Option<Instant> = None;
        while !stop.is_told() {
            let begun = Instant::now();
            let is_time_to_sweep = swept.is_none_or(|swept| begun.duration_since(swept) >= SWEEP);
            match self.turn(&mut patterns, is_time_to_sweep).await {
                Ok(has_written) => {
                    pause.forget();
                    if is_time_to_sweep {
                        swept = Some(begun);
                    }
                    if has_written {
                        wake.send_replace(());
                    }
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "alerts stand still");
                    pause.wait(&mut stop).await;
                    continue;
                }
            }
            // Half of the time at most goes into looking, however often somebody nudges.
            let rest = begun.elapsed().min(TICK);
            tokio::select! {
                () = stop.told() => {}
                () = tokio::time::sleep(TICK) => {}
                () = async { tokio::time::sleep(rest).await; nudge.notified().await } => {}
            }
        }
    }

    /// Looks at all alerts that are not over; whether there is something to send.
    async fn turn(&self, patterns: &mut Patterns, is_time_to_sweep: bool) -> Result<bool, DatabaseError> {
        let now = (self.clock)();
        let mut has_written = self.move_all(patterns, now).await?;
        for channel in &self.channels {
            if let Some(every) = channel.repeat() {
                let n = self
                    .database
                    .repeat_on(channel.name(), every, now, PAGE_LEN)
                    .await?;
                has_written |= n > 0;
            }
        }
        if is_time_to_sweep {
            let names: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
            let give_up = i64::try_from(self.delivery.give_up_after.as_nanos()).unwrap_or(i64::MAX);
            let since = Timestamp::from_nanos(now.as_nanos().saturating_sub(give_up));
            self.database.bury_unaddressed(&names, since).await?;
        }
        Ok(has_written)
    }

    async fn move_all(&self, patterns: &mut Patterns, now: Timestamp) -> Result<bool, DatabaseError> {
        let mut page = self.database.open_alerts(None, PAGE_LEN).await?;
        if page.is_empty() {
            return Ok(false);
        }
        let suppressions = self.database.suppressions(now).await?;
        let in_force = InForce::at(now, suppressions, patterns);
        let mut has_written = false;
        loop {
            let moves: Vec<AlertMove> = page
                .iter()
                .filter_map(|open| self.moves(open, &in_force, now))
                .collect();
            if !moves.is_empty() {
                self.database.move_alerts(&moves, now).await?;
                has_written = true;
            }
            let Some((last, _)) = page.last().filter(|_| page.len() == PAGE_LEN as usize) else {
                return Ok(has_written);
            };
            let after = Some((last.created_at, last.id.as_str()));
            page = self.database.open_alerts(after, PAGE_LEN).await?;
        }
    }

    /// All steps that an alert takes now.
    fn moves(&self, (before, verdict): &Open, in_force: &InForce<'_>, now: Timestamp) -> Option<AlertMove> {
        let rules = self.rules.of(&before.series);
        let suppression = in_force.of(before);
        let mut after = None;
        let mut tell = Vec::new();
        for _ in 0..STEPS_MAX {
            let alert = after.as_ref().unwrap_or(before);
            let Some(step) = lifecycle::step(alert, now, rules, suppression, *verdict) else {
                break;
            };
            if let Some(kind) = step.tell {
                self.tell(kind, rules, &mut tell);
            }
            after = Some(step.alert);
        }
        Some(AlertMove {
            before: before.clone(),
            after: after?,
            tell,
        })
    }

    /// Who is told. Channels that repeat by themselves are told once by the rules; see [`Channel::repeat`].
    fn tell(&self, kind: DeliveryKind, rules: &AlertRules, tell: &mut Vec<Tell>) {
        let is_meant = |name: &str| {
            let listed = rules.channels.as_ref();
            listed.is_none_or(|listed| listed.iter().any(|listed| listed == name))
        };
        let named = |is_wanted: &dyn Fn(&dyn Channel) -> bool| -> Vec<String> {
            let meant = self.channels.iter().filter(|channel| is_meant(channel.name()));
            let wanted = meant.filter(|channel| is_wanted(channel.as_ref()));
            wanted.map(|channel| channel.name().to_owned()).collect()
        };
        match kind {
            DeliveryKind::Firing => tell.push(Tell::Firing(named(&|_| true))),
            DeliveryKind::Repeat => {
                tell.push(Tell::Repeat(named(&|channel| channel.repeat().is_none())));
                tell.push(Tell::Firing(named(&|channel| channel.repeat().is_some())));
            }
            DeliveryKind::Resolved => tell.push(Tell::Resolved),
        }
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let channels: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
        f.debug_struct("Notifier")
            .field("database", &self.database)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}
