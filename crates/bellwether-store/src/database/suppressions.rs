//! Suppressions in the database: begun by a decision, ended by another, or kept as the configuration says.

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::audit::AuditEnd;
use super::{Database, DatabaseError, NewAuditEntry, Suppression, SuppressionKind, Transaction};

/// Ids of suppressions that the configuration makes begin like that.
pub const CONFIGURED: &str = "config-";

macro_rules! select_suppressions {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.kind, s.devices, s.model, s.from_time, s.until_time, s.reason, s.made_by, s.made_at \
             FROM suppressions s WHERE s.tenant = $1 ",
            $rest
        )
    };
}

impl Database {
    /// Suppressions that are not over at `now`, also those to come, in the order they were made.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn suppressions(&self, now: Timestamp) -> Result<Vec<Suppression>, DatabaseError> {
        const SQL: &str =
            select_suppressions!("AND (s.until_time IS NULL OR s.until_time > $2) ORDER BY s.made_at, s.id");
        let query = sqlx::query(SQL).bind(self.tenant()).bind(now.as_nanos());
        let rows = self.all("read suppressions", query).await?;
        rows.iter().map(|row| self.suppression(row)).collect()
    }

    /// Ends a suppression; whether there was one of that id.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn end_suppression(
        &self,
        id: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.begin("end a suppression").await?;
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        if !remove(self, &mut transaction, id).await? {
            return Ok(false);
        }
        let entry = NewAuditEntry {
            at: now,
            actor: actor.to_owned(),
            action: "unshelve",
            subject: id.to_owned(),
            detail: String::new(),
        };
        audit.write(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes the suppressions of the configuration, all with ids that begin with [`CONFIGURED`], those that are there
    /// under such ids. Only what differs is written, and audited as done by `config`.
    ///
    /// # Errors
    /// Where the database cannot be used.
    pub async fn set_configured(&self, wanted: &[Suppression], now: Timestamp) -> Result<(), DatabaseError> {
        const SQL: &str = select_suppressions!("AND s.id >= $2 AND s.id < $3 ORDER BY s.id");
        let find = || {
            sqlx::query(SQL)
                .bind(self.tenant())
                .bind(CONFIGURED)
                .bind(format!("{CONFIGURED}{}", char::MAX))
        };
        let mut transaction = self.begin("write maintenance windows").await?;
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        let rows = transaction.all(find()).await?;
        let there: Vec<Suppression> = rows
            .iter()
            .map(|row| self.suppression(row))
            .collect::<Result<_, _>>()?;
        let is_same = |a: &Suppression, b: &Suppression| {
            let of = |s: &Suppression| (s.id.clone(), s.devices.clone(), s.from, s.until, s.reason.clone());
            of(a) == of(b)
        };
        let gone = there
            .iter()
            .filter(|there| !wanted.iter().any(|wanted| is_same(wanted, there)))
            .map(|gone| ("window-ends", gone));
        let begun = wanted
            .iter()
            .filter(|wanted| !there.iter().any(|there| is_same(wanted, there)))
            .map(|begun| ("window-begins", begun));
        for (action, window) in gone.chain(begun) {
            remove(self, &mut transaction, &window.id).await?;
            if action == "window-begins" {
                write(self, &mut transaction, window).await?;
            }
            let entry = NewAuditEntry {
                at: now,
                actor: "config".to_owned(),
                action,
                subject: window.devices.clone(),
                detail: format!("{}: {}", window.id, window.reason),
            };
            audit.write(&mut transaction, &entry).await?;
        }
        transaction.commit().await
    }

    fn suppression(&self, row: &AnyRow) -> Result<Suppression, DatabaseError> {
        let until: Option<i64> = self.get(row, 5)?;
        Ok(Suppression {
            id: self.get(row, 0)?,
            kind: self.word(
                "suppressions",
                &self.get::<String>(row, 1)?,
                SuppressionKind::from_word,
            )?,
            devices: self.get(row, 2)?,
            model: self.get(row, 3)?,
            from: Timestamp::from_nanos(self.get(row, 4)?),
            until: until.map(Timestamp::from_nanos),
            reason: self.get(row, 6)?,
            made_by: self.get(row, 7)?,
            made_at: Timestamp::from_nanos(self.get(row, 8)?),
        })
    }
}

/// Writes one whose id is free.
pub(super) async fn write(
    database: &Database,
    transaction: &mut Transaction,
    suppression: &Suppression,
) -> Result<(), DatabaseError> {
    let insert = sqlx::query(
        "INSERT INTO suppressions \
         (tenant, id, kind, devices, model, from_time, until_time, reason, made_by, made_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(database.tenant())
    .bind(suppression.id.as_str())
    .bind(suppression.kind.word())
    .bind(suppression.devices.as_str())
    .bind(suppression.model.clone())
    .bind(suppression.from.as_nanos())
    .bind(suppression.until.map(Timestamp::as_nanos))
    .bind(suppression.reason.as_str())
    .bind(suppression.made_by.as_str())
    .bind(suppression.made_at.as_nanos());
    transaction.run(insert).await.map(|_| ())
}

async fn remove(database: &Database, transaction: &mut Transaction, id: &str) -> Result<bool, DatabaseError> {
    let delete = sqlx::query("DELETE FROM suppressions WHERE tenant = $1 AND id = $2")
        .bind(database.tenant())
        .bind(id);
    Ok(transaction.run(delete).await? > 0)
}
