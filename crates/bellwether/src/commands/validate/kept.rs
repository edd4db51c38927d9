//! Data as they stand, kept to be mended.

use std::collections::HashMap;

use bellwether_core::frame::Channel;
use bellwether_core::validate::repair::{
    NamedRow, NamedSeries, RawRow, RawSeries, RepairSpec, Repaired, Why,
};
use bellwether_core::validate::{Check, Contract};
use bellwether_store::read::{self, RawColumns, RawTable, RawValues, RowVisitor};

/// Everything that was read.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) columns: Option<Columns>,
    channels: Vec<Channel>,
    by_name: HashMap<String, usize>,
    pub(super) series: Vec<KeptSeries>,
    /// Rows that cannot be read, with their series.
    unread: Vec<(usize, u64)>,
    /// The cells of every row, one behind the other, and where those of each row end, by its number less one.
    cells: String,
    ends: Vec<Vec<usize>>,
    /// Label and changepoint by the number of the row, where there are no cells.
    pub(super) marks: HashMap<u64, Vec<(String, bool)>>,
}

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    pub(super) time: usize,
    pub(super) series: Option<usize>,
    /// Of each channel, or the column of values.
    pub(super) values: Vec<usize>,
    pub(super) is_long: bool,
    pub(super) marks: Vec<usize>,
    pub(super) delimiter: Option<u8>,
}

pub(super) struct KeptSeries {
    pub(super) name: String,
    pub(super) rows: Rows,
}

pub(super) enum Rows {
    /// Each has a value of every channel.
    Wide(RawSeries),
    /// Each names its channel.
    Named(NamedSeries, HashMap<String, usize>),
}

/// What was done to which series.
pub(super) struct Done {
    pub(super) series_idx: usize,
    pub(super) repair: Repaired,
}

impl Rows {
    pub(super) fn channels(&self) -> &[Channel] {
        match self {
            Self::Wide(series) => &series.channels,
            Self::Named(series, _) => &series.channels,
        }
    }
}

impl RowVisitor for Kept {
    fn table(&mut self, table: &RawTable<'_>) {
        self.channels = table.channels.map_or(Vec::new(), |channels| channels.to_vec());
        self.columns = table.columns.map(|columns: RawColumns<'_>| Columns {
            names: columns.names.to_vec(),
            time: columns.time,
            series: columns.series,
            values: columns.values.to_vec(),
            is_long: columns.channel.is_some(),
            marks: columns.marks.into_iter().flatten().collect(),
            delimiter: columns.delimiter,
        });
    }

    fn wants_cells(&self) -> bool {
        true
    }

    fn row(&mut self, row: &read::RawRow<'_>) {
        let ends = row.cells().map(|cell| {
            self.cells.push_str(&String::from_utf8_lossy(cell));
            self.cells.len()
        });
        let ends: Vec<usize> = ends.collect();
        self.ends.push(ends);
        let number = self.ends.len() as u64;
        if !row.marks.is_empty() {
            self.marks.insert(number, row.marks.to_vec());
        }
        let idx = self.idx(row.series);
        let series = &mut self.series[idx].rows;
        match (series, row.values, row.time) {
            (Rows::Wide(series), RawValues::Wide { values, not_numbers }, time) => {
                let not_numbers = not_numbers
                    .iter()
                    .map(|cell| (cell.channel_idx, cell.text.clone()));
                series.rows.push(RawRow {
                    number,
                    time,
                    not_numbers: not_numbers.collect(),
                });
                series.values.extend_from_slice(values);
            }
            (Rows::Named(series, by_name), RawValues::Named(values), Some(time)) => {
                for of in values {
                    let channel_idx = match by_name.get(of.channel) {
                        Some(idx) => *idx,
                        None => {
                            series.channels.push(Channel::new(of.channel));
                            by_name.insert(of.channel.to_owned(), series.channels.len() - 1);
                            series.channels.len() - 1
                        }
                    };
                    series.rows.push(NamedRow {
                        number,
                        time,
                        channel_idx,
                        value: of.value,
                        not_number: of.not_number.clone(),
                    });
                }
            }
            _ => self.unread.push((idx, number)),
        }
    }
}

impl Kept {
    /// Whether it was a table with columns.
    pub(super) fn has_columns(&self) -> bool {
        self.columns.is_some()
    }

    fn idx(&mut self, series: &str) -> usize {
        if let Some(idx) = self.by_name.get(series) {
            return *idx;
        }
        let is_wide = self.columns.as_ref().is_some_and(|columns| !columns.is_long);
        let rows = if is_wide {
            Rows::Wide(RawSeries {
                channels: self.channels.clone(),
                rows: Vec::new(),
                values: Vec::new(),
            })
        } else {
            Rows::Named(NamedSeries::default(), HashMap::new())
        };
        self.by_name.insert(series.to_owned(), self.series.len());
        self.series.push(KeptSeries {
            name: series.to_owned(),
            rows,
        });
        self.series.len() - 1
    }

    /// Mends all series.
    pub(super) fn mend(&mut self, contract: Option<&Contract>, spec: RepairSpec) -> Vec<Done> {
        let unread = self.unread.iter().map(|(series_idx, row)| Done {
            series_idx: *series_idx,
            repair: Repaired {
                row: *row,
                time: None,
                channel_idx: None,
                was: None,
                now: None,
                why: Why::Check(Check::UnreadableRow),
            },
        });
        let mut all: Vec<Done> = unread.collect();
        for (series_idx, series) in self.series.iter_mut().enumerate() {
            let done = match &mut series.rows {
                Rows::Wide(rows) => rows.repair(contract, spec),
                Rows::Named(rows, _) => rows.repair(contract, spec),
            };
            all.extend(done.into_iter().map(|repair| Done { series_idx, repair }));
        }
        // Stable: what was done to one cell stays in its order.
        all.sort_by_key(|done| done.repair.row);
        all
    }

    /// A cell of a row as it stood.
    pub(super) fn cell(&self, number: u64, column: usize) -> &str {
        let row = (number - 1) as usize;
        let ends = &self.ends[row];
        let start = match column {
            0 => self.ends[..row]
                .iter()
                .rev()
                .find_map(|ends| ends.last())
                .copied()
                .unwrap_or(0),
            _ => ends[column - 1],
        };
        &self.cells[start..ends[column]]
    }
}
