//! The same series in every format gives the same model and the same verdicts, byte for byte, without a flag.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

mod shared;

use std::fs;
use std::path::Path;

use bellwether_store::read::{ReadOptions, read};
use bellwether_store::write::{Cell, Column, ColumnKind, Packed, TableWriter, packed_format};
use bellwether_testkit::real_data;
use shared::bellwether;

/// Writes the series in `from` again, with its labels, in the format that the ending of `to` names.
fn convert(from: &Path, to: &Path) {
    let recording = &read(&[from.to_owned()], &ReadOptions::default()).unwrap()[0];
    let names = recording
        .frame
        .schema()
        .channels()
        .iter()
        .map(|channel| channel.name());
    let mut columns = vec![Column::new("timestamp", ColumnKind::Text)];
    columns.extend(names.map(|name| Column::new(name, ColumnKind::Real).optional()));
    columns.push(Column::new("is_anomaly", ColumnKind::Integer));
    let (format, packing) = packed_format(to).unwrap();
    let out = Packed::new(fs::File::create(to).unwrap(), packing).unwrap();
    let mut table = TableWriter::new(out, format, columns).unwrap();
    for row in 0..recording.rows.n_rows() {
        let mut cells = vec![Cell::Text(recording.rows.time_text(row))];
        let sample = recording.frame.sample(recording.rows.sample_idx(row));
        cells.extend(sample.values.iter().map(|&value| Cell::Real(value)));
        cells.push(Cell::Integer(recording.labels.as_ref().unwrap()[row].into()));
        table.row(&cells).unwrap();
    }
    table.finish().unwrap().finish().unwrap();
}

#[test]
fn a_series_gives_the_same_bytes_in_every_format() {
    let Some(data) = real_data("a_series_gives_the_same_bytes_in_every_format") else {
        return;
    };
    let own = tempfile::tempdir().unwrap();
    let at = |name: &str| own.path().join(name);
    fs::copy(data.join("SKAB/valve1-0.csv"), at("valve.csv")).unwrap();
    let mut first: Option<[Vec<u8>; 2]> = None;
    for ending in ["csv", "jsonl", "parquet", "arrow", "lp", "tsv.gz", "parquet.zst"] {
        let file = format!("valve.{ending}");
        if ending != "csv" {
            convert(&at("valve.csv"), &at(&file));
        }
        let registry = format!("--registry models-{ending}");
        bellwether(
            own.path(),
            &format!("train {file} --name valve --rows 400 --epochs 2 {registry}"),
        )
        .ends(0);
        let detect = format!("detect {file} --model valve {registry} -o rows.csv --events events.csv");
        bellwether(own.path(), &detect).ends(0);
        let answers = ["rows.csv", "events.csv"].map(|name| fs::read(at(name)).unwrap());
        let first = first.get_or_insert_with(|| answers.clone());
        assert!(*first == answers, "{file} gives other bytes");
    }
}

#[test]
fn generated_data_are_read_back_from_every_format() {
    let own = tempfile::tempdir().unwrap();
    let run = |line: &str| bellwether(own.path(), line).ends(0);
    run("generate -o plain.csv --template pump --samples 300 --seed 1");
    let expect = read(&[own.path().join("plain.csv")], &ReadOptions::default()).unwrap();
    for ending in ["csv.gz", "tsv", "jsonl.zst", "parquet", "arrow.gz", "lp.zst"] {
        run(&format!(
            "generate -o same.{ending} --template pump --samples 300 --seed 1"
        ));
        let again = read(
            &[own.path().join(format!("same.{ending}"))],
            &ReadOptions::default(),
        )
        .unwrap();
        assert!(again[0].frame == expect[0].frame, "{ending}");
        assert!(again[0].rows == expect[0].rows, "{ending}");
    }
}
