//! Rows of one input, wide or long, on their way into series: the same for every format.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bellwether_core::frame::Channel;
use bellwether_core::time::Timestamp;

use super::error::{Place, Problem, ReadError};
use super::long::LongRows;
use super::note::Note;
use super::piece::Heads;
use super::series::{Gather, SeriesRows, Shape};
use super::sniff::{Layout, Values};

/// What a row has beside its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowHead<'a> {
    pub(super) time: Timestamp,
    /// The time as it stands in the input.
    pub(super) time_text: &'a [u8],
    /// The series, where a column names it.
    pub(super) series: Option<&'a str>,
    pub(super) label: Option<bool>,
    pub(super) changepoint: Option<bool>,
}

/// The columns that something can be wrong with beyond the values: time and series.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Time,
    Series,
    File,
}

/// A problem that a row makes where it goes, and the part of the row that makes it.
pub(super) type Misfit = (Part, Problem);

/// Takes the rows of one input.
pub(super) struct Sink<'g> {
    gather: &'g mut Gather,
    file: PathBuf,
    /// What the input is called as a series.
    name: String,
    /// The series that were there before.
    n_before: usize,
    has_series: bool,
    has_labels: bool,
    has_changepoints: bool,
    rows: Rows,
}

enum Rows {
    Wide {
        shape: Shape,
        /// The series of the last row.
        series: Option<usize>,
    },
    Long {
        by_name: HashMap<String, usize>,
        all: Vec<LongRows>,
        /// The series of the last row.
        last: usize,
    },
}

impl<'g> Sink<'g> {
    /// For the rows of `file` as `layout` has them; without a series column they are the series called `name`.
    pub(super) fn new(
        layout: &Layout,
        file: &Path,
        name: &str,
        gather: &'g mut Gather,
    ) -> Result<Self, ReadError> {
        let n_before = gather.n_series();
        let in_file = |problem| Place::file(file).error(problem);
        let has_labels = layout.label.is_some();
        let has_changepoints = layout.changepoint.is_some();
        let rows = match &layout.values {
            Values::Wide(columns) => {
                gather.check_channels(columns.len()).map_err(in_file)?;
                let channels: Vec<_> = columns
                    .iter()
                    .map(|&column| Channel::new(layout.names[column].as_str()))
                    .collect();
                let shape = Shape {
                    channels: channels.into(),
                    has_labels,
                    has_changepoints,
                };
                let series = match layout.series {
                    None => Some(gather.open_file(name, file, &shape).map_err(in_file)?),
                    Some(_) => None,
                };
                Rows::Wide { shape, series }
            }
            Values::Long { .. } => Rows::long(),
        };
        Ok(Self {
            gather,
            file: file.to_owned(),
            name: name.to_owned(),
            n_before,
            has_series: layout.series.is_some(),
            has_labels,
            has_changepoints,
            rows,
        })
    }

    /// So many rows are to come: where they are all of one series, they need not be moved as it grows.
    pub(super) fn expect(&mut self, n_rows: usize) {
        if let Rows::Wide {
            series: Some(idx), ..
        } = &self.rows
        {
            self.gather.expect(*idx, n_rows);
        }
    }

    /// For rows that name their values one by one.
    pub(super) fn of_values(file: &Path, name: &str, gather: &'g mut Gather) -> Self {
        Self {
            n_before: gather.n_series(),
            gather,
            file: file.to_owned(),
            name: name.to_owned(),
            has_series: false,
            has_labels: false,
            has_changepoints: false,
            rows: Rows::long(),
        }
    }

    /// Whether rows name their series, and have labels and changepoints, where only the rows tell.
    pub(super) fn set_marks(&mut self, has_series: bool, has_labels: bool, has_changepoints: bool) {
        self.has_series = has_series;
        (self.has_labels, self.has_changepoints) = (has_labels, has_changepoints);
    }

    /// Adds a row of a wide table. `values` writes one value per channel behind those there are.
    pub(super) fn wide_row<E: From<Misfit>>(
        &mut self,
        head: &RowHead<'_>,
        values: impl FnOnce(&mut Vec<f64>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Rows::Wide { shape, series } = &mut self.rows else {
            unreachable!("the table is wide");
        };
        let idx = match (head.series, *series) {
            (None, idx) => idx.expect("opened with the file"),
            (Some(name), Some(last)) if self.gather.series(last).name() == name => last,
            (Some(name), _) => {
                let opened = self.gather.open(name, &self.file, shape);
                opened.map_err(|problem| (Part::Series, problem))?
            }
        };
        *series = Some(idx);
        let n_channels = shape.channels.len();
        let position = self.gather.next_position().map_err(in_file)?;
        self.gather.count_cells(1, n_channels).map_err(in_file)?;
        let series = self.gather.series(idx);
        let is_sample = series
            .begin_row(head.time, head.time_text, position)
            .map_err(|problem| (Part::Time, problem))?;
        let n_values = series.values.len();
        values(&mut series.values)?;
        if !is_sample {
            series.values.truncate(n_values);
        }
        series.labels.extend(head.label);
        series.changepoints.extend(head.changepoint);
        Ok(())
    }

    /// Adds rows of a wide table. `values` writes one value per row and channel, row after row, behind those there are,
    /// and says whether all are known to be finite, as this does.
    ///
    /// # Errors
    /// The first that does not go where it should, as its position in `heads`, and why.
    pub(super) fn wide_rows(
        &mut self,
        heads: &Heads,
        values: impl Fn(&mut Vec<f64>) -> bool,
    ) -> Result<bool, (usize, Misfit)> {
        let Rows::Wide { shape, series } = &self.rows else {
            unreachable!("the table is wide");
        };
        let n_channels = shape.channels.len();
        if let (false, Some(idx)) = (self.has_series, *series)
            && let Some(all_finite) = self
                .gather
                .follow(idx, heads, &values)
                .map_err(|problem| (0, in_file(problem)))?
        {
            return Ok(all_finite);
        }
        let mut all = Vec::with_capacity(heads.n_rows() * n_channels);
        let all_finite = values(&mut all);
        for row in 0..heads.n_rows() {
            let given = self.wide_row(&heads.head(row), |out| {
                out.extend_from_slice(&all[row * n_channels..(row + 1) * n_channels]);
                Ok::<_, Misfit>(())
            });
            given.map_err(|misfit| (row, misfit))?;
        }
        Ok(all_finite)
    }

    /// Adds a row of values that have the names of their channels.
    pub(super) fn named_row<'v>(
        &mut self,
        head: &RowHead<'_>,
        values: impl IntoIterator<Item = (&'v str, f64)>,
    ) -> Result<(), Misfit> {
        let Rows::Long { by_name, all, last } = &mut self.rows else {
            unreachable!("the table is long");
        };
        let name = head.series.unwrap_or(&self.name);
        if all.get(*last).is_none_or(|series| series.name() != name) {
            *last = match by_name.get(name) {
                Some(&idx) => idx,
                None => {
                    by_name.insert(name.to_owned(), all.len());
                    all.push(LongRows::new(name, self.gather.sort()));
                    all.len() - 1
                }
            };
        }
        let series = &mut all[*last];
        let position = self.gather.next_position().map_err(in_file)?;
        series
            .begin_row(head.time, head.time_text, position)
            .map_err(in_file)?;
        for (channel, value) in values {
            series
                .push(channel, value)
                .map_err(|problem| (Part::Time, problem))?;
        }
        self.gather.check_channels(series.n_channels()).map_err(in_file)?;
        series.labels.extend(head.label);
        series.changepoints.extend(head.changepoint);
        Ok(())
    }

    /// Ends the input: its rows stand in their series, and the first of them has the `notes`. `rename` has the last
    /// word on the names of channels that rows have named.
    pub(super) fn finish(
        self,
        notes: Vec<Note>,
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ReadError> {
        let in_file = |problem| Place::file(&self.file).error(problem);
        if let Rows::Long { all, .. } = self.rows {
            for mut rows in all {
                rows.rename(&rename);
                let shape = Shape {
                    channels: rows.channels(),
                    has_labels: self.has_labels,
                    has_changepoints: self.has_changepoints,
                };
                let idx = if self.has_series {
                    self.gather.open(rows.name(), &self.file, &shape)
                } else {
                    self.gather.open_file(rows.name(), &self.file, &shape)
                };
                let idx = idx.map_err(in_file)?;
                let time = rows.instants();
                self.gather
                    .count_cells(time.len(), rows.n_channels())
                    .map_err(in_file)?;
                let series: &mut SeriesRows = self.gather.series(idx);
                rows.pivot_into(time, series).map_err(in_file)?;
            }
        }
        if self.n_before < self.gather.n_series() {
            self.gather.series(self.n_before).notes.extend(notes);
        }
        Ok(())
    }
}

impl Rows {
    fn long() -> Self {
        Self::Long {
            by_name: HashMap::new(),
            all: Vec::new(),
            last: 0,
        }
    }
}

fn in_file(problem: Problem) -> Misfit {
    (Part::File, problem)
}
