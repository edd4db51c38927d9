//! What is made of rows before a model sees them: features and modes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwether_core::condition::Condition;
use bellwether_core::transform::derive::WishError;
use bellwether_core::transform::{DerivationSpec, FeatureWish};
use bellwether_store::disk::read_bounded;
use clap::Args;
use serde::Deserialize;

use super::{parse, parse_duration};
use crate::failure::Failure;

/// A file of features may have so many bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is derived of rows.
#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineArgs {
    /// Work a channel out of others (repeatable): NAME = KIND(ARGS), KIND one of diff, lag, mean, std, min, max, ewma,
    /// ratio, minus, log, boxcox, band, season, daily, weekly, onehot, absent; see docs/pipeline.md
    #[arg(long = "feature", value_name = "NAME = KIND(ARGS)", value_parser = parse::<FeatureWish>)]
    pub(crate) features: Vec<FeatureWish>,
    /// The same from a file: a table `features` with NAME = "KIND(ARGS)", mode_when, blank_after_start
    #[arg(long = "features", value_name = "FILE.toml")]
    pub(crate) features_file: Option<PathBuf>,
    /// When the machine is in operation, e.g. "rpm > 100"; all else is neither learnt nor scored, then and later
    #[arg(long, value_name = "CONDITION", value_parser = parse_condition)]
    pub(crate) mode_when: Option<Condition>,
    /// How long after each start nothing is learnt and nothing scored: 90s, 10m
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub(crate) blank_after_start: Option<Duration>,
}

/// A file of features.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mode_when: Option<String>,
    blank_after_start: Option<String>,
    #[serde(default)]
    features: toml::Table,
}

impl PipelineArgs {
    /// What the flags and the file say together; a flag goes before the file.
    pub(crate) fn spec(&self) -> Result<DerivationSpec, Failure> {
        let mut spec = match &self.features_file {
            Some(file) => read(file)?,
            None => DerivationSpec::default(),
        };
        spec.features.extend(self.features.iter().cloned());
        spec.mode_when = self.mode_when.clone().or(spec.mode_when);
        spec.blank_after_start = self.blank_after_start.or(spec.blank_after_start);
        Ok(spec)
    }
}

fn read(file: &Path) -> Result<DerivationSpec, Failure> {
    let wrong = |problem: String| Failure::Usage(format!("--features {}: {problem}", file.display()));
    let bytes = read_bounded(file, FILE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("the text is not UTF-8".to_owned()))?;
    let File {
        mode_when,
        blank_after_start,
        features,
    } = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    let wish = |(name, call): (String, toml::Value)| {
        let call = call
            .as_str()
            .ok_or_else(|| wrong(format!("features.{name}: wanted text such as \"diff(flow)\"")))?;
        let wish: Result<FeatureWish, WishError> = format!("\"{name}\" = {call}").parse();
        wish.map_err(|error| wrong(format!("features.{name}: {error}")))
    };
    let of_key = |key: &str, problem: String| wrong(format!("{key}: {problem}"));
    Ok(DerivationSpec {
        features: features.into_iter().map(wish).collect::<Result<_, _>>()?,
        mode_when: match mode_when {
            Some(text) => Some(parse_condition(&text).map_err(|problem| of_key("mode_when", problem))?),
            None => None,
        },
        blank_after_start: match blank_after_start {
            Some(text) => {
                Some(parse_duration(&text).map_err(|problem| of_key("blank_after_start", problem))?)
            }
            None => None,
        },
    })
}

fn parse_condition(text: &str) -> Result<Condition, String> {
    Condition::parse(text).map_err(|error| crate::failure::chain(&error))
}
