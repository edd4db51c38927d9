//! The trials of a search on a card.

use std::io::{self, Write};

use serde_json::Value;

use super::Card;
use super::page::{close_table, open_table};
use crate::report::page::escaped;

/// How the settings were found, where that was left to a search.
pub(super) fn write(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let search = &card.manifest.training.settings["search"];
    let Some(trials) = search["trials"].as_array() else {
        return Ok(());
    };
    write!(
        out,
        "<section class=\"card\"><h2>How its settings were found</h2>"
    )?;
    open_table(
        &[
            "Trial",
            "Architecture",
            "Window",
            "Learning rate",
            "Epochs",
            "Weights",
            "VUS-PR",
            "Faults found",
            "",
        ],
        out,
    )?;
    for trial in trials {
        let note = match trial["is_chosen"].as_bool() {
            Some(true) => "chosen",
            _ => trial["error"].as_str().unwrap_or_default(),
        };
        write!(
            out,
            "<tr><td class=\"number\">{}</td><th>{}</th>",
            plain(&trial["trial"]),
            escaped(trial["architecture"].as_str().unwrap_or("–"))
        )?;
        for key in ["window", "lr", "epochs", "weights"] {
            write!(out, "<td class=\"number\">{}</td>", plain(&trial[key]))?;
        }
        for key in ["vus_pr", "recall"] {
            write!(out, "<td class=\"number\">{}</td>", share(&trial[key]))?;
        }
        write!(out, "<td>{}</td></tr>", escaped(note))?;
    }
    close_table(out)?;
    writeln!(
        out,
        "<p class=\"how\">{} trials, the best first: trainings with all epochs before short ones. Figures compare among those of as \
         many epochs. Criterion: {}.</p></section>",
        trials.len(),
        escaped(search["criterion"].as_str().unwrap_or("–"))
    )
}

/// As it is written; a dash for what is no number.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        _ => "–".to_owned(),
    }
}

fn share(value: &Value) -> String {
    value
        .as_f64()
        .map_or("–".to_owned(), |share| format!("{share:.3}"))
}
