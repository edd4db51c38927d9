//! Lines of JSON, one object a row: its keys are the columns, in order of first appearance.
//!
//! A number stands in its cell as it is written, a string without its quotation marks, null and the bare `NaN` of
//! Python as nothing, true and false as 1 and 0. A key that a row leaves out is missing there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cells::Fault;
use super::error::{Place, Problem, ReadError};
use super::lines::Lines;
use super::row::{Row, RowBuf, TextRows};
use super::sniff::{SAMPLE_ROWS, Sample};
use super::source::Source;

/// Every row has a cell for every key. So many more cells than bytes, and so many in any case, are memory for nothing.
const CELLS_PER_BYTE_MAX: u64 = 64;
const CELLS_FREE: u64 = 1 << 22;

/// Reads object after object of one file.
pub(super) struct JsonLines {
    lines: Lines,
    names: Vec<String>,
    is_ignored: Vec<bool>,
    by_name: HashMap<String, usize>,
    /// Where the cell of each column stands in `text`.
    spans: Vec<Option<(usize, usize)>>,
    text: Vec<u8>,
    row: RowBuf,
    /// Bytes of the lines so far, and cells of their rows, those that are missing among them.
    n_bytes: u64,
    n_cells: u64,
}

impl JsonLines {
    /// The columns and the first rows.
    pub(super) fn sample(source: &Source) -> Result<Sample, ReadError> {
        let head: &[u8] = &source.head;
        let mut lines = Lines::new(source.file.clone(), Box::new(Cursor::new(head.to_vec())));
        let mut names: Vec<String> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut first_rows: Vec<Vec<(usize, Vec<u8>)>> = Vec::new();
        let mut place = None;
        while lines.advance()? {
            // The head of a longer file mostly ends within a row.
            if lines.is_last && !source.is_whole && !names.is_empty() {
                break;
            }
            place.get_or_insert_with(|| lines.place());
            let mut cells = Vec::new();
            let read = each_cell(&lines.line, |key, raw| {
                let column = match by_name.get(key) {
                    Some(&column) => column,
                    None => {
                        by_name.insert(key.to_owned(), names.len());
                        names.push(key.to_owned());
                        names.len() - 1
                    }
                };
                if first_rows.len() < SAMPLE_ROWS {
                    let mut cell = Vec::new();
                    // What is nested may be left out: that is for the rows to tell.
                    let _ = push_cell(&mut cell, raw);
                    cells.push((column, cell));
                }
                Ok(())
            });
            match read {
                Ok(()) => {}
                // Whoever reads the rows is told of it in its turn, and may go on behind it.
                Err(_) if !first_rows.is_empty() => continue,
                Err(fault) => return Err(fault.at(lines.place(), &names)),
            }
            if first_rows.len() < SAMPLE_ROWS {
                first_rows.push(cells);
            }
        }
        let Some(place) = place else {
            return Err(Place::file(&source.file).error(Problem::Empty));
        };
        let rows = first_rows.into_iter().map(|mut cells| {
            cells.sort_by_key(|&(column, _)| column);
            let mut cells = cells.into_iter().peekable();
            let mut row = RowBuf::default();
            for column in 0..names.len() {
                let cell = cells.next_if(|&(at, _)| at == column);
                row.push(cell.as_ref().map_or(b"", |(_, cell)| cell));
                while cells.next_if(|&(at, _)| at == column).is_some() {}
            }
            row
        });
        Ok(Sample {
            place,
            rows: rows.collect(),
            names,
            is_divided: false,
        })
    }

    /// The rows of `bytes`, whose columns are `names`; what stands in those `ignored` does not matter.
    pub(super) fn new(file: PathBuf, bytes: Box<dyn Read>, names: &[String], ignored: &[String]) -> Self {
        Self {
            lines: Lines::new(file, bytes),
            names: names.to_vec(),
            is_ignored: names.iter().map(|name| ignored.contains(name)).collect(),
            by_name: names
                .iter()
                .enumerate()
                .map(|(column, name)| (name.clone(), column))
                .collect(),
            spans: vec![None; names.len()],
            text: Vec::new(),
            row: RowBuf::default(),
            n_bytes: 0,
            n_cells: 0,
        }
    }

    fn take_line(&mut self) -> Result<(), Fault> {
        self.n_bytes += self.lines.line.len() as u64;
        self.n_cells += self.names.len() as u64;
        if self.n_cells > CELLS_FREE + CELLS_PER_BYTE_MAX * self.n_bytes {
            let n_keys = self.names.len();
            return Err(Fault {
                column: None,
                problem: Problem::SparseKeys { n_keys },
            });
        }
        self.spans.fill(None);
        self.text.clear();
        // Mostly all rows have the same keys in the same order.
        let mut expected = 0;
        each_cell(&self.lines.line, |key, raw| {
            let column = match self.names.get(expected) {
                Some(name) if name == key => expected,
                _ => *self.by_name.get(key).ok_or_else(|| Fault {
                    column: None,
                    problem: Problem::LateKey { key: key.to_owned() },
                })?,
            };
            expected = column + 1;
            let start = self.text.len();
            if push_cell(&mut self.text, raw).is_err() && !self.is_ignored[column] {
                let key = key.to_owned();
                return Err(Fault::of(column, Problem::Nested { key }));
            }
            match self.spans[column].replace((start, self.text.len())) {
                None => Ok(()),
                Some(_) => Err(Fault::of(column, Problem::DuplicateKey)),
            }
        })?;
        self.row.clear();
        for span in &self.spans {
            let (start, end) = span.unwrap_or((0, 0));
            self.row.push(&self.text[start..end]);
        }
        Ok(())
    }
}

impl TextRows for JsonLines {
    fn advance(&mut self) -> Result<bool, ReadError> {
        if !self.lines.advance()? {
            return Ok(false);
        }
        match self.take_line() {
            Ok(()) => Ok(true),
            Err(fault) => Err(fault.at(self.place(), &self.names)),
        }
    }

    fn row(&self) -> Row<'_> {
        self.row.row()
    }

    fn place(&self) -> Place {
        self.lines.place()
    }
}

/// Gives each key of the object in `line` with its value as written.
fn each_cell(line: &[u8], mut each: impl FnMut(&str, &str) -> Result<(), Fault>) -> Result<(), Fault> {
    let bad = |found: String| Fault {
        column: None,
        problem: Problem::BadJson { found },
    };
    let text = std::str::from_utf8(line).map_err(|_| Fault {
        column: None,
        problem: Problem::NotUtf8 {
            found: super::cells::shown(line),
        },
    })?;
    let with_null = text.contains("NaN").then(|| without_nan(text));
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(with_null.as_deref().unwrap_or(text));
    let object = Object {
        each: &mut each,
        fault: &mut fault,
    };
    let parsed = json.deserialize_map(object).and_then(|()| json.end());
    match (fault, parsed) {
        (Some(fault), _) => Err(fault),
        (None, parsed) => parsed.map_err(|error| bad(error.to_string())),
    }
}

/// Visits an object, entry by entry, until one has a fault.
struct Object<'f> {
    each: &'f mut dyn FnMut(&str, &str) -> Result<(), Fault>,
    fault: &'f mut Option<Fault>,
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Key(key), raw)) = map.next_entry::<Key<'de>, &RawValue>()? {
            if self.fault.is_none() {
                *self.fault = (self.each)(&key, raw.get()).err();
            }
        }
        Ok(())
    }
}

/// The text with null for each `NaN` that stands outside of strings.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut in_string, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if !in_string && let Some(after) = rest.strip_prefix("NaN") {
            out.push_str("null");
            rest = after;
            continue;
        }
        match c {
            '"' if !is_escaped => in_string = !in_string,
            _ => {}
        }
        is_escaped = in_string && c == '\\' && !is_escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// A value that is no cell.
struct Nested;

/// Appends what the JSON value `raw` is as a cell.
fn push_cell(out: &mut Vec<u8>, raw: &str) -> Result<(), Nested> {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => out.extend_from_slice(inner),
        [b'"', ..] => {
            // It was parsed before, so it is a string.
            let text: String = serde_json::from_str(raw).unwrap_or_default();
            out.extend_from_slice(text.as_bytes());
        }
        [b'{' | b'[', ..] => return Err(Nested),
        b"null" => {}
        b"true" => out.push(b'1'),
        b"false" => out.push(b'0'),
        number => out.extend_from_slice(number),
    }
    Ok(())
}
