//! The one process that writes what it judged, in group commits that are there whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_core::time::Timestamp;

use super::commit;
use super::connection::{Database, Transaction};
use super::error::DatabaseError;
use super::record::Commit;

/// How often answers that are too old are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What is kept at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Rows in quarantine; the oldest go.
    pub quarantined_max: usize,
    /// How long the answers to idempotency keys are remembered.
    pub answers_kept: Duration,
}

/// 10 000 rows in quarantine, answers for a day.
impl Default for Bounds {
    fn default() -> Self {
        Self {
            quarantined_max: 10_000,
            answers_kept: Duration::from_secs(86_400),
        }
    }
}

/// The right to commit, until another process takes it over.
#[derive(Debug)]
pub struct Writer {
    database: Database,
    epoch: i64,
    /// Of the last commit.
    seq: i64,
    /// The last commit failed, and may have been made nevertheless.
    is_unsure: bool,
    bounds: Bounds,
    forgot_at: Option<Timestamp>,
}

impl Database {
    /// Becomes the one process that commits; whoever did before is refused from now on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn take_over(&self) -> Result<Writer, DatabaseError> {
        let mut transaction = self.begin("take over").await?;
        let first =
            "INSERT INTO writer (tenant, epoch, seq) VALUES ($1, 0, 0) ON CONFLICT (tenant) DO NOTHING";
        transaction.run(sqlx::query(first).bind(self.tenant())).await?;
        let raise = "UPDATE writer SET epoch = epoch + 1 WHERE tenant = $1";
        transaction.run(sqlx::query(raise).bind(self.tenant())).await?;
        let (epoch, seq) = state(&mut transaction, self).await?;
        transaction.commit().await?;
        Ok(Writer {
            database: self.clone(),
            epoch,
            seq,
            is_unsure: false,
            bounds: Bounds::default(),
            forgot_at: None,
        })
    }
}

impl Writer {
    /// With other bounds than the usual ones.
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Number of the last commit; the first has 1.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Writes all of `commit` in one transaction and gives its number; once it returns, all of it is on the disk.
    ///
    /// # Errors
    /// [`DatabaseError::TakenOver`] where another process writes now. After any other error it is not known whether
    /// the commit was made: [`Writer::resume`] has to be asked before the next one.
    pub async fn commit(&mut self, commit: &Commit) -> Result<i64, DatabaseError> {
        if self.is_unsure {
            return Err(DatabaseError::Unsure {
                url: self.database.to_string(),
            });
        }
        self.is_unsure = true;
        let forget = self.forget_before(commit.now);
        let mut transaction = self.database.begin("commit").await?;
        let seq = self.seq + 1;
        let own = "UPDATE writer SET seq = $1 WHERE tenant = $2 AND epoch = $3 AND seq = $4";
        let own = sqlx::query(own)
            .bind(seq)
            .bind(self.database.tenant())
            .bind(self.epoch)
            .bind(self.seq);
        if transaction.run(own).await? != 1 {
            return Err(self.taken_over());
        }
        commit::write(
            &mut transaction,
            self.database.tenant(),
            seq,
            commit,
            &self.bounds,
        )
        .await?;
        if let Some(before) = forget {
            let old = "DELETE FROM idempotency_keys WHERE tenant = $1 AND made_at < $2";
            let old = sqlx::query(old)
                .bind(self.database.tenant())
                .bind(before.as_nanos());
            transaction.run(old).await?;
        }
        transaction.commit().await?;
        (self.seq, self.is_unsure) = (seq, false);
        if forget.is_some() {
            self.forgot_at = Some(commit.now);
        }
        Ok(seq)
    }

    /// Asks what became of a commit that failed: the number of the last one that was made.
    ///
    /// # Errors
    /// [`DatabaseError::TakenOver`] where another process writes now; otherwise where the database still fails.
    pub async fn resume(&mut self) -> Result<i64, DatabaseError> {
        // In a transaction that writes: whatever an earlier one left on its way comes before it.
        let mut transaction = self.database.begin("ask for the last commit").await?;
        let (epoch, seq) = state(&mut transaction, &self.database).await?;
        if epoch != self.epoch {
            return Err(self.taken_over());
        }
        (self.seq, self.is_unsure) = (seq, false);
        Ok(seq)
    }

    /// Answers before this are to be forgotten in a commit at `now`; `None`: not yet again.
    fn forget_before(&self, now: Timestamp) -> Option<Timestamp> {
        let is_due = self.forgot_at.is_none_or(|last| now.since(last) >= FORGET_EVERY);
        let kept = i64::try_from(self.bounds.answers_kept.as_nanos()).unwrap_or(i64::MAX);
        is_due.then(|| Timestamp::from_nanos(now.as_nanos().saturating_sub(kept)))
    }

    fn taken_over(&self) -> DatabaseError {
        DatabaseError::TakenOver {
            url: self.database.to_string(),
        }
    }
}

/// Epoch and number of the last commit. On PostgreSQL the row is held, so that a commit on its way ends before.
async fn state(transaction: &mut Transaction, database: &Database) -> Result<(i64, i64), DatabaseError> {
    let hold = "UPDATE writer SET epoch = epoch WHERE tenant = $1";
    transaction.run(sqlx::query(hold).bind(database.tenant())).await?;
    let ask = sqlx::query("SELECT epoch, seq FROM writer WHERE tenant = $1").bind(database.tenant());
    let rows = transaction.all(ask).await?;
    let row = rows.first().ok_or_else(|| DatabaseError::Damaged {
        table: "writer",
        url: database.to_string(),
        problem: "nobody ever took over".to_owned(),
    })?;
    Ok((transaction.get(row, 0)?, transaction.get(row, 1)?))
}

/// The last of those with the same key, in the order of the keys: one statement cannot write a row twice.
pub(super) fn last_of_each<'a, T, K: Ord>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let last: BTreeMap<K, &T> = rows.iter().map(|row| (key(row), row)).collect();
    last.into_values().collect()
}
