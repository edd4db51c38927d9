//! In what form an answer is wanted.

use clap::ValueEnum;

use super::{Cli, Command, ModelsCommand};

/// What may stand behind `--format`: the forms of every answer, and those of two commands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns for people
    Table,
    /// One JSON document
    Json,
    /// A JSON object a line
    Ndjson,
    /// Comma-separated with a header
    Csv,
    /// A page: of `models show`
    #[value(hide = true)]
    Html,
    /// A network for other runtimes: of `models export`
    #[value(hide = true)]
    Onnx,
    /// A network in a folder that MLflow loads: of `models export`
    #[value(hide = true)]
    Mlflow,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated with a header.
    Csv,
}

impl Cli {
    /// What is wrong with `--format`, for a command that has no such form.
    pub(crate) fn form_problem(&self) -> Option<&'static str> {
        let models = match &self.command {
            Command::Models(args) => Some(&args.command),
            _ => None,
        };
        match (self.global.format?, models) {
            (Form::Html, Some(ModelsCommand::Show { .. }))
            | (Form::Onnx | Form::Mlflow, Some(ModelsCommand::Export { .. })) => None,
            (Form::Html, _) => {
                Some("--format html is for models show; other commands know table, json, ndjson and csv")
            }
            (Form::Onnx | Form::Mlflow, _) => Some(
                "--format onnx and mlflow are for models export; other commands know table, json, ndjson and csv",
            ),
            _ => None,
        }
    }
}
