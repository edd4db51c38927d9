//! A notice as a mail: text and HTML, in one thread per alert.

use std::fmt::Write as _;

use lettre::Message;
use lettre::error::Error;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::alert::Notice;
use crate::channel::text::{cut, description, percent, plain, status, summary, value};

/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 200;
/// Channels in a mail; the rest is counted.
const CHANNELS_MAX: usize = 20;

/// Writes the mail. Its `Message-ID` derives from alert and status, and what ends an alert refers to what began it.
pub(super) fn write(notice: &Notice, from: &Mailbox, to: &[Mailbox]) -> Result<Message, Error> {
    let subject = format!("[{}] {}", status(notice), summary(notice));
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(cut(&subject, SUBJECT_CHARS_MAX))
        .message_id(Some(message_id(notice, status(notice), from)))
        .raw_header(header("X-Bellwether-Alert", &word(&notice.id)))
        // Nobody's holiday shall answer this (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated"));
    for to in to {
        builder = builder.to(to.clone());
    }
    if !notice.is_firing {
        let first = message_id(notice, "firing", from);
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    builder.multipart(MultiPart::alternative_plain_html(text(notice), html(notice)))
}

fn message_id(notice: &Notice, status: &str, from: &Mailbox) -> String {
    format!("<{}.{status}@{}>", word(&notice.id), from.email.domain())
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Text that cannot end a header, a quote or an address.
fn word(text: &str) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.chars().map(|c| if is_kept(c) { c } else { '_' }).collect()
}

/// Rows of channel, share, measured, expected.
fn rows(notice: &Notice) -> impl Iterator<Item = [String; 4]> {
    notice.channels.iter().take(CHANNELS_MAX).map(|note| {
        [
            plain(&note.channel),
            percent(note.share),
            value(note.actual),
            value(note.expected),
        ]
    })
}

const HEADS: [&str; 4] = ["channel", "share", "measured", "expected"];

fn more(notice: &Notice) -> Option<String> {
    let n_more = notice.channels.len().saturating_sub(CHANNELS_MAX);
    (n_more > 0).then(|| format!("and {n_more} more"))
}

fn text(notice: &Notice) -> String {
    let mut text = format!("{}\n\n{}\n", summary(notice), description(notice));
    let mut add = |line: &str| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    if !notice.channels.is_empty() {
        add("");
        for [channel, share, measured, expected] in [HEADS.map(str::to_owned)].into_iter().chain(rows(notice))
        {
            add(&format!("{channel:<24} {share:>6} {measured:>12} {expected:>12}"));
        }
        if let Some(more) = more(notice) {
            add(&more);
        }
    }
    if !notice.links.is_empty() {
        add("\nWhat was it?");
        for (verdict, url) in &notice.links {
            add(&format!("  {}: {url}", plain(verdict)));
        }
    }
    add(&format!("\nalert {}", plain(&notice.id)));
    text
}

fn html(notice: &Notice) -> String {
    let mut html = String::from("<!doctype html><html><body style=\"font-family:sans-serif\">");
    let mut add = |part: std::fmt::Arguments<'_>| html.write_fmt(part).expect("a string takes any text");
    add(format_args!("<h2>{}</h2>", escaped(&summary(notice))));
    add(format_args!("<p>{}</p>", escaped(&description(notice))));
    if !notice.channels.is_empty() {
        add(format_args!("<table cellpadding=\"4\"><tr>"));
        for head in HEADS {
            add(format_args!("<th align=\"left\">{head}</th>"));
        }
        add(format_args!("</tr>"));
        for row in rows(notice) {
            add(format_args!("<tr>"));
            for cell in row {
                add(format_args!("<td>{}</td>", escaped(&cell)));
            }
            add(format_args!("</tr>"));
        }
        add(format_args!("</table>"));
        if let Some(more) = more(notice) {
            add(format_args!("<p>{more}</p>"));
        }
    }
    if !notice.links.is_empty() {
        add(format_args!("<p>What was it?"));
        for (verdict, url) in &notice.links {
            add(format_args!(
                " <a href=\"{}\">{}</a>",
                escaped(url),
                escaped(verdict)
            ));
        }
        add(format_args!("</p>"));
    }
    add(format_args!(
        "<p><small>alert {}</small></p></body></html>",
        escaped(&notice.id)
    ));
    html
}

/// Text that HTML shows as it is, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::notice;

    fn written(notice: &Notice) -> String {
        let address = |text: &str| text.parse::<Mailbox>().unwrap();
        let to = [address("Ops <ops@plant.example>"), address("night@plant.example")];
        let letter = write(notice, &address("bellwether@plant.example"), &to).unwrap();
        String::from_utf8(letter.formatted()).unwrap()
    }

    fn head(mail: &str) -> &str {
        mail.split_once("\r\n\r\n").unwrap().0
    }

    #[test]
    fn a_resolved_alert_goes_below_its_firing() {
        let mut told = notice();
        let firing = written(&told);
        told.is_firing = false;
        let resolved = written(&told);
        let has = |mail: &str, line: &str| head(mail).lines().any(|found| found == line);
        for line in [
            "Subject: [firing] pump-7: unusual temperature (level-shift), score 3.2",
            "Message-ID: <a1b2.firing@plant.example>",
            "X-Bellwether-Alert: a1b2",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(has(&firing, line), "{line}: {firing}");
        }
        assert!(!firing.contains("In-Reply-To"));
        for line in [
            "Message-ID: <a1b2.resolved@plant.example>",
            "In-Reply-To: <a1b2.firing@plant.example>",
            "References: <a1b2.firing@plant.example>",
        ] {
            assert!(has(&resolved, line), "{line}: {resolved}");
        }
    }

    #[test]
    fn no_name_of_a_device_becomes_a_header_or_markup() {
        let mut told = notice();
        told.device = "pump\r\nBcc: all@plant.example\r\n\r\n<script>alert(1)</script>".to_owned();
        told.id = "a\r\nBcc: x@y".to_owned();
        told.channels[0].channel = "<b>\n".to_owned();
        let mail = written(&told);
        assert!(!head(&mail).lines().any(|line| line.starts_with("Bcc")), "{mail}");
        assert!(head(&mail).contains("X-Bellwether-Alert: a__Bcc__x_y"), "{mail}");
        assert!(!html(&told).contains("<script>") && !html(&told).contains("<b>"));
        assert!(text(&told).contains("pump  Bcc"));
        // Beyond ASCII, and long: still a head of short ASCII lines.
        told.device = "pümpe ".repeat(200);
        let mail = written(&told);
        assert!(mail.is_ascii() && mail.lines().all(|line| line.len() < 998));
    }
}
