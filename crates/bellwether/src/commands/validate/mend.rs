//! `--fix`: the same table with what may be mended mended, and a list of what was done, cell by cell.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bellwether_core::frame::Channel;
use bellwether_core::validate::Contract;
use bellwether_core::validate::repair::{RawRow, RawSeries, RepairSpec, Repaired};
use bellwether_store::read::{self, RawTable, ReadOptions, RowVisitor, visit};
use bellwether_store::write::AtomicFile;

use super::shown::Mended;
use crate::failure::Failure;
use crate::output::Output;

/// Where the list of repairs stands: beside the mended data.
pub(super) fn list_path(to: &Path) -> PathBuf {
    to.with_extension("repairs.csv")
}

/// Mends a table.
pub(super) fn mend(
    data: &[PathBuf],
    options: &ReadOptions,
    contract: Option<&Contract>,
    spec: RepairSpec,
    to: &Path,
    output: &Output,
) -> Result<Mended, Failure> {
    let [file] = data else {
        return Err(Failure::Usage(
            "--fix: mends one file at a time; give one".to_owned(),
        ));
    };
    if to.extension().is_none_or(|ending| ending != "csv") {
        return Err(Failure::Usage(format!(
            "--output {}: mended data are written as CSV; give FILE.csv",
            to.display()
        )));
    }
    let mut kept = Kept::default();
    visit(data, options, &mut kept)?;
    let Some(text) = kept.text.take() else {
        return Err(Failure::message(format!(
            "{}: --fix mends tables with a column per channel; this one has a row per value",
            file.display()
        )));
    };
    let repairs = kept.mend(contract, spec);
    kept.write(&repairs, &text, to)?;
    let list = list_path(to);
    kept.write_list(&repairs, &text, &list)?;
    let n_cells = repairs
        .iter()
        .filter(|(_, repair)| repair.channel_idx.is_some())
        .count();
    let mended = Mended {
        n_rows: repairs.len() - n_cells,
        n_cells,
        list,
    };
    output.note(&format!(
        "{}: {} rows left out or moved, {} cells mended; each stands in {}",
        to.display(),
        mended.n_rows,
        mended.n_cells,
        mended.list.display()
    ));
    Ok(mended)
}

/// What is known of the columns.
#[derive(Debug)]
struct Columns {
    names: Vec<String>,
    channels: Vec<Channel>,
    of_channels: Vec<usize>,
    delimiter: u8,
}

/// A table as it stands.
#[derive(Default)]
struct Kept {
    text: Option<Columns>,
    by_name: HashMap<String, usize>,
    series: Vec<(String, RawSeries)>,
    /// The cells of every row, one behind the other, by the number of the row less one.
    cells: String,
    ends: Vec<Vec<usize>>,
}

impl RowVisitor for Kept {
    fn table(&mut self, table: &RawTable<'_>) {
        self.text = table.text.map(|text| Columns {
            names: text.names.to_vec(),
            channels: table.channels.to_vec(),
            of_channels: text.columns.to_vec(),
            delimiter: text.delimiter,
        });
    }

    fn row(&mut self, row: &read::RawRow<'_>) {
        let ends = row.cells().map(|cell| {
            self.cells.push_str(&String::from_utf8_lossy(cell));
            self.cells.len()
        });
        let ends: Vec<usize> = ends.collect();
        let number = self.ends.len() as u64 + 1;
        self.ends.push(ends);
        let channels = self.text.as_ref().map_or(&[][..], |text| &text.channels);
        let idx = match self.by_name.get(row.series) {
            Some(idx) => *idx,
            None => {
                self.by_name.insert(row.series.to_owned(), self.series.len());
                let raw = RawSeries {
                    channels: channels.to_vec(),
                    rows: Vec::new(),
                    values: Vec::new(),
                };
                self.series.push((row.series.to_owned(), raw));
                self.series.len() - 1
            }
        };
        let text_of = |channel_idx: usize| {
            let column = self.text.as_ref().map_or(0, |text| text.of_channels[channel_idx]);
            String::from_utf8_lossy(row.cells().nth(column).unwrap_or_default()).into_owned()
        };
        let not_numbers = row.not_numbers.iter().map(|idx| (*idx, text_of(*idx)));
        let not_numbers = not_numbers.collect();
        let (_, series) = &mut self.series[idx];
        series.rows.push(RawRow {
            number,
            time: row.time,
            not_numbers,
        });
        let n_empty = if row.time.is_some() { 0 } else { channels.len() };
        series.values.extend_from_slice(row.values);
        series.values.extend(std::iter::repeat_n(f64::NAN, n_empty));
    }
}

impl Kept {
    /// Mends all series; the order of rows says afterwards which row stands in which place.
    fn mend(&mut self, contract: Option<&Contract>, spec: RepairSpec) -> Vec<(usize, Repaired)> {
        let mut repairs = Vec::new();
        for (idx, (_, series)) in self.series.iter_mut().enumerate() {
            let done = series.repair(contract, spec);
            repairs.extend(done.into_iter().map(|repair| (idx, repair)));
        }
        // Stable: what was done to one cell stays in its order.
        repairs.sort_by_key(|(_, repair)| repair.row);
        repairs
    }

    fn cell(&self, row: u64, column: usize) -> &str {
        let row = (row - 1) as usize;
        let ends = &self.ends[row];
        let start = match column {
            0 => row.checked_sub(1).map_or(0, |_| {
                self.ends[..row]
                    .iter()
                    .rev()
                    .find_map(|ends| ends.last())
                    .copied()
                    .unwrap_or(0)
            }),
            _ => ends[column - 1],
        };
        &self.cells[start..ends[column]]
    }

    fn write(&self, repairs: &[(usize, Repaired)], text: &Columns, to: &Path) -> Result<(), Failure> {
        // A cell that was emptied and then filled stands twice: the last counts.
        let cells = repairs
            .iter()
            .filter_map(|(_, repair)| Some(((repair.row, repair.channel_idx?), repair.now)));
        let mended: HashMap<(u64, usize), Option<f64>> = cells.collect();
        // The rows of a series take the places that they had, in their order now.
        let mut lines: Vec<(u64, usize, usize)> = Vec::new();
        for (series_idx, (_, series)) in self.series.iter().enumerate() {
            let mut places: Vec<u64> = series.rows.iter().map(|row| row.number).collect();
            places.sort_unstable();
            let with_place = places.into_iter().enumerate();
            lines.extend(with_place.map(|(row_idx, place)| (place, series_idx, row_idx)));
        }
        lines.sort_unstable();
        let mut file = AtomicFile::create(to)?;
        let mut write = |cells: &[&str]| -> std::io::Result<()> {
            for (idx, cell) in cells.iter().enumerate() {
                if idx > 0 {
                    file.write_all(&[text.delimiter])?;
                }
                file.write_all(quoted(cell, text.delimiter).as_bytes())?;
            }
            file.write_all(b"\n")
        };
        let names: Vec<&str> = text.names.iter().map(String::as_str).collect();
        write(&names)?;
        for (_, series_idx, row_idx) in lines {
            let (_, series) = &self.series[series_idx];
            let row = &series.rows[row_idx];
            let mut cells: Vec<String> = (0..text.names.len())
                .map(|column| self.cell(row.number, column).to_owned())
                .collect();
            for (idx, column) in text.of_channels.iter().enumerate() {
                if let Some(now) = mended.get(&(row.number, idx)) {
                    cells[*column] = now.map_or(String::new(), |now| now.to_string());
                }
            }
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            write(&cells)?;
        }
        Ok(file.commit()?)
    }

    fn write_list(&self, repairs: &[(usize, Repaired)], text: &Columns, to: &Path) -> Result<(), Failure> {
        let has_several = self.series.len() > 1;
        let mut file = AtomicFile::create(to)?;
        let series = if has_several { "series," } else { "" };
        writeln!(file, "row,{series}time,channel,was,now,why")?;
        for (series_idx, repair) in repairs {
            let mut line = vec![repair.row.to_string()];
            if has_several {
                line.push(self.series[*series_idx].0.clone());
            }
            line.push(repair.time.map_or(String::new(), |time| time.to_string()));
            line.push(
                repair
                    .channel_idx
                    .map_or(String::new(), |idx| text.names[text.of_channels[idx]].clone()),
            );
            line.push(repair.was.clone().unwrap_or_default());
            line.push(repair.now.map_or(String::new(), |now| now.to_string()));
            line.push(repair.why.name().to_owned());
            let line: Vec<String> = line.iter().map(|cell| quoted(cell, b',')).collect();
            writeln!(file, "{}", line.join(","))?;
        }
        Ok(file.commit()?)
    }
}

/// A cell as it stands in a table.
fn quoted(cell: &str, delimiter: u8) -> String {
    if cell.contains(['"', '\n', '\r', char::from(delimiter)]) || cell.starts_with('#') {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
