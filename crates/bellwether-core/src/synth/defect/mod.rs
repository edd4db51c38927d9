//! What is wrong with recordings rather than with plants: times that jump, rows that are missing, late or there twice,
//! cells that hold nothing or a word.

mod spec;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Device;
use super::random::{Draw, Purpose};
use crate::time::Timestamp;

pub use spec::{DefectError, DefectKind, DefectSpec};

/// A fleet's rows as a careless recorder wrote them, and the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The rows in the order of the table.
    pub rows: Vec<RecordedRow>,
    /// Whether times are to be written as the clock on the wall shows them, without a zone.
    pub is_local: bool,
    /// What was done, by kind and then by place.
    pub defects: Vec<Defect>,
    /// Cells that do not hold the sample's value: by device, sample and channel.
    cells: BTreeMap<(usize, usize, usize), CellDefect>,
}

/// One row of a careless recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedRow {
    /// Whose row it is.
    pub device_idx: usize,
    /// The sample whose values it holds.
    pub sample_idx: usize,
    /// Its time as recorded; where times are local, what the clock on the wall shows, as if it were UTC.
    pub time: Timestamp,
}

/// What a spoilt cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellDefect {
    /// Nothing.
    Missing,
    /// The word [`BAD_TEXT`].
    BadText,
}

/// What historians write in the place of a value that they do not trust.
pub const BAD_TEXT: &str = "Bad";

/// One thing that is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What it is.
    pub kind: DefectKind,
    /// The device concerned.
    pub device_idx: usize,
    /// The first row concerned, by its position in the table from 0; for a gap the first row behind it.
    pub row_idx: usize,
    /// Samples concerned.
    pub n_samples: usize,
    /// When the first of them was truly measured.
    pub start: Timestamp,
    /// When the last of them was.
    pub end: Timestamp,
    /// The channel concerned, where it is one.
    pub channel_idx: Option<usize>,
}

impl Recorded {
    /// What the cell of that row and channel holds instead of its value.
    pub fn cell(&self, row: &RecordedRow, channel_idx: usize) -> Option<CellDefect> {
        self.cells
            .get(&(row.device_idx, row.sample_idx, channel_idx))
            .copied()
    }

    /// Whether any cell holds a word.
    pub fn has_text(&self) -> bool {
        self.cells.values().any(|cell| *cell == CellDefect::BadText)
    }
}

/// Records `devices` with the defects of `specs`; places are chosen by `seed`, those of one defect
/// independently of the others.
///
/// Values of cells that are not spoilt stay; so does every sample that is not lost in a gap.
///
/// # Errors
/// [`DefectError::NoChange`] where times are to be local but no change of the clocks lies within the data;
/// [`DefectError::TooFew`] where the data are too few to spoil.
pub fn record(
    devices: &[Device],
    specs: &[DefectSpec],
    cadence: Duration,
    seed: u64,
) -> Result<Recorded, DefectError> {
    const N_SAMPLES_MIN: usize = 16;
    let n_samples = devices
        .iter()
        .map(|device| device.frame.n_samples())
        .min()
        .unwrap_or(0);
    if n_samples < N_SAMPLES_MIN && !specs.is_empty() {
        return Err(DefectError::TooFew {
            n_samples,
            want: N_SAMPLES_MIN,
        });
    }
    let mut cells = BTreeMap::new();
    let mut found = Vec::new();
    let mut keyed = Vec::new();
    for (device_idx, device) in devices.iter().enumerate() {
        let mut tape = Tape::new(device, cadence);
        for (spec_idx, spec) in specs.iter().enumerate() {
            let draw = |purpose| Draw::new(seed, purpose, device_idx, spec_idx);
            tape.spoil(
                spec,
                &mut draw(Purpose::DefectPlace),
                &mut draw(Purpose::DefectValue),
            )?;
        }
        cells.extend(
            tape.cells
                .iter()
                .map(|(&(sample, channel), &cell)| ((device_idx, sample, channel), cell)),
        );
        let rows = tape.rows();
        keyed.extend(rows.into_iter().map(|row| (row, device_idx)));
        found.extend(tape.defects.into_iter().map(|defect| (device_idx, defect)));
    }
    // All devices at an instant, then the next instant, as far as their recorders keep to that.
    keyed.sort_by_key(|(row, device_idx)| (row.key, *device_idx));
    let is_local = specs.iter().any(|spec| spec.kind == DefectKind::Dst);
    let defects = located(&found, &keyed, devices);
    let rows = keyed.iter().map(|(row, device_idx)| RecordedRow {
        device_idx: *device_idx,
        sample_idx: row.sample_idx,
        time: row.time,
    });
    Ok(Recorded {
        rows: rows.collect(),
        is_local,
        defects,
        cells,
    })
}

/// Finds the rows of all defects in the finished table.
fn located(found: &[(usize, Mark)], table: &[(TapeRow, usize)], devices: &[Device]) -> Vec<Defect> {
    // Of each sample the first row that holds it, and the last.
    let mut places: Vec<Vec<Option<(usize, usize)>>> = devices
        .iter()
        .map(|device| vec![None; device.frame.n_samples()])
        .collect();
    // Rows behind a later sample of their device. Where that was lost in a gap, a row that should be late is not.
    let mut is_late = vec![false; table.len()];
    let mut newest = vec![0; devices.len()];
    for (row_idx, (row, device_idx)) in table.iter().enumerate() {
        is_late[row_idx] = row.sample_idx < newest[*device_idx];
        newest[*device_idx] = newest[*device_idx].max(row.sample_idx);
        let place = &mut places[*device_idx][row.sample_idx];
        *place = Some((place.map_or(row_idx, |(first, _)| first), row_idx));
    }
    let mut defects: Vec<Defect> = found
        .iter()
        .filter_map(|(device_idx, mark)| {
            let places = &places[*device_idx];
            let from = if mark.kind == DefectKind::Gap {
                mark.last_idx
            } else {
                mark.first_idx
            };
            // A sample that was lost in a gap has no row: what was done to it is not to be seen.
            let seen = |idx: &usize| places[*idx].is_some();
            let last = if mark.kind == DefectKind::Gap {
                places.len() - 1
            } else {
                mark.last_idx
            };
            let sample_idx = (from..=last).find(seen)?;
            let (first_row, last_row) = places[sample_idx]?;
            if mark.kind == DefectKind::OutOfOrder && !is_late[first_row] {
                return None;
            }
            let time = devices[*device_idx].frame.time();
            Some(Defect {
                kind: mark.kind,
                device_idx: *device_idx,
                row_idx: if mark.kind == DefectKind::Duplicate {
                    last_row
                } else {
                    first_row
                },
                n_samples: mark.last_idx - mark.first_idx + 1,
                start: time[mark.first_idx],
                end: time[mark.last_idx],
                channel_idx: mark.channel_idx,
            })
        })
        .collect();
    defects.sort_by_key(|defect| (defect.kind as usize, defect.row_idx, defect.channel_idx));
    defects
}

/// One device's rows while they are being spoilt.
struct Tape<'a> {
    device: &'a Device,
    cadence: Duration,
    /// Recorded time of each sample.
    time: Vec<Timestamp>,
    is_lost: Vec<bool>,
    /// By how many rows each sample is late.
    late: Vec<usize>,
    is_twice: Vec<bool>,
    cells: BTreeMap<(usize, usize), CellDefect>,
    defects: Vec<Mark>,
}

/// A defect by samples.
struct Mark {
    kind: DefectKind,
    first_idx: usize,
    last_idx: usize,
    channel_idx: Option<usize>,
}

struct TapeRow {
    /// Where in the table: even numbers are rows in time, odd ones late rows behind them.
    key: usize,
    sample_idx: usize,
    time: Timestamp,
}

impl<'a> Tape<'a> {
    fn new(device: &'a Device, cadence: Duration) -> Self {
        let n_samples = device.frame.n_samples();
        Self {
            device,
            cadence,
            time: device.frame.time().to_vec(),
            is_lost: vec![false; n_samples],
            late: vec![0; n_samples],
            is_twice: vec![false; n_samples],
            cells: BTreeMap::new(),
            defects: Vec::new(),
        }
    }

    fn spoil(&mut self, spec: &DefectSpec, place: &mut Draw, value: &mut Draw) -> Result<(), DefectError> {
        let n = self.time.len();
        let amount = spec.amount();
        match spec.kind {
            DefectKind::Jitter => self.jitter(amount, value),
            DefectKind::Gap => self.gaps(amount, place, value),
            DefectKind::OutOfOrder => {
                for sample_idx in chosen(n - 6, amount, place) {
                    self.late[sample_idx] = 1 + value.below(5);
                    self.mark(DefectKind::OutOfOrder, sample_idx, sample_idx, None);
                }
            }
            DefectKind::Duplicate => {
                for sample_idx in chosen(n, amount, place) {
                    self.is_twice[sample_idx] = true;
                    self.mark(DefectKind::Duplicate, sample_idx, sample_idx, None);
                }
            }
            DefectKind::ClockJump => {
                let len = ((value.between(0.02, 0.05) * n as f64) as usize).max(2);
                let first = 1 + place.below(n - len - 1);
                for time in &mut self.time[first..first + len] {
                    *time = moved(*time, (amount * 1e9) as i64);
                }
                self.mark(DefectKind::ClockJump, first, first + len - 1, None);
            }
            DefectKind::Dst => self.set_to_local()?,
            DefectKind::Missing => self.missing(amount, place),
            DefectKind::BadText => self.bad_text(amount, place, value),
        }
        Ok(())
    }

    fn mark(&mut self, kind: DefectKind, first_idx: usize, last_idx: usize, channel_idx: Option<usize>) {
        self.defects.push(Mark {
            kind,
            first_idx,
            last_idx,
            channel_idx,
        });
    }

    /// Each time off by chance, less than half a cadence, so that the order stays; to a millisecond where that is finer than
    /// a thousandth of the cadence.
    fn jitter(&mut self, amount: f64, draw: &mut Draw) {
        let cadence = self.cadence.as_nanos() as f64;
        let grain = if cadence >= 1e9 { 1_000_000 } else { 1 };
        for time in &mut self.time {
            let off = (amount * draw.normal()).clamp(-0.45, 0.45) * cadence;
            *time = moved(*time, (off as i64) / grain * grain);
        }
        self.mark(DefectKind::Jitter, 0, self.time.len() - 1, None);
    }

    /// Stretches of 5 to 60 samples are lost; never the first sample or the last.
    fn gaps(&mut self, amount: f64, place: &mut Draw, value: &mut Draw) {
        let n = self.time.len();
        let longest = 60.min(n / 4);
        let mean = (5.0 + longest as f64) / 2.0;
        let n_gaps = ((amount * n as f64 / mean).round() as usize).max(1);
        let mut is_lost = vec![false; n];
        for _ in 0..n_gaps {
            let len = (5 + value.below(longest.max(6) - 5)).min(n / 4).max(1);
            let first = 1 + place.below(n - len - 1);
            is_lost[first..first + len].fill(true);
        }
        // Gaps that touch are one.
        let mut first = 0;
        while first < n {
            let len = is_lost[first..].iter().take_while(|&&lost| lost).count();
            if len > 0 {
                self.mark(DefectKind::Gap, first, first + len - 1, None);
                self.is_lost[first..first + len].fill(true);
            }
            first += len + 1;
        }
    }

    fn set_to_local(&mut self) -> Result<(), DefectError> {
        let true_time = self.device.frame.time();
        let changes: Vec<usize> = (1..true_time.len())
            .filter(|&idx| {
                central_european_offset(true_time[idx - 1]) != central_european_offset(true_time[idx])
            })
            .collect();
        if changes.is_empty() {
            return Err(DefectError::NoChange {
                first: true_time[0],
                last: true_time[true_time.len() - 1],
            });
        }
        for (shown, &time) in self.time.iter_mut().zip(true_time) {
            *shown = moved(*shown, central_european_offset(time) * 1_000_000_000);
        }
        for idx in changes {
            self.mark(DefectKind::Dst, idx, idx, None);
        }
        Ok(())
    }

    fn missing(&mut self, amount: f64, place: &mut Draw) {
        let frame = &self.device.frame;
        let n_channels = frame.n_channels();
        for cell_idx in chosen(frame.values().len(), amount, place) {
            let at = (cell_idx / n_channels, cell_idx % n_channels);
            // A cell that has no value anyway is no defect of the recording.
            if !frame.values()[cell_idx].is_nan() && !self.cells.contains_key(&at) {
                self.cells.insert(at, CellDefect::Missing);
                self.mark(DefectKind::Missing, at.0, at.0, Some(at.1));
            }
        }
    }

    /// Runs of 5 to 50 samples of one channel hold a word.
    fn bad_text(&mut self, amount: f64, place: &mut Draw, value: &mut Draw) {
        let (n, n_channels) = (self.time.len(), self.device.frame.n_channels());
        let longest = 50.min(n / 2);
        let mean = (5.0 + longest as f64) / 2.0;
        let n_runs = ((amount * (n * n_channels) as f64 / mean).round() as usize).max(1);
        for _ in 0..n_runs {
            let len = 5 + value.below(longest.max(6) - 5);
            let first = place.below(n - len);
            let channel_idx = place.below(n_channels);
            let run = first..first + len;
            // A run that meets another is left out: the truth names each cell once.
            if run
                .clone()
                .any(|idx| self.cells.contains_key(&(idx, channel_idx)))
            {
                continue;
            }
            for sample_idx in run {
                self.cells.insert((sample_idx, channel_idx), CellDefect::BadText);
            }
            self.mark(DefectKind::BadText, first, first + len - 1, Some(channel_idx));
        }
    }

    /// The rows that were written.
    fn rows(&self) -> Vec<TapeRow> {
        let mut rows = Vec::with_capacity(self.time.len());
        for sample_idx in (0..self.time.len()).filter(|&idx| !self.is_lost[idx]) {
            let late = self.late[sample_idx];
            let key = 2 * (sample_idx + late) + usize::from(late > 0);
            for _ in 0..1 + usize::from(self.is_twice[sample_idx]) {
                rows.push(TapeRow {
                    key,
                    sample_idx,
                    time: self.time[sample_idx],
                });
            }
        }
        rows
    }
}

/// A share of `0..n`, at least one, in rising order.
fn chosen(n: usize, share: f64, draw: &mut Draw) -> Vec<usize> {
    let n_wanted = ((share * n as f64).round() as usize).max(1);
    let mut some: Vec<usize> = (0..n_wanted).map(|_| draw.below(n)).collect();
    some.sort_unstable();
    some.dedup();
    some
}

fn moved(time: Timestamp, nanos: i64) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().saturating_add(nanos))
}

/// Seconds that clocks in Berlin, Paris and Rome are ahead of UTC, by the rule in force since 1996: two hours from the last
/// Sunday of March to the last Sunday of October, each at 01:00 UTC, else one (Directive 2000/84/EC).
fn central_european_offset(time: Timestamp) -> i64 {
    let secs = time.as_nanos().div_euclid(1_000_000_000);
    let year = year_of(secs.div_euclid(86_400));
    let begin = last_sunday(year, 3) * 86_400 + 3600;
    let end = last_sunday(year, 10) * 86_400 + 3600;
    if (begin..end).contains(&secs) { 7200 } else { 3600 }
}

/// The year that a day lies in.
fn year_of(days: i64) -> i64 {
    let mut year = 1970 + days.div_euclid(366);
    while super::start::days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    year
}

/// The last Sunday of a month of 31 days, in days since 1970-01-01, which was a Thursday.
fn last_sunday(year: i64, month: i64) -> i64 {
    let last = super::start::days_from_civil(year, month, 31);
    last - (last + 4).rem_euclid(7)
}

#[cfg(test)]
mod tests;
