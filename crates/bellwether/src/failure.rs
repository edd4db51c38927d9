//! How the program fails: a message for the one who must act, and the exit code that scripts rely on.

use std::error::Error;
use std::process::ExitCode;

pub(crate) use bellwether_stream::chain;

use crate::config::ConfigError;
use crate::output::Output;

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong: exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// The command line asks for what cannot be: exit code 2.
    Usage(String),
    /// A gate tripped, the answer is "no": exit code 3.
    Gate(String),
    /// Data and model do not fit each other: exit code 4.
    Misfit(Box<dyn Error + Send + Sync>),
    /// The configuration is wrong: exit code 78.
    Configuration(ConfigError),
    /// Ctrl-C: exit code 130.
    Interrupted(String),
}

impl Failure {
    /// Data and model do not fit each other.
    pub(crate) fn misfit(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Misfit(Box::new(error))
    }

    /// A plain sentence.
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Self::Failed(text.into().into())
    }

    /// The same failure, with what was being done in front.
    pub(crate) fn in_context(self, doing: &str) -> Self {
        match self {
            Self::Failed(error) => Self::message(format!("{doing}: {}", chain(&*error))),
            Self::Misfit(error) => Self::Misfit(format!("{doing}: {}", chain(&*error)).into()),
            other => other,
        }
    }

    /// What is said of it, in a line or a few.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Failed(error) | Self::Misfit(error) => chain(&**error),
            Self::Configuration(error) => chain(error),
            Self::Usage(text) | Self::Gate(text) | Self::Interrupted(text) => text.clone(),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Gate(_) => 3,
            Self::Misfit(_) => 4,
            Self::Configuration(_) => 78,
            Self::Interrupted(_) => 130,
        })
    }

    /// Writes the error and its causes to stderr.
    pub(crate) fn print(&self, output: &Output) {
        match self {
            Self::Failed(error) | Self::Misfit(error) => output.error(&chain(&**error)),
            // A line for each mistake, and nothing before its place: editors jump there.
            Self::Configuration(ConfigError::Wrong(mistakes)) => output.mistakes(&mistakes.to_string()),
            Self::Configuration(error) => output.error(&chain(error)),
            Self::Usage(text) => output.error(text),
            Self::Gate(text) => output.note(text),
            Self::Interrupted(text) => output.error(text),
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}
