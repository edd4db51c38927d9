//! The same promises on SQLite and on PostgreSQL.

mod audit;
mod disk;
mod opening;
mod promises;
mod server;
mod service;
mod upgrade;

pub(crate) use super::block::tests::block;
