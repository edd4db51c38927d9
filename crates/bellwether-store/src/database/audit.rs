//! Who changed what: one numbered entry for every decision, in the transaction that writes the decision.

use bellwether_core::time::Timestamp;

use super::statement::text;
use super::{AuditEntry, Database, DatabaseError, Transaction};

/// Entries are numbered one transaction after the other: name of that lock in PostgreSQL (`bellaudt` in ASCII).
const LOCK: i64 = 0x6265_6c6c_6175_6474;

/// The number of the next entry. From here on no other transaction gets one, until this one is over.
pub(super) async fn next(database: &Database, transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    if database.is_postgres() {
        let wait = sqlx::query("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)").bind(LOCK);
        transaction.all(wait).await?;
    }
    let last = sqlx::query("SELECT coalesce(max(n), 0) FROM audit WHERE tenant = $1").bind(database.tenant());
    match transaction.all(last).await?.first() {
        Some(row) => Ok(transaction.get::<i64>(row, 0)? + 1),
        None => Ok(1),
    }
}

/// Writes an entry under a number of [`next`].
pub(super) async fn write(
    database: &Database,
    transaction: &mut Transaction,
    entry: &AuditEntry,
) -> Result<(), DatabaseError> {
    let insert = sqlx::query(
        "INSERT INTO audit (tenant, n, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(database.tenant())
    .bind(entry.n)
    .bind(entry.at.as_nanos())
    .bind(text(&entry.actor))
    .bind(text(&entry.action))
    .bind(text(&entry.subject))
    .bind(text(&entry.detail));
    transaction.run(insert).await.map(|_| ())
}

impl Database {
    /// Audit entries, at most `limit`, the newest first; only those before the entry of this number, where that is
    /// given.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, DatabaseError> {
        let query = sqlx::query(
            "SELECT n, at, actor, action, subject, detail FROM audit WHERE tenant = $1 AND n < $2 \
             ORDER BY n DESC LIMIT $3",
        )
        .bind(self.tenant())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit));
        let rows = self.all("read the audit", query).await?;
        let entry = |row| {
            Ok(AuditEntry {
                n: self.get(row, 0)?,
                at: Timestamp::from_nanos(self.get(row, 1)?),
                actor: self.get(row, 2)?,
                action: self.get(row, 3)?,
                subject: self.get(row, 4)?,
                detail: self.get(row, 5)?,
            })
        };
        rows.iter().map(entry).collect()
    }
}
