//! Rows as InfluxDB line protocol: the first column is the time, columns that name the series are tags, all others
//! fields. A missing cell is a field that is not there.

use std::fmt::Write as _;
use std::io;

use super::table::{Cell, Column, ColumnKind};
use crate::read::time_format::parse_time;

/// What all lines measure.
const MEASUREMENT: &str = "samples";

/// Text columns that are tags, as the reader knows them.
const TAG_NAMES: [&str; 3] = ["device", "asset_id", "series"];

/// Appends a row of `columns`.
///
/// # Errors
/// Where it has no time that can be read, or no value at all: there is no such line.
pub(super) fn push_row<'a>(
    out: &mut String,
    columns: &[Column],
    cells: impl Iterator<Item = Cell<'a>> + Clone,
) -> io::Result<()> {
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut cells = columns.iter().zip(cells);
    let time = match cells.next() {
        Some((_, Cell::Text(text))) => parse_time(text),
        _ => None,
    };
    let time = time.ok_or_else(|| wrong("line protocol wants a time in the first column"))?;
    let is_tag = |column: &Column| {
        column.kind == ColumnKind::Text
            && TAG_NAMES
                .iter()
                .any(|name| column.name.eq_ignore_ascii_case(name))
    };
    let rest = cells;
    out.push_str(MEASUREMENT);
    for (column, cell) in rest.clone().filter(|(column, _)| is_tag(column)) {
        if let Cell::Text(text) = cell
            && !text.is_empty()
        {
            out.push(',');
            push_name(out, &column.name)?;
            out.push('=');
            push_name(out, text)?;
        }
    }
    let mut between = ' ';
    for (column, cell) in rest.filter(|(column, _)| !is_tag(column)) {
        if cell == Cell::Missing {
            continue;
        }
        out.push(between);
        between = ',';
        push_name(out, &column.name)?;
        out.push('=');
        match cell {
            Cell::Missing => {}
            Cell::Text(text) => {
                let text = text.replace('\\', r"\\").replace('"', r#"\""#);
                write!(out, "\"{text}\"").expect("a string takes any text");
            }
            // Without an exponent, which not all who read this know.
            Cell::Real(value) => write!(out, "{value}").expect("a string takes any text"),
            Cell::Integer(value) => write!(out, "{value}i").expect("a string takes any text"),
        }
    }
    if between == ' ' {
        return Err(wrong(
            "line protocol has no line without a value, and a row has none: choose another format",
        ));
    }
    writeln!(out, " {}", time.as_nanos()).expect("a string takes any text");
    Ok(())
}

/// Appends a name or the value of a tag.
fn push_name(out: &mut String, name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains(['\n', '\r', '\0']) || name.ends_with('\\') {
        let text = format!("{name:?} cannot stand in line protocol: choose another name or format");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    for c in name.chars() {
        if matches!(c, ',' | '=' | ' ') {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(())
}
