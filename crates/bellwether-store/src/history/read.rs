//! Samples of one device, wherever they are.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bellwether_core::event::EventId;
use bellwether_core::time::Timestamp;

use super::HistoryError;
use super::visit::visit;
use crate::database::Database;

/// Fewer rows are not worth sorting before all are there.
const ROWS_SORTED_MIN: usize = 1024;

/// A judged sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// When it was measured.
    pub time: Timestamp,
    /// The model version that judged it.
    pub model: Arc<str>,
    /// Channels of the model.
    pub channels: Arc<[String]>,
    /// One for each channel, NaN where missing. `[n_channels]`
    pub values: Vec<f64>,
    /// NaN: no score.
    pub score: f64,
    /// The event it lies in.
    pub event: Option<EventId>,
    /// Channel with the largest share, and that share.
    pub top: Option<(u32, f64)>,
}

/// The judged samples of `device` in `[from, to)`, at most the first `rows_max`, in order of time and model
/// version. `folder` is that of the history.
///
/// # Errors
/// Where the database fails, or a listed file cannot be read.
pub async fn read(
    database: &Database,
    folder: &Path,
    device: &str,
    range: (Timestamp, Timestamp),
    rows_max: usize,
) -> Result<Vec<Row>, HistoryError> {
    let none = First {
        rows: Vec::new(),
        rows_max,
    };
    let mut first = visit(database, folder, device, range, none, First::take).await?;
    first.trim();
    Ok(first.rows)
}

/// The first of what comes.
struct First {
    rows: Vec<Row>,
    rows_max: usize,
}

impl First {
    fn take(&mut self, row: Row) -> ControlFlow<()> {
        self.rows.push(row);
        // Now and then, so that sorting costs little for each row.
        if self.rows.len() / 2 > self.rows_max.max(ROWS_SORTED_MIN) {
            self.trim();
        }
        ControlFlow::Continue(())
    }

    fn trim(&mut self) {
        // By the model version, too: an instant may have been judged by several, and the order must not tell where
        // from.
        self.rows
            .sort_by(|a, b| (a.time, &a.model).cmp(&(b.time, &b.model)));
        self.rows.truncate(self.rows_max);
    }
}
