//! Every bad file is refused, and the message names the place, what was found and what to do.

mod bad_cases;

use std::error::Error;
use std::path::{Path, PathBuf};

use bad_cases::CASES;
use bellwether_store::read::{Bounds, ReadOptions, read, read_csv_bytes};
use proptest::prelude::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

/// The message with its causes, as the command line prints it.
fn message(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", message(source)),
        None => error.to_string(),
    }
}

#[test]
fn every_bad_file_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for (name, expect) in CASES {
        let outcome = read(&[folder().join(name)], &ReadOptions::default());
        let text = outcome.map_or_else(|error| message(&error), |_| "it was read".to_owned());
        if !text.contains(name) || !expect.iter().all(|part| text.contains(part)) {
            wrong.push(format!("{name}: wanted {expect:?}, got: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bad_file_has_its_case() {
    let mut names: Vec<_> = folder()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !CASES.iter().any(|(known, _)| known == name))
        .collect();
    names.sort();
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn options_that_name_no_column_are_refused() {
    let check = |options: ReadOptions, expect: &str| {
        let error = read_csv_bytes(b"timestamp,temp\n2024-01-01,1\n", &options, &Bounds::NONE)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    let name = || Some("tmp".to_owned());
    check(
        ReadOptions {
            time_column: name(),
            ..Default::default()
        },
        "no column \"tmp\" (--time-column)",
    );
    check(
        ReadOptions {
            series_column: name(),
            ..Default::default()
        },
        "no column \"tmp\" (--series-column)",
    );
    check(
        ReadOptions {
            ignore_columns: vec!["tmp".to_owned()],
            ..Default::default()
        },
        "no column \"tmp\" (--ignore-column); the columns are \"timestamp\", \"temp\"",
    );
    check(
        ReadOptions {
            time_column: Some("temp".to_owned()),
            ..Default::default()
        },
        "column \"timestamp\": holds text",
    );
}

fn long(n_instants: usize, n_channels: usize, n_rows: usize) -> String {
    let row = |row: usize| format!("{},c{},1\n", row * n_instants / n_rows, row % n_channels);
    let rows: String = (0..n_rows).map(row).collect();
    format!("timestamp,channel,value\n{rows}")
}

#[test]
fn what_goes_beyond_the_bounds_is_refused_before_there_is_room_for_it() {
    let check = |text: &str, bounds: Bounds, expect: Option<&str>| {
        let read = read_csv_bytes(text.as_bytes(), &ReadOptions::default(), &bounds);
        match (read, expect) {
            (Ok(_), None) => {}
            (Err(error), Some(expect)) => {
                assert!(error.is_too_large(), "{error}");
                assert!(error.to_string().contains(expect), "{error}");
            }
            (read, _) => panic!("{expect:?}: {read:?}"),
        }
    };
    let wide = "timestamp,a,b\n1,1,1\n2,1,1\n3,1,1\n";
    let bounds = |bytes, rows, channels, cells| Bounds {
        bytes,
        rows,
        channels,
        cells,
    };
    let bytes = wide.len() as u64;
    check(wide, bounds(bytes, 3, 2, 6), None);
    check(wide, bounds(bytes - 1, 3, 2, 6), Some("more bytes than"));
    check(wide, bounds(bytes, 2, 2, 6), Some("more than 2 rows"));
    check(wide, bounds(bytes, 3, 1, 6), Some("more than 1 channels"));
    check(wide, bounds(bytes, 3, 2, 5), Some("more than 5 values"));
    let text = long(10, 3, 30);
    check(&text, bounds(1000, 30, 3, 30), None);
    check(&text, bounds(1000, 29, 3, 30), Some("more than 29 rows"));
    check(&text, bounds(1000, 30, 2, 30), Some("more than 2 channels"));
    check(&text, bounds(1000, 30, 3, 29), Some("more than 29 values"));
    // Two series of one file count together.
    let two = "timestamp,device,a\n1,p,1\n1,q,1\n2,p,1\n2,q,1\n";
    check(two, bounds(1000, 4, 1, 4), None);
    check(two, bounds(1000, 4, 1, 3), Some("more than 3 values"));
}

/// Spread out, a table of 1.2 MB would take 29 GB.
#[test]
fn a_long_table_that_holds_next_to_nothing_is_refused() {
    let text = long(60_000, 59_999, 60_000);
    let error = read_csv_bytes(text.as_bytes(), &ReadOptions::default(), &Bounds::NONE).unwrap_err();
    assert!(error.is_too_large());
    assert!(
        error.to_string().contains("60000 instants and 59999 channels"),
        "{error}"
    );
}

/// Fuzzing found that a value which reads as a time was taken for one, and then missing as the value.
#[test]
fn a_long_table_whose_value_is_the_time_is_refused() {
    let check = |options: ReadOptions, expect: &str| {
        let bytes = include_bytes!("bad/long_value_reads_as_time.csv");
        let error = read_csv_bytes(bytes, &options, &Bounds::NONE)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    let name = |name: &str| Some(name.to_owned());
    check(
        ReadOptions::default(),
        "column \"timestamp\": \"x\" is not a time",
    );
    check(
        ReadOptions {
            time_column: name("value"),
            ..Default::default()
        },
        "column \"timestamp\": holds text",
    );
    check(
        ReadOptions {
            time_column: name("channel"),
            ..Default::default()
        },
        "column \"channel\": \"flow\" is not a time",
    );
    check(
        ReadOptions {
            time_column: name("value"),
            series_column: name("channel"),
            ..Default::default()
        },
        "column \"timestamp\": holds text",
    );
}

#[test]
fn inputs_that_clash_are_refused() {
    let check = |paths: &[&Path], expect: &str| {
        let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
        let error = read(&paths, &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    check(&[], "no input is named");
    check(
        &[Path::new("-"), Path::new("-")],
        "standard input can be read only once",
    );
    check(&[&good.join("comma.csv"), &good.join("comma.csv")], "stands in");
    check(
        &[&good.join("fleet.csv"), &good.join("fleet.csv")],
        "line 2, column \"timestamp\": time runs backwards",
    );
}

/// Pieces that sensor data are made of, so that random sequences of them reach deep into the reader.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "timestamp",
        "time",
        "device",
        "channel",
        "value",
        "is_anomaly",
        "a",
        "b",
        "",
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\"",
        "#",
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "1700000000",
        "1e5",
        "-",
        "3,14",
        "inf",
        "0",
        "1",
        "nan",
        "\u{feff}",
        " ",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_never_panics(pieces in proptest::collection::vec(piece(), 0..60)) {
        let _ = read_csv_bytes(&pieces.concat(), &ReadOptions::default(), &Bounds::NONE);
    }

    #[test]
    fn damaged_archives_never_panic(at in 0_usize..200, byte in any::<u8>(), is_zstd in any::<bool>()) {
        let good: &[u8] = if is_zstd {
            include_bytes!("good/zstd.csv.zst")
        } else {
            include_bytes!("good/gzip.csv.gz")
        };
        let mut bytes = good.to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read_csv_bytes(&bytes, &ReadOptions::default(), &Bounds::NONE);
        let _ = read_csv_bytes(&bytes[..at], &ReadOptions::default(), &Bounds::NONE);
    }
}
