//! The task that tells of alerts.

use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::Database;
use bellwether_stream::alert::{Notifier, suppressions};
use bellwether_stream::clock;
use bellwether_stream::live::Stats;
use bellwether_stream::source::Stop;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::config::checked::Checked;
use crate::failure::Failure;
use crate::wiring;

/// How long the end waits for messages that are on their way.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// The task that tells of alerts.
pub(super) struct Teller {
    give_stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    channels: Vec<String>,
    wait_max: Duration,
}

/// All that tells of alerts, ready to begin.
pub(super) struct Prepared {
    notifier: Notifier,
    alerts: Arc<Notify>,
    channels: Vec<String>,
    wait_max: Duration,
}

impl Prepared {
    /// Makes it ready. What can fail does so here.
    ///
    /// # Errors
    /// Where a channel cannot be used, or the database does not take the times of maintenance.
    pub(super) async fn new(
        db: &Database,
        checked: &Checked,
        alerts: &Arc<Notify>,
        stats: &Arc<Stats>,
    ) -> Result<Self, Failure> {
        let channels = wiring::channels(&checked.channels)?;
        suppressions::configure(db, &wiring::windows(&checked.maintenance), clock::now()).await?;
        let names = channels.iter().map(|channel| channel.name().to_owned()).collect();
        let notifier = Notifier::new(
            db.clone(),
            checked.alerts.clone(),
            checked.delivery.clone(),
            channels,
        )
        .counted_in(Arc::clone(stats));
        Ok(Self {
            notifier,
            alerts: Arc::clone(alerts),
            channels: names,
            wait_max: checked.delivery.backoff_max,
        })
    }

    /// Begins.
    pub(super) fn start(self) -> Teller {
        let (give_stop, stop) = Stop::new();
        Teller {
            give_stop,
            task: tokio::spawn(self.notifier.run(self.alerts, stop)),
            channels: self.channels,
            wait_max: self.wait_max,
        }
    }
}

impl Teller {
    /// Another in its place: it begins once this one has ended, so that nobody is told twice.
    pub(super) async fn exchange(&mut self, next: Prepared) {
        self.stop().await;
        *self = next.start();
    }

    /// Nothing follows but a new start, or the end.
    async fn stop(&mut self) {
        self.give_stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the task that tells of alerts has failed");
        }
    }

    /// Gives messages that are due a moment to go out: a pipe that ends must not end before its alerts are told.
    pub(super) async fn farewell(mut self, db: &Database) {
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

    pub(super) async fn is_any_due(&self, db: &Database) -> bool {
        for channel in &self.channels {
            let due = db.due_deliveries(channel, clock::now(), self.wait_max, 1).await;
            if due.is_ok_and(|due| !due.is_empty()) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Overrides};

    #[tokio::test]
    async fn what_cannot_be_made_ready_leaves_the_one_at_work() {
        let open = async || Database::open("sqlite::memory:", "default").await.unwrap();
        let (db, gone) = (open().await, open().await);
        let loaded = config::load(None, &Default::default(), &Overrides::default()).unwrap();
        let (alerts, stats) = (Arc::default(), Arc::default());
        let prepare = async |db: &Database| Prepared::new(db, &loaded.checked, &alerts, &stats).await;
        let mut teller = prepare(&db)
            .await
            .unwrap_or_else(|_| panic!("it is made ready"))
            .start();
        gone.close().await;
        assert!(prepare(&gone).await.is_err());
        assert!(!teller.task.is_finished());
        let next = prepare(&db).await.unwrap_or_else(|_| panic!("it is made ready"));
        teller.exchange(next).await;
        assert!(!teller.task.is_finished());
        teller.farewell(&db).await;
    }
}
