//! Opening a database, and refusing to.

use crate::database::schema::STEPS;
use crate::database::{Database, DatabaseError};
use crate::disk::tests::told;

#[tokio::test]
async fn a_file_is_made_with_its_folder_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a b/c?d#e%41.db");
    for _ in 0..2 {
        let database = Database::open(path.to_str().unwrap(), "default").await.unwrap();
        let rows = database
            .all("look", sqlx::query("SELECT version FROM schema_version"))
            .await
            .unwrap();
        assert_eq!(rows.len(), STEPS.len());
        database.close().await;
        assert!(path.is_file());
    }
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_it_is_open() {
    let database = Database::open("sqlite::memory:", "default").await.unwrap();
    let mut transaction = database.begin("write").await.unwrap();
    transaction
        .run(sqlx::query("INSERT INTO offsets VALUES ('t', 's', 'p')"))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    // A transaction that comes to nothing does not take the database with it.
    let mut transaction = database.begin("write").await.unwrap();
    transaction
        .run(sqlx::query("INSERT INTO nowhere VALUES (1)"))
        .await
        .unwrap_err();
    drop(transaction);
    let rows = database
        .all("look", sqlx::query("SELECT * FROM offsets"))
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let other = Database::open("sqlite::memory:", "default").await.unwrap();
    assert!(
        other
            .all("look", sqlx::query("SELECT * FROM offsets"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn many_may_open_the_same_file_for_the_first_time_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    let opened: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Database::open(&url, "default").await.map(drop) })
        })
        .collect();
    for opened in opened {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let bytes = b"time,value\n".repeat(1000);
    crate::disk::write_atomic(&path, &bytes).unwrap();
    let error = Database::open(path.to_str().unwrap(), "default")
        .await
        .unwrap_err();
    let text = told(&error);
    assert!(
        text.contains("a.db") && text.contains("restore it from a backup"),
        "{text}"
    );
    assert!(!error.is_passing());
    assert_eq!(crate::disk::read_bounded(&path, 1 << 20).unwrap(), bytes);
    // A folder is none either.
    let error = Database::open(dir.path().to_str().unwrap(), "default")
        .await
        .unwrap_err();
    assert!(told(&error).contains("is it a file"), "{}", told(&error));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://me:secret@127.0.0.1:{port}/db");
    let error = Database::open(&url, "default").await.unwrap_err();
    let text = format!("{} {error:?}", told(&error));
    assert!(
        text.contains(&port.to_string()) && text.contains("server running"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("a.db").display().to_string();
    let database = Database::open(&url, "default").await.unwrap();
    let mut transaction = database.begin("write").await.unwrap();
    transaction
        .run(sqlx::query("INSERT INTO schema_version VALUES (99)"))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    database.close().await;
    let error = Database::open(&url, "default").await.unwrap_err();
    assert!(matches!(error, DatabaseError::Newer { found: 99, .. }), "{error}");
    assert!(!error.is_passing());
}
