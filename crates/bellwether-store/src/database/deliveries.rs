//! Messages about alerts: written with what they tell of, sent in order, dead when nobody takes them.

use std::time::Duration;

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::{Database, DatabaseError, Delivery, DeliveryKind, DeliveryState, Transaction};

/// Characters of an error that are kept.
const ERROR_LEN_MAX: usize = 500;

/// Messages about an alert, by whom they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// To these channels, where they have not heard of the alert.
    Firing(Vec<String>),
    /// To these channels, where nothing waits to be sent already. Earlier repetitions are forgotten.
    Repeat(Vec<String>),
    /// To all channels that were told of the alert.
    Resolved,
}

/// What became of an attempt to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The other side has it.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// To be tried again.
    Failed {
        /// When.
        due_at: Timestamp,
        /// What happened.
        error: String,
    },
    /// Not to be tried again.
    Dead {
        /// What happened.
        error: String,
    },
}

/// What became of dead letters that were to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revived {
    /// They wait to be sent.
    pub n_waiting: u64,
    /// A later message of the same alert has arrived, so that these would tell what is no longer so. They stay dead.
    pub n_overtaken: u64,
}

/// Writes the messages of one alert.
pub(super) async fn write(
    transaction: &mut Transaction,
    tenant: &str,
    alert: &str,
    tell: &Tell,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let (sql, kind, channels) = match tell {
        Tell::Firing(channels) => (FIRING, DeliveryKind::Firing, channels),
        Tell::Repeat(channels) => (REPEAT, DeliveryKind::Repeat, channels),
        Tell::Resolved => {
            let resolved = sqlx::query(RESOLVED)
                .bind(tenant)
                .bind(alert)
                .bind(now.as_nanos());
            transaction.run(resolved).await?;
            return Ok(());
        }
    };
    for channel in channels {
        if kind == DeliveryKind::Repeat {
            forget_repeats(transaction, tenant, alert, channel).await?;
        }
        let message = sqlx::query(sql)
            .bind(tenant)
            .bind(alert)
            .bind(channel.as_str())
            .bind(kind.word())
            .bind(now.as_nanos());
        transaction.run(message).await?;
    }
    Ok(())
}

const FIRING: &str = "INSERT INTO deliveries \
    (tenant, alert, channel, n, kind, state, n_attempts, due_at, created_at) \
    SELECT $1, $2, $3, 1, $4, 'waiting', 0, $5, $5 WHERE NOT EXISTS (SELECT 1 FROM deliveries d \
    WHERE d.tenant = $1 AND d.alert = $2 AND d.channel = $3) \
    ON CONFLICT DO NOTHING";

const REPEAT: &str = "INSERT INTO deliveries \
    (tenant, alert, channel, n, kind, state, n_attempts, due_at, created_at) \
    SELECT $1, $2, $3, coalesce(max(d.n), 0) + 1, $4, 'waiting', 0, $5, $5 FROM deliveries d \
    WHERE d.tenant = $1 AND d.alert = $2 AND d.channel = $3 \
    HAVING coalesce(max(CASE WHEN d.state = 'waiting' THEN 1 ELSE 0 END), 0) = 0 \
    ON CONFLICT DO NOTHING";

const RESOLVED: &str = "INSERT INTO deliveries \
    (tenant, alert, channel, n, kind, state, n_attempts, due_at, created_at) \
    SELECT d.tenant, d.alert, d.channel, max(d.n) + 1, 'resolved', 'waiting', 0, $3, $3 FROM deliveries d \
    WHERE d.tenant = $1 AND d.alert = $2 GROUP BY d.tenant, d.alert, d.channel \
    HAVING max(CASE WHEN d.state <> 'dead' THEN 1 ELSE 0 END) = 1 \
    AND max(CASE WHEN d.kind = 'resolved' THEN 1 ELSE 0 END) = 0 \
    ON CONFLICT DO NOTHING";

/// Only the last repetition is of interest. The highest `n` stays, so that no number is given twice.
async fn forget_repeats(
    transaction: &mut Transaction,
    tenant: &str,
    alert: &str,
    channel: &str,
) -> Result<(), DatabaseError> {
    let forget = sqlx::query(
        "DELETE FROM deliveries WHERE tenant = $1 AND alert = $2 AND channel = $3 AND kind = 'repeat' \
         AND state <> 'waiting' AND n < (SELECT max(d.n) FROM deliveries d \
         WHERE d.tenant = $1 AND d.alert = $2 AND d.channel = $3)",
    )
    .bind(tenant)
    .bind(alert)
    .bind(channel);
    transaction.run(forget).await.map(|_| ())
}

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT d.alert, d.channel, d.n, d.kind, d.state, d.n_attempts, d.due_at, d.created_at, d.sent_at, \
             d.error FROM deliveries d WHERE d.tenant = $1 ",
            $rest
        )
    };
}

impl Database {
    /// Messages that `channel` is to send now, at most `limit`: of each alert the first that waits. One that would be
    /// due later than `wait_max` from now waits because of a clock that was set back, and is due.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn due_deliveries(
        &self,
        channel: &str,
        now: Timestamp,
        wait_max: Duration,
        limit: u32,
    ) -> Result<Vec<Delivery>, DatabaseError> {
        const SQL: &str = select_deliveries!(
            "AND d.state = 'waiting' AND d.channel = $2 AND (d.due_at <= $3 OR d.due_at > $4) \
             AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.tenant = d.tenant AND e.alert = d.alert \
             AND e.channel = d.channel AND e.n < d.n AND e.state = 'waiting') \
             ORDER BY d.due_at, d.alert LIMIT $5"
        );
        let query = sqlx::query(SQL)
            .bind(self.tenant())
            .bind(channel)
            .bind(now.as_nanos())
            .bind(now.plus(wait_max).as_nanos())
            .bind(i64::from(limit));
        self.deliveries(query).await
    }

    /// All messages about an alert, by channel and in order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn deliveries_of(&self, alert: &str) -> Result<Vec<Delivery>, DatabaseError> {
        const SQL: &str = select_deliveries!("AND d.alert = $2 ORDER BY d.channel, d.n");
        self.deliveries(sqlx::query(SQL).bind(self.tenant()).bind(alert))
            .await
    }

    /// Dead letters, at most `limit`, the newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<Delivery>, DatabaseError> {
        const SQL: &str = select_deliveries!(
            "AND d.state = 'dead' ORDER BY d.due_at DESC, d.alert, d.channel, d.n LIMIT $2"
        );
        let query = sqlx::query(SQL).bind(self.tenant()).bind(i64::from(limit));
        self.deliveries(query).await
    }

    /// Writes what became of attempts, all in one transaction.
    ///
    /// # Errors
    /// Where the database cannot be written: the messages are then sent again.
    pub async fn mark_attempts(&self, attempts: &[(Delivery, Attempt)]) -> Result<(), DatabaseError> {
        let mut transaction = self.begin("mark messages as sent").await?;
        for (delivery, attempt) in attempts {
            let (state, due_at, sent_at, error) = match attempt {
                Attempt::Sent { at } => (DeliveryState::Sent, delivery.due_at, Some(at.as_nanos()), None),
                Attempt::Failed { due_at, error } => (DeliveryState::Waiting, *due_at, None, Some(error)),
                Attempt::Dead { error } => (DeliveryState::Dead, delivery.due_at, None, Some(error)),
            };
            let mark = sqlx::query(
                "UPDATE deliveries SET state = $1, n_attempts = $2, due_at = $3, sent_at = $4, error = $5 \
                 WHERE tenant = $6 AND alert = $7 AND channel = $8 AND n = $9",
            )
            .bind(state.word())
            .bind(delivery.n_attempts + 1)
            .bind(due_at.as_nanos())
            .bind(sent_at)
            .bind(error.map(|error| error.chars().take(ERROR_LEN_MAX).collect::<String>()))
            .bind(self.tenant())
            .bind(delivery.alert.as_str())
            .bind(delivery.channel.as_str())
            .bind(delivery.n);
            transaction.run(mark).await?;
        }
        transaction.commit().await
    }

    /// Tells `channel` again of alerts that go on, at most `limit`, where its last message is as old as `every`: also
    /// of acknowledged ones, but not of suppressed ones. A message from the future counts as old.
    ///
    /// # Errors
    /// Where the database cannot be used.
    pub async fn repeat_on(
        &self,
        channel: &str,
        every: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<usize, DatabaseError> {
        let every_nanos = i64::try_from(every.as_nanos()).unwrap_or(i64::MAX);
        let find = sqlx::query(
            "SELECT a.id FROM alerts a JOIN deliveries d ON d.tenant = a.tenant AND d.alert = a.id \
             WHERE a.tenant = $1 AND a.state IN ('firing', 'acknowledged') AND a.suppressed_by IS NULL \
             AND d.channel = $2 AND d.state <> 'waiting' AND (d.created_at <= $3 OR d.created_at > $4) \
             AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.tenant = d.tenant AND e.alert = d.alert \
             AND e.channel = d.channel AND e.n > d.n) \
             ORDER BY d.created_at, a.id LIMIT $5",
        )
        .bind(self.tenant())
        .bind(channel)
        .bind(now.as_nanos().saturating_sub(every_nanos))
        .bind(now.plus(every).as_nanos())
        .bind(i64::from(limit));
        let rows = self.all("read alerts", find).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let tell = Tell::Repeat(vec![channel.to_owned()]);
        let mut transaction = self.begin("repeat messages").await?;
        for row in &rows {
            let alert: String = transaction.get(row, 0)?;
            write(&mut transaction, self.tenant(), &alert, &tell, now).await?;
        }
        transaction.commit().await?;
        Ok(rows.len())
    }

    /// Makes dead letters of messages that wait since before `since` for a channel that is none of `channels`.
    ///
    /// # Errors
    /// Where the database cannot be used.
    pub async fn bury_unaddressed(&self, channels: &[&str], since: Timestamp) -> Result<(), DatabaseError> {
        let find = "SELECT DISTINCT channel FROM deliveries WHERE tenant = $1 AND state = 'waiting'";
        for row in self
            .all("read messages", sqlx::query(find).bind(self.tenant()))
            .await?
        {
            let channel: String = self.get(&row, 0)?;
            if channels.contains(&channel.as_str()) {
                continue;
            }
            let bury = sqlx::query(
                "UPDATE deliveries SET state = 'dead', error = $1 \
                 WHERE tenant = $2 AND channel = $3 AND state = 'waiting' AND created_at <= $4",
            )
            .bind("no channel of that name is configured any more")
            .bind(self.tenant())
            .bind(channel)
            .bind(since.as_nanos());
            let mut transaction = self.begin("bury messages").await?;
            transaction.run(bury).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Dead letters wait to be sent again: those of one alert, or all.
    pub(super) async fn revive(
        &self,
        transaction: &mut Transaction,
        alert: Option<&str>,
        now: Timestamp,
    ) -> Result<Revived, DatabaseError> {
        let alert = alert.unwrap_or_default();
        let revive = sqlx::query(
            "UPDATE deliveries SET state = 'waiting', n_attempts = 0, due_at = $1, created_at = $1 \
             WHERE tenant = $2 AND state = 'dead' AND ($3 = '' OR alert = $3) AND NOT EXISTS (SELECT 1 \
             FROM deliveries e WHERE e.tenant = deliveries.tenant AND e.alert = deliveries.alert \
             AND e.channel = deliveries.channel AND e.n > deliveries.n AND e.state = 'sent')",
        )
        .bind(now.as_nanos())
        .bind(self.tenant())
        .bind(alert);
        let n_waiting = transaction.run(revive).await?;
        let rest = sqlx::query(
            "SELECT count(*) FROM deliveries WHERE tenant = $1 AND state = 'dead' AND ($2 = '' OR alert = $2)",
        )
        .bind(self.tenant())
        .bind(alert);
        let n_overtaken: i64 = match transaction.all(rest).await?.first() {
            Some(row) => transaction.get(row, 0)?,
            None => 0,
        };
        Ok(Revived {
            n_waiting,
            n_overtaken: n_overtaken.unsigned_abs(),
        })
    }

    async fn deliveries(
        &self,
        query: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<Vec<Delivery>, DatabaseError> {
        let rows = self.all("read messages", query).await?;
        rows.iter().map(|row| self.delivery(row)).collect()
    }

    fn delivery(&self, row: &AnyRow) -> Result<Delivery, DatabaseError> {
        let sent_at: Option<i64> = self.get(row, 8)?;
        let word = |column| self.get::<String>(row, column);
        Ok(Delivery {
            alert: self.get(row, 0)?,
            channel: self.get(row, 1)?,
            n: self.get(row, 2)?,
            kind: self.word("deliveries", &word(3)?, DeliveryKind::from_word)?,
            state: self.word("deliveries", &word(4)?, DeliveryState::from_word)?,
            n_attempts: self.get(row, 5)?,
            due_at: Timestamp::from_nanos(self.get(row, 6)?),
            created_at: Timestamp::from_nanos(self.get(row, 7)?),
            sent_at: sent_at.map(Timestamp::from_nanos),
            error: self.get(row, 9)?,
        })
    }
}
