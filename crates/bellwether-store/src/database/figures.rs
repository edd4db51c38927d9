//! Sums for dashboards.

use bellwether_core::time::Timestamp;

use super::{Database, DatabaseError, Verdict};

impl Database {
    /// How many events have begun since `from`, by the clock of the data, for each model version that has any.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn events_by_model(&self, from: Timestamp) -> Result<Vec<(String, i64)>, DatabaseError> {
        let query = sqlx::query(
            "SELECT model, COUNT(*) FROM events WHERE tenant = $1 AND start_time >= $2 \
             GROUP BY model ORDER BY model",
        )
        .bind(self.tenant())
        .bind(from.as_nanos());
        let rows = self.all("count events", query).await?;
        rows.iter()
            .map(|row| Ok((self.get(row, 0)?, self.get(row, 1)?)))
            .collect()
    }

    /// How many alerts people have said what of; what was said last counts.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn alerts_by_verdict(&self) -> Result<Vec<(Verdict, i64)>, DatabaseError> {
        let query = sqlx::query(
            "SELECT f.verdict, COUNT(*) FROM feedback f WHERE f.tenant = $1 AND NOT EXISTS \
             (SELECT 1 FROM feedback g WHERE g.tenant = f.tenant AND g.alert = f.alert AND g.n > f.n) \
             GROUP BY f.verdict ORDER BY f.verdict",
        )
        .bind(self.tenant());
        let rows = self.all("count feedback", query).await?;
        rows.iter()
            .map(|row| {
                let verdict = self.word("feedback", &self.get::<String>(row, 0)?, Verdict::from_word)?;
                Ok((verdict, self.get(row, 1)?))
            })
            .collect()
    }

    /// Bytes that the states of all devices take.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn state_bytes(&self) -> Result<i64, DatabaseError> {
        // Neither reads the states themselves.
        let query = if self.is_postgres() {
            "SELECT CAST(COALESCE(SUM(pg_column_size(state)), 0) AS BIGINT) FROM checkpoints WHERE tenant = $1"
        } else {
            "SELECT CAST(COALESCE(SUM(LENGTH(state)), 0) AS BIGINT) FROM checkpoints WHERE tenant = $1"
        };
        let query = sqlx::query(query).bind(self.tenant());
        let rows = self.all("measure states", query).await?;
        let row = rows
            .first()
            .ok_or_else(|| self.damaged("checkpoints", "no row came".to_owned()))?;
        self.get(row, 0)
    }
}
