//! `train`: being written.
use crate::cli::TrainArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_args: TrainArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("train is being written"))
}
