//! The report on the quality of data: one HTML file that loads nothing, Markdown, or JSON.

use std::fmt::Write as _;
use std::path::Path;

use bellwether_core::validate::{Bin, Case, ChannelProfile, Finding, SeriesProfile, Severity, Verdict};

use super::page::{STYLE, escaped};
use crate::commands::validate::shown::{Quality, subject};
use crate::failure::Failure;

/// Series whose channels are shown at most: the worst of many.
const N_SERIES_SHOWN: usize = 60;

/// Size of a picture.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 34.0;

/// Rules for what only this page has.
const OWN_STYLE: &str = "svg.spark{width:220px;height:34px;display:block}svg.spark path{fill:var(--line);stroke:var(--line);\
stroke-width:.8}svg.spark rect{fill:var(--alarm-wash)}.good{color:var(--truth);font-weight:650}.uncertain{font-weight:650}\
.bad{color:var(--alarm);font-weight:650}.error{color:var(--alarm);font-weight:650}td.said{max-width:70ch}";

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Markdown,
    Json,
}

impl Form {
    /// The form that the ending of a file asks for.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let ending = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("html" | "htm") => Ok(Self::Html),
            Some("md" | "markdown") => Ok(Self::Markdown),
            Some("json") => Ok(Self::Json),
            _ => Err(Failure::Usage(format!(
                "--report {}: the ending does not say the form; give FILE.html, FILE.md or FILE.json",
                path.display()
            ))),
        }
    }

    /// The report in this form.
    pub(crate) fn text(self, quality: &Quality<'_>) -> String {
        match self {
            Self::Html => html(quality),
            Self::Markdown => markdown(quality),
            Self::Json => format!("{:#}\n", quality.document()),
        }
    }
}

fn html(quality: &Quality<'_>) -> String {
    let title = if quality.is_valid() {
        "Data fit for use"
    } else {
        "Data not fit for use"
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
         base-uri 'none'; form-action 'none'\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<header class=\"page\"><div><p class=\"brand\">\
         <span aria-hidden=\"true\" class=\"bell\"></span>bellwether</p><h1>{title}</h1></div></header>\n<main>\n\
         <section class=\"card lead\"><p class=\"summary\">{}</p><p class=\"how\">Level {}{}.{}</p></section>\n",
        escaped(&quality.summary()),
        quality.level.name(),
        if quality.has_contract {
            ", held against a contract"
        } else {
            ""
        },
        quality.mended.as_ref().map_or(String::new(), |mended| format!(
            " The data were mended before: {} rows left out or moved, {} cells; each stands in {}.",
            mended.n_rows,
            mended.n_cells,
            escaped(&mended.list.display().to_string())
        ))
    );
    let shown = worst_first(quality);
    for (profile, findings) in shown.iter().take(N_SERIES_SHOWN) {
        series(profile, findings, quality.has_several(), &mut page);
    }
    if shown.len() > N_SERIES_SHOWN {
        let _ = writeln!(
            page,
            "<p class=\"how\">{} series more are not shown; those above are the worst. The report as JSON has all.</p>",
            shown.len() - N_SERIES_SHOWN
        );
    }
    let _ = writeln!(
        page,
        "</main>\n<footer class=\"page\">bellwether {}. This file is complete in itself: it loads nothing and sends \
         nothing.</footer>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION")
    );
    page
}

/// The series, those with the most errors first.
fn worst_first<'a>(quality: &'a Quality<'_>) -> Vec<(&'a SeriesProfile, &'a [Finding])> {
    let n_of = |findings: &[Finding], severity| findings.iter().filter(|of| of.severity == severity).count();
    let mut all: Vec<_> = quality
        .series
        .iter()
        .map(|(profile, findings)| (*profile, findings.as_slice()))
        .collect();
    all.sort_by_key(|(_, findings)| {
        std::cmp::Reverse((n_of(findings, Severity::Error), n_of(findings, Severity::Warning)))
    });
    all
}

fn series(profile: &SeriesProfile, findings: &[Finding], has_several: bool, page: &mut String) {
    let name = if has_several {
        profile.series.as_str()
    } else {
        "Findings"
    };
    let _ = write!(page, "<section class=\"card\"><h2>{}</h2>", escaped(name));
    if let (Some(first), Some(last)) = (profile.time.first, profile.time.last) {
        let _ = write!(
            page,
            "<p class=\"how\">{} rows from {first} to {last}{}.</p>",
            profile.n_rows,
            profile.time.cadence.map_or(String::new(), |cadence| {
                format!(", one every {}", bellwether_core::time::humane(cadence))
            })
        );
    }
    if findings.is_empty() {
        page.push_str("<p>Nothing speaks against these data.</p>");
    } else {
        page.push_str(
            "<div class=\"scroll\"><table><thead><tr><th>Severity</th><th>About</th><th>Check</th><th>What was found</th>\
             <th>First places</th><th>What to do</th></tr></thead><tbody>",
        );
        for of in findings {
            let _ = write!(
                page,
                "<tr><td class=\"{0}\">{0}</td><th>{1}</th><td>{2}{3}</td><td class=\"said\">{4}</td><td>{5}</td><td class=\"said\">{6}</td></tr>",
                of.severity.name(),
                escaped(&subject(profile, of, false)),
                of.check.name(),
                of.fault
                    .map_or(String::new(), |fault| format!(", {} fault", fault.name())),
                escaped(&of.message),
                places(&of.cases),
                escaped(of.advice),
            );
        }
        page.push_str("</tbody></table></div>");
    }
    page.push_str(
        "<h3>Channels</h3><div class=\"scroll\"><table><thead><tr><th>Channel</th><th>Verdict</th><th>All rows</th><th>Missing</th>\
         <th>Smallest</th><th>1 %</th><th>Median</th><th>99 %</th><th>Largest</th></tr></thead><tbody>",
    );
    for channel in &profile.channels {
        let verdict = SeriesProfile::verdict(findings, &channel.name);
        let unit = channel.unit.map_or(String::new(), |unit| format!(" {unit}"));
        let numbers = [
            channel.min,
            channel.quantiles[0],
            channel.quantiles[2],
            channel.quantiles[4],
            channel.max,
        ];
        let cells = numbers.map(|value| format!("<td class=\"number\">{}{unit}</td>", number(value)));
        let _ = write!(
            page,
            "<tr><th>{}</th><td class=\"{1}\">{1}</td><td>{2}</td><td class=\"number\">{3:.1} %</td>{4}</tr>",
            escaped(&channel.name),
            verdict.name(),
            spark(channel, verdict),
            100.0 * channel.missing_share(),
            cells.concat()
        );
    }
    page.push_str("</tbody></table></div></section>\n");
}

/// Rows and times of cases, the first of them.
fn places(cases: &[Case]) -> String {
    let place = |case: &Case| {
        let time = case.time.map_or(String::new(), |time| format!(", {time}"));
        let until = case.until.map_or(String::new(), |(row, _)| format!("–{row}"));
        format!("row {}{until}{time}", case.row)
    };
    cases.iter().take(3).map(place).collect::<Vec<_>>().join("<br>")
}

/// All rows of a channel in one small picture: from the smallest to the largest value of each stretch.
fn spark(channel: &ChannelProfile, verdict: Verdict) -> String {
    let (low, high) = (channel.min, channel.max);
    let bins = &channel.bins;
    if bins.iter().all(Bin::is_empty) {
        return String::new();
    }
    let width = WIDTH / bins.len() as f64;
    let spread = if high > low { high - low } else { 1.0 };
    let y = |value: f32| 2.0 + (HEIGHT - 4.0) * (1.0 - (f64::from(value) - low) / spread).clamp(0.0, 1.0);
    let mut path = String::new();
    let mut missing = String::new();
    for (idx, bin) in bins.iter().enumerate() {
        let x = width * idx as f64;
        if bin.is_empty() {
            let _ = write!(
                missing,
                "<rect x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>"
            );
            continue;
        }
        let (top, bottom) = (y(bin.high), y(bin.low));
        let _ = write!(path, "M{x:.1} {top:.1}h{width:.1}V{bottom:.1}h-{width:.1}Z");
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over all rows, {}\">{missing}<path d=\"{path}\"/></svg>",
        escaped(&channel.name),
        verdict.name()
    )
}

fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value.abs() >= 1000.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

fn markdown(quality: &Quality<'_>) -> String {
    let mut text = format!(
        "# Quality of data\n\n{}.\n\nLevel {}{}.\n",
        quality.summary(),
        quality.level.name(),
        if quality.has_contract {
            ", held against a contract"
        } else {
            ""
        }
    );
    for (profile, findings) in worst_first(quality) {
        if quality.has_several() {
            let _ = write!(text, "\n## {}\n", in_markdown(profile.series.as_str()));
        }
        text +=
            "\n| channel | verdict | missing | smallest | median | largest |\n|---|---|---|---|---|---|\n";
        for channel in &profile.channels {
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} % | {} | {} | {} |",
                in_markdown(&channel.name),
                SeriesProfile::verdict(findings, &channel.name).name(),
                100.0 * channel.missing_share(),
                number(channel.min),
                number(channel.quantiles[2]),
                number(channel.max)
            );
        }
        if findings.is_empty() {
            text += "\nNothing speaks against these data.\n";
            continue;
        }
        text += "\n| severity | about | check | what was found | first row | what to do |\n|---|---|---|---|---|---|\n";
        for of in findings {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                of.severity.name(),
                in_markdown(&subject(profile, of, false)),
                of.check.name(),
                in_markdown(&of.message),
                of.cases
                    .first()
                    .map_or("–".to_owned(), |case| case.row.to_string()),
                in_markdown(of.advice)
            );
        }
    }
    text
}

/// Text in a cell of a table.
fn in_markdown(text: &str) -> String {
    let mut out = String::new();
    for sign in text.chars() {
        match sign {
            '|' | '\\' | '*' | '_' | '`' | '[' | ']' | '<' | '>' => {
                out.push('\\');
                out.push(sign);
            }
            '\n' | '\r' => out.push(' '),
            sign => out.push(sign),
        }
    }
    out
}
