//! A disk that is full, and has space again.

use super::promises::commit;
use crate::database::Database;
use crate::disk::tests::told;

#[tokio::test]
async fn a_full_disk_is_a_passing_trouble_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("a.db").display().to_string();
    let database = Database::open(&url, "default").await.unwrap();
    let mut writer = database.take_over().await.unwrap();
    writer.commit(&commit(1)).await.unwrap();
    limit_pages(&database, "PRAGMA max_page_count = 1").await;
    let mut large = commit(2);
    large.arrivals = vec![7; 1 << 20];
    let error = writer.commit(&large).await.unwrap_err();
    assert!(told(&error).contains("the disk is full"), "{}", told(&error));
    assert!(error.is_passing());
    assert_eq!(writer.resume().await.unwrap(), 1);
    assert_eq!(database.counts().await.unwrap().journal_blocks, 1);
    // Connections made after the trouble have no such limit: space has returned.
    assert_eq!(writer.commit(&large).await.unwrap(), 2);
    assert_eq!(database.counts().await.unwrap().journal_blocks, 2);
}

/// Every connection there is may make the file no larger than it is.
async fn limit_pages(database: &Database, pragma: &'static str) {
    let mut held = Vec::new();
    for _ in 0..6 {
        let mut transaction = database.snapshot("limit").await.unwrap();
        transaction.all(sqlx::query(pragma)).await.unwrap();
        held.push(transaction);
    }
}
