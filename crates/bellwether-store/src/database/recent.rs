//! What a view of the fleet begins with: the newest judged samples, and who is silent.

use std::sync::Arc;

use bellwether_core::time::Timestamp;

use super::connection::Database;
use super::error::DatabaseError;
use super::record::JudgedBlock;

/// A block of judged samples, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentBlock {
    /// Its commit.
    pub seq: i64,
    /// When it was judged, by the clock of the machine.
    pub made_at: Timestamp,
    /// What was judged.
    pub block: JudgedBlock,
}

impl Database {
    /// Blocks of judged samples that have not rolled into files, the newest first, at most `limit`: of commits after
    /// `after`, and before the block of that commit and model version, where it is given.
    ///
    /// # Errors
    /// Where the database fails, or a block is not as we wrote it.
    pub async fn recent_blocks(
        &self,
        after: i64,
        before: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<RecentBlock>, DatabaseError> {
        let (seq, model) = before.unwrap_or((i64::MAX, ""));
        let query = "SELECT seq, made_at, samples FROM judged WHERE tenant = $1 AND seq > $2 AND (seq, model) < ($3, $4) \
                     ORDER BY seq DESC, model DESC LIMIT $5";
        let query = sqlx::query(query)
            .bind(self.tenant())
            .bind(after)
            .bind(seq)
            .bind(model)
            .bind(i64::from(limit));
        let rows = self.all("read the newest judged samples", query).await?;
        let recent = |row| {
            Ok(RecentBlock {
                seq: self.get(row, 0)?,
                made_at: Timestamp::from_nanos(self.get(row, 1)?),
                block: self.block(row, 2)?,
            })
        };
        rows.iter().map(recent).collect()
    }

    /// Devices that have stopped sending, as open alerts say.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn silent(&self) -> Result<Vec<Arc<str>>, DatabaseError> {
        let query = "SELECT DISTINCT series FROM alerts WHERE tenant = $1 AND kind = 'silence' \
                     AND state IN ('pending', 'firing', 'acknowledged') AND end_time IS NULL ORDER BY series";
        let query = sqlx::query(query).bind(self.tenant());
        let rows = self.all("read who is silent", query).await?;
        rows.iter()
            .map(|row| Ok(self.get::<String>(row, 0)?.into()))
            .collect()
    }
}
