//! `validate` on the command line.

use std::path::PathBuf;

use bellwether_core::validate::Level;
use clap::Args;

use super::ReadingArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 3 where an error is found. What is looked for, contracts and what --fix mends stand in \
                  docs/validation.md.\n\n\
                  bellwether validate data.csv\n\
                  bellwether validate good.csv --learn contract.toml    (or: --learn good.csv > contract.toml)\n\
                  bellwether validate new.csv --contract contract.toml --report quality.html\n\
                  bellwether validate new.csv --contract contract.toml --fix -o mended.csv"
)]
pub(crate) struct ValidateArgs {
    /// Files, folders, or `-` for stdin
    #[arg(required_unless_present = "learn", value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// How strict: strict, moderate, permissive
    #[arg(long, value_name = "LEVEL", default_value = "moderate", value_parser = level, alias = "validation-level")]
    pub(crate) level: Level,
    /// What must hold of the data: a TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) contract: Option<PathBuf>,
    /// Learn a contract from the data and write it to FILE, `-` for stdout; without DATA, learn from FILE and write to
    /// stdout
    #[arg(long, value_name = "FILE", conflicts_with = "contract")]
    pub(crate) learn: Option<PathBuf>,
    /// Mend what may be mended: write the data to -o FILE, and what was done to FILE.repairs.csv
    #[arg(long, requires = "output")]
    pub(crate) fix: bool,
    /// Where mended data go: a file in the format of its name (.csv, .tsv, .jsonl, .parquet, .arrow, .lp; also .gz, .zst)
    #[arg(short, long, value_name = "FILE", requires = "fix")]
    pub(crate) output: Option<PathBuf>,
    /// So many empty cells in a row --fix fills
    #[arg(long, value_name = "N", default_value_t = 3, requires = "fix")]
    pub(crate) fill_rows: usize,
    /// Write a report: FILE.html, FILE.md or FILE.json
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

fn level(name: &str) -> Result<Level, String> {
    let known = Level::ALL.iter().copied();
    known.clone().find(|level| level.name() == name).ok_or_else(|| {
        let names: Vec<&str> = known.map(Level::name).collect();
        format!("one of {} is wanted", names.join(", "))
    })
}
