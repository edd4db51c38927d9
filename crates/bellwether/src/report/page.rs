//! The page: template, style, script and data put into one file.

use std::io::{self, Write};

use serde::Serialize;

use super::Report;

const TEMPLATE: &str = include_str!("assets/report.html");
pub(super) const STYLE: &str = include_str!("assets/report.css");
/// Plain scripts that share one scope, in this order.
const SCRIPTS: [&str; 6] = [
    include_str!("assets/scale.js"),
    include_str!("assets/chart.js"),
    include_str!("assets/svg.js"),
    include_str!("assets/sweep.js"),
    include_str!("assets/cost.js"),
    include_str!("assets/report.js"),
];

/// Writes the template, each `{{name}}` replaced. What is put in is never searched for names itself.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the template closes its braces");
        out.write_all(before.as_bytes())?;
        match name {
            "title" => write_text(&report.title, out)?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "summary" => write_text(&report.summary(), out)?,
            "notes" => write_notes(&report.notes, out)?,
            "generated" => write_text(&generated(report), out)?,
            "data" => write_data(report, out)?,
            "script" => SCRIPTS
                .iter()
                .try_for_each(|script| out.write_all(script.as_bytes()))?,
            _ => unreachable!("the template names only what stands above"),
        }
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

fn generated(report: &Report) -> String {
    match report.generated_at {
        Some(time) => format!("{}, {time}", report.generated_by),
        None => report.generated_by.clone(),
    }
}

fn write_notes(notes: &[String], out: &mut impl Write) -> io::Result<()> {
    if notes.is_empty() {
        return Ok(());
    }
    out.write_all(b"<ul class=\"notes\">")?;
    for note in notes {
        out.write_all(b"<li>")?;
        write_text(note, out)?;
        out.write_all(b"</li>")?;
    }
    out.write_all(b"</ul>")
}

/// Text in which nothing is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut bytes = Vec::new();
    write_text(text, &mut bytes).expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("text between entities stays text")
}

/// The same, written.
pub(super) fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_all(&rest.as_bytes()[..at])?;
        let entity: &[u8] = match rest.as_bytes()[at] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            _ => b"&#39;",
        };
        out.write_all(entity)?;
        rest = &rest[at + 1..];
    }
    out.write_all(rest.as_bytes())
}

fn write_data(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, InScript);
    report.serialize(&mut serializer).map_err(io::Error::from)
}

/// JSON inside a script element: a `<` in a string is written as an escape, so no string can end the element.
struct InScript;

impl serde_json::ser::Formatter for InScript {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut parts = fragment.split('<');
        writer.write_all(parts.next().unwrap_or_default().as_bytes())?;
        for part in parts {
            writer.write_all(b"\\u003c")?;
            writer.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}
