//! Series replayed into the live system in chunks, out of order within the lateness, with repetitions, and with a
//! restart in the middle; what it kept is compared with `detect`, bit for bit.
#![allow(dead_code, reason = "each test program uses a part of it")]

mod live;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Database, EventFilter, EventWithAlert};
use bellwether_store::read::time_format::parse_time;
use bellwether_testkit::mosquitto::Mosquitto;
use bellwether_testkit::peer::{free_port, program, wait_until};

use crate::shared::{bellwether, bellwether_fed};
pub(crate) use live::{Live, client};

/// A way for samples into the live system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Pipe,
    Http,
    Rest,
    Mqtt,
    File,
}

/// Scores of each device by time: those of a row without a score are `None`.
type Scores = BTreeMap<(String, Timestamp), Option<u64>>;

/// Events: device, id, start, end, bits of the peak score, samples.
type Events = Vec<(String, String, Timestamp, Timestamp, u64, u64)>;

/// Series, and what batch says of them.
pub(crate) struct Truth {
    channels: Vec<String>,
    /// Device, time as written, time, cells as written: in the order in which they would be sent.
    samples: Vec<(String, String, Timestamp, Vec<String>)>,
    /// The longest time that a sample lies behind the third after it.
    lateness_secs: u64,
    scores: Scores,
    events: Events,
}

/// What the live system kept.
pub(crate) struct Kept {
    scores: Scores,
    events: Events,
}

/// Trains `name` on the first rows of the first file and has `detect` judge the others' first `n_rows`.
pub(crate) fn prepare(
    folder: &Path,
    name: &str,
    files: &[PathBuf],
    train_rows: usize,
    n_rows: usize,
) -> Truth {
    let train = format!(
        "train {} --name {name} --rows {train_rows} --epochs 2 --registry models",
        files[0].display()
    );
    bellwether(folder, &train).ends(0);
    let mut channels = Vec::new();
    let mut samples = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let device = file.file_stem().unwrap().to_string_lossy().into_owned();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        channels = header[1..]
            .iter()
            .filter(|name| **name != "is_anomaly")
            .map(|name| (*name).to_owned())
            .collect();
        let mut last = None;
        for line in lines.take(n_rows) {
            let cells: Vec<&str> = line.split(',').collect();
            let time = parse_time(cells[0]).unwrap();
            // A repeated instant is one sample, and the first counts; here it would be told as a duplicate.
            if last.replace(time) != Some(time) {
                let values: Vec<String> = cells[1..=channels.len()]
                    .iter()
                    .map(|cell| (*cell).to_owned())
                    .collect();
                samples.push((device.clone(), cells[0].to_owned(), time, values));
            }
        }
    }
    let longest = |(one, other): (&_, &_)| {
        let ((device, _, from, _), (other_device, _, to, _)): (
            &(String, _, Timestamp, _),
            &(String, _, Timestamp, _),
        ) = (one, other);
        if device == other_device {
            to.since(*from).as_secs() + 1
        } else {
            0
        }
    };
    let lateness_secs = samples
        .iter()
        .zip(samples.iter().skip(3))
        .map(longest)
        .max()
        .unwrap();
    // Devices send in turn.
    samples.sort_by_key(|(_, _, time, _)| *time);
    let mut table = format!("timestamp,device,{}\n", channels.join(","));
    for (device, time, _, cells) in &samples {
        table.push_str(&format!("{time},{device},{}\n", cells.join(",")));
    }
    let file = folder.join(format!("{name}.csv"));
    fs::write(&file, table).unwrap();
    let detect =
        format!("detect {name}.csv --model {name} --registry models -o rows.csv --events events.csv");
    bellwether(folder, &detect).ends(0);
    let rows = fs::read_to_string(folder.join("rows.csv")).unwrap();
    let with_series = rows.starts_with("timestamp,series,");
    let scores = rows.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let device = if with_series { cells[1] } else { &samples[0].0 };
        let score = cells[1 + usize::from(with_series)];
        let bits = (!score.is_empty()).then(|| score.parse::<f64>().unwrap().to_bits());
        ((device.to_owned(), parse_time(cells[0]).unwrap()), bits)
    });
    let scores: Scores = scores.collect();
    let events = fs::read_to_string(folder.join("events.csv")).unwrap();
    let mut events: Events = events
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let time = |idx: usize| parse_time(cells[idx]).unwrap();
            let peak = cells[5].parse::<f64>().unwrap().to_bits();
            (
                cells[1].to_owned(),
                cells[0].to_owned(),
                time(2),
                time(3),
                peak,
                cells[6].parse().unwrap(),
            )
        })
        .collect();
    events.sort();
    assert!(!events.is_empty(), "{name}: a comparison needs events");
    Truth {
        channels,
        samples,
        lateness_secs,
        scores,
        events,
    }
}

/// How the live system is run.
pub(crate) struct Stream<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) registry: &'a Path,
    pub(crate) model: &'a str,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
}

impl Stream<'_> {
    /// Replays the series that way; `None` where a program that it takes is not installed.
    pub(crate) fn run(&self, test: &str, way: Way, truth: &Truth) -> Option<Kept> {
        let chunks = self.chunks(truth);
        match way {
            Way::Pipe => self.by_pipe(&chunks, truth),
            Way::Http | Way::Rest => self.by_http(way, &chunks, truth),
            Way::Mqtt => self.by_mqtt(test, &chunks, truth)?,
            Way::File => self.by_file(&chunks, truth),
        }
        // Nothing more comes: what was held back is judged.
        bellwether_fed(self.folder, &self.command(truth, "--from -"), b"").ends(0);
        Some(self.kept())
    }

    /// Positions of samples in chunks of any size; within a chunk each moves by at most three places, and some come
    /// twice, in this chunk or again in the next.
    fn chunks(&self, truth: &Truth) -> Vec<Vec<usize>> {
        let mut noise = Noise(self.seed);
        let mut chunks = Vec::new();
        let mut at = 0;
        while at < truth.samples.len() {
            let len = 1 + noise.below(400);
            let mut keyed: Vec<(usize, usize)> = (at..truth.samples.len().min(at + len))
                .map(|idx| (idx + noise.below(4), idx))
                .collect();
            keyed.sort_unstable();
            let mut chunk: Vec<usize> = chunks
                .last()
                .map(|last: &Vec<usize>| last[last.len() / 2])
                .into_iter()
                .collect();
            for (_, idx) in keyed {
                chunk.push(idx);
                if noise.below(10) == 0 {
                    chunk.push(chunk[noise.below(chunk.len())]);
                }
            }
            chunks.push(chunk);
            at += len;
        }
        chunks
    }

    fn command(&self, truth: &Truth, from: &str) -> String {
        format!(
            "stream {from} --model {} --registry {} --threads {} --lateness {}s --database sqlite:live.db --history history \
             --log-level warn",
            self.model,
            self.registry.display(),
            self.threads,
            truth.lateness_secs,
        )
    }

    fn by_pipe(&self, chunks: &[Vec<usize>], truth: &Truth) {
        // The end of a pipe flushes what waits, so the second run begins with a chunk of its own.
        let (before, after) = chunks.split_at(chunks.len() / 2);
        for part in [before, after] {
            let mut table = format!("timestamp,device,{}\n", truth.channels.join(","));
            for &idx in part.iter().flatten() {
                let (device, time, _, cells) = &truth.samples[idx];
                table.push_str(&format!("{time},{device},{}\n", cells.join(",")));
            }
            bellwether_fed(self.folder, &self.command(truth, "--from -"), table.as_bytes()).ends(0);
        }
    }

    fn by_http(&self, way: Way, chunks: &[Vec<usize>], truth: &Truth) {
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
        let command = match way {
            Way::Rest => {
                let stream = self.command(truth, &format!("--auth none --listen 127.0.0.1:{port}"));
                stream.replacen("stream", "serve", 1)
            }
            _ => self.command(truth, &format!("--from {address}")),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = client();
        let mut live = Live::start(self.folder, &command, &address);
        for (number, chunk) in chunks.iter().enumerate() {
            if number == chunks.len() / 2 {
                live.kill();
                live = Live::start(self.folder, &command, &address);
            }
            let body = truth.json_lines(chunk);
            // A connection from before the kill is found dead; whoever sends tries again under the same key.
            wait_until("the chunk is taken", || {
                let sent = client
                    .post(format!("{address}/api/v1/data/batch"))
                    .header("content-type", "application/x-ndjson")
                    .header("idempotency-key", format!("chunk-{number}"))
                    .body(body.clone());
                runtime.block_on(async { sent.send().await.is_ok_and(|answer| answer.status() == 200) })
            });
        }
        live.kill();
    }

    fn by_mqtt(&self, test: &str, chunks: &[Vec<usize>], truth: &Truth) -> Option<()> {
        let publish = program(test, "mosquitto_pub")?;
        let broker = Mosquitto::start(test)?;
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
        // The second source is there to ask whether the first can be judged.
        let from = format!(
            "--from {}/plant/data?client_id=parity --from {address}",
            broker.url()
        );
        let command = self.command(truth, &from);
        let send = |chunks: &[Vec<usize>]| {
            let mut child = Command::new(&publish)
                .args([
                    "-p",
                    &broker.port().to_string(),
                    "-t",
                    "plant/data",
                    "-q",
                    "1",
                    "-l",
                ])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            for chunk in chunks {
                stdin.write_all(truth.json_lines(chunk).as_bytes()).unwrap();
            }
            drop(stdin);
            assert!(child.wait().unwrap().success());
        };
        let live = Live::start(self.folder, &command, &address);
        let (before, after) = chunks.split_at(chunks.len() / 2);
        // Until the subscription stands nothing would be kept for it.
        wait_until("the subscription", || broker.log().contains("plant/data"));
        send(before);
        live.kill();
        send(after);
        let live = Live::start(self.folder, &command, &address);
        let n_judged = truth.samples.len() - truth.n_held_back();
        wait_until("all samples are judged that can be", || {
            self.kept().scores.len() >= n_judged
        });
        live.kill();
        Some(())
    }

    fn by_file(&self, chunks: &[Vec<usize>], truth: &Truth) {
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
        let path = self.folder.join("growing.jsonl");
        let command = self.command(truth, &format!("--from growing.jsonl --from {address}"));
        let (before, after) = chunks.split_at(chunks.len() / 2);
        let mut file = fs::File::create(&path).unwrap();
        let live = Live::start(self.folder, &command, &address);
        for chunk in before {
            file.write_all(truth.json_lines(chunk).as_bytes()).unwrap();
        }
        live.kill();
        let live = Live::start(self.folder, &command, &address);
        for chunk in after {
            file.write_all(truth.json_lines(chunk).as_bytes()).unwrap();
        }
        let n_judged = truth.samples.len() - truth.n_held_back();
        wait_until("all samples are judged that can be", || {
            self.kept().scores.len() >= n_judged
        });
        live.kill();
    }

    /// What stands in the database.
    fn kept(&self) -> Kept {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = self.folder.join("live.db").display().to_string();
        runtime.block_on(async {
            let db = Database::open(&url, "default").await.unwrap();
            let (from, to) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
            let mut scores = Scores::new();
            for block in db.judged(from, to).await.unwrap() {
                for ((series, time), score) in block.series.iter().zip(&block.time).zip(&block.score) {
                    let bits = (!score.is_nan()).then(|| score.to_bits());
                    let twice = scores.insert((series.to_string(), *time), bits);
                    assert!(twice.is_none(), "{series} at {time} is judged twice");
                }
            }
            let events = db.events(&EventFilter::default(), 10_000).await.unwrap();
            let mut events: Events = events
                .iter()
                .map(|EventWithAlert { event, .. }| {
                    let peak = event.peak_score.to_bits();
                    (
                        event.series.to_string(),
                        event.id.to_string(),
                        event.start,
                        event.end,
                        peak,
                        event.n_samples,
                    )
                })
                .collect();
            events.sort();
            db.close().await;
            Kept { scores, events }
        })
    }
}

impl Truth {
    /// The samples of each device as a table, and the scores that batch gives them.
    pub(crate) fn tables(&self) -> Vec<(String, String, Vec<Option<u64>>)> {
        let mut tables: BTreeMap<&str, (String, Vec<Option<u64>>)> = BTreeMap::new();
        for (device, time, at, cells) in &self.samples {
            let (table, scores) = tables.entry(device).or_insert_with(|| {
                let header = format!("timestamp,{}\n", self.channels.join(","));
                (header, Vec::new())
            });
            table.push_str(&format!("{time},{}\n", cells.join(",")));
            scores.push(self.scores[&(device.clone(), *at)]);
        }
        let owned = |(device, (table, scores)): (&str, (String, Vec<Option<u64>>))| {
            (device.to_owned(), table, scores)
        };
        tables.into_iter().map(owned).collect()
    }

    /// Samples that lateness holds back as long as nothing more comes.
    fn n_held_back(&self) -> usize {
        let mut newest: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (device, _, time, _) in &self.samples {
            let newest = newest.entry(device).or_insert(*time);
            *newest = (*newest).max(*time);
        }
        let is_held = |(device, _, time, _): &&(String, String, Timestamp, Vec<String>)| {
            newest[device.as_str()].since(*time).as_secs() < self.lateness_secs
        };
        self.samples.iter().filter(is_held).count()
    }

    fn json_lines(&self, chunk: &[usize]) -> String {
        let mut lines = String::new();
        for &idx in chunk {
            let (device, time, _, cells) = &self.samples[idx];
            let value = |cell: &String| {
                if cell.is_empty() {
                    "null".to_owned()
                } else {
                    cell.clone()
                }
            };
            let values: Vec<String> = self
                .channels
                .iter()
                .zip(cells)
                .map(|(channel, cell)| format!("\"{channel}\":{}", value(cell)))
                .collect();
            lines.push_str(&format!(
                "{{\"timestamp\":\"{time}\",\"device\":\"{device}\",\"values\":{{{}}}}}\n",
                values.join(",")
            ));
        }
        lines
    }
}

/// Asserts that what was kept is what batch says.
pub(crate) fn assert_parity(truth: &Truth, kept: &Kept, what: &str) {
    assert_eq!(kept.scores.len(), truth.scores.len(), "{what}: samples");
    for (sample, score) in &truth.scores {
        assert_eq!(kept.scores.get(sample), Some(score), "{what}: {sample:?}");
    }
    assert_eq!(kept.events, truth.events, "{what}: events");
}

/// A small stream of numbers that look like chance.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}
