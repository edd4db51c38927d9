//! Line protocol.

use super::super::cells::shown;
use super::super::error::{Problem, ReadError};
use super::super::line_protocol::{
    Rows, Wrong, channel_name, has_several_measurements, parsed, says_something,
};
use super::super::lines::Lines;
use super::super::number::Cell;
use super::super::source::Source;
use super::{RawRow, RawTable, RawValue, RawValues, To};

/// Hands over all lines.
///
/// Whether channels are called after their measurements, too, is told from the first bytes, where all measurements
/// mostly are.
pub(super) fn visit(source: Source, to: &mut To<'_>) -> Result<(), ReadError> {
    let has_several = has_several_measurements(&source.head);
    let mut rows = Rows::new(to.file, &source.head, to.options)?;
    let mut lines = Lines::new(source.file, source.bytes);
    let notes = std::mem::take(&mut to.left_out);
    to.visitor.table(&RawTable {
        file: to.file,
        channels: None,
        columns: None,
        notes: &notes,
    });
    let mut series = to.name.to_owned();
    let mut is_known = false;
    let mut time_text = Vec::new();
    while lines.advance()? {
        if !says_something(&lines.line) {
            continue;
        }
        rows.whole(&mut lines)?;
        let read = match read(&mut rows, &lines.line) {
            Ok(read) => read,
            Err((column, problem)) => {
                let place = match column {
                    Some(column) => lines.place().in_column(&column),
                    None => lines.place(),
                };
                to.visitor
                    .row(&RawRow::unread(&series, &place.error(problem), None));
                continue;
            }
        };
        time_text.clear();
        rows.push_time(&mut time_text, read.time);
        let name = if read.has_tags {
            rows.series.as_str()
        } else {
            to.name
        };
        if !is_known || name != series {
            name.clone_into(&mut series);
            to.know(&series, None)?;
            is_known = true;
        }
        let names: Vec<String> = rows.channels[..read.values.len()]
            .iter()
            .filter_map(|channel| channel_name(channel, has_several))
            .collect();
        let values: Vec<RawValue<'_>> = names
            .iter()
            .zip(read.values)
            .map(|(channel, (value, not_number))| RawValue {
                channel,
                value,
                not_number,
            })
            .collect();
        to.visitor.row(&RawRow {
            series: &series,
            time: Some(read.time),
            time_text: &time_text,
            values: RawValues::Named(&values),
            marks: &read.marks,
            error: None,
            cells: None,
        });
    }
    rows.check_options(to.file)
}

struct Read {
    time: bellwether_core::time::Timestamp,
    has_tags: bool,
    marks: Vec<(String, bool)>,
    /// Values; what stands there instead, where it is no number.
    values: Vec<(f64, Option<String>)>,
}

fn read(rows: &mut Rows, line: &[u8]) -> Result<Read, Wrong> {
    let text = std::str::from_utf8(line).map_err(|_| (None, Problem::NotUtf8 { found: shown(line) }))?;
    let line = parsed(text).map_err(|found| (None, Problem::BadLine { found }))?;
    let time = rows.time(&line)?;
    let has_tags = rows.find_series(&line)?;
    let says = rows.marks(&line)?;
    let mut values = Vec::with_capacity(line.field_set.len());
    rows.channels(&line, |_, value, said| {
        values.push(match said {
            Ok(value) => (value, None),
            Err(Cell::Infinite) => {
                let is_negative = value.to_string().trim_start().starts_with('-');
                let infinite = if is_negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                };
                (infinite, None)
            }
            Err(_) => (f64::NAN, Some(value.to_string())),
        });
        Ok(())
    })?;
    let marks = rows.mark_names().zip(says);
    let marks = marks.filter_map(|(name, says)| Some((name?.to_owned(), says?)));
    Ok(Read {
        time,
        has_tags,
        marks: marks.collect(),
        values,
    })
}
