//! Reading back what was committed.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::block;
use super::connection::Database;
use super::error::DatabaseError;
use super::record::JudgedBlock;
use super::statement::{Statement, text};

/// Names asked for in one statement.
const NAMES_MAX: usize = 1000;

/// The state of a device as it was after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// The commit.
    pub seq: i64,
    /// As it was given to [`Checkpoint`](super::Checkpoint).
    pub state: Vec<u8>,
}

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenAnswer {
    /// Of the request that it was given to.
    pub body_hash: String,
    /// What was answered.
    pub answer: String,
}

/// Something in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuarantined {
    /// The commit.
    pub seq: i64,
    /// Its place within the commit.
    pub n: i64,
    /// The source.
    pub source: String,
    /// Which kind of trouble.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// The first bytes of it.
    pub payload: Vec<u8>,
    /// By the clock of the machine that took it.
    pub taken_at: Timestamp,
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Blocks of arrivals.
    pub journal_blocks: i64,
    /// Devices with a state.
    pub checkpoints: i64,
    /// Blocks of judged samples that have not rolled into files yet.
    pub judged_blocks: i64,
    /// Events.
    pub events: i64,
    /// Things in quarantine.
    pub quarantined: i64,
    /// Judged samples, in the database and in the history's files.
    pub judged: i64,
}

impl Database {
    /// States of those of these devices that have one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn checkpoints(
        &self,
        series: &[Arc<str>],
    ) -> Result<HashMap<Arc<str>, StoredState>, DatabaseError> {
        let mut found = HashMap::with_capacity(series.len());
        for names in series.chunks(NAMES_MAX) {
            let mut query = Statement::new("SELECT series, seq, state FROM checkpoints WHERE tenant = ");
            query.bind(self.tenant()).push(" AND series IN ");
            query.list(names.iter().map(|name| name.to_string()));
            for row in self.all("read states of devices", query.query()).await? {
                let (seq, state) = (self.get(&row, 1)?, self.get(&row, 2)?);
                found.insert(self.get::<String>(&row, 0)?.into(), StoredState { seq, state });
            }
        }
        Ok(found)
    }

    /// Devices that have a state, with the commit it is of, at most `limit` after the device `after` in the order of
    /// their names; `waiting`: only those that hold samples which wait for their turn.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn checkpointed(
        &self,
        waiting: bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Arc<str>, i64)>, DatabaseError> {
        let query = "SELECT series, seq FROM checkpoints WHERE tenant = $1 AND series > $2 AND is_waiting >= $3 \
                     ORDER BY series LIMIT $4";
        let query = sqlx::query(query)
            .bind(self.tenant())
            .bind(after.unwrap_or_default())
            .bind(i64::from(waiting))
            .bind(limit as i64);
        let rows = self.all("list the devices", query).await?;
        let pair = |row| Ok((self.get::<String>(row, 0)?.into(), self.get(row, 1)?));
        rows.iter().map(pair).collect()
    }

    /// Blocks of arrivals with a number above `after`, at most `limit`, in the order of their commits.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn journal(&self, after: i64, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, DatabaseError> {
        let query = "SELECT seq, arrivals FROM journal WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let query = sqlx::query(query)
            .bind(self.tenant())
            .bind(after)
            .bind(limit as i64);
        let rows = self.all("read the journal", query).await?;
        rows.iter()
            .map(|row| Ok((self.get(row, 0)?, self.get(row, 1)?)))
            .collect()
    }

    /// Where each source goes on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn offsets(&self) -> Result<HashMap<String, String>, DatabaseError> {
        let query = sqlx::query("SELECT source, position FROM offsets WHERE tenant = $1").bind(self.tenant());
        let rows = self.all("read positions of sources", query).await?;
        rows.iter()
            .map(|row| Ok((self.get(row, 0)?, self.get(row, 1)?)))
            .collect()
    }

    /// The answer that a request with this idempotency key was given before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn answer(&self, key: &str) -> Result<Option<GivenAnswer>, DatabaseError> {
        let query = "SELECT body_hash, answer FROM idempotency_keys WHERE tenant = $1 AND id = $2";
        let query = sqlx::query(query).bind(self.tenant()).bind(text(key));
        let rows = self.all("read an answer", query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(GivenAnswer {
            body_hash: self.get(row, 0)?,
            answer: self.get(row, 1)?,
        }))
    }

    /// Blocks of judged samples that have not rolled into files yet and may hold samples in `[from, to)`, in the
    /// order of their commits.
    ///
    /// # Errors
    /// Where the database fails, or a block is not as we wrote it.
    pub async fn judged(&self, from: Timestamp, to: Timestamp) -> Result<Vec<JudgedBlock>, DatabaseError> {
        let query = "SELECT samples FROM judged WHERE tenant = $1 AND last_time >= $2 AND first_time < $3 \
                     ORDER BY seq, model";
        let query = sqlx::query(query)
            .bind(self.tenant())
            .bind(from.as_nanos())
            .bind(to.as_nanos());
        let rows = self.all("read judged samples", query).await?;
        rows.iter().map(|row| self.block(row, 0)).collect()
    }

    /// A block of judged samples out of a column.
    pub(super) fn block(&self, row: &AnyRow, column: usize) -> Result<JudgedBlock, DatabaseError> {
        let bytes: &[u8] = self.get(row, column)?;
        block::decode(bytes).map_err(|problem| self.damaged("judged", problem.to_owned()))
    }

    /// The newest things in quarantine, at most `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn quarantined(&self, limit: usize) -> Result<Vec<StoredQuarantined>, DatabaseError> {
        let query = "SELECT seq, n, source, reason, detail, payload, taken_at FROM quarantine WHERE tenant = $1 \
                     ORDER BY seq DESC, n DESC LIMIT $2";
        let query = sqlx::query(query).bind(self.tenant()).bind(limit as i64);
        let rows = self.all("read the quarantine", query).await?;
        let read = |row| {
            Ok(StoredQuarantined {
                seq: self.get(row, 0)?,
                n: self.get(row, 1)?,
                source: self.get(row, 2)?,
                reason: self.get(row, 3)?,
                detail: self.get(row, 4)?,
                payload: self.get(row, 5)?,
                taken_at: Timestamp::from_nanos(self.get(row, 6)?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counts(&self) -> Result<Counts, DatabaseError> {
        let query = "SELECT (SELECT COUNT(*) FROM journal WHERE tenant = $1), \
                     (SELECT COUNT(*) FROM checkpoints WHERE tenant = $1), \
                     (SELECT COUNT(*) FROM judged WHERE tenant = $1), \
                     (SELECT COUNT(*) FROM events WHERE tenant = $1), \
                     (SELECT COUNT(*) FROM quarantine WHERE tenant = $1), \
                     (SELECT CAST(COALESCE(SUM(n_rows), 0) AS BIGINT) FROM judged WHERE tenant = $1), \
                     (SELECT CAST(COALESCE(SUM(n_rows), 0) AS BIGINT) FROM history_files WHERE tenant = $1)";
        let rows = self
            .all("count rows", sqlx::query(query).bind(self.tenant()))
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| self.damaged("counts", "no row came".to_owned()))?;
        Ok(Counts {
            journal_blocks: self.get(row, 0)?,
            checkpoints: self.get(row, 1)?,
            judged_blocks: self.get(row, 2)?,
            events: self.get(row, 3)?,
            quarantined: self.get(row, 4)?,
            judged: self.get::<i64>(row, 5)? + self.get::<i64>(row, 6)?,
        })
    }

    pub(super) fn damaged(&self, table: &'static str, problem: String) -> DatabaseError {
        DatabaseError::Damaged {
            table,
            url: self.to_string(),
            problem,
        }
    }
}
