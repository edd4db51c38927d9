//! The newest samples of a device.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::Database;
use bellwether_store::history::{self, HistoryError, Row};

/// How much further back is looked each time that there was too little.
const WIDER: u32 = 16;

/// All times.
pub(crate) const EVER: (Timestamp, Timestamp) =
    (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));

/// The newest samples of a device, up to the one at `last`, at most `len_max`, in order of time. Looks where a device
/// that keeps `cadence` has them first.
pub(crate) async fn newest(
    db: &Database,
    folder: &Path,
    device: &str,
    last: Timestamp,
    cadence: Duration,
    len_max: usize,
) -> Result<Vec<Row>, HistoryError> {
    let end = last.plus(Duration::from_nanos(1));
    let mut span = cadence.saturating_mul(u32::try_from(len_max).unwrap_or(u32::MAX));
    loop {
        let from = before(last, span);
        let none = Last::new(len_max);
        let read = history::visit(db, folder, device, (from, end), none, Last::take).await;
        let rows = read?.rows();
        if rows.len() >= len_max || from == EVER.0 {
            return Ok(rows);
        }
        span = span.saturating_mul(WIDER);
    }
}

/// That long before; at the beginning of time at the latest.
pub(crate) fn before(time: Timestamp, span: Duration) -> Timestamp {
    // A span that does not fit reaches before all times, whatever the time is.
    i64::try_from(span.as_nanos()).map_or(EVER.0, |span| {
        Timestamp::from_nanos(time.as_nanos().saturating_sub(span))
    })
}

/// The last samples of what comes, in any order.
#[derive(Debug)]
pub(crate) struct Last {
    rows: Vec<Row>,
    len_max: usize,
}

impl Last {
    /// None yet; `len_max` at most.
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            rows: Vec::new(),
            len_max,
        }
    }

    /// Takes one more.
    pub(crate) fn take(&mut self, row: Row) -> ControlFlow<()> {
        self.rows.push(row);
        if self.rows.len() >= 2 * self.len_max.max(1) {
            self.trim();
        }
        ControlFlow::Continue(())
    }

    fn trim(&mut self) {
        self.rows
            .sort_by(|a, b| (a.time, &a.model).cmp(&(b.time, &b.model)));
        let n_over = self.rows.len().saturating_sub(self.len_max);
        self.rows.drain(..n_over);
    }

    /// In order of time.
    pub(crate) fn rows(mut self) -> Vec<Row> {
        self.trim();
        self.rows
    }
}
