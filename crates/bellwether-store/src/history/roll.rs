//! Old blocks of judged samples become files.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;

use super::layout::{BUCKETS, bucket_folder, bucket_of, commits_of, file_name};
use super::{HistoryError, file, on_disk};
use crate::database::{Database, JudgedBlock, ListedFile, Unrolled};
use crate::disk::{self, DiskError};

/// Which blocks roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollSpec {
    /// Those judged before this time, by the clock of the machine.
    pub before: Timestamp,
    /// And the oldest of a model version, as long as it has more rows than this in the database.
    pub rows_kept_max: usize,
    /// Rows in memory at once; about as many become the files of one step.
    pub rows_at_once: usize,
}

/// What was rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rolled {
    /// Samples that are in files now.
    pub n_rows: usize,
    /// Files that were written.
    pub n_files: usize,
}

/// Moves blocks of judged samples into files below `folder`. Broken off anywhere, it loses nothing and doubles
/// nothing, and the next one cleans up.
///
/// # Errors
/// [`HistoryError::Busy`] where another roll goes on; where the database or the disk fails.
pub async fn roll(database: &Database, folder: &Path, spec: &RollSpec) -> Result<Rolled, HistoryError> {
    let unrolled = database.unrolled().await?;
    let groups = due(&unrolled, spec);
    if groups.is_empty() {
        return Ok(Rolled::default());
    }
    let lock_folder = folder.to_owned();
    let _lock = on_disk(move || lock(&lock_folder)).await?;
    sweep(database, folder, &unrolled).await?;
    let mut rolled = Rolled::default();
    for group in groups {
        let blocks = database.blocks(&group.model, group.first, group.last).await?;
        if blocks.len() != group.n_blocks {
            // Somebody else rolled some of them between the list and the lock.
            continue;
        }
        let (target, own) = (folder.to_owned(), group.clone());
        let files = on_disk(move || write_files(&target, &own, &blocks)).await?;
        let commits = (group.first, group.last);
        if database
            .replace_by_files(&group.model, commits, group.n_blocks, &files)
            .await?
        {
            rolled.n_rows += files.iter().map(|file| file.n_rows).sum::<usize>();
            rolled.n_files += files.len();
        }
    }
    Ok(rolled)
}

/// Blocks of one model version that become files together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) model: String,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) n_blocks: usize,
    n_rows: usize,
}

/// The groups that are due, oldest first within a model version. `unrolled` is in the order of model and commit.
pub(super) fn due(unrolled: &[Unrolled], spec: &RollSpec) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for blocks in unrolled.chunk_by(|a, b| a.model == b.model) {
        let mut n_left: usize = blocks.iter().map(|block| block.n_rows).sum();
        let mut n_due = 0;
        for (idx, block) in blocks.iter().enumerate() {
            if block.made_at < spec.before || n_left > spec.rows_kept_max {
                n_due = idx + 1;
            }
            n_left -= block.n_rows;
        }
        let mut open: Option<Group> = None;
        for block in &blocks[..n_due] {
            match &mut open {
                Some(group) if group.n_rows + block.n_rows <= spec.rows_at_once => {
                    group.last = block.seq;
                    group.n_blocks += 1;
                    group.n_rows += block.n_rows;
                }
                _ => groups.extend(open.replace(Group {
                    model: block.model.clone(),
                    first: block.seq,
                    last: block.seq,
                    n_blocks: 1,
                    n_rows: block.n_rows,
                })),
            }
        }
        groups.extend(open);
    }
    groups
}

/// Writes the files of a group; nothing lists them yet.
pub(super) fn write_files(
    folder: &Path,
    group: &Group,
    blocks: &[JudgedBlock],
) -> Result<Vec<ListedFile>, HistoryError> {
    let whole = joined(blocks);
    let mut buckets = vec![Vec::new(); usize::from(BUCKETS)];
    for (row, series) in whole.series.iter().enumerate() {
        buckets[usize::from(bucket_of(series))].push(row);
    }
    let mut files = Vec::new();
    for (bucket, mut rows) in (0..BUCKETS).zip(buckets) {
        let Some(&row) = rows.first() else { continue };
        rows.sort_by(|&a, &b| (&whole.series[a], whole.time[a]).cmp(&(&whole.series[b], whole.time[b])));
        let below = bucket_folder(&group.model, bucket)?;
        make_folders(folder, &below)?;
        let path = below.join(file_name(group.first, group.last));
        file::write(&folder.join(&path), &whole, &rows)?;
        let times = || rows.iter().map(|&row| whole.time[row]);
        files.push(ListedFile {
            path,
            model: group.model.clone(),
            bucket,
            first_time: times().min().unwrap_or(whole.time[row]),
            last_time: times().max().unwrap_or(whole.time[row]),
            n_rows: rows.len(),
        });
    }
    Ok(files)
}

/// All rows of the blocks, with every channel that one of them has; a channel that a block does not have is missing
/// there.
fn joined(blocks: &[JudgedBlock]) -> JudgedBlock {
    let mut whole = JudgedBlock::default();
    for block in blocks {
        for channel in &block.channels {
            if !whole.channels.contains(channel) {
                whole.channels.push(channel.clone());
            }
        }
    }
    for block in blocks {
        let place = |channel: &String| whole.channels.iter().position(|name| name == channel);
        // For each channel of the block, its place in the whole.
        let places: Vec<usize> = block.channels.iter().filter_map(place).collect();
        let n_channels = block.channels.len();
        for row in 0..block.time.len() {
            let start = whole.values.len();
            whole.values.resize(start + whole.channels.len(), f64::NAN);
            for (&place, &value) in places.iter().zip(&block.values[row * n_channels..]) {
                whole.values[start + place] = value;
            }
        }
        let top = block
            .top
            .iter()
            .map(|top| top.map(|(channel, share)| (places[channel as usize] as u32, share)));
        whole.top.extend(top);
        whole.series.extend(block.series.iter().cloned());
        whole.time.extend(&block.time);
        whole.score.extend(&block.score);
        whole.event.extend(&block.event);
    }
    whole
}

/// Makes the folders between `folder` and the file, so that their names outlast a crash.
fn make_folders(folder: &Path, below: &Path) -> Result<(), DiskError> {
    let mut inner = folder.to_owned();
    for part in below {
        let outer = inner.clone();
        inner.push(part);
        if !inner.is_dir() {
            disk::create_folder(&inner)?;
            disk::sync_folder(&outer)?;
        }
    }
    Ok(())
}

/// Removes what a roll that was broken off has left: files that are not listed although they hold blocks which are
/// still in the database, and files that were never complete. Anything else in the folder is left alone.
async fn sweep(database: &Database, folder: &Path, unrolled: &[Unrolled]) -> Result<(), HistoryError> {
    for blocks in unrolled.chunk_by(|a, b| a.model == b.model) {
        let (oldest, model) = (blocks[0].seq, &blocks[0].model);
        for bucket in 0..BUCKETS {
            let below = bucket_folder(model, bucket)?;
            let within = folder.join(&below);
            let names = on_disk(move || Ok(names(&within)?)).await?;
            for name in names {
                let path = below.join(&name);
                let is_torn = name.starts_with(".bellwether-") && name.ends_with(".part");
                let is_doubled = commits_of(&name).is_some_and(|(_, last)| last >= oldest);
                if is_torn || (is_doubled && !database.is_listed(&path).await?) {
                    let path = folder.join(path);
                    on_disk(move || Ok(fs::remove_file(&path).map_err(DiskError::at("remove", &path))?))
                        .await?;
                }
            }
        }
    }
    Ok(())
}

/// The names in a folder; none where it is not there.
fn names(folder: &Path) -> Result<Vec<String>, DiskError> {
    let at = || DiskError::at("list", folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // Our own names are text; others do not matter.
        names.extend(entry.map_err(at())?.file_name().into_string().ok());
    }
    Ok(names)
}

/// The right to write files here, given up when dropped.
fn lock(folder: &Path) -> Result<File, HistoryError> {
    disk::create_folder(folder)?;
    let path: PathBuf = folder.join(".lock");
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(DiskError::at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HistoryError::Busy {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(DiskError::at("lock", &path)(source).into()),
    }
}
