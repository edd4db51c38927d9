//! Ground truth from a file of its own: one label per row, intervals of time, or stretches of rows.

mod nab;
mod smd;

use std::ops::Range;
use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;

use super::Recording;
use super::cells::{flag, shown};
use super::error::{Place, Problem, ReadError};
use super::number::is_missing;
use super::row::{Row, TextRows as _};
use super::source::{self, Source};
use super::table::Table;
use super::time_format::{TimeFormat, TimeParser};

/// What a label file says.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    /// One label per input row.
    Points(Vec<bool>),
    /// Spans of time in which something is wrong.
    Intervals(Vec<Interval>),
    /// Stretches of input rows in which something is wrong, counted from 0.
    Rows(Vec<RowSpan>),
}

/// A stretch of input rows in which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSpan {
    /// The rows, the end not included.
    pub rows: Range<usize>,
    /// The channels concerned by their position, counted from 0.
    pub channels: Vec<usize>,
}

/// A span of time in which something is wrong, both ends included.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Its first instant.
    pub start: Timestamp,
    /// Its last instant.
    pub end: Timestamp,
    /// The kind of fault, where told.
    pub kind: Option<String>,
    /// The channels concerned, where told.
    pub channels: Vec<String>,
    /// The share of each (`name=share`), where all are told; else as much for each as for the others. `[channels]`
    pub shares: Vec<f64>,
    /// The series concerned; of all series where none is told.
    pub series: Option<String>,
}

impl Labels {
    /// One label per input row of `recording`.
    ///
    /// # Errors
    /// [`Problem::LabelCount`] where points are more or fewer than the rows, [`Problem::RowSpanBeyond`] where stretches of rows
    /// reach beyond them.
    pub fn of_rows(&self, recording: &Recording) -> Result<Vec<bool>, ReadError> {
        let n_rows = recording.rows.n_rows();
        let spans = match self {
            Self::Points(labels) if labels.len() == n_rows => return Ok(labels.clone()),
            Self::Points(labels) => {
                let problem = Problem::LabelCount {
                    found: labels.len(),
                    wanted: n_rows,
                };
                return Err(Place::file(&recording.source).error(problem));
            }
            Self::Rows(spans) => {
                let mut labels = vec![false; n_rows];
                for RowSpan { rows, .. } in spans {
                    let beyond = || {
                        let end = rows.end;
                        Place::file(&recording.source).error(Problem::RowSpanBeyond { end, n_rows })
                    };
                    labels.get_mut(rows.clone()).ok_or_else(beyond)?.fill(true);
                }
                return Ok(labels);
            }
            Self::Intervals(spans) => spans,
        };
        let ours = |span: &&Interval| {
            span.series
                .as_ref()
                .is_none_or(|series| *series == recording.name)
        };
        let mut spans: Vec<(Timestamp, Timestamp)> = spans
            .iter()
            .filter(ours)
            .map(|span| (span.start, span.end))
            .collect();
        spans.sort_unstable();
        let in_span = samples_in(&spans, recording.frame.time());
        Ok((0..n_rows)
            .map(|row_idx| in_span[recording.rows.sample_idx(row_idx)])
            .collect())
    }
}

/// Whether each instant lies in one of `spans`, which are sorted by their start.
fn samples_in(spans: &[(Timestamp, Timestamp)], time: &[Timestamp]) -> Vec<bool> {
    let mut spans = spans.iter().peekable();
    let mut open_until = None;
    let mut inside = Vec::with_capacity(time.len());
    for &instant in time {
        while let Some((_, end)) = spans.next_if(|(start, _)| *start <= instant) {
            open_until = open_until.max(Some(*end));
        }
        inside.push(open_until.is_some_and(|end| instant <= end));
    }
    inside
}

/// Reads a label file: a column of 0 and 1 (alone with or without a header, or called `is_anomaly`, `anomaly` or
/// `label` beside others), or `start,end[,kind|type|reason][,channels|sensors][,series|device|asset_id]` with or without a
/// header, times in any form that data have (those without an offset are of clocks in `zone`, of UTC without one), channels divided by semicolons. Two columns of times without a header are what
/// Amazon Lookout for Equipment asks for. Besides, two forms of public data: the JSON of the Numenta Anomaly Benchmark, and the
/// stretches of rows, `FIRST-LAST:CHANNELS`, of the Server Machine Dataset.
///
/// # Errors
/// As [`read`](super::read).
pub fn labels_file(file: &Path, zone: Option<&Zone>) -> Result<Labels, ReadError> {
    parse(source::open_text(file)?, zone)
}

/// A time in any of the forms; without an offset it is one of the clocks in `zone`.
fn time_of(text: &str, zone: Option<&Zone>) -> Option<Timestamp> {
    let format = TimeFormat::of(text.as_bytes())?;
    TimeParser::new(format)
        .in_zone(zone.cloned())
        .parse(text.as_bytes())
}

/// A label file that is read as a whole may have so many bytes; that of all of NAB has 20 thousand.
const WHOLE_BYTES_MAX: u64 = 64 << 20;

fn parse(source: Source, zone: Option<&Zone>) -> Result<Labels, ReadError> {
    if nab::is_it(&source.head) {
        let file = source.file.clone();
        return nab::parse(&file, &source.read_all(WHOLE_BYTES_MAX)?, zone);
    }
    if smd::is_it(&source.head) {
        let file = source.file.clone();
        return smd::parse(&file, &source.read_all(WHOLE_BYTES_MAX)?);
    }
    let delimiter = delimiter(&source.head);
    let mut table = Table::new(source.file.clone(), source.bytes, delimiter);
    if !table.advance()? {
        return Err(Place::file(&source.file).error(Problem::Empty));
    }
    let columns = Columns::of(table.row()).ok_or_else(|| table.place().error(Problem::UnknownLabels))?;
    if columns.has_header && !table.advance()? {
        // A file of intervals may well say that nothing was wrong.
        return match columns.kind {
            Kind::Points(_) => Err(table.place().error(Problem::NoRow)),
            Kind::Intervals { .. } => Ok(Labels::Intervals(Vec::new())),
        };
    }
    match columns.kind {
        Kind::Points(column) => read_points(&mut table, column).map(Labels::Points),
        Kind::Intervals {
            start,
            end,
            kind,
            channels,
            series,
        } => {
            let mut spans = Vec::new();
            loop {
                spans.push(interval(
                    &table,
                    [Some(start), Some(end), kind, channels, series],
                    zone,
                )?);
                if !table.advance()? {
                    return Ok(Labels::Intervals(spans));
                }
            }
        }
    }
}

fn read_points(table: &mut Table, column: usize) -> Result<Vec<bool>, ReadError> {
    let mut labels = Vec::new();
    loop {
        let cell = table.row().get(column).unwrap_or_default();
        let problem = || Problem::BadLabel { found: shown(cell) };
        labels.push(flag(cell).ok_or_else(|| table.place().error(problem()))?);
        if !table.advance()? {
            return Ok(labels);
        }
    }
}

/// The interval in the record at hand.
fn interval(table: &Table, columns: [Option<usize>; 5], zone: Option<&Zone>) -> Result<Interval, ReadError> {
    let row = table.row();
    let [start, end, kind, channels, series] = columns.map(|column| {
        row.get(column?)
            .map(<[u8]>::trim_ascii)
            .filter(|cell| !is_missing(cell))
    });
    let instant = |cell: Option<&[u8]>| {
        let cell = cell.ok_or_else(|| table.place().error(Problem::NoTime))?;
        let time = std::str::from_utf8(cell)
            .ok()
            .and_then(|text| time_of(text, zone));
        time.ok_or_else(|| table.place().error(Problem::UnknownTime { found: shown(cell) }))
    };
    let (start, end) = (instant(start)?, instant(end)?);
    if end < start {
        return Err(table.place().error(Problem::IntervalBackwards { start, end }));
    }
    let text = |cell: Option<&[u8]>| cell.map(|cell| String::from_utf8_lossy(cell).into_owned());
    let channels = text(channels).unwrap_or_default();
    let named = channels.split(';').filter_map(|entry| {
        let (name, share) = entry.rsplit_once('=').unwrap_or((entry, ""));
        let share: Option<f64> = share
            .trim()
            .parse()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), share))
    });
    let (names, told): (Vec<String>, Vec<Option<f64>>) = named.unzip();
    let alike = vec![1.0 / names.len() as f64; names.len()];
    let shares: Option<Vec<f64>> = told.into_iter().collect();
    Ok(Interval {
        start,
        end,
        kind: text(kind),
        channels: names,
        shares: shares.unwrap_or(alike),
        series: text(series),
    })
}

/// What the columns of a label file are.
struct Columns {
    has_header: bool,
    kind: Kind,
}

enum Kind {
    Points(usize),
    Intervals {
        start: usize,
        end: usize,
        kind: Option<usize>,
        channels: Option<usize>,
        series: Option<usize>,
    },
}

impl Columns {
    /// Told from the first record; `None` where it fits neither kind.
    fn of(first: Row<'_>) -> Option<Self> {
        let is_time = |idx: usize| first.get(idx).is_some_and(|cell| TimeFormat::of(cell).is_some());
        if first.len() == 1 {
            return Some(Self {
                has_header: flag(first.cell(0)).is_none(),
                kind: Kind::Points(0),
            });
        }
        if is_time(0) && is_time(1) {
            let [kind, channels, series] = [2, 3, 4].map(|idx| (idx < first.len()).then_some(idx));
            return Some(Self {
                has_header: false,
                kind: Kind::Intervals {
                    start: 0,
                    end: 1,
                    kind,
                    channels,
                    series,
                },
            });
        }
        let named = |names: &[&str]| {
            let is_called = |cell: &[u8], name: &str| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            names
                .iter()
                .find_map(|name| first.cells().position(|cell| is_called(cell, name)))
        };
        let kind = match (named(&["start"]), named(&["end"])) {
            (Some(start), Some(end)) => Kind::Intervals {
                start,
                end,
                kind: named(&["kind", "type", "reason"]),
                channels: named(&["channels", "sensors"]),
                series: named(&["series", "device", "asset_id"]),
            },
            _ => Kind::Points(named(&["is_anomaly", "anomaly", "label"])?),
        };
        Some(Self {
            has_header: true,
            kind,
        })
    }
}

/// The delimiter most frequent in the first line; semicolons also divide channels, so the comma goes first.
fn delimiter(head: &[u8]) -> u8 {
    let line = head
        .split(|&byte| byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty() && line[0] != b'#');
    let line = line.unwrap_or_default();
    [b',', b'\t', b';']
        .into_iter()
        .find(|delimiter| line.contains(delimiter))
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, ReadOptions, read_csv_bytes};
    use super::*;

    fn labels(text: &str) -> Result<Labels, String> {
        let source = source::unpack(
            Path::new("labels.csv"),
            Box::new(std::io::Cursor::new(text.to_owned())),
            None,
        )
        .map_err(|error| error.to_string())?;
        parse(source, None).map_err(|error| error.to_string())
    }

    #[test]
    fn points_are_read_with_and_without_header() {
        let check = |text: &str, expect: &[bool]| {
            assert_eq!(labels(text), Ok(Labels::Points(expect.to_vec())), "{text:?}")
        };
        check("0\n1\n1\n", &[false, true, true]);
        check("label\n0\n1\n", &[false, true]);
        check("whatever\r\ntrue\r\nFALSE", &[true, false]);
        check(
            "timestamp,is_anomaly\n2024-01-01,1\n2024-01-02,0\n",
            &[true, false],
        );
    }

    #[test]
    fn intervals_mark_the_rows_they_cover() {
        let data = "timestamp,a\n2024-01-01,1\n2024-01-02,1\n2024-01-02,9\n2024-01-03,1\n2024-01-04,1\n";
        let recording = &read_csv_bytes(data.as_bytes(), &ReadOptions::default(), &Bounds::NONE).unwrap()[0];
        let check = |text: &str, expect: [u8; 5]| {
            let marks = labels(text).unwrap().of_rows(recording).unwrap();
            assert_eq!(marks, expect.map(|mark| mark == 1), "{text:?}");
        };
        check("start,end\n2024-01-02,2024-01-03\n", [0, 1, 1, 1, 0]);
        check("2024-01-02T00:00:00Z,2024-01-02T01:00:00Z\n", [0, 1, 1, 0, 0]);
        check("1704153600,1704153600,spike,a\n", [0, 1, 1, 0, 0]);
        check(
            "end;start;series\n2024-01-04;2024-01-04;bytes\n2024-01-01;2024-01-01;other\n",
            [0, 0, 0, 0, 1],
        );
        check(
            "start,end\n2024-01-01,2024-01-04\n2024-01-02,2024-01-02\n",
            [1, 1, 1, 1, 1],
        );
        check("start,end\n", [0, 0, 0, 0, 0]);
    }

    #[test]
    fn public_data_sets_are_read_as_they_keep_their_labels() {
        let data = "timestamp,a\n2024-01-01,1\n2024-01-02,1\n2024-01-02,9\n2024-01-03,1\n2024-01-04,1\n";
        let recording = &read_csv_bytes(data.as_bytes(), &ReadOptions::default(), &Bounds::NONE).unwrap()[0];
        assert_eq!(recording.name, "bytes");
        let check = |text: &str, expect: [u8; 5]| {
            let marks = labels(text).unwrap().of_rows(recording).unwrap();
            assert_eq!(marks, expect.map(|mark| mark == 1), "{text:?}");
        };
        // NAB: windows, instants, one list.
        check(
            r#"{"real/bytes.csv": [["2024-01-02 00:00:00.000000", "2024-01-03 00:00:00.000000"]], "real/b.csv": [["2024-01-04", "2024-01-04"]]}"#,
            [0, 1, 1, 1, 0],
        );
        check(
            r#"{"bytes.csv": ["2024-01-03 00:00:00"], "none.csv": []}"#,
            [0, 0, 0, 1, 0],
        );
        check(r#"[["2024-01-04", "2024-01-05"]]"#, [0, 0, 0, 0, 1]);
        check("{}", [0; 5]);
        // SMD: rows as they stand, the end not included.
        check("0-1:1\n3-5:1,2\n", [1, 0, 0, 1, 1]);
        // Lookout for Equipment: two columns of times and no header.
        check(
            "2024-01-02T00:00:00.000000,2024-01-03T00:00:00.000000\n",
            [0, 1, 1, 1, 0],
        );
        let Ok(Labels::Rows(spans)) = labels("4629-4688:9,10,18") else {
            panic!("rows are wanted")
        };
        assert_eq!(
            (spans[0].rows.clone(), &spans[0].channels[..]),
            (4629..4688, &[8, 9, 17][..])
        );
        let error = labels("4629-4688:9")
            .unwrap()
            .of_rows(recording)
            .unwrap_err()
            .to_string();
        assert!(error.contains("row 4688") && error.contains("5 rows"), "{error}");
    }

    #[test]
    fn kind_and_channels_of_an_interval_are_kept() {
        let Ok(Labels::Intervals(spans)) =
            labels("start,end,type,sensors\n2024-01-01,2024-01-02,drift,a=0.7;b=0.3\n")
        else {
            panic!("intervals are wanted")
        };
        assert_eq!(spans[0].kind.as_deref(), Some("drift"));
        assert_eq!(spans[0].channels, ["a", "b"]);
        assert_eq!(spans[0].shares, [0.7, 0.3]);
        let Ok(Labels::Intervals(spans)) = labels("start,end,channels\n2024-01-01,2024-01-02,a;b=2\n") else {
            panic!("intervals are wanted")
        };
        assert_eq!(
            (spans[0].channels.len(), spans[0].shares.as_slice()),
            (2, [0.5, 0.5].as_slice())
        );
    }

    #[test]
    fn bad_label_files_are_refused_with_their_line() {
        let check = |text: &str, expect: &str| {
            let error = labels(text).unwrap_err();
            assert!(error.contains(expect), "{text:?}: {error}");
        };
        check("", "labels.csv: the file is empty");
        check("0\n2\n", "line 2: \"2\" is not a label");
        check("a,b\n1,2\n", "line 1: neither labels nor intervals");
        check(
            "start,end\n2024-01-02,2024-01-01\n",
            "line 2: the interval ends (2024-01-01T00:00:00Z)",
        );
        check("start,end\n2024-01-02,soon\n", "line 2: \"soon\"");
        check("start,end\n2024-01-02\n", "line 2: the row has no time");
        check("label\n", "there is a header but no row");
        check("{\"a.csv\": 1}", "what stands under \"a.csv\" is no list");
        check("{\"a.csv\": [[\"2024-01-01\"]]}", "is no pair of times");
        check("[\"soon\"]", "\"soon\" is no time");
        check("[[\"2024-01-02\", \"2024-01-01\"]]", "ends before it starts");
        check("{\"a.csv\": ", "Numenta");
        check("3-5:1\n5-3:1\n", "line 2: \"5-3:1\" is no stretch of rows");
        check("3-5:1\n6-7:0\n", "line 2");
    }

    #[test]
    fn points_must_be_as_many_as_rows() {
        let data = b"timestamp,a\n2024-01-01,1\n2024-01-02,1\n";
        let recording = &read_csv_bytes(data, &ReadOptions::default(), &Bounds::NONE).unwrap()[0];
        let error = Labels::Points(vec![true])
            .of_rows(recording)
            .unwrap_err()
            .to_string();
        assert!(error.contains("1 labels for 2 rows"), "{error}");
    }
}
