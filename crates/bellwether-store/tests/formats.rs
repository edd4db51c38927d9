//! The same data give the same frame in every format: in files that other programs write, and in our own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;
use bellwether_store::read::{Bounds, Note, ReadOptions, Recording, read, read_bytes};
use bellwether_store::write::{Cell, Column, ColumnKind, Packed, Packing, TableFormat, TableWriter};
use proptest::prelude::*;

const FORMATS: [TableFormat; 6] = [
    TableFormat::Csv,
    TableFormat::Tsv,
    TableFormat::Jsonl,
    TableFormat::Parquet,
    TableFormat::Arrow,
    TableFormat::LineProtocol,
];

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_none_or(|ending| ending != "py"))
        .collect();
    files.sort();
    files
}

fn channels(recording: &Recording) -> Vec<&str> {
    let channels = recording.frame.schema().channels().iter();
    channels.map(|channel| channel.name()).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    // Which of the NaN stands for a missing value says nothing.
    let same_nan = |value: &f64| if value.is_nan() { f64::NAN } else { *value };
    values.iter().map(|value| same_nan(value).to_bits()).collect()
}

#[test]
fn files_of_other_programs_are_told_and_read_without_a_flag() {
    let files = fixtures();
    assert!(files.len() >= 40, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match read(std::slice::from_ref(file), &ReadOptions::default()) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(recordings) => {
                let recording = &recordings[0];
                let time = [1_704_067_200, 1_704_067_260].map(Timestamp::from_secs);
                let is_same = recordings.len() == 1
                    && channels(recording) == ["temp", "load"]
                    && recording.frame.time() == time
                    && bits(recording.frame.values()) == bits(&[1.5, 2.0, 1.25, f64::NAN]);
                if !is_same {
                    wrong.push(format!("{name}: {:?}", recording.frame));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} files:\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_folder_and_a_pattern_take_all_formats() {
    let folder = tempfile::tempdir().unwrap();
    for (name, from) in [
        ("a.parquet", "time_us.parquet"),
        ("b.arrow", "time_us.arrow"),
        ("c.jsonl", "lines.jsonl"),
        ("d.lp", "seconds.lp"),
        ("e.csv", "pandas.csv"),
        ("f.parquet.gz", "archive.parquet.gz"),
    ] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/formats")
            .join(from);
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    let names = |path: PathBuf| -> Vec<String> {
        let recordings = read(&[path], &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        recordings.into_iter().map(|recording| recording.name).collect()
    };
    assert_eq!(names(folder.path().to_owned()), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(names(folder.path().join("*.parquet*")), ["a", "f"]);
}

fn of_text(text: &str) -> Result<Vec<Recording>, String> {
    read_bytes(text.as_bytes(), &ReadOptions::default(), &Bounds::NONE).map_err(|error| error.to_string())
}

#[test]
fn tags_of_line_protocol_name_the_series_and_fields_the_channels() {
    let check = |text: &str, expect: &[(&str, &[&str])]| {
        let recordings = of_text(text).unwrap_or_else(|error| panic!("{error}"));
        let found: Vec<(&str, Vec<&str>)> = recordings
            .iter()
            .map(|recording| (recording.name.as_str(), channels(recording)))
            .collect();
        let expect: Vec<(&str, Vec<&str>)> = expect.iter().map(|(name, of)| (*name, of.to_vec())).collect();
        assert_eq!(found, expect, "{text}");
    };
    check("m a=1,b=2 1\nm b=3,c=t 2\n", &[("bytes", &["a", "b", "c"])]);
    check(
        "cpu,host=x use=1 1\nmem,host=x use=2 1\n",
        &[("host=x", &["cpu_use", "mem_use"])],
    );
    check(
        "m,site=n,device=p-1,line=2 a=1 1\nm,line=2,device=p-2,site=n a=1 1\n",
        &[("p-1,line=2,site=n", &["a"]), ("p-2,line=2,site=n", &["a"])],
    );
    check("m,device=a\\ b a\\,1=1 1\n", &[("a b", &["a,1"])]);
    let recordings = of_text("m a=1,is_anomaly=false 1\nm a=2,is_anomaly=1i 2\n").unwrap();
    assert_eq!(recordings[0].labels.as_deref(), Some(&[false, true][..]));
    assert_eq!(channels(&recordings[0]), ["a"]);
    assert_eq!(recordings[0].rows.time_text(1), "1970-01-01T00:00:02Z");
    let recordings = of_text("m a=1,label=f,anomaly=t 1\n").unwrap();
    assert_eq!(recordings[0].labels.as_deref(), Some(&[true][..]));
    assert!(matches!(&recordings[0].notes[..], [Note::ColumnLeftOut { column, .. }] if column == "label"));
}

#[test]
fn a_line_of_text_with_line_feeds_is_one_row() {
    let options = ReadOptions {
        ignore_columns: vec!["note".to_owned()],
        ..Default::default()
    };
    let text = b"m a=1,note=\"one\ntwo\" 1\nm a=2 2\n";
    let recordings = read_bytes(text, &options, &Bounds::NONE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(recordings[0].frame.values(), [1.0, 2.0]);
}

#[test]
fn options_hold_in_every_format() {
    let columns = || {
        let real = |name: &str| Column::new(name, ColumnKind::Real).optional();
        vec![Column::new("t", ColumnKind::Text), real("a"), real("b")]
    };
    let options = ReadOptions {
        ignore_columns: vec!["b".to_owned()],
        missing: vec!["-999".to_owned()],
        ..Default::default()
    };
    for format in FORMATS {
        let mut table = TableWriter::new(Vec::new(), format, columns()).unwrap();
        for (time, a, b) in [("2024-01-01", 1.0, 2.0), ("2024-01-02", -999.0, 3.0)] {
            let cells = [Cell::Text(time), Cell::Real(a), Cell::Real(b)];
            table.row(&cells).unwrap();
        }
        let bytes = table.finish().unwrap();
        let recordings = read_bytes(&bytes, &options, &Bounds::NONE);
        // What text says must be what the marker says: CSV has -999.0 here.
        let text_options = ReadOptions {
            missing: vec!["-999.0".to_owned()],
            ..options.clone()
        };
        let recordings = match format {
            TableFormat::Csv | TableFormat::Tsv | TableFormat::Jsonl => {
                read_bytes(&bytes, &text_options, &Bounds::NONE)
            }
            _ => recordings,
        };
        let recordings = recordings.unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(channels(&recordings[0]), ["a"], "{format:?}");
        assert_eq!(
            bits(recordings[0].frame.values()),
            bits(&[1.0, f64::NAN]),
            "{format:?}"
        );
    }
}

/// `recording` as it would stand in a file of `format`, its time as written and its labels behind its channels.
fn written_again(recording: &Recording, format: TableFormat) -> Vec<u8> {
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    columns.extend(
        channels(recording)
            .iter()
            .map(|name| Column::new(*name, ColumnKind::Real).optional()),
    );
    let marks = [
        ("anomaly", &recording.labels),
        ("changepoint", &recording.changepoints),
    ];
    let marks: Vec<_> = marks
        .into_iter()
        .filter_map(|(name, marks)| Some((name, marks.as_ref()?)))
        .collect();
    columns.extend(
        marks
            .iter()
            .map(|(name, _)| Column::new(*name, ColumnKind::Integer)),
    );
    let mut table = TableWriter::new(Vec::new(), format, columns).unwrap();
    for row in 0..recording.rows.n_rows() {
        let values = recording.frame.sample(recording.rows.sample_idx(row)).values;
        let mut cells = vec![Cell::Text(recording.rows.time_text(row))];
        cells.extend(values.iter().map(|&value| Cell::Real(value)));
        cells.extend(marks.iter().map(|(_, marks)| Cell::Integer(marks[row].into())));
        table.row(&cells).unwrap();
    }
    table.finish().unwrap()
}

/// What `train` and `detect` know of their input is the recording: where all of it is the same, so are their bytes.
#[test]
fn a_series_of_skab_is_the_same_recording_in_every_format() {
    let Some(folder) =
        bellwether_testkit::real_data("a_series_of_skab_is_the_same_recording_in_every_format")
    else {
        return;
    };
    let file = folder.join("SKAB/valve1-0.csv");
    let original = &read(&[file], &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))[0];
    for format in FORMATS {
        let bytes = written_again(original, format);
        let again = read_bytes(&bytes, &ReadOptions::default(), &Bounds::NONE);
        let again = &again.unwrap_or_else(|error| panic!("{format:?}: {error}"))[0];
        assert_eq!(channels(again), channels(original), "{format:?}");
        assert_eq!(again.frame.time(), original.frame.time(), "{format:?}");
        assert_eq!(
            bits(again.frame.values()),
            bits(original.frame.values()),
            "{format:?}"
        );
        assert_eq!(again.labels, original.labels, "{format:?}");
        assert_eq!(again.changepoints, original.changepoints, "{format:?}");
        assert_eq!(again.notes, original.notes, "{format:?}");
        // The times as answers repeat them: line protocol has none in words, and they are written as here.
        assert_eq!(again.rows, original.rows, "{format:?}");
    }
}

/// A fleet of one or more devices with the same channels.
#[derive(Debug, Clone)]
struct Fleet {
    devices: Vec<String>,
    channels: Vec<String>,
    /// Nanoseconds, values of all channels; all devices at one instant.
    rows: Vec<(i64, Vec<f64>)>,
}

fn fleets() -> impl Strategy<Value = Fleet> {
    let value = prop_oneof![
        3 => -1000.0..1000.0_f64,
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => Just(f64::NAN),
    ];
    let names = proptest::collection::btree_set("c[a-z0-9 ,=\"é_.'-]{0,8}z", 1..5);
    let devices = proptest::collection::btree_set("d[a-z0-9 ,=\"é_.'-]{0,8}z", 0..3);
    (names, devices, 1..30_usize).prop_flat_map(move |(names, devices, n_rows)| {
        let row = (
            1..10_000_000_000_i64,
            proptest::collection::vec(value.clone(), names.len()),
        );
        let rows = proptest::collection::vec(row, n_rows);
        rows.prop_map(move |mut rows| {
            let mut time = 1_700_000_000_000_000_000;
            for (nanos, _) in &mut rows {
                time += *nanos;
                *nanos = time;
            }
            Fleet {
                devices: devices.iter().cloned().collect(),
                channels: names.iter().cloned().collect(),
                rows,
            }
        })
    })
}

impl Fleet {
    fn written(&self, format: TableFormat, packing: Packing) -> Vec<u8> {
        let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
        if !self.devices.is_empty() {
            columns.push(Column::new("device", ColumnKind::Text));
        }
        let channels = self.channels.iter();
        columns.extend(channels.map(|name| Column::new(name, ColumnKind::Real).optional()));
        let out = Packed::new(Vec::new(), packing).unwrap();
        let mut table = TableWriter::new(out, format, columns).unwrap();
        for (nanos, values) in &self.rows {
            let time = Timestamp::from_nanos(*nanos).to_string();
            let devices: Vec<Option<&str>> = match &self.devices[..] {
                [] => vec![None],
                devices => devices.iter().map(|device| Some(device.as_str())).collect(),
            };
            for device in devices {
                let mut cells = vec![Cell::Text(&time)];
                cells.extend(device.map(Cell::Text));
                cells.extend(values.iter().map(|&value| Cell::Real(value)));
                table.row(&cells).unwrap();
            }
        }
        table.finish().unwrap().finish().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read_back_bit_for_bit(fleet in fleets(), packing in 0..3_usize) {
        let packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][packing];
        for format in FORMATS {
            let mut fleet = fleet.clone();
            if format == TableFormat::LineProtocol {
                // It has no word for a row without values, and knows of a channel with its first value.
                fleet.rows[0].1.iter_mut().for_each(|value| *value = 0.5);
                fleet.rows.retain(|(_, values)| values.iter().any(|value| !value.is_nan()));
            }
            let bytes = fleet.written(format, packing);
            let recordings = read_bytes(&bytes, &ReadOptions::default(), &Bounds::NONE);
            let recordings = recordings.map_err(|error| TestCaseError::fail(format!("{format:?}: {error}")))?;
            prop_assert_eq!(recordings.len(), fleet.devices.len().max(1));
            let time: Vec<_> = fleet.rows.iter().map(|(nanos, _)| Timestamp::from_nanos(*nanos)).collect();
            let values: Vec<f64> = fleet.rows.iter().flat_map(|(_, values)| values.clone()).collect();
            for (idx, recording) in recordings.iter().enumerate() {
                prop_assert_eq!(channels(recording), fleet.channels.iter().map(String::as_str).collect::<Vec<_>>());
                prop_assert_eq!(recording.frame.time(), &time[..], "{:?}", format);
                prop_assert_eq!(bits(recording.frame.values()), bits(&values), "{:?}", format);
                if let Some(device) = fleet.devices.get(idx) {
                    prop_assert_eq!(&recording.name, device);
                }
            }
        }
    }

    #[test]
    fn bytes_after_any_magic_never_panic(
        magic in prop_oneof![
            Just(&b"PAR1"[..]), Just(&b"ARROW1\0\0\xff\xff\xff\xff\x10\0\0\0"[..]),
            Just(&b"\xff\xff\xff\xff"[..]), Just(&b"{"[..]), Just(&b"m a=1"[..]),
        ],
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut all = magic.to_vec();
        all.extend(bytes);
        let _ = read_bytes(&all, &ReadOptions::default(), &Bounds::NONE);
    }
}
