//! `generate`: being written.
use crate::cli::GenerateArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_args: &GenerateArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("generate is being written"))
}
