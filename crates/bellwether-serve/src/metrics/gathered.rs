//! Figures that take looking through the fleet or the database: gathered now and then, never when somebody asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bellwether_core::threshold::Period;
use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, DatabaseError, Verdict};
use bellwether_stream::source::Stop;
use bellwether_stream::{chain, clock};
use tokio::time::MissedTickBehavior;

use crate::board::{Board, FleetFigures};

/// How often they are gathered.
const EVERY: Duration = Duration::from_secs(10);

/// Figures that are gathered now and then.
#[derive(Debug)]
pub struct Gatherer(Arc<ArcSwap<Gathered>>);

/// Figures as they were when they were last gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) fleet: FleetFigures,
    /// Events of the last week, by model version.
    pub(super) events: HashMap<String, i64>,
    /// Alerts that people said something of.
    pub(super) verdicts: Vec<(Verdict, i64)>,
    pub(super) state_bytes: i64,
}

impl Gatherer {
    /// Gathers until `stop` is told.
    pub fn start(database: Database, board: Arc<Board>, stop: Stop) -> Self {
        let latest = Arc::<ArcSwap<Gathered>>::default();
        tokio::spawn(gather(database, board, Arc::clone(&latest), stop));
        Self(latest)
    }

    pub(super) fn latest(&self) -> Arc<Gathered> {
        self.0.load_full()
    }
}

async fn gather(database: Database, board: Arc<Board>, latest: Arc<ArcSwap<Gathered>>, mut stop: Stop) {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.told() => return,
            _ = beat.tick() => {}
        }
        match once(&database, &board).await {
            Ok(gathered) => latest.store(Arc::new(gathered)),
            Err(error) => tracing::warn!(error = chain(&error), "figures for dashboards are not up to date"),
        }
    }
}

async fn once(database: &Database, board: &Board) -> Result<Gathered, DatabaseError> {
    let week = i64::try_from(Period::Week.duration().as_nanos()).unwrap_or(i64::MAX);
    let now = clock::now();
    let from = Timestamp::from_nanos(now.as_nanos().saturating_sub(week));
    Ok(Gathered {
        fleet: board.figures(now),
        events: database.events_by_model(from).await?.into_iter().collect(),
        verdicts: database.alerts_by_verdict().await?,
        state_bytes: database.state_bytes().await?,
    })
}

impl Gathered {
    /// Alerts of that verdict.
    pub(super) fn n(&self, verdict: Verdict) -> i64 {
        let found = self.verdicts.iter().find(|(of, _)| *of == verdict);
        found.map_or(0, |(_, n)| *n)
    }

    /// Of the alerts of which people said whether there was something, the share where there was; NaN: they said
    /// nothing.
    pub(super) fn precision(&self) -> f64 {
        let (real, all) = (
            self.n(Verdict::Real),
            self.n(Verdict::Real) + self.n(Verdict::FalseAlarm),
        );
        real as f64 / all as f64
    }

    /// Events of the last week over those that the budget allows the devices of that model.
    pub(super) fn budget_ratio(&self, model: &str, alarms_per_week: f64) -> f64 {
        let n_events = self.events.get(model).copied().unwrap_or(0);
        let n_devices = self.fleet.n_by_model.get(model).copied().unwrap_or(0).max(1);
        n_events as f64 / (alarms_per_week * n_devices as f64)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these quotients are exact")]
mod tests {
    use super::*;

    #[test]
    fn precision_and_budget_come_from_what_was_counted() {
        let mut gathered = Gathered::default();
        assert!(gathered.precision().is_nan());
        assert_eq!(gathered.budget_ratio("pump@1", 0.5), 0.0);
        gathered.verdicts = vec![
            (Verdict::FalseAlarm, 1),
            (Verdict::Maintenance, 7),
            (Verdict::Real, 3),
        ];
        assert_eq!(gathered.precision(), 0.75);
        gathered.events.insert("pump@1".to_owned(), 3);
        assert_eq!(
            gathered.budget_ratio("pump@1", 0.5),
            6.0,
            "of one device at least"
        );
        gathered.fleet.n_by_model.insert("pump@1".into(), 4);
        assert_eq!(gathered.budget_ratio("pump@1", 0.5), 1.5);
        assert_eq!(gathered.budget_ratio("pump@2", 0.5), 0.0);
    }
}
