//! `--fix`: the same data with what may be mended mended, and a list of what was done, cell by cell.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bellwether_core::validate::Contract;
use bellwether_core::validate::repair::RepairSpec;
use bellwether_store::read::{ReadOptions, visit};
use bellwether_store::write::{AtomicFile, TableFormat, packed_format};

use super::kept::{Done, Kept};
use super::rewritten::rewrite;
use super::sheet::quoted;
use super::shown::Mended;
use crate::failure::Failure;
use crate::output::Output;

/// Where the list of repairs stands: beside the mended data.
pub(super) fn list_path(to: &Path) -> PathBuf {
    to.with_extension("repairs.csv")
}

/// Mends the data of one file. Gives back what was done, and how the answer is read.
pub(super) fn mend(
    data: &[PathBuf],
    options: &ReadOptions,
    contract: Option<&Contract>,
    spec: RepairSpec,
    to: &Path,
    output: &Output,
) -> Result<(Mended, ReadOptions), Failure> {
    let [file] = data else {
        return Err(Failure::Usage(
            "--fix: mends one file at a time; give one".to_owned(),
        ));
    };
    let (format, _) = packed_format(to)?;
    let mut kept = Kept::default();
    visit(data, options, &mut kept)?;
    let done = kept.mend(contract, spec);
    let left_out = rewrite(&kept, &done, to)?;
    for note in left_out.notes() {
        output.note(&format!("note: {}: {note}", file.display()));
    }
    let list = list_path(to);
    write_list(&kept, &done, &list)?;
    let n_cells = done
        .iter()
        .filter(|done| done.repair.channel_idx.is_some())
        .count();
    let mended = Mended {
        n_rows: done.len() - n_cells,
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
    let is_lines = format == TableFormat::LineProtocol;
    let options = ReadOptions {
        // Lines have no columns; what was left out is not there any more.
        time_column: options
            .time_column
            .clone()
            .filter(|_| !is_lines && kept.has_columns()),
        series_column: options
            .series_column
            .clone()
            .filter(|_| !is_lines && kept.has_columns()),
        ignore_columns: options
            .ignore_columns
            .iter()
            .filter(|column| !left_out.columns.contains(column) && !is_lines && kept.has_columns())
            .cloned()
            .collect(),
        delimiter: None,
        ..options.clone()
    };
    Ok((mended, options))
}

fn write_list(kept: &Kept, all: &[Done], to: &Path) -> Result<(), Failure> {
    let has_several = kept.series.len() > 1;
    let mut file = AtomicFile::create(to)?;
    let series = if has_several { "series," } else { "" };
    writeln!(file, "row,{series}time,channel,was,now,why")?;
    for Done { series_idx, repair } in all {
        let of_series = &kept.series[*series_idx];
        let mut line = vec![repair.row.to_string()];
        if has_several {
            line.push(of_series.name.clone());
        }
        let channel = repair
            .channel_idx
            .map(|idx| of_series.rows.channels()[idx].name().to_owned());
        line.push(repair.time.map_or(String::new(), |time| time.to_string()));
        line.push(channel.unwrap_or_default());
        line.push(repair.was.clone().unwrap_or_default());
        line.push(repair.now.map_or(String::new(), |now| now.to_string()));
        line.push(repair.why.name().to_owned());
        let line: Vec<String> = line.iter().map(|cell| quoted(cell, b',')).collect();
        writeln!(file, "{}", line.join(","))?;
    }
    Ok(file.commit()?)
}
