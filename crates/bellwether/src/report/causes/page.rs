//! The page of one explanation: tables and charts, complete in one file, without a script.

use std::io::{self, Write};
use std::time::Duration;

use bellwether_core::time::humane;

use super::Causes;
use super::chart::{bar, heat_map, number, trajectory};
use crate::report::page::{STYLE, escaped};

/// Rules for what only this page has.
const OWN_STYLE: &str = "svg.chart{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--muted)}\
svg.chart rect{fill:var(--alarm)}svg.chart rect.stretch{fill:var(--alarm-wash)}polygon.band{fill:var(--expected-wash)}\
polyline{fill:none;stroke-width:1.4}polyline.expected{stroke:var(--expected);stroke-dasharray:4 3}polyline.measured{stroke:var(--line)}\
svg.bar{width:90px;height:14px}svg.bar rect{fill:var(--line)}svg.bar line{stroke:var(--ink);stroke-width:1.5}";

pub(super) fn write(causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    let subject = match &causes.event {
        Some(event) => format!("Event {event} of {}", causes.series),
        None => format!("{} at {}", causes.series, causes.end),
    };
    let title = escaped(&subject);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
         base-uri 'none'; form-action 'none'\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<header class=\"page\"><div><p class=\"brand\">\
         <span aria-hidden=\"true\" class=\"bell\"></span>bellwether</p><h1>{title}</h1></div></header>\n<main>\n"
    )?;
    writeln!(
        out,
        "<section class=\"card lead\"><p class=\"summary\">{}</p><p class=\"how\">Model {}, {} scores. {} samples from {} to {}; \
         the highest score was {} at {}.</p></section>",
        escaped(&causes.sentence),
        escaped(&causes.model),
        escaped(&causes.mode),
        causes.samples,
        escaped(&causes.start),
        escaped(&causes.end),
        causes.peak_score.map_or("–".to_owned(), number),
        escaped(&causes.peak_time),
    )?;
    channels(causes, out)?;
    writeln!(
        out,
        "<section class=\"card\"><h2>Which channels, and when</h2>{}<p class=\"how\">Each cell is a channel's exact share of all \
         scores of the stretch; all cells sum to 1.</p></section>",
        heat_map(causes)
    )?;
    write!(
        out,
        "<section class=\"card\"><h2>What would have been expected</h2>"
    )?;
    for of in &causes.expected {
        let unit = of.unit.map_or(String::new(), |unit| format!(" ({unit})"));
        write!(
            out,
            "<figure class=\"chart\"><figcaption><h3>{}{unit}</h3></figcaption>{}</figure>",
            escaped(&of.channel),
            trajectory(of)
        )?;
    }
    writeln!(
        out,
        "<p class=\"how\">Solid: measured. Dashed: expected. The band is three usual deviations wide on either side; the stretch \
         is shaded.</p></section>"
    )?;
    counterfactual(causes, out)?;
    pairs(causes, out)?;
    similar(causes, out)?;
    writeln!(
        out,
        "</main>\n<footer class=\"page\">bellwether {}. This file is complete in itself: it loads nothing and sends \
         nothing.</footer>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION")
    )
}

/// All channels with their figures.
fn channels(causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    let head = [
        "Channel",
        "Share",
        "Cured",
        "Moved",
        "Behind",
        "Measured",
        "Expected",
        "Times usual",
        "Gradient",
        "Shapley value",
    ];
    write!(
        out,
        "<section class=\"card\"><h2>Channels, the likeliest cause first</h2>"
    )?;
    open_table(&head, out)?;
    let shapley = causes.channels.iter().filter_map(|cause| cause.shapley);
    let most = shapley.map(f64::abs).fold(0.0, f64::max);
    let maybe = |value: Option<f64>| value.map_or("–".to_owned(), number);
    for cause in &causes.channels {
        let unit = cause.unit.map_or(String::new(), |unit| format!(" {unit}"));
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let shapley = cause.shapley.map_or("–".to_owned(), |value| {
            let error = cause.shapley_error.unwrap_or(0.0);
            format!(
                "{} {} ± {}",
                bar(value, error, most),
                number(value),
                number(error)
            )
        });
        write!(
            out,
            "<tr><th>{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"time\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}{unit}</td><td class=\"number\">{}{unit}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{shapley}</td></tr>",
            escaped(&cause.channel),
            percent(cause.share),
            cause.cured.map_or("–".to_owned(), percent),
            escaped(cause.moved.as_deref().unwrap_or("–")),
            cause.delay_s.map_or("–".to_owned(), behind),
            maybe(cause.value),
            maybe(cause.expected),
            maybe(cause.times_usual),
            maybe(cause.gradient),
        )?;
    }
    writeln!(
        out,
        "</tbody></table></div><p class=\"how\">Share: of the scores, exact. Cured: the part of the scores that is gone with this \
         channel set to what is expected of it. Gradient and Shapley value: parts of the error of the window that ends with the \
         peak.</p></section>"
    )
}

fn counterfactual(causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    let Some(of) = &causes.counterfactual else {
        return Ok(());
    };
    let said = if of.is_normal {
        format!(
            "With these channels so, the highest score would have been {}: no alarm.",
            number(of.score)
        )
    } else {
        format!(
            "No small change was found that makes it normal: with these channels as expected, the highest score is still {}.",
            number(of.score)
        )
    };
    write!(
        out,
        "<section class=\"card\"><h2>What would have been normal</h2><p class=\"how\">{said}</p>"
    )?;
    open_table(&["Channel", "At", "Measured", "Normal"], out)?;
    for change in &of.changes {
        let unit = change.unit.map_or(String::new(), |unit| format!(" {unit}"));
        let shown =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{}{unit}", number(value)));
        write!(
            out,
            "<tr><th>{}</th><td class=\"time\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            escaped(&change.channel),
            escaped(&change.at),
            shown(change.value),
            shown(change.wanted)
        )?;
    }
    out.write_all(b"</tbody></table></div></section>\n")
}

fn pairs(causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    if causes.pairs.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<section class=\"card\"><h2>Pairs that no longer go together</h2>"
    )?;
    open_table(&["Pair", "Training", "Just before", "Now", "q value"], out)?;
    for pair in &causes.pairs {
        write!(
            out,
            "<tr><th>{} ~ {}</th><td class=\"number\">{:.2}</td><td class=\"number\">{:.2}</td><td class=\"number\">{:.2}</td>\
             <td class=\"number\">{:.1e}</td></tr>",
            escaped(&pair.channels[0]),
            escaped(&pair.channels[1]),
            pair.training,
            pair.before,
            pair.now,
            pair.q_value
        )?;
    }
    writeln!(
        out,
        "</tbody></table></div><p class=\"how\">Correlations.</p></section>"
    )
}

fn similar(causes: &Causes, out: &mut impl Write) -> io::Result<()> {
    if causes.similar.is_empty() {
        return Ok(());
    }
    write!(out, "<section class=\"card\"><h2>Events that looked alike</h2>")?;
    open_table(&["Event", "Series", "From", "To", "Kind", "Alike"], out)?;
    for event in &causes.similar {
        write!(
            out,
            "<tr><th>{}</th><td>{}</td><td class=\"time\">{}</td><td class=\"time\">{}</td><td>{}</td><td class=\"number\">{:.2}</td></tr>",
            escaped(&event.event),
            escaped(&event.series),
            escaped(&event.start),
            escaped(&event.end),
            escaped(event.kind.as_deref().unwrap_or("–")),
            event.similarity
        )?;
    }
    writeln!(
        out,
        "</tbody></table></div><p class=\"how\">Alike: cosine of the shares of the channels, 1 where they are the same.</p></section>"
    )
}

/// Seconds as people say them.
fn behind(seconds: f64) -> String {
    let behind = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    if behind.is_zero() {
        "first".to_owned()
    } else {
        humane(behind)
    }
}

fn open_table(head: &[&str], out: &mut impl Write) -> io::Result<()> {
    write!(out, "<div class=\"scroll\"><table><thead><tr>")?;
    for name in head {
        write!(out, "<th>{name}</th>")?;
    }
    write!(out, "</tr></thead><tbody>")
}
