//! One file per command, and what they share.

mod alarms;
mod alerts;
mod architectures;
mod at_database;
mod calendar;
mod causes;
mod compare;
mod completions;
pub(crate) mod config;
mod demo;
mod detect;
mod drift;
pub(crate) mod dynamic;
mod evaluate;
mod explain;
mod faults;
mod fleet;
mod generate;
pub(crate) mod judge;
mod keys;
pub(crate) mod live;
mod looking;
mod models;
mod plants;
pub(crate) mod quality;
mod rates;
mod reading;
mod sensor_fault;
mod serve;
mod speed;
mod stream;
mod top;
mod train;
pub(crate) mod validate;

use std::path::PathBuf;

use bellwether_core::time::Timestamp;
use bellwether_core::transform::{Align, AlignError};
use bellwether_store::bundle::manifest::Manifest;
use bellwether_store::read::{self, ReadOptions, Recording};
use bellwether_store::registry::Registry;

use crate::cli::alerts::Who;
use crate::cli::{BenchCommand, Command, DataArgs, ReadingArgs, RegistryArgs, ThreadArgs};
use crate::failure::Failure;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    speed::choose_kernels()?;
    match command {
        Command::Demo(args) => demo::run(&args, output),
        Command::Generate(args) => generate::run(&args, output),
        Command::Validate(args) => validate::run(&args, output),
        Command::Train(args) => train::run(*args, output),
        Command::Detect(args) => detect::run(args, output),
        Command::Evaluate(args) => evaluate::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Compare(args) => compare::run(&args, output),
        Command::Drift(args) => drift::run(&args, output),
        Command::Models(args) => models::run(&args, output),
        Command::Architectures { command } => architectures::run(&command, output),
        Command::Alerts(args) => alerts::run(&args, output),
        Command::Keys(args) => keys::run(&args, output),
        Command::Bench(args) => match args.command {
            BenchCommand::Causes(args) => causes::run(&args, output),
            BenchCommand::Kernels { threads, kernels } => speed::run(&threads, kernels.as_deref(), output),
            BenchCommand::Read(args) => reading::run(&args, output),
            BenchCommand::Validate { rows, channels, seed } => {
                validate::speed(rows.get() as u64, channels.get(), seed, output)
            }
            BenchCommand::Quality(args) => quality::run(&args, output),
            BenchCommand::Faults(args) => faults::run(&args, output),
            BenchCommand::Alarms(args) => alarms::run(&args, output),
            BenchCommand::Fleet(args) => fleet::run(&args, output),
        },
        Command::Stream(args) => stream::run(&args, output),
        Command::Serve(args) => serve::run(&args, output),
        Command::Top(args) => top::run(&args, output),
        Command::Config { command } => config::run(&command, output),
        Command::Completions { shell } => completions::run(shell, output),
    }
}

/// Threads for work that is done side by side.
fn pool(threads: &ThreadArgs) -> Result<rayon::ThreadPool, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.n()).build();
    pool.map_err(|error| Failure::message(format!("cannot start threads: {error}")))
}

/// `812 models a minute`.
fn per_minute(n: usize, elapsed: std::time::Duration) -> String {
    let rate = n as f64 * 60.0 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    format!("{rate:.0} models a minute")
}

/// The registry that the flags name, else `$BELLWETHER_HOME`, else the platform's data folder.
pub(crate) fn registry(args: &RegistryArgs) -> Result<Registry, Failure> {
    Ok(Registry::open(
        args.registry.clone().map_or_else(default_registry, Ok)?,
    )?)
}

fn default_registry() -> Result<PathBuf, Failure> {
    Ok(home()?.join("models"))
}

/// Where bellwether keeps what nobody gave another place: `$BELLWETHER_HOME`, else the platform's data folder.
pub(crate) fn home() -> Result<PathBuf, Failure> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = || {
        set("XDG_DATA_HOME")
            .or_else(|| set("APPDATA"))
            .or_else(|| set("HOME").map(|home| home.join(".local").join("share")))
            .map(|data| data.join("bellwether"))
    };
    set("BELLWETHER_HOME").or_else(data).ok_or_else(|| {
        Failure::message(
            "no folder to keep things in: set BELLWETHER_HOME, or give --registry and --database",
        )
    })
}

/// Reads the data that the flags name, saying what was noticed.
fn read(args: &DataArgs, output: &Output) -> Result<Vec<Recording>, Failure> {
    read_from(&args.data, &args.reading, None, output)
}

/// The same for a model: on the grid that its training rows were on, unless the flags name another.
fn read_for(model: &Manifest, args: &DataArgs, output: &Output) -> Result<Vec<Recording>, Failure> {
    read_from(&args.data, &args.reading, model.alignment, output)
}

/// The same where the data are not the arguments of the command.
fn read_from(
    data: &[PathBuf],
    reading: &ReadingArgs,
    alignment: Option<Align>,
    output: &Output,
) -> Result<Vec<Recording>, Failure> {
    let mut recordings = read::read(data, &options(reading))?;
    if let Some(align) = reading.align.wish().or(alignment) {
        let aligned = recordings.into_iter().map(|recording| {
            let name = recording.name.clone();
            let failed = |error: AlignError| Failure::from(error).in_context(&format!("--align: {name}"));
            recording.aligned(&align).map_err(failed)
        });
        recordings = aligned.collect::<Result<_, Failure>>()?;
    }
    for recording in &recordings {
        for note in &recording.notes {
            output.note(&format!("note: {}: {note}", recording.name));
        }
    }
    Ok(recordings)
}

/// Refuses outputs that would destroy an input, or each other, before anything is written.
fn refuse_overwriting<'a>(
    inputs: &[PathBuf],
    outputs: impl IntoIterator<Item = (&'static str, Option<&'a PathBuf>)>,
) -> Result<(), Failure> {
    // What is no regular file, such as a pipe or /dev/null, holds nothing to destroy.
    let place = |path: &PathBuf| match path.canonicalize() {
        Ok(there) => (!there.exists() || there.is_file()).then_some(there),
        Err(_) => std::path::absolute(path).ok(),
    };
    let is_stdio = |path: &PathBuf| path.as_os_str() == "-";
    let inputs: Vec<PathBuf> = inputs
        .iter()
        .filter(|path| !is_stdio(path))
        .filter_map(place)
        .collect();
    let mut taken: Vec<(&str, PathBuf)> = Vec::new();
    for (option, path) in outputs {
        let Some(path) = path.filter(|path| !is_stdio(path)) else {
            continue;
        };
        let Some(at) = place(path) else { continue };
        if inputs.contains(&at) {
            return Err(Failure::Usage(format!(
                "{option} {}: this is an input and would be overwritten; give another file",
                path.display()
            )));
        }
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == at) {
            return Err(Failure::Usage(format!(
                "{option} {}: {other} writes there too; give another file",
                path.display()
            )));
        }
        taken.push((option, at));
    }
    Ok(())
}

/// Who decides: as said, else who is logged in.
fn actor(who: &Who) -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let said = who.by.clone().filter(|by| !by.is_empty());
    said.or_else(|| set("USER"))
        .or_else(|| set("LOGNAME"))
        .unwrap_or_else(|| "somebody".to_owned())
}

fn options(args: &ReadingArgs) -> ReadOptions {
    ReadOptions {
        time_column: args.time_column.clone(),
        series_column: args.series_column.clone(),
        ignore_columns: args.ignore_columns.clone(),
        missing: args.missing.clone(),
        delimiter: None,
        timezone: args.timezone.clone(),
        sort: args.sort,
        now: Some(now()),
        threads: None,
    }
}

/// The time of day: the binary is where the world comes in.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
