//! Every bad file is refused, and the message names the place, what was found and what to do.

use std::error::Error;
use std::path::{Path, PathBuf};

use bellwether_store::read::{Bounds, ReadOptions, read, read_csv_bytes};
use proptest::prelude::*;

/// File or folder under `tests/bad`, and what its message must say.
const CASES: &[(&str, &[&str])] = &[
    ("empty.csv", &[": the file is empty"]),
    ("blank.csv", &[": the file is empty"]),
    ("header_only.csv", &["line 1: there is a header but no row"]),
    (
        "no_header.csv",
        &["line 1: the first row holds values (\"2024-01-01T00:00:00Z\")"],
    ),
    (
        "no_header_numbers.csv",
        &["line 1: the first row holds values (\"1\")"],
    ),
    (
        "commented_header.csv",
        &["line 2: the first row holds values", "is a comment, not a header"],
    ),
    (
        "duplicate_column.csv",
        &["line 1, column \"temp\": columns 2 and 4"],
    ),
    (
        "nameless_column.csv",
        &["line 1: column 2 has values but no name"],
    ),
    (
        "half_nameless_column.csv",
        &["line 1: column 3 has values but no name"],
    ),
    (
        "late_nameless_value.csv",
        &["line 122: column 3 has values but no name"],
    ),
    ("one_column.csv", &["line 1: only one column (\"value\")"]),
    ("spaces.csv", &["only one column"]),
    (
        "no_time.csv",
        &[
            "no column reads as time among \"temp\", \"load\"",
            "--time-column",
        ],
    ),
    (
        "ambiguous_date.csv",
        &["line 1, column \"date\": \"03/04/2024 10:00\" is not a time"],
    ),
    (
        "impossible_date.csv",
        &["line 3, column \"timestamp\": \"2024-02-30\" is not a time"],
    ),
    ("named_zone.csv", &["\"2024-02-29T00:00:00 CET\" is not a time"]),
    (
        "changed_time_format.csv",
        &["line 3, column \"timestamp\": \"1704067260\" is not a time as the rows before"],
    ),
    (
        "missing_time.csv",
        &["line 3, column \"timestamp\": the row has no time"],
    ),
    (
        "time_runs_back.csv",
        &[
            "line 4, column \"timestamp\": time runs backwards: 2024-01-01T00:01:00Z comes after 2024-01-01T00:02:00Z",
        ],
    ),
    ("clock_change.csv", &["line 3", "clock change"]),
    ("counts_fall.csv", &["line 1, column \"time\": these counts fall"]),
    (
        "text_column.csv",
        &[
            "column \"status\": holds text (\"RUN\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("second_time_column.csv", &["column \"received\": holds text"]),
    (
        "text_cell.csv",
        &["line 3, column \"temp\": \"I/O Timeout\" is not a number"],
    ),
    (
        "unit_in_cell.csv",
        &["line 2, column \"temp\": \"1 V\" is not a number"],
    ),
    (
        "two_points.csv",
        &["line 3, column \"temp\": \"1.2.3\" is not a number"],
    ),
    ("infinite.csv", &["line 3, column \"load\": \"inf\" is infinite"]),
    (
        "overflow.csv",
        &["line 3, column \"temp\": \"1e999\" is infinite"],
    ),
    (
        "decimal_comma.csv",
        &["line 2, column \"temp\": \"3,14\" has a comma inside a number"],
    ),
    (
        "quoted_decimal_comma.csv",
        &["line 2, column \"temp\": \"3,14\" has a comma"],
    ),
    (
        "thousands.csv",
        &["line 3, column \"temp\": \"1,234.5\" has a comma"],
    ),
    (
        "short_row.csv",
        &["line 3: 2 cells where the header has 3 columns"],
    ),
    (
        "long_row.csv",
        &["line 3: 3 cells where the header has 2 columns"],
    ),
    ("unquoted_decimal_comma.csv", &["line 3: 3 cells"]),
    ("cut_last_row.csv", &["line 3: 2 cells"]),
    ("ragged_after_breaks.csv", &["line 6: 1 cells"]),
    (
        "open_quote.csv",
        &[
            "line 3: 1 cells where the header has 2",
            "quotation mark never closed",
        ],
    ),
    (
        "latin1.csv",
        &["line 1: the text is not UTF-8", "save the file as UTF-8"],
    ),
    (
        "latin1_series.csv",
        &["line 3, column \"device\": the text is not UTF-8"],
    ),
    ("latin1_cell.csv", &["line 3, column \"temp\"", "is not a number"]),
    ("utf16.csv", &["this is UTF-16 text (save it as UTF-8)"]),
    (
        "label_text.csv",
        &["line 3, column \"label\": \"attack\" is not a label"],
    ),
    (
        "label_empty.csv",
        &["line 3, column \"is_anomaly\": \"\" is not a label"],
    ),
    (
        "changepoint_two.csv",
        &["line 3, column \"changepoint\": \"2\" is not a label"],
    ),
    ("only_labels.csv", &["no channel: at least one numeric column"]),
    (
        "two_series_columns.csv",
        &[
            "\"device\" and \"asset_id\" could both name the series",
            "--series-column",
        ],
    ),
    (
        "empty_series.csv",
        &["line 3, column \"device\": the row names no series"],
    ),
    (
        "series_runs_back.csv",
        &["line 4, column \"timestamp\": time runs backwards"],
    ),
    (
        "long_text.csv",
        &["line 3, column \"value\": \"on\" is not a number"],
    ),
    (
        "long_no_channel.csv",
        &["line 3, column \"channel\": the row names no channel"],
    ),
    (
        "long_beside.csv",
        &["column \"temp\": a table with the columns channel and value"],
    ),
    (
        "long_value_reads_as_time.csv",
        &["line 1, column \"timestamp\": \"x\" is not a time"],
    ),
    (
        "long_runs_back.csv",
        &["line 4, column \"timestamp\": time runs backwards"],
    ),
    ("cut.parquet", &["the file is damaged or cut short"]),
    ("cut.arrow", &["the file is damaged or cut short (it breaks off)"]),
    ("array.json", &["this is a JSON list (write one object a line"]),
    (
        "nested.jsonl",
        &[
            "line 2, column \"temp\": holds an object or a list",
            "\"temp.part\": 1",
            "--ignore-column",
        ],
    ),
    (
        "pretty.jsonl",
        &[
            "line 1: the line is not a JSON object",
            "a whole object on each line",
        ],
    ),
    (
        "duplicate_key.jsonl",
        &["line 2, column \"temp\": the key stands twice"],
    ),
    (
        "text_cell.jsonl",
        &["line 2, column \"temp\": \"on\" is not a number"],
    ),
    (
        "cut.jsonl",
        &["line 2: the line is not a JSON object (EOF while parsing"],
    ),
    (
        "no_time.jsonl",
        &["no column reads as time among \"temp\"", "--time-column"],
    ),
    ("bad_line.lp", &["line 2: the line is not InfluxDB line protocol"]),
    ("no_time.lp", &["line 2: the row has no time"]),
    (
        "text_field.lp",
        &[
            "line 1, column \"status\": holds text (\"RUN\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("time_runs_back.lp", &["line 2: time runs backwards"]),
    (
        "two_series_tags.lp",
        &["could both name the series", "--series-column"],
    ),
    (
        "label_missing.lp",
        &["line 2, column \"is_anomaly\": \"\" is not a label"],
    ),
    ("utf16_no_mark.csv", &["this is UTF-16 text (save it as UTF-8)"]),
    (
        "list_column.parquet",
        &["column \"parts\": holds a list", "--ignore-column \"parts\""],
    ),
    (
        "infinite.parquet",
        &["row 2, column \"temp\": \"inf\" is infinite"],
    ),
    (
        "time_runs_back.parquet",
        &["row 2, column \"timestamp\": time runs backwards"],
    ),
    (
        "missing_time.parquet",
        &["row 2, column \"timestamp\": the row has no time"],
    ),
    (
        "text_column.parquet",
        &[
            "column \"status\": holds text (\"a\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("year_9999.parquet", &["253402300799000 of a time type"]),
    ("no_row.parquet", &["there is a header but no row"]),
    ("struct_column.feather", &["column \"parts\": holds an object"]),
    (
        "v1.feather",
        &["a Feather file of version 1 (write it as version 2)"],
    ),
    ("spreadsheet.csv", &["zip archive (or a spreadsheet)"]),
    ("binary.csv", &["this is a binary file"]),
    ("cut.csv.gz", &["the file is cut short or damaged"]),
    ("twice.csv.gz", &["archive within an archive"]),
    ("bytes_after.csv.gz", &["the file is cut short or damaged"]),
    ("cut.csv.zst", &["the file is cut short or damaged"]),
    ("no_data", &["no_data: no data file in this folder"]),
    ("spreadsheets_only", &["no data file in this folder"]),
    ("not_there.csv", &["not_there.csv: cannot be opened"]),
];

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
