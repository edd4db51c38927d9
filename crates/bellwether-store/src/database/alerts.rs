//! Alerts in the database: read, found, and moved along.

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::deliveries::{self, Tell};
use super::statement::text;
use super::{Alert, AlertKind, AlertState, Database, DatabaseError, Transaction, Verdict};

/// An alert, and what was last said of it.
pub type Open = (Alert, Option<Verdict>);

/// An alert that goes from one state to the next, and what is told of that.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertMove {
    /// As it was read: where it is another by now, nothing is done.
    pub before: Alert,
    /// As it is to be.
    pub after: Alert,
    /// Messages, in this order.
    pub tell: Vec<Tell>,
}

/// Columns of an alert; what a statement asks for beside it comes behind them.
const N_COLUMNS: usize = 22;

/// The columns of an alert. What its event has become counts more than what it was when the alert began.
macro_rules! select_alerts {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT a.id, a.kind, a.event, a.series, a.model, a.state, a.start_time, a.end_time, a.peak_score, \
             e.peak_score, coalesce(e.channels, a.channels), a.created_at, a.fired_at, a.acknowledged_at, \
             a.acknowledged_by, a.resolved_at, a.notified_at, a.n_notified, a.suppressed_by, e.kind, e.confidence, \
             e.fault",
            $more,
            " FROM alerts a LEFT JOIN events e ON e.tenant = a.tenant AND e.id = a.event AND e.model = a.model \
             WHERE a.tenant = $1 ",
            $rest
        )
    };
}

impl Database {
    /// Alerts that are not over, at most `limit`, in the order they began, after the one that was begun at that time
    /// under that id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn open_alerts(
        &self,
        after: Option<(Timestamp, &str)>,
        limit: u32,
    ) -> Result<Vec<Open>, DatabaseError> {
        const SQL: &str = select_alerts!(
            ", (SELECT f.verdict FROM feedback f WHERE f.tenant = a.tenant AND f.alert = a.id \
             ORDER BY f.n DESC LIMIT 1)",
            "AND a.state IN ('pending', 'firing', 'acknowledged') AND (a.created_at, a.id) > ($2, $3) \
             ORDER BY a.created_at, a.id LIMIT $4"
        );
        let (time, id) = after.map_or((i64::MIN, ""), |(time, id)| (time.as_nanos(), id));
        let query = sqlx::query(SQL)
            .bind(self.tenant())
            .bind(time)
            .bind(id)
            .bind(i64::from(limit));
        let rows = self.all("read alerts", query).await?;
        let open = |row| {
            let verdict: Option<String> = self.get(row, N_COLUMNS)?;
            let verdict = verdict.map(|word| self.word("feedback", &word, Verdict::from_word));
            Ok((self.alert(row)?, verdict.transpose()?))
        };
        rows.iter().map(open).collect()
    }

    /// Alerts, at most `limit`, the newest first; of one state, and older than the one that was begun at that time
    /// under that id, where those are given.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn alerts(
        &self,
        state: Option<AlertState>,
        before: Option<(Timestamp, &str)>,
        limit: u32,
    ) -> Result<Vec<Alert>, DatabaseError> {
        const SQL: &str = select_alerts!(
            "",
            "AND ($2 = '' OR a.state = $2) AND (a.created_at, a.id) < ($3, $4) \
             ORDER BY a.created_at DESC, a.id DESC LIMIT $5"
        );
        let (time, id) = before.map_or((i64::MAX, ""), |(time, id)| (time.as_nanos(), id));
        let query = sqlx::query(SQL)
            .bind(self.tenant())
            .bind(state.map_or("", AlertState::word))
            .bind(time)
            .bind(id)
            .bind(i64::from(limit));
        let rows = self.all("read alerts", query).await?;
        rows.iter().map(|row| self.alert(row)).collect()
    }

    /// Alerts whose id begins like that, at most `limit`; the one of exactly that id first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn alerts_like(&self, prefix: &str, limit: u32) -> Result<Vec<Alert>, DatabaseError> {
        const SQL: &str = select_alerts!("", "AND a.id >= $2 AND a.id < $3 ORDER BY a.id LIMIT $4");
        let query = sqlx::query(SQL)
            .bind(self.tenant())
            .bind(prefix)
            .bind(format!("{prefix}{}", char::MAX))
            .bind(i64::from(limit));
        let rows = self.all("read alerts", query).await?;
        rows.iter().map(|row| self.alert(row)).collect()
    }

    /// The alert that an event of a model version made, where it made one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn alert_of_event(&self, event: EventId, model: &str) -> Result<Option<Alert>, DatabaseError> {
        const SQL: &str = select_alerts!("", "AND a.event = $2 AND a.model = $3 ORDER BY a.id LIMIT 1");
        let query = sqlx::query(SQL)
            .bind(self.tenant())
            .bind(event.to_string())
            .bind(text(model));
        let rows = self.all("read alerts", query).await?;
        rows.first().map(|row| self.alert(row)).transpose()
    }

    /// Moves alerts and writes the messages about them, all or none. An alert that somebody else has moved since it
    /// was read is left alone.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn move_alerts(&self, moves: &[AlertMove], now: Timestamp) -> Result<(), DatabaseError> {
        let mut transaction = self.begin("move alerts").await?;
        for alert in moves {
            self.move_one(&mut transaction, alert, now).await?;
        }
        transaction.commit().await
    }

    /// Whether it was moved: not where somebody else was faster.
    pub(super) async fn move_one(
        &self,
        transaction: &mut Transaction,
        AlertMove { before, after, tell }: &AlertMove,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let nanos = |time: Option<Timestamp>| time.map(Timestamp::as_nanos);
        let update = sqlx::query(
            "UPDATE alerts SET state = $1, fired_at = $2, acknowledged_at = $3, acknowledged_by = $4, \
             resolved_at = $5, notified_at = $6, n_notified = $7, suppressed_by = $8 \
             WHERE tenant = $9 AND id = $10 AND state = $11 AND n_notified = $12",
        )
        .bind(after.state.word())
        .bind(nanos(after.fired_at))
        .bind(nanos(after.acknowledged_at))
        .bind(after.acknowledged_by.clone())
        .bind(nanos(after.resolved_at))
        .bind(nanos(after.notified_at))
        .bind(after.n_notified)
        .bind(after.suppressed_by.clone())
        .bind(self.tenant())
        .bind(before.id.as_str())
        .bind(before.state.word())
        .bind(before.n_notified);
        if transaction.run(update).await? == 0 {
            return Ok(false);
        }
        for tell in tell {
            deliveries::write(transaction, self.tenant(), &before.id, tell, now).await?;
        }
        Ok(true)
    }

    fn alert(&self, row: &AnyRow) -> Result<Alert, DatabaseError> {
        let time = |column| self.get(row, column).map(Timestamp::from_nanos);
        let maybe_time = |column| -> Result<_, DatabaseError> {
            let nanos: Option<i64> = self.get(row, column)?;
            Ok(nanos.map(Timestamp::from_nanos))
        };
        let (begun_with, of_event): (f64, Option<f64>) = (self.get(row, 8)?, self.get(row, 9)?);
        let channels: String = self.get(row, 10)?;
        let channels = serde_json::from_str(&channels).map_err(|error| DatabaseError::Damaged {
            table: "alerts",
            url: self.to_string(),
            problem: format!("channels: {error}"),
        })?;
        Ok(Alert {
            id: self.get(row, 0)?,
            kind: self.word("alerts", &self.get::<String>(row, 1)?, AlertKind::from_word)?,
            event: self.get(row, 2)?,
            series: self.get(row, 3)?,
            model: self.get(row, 4)?,
            state: self.word("alerts", &self.get::<String>(row, 5)?, AlertState::from_word)?,
            start: time(6)?,
            end: maybe_time(7)?,
            peak_score: of_event.map_or(begun_with, |of_event| of_event.max(begun_with)),
            channels,
            created_at: time(11)?,
            fired_at: maybe_time(12)?,
            acknowledged_at: maybe_time(13)?,
            acknowledged_by: self.get(row, 14)?,
            resolved_at: maybe_time(15)?,
            notified_at: maybe_time(16)?,
            n_notified: self.get(row, 17)?,
            suppressed_by: self.get(row, 18)?,
            event_kind: self.event_kind(self.get(row, 19)?)?,
            confidence: self.get(row, 20)?,
            fault: self.event_fault(self.get(row, 21)?)?,
        })
    }

    /// What a word in a row stands for.
    pub(super) fn word<T>(
        &self,
        table: &'static str,
        word: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, DatabaseError> {
        read(word).ok_or_else(|| DatabaseError::Damaged {
            table,
            url: self.to_string(),
            problem: format!("nobody writes {word:?} there"),
        })
    }
}
