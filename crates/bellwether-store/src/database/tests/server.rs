//! The promises on PostgreSQL, and a server that goes and comes back.

use bellwether_testkit::postgres::Postgres;

use super::promises::{self, commit};
use crate::database::{Database, DatabaseError};

#[tokio::test]
async fn postgres_keeps_every_promise() {
    let Some(server) = Postgres::start("postgres_keeps_every_promise") else {
        return;
    };
    // A tenant for each, so that none sees the rows of another.
    promises::keep_all(async |tenant: &str| Database::open(&server.url(), tenant).await.unwrap()).await;
    // All at once, for the first time.
    let tables = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    let database = Database::open(&server.url(), "default").await.unwrap();
    let mut transaction = database.begin("empty the database").await.unwrap();
    for statement in tables.split(';') {
        transaction.run(sqlx::query(statement)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let opened: Vec<_> = (0..6)
        .map(|_| {
            let url = server.url();
            tokio::spawn(async move { Database::open(&url, "default").await.map(drop) })
        })
        .collect();
    for opened in opened {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_written_to_again() {
    let Some(mut server) = Postgres::start("a_server_that_comes_back_is_written_to_again") else {
        return;
    };
    let database = Database::open(&server.url(), "default").await.unwrap();
    let mut writer = database.take_over().await.unwrap();
    writer.commit(&commit(1)).await.unwrap();
    server.stop();
    let error = writer.commit(&commit(2)).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let error = writer.commit(&commit(2)).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unsure { .. }), "{error}");
    server.serve();
    let mut n_tries = 0;
    let seq = loop {
        match writer.resume().await {
            Ok(seq) => break seq,
            Err(error) => assert!(error.is_passing() && n_tries < 100, "{error}"),
        }
        n_tries += 1;
    };
    assert_eq!(seq, 1);
    assert_eq!(writer.commit(&commit(2)).await.unwrap(), 2);
}
