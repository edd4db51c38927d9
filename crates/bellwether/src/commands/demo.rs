//! `demo`: being written.
use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_args: &DemoArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("demo is being written"))
}
