//! A file is followed as it grows, is renamed and is cut; a restart goes on where it stopped.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use bellwether_stream::arrival::Arrival;
use bellwether_stream::source::decode::Mapping;
use bellwether_stream::source::text::{TextSource, TextSpec};
use bellwether_stream::source::{BATCH_LEN_MAX, Source, SourceError, Stop};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::judge::{Judge, LONG};

/// A source that runs.
struct Running {
    judge: Judge,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), SourceError>>,
}

pub(crate) fn spec(path: &Path) -> TextSpec {
    TextSpec {
        name: "file".to_owned(),
        path: Some(path.to_owned()),
        device: None,
        time_column: None,
        series_column: None,
        ignore_columns: Vec::new(),
        mapping: Mapping::default(),
    }
}

impl Running {
    fn start(path: &Path, resume: Option<String>) -> Self {
        let (inlet, judge) = Judge::new(4);
        let (give, stop) = Stop::new();
        let task = tokio::spawn(Box::new(TextSource::new(spec(path))).run(inlet, resume, stop));
        Self {
            judge,
            stop: give,
            task,
        }
    }

    async fn values(&mut self, n: usize) -> Vec<f64> {
        let (arrivals, quarantined) = self.judge.take_messages(n).await;
        assert!(quarantined.is_empty(), "{quarantined:?}");
        arrivals.iter().map(|arrival| arrival.values[0]).collect()
    }

    /// Ends it; gives the position of what was acknowledged last.
    async fn stop(self) -> Option<String> {
        self.stop.send(true).unwrap();
        tokio::time::timeout(LONG, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        self.judge.position
    }
}

fn write(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn rows(days: std::ops::RangeInclusive<u32>) -> String {
    days.map(|day| format!("2024-01-{day:02},{day}\n")).collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pump-1.csv");
    (folder, path)
}

#[tokio::test]
async fn a_file_is_waited_for_and_followed_as_it_grows() {
    let (_folder, path) = folder();
    let mut running = Running::start(&path, None);
    write(&path, "timestamp,a\n");
    write(&path, &rows(1..=2));
    let (arrivals, _) = running.judge.take_messages(2).await;
    let device = |arrival: &Arrival| arrival.series.to_string();
    assert_eq!(
        arrivals.iter().map(device).collect::<Vec<_>>(),
        ["pump-1", "pump-1"]
    );
    // A row is read once its line has ended, not before.
    write(&path, "2024-01-03,");
    write(&path, "3\n2024-01-04,4");
    assert_eq!(running.values(1).await, [3.0]);
    write(&path, "0\n");
    assert_eq!(running.values(1).await, [40.0]);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_was_acknowledged() {
    let (_folder, path) = folder();
    write(&path, "timestamp,a\n");
    write(&path, &rows(1..=3));
    let mut running = Running::start(&path, None);
    assert_eq!(running.values(3).await, [1.0, 2.0, 3.0]);
    write(&path, &rows(4..=5));
    // Taken, and never acknowledged.
    let batch = running.judge.take().await.unwrap();
    assert_eq!(batch.arrivals[0].values, [4.0]);
    let position = running.stop().await;
    write(&path, "noon,0\n");
    let mut running = Running::start(&path, position);
    let (arrivals, quarantined) = running.judge.take_messages(3).await;
    assert_eq!(
        arrivals
            .iter()
            .map(|arrival| arrival.values[0])
            .collect::<Vec<_>>(),
        [4.0, 5.0]
    );
    assert!(
        quarantined[0].starts_with("bad-time") && quarantined[0].contains("line 7"),
        "{quarantined:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn lines_of_json_are_followed_and_gone_on_with() {
    let (_folder, path) = folder();
    write(
        &path,
        "{\"ts\":1,\"device\":\"p\",\"a\":1}\n\n{\"ts\":2,\"a\":2}\nnonsense\n",
    );
    let mut running = Running::start(&path, None);
    let (arrivals, quarantined) = running.judge.take_messages(3).await;
    assert_eq!([&*arrivals[0].series, &*arrivals[1].series], ["p", "pump-1"]);
    assert!(quarantined[0].starts_with("not-json: line 4:"), "{quarantined:?}");
    let position = running.stop().await;
    write(&path, "{\"ts\":3,\"a\":3}\n");
    let mut running = Running::start(&path, position);
    assert_eq!(running.values(1).await, [3.0]);
    running.stop().await;
}

#[tokio::test]
async fn a_renamed_file_is_read_to_its_end_before_the_next() {
    let (folder, path) = folder();
    write(&path, "timestamp,a\n");
    write(&path, &rows(1..=2));
    let mut running = Running::start(&path, None);
    assert_eq!(running.values(2).await, [1.0, 2.0]);
    let old = folder.path().join("pump-1.csv.1");
    std::fs::rename(&path, &old).unwrap();
    write(&path, "timestamp,a\n");
    write(&path, &rows(5..=5));
    write(&old, &rows(3..=3));
    write(&old, "2024-01-04,4");
    assert_eq!(running.values(3).await, [3.0, 4.0, 5.0]);
    running.stop().await;
}

#[tokio::test]
async fn a_file_renamed_while_nobody_read_is_found_again() {
    let (folder, path) = folder();
    write(&path, "timestamp,a\n");
    write(&path, &rows(1..=2));
    let mut running = Running::start(&path, None);
    assert_eq!(running.values(2).await, [1.0, 2.0]);
    let position = running.stop().await;
    write(&path, &rows(3..=3));
    std::fs::rename(&path, folder.path().join("pump-1.csv.1")).unwrap();
    write(&path, "timestamp,a\n");
    write(&path, &rows(4..=4));
    let mut running = Running::start(&path, position);
    assert_eq!(running.values(2).await, [3.0, 4.0]);
    running.stop().await;
}

#[tokio::test]
async fn a_cut_file_and_one_put_in_its_place_are_read_from_their_start() {
    let (_folder, path) = folder();
    write(&path, "timestamp,a\n");
    write(&path, &rows(1..=9));
    let mut running = Running::start(&path, None);
    assert_eq!(running.values(9).await.len(), 9);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    // What is written before the cut is seen could be taken for growth.
    write(&path, "timestamp,a\n");
    write(&path, &rows(11..=11));
    assert_eq!(running.values(1).await, [11.0]);
    let position = running.stop().await;
    std::fs::remove_file(&path).unwrap();
    write(&path, "timestamp,b\n");
    write(&path, &rows(21..=29));
    let mut running = Running::start(&path, position);
    assert_eq!(running.values(9).await[..2], [21.0, 22.0]);
    running.stop().await;
}

#[tokio::test]
async fn batches_are_bounded_and_all_of_a_large_file_comes() {
    let (_folder, path) = folder();
    let mut text = "timestamp,a\n".to_owned();
    for nth in 0..50_000 {
        text.push_str(&format!("{},{nth}\n", 1_700_000_000 + nth));
    }
    write(&path, &text);
    let mut running = Running::start(&path, None);
    let mut n_arrivals = 0;
    while n_arrivals < 50_000 {
        let batch = running.judge.take().await.unwrap();
        assert!((1..=BATCH_LEN_MAX).contains(&batch.arrivals.len()));
        for arrival in &batch.arrivals {
            assert_eq!(arrival.values, [f64::from(n_arrivals)]);
            n_arrivals += 1;
        }
        running.judge.acknowledge(batch);
    }
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_followed_ends_the_source_with_what_to_do() {
    let check = async |text: &[u8], expect: &str| {
        let (_folder, path) = folder();
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(text)
            .unwrap();
        let running = Running::start(&path, None);
        let error = tokio::time::timeout(LONG, running.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(b"\x1f\x8b\x08\x00abc", "cut short or damaged").await;
    check(b"PAR1....", "damaged or cut short").await;
    check(b"PK\x03\x04....", "unpack it in front").await;
    check(b"1,2\n3,4\n", "not names").await;
}
