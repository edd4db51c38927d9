//! Commands that work on the database of the live system, whether it runs or not.

use bellwether_store::database::Database;
use serde_json::Value;

use super::config::environment;
use crate::cli::Format;
use crate::cli::alerts::LiveArgs;
use crate::config::checked::{Checked, DatabaseSpec};
use crate::config::{self, Overrides};
use crate::failure::Failure;
use crate::output::{Output, Rows, object};
use crate::wiring::{self, Purpose};

/// What is to be done where there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is made: the live system will find it.
    IsMade,
    /// That is a mistake: opening would make an empty one, which is not what somebody wants who looks.
    IsRefused,
}

/// The configuration of the live system.
pub(super) fn checked(args: &LiveArgs) -> Result<Checked, Failure> {
    let mut flags = Overrides::default();
    if let Some(url) = &args.database {
        flags.set("--database", "storage.url", url);
    }
    let loaded = config::load(args.config.as_deref(), &environment(), &flags);
    let mut checked = loaded.map_err(Failure::Configuration)?.checked;
    // Where nothing is said, those of the server of this home are meant.
    wiring::complete(&mut checked, Purpose::Serve, args.config.is_some())?;
    Ok(checked)
}

/// Does `work` on the database of that configuration.
pub(super) fn run(
    checked: &Checked,
    missing: Missing,
    work: impl AsyncFnOnce(&Database) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if missing == Missing::IsRefused {
        refuse_missing(checked)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let database = wiring::database(checked).await?;
        let done = work(&database).await;
        database.close().await;
        done
    })
}

fn refuse_missing(checked: &Checked) -> Result<(), Failure> {
    let Some(DatabaseSpec::Sqlite { path }) = &checked.database else {
        return Ok(());
    };
    if path.exists() {
        return Ok(());
    }
    Err(Failure::message(format!(
        "there is no database {}: give the one of the live system with --config or --database",
        path.display()
    )))
}

/// A sentence for people, the facts for programs.
pub(super) fn tell(told: &str, facts: Vec<(&'static str, Value)>, output: &Output) -> Result<(), Failure> {
    if output.format() == Format::Table {
        output.note(told);
        return Ok(());
    }
    answer(facts, output)
}

/// Facts as an object, or as a row.
pub(super) fn answer(facts: Vec<(&'static str, Value)>, output: &Output) -> Result<(), Failure> {
    let keys: Vec<&'static str> = facts.iter().map(|(key, _)| *key).collect();
    let mut rows = Rows::new(&keys);
    rows.push(facts.iter().map(|(_, fact)| fact.clone()).collect());
    output.answer(&object(facts), &rows)
}
