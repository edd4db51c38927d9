//! One channel's messages on their way out: several at once, but of one alert one after the other.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Attempt, Database, DatabaseError, Delivery};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;

use super::Notice;
use super::notifier::{Clock, TICK};
use super::pause::Pause;
use super::rules::DeliveryRules;
use crate::chain;
use crate::channel::{Channel, SendError};
use crate::live::{NotificationResult, Stats};
use crate::source::Stop;

/// Messages on their way at once.
const IN_FLIGHT_MAX: usize = 8;

/// A channel that has not answered by then does not answer.
const SEND_WAIT: Duration = Duration::from_secs(120);

/// What is on its way when we stop gets so much time.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// Sends the messages of one channel.
pub(super) struct Lane {
    database: Database,
    channel: Arc<dyn Channel>,
    rules: DeliveryRules,
    clock: Clock,
    stats: Arc<Stats>,
}

/// What became of a message, still to be written down.
type Done = (Delivery, Attempt);

impl Lane {
    pub(super) fn new(
        database: Database,
        channel: Arc<dyn Channel>,
        rules: DeliveryRules,
        clock: Clock,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            database,
            channel,
            rules,
            clock,
            stats,
        }
    }

    /// Sends what is due until `stop` is told. `woken` says that there may be something.
    pub(super) async fn run(self, mut woken: watch::Receiver<()>, mut stop: Stop) {
        let mut sending = FuturesUnordered::new();
        let mut on_the_way: Vec<String> = Vec::new();
        let mut done: Vec<Done> = Vec::new();
        let mut pause = Pause::default();
        while !stop.is_told() {
            woken.mark_unchanged();
            match self.settle(&mut done, &mut on_the_way).await {
                Ok(due) => {
                    pause.forget();
                    for (delivery, notice) in due {
                        on_the_way.push(delivery.alert.clone());
                        sending.push(self.send(delivery, notice));
                    }
                }
                Err(error) => {
                    let channel = self.channel.name();
                    tracing::warn!(channel, error = chain(&error), "messages wait");
                    pause.wait(&mut stop).await;
                    continue;
                }
            }
            let is_full = on_the_way.len() >= IN_FLIGHT_MAX;
            tokio::select! {
                () = stop.told() => {}
                Some(first) = sending.next() => {
                    done.push(first);
                    while let Some(Some(next)) = sending.next().now_or_never() {
                        done.push(next);
                    }
                }
                _ = woken.changed(), if !is_full => {}
                () = tokio::time::sleep(TICK), if !is_full => {}
            }
        }
        let rest = async {
            while let Some(next) = sending.next().await {
                done.push(next);
            }
        };
        // What is not over by then, or cannot be written down, is sent again by who comes after us.
        let _ = tokio::time::timeout(STOP_WAIT, rest).await;
        if let Err(error) = self.mark(&mut done, &mut on_the_way).await {
            tracing::warn!(
                channel = self.channel.name(),
                error = chain(&error),
                "messages will be sent again"
            );
        }
    }

    /// Writes down what became of messages, and reads which are to be sent now.
    async fn settle(
        &self,
        done: &mut Vec<Done>,
        on_the_way: &mut Vec<String>,
    ) -> Result<Vec<(Delivery, Notice)>, DatabaseError> {
        self.mark(done, on_the_way).await?;
        let n_free = IN_FLIGHT_MAX - on_the_way.len();
        if n_free == 0 {
            return Ok(Vec::new());
        }
        // As many as may be on the way, so that there are enough beyond those that are.
        let due = self.database.due_deliveries(
            self.channel.name(),
            (self.clock)(),
            self.rules.backoff_max,
            (2 * IN_FLIGHT_MAX) as u32,
        );
        let due = due.await?.into_iter();
        let free = due.filter(|delivery| !on_the_way.contains(&delivery.alert));
        let mut notices = Vec::new();
        for delivery in free.take(n_free) {
            let alerts = self.database.alerts_like(&delivery.alert, 1).await?;
            if let Some(alert) = alerts.first().filter(|alert| alert.id == delivery.alert) {
                let notice = Notice::of(alert, delivery.kind, self.rules.link_base.as_ref());
                notices.push((delivery, notice));
            }
        }
        Ok(notices)
    }

    async fn mark(&self, done: &mut Vec<Done>, on_the_way: &mut Vec<String>) -> Result<(), DatabaseError> {
        if done.is_empty() {
            return Ok(());
        }
        self.database.mark_attempts(done).await?;
        on_the_way.retain(|alert| !done.iter().any(|(delivery, _)| delivery.alert == *alert));
        done.clear();
        Ok(())
    }

    async fn send(&self, delivery: Delivery, notice: Notice) -> Done {
        let sent = tokio::time::timeout(SEND_WAIT, self.channel.send(&notice)).await;
        let sent = sent.unwrap_or_else(|_| {
            Err(SendError {
                problem: format!("no answer within {} s", SEND_WAIT.as_secs()),
                is_passing: true,
            })
        });
        let attempt = self.judge(&delivery, sent, (self.clock)());
        let result = match attempt {
            Attempt::Sent { .. } => NotificationResult::Sent,
            Attempt::Failed { .. } => NotificationResult::Failed,
            Attempt::Dead { .. } => NotificationResult::Dead,
        };
        self.stats.notified(self.channel.name(), result);
        (delivery, attempt)
    }

    /// What an answer means for the message.
    fn judge(&self, delivery: &Delivery, sent: Result<(), SendError>, now: Timestamp) -> Attempt {
        let Err(SendError { problem, is_passing }) = sent else {
            return Attempt::Sent { at: now };
        };
        let (channel, alert) = (self.channel.name(), delivery.alert.as_str());
        if is_passing && now.since(delivery.created_at) < self.rules.give_up_after {
            tracing::info!(channel, alert, error = problem, "message not taken yet");
            Attempt::Failed {
                due_at: now.plus(self.backoff(delivery.n_attempts)),
                error: problem,
            }
        } else {
            tracing::warn!(channel, alert, error = problem, "message is a dead letter");
            Attempt::Dead { error: problem }
        }
    }

    /// The wait after that many failures before.
    fn backoff(&self, n_failures: i64) -> Duration {
        let doublings = u32::try_from(n_failures.clamp(0, 31)).unwrap_or(0);
        let wait = self.rules.backoff_min.saturating_mul(1 << doublings);
        wait.min(self.rules.backoff_max)
    }
}
