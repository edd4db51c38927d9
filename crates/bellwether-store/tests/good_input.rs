//! Every accepted form of a file is read to the same samples.

use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;
use bellwether_store::read::{Bounds, Note, ReadOptions, Recording, read};

fn good(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/good")
        .join(name)
}

fn read_good(name: &str) -> Vec<Recording> {
    read(&[good(name)], &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn channels(recording: &Recording) -> Vec<&str> {
    recording
        .frame
        .schema()
        .channels()
        .iter()
        .map(|channel| channel.name())
        .collect()
}

#[test]
fn every_form_reads_as_the_same_two_samples() {
    let names = [
        "comma.csv",
        "semicolon.csv",
        "tab.tsv",
        "crlf.csv",
        "byte_order_mark.csv",
        "quoted.csv",
        "comments_and_blanks.csv",
        "no_last_line_end.csv",
        "padded.csv",
        "delimiter_at_line_end.csv",
        "spreadsheet_tail.csv",
        "row_numbers.csv",
        "time_not_first.csv",
        "time_with_space.csv",
        "time_with_offset.csv",
        "time_fraction.csv",
        "epoch_s.csv",
        "epoch_ms.csv",
        "epoch_us.csv",
        "epoch_ns.csv",
        "epoch_decimals.csv",
        "labelled.csv",
        "long.csv",
        "long_by_channel.csv",
        "gzip.csv.gz",
        "zstd.csv.zst",
    ];
    for name in names {
        let recordings = read_good(name);
        assert_eq!(recordings.len(), 1, "{name}");
        let recording = &recordings[0];
        assert_eq!(recording.series, None, "{name}");
        assert_eq!(channels(recording), ["temp", "load"], "{name}");
        assert_eq!(
            recording.frame.time(),
            [1_704_067_200, 1_704_067_260].map(Timestamp::from_secs),
            "{name}"
        );
        assert_eq!(recording.frame.values(), [1.5, 2.0, 1.6, 3.0], "{name}");
    }
}

#[test]
fn labels_are_never_channels() {
    let recording = &read_good("labelled.csv")[0];
    assert_eq!(recording.labels.as_deref(), Some(&[false, true][..]));
    assert_eq!(recording.changepoints.as_deref(), Some(&[false, true][..]));
    assert_eq!(read_good("comma.csv")[0].labels, None);
}

#[test]
fn missing_values_are_counted() {
    let recording = &read_good("missing.csv")[0];
    assert!(
        recording
            .frame
            .sample(0)
            .values
            .iter()
            .all(|value| value.is_nan())
    );
    assert_eq!(recording.notes.len(), 9);
    assert_eq!(
        recording.notes[8].to_string(),
        "channel \"i\" is missing in 1 of 2 samples"
    );
}

#[test]
fn one_row_is_a_recording() {
    let recording = &read_good("one_row.csv")[0];
    assert_eq!(
        (recording.frame.n_samples(), recording.name.as_str()),
        (1, "one_row")
    );
}

#[test]
fn the_first_row_of_an_instant_is_the_sample_and_all_rows_are_kept() {
    let recording = &read_good("repeated.csv")[0];
    assert_eq!(recording.frame.values(), [1.0, 2.0, 3.0]);
    assert_eq!(
        recording.labels.as_deref(),
        Some(&[false, false, true, false][..])
    );
    let rows = &recording.rows;
    let samples: Vec<_> = (0..rows.n_rows())
        .map(|row_idx| rows.sample_idx(row_idx))
        .collect();
    assert_eq!(samples, [0, 1, 1, 2]);
    assert_eq!(rows.time_text(2), "2024-01-01T02:00:00");
    assert_eq!(
        recording.notes,
        [Note::RepeatedTimes {
            n_rows: 1,
            first: "2024-01-01T02:00:00".to_owned()
        }]
    );
}

#[test]
fn a_fleet_in_one_file_is_told_apart_and_keeps_its_order() {
    let fleet = read_good("fleet.csv");
    let names: Vec<_> = fleet
        .iter()
        .map(|recording| recording.series.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(names, ["pump-1", "pump-2"]);
    assert_eq!(fleet[1].frame.values(), [10.0, 20.0]);
    assert_eq!((fleet[1].rows.position(0), fleet[1].rows.position(1)), (1, 3));
}

#[test]
fn a_folder_is_read_in_order_of_name_and_says_what_it_left_out() {
    let recordings = read_good("folder");
    let names: Vec<_> = recordings
        .iter()
        .map(|recording| recording.series.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        recordings[0].notes,
        [Note::FileLeftOut {
            file: good("folder/more.xlsx")
        }]
    );
    assert_eq!(recordings[1].rows.position(0), 2);
}

#[test]
fn series_go_on_from_file_to_file() {
    let recordings = read_good("days");
    assert_eq!(recordings.len(), 2);
    assert_eq!(recordings[0].frame.values(), [1.0, 2.0]);
    assert_eq!(
        (recordings[0].rows.position(0), recordings[0].rows.position(1)),
        (0, 3)
    );
}

#[test]
fn options_override_what_would_be_found() {
    let check = |options: ReadOptions, name: &str, expect: &[&str]| {
        let recordings = read(&[good(name)], &options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(channels(&recordings[0]), expect);
    };
    check(
        ReadOptions {
            ignore_columns: vec!["load".to_owned()],
            ..Default::default()
        },
        "comma.csv",
        &["temp"],
    );
    check(
        ReadOptions {
            delimiter: Some(b';'),
            ..Default::default()
        },
        "semicolon.csv",
        &["temp", "load"],
    );
    check(
        ReadOptions {
            series_column: Some("load".to_owned()),
            ..Default::default()
        },
        "comma.csv",
        &["temp"],
    );
    let markers = ReadOptions {
        missing: vec!["1.5".to_owned()],
        ..Default::default()
    };
    let recording = &read(&[good("comma.csv")], &markers).unwrap()[0];
    assert!(recording.frame.values()[0].is_nan());
}

#[test]
fn gaps_and_jitter_are_noted() {
    let text = |times: &[i64]| {
        times
            .iter()
            .fold("time,a\n".to_owned(), |text, time| text + &format!("{time},1\n"))
    };
    let check = |times: &[i64], expect: &[&str]| {
        let text = text(times);
        let recordings =
            bellwether_store::read::read_csv_bytes(text.as_bytes(), &ReadOptions::default(), &Bounds::NONE)
                .unwrap();
        let notes: Vec<_> = recordings[0].notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, expect);
    };
    check(&[0, 10, 20, 30, 40], &[]);
    check(
        &[0, 10, 20, 30, 60, 70],
        &["1 gap in samples every 10 s, the longest 30 s after 1970-01-01T00:00:30Z"],
    );
    check(&[0, 10, 21, 30, 42, 50], &["spacing varies by 10 % around 10 s"]);
}

fn read_text(text: &str, options: &ReadOptions) -> Result<Recording, String> {
    let read = bellwether_store::read::read_csv_bytes(text.as_bytes(), options, &Bounds::NONE);
    read.map(|mut all| all.remove(0))
        .map_err(|error| error.to_string())
}

/// What is told of missing cells.
fn missing(recording: &Recording) -> Vec<String> {
    let told = recording.notes.iter();
    told.filter(|note| matches!(note, Note::MissingCells { .. }))
        .map(ToString::to_string)
        .collect()
}

#[test]
fn missing_cells_are_counted_however_rows_are_read() {
    let mut text = String::from("time,a,b\n");
    let mut n_missing = 0;
    for row in 0..30_000 {
        let is_missing = row % 7 == 3 || row % 10_000 < 40;
        n_missing += usize::from(is_missing);
        let a = if is_missing {
            String::new()
        } else {
            row.to_string()
        };
        // Rows with quotation marks are read one by one, and so is what stands behind them; a few instants stand twice.
        match row % 6_000 {
            0 => text.push_str(&format!("\"{row}\",{a},1\n")),
            3 => text.push_str(&format!("{row},{a},1\n{row},,\n")),
            _ => text.push_str(&format!("{row},{a},1\n")),
        }
    }
    let recording = read_text(&text, &ReadOptions::default()).unwrap();
    assert_eq!(recording.frame.n_samples(), 30_000);
    let want = format!("channel \"a\" is missing in {n_missing} of 30000 samples");
    assert_eq!(missing(&recording), [want]);
}

#[test]
fn rows_put_in_order_are_the_samples_of_rows_in_order() {
    let sort = ReadOptions {
        sort: true,
        ..Default::default()
    };
    // The second row of 20 is no sample, wherever the first stands.
    let check = |head: &str, in_order: &[&str], as_written: &[usize], n_late: usize| {
        let lines = |order: &[usize]| order.iter().map(|&idx| in_order[idx]).collect::<String>();
        let straight: Vec<usize> = (0..in_order.len()).collect();
        let want = read_text(&format!("{head}{}", lines(&straight)), &sort).unwrap();
        let text = format!("{head}{}", lines(as_written));
        assert!(read_text(&text, &ReadOptions::default()).is_err());
        let got = read_text(&text, &sort).unwrap();
        // Missing cells are never equal; their text is.
        assert_eq!(format!("{:?}", got.frame), format!("{:?}", want.frame));
        for (row, &idx) in as_written.iter().enumerate() {
            assert_eq!(got.rows.sample_idx(row), want.rows.sample_idx(idx), "row {row}");
            assert_eq!(got.rows.time_text(row), want.rows.time_text(idx));
        }
        let late = got.notes.iter().find_map(|note| match note {
            Note::Sorted { n_rows, .. } => Some(*n_rows),
            _ => None,
        });
        assert_eq!(late, Some(n_late));
        assert_eq!(missing(&got), missing(&want));
    };
    let wide = ["10,1,2\n", "20,3,4\n", "20,5,6\n", "30,7,\n", "40,8,9\n"];
    check("time,a,b\n", &wide, &[1, 2, 0, 4, 3], 2);
    check("time,a,b\n", &wide, &[4, 3, 1, 2, 0], 4);
    check("time,a,b\n", &wide, &[3, 1, 0, 2, 4], 3);
    let long = ["10,a,1\n", "10,b,2\n", "20,a,3\n", "30,b,4\n"];
    check("time,channel,value\n", &long, &[2, 0, 3, 1], 2);
}

#[test]
fn times_of_a_zone_and_of_the_future_are_told() {
    let options = ReadOptions {
        timezone: Some("America/New_York".parse().unwrap()),
        now: Some(Timestamp::from_secs(1_710_046_800)),
        ..Default::default()
    };
    // Clocks go from 2 to 3 on 2024-03-10; the hour lies between 07:00 and 08:00 UTC.
    let recording = read_text("time,a\n2024-03-10 01:00,1\n2024-03-10 03:00,2\n", &options).unwrap();
    let times: Vec<String> = recording.frame.time().iter().map(ToString::to_string).collect();
    assert_eq!(times, ["2024-03-10T06:00:00Z", "2024-03-10T07:00:00Z"]);
    let notes: Vec<String> = recording.notes.iter().map(ToString::to_string).collect();
    let said = notes.join("; ");
    assert!(
        said.contains("2 samples lie in the future, up to 2024-03-10T07:00:00Z"),
        "{said}"
    );
    let refused = read_text("time,a\n2024-03-10 01:00,1\n2024-03-10 02:30,2\n", &options).unwrap_err();
    assert!(
        refused.contains("\"2024-03-10 02:30\" is no time in America/New_York"),
        "{refused}"
    );
}

/// The labelled data sets that the project is measured on are read as they are.
#[test]
fn real_series_are_read() {
    let Some(data) = bellwether_testkit::real_data("real_series_are_read") else {
        return;
    };
    let check = |folder: &str, n_series: usize, n_channels: usize| {
        let recordings =
            read(&[data.join(folder)], &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recordings.len(), n_series, "{folder}");
        for recording in &recordings {
            assert_eq!(recording.frame.n_channels(), n_channels, "{}", recording.name);
            assert_eq!(
                recording.labels.as_ref().map(Vec::len),
                Some(recording.rows.n_rows())
            );
        }
    };
    check("ASD", 6, 19);
    check("MSL", 14, 55);
    check("SKAB", 18, 8);
    check("NAB", 23, 1);
    check("GECCO", 1, 9);
}
