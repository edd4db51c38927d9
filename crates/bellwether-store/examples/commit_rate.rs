//! How many samples a second a database takes, durably: `cargo run --release --example commit_rate -- sqlite:FILE`.
//!
//! Each commit holds 2 000 samples of 8 channels of 1 000 devices, the arrivals of the same size, and states of 200
//! devices of 4 KiB.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Checkpoint, Commit, Database, JudgedBlock};

const SAMPLES: usize = 2_000;
const CHANNELS: usize = 8;
const COMMITS: usize = 200;

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures and tells"
)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .ok_or("say which database: sqlite:FILE or postgres://…")?;
    let database = Database::open(&url, "default").await?;
    let mut writer = database.take_over().await?;
    let mut took = Vec::with_capacity(COMMITS);
    let start = std::time::Instant::now();
    for n in 0..COMMITS {
        let commit = commit(n, writer.seq());
        let begin = std::time::Instant::now();
        writer.commit(&commit).await?;
        took.push(begin.elapsed());
    }
    let rate = (COMMITS * SAMPLES) as f64 / start.elapsed().as_secs_f64();
    took.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (middle, late) = (ms(took[COMMITS / 2]), ms(took[COMMITS * 99 / 100]));
    println!("{rate:.0} samples/s durable; a commit takes {middle:.1} ms, 99 of 100 at most {late:.1} ms");
    Ok(())
}

/// Commit number `n`; the one before has number `seq` in the database.
fn commit(n: usize, seq: i64) -> Commit {
    let device = |idx: usize| -> Arc<str> { format!("pump-{:04}", idx % 1000).into() };
    let mut commit = Commit::at(Timestamp::from_secs(n as i64));
    commit.arrivals = vec![7; SAMPLES * (CHANNELS * 8 + 12)];
    commit.journal_from = Some(seq - 5);
    let states = (0..200).map(|idx| Checkpoint {
        is_waiting: false,
        series: device(n * 200 + idx),
        state: vec![7; 4096],
    });
    commit.checkpoints = states.collect();
    commit.judged = vec![JudgedBlock {
        model: "pump@1".to_owned(),
        channels: (0..CHANNELS).map(|idx| format!("channel {idx}")).collect(),
        series: (0..SAMPLES).map(device).collect(),
        time: (0..SAMPLES)
            .map(|idx| Timestamp::from_secs((n * 2 + idx / 1000) as i64))
            .collect(),
        values: (0..SAMPLES * CHANNELS).map(|idx| idx as f64).collect(),
        score: vec![0.25; SAMPLES],
        event: vec![None; SAMPLES],
        top: vec![Some((1, 0.5)); SAMPLES],
    }];
    commit
}
