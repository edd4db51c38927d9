//! Which rows of which series are learnt from and judged, and what others have published for the same rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Most bytes of a list of series.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// How detectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Learn from the first rows of each series, judge the others
    Own,
    /// That of SKAB's leaderboard: its series alone, rows of all of them in one pot
    Skab,
    /// That of TSB-AD-M: learn from the first rows of each series, judge all of it, these too
    TsbAdM,
}

/// What a protocol does with a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) dataset: String,
    pub(crate) series: String,
    pub(crate) path: PathBuf,
    /// Input rows to learn from.
    pub(crate) train: Range<usize>,
    /// The first input row that is judged.
    pub(super) judged_from: usize,
    pub(super) vus_window: usize,
    /// VUS-PR of other methods.
    published: BTreeMap<String, f64>,
}

/// What `manifest.json` says of a series; other keys are of no concern here.
#[derive(Debug, Deserialize)]
struct Listed {
    dataset: String,
    series: String,
    file: PathBuf,
    train_rows: usize,
    test_rows: usize,
    vus_window: usize,
}

/// What `tsbad_published.json` says of a series.
#[derive(Debug, Deserialize)]
struct Published {
    dataset: String,
    series: String,
    skip_rows: usize,
    tsb_train_rows: usize,
    vus_window: usize,
    published_vus_pr: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
struct List<T> {
    series: Vec<T>,
}

impl Protocol {
    /// The series of a folder with lists of them.
    pub(super) fn series(self, dir: &Path) -> Result<Vec<Series>, Failure> {
        let listed: List<Listed> = read(&dir.join("manifest.json"))?;
        let own = |of: &Listed| of.series(dir);
        let judged = listed.series.iter().filter(|of| of.test_rows > 0);
        if self == Self::Own {
            return Ok(judged.map(own).collect());
        }
        if self == Self::Skab {
            return Ok(judged.filter(|of| of.dataset == "SKAB").map(own).collect());
        }
        let path = dir.join("tsbad_published.json");
        let published: List<Published> = read(&path)?;
        let series = published.series.into_iter().map(|of| {
            let is_of = |listed: &&Listed| (&listed.dataset, &listed.series) == (&of.dataset, &of.series);
            let listed = listed.series.iter().find(is_of).ok_or_else(|| {
                let name = format!("{}/{}", of.dataset, of.series);
                Failure::message(format!("{}: {name} is not in manifest.json", path.display()))
            })?;
            Ok(Series {
                train: of.skip_rows..of.skip_rows.saturating_add(of.tsb_train_rows),
                judged_from: of.skip_rows,
                vus_window: of.vus_window,
                published: of.published_vus_pr,
                ..own(listed)
            })
        });
        series.collect()
    }
}

/// All series that a folder lists, those without rows to judge too.
pub(crate) fn all_series(dir: &Path) -> Result<Vec<Series>, Failure> {
    let listed: List<Listed> = read(&dir.join("manifest.json"))?;
    Ok(listed.series.iter().map(|of| of.series(dir)).collect())
}

impl Listed {
    fn series(&self, dir: &Path) -> Series {
        Series {
            dataset: self.dataset.clone(),
            series: self.series.clone(),
            path: dir.join(&self.file),
            train: 0..self.train_rows,
            judged_from: self.train_rows,
            vus_window: self.vus_window,
            published: BTreeMap::new(),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = bellwether_store::disk::read_bounded(path, LIST_BYTES_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::message(format!("{}: {error}", path.display())))
}

/// Mean VUS-PR over these series of each method that has been published for all of them.
pub(super) fn published<'a>(series: impl Iterator<Item = &'a Series>) -> BTreeMap<String, f64> {
    let mut by_name: BTreeMap<(&str, &str), &Series> = BTreeMap::new();
    for of in series {
        by_name.insert((&of.dataset, &of.series), of);
    }
    let Some(first) = by_name.values().next() else {
        return BTreeMap::new();
    };
    let mean = |method: &String| {
        let values: Option<Vec<f64>> = by_name
            .values()
            .map(|of| of.published.get(method).copied())
            .collect();
        let values = values?;
        Some((method.clone(), values.iter().sum::<f64>() / values.len() as f64))
    };
    first.published.keys().filter_map(mean).collect()
}

/// Rows by truth and verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    true_positives: usize,
    false_positives: usize,
    false_negatives: usize,
    true_negatives: usize,
}

impl Counts {
    pub(super) fn of(labels: &[bool], predicted: &[bool]) -> Self {
        let mut counts = Self::default();
        for verdict in labels.iter().zip(predicted) {
            let count = match verdict {
                (true, true) => &mut counts.true_positives,
                (false, true) => &mut counts.false_positives,
                (true, false) => &mut counts.false_negatives,
                (false, false) => &mut counts.true_negatives,
            };
            *count += 1;
        }
        counts
    }

    pub(super) fn add(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
        self.true_negatives += other.true_negatives;
    }

    /// Harmonic mean of precision and recall; NaN where neither is defined.
    pub(super) fn f1(self) -> f64 {
        let hits = 2 * self.true_positives;
        hits as f64 / (hits + self.false_positives + self.false_negatives) as f64
    }

    /// Share of the normal rows that were called anomalous.
    pub(super) fn false_alarm_rate(self) -> f64 {
        self.false_positives as f64 / (self.false_positives + self.true_negatives) as f64
    }

    /// Share of the anomalous rows that were called normal.
    pub(super) fn missed_alarm_rate(self) -> f64 {
        self.false_negatives as f64 / (self.false_negatives + self.true_positives) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_a_pot_by_hand() {
        let mut pot = Counts::of(&[true, true, false, false], &[true, false, true, false]);
        pot.add(Counts::of(&[true, false, false], &[true, false, false]));
        // Hits 2, false alarms 1 of 4 normal rows, missed 1 of 3.
        assert!((pot.f1() - 4.0 / 6.0).abs() < 1e-15);
        assert!((pot.false_alarm_rate() - 0.25).abs() < 1e-15);
        assert!((pot.missed_alarm_rate() - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_method_counts_where_it_was_published_for_every_series() {
        let series = |name: &str, published: &[(&str, f64)]| Series {
            dataset: "d".to_owned(),
            series: name.to_owned(),
            path: PathBuf::new(),
            train: 0..1,
            judged_from: 0,
            vus_window: 1,
            published: published
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        };
        let all = [
            series("a", &[("CNN", 0.2), ("PCA", 0.1)]),
            series("b", &[("CNN", 0.4)]),
        ];
        let means = published(all.iter().chain(&all[..1]));
        assert_eq!(means.keys().collect::<Vec<_>>(), ["CNN"]);
        assert!((means["CNN"] - 0.3).abs() < 1e-15);
    }
}
