//! What keeps the board up to date.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bellwether_store::database::{Database, DatabaseError, EventFilter};
use bellwether_store::history;
use bellwether_stream::clock;
use bellwether_stream::live::Committed;
use bellwether_stream::source::Stop;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::{Board, Changed};

/// How often those who watch are told, and silent devices are looked for.
const BEAT: Duration = Duration::from_secs(1);

/// Rows asked of the database at once.
const PAGE_LEN: usize = 1000;

/// Blocks asked of the database at once.
const BLOCKS_LEN: u32 = 16;

/// Samples read at a start at most: more say little more about how devices are now.
const FILL_ROWS_MAX: usize = 1_000_000;

/// Follows commits until `stop` is told or nobody commits any more.
pub(super) async fn follow(
    board: Arc<Board>,
    database: Database,
    mut commits: broadcast::Receiver<Arc<Committed>>,
    mut stop: Stop,
) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = board.read(|inner| inner.version);
    let (mut is_behind, mut is_new) = (false, true);
    loop {
        tokio::select! {
            () = stop.told() => return,
            commit = commits.recv() => match commit {
                Ok(commit) => {
                    board.committed(&commit, clock::now());
                    is_new = true;
                }
                Err(RecvError::Lagged(n)) => {
                    tracing::warn!(n, "commits came faster than the board could follow: it is read again");
                    is_behind = true;
                }
                Err(RecvError::Closed) => return,
            },
            _ = beat.tick() => {
                let looked = if is_behind {
                    fill(&board, &database).await.map(|()| is_behind = false)
                } else if is_new {
                    silent(&board, &database).await
                } else {
                    Ok(())
                };
                match looked {
                    Ok(()) => is_new = false,
                    Err(error) => {
                        tracing::warn!(error = %bellwether_stream::chain(&error), "the board cannot be brought up to date");
                    }
                }
                told = tell(&board, told);
            }
        }
    }
}

/// Tells those who watch what has changed since that version; the version now.
fn tell(board: &Board, told: u64) -> u64 {
    let (changed, version) = board.changed_since(told);
    if !changed.is_empty() {
        // Nobody has to watch.
        let _ = board.changes.send(Arc::new(Changed {
            entries: changed,
            written: OnceLock::new(),
        }));
    }
    version
}

/// Brings the board to what the database holds: devices, their newest samples, open events, who is silent.
pub(super) async fn fill(board: &Board, database: &Database) -> Result<(), DatabaseError> {
    let mut after: Option<Arc<str>> = None;
    loop {
        let page = database.checkpointed(false, after.as_deref(), PAGE_LEN).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(Arc::clone(last));
        for (name, _) in &page {
            if board.get(name).is_none() {
                board.write(|inner| inner.change(name, |_| {}));
            }
        }
    }
    newest_samples(board, database).await?;
    open_events(board, database).await?;
    silent(board, database).await
}

async fn newest_samples(board: &Board, database: &Database) -> Result<(), DatabaseError> {
    let known = board.read(|inner| inner.seq);
    let mut before: Option<(i64, String)> = None;
    let mut n_rows = 0;
    while n_rows < FILL_ROWS_MAX {
        let at = before.as_ref().map(|(seq, model)| (*seq, model.as_str()));
        let blocks = database.recent_blocks(known, at, BLOCKS_LEN).await?;
        let Some(last) = blocks.last() else { break };
        before = Some((last.seq, last.block.model.clone()));
        for recent in &blocks {
            n_rows += recent.block.time.len();
            board.judged(&recent.block, recent.made_at);
            board.write(|inner| inner.seq = inner.seq.max(recent.seq));
        }
        // The blocks are large, and others want to run.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Looks into the files of the history for devices that have been quiet for so long that all of theirs is there.
pub(super) async fn remember(board: Arc<Board>, database: Database, folder: PathBuf, mut stop: Stop) {
    for entry in board.all() {
        if entry.last_time.is_some() {
            continue;
        }
        let looked = tokio::select! {
            () = stop.told() => return,
            looked = history::last_row(&database, &folder, &entry.name) => looked,
        };
        match looked {
            Ok(Some(row)) => board.write(|inner| {
                inner.change(&entry.name, |entry| {
                    entry.remembered(&row.model, row.time, row.score)
                });
            }),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %bellwether_stream::chain(&error), "the history of quiet devices cannot be read: they show no last sample");
                return;
            }
        }
    }
}

async fn open_events(board: &Board, database: &Database) -> Result<(), DatabaseError> {
    let mut filter = EventFilter {
        is_open: Some(true),
        ..EventFilter::default()
    };
    let mut open = HashSet::new();
    loop {
        let page = database.events(&filter, PAGE_LEN).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.event.cursor());
        for found in &page {
            let event = &found.event;
            board.event(&event.series, event.id, &event.model, true);
            open.insert((event.id, Arc::<str>::from(event.model.as_str())));
        }
    }
    let over = board.all();
    let over = over.iter().filter_map(|entry| {
        let event = entry.open.as_ref().filter(|event| !open.contains(*event))?;
        Some((&entry.name, event))
    });
    for (name, (id, model)) in over {
        board.event(name, *id, model, false);
    }
    Ok(())
}

/// Who is silent, as open alerts say.
async fn silent(board: &Board, database: &Database) -> Result<(), DatabaseError> {
    let silent: HashSet<Arc<str>> = database.silent().await?.into_iter().collect();
    for name in &silent {
        if board.get(name).is_none_or(|entry| !entry.is_silent) {
            board.write(|inner| inner.change(name, |entry| entry.is_silent = true));
        }
    }
    for entry in board.all() {
        if entry.is_silent && !silent.contains(&entry.name) {
            board.write(|inner| inner.change(&entry.name, |entry| entry.is_silent = false));
        }
    }
    Ok(())
}
