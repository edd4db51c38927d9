//! What was changed outside the database, written down in it.

use std::time::Duration;

use bellwether_store::database::{Database, NewAuditEntry};
use bellwether_stream::source::Stop;
use bellwether_stream::{chain, clock};

use crate::access::Principal;
use crate::app::App;

/// A pause before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes down that somebody changed something; see [`record`].
pub(crate) async fn note(app: &App, by: &Principal, action: &'static str, subject: String, detail: String) {
    let entry = NewAuditEntry {
        at: clock::now(),
        actor: by.actor().to_string(),
        action,
        subject,
        detail,
    };
    record(&app.db, app.room.stop(), &entry).await;
}

/// Writes an entry for a change that was made, trying again for as long as that may help: the change cannot be taken
/// back, and who asked is not told of it before it is written down. Where that fails for good, the log has the entry.
pub(crate) async fn record(db: &Database, mut stop: Stop, entry: &NewAuditEntry) {
    while let Err(error) = db.record(entry).await {
        let NewAuditEntry {
            actor,
            action,
            subject,
            detail,
            ..
        } = entry;
        let is_passing = error.is_passing();
        let error = chain(&error);
        tracing::error!(%error, actor, action, subject, detail, "a change is not in the audit");
        if !is_passing || stop.is_told() {
            return;
        }
        tokio::select! {
            () = stop.told() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
