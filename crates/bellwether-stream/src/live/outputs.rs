//! Where judged samples go besides the database.

use super::LiveError;
use super::shard::Row;
use super::stats::Stats;

/// All outputs of judged samples.
#[derive(Debug, Default)]
pub struct Outputs {}

impl Outputs {
    pub(super) async fn rows(&mut self, rows: &[Row], stats: &Stats) -> Result<(), LiveError> {
        let _ = (rows, stats);
        Ok(())
    }

    pub(super) async fn finish(&mut self) {}
}
