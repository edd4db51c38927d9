//! What a live system must not lose: one database, SQLite or PostgreSQL, with the same statements for both.
//!
//! [`Database`] opens it. One process at a time becomes its [`Writer`] and makes group commits of [`record`]s; any
//! number of processes read, and may change what people decide (alerts, suppressions, feedback).

mod address;
mod block;
mod commit;
mod connection;
mod error;
mod files;
mod read;
pub mod record;
mod schema;
mod statement;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use connection::Database;
use connection::Transaction;
pub use error::{Cause, DatabaseError};
pub(crate) use files::{ListedFile, Unrolled};
pub use read::{Counts, EventCursor, EventFilter, GivenAnswer, StoredEvent, StoredQuarantined, StoredState};
pub use record::*;
pub use writer::{Bounds, Writer};
