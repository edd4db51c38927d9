//! A table gives the same samples line after line as it gives as a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bellwether_core::time::Timestamp;
use bellwether_store::read::{Bounds, ReadOptions, Recording, read_csv_bytes};
use bellwether_stream::arrival::Arrival;
use bellwether_stream::source::decode::{Decoded, TableDecoder};
use proptest::prelude::*;

/// Time, and the bits of each channel's value.
pub(crate) type Samples = BTreeMap<Timestamp, BTreeMap<String, u64>>;

fn bits(value: f64) -> u64 {
    // All NaN are one: missing.
    if value.is_nan() { u64::MAX } else { value.to_bits() }
}

fn by_line(text: &[u8]) -> (Decoded, Result<(), String>) {
    let mut into = Decoded::default();
    let mut table = TableDecoder::new(
        "test".into(),
        Path::new("bytes"),
        ReadOptions::default(),
        Some("bytes"),
    );
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if let Err(error) = table.line(line, &mut into) {
            return (into, Err(error.to_string()));
        }
    }
    let end = table.end(&mut into).map_err(|error| error.to_string());
    (into, end)
}

/// The samples by series; of a channel that comes twice at an instant the first counts, as for a file.
pub(crate) fn samples(arrivals: &[Arrival]) -> HashMap<String, Samples> {
    let mut series: HashMap<String, Samples> = HashMap::new();
    for arrival in arrivals {
        let sample = series
            .entry(arrival.series.to_string())
            .or_default()
            .entry(arrival.time)
            .or_default();
        if arrival.is_whole && !sample.is_empty() {
            continue;
        }
        for (name, &value) in arrival.layout.channels.iter().zip(&arrival.values) {
            sample.entry(name.clone()).or_insert(bits(value));
        }
    }
    series
}

fn of_file(text: &[u8]) -> HashMap<String, Samples> {
    of_recordings(&read_csv_bytes(text, &ReadOptions::default(), &Bounds::NONE).unwrap())
}

pub(crate) fn of_recordings(recordings: &[Recording]) -> HashMap<String, Samples> {
    let samples = |recording: &Recording| {
        let frame = &recording.frame;
        (0..frame.n_samples())
            .map(|idx| {
                let sample = frame.sample(idx);
                let names = frame
                    .schema()
                    .channels()
                    .iter()
                    .map(|channel| channel.name().to_owned());
                (
                    sample.time,
                    names
                        .zip(sample.values.iter().map(|&value| bits(value)))
                        .collect(),
                )
            })
            .collect()
    };
    recordings
        .iter()
        .map(|recording| (recording.name.clone(), samples(recording)))
        .collect()
}

/// Cells that the file's frame has and no row: channels of a table in long form that miss an instant.
pub(crate) fn without_missing(mut series: HashMap<String, Samples>) -> HashMap<String, Samples> {
    for sample in series.values_mut().flat_map(BTreeMap::values_mut) {
        sample.retain(|_, &mut value| value != u64::MAX);
    }
    series
}

#[track_caller]
fn check_same(text: &[u8]) {
    let (decoded, end) = by_line(text);
    assert_eq!(end, Ok(()));
    let details: Vec<_> = decoded.quarantined.iter().map(|entry| &entry.detail).collect();
    assert!(details.is_empty(), "{details:?}");
    assert!(without_missing(samples(&decoded.arrivals)) == without_missing(of_file(text)));
}

#[test]
fn tables_give_the_same_samples_line_by_line() {
    let check = |text: &str| check_same(text.as_bytes());
    check("timestamp,a,b\n2024-01-01T00:00:00Z,1,2\n2024-01-01T00:00:01Z,3,4\n");
    check("timestamp;a;b\n2024-01-01 00:00:00;1.5;\n2024-01-01 00:00:01;NaN;4\n");
    check("time\ta\n2024-01-01T01:00:00+01:00\t1\n2024-01-01T00:00:01Z\t0.1");
    check("\u{feff}ts,a\r\n1700000000000,1\r\n1700000001000,-\r\n");
    check("# made by hand\n\nts,a\n\n1700000000,1\n# a remark\n1700000001,1e-3\n\n");
    check("\"time\",\"a, b\"\n\"2024-01-01T00:00:00Z\",\" 1 \"\n");
    check("\"time\n\n(UTC)\n\",a\n2024-01-01,1\n");
    check("time,\"a\nb\",\"c\"\"d\"\n2024-01-01,1,2\n2024-01-02,\"3\n\",4\n");
    check(
        "timestamp,device,a,is_anomaly,changepoint\n2024-01-01,p,1,0,0\n2024-01-01,q,2,1,0\n2024-01-02,p,3,0,0\n",
    );
    check(
        "timestamp,asset_id,sensor,value,quality\n2024-01-01,p,a,1,good\n2024-01-01,p,b,2,good\n2024-01-02,p,a,3,bad\n",
    );
    check("timestamp,channel,value\n2024-01-01,a,1\n2024-01-01,b,\n2024-01-01,a,7\n");
    check(",timestamp,a,\n0,2024-01-01,1,\n1,2024-01-02,2,\n");
    check("timestamp,a\n2024-01-01,1\n,\n");
    check("a,ts\n1700000000,1700000000\n1700000000,1700000001\n");
    check("t,a\n1700000000,1\n1700000000,2\n1700000001,3\n");
    check("timestamp,a\n2024-01-01,1\n2024-01-01,2\n2024-01-02,3\n");
    check("timestamp,a\n2024-01-01,12345678901234567\n2024-01-02,+1.5E3\n2024-01-03,-.5\n");
}

#[test]
fn one_row_is_enough_to_begin_with() {
    let mut into = Decoded::default();
    let mut table = TableDecoder::new("test".into(), Path::new("-"), ReadOptions::default(), Some("-"));
    table.line(b"timestamp,a\n", &mut into).unwrap();
    assert_eq!(into.n_messages(), 0);
    table.line(b"1700000000000,1\n", &mut into).unwrap();
    assert_eq!(into.arrivals[0].time.to_string(), "2023-11-14T22:13:20Z");
    assert_eq!(into.arrivals[0].time_text.as_deref(), Some("1700000000000"));
    assert_eq!(&*into.arrivals[0].series, "-");
}

#[test]
fn a_bad_row_is_in_quarantine_and_reading_goes_on() {
    let check = |row: &str, expect: &str| {
        let text = format!("timestamp,device,a\n2024-01-01,p,1\n{row}2024-01-03,p,3\n");
        let (decoded, end) = by_line(text.as_bytes());
        assert_eq!(end, Ok(()));
        let found: Vec<_> = decoded
            .quarantined
            .iter()
            .map(|entry| format!("{} {}", entry.reason, entry.detail))
            .collect();
        assert!(
            found.len() == 1 && found[0].starts_with(expect),
            "{row:?}: {found:?}"
        );
        let days: Vec<_> = decoded.arrivals.iter().map(|arrival| arrival.values[0]).collect();
        assert_eq!(days, [1.0, 3.0], "{row:?}");
        assert_eq!(decoded.quarantined[0].payload, row.as_bytes());
    };
    check("2024-01-02,p\n", "bad-row bytes, line 3: 2 cells");
    check("2024-01-02,p,1,2\n", "bad-row bytes, line 3: 4 cells");
    check("noon,p,2\n", "bad-time bytes, line 3, column \"timestamp\"");
    check(",p,2\n", "no-time bytes, line 3");
    check("2024-01-02,,2\n", "no-device bytes, line 3");
    check("2024-01-02,p,on\n", "bad-value bytes, line 3, column \"a\"");
    check("2024-01-02,p,1e999\n", "bad-value bytes, line 3");
    check("2024-01-02,p,\"1,5\"\n", "bad-value bytes, line 3");
    check("2024-01-02,p\u{1},2\n", "bad-name");
    check("2024-01-02,p,\"2\n", "bad-value bytes, line 3");
}

#[test]
fn a_quotation_mark_that_is_never_closed_costs_its_own_line() {
    let mut text = "timestamp,a\n2024-01-01,1\n2024-01-01,\"2\n".to_owned();
    for nth in 0..500 {
        text.push_str(&format!("2024-01-02 00:{:02}:{:02},3\n", nth / 60, nth % 60));
        if nth == 100 {
            text.push_str("2024-01-02 00:01:40,\"5\n");
        }
    }
    let (decoded, end) = by_line(text.as_bytes());
    assert_eq!(end, Ok(()));
    assert_eq!((decoded.arrivals.len(), decoded.quarantined.len()), (501, 2));
    assert!(
        decoded.quarantined[0].detail.contains("line 3:"),
        "{}",
        decoded.quarantined[0].detail
    );
    assert!(
        decoded.quarantined[1].detail.contains("line 105:"),
        "{}",
        decoded.quarantined[1].detail
    );
}

#[test]
fn what_is_no_table_is_refused_in_time() {
    let check = |text: &str, expect: &str| {
        let (_, end) = by_line(text.as_bytes());
        let error = end.unwrap_err();
        assert!(error.contains(expect), "{text:?}: {error}");
    };
    check("1,2\n3,4\n", "not names");
    check("temperature\n1\n2\n", "only one column");
    check("a,b\n1,2\n", "no column reads as time");
    check(
        "time,a\n2024-01-01,on\n2024-01-02,off\n2024-01-03,on\n2024-01-04,1\n",
        "holds text",
    );
    check(
        &format!("a,b\n{}", "1,2\n".repeat(200)),
        "no column reads as time",
    );
    check(&format!("\"a\n{}", "b\n".repeat(200_000)), "");
}

/// The CSV files within `folder`, at most `n_max`.
fn csv_files(folder: &Path, n_max: usize) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ending == "csv" || ending == "tsv")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found.truncate(n_max);
    found
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own files")]
fn check_files(files: &[std::path::PathBuf]) -> usize {
    let mut n_same = 0;
    for file in files {
        let text = std::fs::read(file).unwrap();
        if read_csv_bytes(&text, &ReadOptions::default(), &Bounds::NONE).is_ok() {
            check_same(&text);
            n_same += 1;
        }
    }
    n_same
}

#[test]
fn every_accepted_form_gives_the_same_samples_line_by_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bellwether-store/tests/good");
    assert!(check_files(&csv_files(&folder, 1000)) >= 20);
}

#[test]
fn real_data_gives_the_same_samples_line_by_line() {
    let Some(folder) = bellwether_testkit::real_data("real_data_gives_the_same_samples_line_by_line") else {
        return;
    };
    assert!(check_files(&csv_files(&folder.join("SKAB"), 6)) > 0);
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_refused(pieces in proptest::collection::vec(
        prop_oneof![
            Just("timestamp,a,b\n"), Just("2024-01-01,1,2\n"), Just("2024-01-02,"), Just("\""), Just("\n"), Just("\r\n"),
            Just("\r"), Just(","), Just("1.5"), Just("#"), Just("\u{feff}"), Just("x"), Just(";"), Just("\t"), Just("1700000000"),
        ], 0..60))
    {
        let text = pieces.concat();
        let (decoded, _) = by_line(text.as_bytes());
        for arrival in &decoded.arrivals {
            prop_assert_eq!(arrival.values.len(), arrival.layout.channels.len());
        }
        // What is read as a file without complaint is read line by line without complaint.
        if read_csv_bytes(text.as_bytes(), &ReadOptions::default(), &Bounds::NONE).is_ok() {
            prop_assert!(decoded.quarantined.is_empty(), "{:?}", decoded.quarantined);
            prop_assert!(samples(&decoded.arrivals) == of_file(text.as_bytes()));
        }
    }
}
