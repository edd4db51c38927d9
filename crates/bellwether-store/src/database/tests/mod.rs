//! The same promises on SQLite and on PostgreSQL.

mod opening;
