//! Data looked at: every row handed to the check of its series.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_core::frame::{Channel, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::{Contract, Row, SeriesCheck, SeriesProfile};
use bellwether_store::read::{RawRow, RawTable, ReadOptions, RowVisitor, visit};

use crate::commands::now;
use crate::failure::Failure;
use crate::output::Output;

/// Errors of single rows that are said in full.
const N_ERRORS_SAID: usize = 5;

/// What every series of the data is like, in the order of their first rows.
pub(super) fn look(
    data: &[PathBuf],
    options: &ReadOptions,
    contract: Option<&Contract>,
    output: &Output,
) -> Result<Vec<SeriesProfile>, Failure> {
    let mut looker = Looker {
        contract,
        now: now(),
        channels: Arc::new([]),
        by_name: HashMap::new(),
        checks: Vec::new(),
        last: None,
        n_rows: 0,
        n_errors: 0,
        output,
    };
    visit(data, options, &mut looker)?;
    Ok(looker.checks.into_iter().map(SeriesCheck::finish).collect())
}

struct Looker<'a> {
    contract: Option<&'a Contract>,
    now: Timestamp,
    /// Of the table at hand.
    channels: Arc<[Channel]>,
    by_name: HashMap<String, usize>,
    checks: Vec<SeriesCheck>,
    /// The series of the row before.
    last: Option<(String, usize)>,
    n_rows: u64,
    n_errors: usize,
    output: &'a Output,
}

impl Looker<'_> {
    fn idx(&mut self, series: &str) -> usize {
        if let Some((last, idx)) = &self.last
            && last == series
        {
            return *idx;
        }
        let idx = match self.by_name.get(series) {
            Some(idx) => *idx,
            None => {
                let id = SeriesId::new(series);
                let check = SeriesCheck::new(id, Arc::clone(&self.channels), self.contract, self.now);
                self.checks.push(check);
                self.by_name.insert(series.to_owned(), self.checks.len() - 1);
                self.checks.len() - 1
            }
        };
        self.last = Some((series.to_owned(), idx));
        idx
    }
}

impl RowVisitor for Looker<'_> {
    fn table(&mut self, table: &RawTable<'_>) {
        self.channels = Arc::clone(table.channels);
        for note in table.notes {
            self.output
                .note(&format!("note: {}: {note}", table.file.display()));
        }
    }

    fn row(&mut self, row: &RawRow<'_>) {
        self.n_rows += 1;
        let idx = self.idx(row.series);
        match row.time {
            Some(time) => self.checks[idx].push(Row {
                number: self.n_rows,
                time,
                values: row.values,
                not_numbers: row.not_numbers,
            }),
            None => self.checks[idx].push_unreadable(self.n_rows),
        }
        if let Some(error) = row.error {
            self.n_errors += 1;
            if self.n_errors <= N_ERRORS_SAID {
                self.output.note(&format!("note: {error}"));
            }
        }
    }
}
