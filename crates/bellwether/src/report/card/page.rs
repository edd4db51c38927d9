//! The page of a card.

use std::io::{self, Write};

use bellwether_core::detect::Mode;
use bellwether_core::score::Tail;
use bellwether_store::bundle::manifest::ModeRecord;

use super::Card;
use super::chart::lines;
use super::search;
use crate::report::causes::number;
use crate::report::page::{STYLE, escaped};

/// Rules for what only this page has.
const OWN_STYLE: &str = "svg.chart{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--muted)}\
polyline{fill:none;stroke-width:1.6}polyline.training,polyline.held{stroke:var(--line)}polyline.validation{stroke:var(--alarm)}\
line.marker{stroke:var(--alarm);stroke-width:1.2;stroke-dasharray:5 3}code{overflow-wrap:anywhere}";

/// Series in the table at most.
const N_SERIES_MAX: usize = 50;

pub(super) fn write(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let title = escaped(card.reference);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
         base-uri 'none'; form-action 'none'\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<header class=\"page\"><div><p class=\"brand\">\
         <span aria-hidden=\"true\" class=\"bell\"></span>bellwether</p><h1>{title}</h1></div></header>\n<main>\n"
    )?;
    about(card, out)?;
    training(card, out)?;
    search::write(card, out)?;
    loss(card, out)?;
    calibration(card, out)?;
    channels(card, out)?;
    writeln!(
        out,
        "</main>\n<footer class=\"page\">bellwether {}. This file is complete in itself: it loads nothing and sends \
         nothing.</footer>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION")
    )
}

/// What it is.
fn about(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let manifest = card.manifest;
    let members: Vec<String> = manifest
        .models
        .iter()
        .map(|model| format!("{} over {} rows", model.architecture(), model.window_len()))
        .collect();
    let rate = |record: &ModeRecord| record.predicted_per_week.or(record.alarms_per_week);
    let expected = match rate(&manifest.calibration.causal) {
        Some(rate) => format!(
            "{} alarms a week and series are to be expected while all is well.",
            number(rate)
        ),
        None => "How many alarms are to be expected is not known.".to_owned(),
    };
    write!(
        out,
        "<section class=\"card lead\"><p class=\"summary\">Judges {} channels by {}. {expected}</p>",
        manifest.detector.pipeline.n_channels(),
        escaped(&members.join(", ")),
    )?;
    if !card.note.is_empty() {
        write!(out, "<p>{}</p>", escaped(&card.note))?;
    }
    open_table(&["What", ""], out)?;
    let threshold = manifest.detector.causal.error();
    let or_none = |list: &[String]| {
        if list.is_empty() {
            "–".to_owned()
        } else {
            list.join(", ")
        }
    };
    for (what, value) in [
        ("Aliases", or_none(&card.aliases)),
        ("Tags", or_none(&card.tags)),
        ("Signed by", or_none(&card.signed_by)),
        (
            "Made",
            format!(
                "{}, bellwether {}",
                manifest.created_at, manifest.bellwether_version
            ),
        ),
        (
            "Threshold",
            format!("{} ({})", number(threshold), manifest.calibration.rule),
        ),
        ("SHA-256 of the bundle", card.sha256.clone()),
    ] {
        row(what, &value, out)?;
    }
    close_table(out)?;
    out.write_all(b"</section>\n")
}

/// What it learnt from, and how to do it again.
fn training(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let training = &card.manifest.training;
    write!(out, "<section class=\"card\"><h2>What it learnt from</h2>")?;
    open_table(&["Series", "Samples", "From", "To"], out)?;
    for series in training.series.iter().take(N_SERIES_MAX) {
        write!(
            out,
            "<tr><th>{}</th><td class=\"number\">{}</td><td class=\"time\">{}</td><td class=\"time\">{}</td></tr>",
            escaped(&series.name),
            series.n_samples,
            series.start,
            series.end
        )?;
    }
    close_table(out)?;
    let n_more = training.series.len().saturating_sub(N_SERIES_MAX);
    if n_more > 0 {
        write!(out, "<p class=\"how\">And {n_more} more series.</p>")?;
    }
    open_table(&["Lineage", ""], out)?;
    row("Samples", &training.n_samples.to_string(), out)?;
    row("Fingerprint of the data", &training.data_fingerprint, out)?;
    row("Seed", &training.seed.to_string(), out)?;
    if let Some(parent) = &training.parent {
        row(
            "Served before",
            &format!("{} (SHA-256 {})", parent.model, parent.sha256),
            out,
        )?;
    }
    if let Some(command) = &card.reproduce {
        let command = escaped(command);
        write!(
            out,
            "<tr><th>To do it again</th><td><code>{command}</code></td></tr>"
        )?;
    }
    close_table(out)?;
    out.write_all(b"</section>\n")
}

/// The losses of the epochs.
fn loss(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let training = &card.manifest.training;
    if training.epochs.len() < 2 {
        return Ok(());
    }
    let of = |loss: fn(&bellwether_store::bundle::manifest::EpochRecord) -> f64| {
        training
            .epochs
            .iter()
            .map(|epoch| (epoch.epoch as f64, loss(epoch)))
            .collect()
    };
    let chart = lines(
        "Losses by epoch",
        &[
            ("training", of(|epoch| epoch.train_loss)),
            ("validation", of(|epoch| epoch.val_loss)),
        ],
        Some(training.best_epoch as f64),
    );
    writeln!(
        out,
        "<section class=\"card\"><h2>How training went</h2>{chart}<p class=\"how\">Losses over {} epochs: blue on the {} windows \
         trained on, vermilion on the {} that judged. The weights of epoch {} were kept (dashed). It ended: {}.</p></section>",
        training.epochs.len(),
        training.n_train_windows,
        training.n_val_windows,
        training.best_epoch,
        escaped(&training.end)
    )
}

/// What the threshold rests on.
fn calibration(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    let record = &card.manifest.calibration;
    write!(out, "<section class=\"card\"><h2>What its alarms rest on</h2>")?;
    for (member, model) in card.manifest.detector.members.iter().zip(&card.manifest.models) {
        if let Some(tail) = &member.causal.tail {
            let chart = lines(
                "Share of held-out rows above an error",
                &[("held", survival(tail))],
                None,
            );
            write!(
                out,
                "<figure class=\"chart\"><figcaption><h3>{}</h3></figcaption>{chart}</figure>",
                model.architecture()
            )?;
        }
    }
    write!(
        out,
        "<p class=\"how\">For each member: how many of the held-out normal rows, as a power of ten, had a larger smoothed \
         error. Beyond the last 2 % the line is the tail that was fitted to them.</p>"
    )?;
    open_table(
        &[
            "Scores",
            "Held-out rows",
            "Events on them",
            "Median error",
            "99 %",
            "Largest",
            "Alarms a week",
        ],
        out,
    )?;
    for (mode, record) in [
        (Mode::Causal, &record.causal),
        (Mode::Retrospective, &record.retrospective),
    ] {
        let rate = record.predicted_per_week.or(record.alarms_per_week);
        write!(
            out,
            "<tr><th>{mode}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            record.n_scored,
            record.n_events,
            number(record.error_median),
            number(record.error_q99),
            number(record.error_max),
            rate.map_or("–".to_owned(), number)
        )?;
    }
    close_table(out)?;
    for text in [&record.causal.support, &record.causal.fallback]
        .into_iter()
        .flatten()
    {
        write!(out, "<p class=\"how\">{}.</p>", escaped(text))?;
    }
    out.write_all(b"</section>\n")
}

/// Errors and the decimal logarithm of the share of held-out rows above, into the fitted tail as far as one in a
/// hundred thousand.
fn survival(tail: &Tail) -> Vec<(f64, f64)> {
    let begin = tail.knots.last().copied().unwrap_or_default();
    let body = tail.knots.iter().copied();
    // Where the tail reaches 1e-5: surprise = −ln(0.02) + ln(x / begin) / slope.
    let end = begin * (tail.slope * (5.0 * std::f64::consts::LN_10 + 0.02_f64.ln())).exp();
    let beyond = (1..=20).map(|step| begin + (end - begin) * f64::from(step) / 20.0);
    let share = |error: f64| -tail.surprise(error) / std::f64::consts::LN_10;
    body.chain(beyond).map(|error| (error, share(error))).collect()
}

/// How well each channel is followed.
fn channels(card: &Card<'_>, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<section class=\"card\"><h2>How well each channel is followed</h2>"
    )?;
    open_table(&["Channel", "Usual deviation", "Weight"], out)?;
    for channel in card.channels() {
        let deviation = if channel.is_read {
            number(channel.residual)
        } else {
            "not read: it did not vary".to_owned()
        };
        write!(
            out,
            "<tr><th>{}</th><td class=\"number\">{deviation}</td><td class=\"number\">{}</td></tr>",
            escaped(channel.name),
            number(channel.weight)
        )?;
    }
    close_table(out)?;
    writeln!(
        out,
        "<p class=\"how\">Usual deviation: root of the mean squared difference between a held-out row and what the first member \
         expected of it, in units of the channel's scale. Weight: how much the channel counts; 1 on average.</p></section>"
    )
}

fn row(what: &str, value: &str, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<tr><th>{what}</th><td>{}</td></tr>", escaped(value))
}

pub(super) fn open_table(head: &[&str], out: &mut impl Write) -> io::Result<()> {
    write!(out, "<div class=\"scroll\"><table><thead><tr>")?;
    for name in head {
        write!(out, "<th>{name}</th>")?;
    }
    write!(out, "</tr></thead><tbody>")
}

pub(super) fn close_table(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"</tbody></table></div>")
}
