//! `detect`: being written.
use crate::cli::DetectArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_args: &DetectArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("detect is being written"))
}
