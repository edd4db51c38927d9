//! What a program measured, the best of several turns, and how ours stands beside theirs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

/// What `bellwether bench kernels --format json` prints, as far as the peers have the same.
#[derive(Debug, Deserialize)]
pub(super) struct ShapesDocument {
    pub(super) shapes: Vec<Measured>,
}

/// What `measure.py` prints.
#[derive(Debug, Deserialize)]
pub(super) struct PeersDocument {
    pub(super) peers: Vec<Peer>,
}

/// One peer's figures.
#[derive(Debug, Deserialize)]
pub(super) struct Peer {
    pub(super) peer: String,
    pub(super) version: String,
    pub(super) shapes: Vec<Measured>,
}

/// One shape at one number of threads. What a program cannot do is absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Measured {
    name: String,
    threads: usize,
    train_windows_per_s: Option<f64>,
    score_windows_per_s: Option<f64>,
    latency_us: Option<Latency>,
}

/// Microseconds from one window to its reconstruction.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Latency {
    p50: f64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Figure {
    Train,
    Score,
    Latency,
}

impl Figure {
    const ALL: [Self; 3] = [Self::Train, Self::Score, Self::Latency];

    fn label(self) -> &'static str {
        match self {
            Self::Train => "training, windows/s",
            Self::Score => "scoring, windows/s",
            Self::Latency => "one window, µs (p50)",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Train => "train_windows_per_s",
            Self::Score => "score_windows_per_s",
            Self::Latency => "latency_us_p50",
        }
    }

    fn of(self, measured: &Measured) -> Option<f64> {
        match self {
            Self::Train => measured.train_windows_per_s,
            Self::Score => measured.score_windows_per_s,
            Self::Latency => measured.latency_us.as_ref().map(|latency| latency.p50),
        }
    }

    fn better(self, a: f64, b: f64) -> f64 {
        if self == Self::Latency { a.min(b) } else { a.max(b) }
    }

    /// How many times as good `ours` is: above 1 we are ahead.
    fn advantage(self, ours: f64, theirs: f64) -> f64 {
        if self == Self::Latency {
            theirs / ours
        } else {
            ours / theirs
        }
    }
}

/// A row of the table: shape, threads, figure.
type Row = (usize, String, usize, Figure);

/// The best figures of each program; ours is the one added first.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    programs: Vec<(String, String)>,
    best: BTreeMap<Row, BTreeMap<usize, f64>>,
}

impl Comparison {
    /// Takes in one turn of `program`.
    pub(super) fn add(&mut self, program: &str, version: &str, shapes: Vec<Measured>) {
        let known = self.programs.iter().position(|(name, _)| name == program);
        let program_idx = known.unwrap_or_else(|| {
            self.programs.push((program.to_owned(), version.to_owned()));
            self.programs.len() - 1
        });
        for measured in shapes {
            for figure in Figure::ALL {
                if let Some(found) = figure.of(&measured) {
                    let row = (
                        size_rank(&measured.name),
                        measured.name.clone(),
                        measured.threads,
                        figure,
                    );
                    let best = self
                        .best
                        .entry(row)
                        .or_default()
                        .entry(program_idx)
                        .or_insert(found);
                    *best = figure.better(*best, found);
                }
            }
        }
    }

    /// A Markdown table, which reads as well on a terminal: absolute figures, then ours against each peer's.
    pub(super) fn markdown(&self) -> String {
        let mut lines = vec![self.heading()];
        for ((_, shape, threads, figure), best) in &self.best {
            let mut cells = vec![shape.clone(), threads.to_string(), figure.label().to_owned()];
            let programs = 0..self.programs.len();
            cells.extend(
                programs
                    .clone()
                    .map(|idx| best.get(&idx).map_or_else(|| "–".to_owned(), |v| rounded(*v))),
            );
            cells.extend(programs.skip(1).map(|idx| match (best.get(&0), best.get(&idx)) {
                (Some(ours), Some(theirs)) => format!("{:.2} ×", figure.advantage(*ours, *theirs)),
                _ => "–".to_owned(),
            }));
            lines.push(cells);
        }
        aligned(&lines)
    }

    fn heading(&self) -> Vec<String> {
        let mut cells = vec!["shape".to_owned(), "threads".to_owned(), "figure".to_owned()];
        let named = self.programs.iter().enumerate().map(|(idx, (name, version))| {
            if idx == 0 {
                name.clone()
            } else {
                format!("{name} {version}")
            }
        });
        cells.extend(named);
        cells.extend(self.programs.iter().skip(1).map(|(name, _)| format!("of {name}")));
        cells
    }

    /// The same as one document.
    pub(super) fn json(&self, machine: &str) -> Value {
        let name = |idx: &usize| self.programs[*idx].0.clone();
        let rows: Vec<Value> = self
            .best
            .iter()
            .map(|((_, shape, threads, figure), best)| {
                let figures: BTreeMap<String, f64> = best.iter().map(|(idx, v)| (name(idx), *v)).collect();
                let peers = best.iter().filter(|(idx, _)| **idx > 0);
                let advantage: BTreeMap<String, f64> = best.get(&0).map_or_else(BTreeMap::new, |ours| {
                    peers.map(|(idx, theirs)| (name(idx), figure.advantage(*ours, *theirs))).collect()
                });
                let figure = figure.key();
                json!({"shape": shape, "threads": threads, "figure": figure, "best": figures, "advantage": advantage})
            })
            .collect();
        let versions: BTreeMap<&String, &String> = self.programs.iter().map(|(name, v)| (name, v)).collect();
        json!({"machine": machine, "versions": versions, "rows": rows})
    }
}

/// Small, middle, large; whatever else after them.
fn size_rank(shape: &str) -> usize {
    ["S", "M", "L"]
        .iter()
        .position(|name| *name == shape)
        .unwrap_or(3)
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

    fn shapes(train: f64, score: f64, p50: f64) -> Vec<Measured> {
        let document = json!({"shapes": [{
            "name": "M", "threads": 1, "train_windows_per_s": train, "score_windows_per_s": score,
            "latency_us": {"p50": p50, "p99": 2.0 * p50}, "gflops": {"train": 1.0}, "peak_gflops": 100.0
        }]});
        serde_json::from_value::<ShapesDocument>(document)
            .expect("as documented")
            .shapes
    }

    fn comparison() -> Comparison {
        let mut comparison = Comparison::default();
        comparison.add("bellwether", "this checkout", shapes(4000.0, 15_000.0, 110.0));
        comparison.add("PyTorch", "2.15.0", shapes(2000.0, 10_000.0, 500.0));
        comparison.add("bellwether", "this checkout", shapes(5000.0, 14_000.0, 100.0));
        comparison.add("PyTorch", "2.15.0", shapes(1900.0, 9_000.0, 600.0));
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
            json!({"shape": "M", "threads": 1, "figure": "score_windows_per_s",
            "best": {"bellwether": 15_000.0, "PyTorch": 10_000.0}, "advantage": {"PyTorch": 1.5}}),
        );
        check(
            2,
            json!({"shape": "M", "threads": 1, "figure": "latency_us_p50",
            "best": {"bellwether": 100.0, "PyTorch": 500.0}, "advantage": {"PyTorch": 5.0}}),
        );
    }

    #[test]
    fn a_figure_that_a_peer_lacks_is_a_dash() {
        let mut comparison = comparison();
        let document = json!({"peer": "ONNX Runtime", "version": "1.32.0", "shapes": [{"name": "M", "threads": 1,
            "train_windows_per_s": null, "score_windows_per_s": 7500.0, "latency_us": {"p50": 200.0, "p99": 300.0}}]});
        let peer: Peer = serde_json::from_value(document).expect("as documented");
        comparison.add(&peer.peer, &peer.version, peer.shapes);
        let table = comparison.markdown();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert_eq!(
            lines[0],
            [
                "shape",
                "threads",
                "figure",
                "bellwether",
                "PyTorch 2.15.0",
                "ONNX Runtime 1.32.0",
                "of PyTorch",
                "of ONNX Runtime"
            ]
        );
        assert_eq!(
            lines[2],
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
        assert_eq!(
            lines[3],
            [
                "M",
                "1",
                "scoring, windows/s",
                "15000",
                "10000",
                "7500",
                "1.50 ×",
                "2.00 ×"
            ]
        );
    }
}
