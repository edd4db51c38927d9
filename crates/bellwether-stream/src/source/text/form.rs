//! Whether lines are JSON, or a table or line protocol, told by the first of them, and what they become.

use std::sync::Arc;

use bellwether_store::read::ReadError;

use super::TextSpec;
use super::lines::Line;
use crate::clock;
use crate::source::MESSAGE_BYTES_MAX;
use crate::source::decode::{Decoded, Decoder, Reason, TableDecoder};

/// Decodes the lines of one input.
#[derive(Debug)]
pub(super) struct Form {
    source: Arc<str>,
    spec: Arc<TextSpec>,
    kind: Kind,
    n_lines: u64,
}

#[derive(Debug)]
enum Kind {
    /// No line so far said anything.
    Unknown,
    Json(Box<Decoder>),
    /// A table, or line protocol.
    Table(Box<TableDecoder>),
}

impl Form {
    /// For an input of which nothing has come yet.
    pub(super) fn new(source: Arc<str>, spec: Arc<TextSpec>) -> Self {
        Self {
            source,
            spec,
            kind: Kind::Unknown,
            n_lines: 0,
        }
    }

    /// Goes on behind `n_lines` lines of an input that begins with `head`.
    pub(super) fn go_on_behind(&mut self, n_lines: u64, head: &[u8]) {
        let first = head
            .split_inclusive(|&byte| byte == b'\n')
            .find(|line| !says_nothing(line));
        if let Some(first) = first {
            self.kind = self.kind_of(first);
        }
        if let Kind::Table(table) = &mut self.kind
            && !table.go_on_behind(n_lines, head)
        {
            self.kind = Kind::Unknown;
        }
        self.n_lines = n_lines;
    }

    /// Decodes one line.
    ///
    /// # Errors
    /// Where it is clear that this is no table that can be read.
    pub(super) fn line(&mut self, line: Line<'_>, into: &mut Decoded) -> Result<(), ReadError> {
        self.n_lines += 1;
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong { head, n_bytes } => {
                let detail = format!(
                    "line {}: {n_bytes} bytes; at most {MESSAGE_BYTES_MAX} are taken",
                    self.n_lines
                );
                into.quarantined
                    .push(Reason::TooLong.because(detail).of(&self.source, head));
                return Ok(());
            }
        };
        if let Kind::Unknown = self.kind {
            if says_nothing(line) {
                return Ok(());
            }
            self.kind = self.kind_of(line);
        }
        match &mut self.kind {
            Kind::Table(table) => table.line(line, into),
            Kind::Json(decoder) => {
                json_line(decoder, line, self.n_lines, into);
                Ok(())
            }
            Kind::Unknown => Ok(()),
        }
    }

    /// The input has ended.
    ///
    /// # Errors
    /// Where there are rows, and what they are has not become clear.
    pub(super) fn end(&mut self, into: &mut Decoded) -> Result<(), ReadError> {
        match &mut self.kind {
            Kind::Table(table) => table.end(into),
            Kind::Json(_) | Kind::Unknown => Ok(()),
        }
    }

    /// Lines taken.
    pub(super) fn n_lines(&self) -> u64 {
        self.n_lines
    }

    /// Bytes of the lines taken that are not decoded yet.
    pub(super) fn n_open_bytes(&self) -> usize {
        match &self.kind {
            Kind::Table(table) => table.n_open_bytes(),
            Kind::Json(_) | Kind::Unknown => 0,
        }
    }

    fn kind_of(&self, line: &[u8]) -> Kind {
        let (spec, device) = (&self.spec, self.spec.device());
        match without_mark(line).trim_ascii_start().first() {
            Some(b'{' | b'[') => {
                let decoder = Decoder::new(self.source.clone(), spec.mapping.clone(), Some(&device));
                Kind::Json(Box::new(decoder))
            }
            _ => {
                let table =
                    TableDecoder::new(self.source.clone(), spec.file(), spec.options(), Some(&device));
                Kind::Table(Box::new(table))
            }
        }
    }
}

fn json_line(decoder: &mut Decoder, line: &[u8], line_no: u64, into: &mut Decoded) {
    let line = without_mark(line).trim_ascii();
    if line.is_empty() {
        return;
    }
    let n_before = into.quarantined.len();
    decoder.message(None, line, clock::now(), into);
    for entry in &mut into.quarantined[n_before..] {
        entry.detail.insert_str(0, &format!("line {line_no}: "));
    }
}

/// Blank lines and comments.
fn says_nothing(line: &[u8]) -> bool {
    let line = without_mark(line).trim_ascii();
    line.is_empty() || line.starts_with(b"#")
}

/// A line without a byte order mark.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}
