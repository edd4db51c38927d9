//! The figures of a run, as a table and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// What was measured, case by case.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    cases: Vec<Case>,
}

/// The figures of one case, in order.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
    figures: Vec<(&'static str, f64)>,
}

/// How long answers took.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Figures {
    /// Adds a case; it is told on stderr at once.
    pub(crate) fn add(&mut self, case: Case) {
        eprint!("{}", case.text());
        self.cases.push(case);
    }

    /// A figure a line.
    pub(crate) fn table(&self) -> String {
        self.cases.iter().map(Case::text).collect()
    }

    /// One document.
    pub(crate) fn json(&self) -> Value {
        let case = |case: &Case| {
            let figures = case
                .figures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)));
            (case.name.clone(), Value::Object(figures.collect()))
        };
        Value::Object(self.cases.iter().map(case).collect::<Map<_, _>>())
    }
}

impl Case {
    /// A case without figures.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            figures: Vec::new(),
        }
    }

    /// Adds a figure; its name ends with its unit.
    pub(crate) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.figures.push((name, value));
        self
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.name);
        for (name, value) in &self.figures {
            let digits = if value.abs() < 100.0 { 2 } else { 0 };
            writeln!(text, "  {name:<28} {value:>12.digits$}").expect("memory takes any text");
        }
        text
    }
}

impl Times {
    /// None yet.
    pub(crate) fn new() -> Self {
        let times = Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds that fit each other");
        Self(times)
    }

    /// Adds one.
    pub(crate) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros);
    }

    /// Adds those of another.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// The time that this share of all does not exceed, in milliseconds.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }
}
