//! `validate`: what is wrong with data, in one pass; contracts; mending.

mod kept;
mod looked;
mod mend;
mod rewritten;
mod sheet;
pub(crate) mod shown;

use std::path::{Path, PathBuf};

use bellwether_core::validate::repair::RepairSpec;
use bellwether_core::validate::{Contract, Level, SeriesProfile};
use bellwether_store::disk;
use serde_json::json;

use crate::bench::validate::measure;
use crate::cli::validate::ValidateArgs;
use crate::commands::{options, refuse_overwriting};
use crate::contract;
use crate::failure::Failure;
use crate::output::{Output, Rows};
use crate::report::validation;
use looked::look;
use mend::mend;
use shown::{Mended, Quality};

pub(crate) fn run(args: &ValidateArgs, output: &Output) -> Result<(), Failure> {
    let (data, learnt_to) = match (&args.learn, args.data.is_empty()) {
        (Some(good), true) => (vec![good.clone()], Some(PathBuf::from("-"))),
        (learn, _) => (args.data.clone(), learn.clone()),
    };
    let list = args.output.as_ref().map(|path| mend::list_path(path));
    refuse_overwriting(
        &data,
        [
            ("--learn", learnt_to.as_ref()),
            ("--output", args.output.as_ref()),
            ("--output", list.as_ref()),
            ("--report", args.report.as_ref()),
        ],
    )?;
    if args.reading.align.wish().is_some() {
        let text = "--align: rows are looked at as they stand here; train and detect bring them to a grid";
        return Err(Failure::Usage(text.to_owned()));
    }
    let form = args.report.as_deref().map(validation::Form::of).transpose()?;
    let contract = args.contract.as_deref().map(contract::read).transpose();
    let contract = contract.map_err(Failure::Configuration)?;
    let mut options = options(&args.reading);
    let mut mended = None;
    let mut judged = data;
    if let Some(to) = &args.output {
        let spec = RepairSpec {
            fill_rows: args.fill_rows,
        };
        let (done, of_answer) = mend(&judged, &options, contract.as_ref(), spec, to, output)?;
        // What was mended is judged, not what it was made of.
        (mended, options, judged) = (Some(done), of_answer, vec![to.clone()]);
    }
    let profiles = look(&judged, &options, contract.as_ref(), output)?;
    if let Some(to) = &learnt_to {
        return learn(&profiles, to, args.level, output);
    }
    let quality = Quality::new(&profiles, args.level, contract.is_some(), mended);
    quality.show(output)?;
    if let (Some(path), Some(form)) = (&args.report, form) {
        write(path, &form.text(&quality))?;
    }
    match quality.refusal() {
        Some(refusal) => Err(Failure::Gate(refusal)),
        None => Ok(()),
    }
}

/// `bench validate`.
pub(crate) fn speed(n_rows: u64, n_channels: usize, seed: u64, output: &Output) -> Result<(), Failure> {
    let measured = measure(n_rows, n_channels, seed);
    let mut rows = Rows::new(&[
        "rows",
        "channels",
        "seconds",
        "rows_per_s",
        "values_per_s",
        "peak_mib",
    ]);
    rows.push(vec![
        json!(measured.rows),
        json!(measured.channels),
        json!(measured.seconds),
        json!(measured.rows_per_s),
        json!(measured.values_per_s),
        json!(measured.peak_mib),
    ]);
    output.answer(&measured, &rows)
}

/// Writes what the data have in common, and says what speaks against learning from them.
fn learn(profiles: &[SeriesProfile], to: &Path, level: Level, output: &Output) -> Result<(), Failure> {
    let learnt = Contract::learn(profiles)?;
    let text = contract::write(&learnt);
    if to.as_os_str() == "-" {
        output.write(&text)?;
    } else {
        write(to, &text)?;
        output.note(&format!(
            "{}: {} channels; read it, and correct what you know better",
            to.display(),
            learnt.channels.len()
        ));
    }
    let quality = Quality::new(profiles, level, false, None::<Mended>);
    for line in quality.worth_a_warning() {
        output.note(&format!(
            "note: the contract was learnt from data with a defect: {line}"
        ));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return Err(Failure::Usage(
            "--report: the form is told by the ending: give FILE.html, FILE.md or FILE.json".to_owned(),
        ));
    }
    Ok(disk::write_atomic(path, text.as_bytes())?)
}
