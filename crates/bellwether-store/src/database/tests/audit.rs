//! What the audit promises: everything is there, and what is not as it was written is found.

use bellwether_core::time::Timestamp;

use crate::database::{AuditFault, Database, NewAuditEntry};

/// Every promise, each for a tenant of its own.
pub(super) async fn keep_all(open: &impl AsyncFn(&str) -> Database) {
    entries_are_read_page_by_page(&open("pages").await).await;
    what_was_changed_is_found(&open("changed").await).await;
    an_end_that_was_cut_off_stays_known(&open("cut").await).await;
    entries_from_before_are_where_the_chain_begins(&open("before").await).await;
}

/// Changes the rows of the tenant `$1`.
async fn run(database: &Database, statement: &'static str) {
    let mut transaction = database.begin("change the audit").await.unwrap();
    let statement = sqlx::query(statement).bind(database.tenant());
    transaction.run(statement).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn record(database: &Database, n_entries: i64) {
    for n in 0..n_entries {
        let entry = NewAuditEntry {
            at: Timestamp::from_secs(n),
            actor: "an\0n".to_owned(),
            action: "deny",
            subject: "GET /api/v1/keys".to_owned(),
            detail: n.to_string(),
        };
        database.record(&entry).await.unwrap();
    }
}

async fn fault(database: &Database) -> Option<AuditFault> {
    database.verify_audit().await.unwrap().fault
}

async fn entries_are_read_page_by_page(database: &Database) {
    let empty = database.verify_audit().await.unwrap();
    assert_eq!((empty.n_entries, empty.hash.as_str(), empty.fault), (0, "", None));
    record(database, 5).await;
    let page = async |before| -> Vec<i64> {
        let entries = database.audit(before, 2).await.unwrap();
        entries.iter().map(|entry| entry.n).collect()
    };
    assert_eq!(page(None).await, [5, 4]);
    assert_eq!(page(Some(4)).await, [3, 2]);
    assert_eq!(page(Some(2)).await, [1]);
    assert_eq!(page(Some(1)).await, [0; 0]);
    assert_eq!(database.audit(None, 1).await.unwrap()[0].actor, "an\u{fffd}n");
    let check = database.verify_audit().await.unwrap();
    assert_eq!((check.n_entries, check.n_unchained, check.fault), (5, 0, None));
    assert_eq!(check.hash.len(), 64);
    record(database, 2).await;
    let followed = database.follow_audit(&check).await.unwrap();
    assert_eq!(followed, database.verify_audit().await.unwrap());
    assert_eq!(database.follow_audit(&followed).await.unwrap(), followed);
    run(
        database,
        "UPDATE audit SET actor = 'eve' WHERE tenant = $1 AND n = 7",
    )
    .await;
    let fault = database.follow_audit(&check).await.unwrap().fault;
    assert_eq!(fault, Some(AuditFault::Changed(7)));
}

async fn what_was_changed_is_found(database: &Database) {
    record(database, 6).await;
    run(
        database,
        "UPDATE audit SET actor = 'eve' WHERE tenant = $1 AND n = 3",
    )
    .await;
    assert_eq!(fault(database).await, Some(AuditFault::Changed(3)));
    let restore = "UPDATE audit SET actor = 'an\u{fffd}n' WHERE tenant = $1 AND n = 3";
    run(database, restore).await;
    assert_eq!(fault(database).await, None);
    run(database, "UPDATE audit SET n = 99 WHERE tenant = $1 AND n = 2").await;
    assert_eq!(fault(database).await, Some(AuditFault::Missing(2)));
    run(database, "UPDATE audit SET n = -1 WHERE tenant = $1 AND n = 99").await;
    assert_eq!(fault(database).await, Some(AuditFault::Changed(-1)));
    run(database, "DELETE FROM audit WHERE tenant = $1 AND n = -1").await;
    assert_eq!(fault(database).await, Some(AuditFault::Missing(2)));
}

async fn an_end_that_was_cut_off_stays_known(database: &Database) {
    record(database, 4).await;
    run(database, "DELETE FROM audit WHERE tenant = $1 AND n > 2").await;
    assert_eq!(fault(database).await, Some(AuditFault::CutOff(3)));
    record(database, 1).await;
    assert_eq!(database.audit(None, 1).await.unwrap()[0].n, 5);
    assert_eq!(fault(database).await, Some(AuditFault::Missing(3)));
    run(database, "DELETE FROM audit WHERE tenant = $1").await;
    assert_eq!(fault(database).await, Some(AuditFault::CutOff(1)));
}

async fn entries_from_before_are_where_the_chain_begins(database: &Database) {
    let old = "INSERT INTO audit (tenant, n, at, actor, action, subject, detail) \
               SELECT $1, v.n, 0, 'ann', 'retry', '*', '' FROM (SELECT 1 AS n UNION SELECT 2) v";
    run(database, old).await;
    let check = database.verify_audit().await.unwrap();
    assert_eq!((check.n_entries, check.n_unchained, check.fault), (2, 2, None));
    // More than one page of them.
    record(database, 1200).await;
    let check = database.verify_audit().await.unwrap();
    assert_eq!((check.n_entries, check.n_unchained, check.fault), (1202, 2, None));
    run(
        database,
        "UPDATE audit SET hash = '' WHERE tenant = $1 AND n <= 1100",
    )
    .await;
    assert_eq!(fault(database).await, Some(AuditFault::Changed(1101)));
}
