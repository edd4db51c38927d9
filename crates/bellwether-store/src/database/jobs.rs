//! Jobs: work that takes longer than a request, as its owner writes it down.

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::alert_record::words;
use super::statement::text;
use super::{Database, DatabaseError};

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name for ever.
    pub id: String,
    /// What is to be done: `train`.
    pub kind: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Of the model that it is about.
    pub name: String,
    /// Who wants it.
    pub made_by: String,
    /// Since when it waits, by the clock of the machine, like all times of jobs.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// JSON that the owner reads.
    pub detail: String,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It has not begun.
    Waiting,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

words!(JobState {
    Waiting => "waiting",
    Running => "running",
    Done => "done",
    Failed => "failed",
    Cancelled => "cancelled",
});

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, state, name, made_by, created_at, started_at, ended_at, error, detail \
             FROM jobs WHERE tenant = $1 ",
            $rest
        )
    };
}

impl Database {
    /// Writes a job under an id that is free.
    ///
    /// # Errors
    /// Where the database cannot be written, or there is a job of that id.
    pub async fn insert_job(&self, job: &Job) -> Result<(), DatabaseError> {
        let mut transaction = self.begin("write a job").await?;
        let insert = sqlx::query(
            "INSERT INTO jobs \
             (tenant, id, kind, state, name, made_by, created_at, started_at, ended_at, error, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(self.tenant())
        .bind(text(&job.id))
        .bind(text(&job.kind))
        .bind(job.state.word())
        .bind(text(&job.name))
        .bind(text(&job.made_by))
        .bind(job.created_at.as_nanos())
        .bind(job.started_at.map(Timestamp::as_nanos))
        .bind(job.ended_at.map(Timestamp::as_nanos))
        .bind(job.error.as_deref().map(text))
        .bind(text(&job.detail));
        transaction.run(insert).await?;
        transaction.commit().await
    }

    /// Writes state, times, error and detail of a job that is in state `before`; `false`, and nothing is written,
    /// where it is in another by now.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn update_job(&self, before: JobState, job: &Job) -> Result<bool, DatabaseError> {
        let mut transaction = self.begin("write a job").await?;
        let update = sqlx::query(
            "UPDATE jobs SET state = $1, started_at = $2, ended_at = $3, error = $4, detail = $5 \
             WHERE tenant = $6 AND id = $7 AND state = $8",
        )
        .bind(job.state.word())
        .bind(job.started_at.map(Timestamp::as_nanos))
        .bind(job.ended_at.map(Timestamp::as_nanos))
        .bind(job.error.as_deref().map(text))
        .bind(text(&job.detail))
        .bind(self.tenant())
        .bind(text(&job.id))
        .bind(before.word());
        let n_changed = transaction.run(update).await?;
        transaction.commit().await?;
        Ok(n_changed > 0)
    }

    /// The job of this id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, DatabaseError> {
        const SQL: &str = select_jobs!("AND id = $2");
        let query = sqlx::query(SQL).bind(self.tenant()).bind(text(id));
        let rows = self.all("look for a job", query).await?;
        rows.first().map(|row| self.stored_job(row)).transpose()
    }

    /// Jobs, at most `limit`, the newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<Job>, DatabaseError> {
        const SQL: &str = select_jobs!("ORDER BY created_at DESC, id DESC LIMIT $2");
        let query = sqlx::query(SQL).bind(self.tenant()).bind(i64::from(limit));
        let rows = self.all("read jobs", query).await?;
        rows.iter().map(|row| self.stored_job(row)).collect()
    }

    /// Jobs that have not begun, the oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn waiting_jobs(&self) -> Result<Vec<Job>, DatabaseError> {
        const SQL: &str = select_jobs!("AND state = 'waiting' ORDER BY created_at, id");
        let query = sqlx::query(SQL).bind(self.tenant());
        let rows = self.all("read jobs", query).await?;
        rows.iter().map(|row| self.stored_job(row)).collect()
    }

    /// Says of every job that is written down as running that it failed, and why: for who starts and knows that
    /// nobody does them any more. How many there were.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn fail_running(&self, reason: &str, now: Timestamp) -> Result<u64, DatabaseError> {
        let mut transaction = self.begin("end jobs").await?;
        let update = "UPDATE jobs SET state = 'failed', ended_at = $1, error = $2 \
                      WHERE tenant = $3 AND state = 'running'";
        let update = sqlx::query(update)
            .bind(now.as_nanos())
            .bind(text(reason))
            .bind(self.tenant());
        let n_failed = transaction.run(update).await?;
        transaction.commit().await?;
        Ok(n_failed)
    }

    fn stored_job(&self, row: &AnyRow) -> Result<Job, DatabaseError> {
        let maybe_time = |column| -> Result<_, DatabaseError> {
            let nanos: Option<i64> = self.get(row, column)?;
            Ok(nanos.map(Timestamp::from_nanos))
        };
        Ok(Job {
            id: self.get(row, 0)?,
            kind: self.get(row, 1)?,
            state: self.word("jobs", &self.get::<String>(row, 2)?, JobState::from_word)?,
            name: self.get(row, 3)?,
            made_by: self.get(row, 4)?,
            created_at: Timestamp::from_nanos(self.get(row, 5)?),
            started_at: maybe_time(6)?,
            ended_at: maybe_time(7)?,
            error: self.get(row, 8)?,
            detail: self.get(row, 9)?,
        })
    }
}
