//! `models`: being written.
use crate::cli::ModelsArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_args: &ModelsArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("models is being written"))
}
