//! The layer of the file: TOML with the place of every key and value.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Mistake;
use super::place::Origin;
use super::tree::{Node, Table, Value};

/// Bytes of a configuration file at most.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file's text; every mistake of its form goes to `mistakes`. Messages never quote the text: a secret may
/// stand in it.
pub(crate) fn parse(file: &Path, bytes: &[u8], mistakes: &mut Vec<Mistake>) -> Node {
    let places = |text| Places::new(file, text);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            let origin = places(good).origin(good.len());
            mistakes.push(Mistake {
                origin: origin.clone(),
                at: String::new(),
                problem: "this byte is no UTF-8; save the file as UTF-8".to_owned(),
            });
            return Node::empty(&origin);
        }
    };
    let places = places(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut line_told = 0;
    for error in errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        let line = places.line(at);
        // What is wrong further on in a line follows from what was wrong first.
        if line != line_told {
            line_told = line;
            mistakes.push(Mistake {
                origin: places.origin(at),
                at: String::new(),
                problem: format!("this is no TOML: {}", error.message()),
            });
        }
    }
    Node::table(&places.origin(0), places.table(table.into_inner(), mistakes))
}

struct Places<'a> {
    file: Arc<Path>,
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(file: &Path, text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            file: Arc::from(file),
            text,
            lines: std::iter::once(0).chain(starts).collect(),
        }
    }

    fn table(&self, table: DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origin(key.span().start);
                (
                    key.into_inner().into_owned(),
                    (origin, self.node(value, mistakes)),
                )
            })
            .collect()
    }

    fn node(&self, value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Node {
        let Range { start, .. } = value.span();
        let origin = self.origin(start);
        let mut wrong = |problem: &str| {
            mistakes.push(Mistake {
                origin: origin.clone(),
                at: String::new(),
                problem: problem.to_owned(),
            });
            Value::Integer(0)
        };
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(is_so) => Value::Boolean(is_so),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| wrong("this integer has too many digits"), Value::Integer),
            DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => wrong("this number is not finite; write a finite one"),
            },
            DeValue::Array(values) => Value::List(
                values
                    .into_iter()
                    .map(|value| self.node(value, mistakes))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, mistakes)),
        };
        Node { value, origin }
    }

    /// Line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Line and column of a byte, both from 1, the column in characters.
    fn origin(&self, at: usize) -> Origin {
        let at = (0..=at.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0);
        let line = self.line(at);
        Origin::File {
            file: Arc::clone(&self.file),
            line,
            column: self.text[self.lines[line - 1]..at].chars().count() + 1,
        }
    }
}
