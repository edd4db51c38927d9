//! Sources as a whole: what goes in comes out as batches, and nothing of it is lost.

mod followed;
mod http;
mod judge;
mod tables;
