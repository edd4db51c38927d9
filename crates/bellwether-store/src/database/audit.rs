//! Who changed what: one numbered entry for every decision, in the transaction that writes the decision.

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::chain::{self, AuditCheck, Follower, Head};
use super::statement::text;
use super::{AuditEntry, Database, DatabaseError, Transaction};

/// Entries are numbered one transaction after the other: name of that lock in PostgreSQL (`bellaudt` in ASCII).
const LOCK: i64 = 0x6265_6c6c_6175_6474;

/// Entries that are checked in one go.
const PAGE_LEN: i64 = 1000;

/// An entry that is to be written, under the next number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: one word, for searching.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// The rest, in words.
    pub detail: String,
}

/// The end of the audit. As long as the transaction goes on that holds it, no other adds an entry.
pub(super) struct AuditEnd {
    tenant: String,
    newest: Head,
}

impl AuditEnd {
    pub(super) async fn hold(
        database: &Database,
        transaction: &mut Transaction,
    ) -> Result<Self, DatabaseError> {
        if database.is_postgres() {
            let wait = sqlx::query("SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)").bind(LOCK);
            transaction.all(wait).await?;
        }
        let head = head(database, transaction).await?;
        let last = sqlx::query("SELECT coalesce(max(n), 0) FROM audit WHERE tenant = $1");
        let last = transaction.all(last.bind(database.tenant())).await?;
        let last: i64 = last.first().map_or(Ok(0), |row| transaction.get(row, 0))?;
        // An end that was cut off leaves its numbers free, so that it stays known that there was one.
        let (n, hash) = head.map_or((0, String::new()), |head| (head.n, head.hash));
        Ok(Self {
            tenant: database.tenant().to_owned(),
            newest: Head { n: n.max(last), hash },
        })
    }

    /// The number of the next entry.
    pub(super) fn next(&self) -> i64 {
        self.newest.n + 1
    }

    /// Writes the next entry.
    pub(super) async fn write(
        &mut self,
        transaction: &mut Transaction,
        entry: &NewAuditEntry,
    ) -> Result<(), DatabaseError> {
        let entry = AuditEntry {
            n: self.next(),
            at: entry.at,
            actor: text(&entry.actor),
            action: entry.action.to_owned(),
            subject: text(&entry.subject),
            detail: text(&entry.detail),
        };
        let hash = chain::hash(&self.tenant, &self.newest.hash, &entry);
        let insert = sqlx::query(
            "INSERT INTO audit (tenant, n, at, actor, action, subject, detail, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.tenant.as_str())
        .bind(entry.n)
        .bind(entry.at.as_nanos())
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject)
        .bind(entry.detail)
        .bind(hash.as_str());
        transaction.run(insert).await?;
        let head = sqlx::query(
            "INSERT INTO audit_head (tenant, n, hash) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant) DO UPDATE SET n = excluded.n, hash = excluded.hash",
        )
        .bind(self.tenant.as_str())
        .bind(entry.n)
        .bind(hash.as_str());
        transaction.run(head).await?;
        self.newest = Head { n: entry.n, hash };
        Ok(())
    }
}

impl Database {
    /// Writes an entry for what is not in the database: a change elsewhere, or somebody who was turned away. Its
    /// number.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn record(&self, entry: &NewAuditEntry) -> Result<i64, DatabaseError> {
        let mut transaction = self.begin("write the audit").await?;
        let mut end = AuditEnd::hold(self, &mut transaction).await?;
        let n = end.next();
        end.write(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(n)
    }

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
        rows.iter().map(|row| self.audit_entry(row)).collect()
    }

    /// Looks at every entry of the audit, as it is at one instant: are they those that were written, and all of them?
    ///
    /// # Errors
    /// Where the database cannot be read. What is wrong with the audit is no error: [`AuditCheck::fault`].
    pub async fn verify_audit(&self) -> Result<AuditCheck, DatabaseError> {
        self.follow_audit(&AuditCheck::default()).await
    }

    /// The same from where an earlier look ended that found nothing wrong: costs what has come since. What was changed
    /// before that place is not found.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn follow_audit(&self, from: &AuditCheck) -> Result<AuditCheck, DatabaseError> {
        let mut snapshot = self.snapshot("check the audit").await?;
        let head = head(self, &mut snapshot).await?;
        let mut follower = Follower::from(self.tenant(), from);
        loop {
            // A number is never below 1; one that is was put there by somebody else.
            let after = if follower.n() == 0 { i64::MIN } else { follower.n() };
            let page = sqlx::query(
                "SELECT n, at, actor, action, subject, detail, hash FROM audit WHERE tenant = $1 AND n > $2 \
                 ORDER BY n LIMIT $3",
            )
            .bind(self.tenant())
            .bind(after)
            .bind(PAGE_LEN);
            let page = snapshot.all(page).await?;
            for row in &page {
                if let Err(fault) = follower.take(&self.audit_entry(row)?, self.get(row, 6)?) {
                    return Ok(follower.check(Some(fault)));
                }
            }
            if page.len() < PAGE_LEN as usize {
                break;
            }
        }
        let fault = follower.end(head.as_ref()).err();
        Ok(follower.check(fault))
    }

    fn audit_entry(&self, row: &AnyRow) -> Result<AuditEntry, DatabaseError> {
        Ok(AuditEntry {
            n: self.get(row, 0)?,
            at: Timestamp::from_nanos(self.get(row, 1)?),
            actor: self.get(row, 2)?,
            action: self.get(row, 3)?,
            subject: self.get(row, 4)?,
            detail: self.get(row, 5)?,
        })
    }
}

async fn head(database: &Database, transaction: &mut Transaction) -> Result<Option<Head>, DatabaseError> {
    let head = sqlx::query("SELECT n, hash FROM audit_head WHERE tenant = $1").bind(database.tenant());
    let rows = transaction.all(head).await?;
    let read = |row| {
        Ok(Head {
            n: transaction.get(row, 0)?,
            hash: transaction.get(row, 1)?,
        })
    };
    rows.first().map(read).transpose()
}
