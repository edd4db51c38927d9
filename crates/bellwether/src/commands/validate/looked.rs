//! Data looked at: every row handed to the check of its series.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bellwether_core::frame::{Channel, SeriesId};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::{Contract, NamedCheck, NamedValue, Row, SeriesCheck, SeriesProfile};
use bellwether_store::read::{RawRow, RawTable, RawValues, ReadOptions, RowVisitor, visit};

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
        channels: None,
        by_name: HashMap::new(),
        checks: Vec::new(),
        last: None,
        not_numbers: Vec::new(),
        n_rows: 0,
        n_errors: 0,
        output,
    };
    visit(data, options, &mut looker)?;
    Ok(looker.checks.into_iter().map(SeriesLook::finish).collect())
}

/// The check of one series.
enum SeriesLook<'a> {
    Wide(Box<SeriesCheck>),
    /// Its rows name their channels.
    Named(NamedCheck<'a>),
}

impl SeriesLook<'_> {
    fn finish(self) -> SeriesProfile {
        match self {
            Self::Wide(check) => check.finish(),
            Self::Named(check) => check.finish(),
        }
    }
}

struct Looker<'a> {
    contract: Option<&'a Contract>,
    now: Timestamp,
    /// Of the table at hand, unless its rows name them.
    channels: Option<Arc<[Channel]>>,
    by_name: HashMap<String, usize>,
    checks: Vec<SeriesLook<'a>>,
    /// The series of the row before.
    last: Option<(String, usize)>,
    not_numbers: Vec<usize>,
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
                self.checks.push(match &self.channels {
                    Some(channels) => {
                        let check = SeriesCheck::new(id, Arc::clone(channels), self.contract, self.now);
                        SeriesLook::Wide(Box::new(check))
                    }
                    None => SeriesLook::Named(NamedCheck::new(id, self.contract, self.now)),
                });
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
        self.channels = table.channels.map(Arc::clone);
        for note in table.notes {
            self.output
                .note(&format!("note: {}: {note}", table.file.display()));
        }
    }

    fn row(&mut self, row: &RawRow<'_>) {
        self.n_rows += 1;
        let number = self.n_rows;
        let idx = self.idx(row.series);
        match (&mut self.checks[idx], row.values, row.time) {
            (SeriesLook::Wide(check), RawValues::Wide { values, not_numbers }, Some(time)) => {
                self.not_numbers.clear();
                self.not_numbers
                    .extend(not_numbers.iter().map(|cell| cell.channel_idx));
                check.push(Row {
                    number,
                    time,
                    values,
                    not_numbers: &self.not_numbers,
                });
            }
            (SeriesLook::Named(check), RawValues::Named(values), Some(time)) => {
                for of in values {
                    check.push(NamedValue {
                        number,
                        time,
                        channel: of.channel,
                        value: of.value,
                        is_text: of.not_number.is_some(),
                    });
                }
            }
            (SeriesLook::Wide(check), ..) => check.push_unreadable(number),
            (SeriesLook::Named(check), ..) => check.push_unreadable(number),
        }
        if let Some(error) = row.error {
            self.n_errors += 1;
            if self.n_errors <= N_ERRORS_SAID {
                self.output.note(&format!("note: {error}"));
            }
        }
    }
}
