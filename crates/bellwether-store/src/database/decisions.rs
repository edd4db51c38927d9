//! What people decide about alerts: written with the audit entry that says who, in one transaction.

use bellwether_core::time::Timestamp;

use super::alerts::AlertMove;
use super::audit::AuditEnd;
use super::deliveries::Revived;
use super::{
    Database, DatabaseError, Feedback, NewAuditEntry, Suppression, SuppressionKind, Transaction, Verdict,
    suppressions,
};

/// One decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Who.
    pub actor: String,
    /// What: one word, for searching.
    pub action: &'static str,
    /// About what: id of an alert, pattern of devices.
    pub subject: String,
    /// The rest, in words.
    pub detail: String,
    /// When, by the clock of this machine.
    pub at: Timestamp,
    /// An alert that moves.
    pub moves: Option<AlertMove>,
    /// What is said of the alert `subject`, and a note.
    pub feedback: Option<(Verdict, String)>,
    /// A suppression that begins.
    pub suppress: Option<NewSuppression>,
}

/// A suppression that begins. Who makes it is the actor of the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSuppression {
    /// Why.
    pub kind: SuppressionKind,
    /// Pattern of device names.
    pub devices: String,
    /// Where set, alerts of this model version alone.
    pub model: Option<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when; `None`: until it is taken back.
    pub until: Option<Timestamp>,
    /// What it is for.
    pub reason: String,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It holds.
    Done {
        /// Id of the suppression that begins with it.
        suppression: Option<String>,
    },
    /// Its alert has moved since it was read: read it and decide again. Nothing was written.
    Overtaken,
}

impl Database {
    /// Writes a decision and its audit entry, all or nothing.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn decide(&self, decision: &Decision) -> Result<Decided, DatabaseError> {
        let mut transaction = self.begin("write a decision").await?;
        // Numbered first: it holds the lock under which everything below is numbered.
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        if let Some(moves) = &decision.moves
            && !self.move_one(&mut transaction, moves, decision.at).await?
        {
            return Ok(Decided::Overtaken);
        }
        if let Some((verdict, note)) = &decision.feedback {
            self.write_feedback(&mut transaction, decision, *verdict, note)
                .await?;
        }
        let mut made = None;
        if let Some(suppress) = &decision.suppress {
            let suppression = suppress.numbered(audit.next(), decision);
            suppressions::write(self, &mut transaction, &suppression).await?;
            made = Some(suppression.id);
        }
        let mut detail = decision.detail.clone();
        if let Some(id) = &made {
            detail = format!("{id}: {detail}");
        }
        audit.write(&mut transaction, &decision.entry(detail)).await?;
        transaction.commit().await?;
        Ok(Decided::Done { suppression: made })
    }

    /// Dead letters of one alert, or of all, wait to be sent again.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn retry_dead(
        &self,
        alert: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Result<Revived, DatabaseError> {
        let mut transaction = self.begin("revive messages").await?;
        let mut audit = AuditEnd::hold(self, &mut transaction).await?;
        let revived = self.revive(&mut transaction, alert, now).await?;
        let entry = NewAuditEntry {
            at: now,
            actor: actor.to_owned(),
            action: "retry",
            subject: alert.unwrap_or("*").to_owned(),
            detail: format!("{} waiting, {} overtaken", revived.n_waiting, revived.n_overtaken),
        };
        audit.write(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(revived)
    }

    /// What was said of an alert, in order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn feedback_of(&self, alert: &str) -> Result<Vec<Feedback>, DatabaseError> {
        let query = sqlx::query(
            "SELECT alert, n, verdict, note, made_by, made_at FROM feedback WHERE tenant = $1 AND alert = $2 \
             ORDER BY n",
        )
        .bind(self.tenant())
        .bind(alert);
        let rows = self.all("read feedback", query).await?;
        let feedback = |row| {
            Ok(Feedback {
                alert: self.get(row, 0)?,
                n: self.get(row, 1)?,
                verdict: self.word("feedback", &self.get::<String>(row, 2)?, Verdict::from_word)?,
                note: self.get(row, 3)?,
                made_by: self.get(row, 4)?,
                made_at: Timestamp::from_nanos(self.get(row, 5)?),
            })
        };
        rows.iter().map(feedback).collect()
    }

    async fn write_feedback(
        &self,
        transaction: &mut Transaction,
        decision: &Decision,
        verdict: Verdict,
        note: &str,
    ) -> Result<(), DatabaseError> {
        let insert = sqlx::query(
            "INSERT INTO feedback (tenant, alert, n, verdict, note, made_by, made_at) \
             SELECT $1, $2, coalesce(max(f.n), 0) + 1, $3, $4, $5, $6 FROM feedback f \
             WHERE f.tenant = $1 AND f.alert = $2",
        )
        .bind(self.tenant())
        .bind(decision.subject.as_str())
        .bind(verdict.word())
        .bind(note)
        .bind(decision.actor.as_str())
        .bind(decision.at.as_nanos());
        transaction.run(insert).await.map(|_| ())
    }
}

impl Decision {
    fn entry(&self, detail: String) -> NewAuditEntry {
        NewAuditEntry {
            at: self.at,
            actor: self.actor.clone(),
            action: self.action,
            subject: self.subject.clone(),
            detail,
        }
    }
}

impl NewSuppression {
    /// Named after the audit entry that it begins with.
    fn numbered(&self, n: i64, decision: &Decision) -> Suppression {
        Suppression {
            id: format!("{}-{n}", self.kind.word()),
            kind: self.kind,
            devices: self.devices.clone(),
            model: self.model.clone(),
            from: self.from,
            until: self.until,
            reason: self.reason.clone(),
            made_by: decision.actor.clone(),
            made_at: decision.at,
        }
    }
}
