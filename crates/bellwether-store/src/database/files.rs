//! Which judged samples are in files of the history, and which are not yet.

use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;
use sqlx::any::AnyRow;

use super::block;
use super::connection::{Database, Transaction};
use super::error::DatabaseError;
use super::record::JudgedBlock;

/// Blocks read at once, each up to some MB.
const BLOCKS_AT_ONCE: i64 = 16;

/// A block that has not rolled into files yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unrolled {
    pub(crate) model: String,
    /// Its commit.
    pub(crate) seq: i64,
    pub(crate) n_rows: usize,
    /// By the clock of the machine that judged it.
    pub(crate) made_at: Timestamp,
}

/// A complete file of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedFile {
    /// Below the folder of the history.
    pub(crate) path: PathBuf,
    pub(crate) model: String,
    pub(crate) bucket: u8,
    pub(crate) first_time: Timestamp,
    pub(crate) last_time: Timestamp,
    pub(crate) n_rows: usize,
}

/// Where samples may be, as of one instant.
pub(crate) struct Places {
    files: Vec<ListedFile>,
    /// `None` after the last block.
    snapshot: Option<Transaction>,
    database: Database,
    range: (Timestamp, Timestamp),
    /// The block that was read last.
    last: (i64, String),
}

/// The bytes of a block, to be decoded where that holds nobody up.
pub(crate) struct StoredBlock {
    bytes: Vec<u8>,
    database: Database,
}

impl StoredBlock {
    pub(crate) fn decode(&self) -> Result<JudgedBlock, DatabaseError> {
        let damaged = |problem: &str| self.database.damaged("judged", problem.to_owned());
        block::decode(&self.bytes).map_err(damaged)
    }
}

impl Places {
    /// Some more of the blocks, in the order of their commits; none: that was all.
    pub(crate) async fn next_blocks(&mut self) -> Result<Vec<StoredBlock>, DatabaseError> {
        let Some(snapshot) = &mut self.snapshot else {
            return Ok(Vec::new());
        };
        let query = "SELECT seq, model, samples FROM judged WHERE tenant = $1 AND last_time >= $2 AND first_time < $3 \
                     AND (seq, model) > ($4, $5) ORDER BY seq, model LIMIT $6";
        let query = sqlx::query(query)
            .bind(self.database.tenant())
            .bind(self.range.0.as_nanos())
            .bind(self.range.1.as_nanos())
            .bind(self.last.0)
            .bind(self.last.1.as_str())
            .bind(BLOCKS_AT_ONCE);
        let rows = snapshot.all(query).await?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in &rows {
            self.last = (snapshot.get(row, 0)?, snapshot.get(row, 1)?);
            blocks.push(StoredBlock {
                bytes: snapshot.get(row, 2)?,
                database: self.database.clone(),
            });
        }
        if (rows.len() as i64) < BLOCKS_AT_ONCE {
            self.snapshot = None;
        }
        Ok(blocks)
    }

    /// The files, in the order of their first sample.
    pub(crate) fn into_files(self) -> Vec<ListedFile> {
        self.files
    }
}

impl Database {
    /// Blocks that have not rolled into files, by model version and commit.
    pub(crate) async fn unrolled(&self) -> Result<Vec<Unrolled>, DatabaseError> {
        let query = "SELECT model, seq, n_rows, made_at FROM judged WHERE tenant = $1 ORDER BY model, seq";
        let rows = self
            .all("list judged samples", sqlx::query(query).bind(self.tenant()))
            .await?;
        let read = |row| {
            Ok(Unrolled {
                model: self.get(row, 0)?,
                seq: self.get(row, 1)?,
                n_rows: count(self.get(row, 2)?),
                made_at: Timestamp::from_nanos(self.get(row, 3)?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// The blocks of a model version from one commit to another, in their order.
    pub(crate) async fn blocks(
        &self,
        model: &str,
        first_seq: i64,
        last_seq: i64,
    ) -> Result<Vec<JudgedBlock>, DatabaseError> {
        let query = "SELECT samples FROM judged WHERE tenant = $1 AND model = $2 AND seq >= $3 AND seq <= $4 \
                     ORDER BY seq";
        let query = sqlx::query(query)
            .bind(self.tenant())
            .bind(model)
            .bind(first_seq)
            .bind(last_seq);
        let rows = self.all("read judged samples", query).await?;
        rows.iter().map(|row| self.block(row, 0)).collect()
    }

    /// Puts complete files in the place of blocks, in one transaction. `false`, and nothing is changed, where the
    /// blocks are not `n_blocks` any more: somebody else has rolled some of them.
    pub(crate) async fn replace_by_files(
        &self,
        model: &str,
        (first_seq, last_seq): (i64, i64),
        n_blocks: usize,
        files: &[ListedFile],
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.begin("list files of the history").await?;
        let delete = "DELETE FROM judged WHERE tenant = $1 AND model = $2 AND seq >= $3 AND seq <= $4";
        let delete = sqlx::query(delete)
            .bind(self.tenant())
            .bind(model)
            .bind(first_seq)
            .bind(last_seq);
        if transaction.run(delete).await? != n_blocks as u64 {
            return Ok(false);
        }
        let insert = "INSERT INTO history_files (tenant, path, model, bucket, first_time, last_time, n_rows) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        for file in files {
            let insert = sqlx::query(insert)
                .bind(self.tenant())
                .bind(shown(&file.path))
                .bind(file.model.as_str())
                .bind(i64::from(file.bucket))
                .bind(file.first_time.as_nanos())
                .bind(file.last_time.as_nanos())
                .bind(file.n_rows as i64);
            transaction.run(insert).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether this file is part of the history.
    pub(crate) async fn is_listed(&self, path: &Path) -> Result<bool, DatabaseError> {
        let query = sqlx::query("SELECT path FROM history_files WHERE tenant = $1 AND path = $2")
            .bind(self.tenant())
            .bind(shown(path));
        Ok(!self
            .all("look for a file of the history", query)
            .await?
            .is_empty())
    }

    /// Where samples in `[from, to)` may be: files of a bucket, and blocks; both as of one instant, so that no
    /// sample is in both and none in neither.
    ///
    /// Nothing else of this [`Database`] may be awaited before the last block is read: in memory there is one
    /// connection.
    pub(crate) async fn places(
        &self,
        bucket: u8,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Places, DatabaseError> {
        let mut snapshot = self.snapshot("look for judged samples").await?;
        let files = "SELECT path, model, bucket, first_time, last_time, n_rows FROM history_files \
                     WHERE tenant = $1 AND bucket = $2 AND last_time >= $3 AND first_time < $4 \
                     ORDER BY first_time, path";
        let files = sqlx::query(files)
            .bind(self.tenant())
            .bind(i64::from(bucket))
            .bind(from.as_nanos())
            .bind(to.as_nanos());
        let files = snapshot.all(files).await?;
        Ok(Places {
            files: files
                .iter()
                .map(|row| self.listed(row))
                .collect::<Result<_, _>>()?,
            snapshot: Some(snapshot),
            database: self.clone(),
            range: (from, to),
            last: (i64::MIN, String::new()),
        })
    }

    fn listed(&self, row: &AnyRow) -> Result<ListedFile, DatabaseError> {
        let bucket: i64 = self.get(row, 2)?;
        Ok(ListedFile {
            path: self.get::<String>(row, 0)?.into(),
            model: self.get(row, 1)?,
            bucket: u8::try_from(bucket)
                .map_err(|_| self.damaged("history_files", format!("there is no bucket {bucket}")))?,
            first_time: Timestamp::from_nanos(self.get(row, 3)?),
            last_time: Timestamp::from_nanos(self.get(row, 4)?),
            n_rows: count(self.get(row, 5)?),
        })
    }
}

fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Paths of the history are made of plain ASCII with `/`.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
