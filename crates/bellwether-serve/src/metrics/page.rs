//! The text that Prometheus reads.

use std::fmt::Write as _;

use bellwether_stream::live::{BOUNDS_S, DurationCounts};

/// Kinds of figures.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text that Prometheus reads: families of figures, one after the other.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// A family: what is written next belongs to it.
pub(super) struct Family<'a> {
    page: &'a mut String,
    name: &'static str,
}

type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    /// Begins a family. `help` is plain text of one line.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        put(
            &mut self.0,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
        Family {
            page: &mut self.0,
            name,
        }
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.family(name, Kind::Counter, help).value(&[], value as f64);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.family(name, Kind::Gauge, help).value(&[], value);
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// A figure.
    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    /// A histogram.
    pub(super) fn durations(&mut self, labels: Labels<'_>, counts: &DurationCounts) {
        self.buckets(labels, counts, 1);
    }

    /// A histogram with every second bound, for a family of many.
    pub(super) fn coarse_durations(&mut self, labels: Labels<'_>, counts: &DurationCounts) {
        self.buckets(labels, counts, 2);
    }

    fn buckets(&mut self, labels: Labels<'_>, counts: &DurationCounts, step: usize) {
        let bounds = BOUNDS_S.iter().zip(counts.up_to);
        for (bound, n) in bounds.skip(step - 1).step_by(step) {
            self.line("_bucket", labels, Some(*bound), n as f64);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), counts.n as f64);
        self.line("_sum", labels, None, counts.sum_s);
        self.line("_count", labels, None, counts.n as f64);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, up_to: Option<f64>, value: f64) {
        put(self.page, format_args!("{}{suffix}", self.name));
        let bound = up_to.map(number);
        let bound = bound.iter().map(|bound| ("le", bound.as_str()));
        for (place, (label, text)) in labels.iter().copied().chain(bound).enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            put(self.page, format_args!("{before}{label}=\"{}\"", escaped(text)));
        }
        let after = if labels.is_empty() && up_to.is_none() {
            ""
        } else {
            "}"
        };
        put(self.page, format_args!("{after} {}\n", number(value)));
    }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = page.write_fmt(text);
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.counter("a_total", "How many.", 3);
        let mut family = page.family("b", Kind::Gauge, "By place.");
        family.value(&[("place", "a\"b\\c\nd"), ("n", "1")], f64::NAN);
        family.value(&[("place", "")], f64::INFINITY);
        let want = "# HELP a_total How many.\n# TYPE a_total counter\na_total 3\n\
                    # HELP b By place.\n# TYPE b gauge\n\
                    b{place=\"a\\\"b\\\\c\\nd\",n=\"1\"} NaN\nb{place=\"\"} +Inf\n";
        assert_eq!(page.text(), want);
    }

    #[test]
    fn a_histogram_ends_with_all() {
        let durations = bellwether_stream::live::Durations::default();
        durations.add(std::time::Duration::from_secs(3), 2);
        let mut page = Page::default();
        let mut family = page.family("d_seconds", Kind::Histogram, "How long.");
        family.durations(&[("way", "x")], &durations.counts());
        let text = page.text();
        let check = |line: &str| assert!(text.lines().any(|found| found == line), "{line}: {text}");
        check("d_seconds_bucket{way=\"x\",le=\"2.5\"} 0");
        check("d_seconds_bucket{way=\"x\",le=\"10\"} 2");
        check("d_seconds_bucket{way=\"x\",le=\"+Inf\"} 2");
        check("d_seconds_sum{way=\"x\"} 6");
        check("d_seconds_count{way=\"x\"} 2");
        let mut coarse = Page::default();
        let mut family = coarse.family("d_seconds", Kind::Histogram, "How long.");
        family.coarse_durations(&[], &durations.counts());
        let text = coarse.text();
        assert_eq!(text.lines().filter(|line| line.contains("_bucket")).count(), 7);
        assert!(text.contains("d_seconds_bucket{le=\"10\"} 2"), "{text}");
    }
}
