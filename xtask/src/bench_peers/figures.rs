//! What was measured, the best of several turns of each program, how ours stands beside theirs, and whether that is what
//! was promised.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::goals;

/// The name of ours.
pub(super) const OURS: &str = "bellwether";
/// The same with the kernels that score in tiles.
pub(super) const OURS_IN_TILES: &str = "bellwether amx";

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    Train,
    Score,
    Latency,
    /// Multiply-adds in registers on one core: what ours are held against.
    Peak,
}

impl Figure {
    pub(super) const ALL: [Self; 4] = [Self::Peak, Self::Train, Self::Score, Self::Latency];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Train => "training, windows/s",
            Self::Score => "scoring, windows/s",
            Self::Latency => "one window, µs (p50)",
            Self::Peak => "peak of a core, GF/s",
        }
    }

    /// How a program is asked for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Score => "score",
            Self::Latency => "latency",
            Self::Peak => "peak",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Train => "train_windows_per_s",
            Self::Score => "score_windows_per_s",
            Self::Latency => "latency_us_p50",
            Self::Peak => "peak_gflops",
        }
    }

    fn better(self, a: f64, b: f64) -> f64 {
        if self == Self::Latency { a.min(b) } else { a.max(b) }
    }

    /// How many times as good `ours` is: above 1 we are ahead.
    pub(super) fn advantage(self, ours: f64, theirs: f64) -> f64 {
        if self == Self::Latency {
            theirs / ours
        } else {
            ours / theirs
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) shape: &'static str,
    pub(super) threads: usize,
    pub(super) figure: Figure,
}

/// The best figures of each program; ours is the first.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    programs: Vec<(String, String)>,
    rows: Vec<(Row, BTreeMap<String, f64>)>,
}

impl Comparison {
    /// A program that is compared; ours first.
    pub(super) fn know(&mut self, program: &str, version: &str) {
        if !self.programs.iter().any(|(known, _)| known == program) {
            self.programs.push((program.to_owned(), version.to_owned()));
        }
    }

    /// Takes in what one turn of `program` found.
    pub(super) fn take(&mut self, program: &str, row: Row, found: f64) {
        let known = self.rows.iter().position(|(known, _)| *known == row);
        let idx = known.unwrap_or_else(|| {
            self.rows.push((row, BTreeMap::new()));
            self.rows.len() - 1
        });
        let best = self.rows[idx].1.entry(program.to_owned()).or_insert(found);
        *best = row.figure.better(*best, found);
    }

    /// The best that `program` did.
    pub(super) fn best(&self, program: &str, row: Row) -> Option<f64> {
        let (_, best) = self.rows.iter().find(|(known, _)| *known == row)?;
        best.get(program).copied()
    }

    /// Ours against the program's best.
    pub(super) fn advantage(&self, over: &str, row: Row) -> Option<f64> {
        Some(row.figure.advantage(self.best(OURS, row)?, self.best(over, row)?))
    }

    fn peers(&self) -> impl Iterator<Item = &(String, String)> {
        self.programs.iter().filter(|(name, _)| name != OURS)
    }

    /// Markdown tables, which read as well on a terminal: absolute figures with ours against each peer's, then what was
    /// promised.
    pub(super) fn markdown(&self) -> String {
        let mut heading = ["shape", "threads", "figure", OURS].map(str::to_owned).to_vec();
        heading.extend(self.peers().map(|(name, version)| format!("{name} {version}")));
        heading.extend(self.peers().map(|(name, _)| format!("of {name}")));
        let mut lines = vec![heading];
        for (row, _) in &self.rows {
            let shown = |best: Option<f64>| best.map_or_else(|| "–".to_owned(), rounded);
            let mut cells = vec![
                row.shape.to_owned(),
                row.threads.to_string(),
                row.figure.label().to_owned(),
            ];
            cells.push(shown(self.best(OURS, *row)));
            cells.extend(self.peers().map(|(name, _)| shown(self.best(name, *row))));
            cells.extend(self.peers().map(|(name, _)| {
                self.advantage(name, *row)
                    .map_or_else(|| "–".to_owned(), |times| format!("{times:.2} ×"))
            }));
            lines.push(cells);
        }
        let mut held = vec![
            ["promised", "shape", "threads", "wanted", "measured", ""]
                .map(str::to_owned)
                .to_vec(),
        ];
        held.extend(goals::judge(self).into_iter().map(|judged| {
            vec![
                judged.what.to_owned(),
                judged.shape.to_owned(),
                judged.threads.to_string(),
                format!("{:.2}", judged.wanted),
                judged
                    .found
                    .map_or_else(|| "–".to_owned(), |found| format!("{found:.2}")),
                if judged.is_held() { "held" } else { "**missed**" }.to_owned(),
            ]
        }));
        format!("{}\n{}", aligned(&lines), aligned(&held))
    }

    /// The same as one document.
    pub(super) fn json(&self, machine: &str) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(row, best)| {
                let advantage: BTreeMap<&String, f64> = self
                    .peers()
                    .filter_map(|(name, _)| Some((name, self.advantage(name, *row)?)))
                    .collect();
                let figure = row.figure.key();
                json!({"shape": row.shape, "threads": row.threads, "figure": figure, "best": best, "advantage": advantage})
            })
            .collect();
        let goals: Vec<Value> = goals::judge(self)
            .into_iter()
            .map(|judged| {
                json!({
                    "what": judged.what, "shape": judged.shape, "threads": judged.threads, "wanted": judged.wanted,
                    "found": judged.found, "held": judged.is_held(),
                })
            })
            .collect();
        let versions: BTreeMap<&String, &String> = self.programs.iter().map(|(name, v)| (name, v)).collect();
        json!({"machine": machine, "versions": versions, "rows": rows, "goals": goals})
    }
}

/// Four digits that mean something, no more.
fn rounded(value: f64) -> String {
    match value {
        v if v < 100.0 => format!("{v:.1}"),
        v if v < 10_000.0 => format!("{v:.0}"),
        v => format!("{:.0}", (v / 10.0).round() * 10.0),
    }
}

/// Rows of cells as Markdown; the first row is the heading.
fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.first().map_or(0, Vec::len);
    let width_of = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width_of).collect();
    let mut text = String::new();
    for (idx, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = if idx == 0 {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text.push_str("|\n");
        if idx == 0 {
            let rules = widths.iter().map(|width| format!("|{}:", "-".repeat(width + 1)));
            text.push_str(&rules.collect::<String>());
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: Figure) -> Row {
        Row {
            shape: "M",
            threads: 1,
            figure,
        }
    }

    fn comparison() -> Comparison {
        let mut comparison = Comparison::default();
        for (program, version) in [
            (OURS, "this checkout"),
            ("PyTorch", "2.15.0"),
            ("ONNX Runtime", "1.32.0"),
        ] {
            comparison.know(program, version);
        }
        for (program, train, latency) in [
            (OURS, 4000.0, 110.0),
            ("PyTorch", 2000.0, 500.0),
            (OURS, 5000.0, 120.0),
            ("PyTorch", 1900.0, 600.0),
        ] {
            comparison.take(program, row(Figure::Train), train);
            comparison.take(program, row(Figure::Latency), latency);
        }
        comparison
    }

    #[test]
    fn the_best_turn_of_each_counts() {
        let found = comparison().json("one core");
        let check = |row: usize, expect: Value| assert_eq!(found["rows"][row], expect);
        check(
            0,
            json!({"shape": "M", "threads": 1, "figure": "train_windows_per_s",
            "best": {"bellwether": 5000.0, "PyTorch": 2000.0}, "advantage": {"PyTorch": 2.5}}),
        );
        check(
            1,
            json!({"shape": "M", "threads": 1, "figure": "latency_us_p50",
            "best": {"bellwether": 110.0, "PyTorch": 500.0}, "advantage": {"PyTorch": 500.0 / 110.0}}),
        );
    }

    #[test]
    fn a_figure_that_a_peer_lacks_is_a_dash() {
        let table = comparison().markdown();
        let cells = |line: usize| -> Vec<&str> {
            let line = table.lines().nth(line).expect("a line");
            line.trim_matches('|').split('|').map(str::trim).collect()
        };
        let heading = [
            "shape",
            "threads",
            "figure",
            OURS,
            "PyTorch 2.15.0",
            "ONNX Runtime 1.32.0",
            "of PyTorch",
        ];
        assert_eq!(cells(0)[..7], heading);
        assert_eq!(
            cells(2),
            [
                "M",
                "1",
                "training, windows/s",
                "5000",
                "2000",
                "–",
                "2.50 ×",
                "–"
            ]
        );
    }
}
