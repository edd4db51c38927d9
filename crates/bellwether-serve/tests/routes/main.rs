//! The routes of the service, each asked on a ground of its own: one program, so that all of the ground is in use.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod bounds;
mod changes;
mod document;
mod drift;
mod events;
mod fleet;
mod ground;
mod ground_itself;
mod jobs;
mod judging;
mod kserve;
mod lines;
mod streams;
