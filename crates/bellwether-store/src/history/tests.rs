//! Rolls, broken off and not, and what is read back.

use std::path::{Path, PathBuf};

use bellwether_core::time::Timestamp;
use bellwether_testkit::postgres::Postgres;

use super::roll::{due, write_files};
use super::{HistoryError, RollSpec, Rolled, Row, read, roll};
use crate::database::tests::block;
use crate::database::{Commit, Database, DatabaseError, Unrolled};

const ALL: (Timestamp, Timestamp) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));

fn everything() -> RollSpec {
    RollSpec {
        before: ALL.1,
        rows_kept_max: 0,
        rows_at_once: 70,
    }
}

/// A database with `n` commits of 30 samples of five pumps each, and some of another model.
async fn filled(url: &str, n: i64) -> Database {
    let database = Database::open(url, "default").await.unwrap();
    let mut writer = database.take_over().await.unwrap();
    for idx in 0..n {
        let mut commit = Commit::at(Timestamp::from_secs(idx));
        // Later commits hold earlier times, too: devices may be late.
        commit.judged = vec![block("pump@3", 30, 100 * (idx ^ 1)), block("fan@1", 1, idx)];
        writer.commit(&commit).await.unwrap();
    }
    database
}

/// Everything there is of a device, NaN comparable.
async fn told(database: &Database, folder: &Path) -> String {
    let mut text = String::new();
    for device in ["pump-0", "pump-3", "nobody"] {
        let rows = read(database, folder, device, ALL, 1000).await.unwrap();
        assert!(rows.is_sorted_by_key(|row: &Row| row.time));
        text += &format!("{device} {rows:?}\n");
    }
    text
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != ".lock") {
            found.push(path);
        }
    }
    found.sort();
    found
}

async fn rolled_samples_read_like_unrolled_ones(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("history");
    let database = filled(url, 6).await;
    let before = told(&database, &folder).await;
    let some = RollSpec {
        before: Timestamp::from_secs(2),
        rows_kept_max: 95,
        ..everything()
    };
    // Three of six blocks of the pumps are too many, and two of the fan are too old.
    let rolled = roll(&database, &folder, &some).await.unwrap();
    assert_eq!(rolled.n_rows, 3 * 30 + 2);
    assert_eq!(files(&folder).len(), rolled.n_files);
    assert_eq!(told(&database, &folder).await, before);
    let rolled = roll(&database, &folder, &everything()).await.unwrap();
    assert_eq!(rolled.n_rows, 3 * 30 + 4);
    assert_eq!(told(&database, &folder).await, before);
    assert_eq!(database.counts().await.unwrap().judged_blocks, 0);
    assert_eq!(
        roll(&database, &folder, &everything()).await.unwrap(),
        Rolled::default()
    );

    let part = (Timestamp::from_secs(101), Timestamp::from_secs(103));
    let rows = read(&database, &folder, "pump-3", part, 1000).await.unwrap();
    let secs: Vec<i64> = rows
        .iter()
        .map(|row| row.time.as_nanos() / 1_000_000_000)
        .collect();
    assert_eq!(secs, [101, 102]);
    assert_eq!(read(&database, &folder, "pump-3", ALL, 7).await.unwrap().len(), 7);
}

#[tokio::test]
async fn rolled_samples_read_like_unrolled_ones_in_sqlite() {
    rolled_samples_read_like_unrolled_ones("sqlite::memory:").await;
}

#[tokio::test]
async fn rolled_samples_read_like_unrolled_ones_in_postgres() {
    let Some(server) = Postgres::start("rolled_samples_read_like_unrolled_ones_in_postgres") else {
        return;
    };
    rolled_samples_read_like_unrolled_ones(&server.url()).await;
}

#[tokio::test]
async fn a_roll_broken_off_at_any_step_loses_nothing_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // After so many files of the first group; `None`: after the database refused to list them.
    for n_written in (0..=4).map(Some).chain([None]) {
        let folder = dir.path().join(format!("{n_written:?}"));
        let database = filled("sqlite::memory:", 4).await;
        let before = told(&database, &folder).await;
        match n_written {
            Some(n) => break_off(&database, &folder, n).await,
            None => {
                rename(&database, "ALTER TABLE history_files RENAME TO elsewhere").await;
                let error = roll(&database, &folder, &everything()).await.unwrap_err();
                assert!(
                    matches!(error, HistoryError::Database(DatabaseError::Failed { .. })),
                    "{error}"
                );
                rename(&database, "ALTER TABLE elsewhere RENAME TO history_files").await;
            }
        }
        assert_eq!(told(&database, &folder).await, before, "{n_written:?}");
        let rolled = roll(&database, &folder, &everything()).await.unwrap();
        assert_eq!(rolled.n_rows, 4 * 31);
        // Nothing is left but what is listed; a file of somebody else stays.
        let n_foreign = usize::from(n_written.is_some());
        assert_eq!(
            files(&folder).len(),
            rolled.n_files + n_foreign,
            "{:?}",
            files(&folder)
        );
        assert_eq!(told(&database, &folder).await, before, "{n_written:?}");
    }
}

/// What a roll leaves that dies after `n` files, the last of them torn.
async fn break_off(database: &Database, folder: &Path, n: usize) {
    // Other groups than the next roll makes, so that its files have other names.
    let spec = RollSpec {
        rows_at_once: 100,
        ..everything()
    };
    let group = due(&database.unrolled().await.unwrap(), &spec).pop().unwrap();
    let blocks = database
        .blocks(&group.model, group.first, group.last)
        .await
        .unwrap();
    let written = write_files(folder, &group, &blocks).unwrap();
    for file in written.iter().skip(n) {
        std::fs::remove_file(folder.join(&file.path)).unwrap();
    }
    let bucket = folder.join(written[0].path.parent().unwrap());
    crate::disk::write_atomic(&bucket.join(".bellwether-abc.part"), b"PAR1").unwrap();
    crate::disk::write_atomic(&bucket.join("of somebody else.parquet"), b"PAR1").unwrap();
}

async fn rename(database: &Database, statement: &'static str) {
    let mut transaction = database.begin("rename").await.unwrap();
    transaction.run(sqlx::query(statement)).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_listed_file_that_is_gone_or_damaged_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let database = filled("sqlite::memory:", 2).await;
    roll(&database, dir.path(), &everything()).await.unwrap();
    for path in files(dir.path()) {
        crate::disk::write_atomic(&path, b"PAR1 and then nothing PAR1").unwrap();
    }
    let error = read(&database, dir.path(), "pump-0", ALL, 10).await.unwrap_err();
    assert!(
        matches!(error, HistoryError::Damaged { .. }) && !error.is_passing(),
        "{error}"
    );
    for path in files(dir.path()) {
        std::fs::remove_file(path).unwrap();
    }
    let error = read(&database, dir.path(), "pump-0", ALL, 10).await.unwrap_err();
    assert!(error.to_string().contains("bucket="), "{error}");
}

#[test]
fn the_oldest_blocks_are_due_in_groups() {
    let unrolled = |model: &str, seq: i64, n_rows| Unrolled {
        model: model.to_owned(),
        seq,
        n_rows,
        made_at: Timestamp::from_secs(seq),
    };
    let blocks = [
        unrolled("a@1", 1, 50),
        unrolled("a@1", 2, 50),
        unrolled("a@1", 3, 500),
        unrolled("a@1", 4, 10),
        unrolled("b@1", 3, 10),
        unrolled("b@1", 9, 10),
    ];
    let check = |before_secs: i64, rows_kept_max, want: &[(&str, i64, i64)]| {
        let spec = RollSpec {
            before: Timestamp::from_secs(before_secs),
            rows_kept_max,
            rows_at_once: 100,
        };
        let groups = due(&blocks, &spec);
        let got: Vec<_> = groups
            .iter()
            .map(|group| (group.model.as_str(), group.first, group.last))
            .collect();
        assert_eq!(got, want);
    };
    check(0, 1000, &[]);
    check(4, 1000, &[("a@1", 1, 2), ("a@1", 3, 3), ("b@1", 3, 3)]);
    check(0, 510, &[("a@1", 1, 2)]);
    check(0, 15, &[("a@1", 1, 2), ("a@1", 3, 3), ("b@1", 3, 3)]);
    check(
        99,
        0,
        &[("a@1", 1, 2), ("a@1", 3, 3), ("a@1", 4, 4), ("b@1", 3, 9)],
    );
}
