//! placeholder

#[expect(
    dead_code,
    reason = "the commands that write reports come with the command line"
)]
mod report;

fn main() {}
