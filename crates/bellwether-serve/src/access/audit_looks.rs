//! Whether the audit is as it was written, without reading all of it at each question.

use std::time::{Duration, Instant};

use bellwether_store::database::{AuditCheck, AuditFault, Database, DatabaseError};
use bellwether_stream::clock;
use tokio::sync::Mutex;

/// As often as this all entries are looked at; between that only those that have come since.
const ALL_EVERY: Duration = Duration::from_secs(3600);

/// Looks at the audit, and remembers how far it was right.
#[derive(Debug, Default)]
pub struct AuditLooks(Mutex<Option<Looked>>);

#[derive(Debug)]
struct Looked {
    check: AuditCheck,
    /// When all was looked at.
    all_at: Instant,
}

impl AuditLooks {
    /// What is wrong with the audit. One look at a time: who asks meanwhile profits from it.
    pub(crate) async fn fault(&self, database: &Database) -> Result<Option<AuditFault>, DatabaseError> {
        let mut last = self.0.lock().await;
        let now = clock::instant();
        let known = last
            .as_ref()
            .filter(|looked| now.saturating_duration_since(looked.all_at) < ALL_EVERY);
        let all_at = known.map_or(now, |looked| looked.all_at);
        let check = match known {
            Some(looked) => database.follow_audit(&looked.check).await?,
            None => database.verify_audit().await?,
        };
        let fault = check.fault;
        *last = fault.is_none().then_some(Looked { check, all_at });
        Ok(fault)
    }
}
