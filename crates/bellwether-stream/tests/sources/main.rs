//! Sources as a whole: what goes in comes out as batches, and nothing of it is lost.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod followed;
mod http;
mod judge;
mod tables;
mod whole;
