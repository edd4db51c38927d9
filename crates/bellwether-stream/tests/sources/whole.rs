//! Every format gives the same samples to a stream as it gives as a file: binary ones, line protocol, and what is packed.

#![expect(
    clippy::disallowed_methods,
    reason = "fixtures are read as they stand, and what cannot be read fails the test"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bellwether_store::read::{ReadOptions, is_whole, read, series_name};
use bellwether_stream::arrival::Arrival;
use bellwether_stream::source::decode::{Decoded, TableDecoder};
use bellwether_stream::source::text::TextSource;
use bellwether_stream::source::{Source, SourceError, Stop};

use crate::followed::spec;
use crate::judge::{Judge, LONG};
use crate::tables::{Samples, of_recordings, samples, without_missing};

/// Reads a file that ends, to its end.
async fn of_source(path: &Path) -> (Vec<Arrival>, Vec<String>, Result<(), SourceError>) {
    let (inlet, mut judge) = Judge::new(4);
    let (_give, stop) = Stop::new();
    let task = tokio::spawn(Box::new(TextSource::new(spec(path))).run(inlet, None, stop));
    let (mut arrivals, mut quarantined) = (Vec::new(), Vec::new());
    while let Some(batch) = judge.take().await {
        let (more, bad) = judge.acknowledge(batch);
        arrivals.extend(more);
        quarantined.extend(bad);
    }
    let ended = tokio::time::timeout(LONG, task).await.unwrap().unwrap();
    (arrivals, quarantined, ended)
}

fn by_line(path: &Path) -> (Vec<Arrival>, Vec<String>) {
    let (options, device) = (ReadOptions::default(), series_name(path));
    let mut table = TableDecoder::new("test".into(), path, options, Some(&device));
    let mut into = Decoded::default();
    for line in fs::read(path).unwrap().split_inclusive(|&byte| byte == b'\n') {
        table.line(line, &mut into).unwrap();
    }
    table.end(&mut into).unwrap();
    let quarantined = into.quarantined.iter().map(|entry| entry.detail.clone());
    (into.arrivals, quarantined.collect())
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bellwether-store/tests/formats")
}

/// Of line protocol values have a name with their measurement, too: only those of the file are compared.
fn named_as_in(
    want: &HashMap<String, Samples>,
    mut got: HashMap<String, Samples>,
) -> HashMap<String, Samples> {
    for (series, samples) in &mut got {
        let known: Vec<&String> = want[series].values().flat_map(|sample| sample.keys()).collect();
        for sample in samples.values_mut() {
            sample.retain(|name, _| known.contains(&name));
        }
    }
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_samples_of_the_file() {
    let mut n_files = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(formats())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let ending = file.extension().unwrap().to_str().unwrap();
        if !["parquet", "arrow", "arrows", "feather", "lp", "gz", "zst"].contains(&ending) {
            continue;
        }
        let want = read(std::slice::from_ref(&file), &ReadOptions::default()).unwrap();
        let want = without_missing(of_recordings(&want));
        let (arrivals, quarantined) = if is_whole(&fs::read(&file).unwrap()) == Some(true) {
            let (arrivals, quarantined, ended) = of_source(&file).await;
            ended.unwrap();
            (arrivals, quarantined)
        } else {
            by_line(&file)
        };
        assert!(quarantined.is_empty(), "{}: {quarantined:?}", file.display());
        let got = named_as_in(&want, without_missing(samples(&arrivals)));
        assert!(got == want, "{}: other samples than the file", file.display());
        n_files += 1;
    }
    assert!(n_files >= 40, "{n_files} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_ends_the_source_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    let whole = fs::read(formats().join("polars.parquet")).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (arrivals, _, ended) = of_source(&path).await;
    assert!(arrivals.is_empty());
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("cut.parquet"), "{error}");
}

#[test]
fn lines_of_line_protocol_are_read_as_they_come() {
    let mut table = TableDecoder::new("test".into(), Path::new("-"), ReadOptions::default(), Some("-"));
    let mut take = |line: &str| {
        let mut into = Decoded::default();
        table.line(line.as_bytes(), &mut into).unwrap();
        let said = |arrival: &Arrival| {
            let channels = arrival.layout.channels.join(" ");
            format!(
                "{} {} {channels} {:?} {}",
                arrival.series, arrival.time, arrival.values, arrival.is_whole
            )
        };
        let bad = into
            .quarantined
            .iter()
            .map(|entry| format!("{} {}", entry.reason, entry.detail));
        into.arrivals
            .iter()
            .map(said)
            .chain(bad)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let check = |found: String, expect: &str| assert!(found.starts_with(expect), "{found:?} {expect:?}");
    check(take("# from an agent\n"), "");
    // The first line says what unit its time is in.
    check(
        take("pump,device=p1 flow=1.5,on=true 1704067200000\n"),
        "p1 2024-01-01T00:00:00Z pump_flow pump_on flow on [1.5, 1.0, 1.5, 1.0] false",
    );
    check(
        take("pump flow=2 1704067201000\n"),
        "- 2024-01-01T00:00:01Z pump_flow flow [2.0, 2.0]",
    );
    check(take("pump flow=2\n"), "no-time standard input, line 4");
    check(
        take("pump flow 1704067202000\n"),
        "bad-row standard input, line 5",
    );
    check(
        take("pump,device=p1 mode=\"auto\" 1704067202000\n"),
        "bad-value standard input, line 6",
    );
    // Text may hold line feeds.
    check(take("pump,device=p1 note=\"a\n"), "");
    check(take("b\" 1704067203000\n"), "bad-value standard input, line 7");
    // From the second measurement on a field alone says too little.
    check(
        take("tank,device=p1 level=3i 1704067204000\n"),
        "p1 2024-01-01T00:00:04Z tank_level [3.0]",
    );
    check(
        take("pump,device=p1 flow=4 1704067204000\n"),
        "p1 2024-01-01T00:00:04Z pump_flow [4.0]",
    );
}
