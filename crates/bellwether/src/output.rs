//! How answers reach people and programs: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use crate::cli::{ColorChoice, Form, Format, Global};
use crate::failure::Failure;

/// Where answers go, and in what form.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
    is_quiet: bool,
    verbosity: u8,
    has_color: bool,
}

/// A table of an answer: headings with the keys that JSON uses, and rows of JSON values.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    keys: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No row yet, under these keys.
    pub(crate) fn new(keys: &[&'static str]) -> Self {
        Self {
            keys: keys.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one value per key.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.keys.len(), "one value per key");
        self.rows.push(row);
    }

    /// The rows as JSON objects.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let object = |row: &Vec<Value>| {
            Value::Object(
                self.keys
                    .iter()
                    .map(|key| (*key).to_owned())
                    .zip(row.iter().cloned())
                    .collect(),
            )
        };
        self.rows.iter().map(object).collect()
    }
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let has_color = match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => std::env::var_os("NO_COLOR").is_none() && io::stderr().is_terminal(),
        };
        Self {
            form: global.format.unwrap_or(Form::Table),
            is_quiet: global.quiet,
            verbosity: global.verbose,
            has_color,
        }
    }

    /// What was asked for, as it was asked.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The form of the answer. A page or a network is none: what is said beside it is for people.
    pub(crate) fn format(&self) -> Format {
        match self.form {
            Form::Table | Form::Html | Form::Onnx | Form::Mlflow => Format::Table,
            Form::Json => Format::Json,
            Form::Ndjson => Format::Ndjson,
            Form::Csv => Format::Csv,
        }
    }

    /// An error, on stderr.
    pub(crate) fn error(&self, text: &str) {
        let label = if self.has_color {
            "\u{1b}[1;31merror:\u{1b}[0m"
        } else {
            "error:"
        };
        self.to_stderr(&format!("{label} {text}"));
    }

    /// Mistakes in a file, a line each that begins with its place, on stderr.
    pub(crate) fn mistakes(&self, lines: &str) {
        self.to_stderr(lines);
    }

    /// Nothing but errors and the answer is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether stderr is in colour.
    pub(crate) fn has_color(&self) -> bool {
        self.has_color
    }

    /// Something worth knowing, on stderr unless quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet {
            self.to_stderr(text);
        }
    }

    /// Something that only the curious want to know, on stderr with `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity > 0 && !self.is_quiet {
            self.to_stderr(text);
        }
    }

    fn to_stderr(&self, text: &str) {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Shows an answer: `document` as JSON, or `rows` as a table, lines of JSON, or CSV.
    pub(crate) fn answer(&self, document: &impl Serialize, rows: &Rows) -> Result<(), Failure> {
        match self.format() {
            Format::Json => self.write(&format!("{}\n", serde_json::to_string_pretty(document)?)),
            Format::Ndjson => {
                let lines = rows.objects().into_iter().map(|object| format!("{object}\n"));
                self.write(&lines.collect::<String>())
            }
            Format::Csv => self.write(&csv(rows)),
            Format::Table => self.write(&table(rows)),
        }
    }

    /// Whether somebody asked for a format that programs read.
    pub(crate) fn is_for_programs(&self) -> bool {
        match self.format() {
            Format::Json | Format::Ndjson | Format::Csv => true,
            Format::Table => false,
        }
    }

    /// Text on stdout. A reader that has gone, as `head` does, ends the answer and is no error.
    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A bar for `n` steps on a terminal; hidden elsewhere and when quiet.
    pub(crate) fn progress(&self, n: u64, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(n), ProgressDrawTarget::hidden());
        if !self.is_quiet && io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        let style =
            ProgressStyle::with_template("{prefix:>12} [{bar:30}] {pos}/{len} {msg} {elapsed} eta {eta}");
        bar.set_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        bar.set_prefix(what.to_owned());
        bar
    }
}

/// A cell as people read it: numbers to four digits.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let value = number.as_f64().unwrap_or(f64::NAN);
            let digits = if value.abs() >= 1000.0 {
                0
            } else if value.abs() >= 10.0 {
                1
            } else {
                3
            };
            format!("{value:.digits$}")
        }
        other => other.to_string(),
    }
}

fn table(rows: &Rows) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(rows.keys.iter().map(|key| key.replace('_', " ")));
    for row in &rows.rows {
        table.add_row(row.iter().map(shown));
    }
    for (idx, column) in table.column_iter_mut().enumerate() {
        if rows.rows.iter().any(|row| row[idx].is_number()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}

fn csv(rows: &Rows) -> String {
    let quoted = |text: String| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text.clone()),
        other => quoted(other.to_string()),
    };
    let mut text = format!("{}\n", rows.keys.join(","));
    for row in &rows.rows {
        text += &format!("{}\n", row.iter().map(cell).collect::<Vec<_>>().join(","));
    }
    text
}

/// An object of the given pairs.
pub(crate) fn object(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}
