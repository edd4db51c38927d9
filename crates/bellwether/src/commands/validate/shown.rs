//! What was found, as people and programs read it.

use std::path::PathBuf;

use bellwether_core::validate::{Case, ChannelProfile, Finding, Level, SeriesProfile, Severity, Verdict};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::failure::Failure;
use crate::output::{Output, Rows};

/// Keys of a finding.
const FINDING_KEYS: [&str; 10] = [
    "series", "channel", "severity", "check", "fault", "count", "row", "time", "message", "advice",
];

/// Columns of the table of channels.
const CHANNEL_KEYS: [&str; 9] = [
    "series", "channel", "unit", "verdict", "missing", "min", "median", "max", "findings",
];

/// Findings of a level that are said in one line where many are alike.
const N_SAID: usize = 3;

/// What `--fix` did.
#[derive(Debug, Clone)]
pub(crate) struct Mended {
    pub(crate) n_rows: usize,
    pub(crate) n_cells: usize,
    pub(crate) list: PathBuf,
}

/// All series with what was found.
#[derive(Debug)]
pub(crate) struct Quality<'a> {
    pub(crate) level: Level,
    pub(crate) has_contract: bool,
    pub(crate) series: Vec<(&'a SeriesProfile, Vec<Finding>)>,
    pub(crate) mended: Option<Mended>,
}

impl<'a> Quality<'a> {
    pub(super) fn new(
        profiles: &'a [SeriesProfile],
        level: Level,
        has_contract: bool,
        mended: Option<Mended>,
    ) -> Self {
        let series = profiles.iter().map(|profile| (profile, profile.findings(level)));
        Self {
            level,
            has_contract,
            series: series.collect(),
            mended,
        }
    }

    pub(crate) fn n_of(&self, severity: Severity) -> usize {
        self.all()
            .filter(|(_, finding)| finding.severity == severity)
            .count()
    }

    fn all(&self) -> impl Iterator<Item = (&SeriesProfile, &Finding)> {
        self.series
            .iter()
            .flat_map(|(profile, findings)| findings.iter().map(move |finding| (*profile, finding)))
    }

    /// Whether the answer is "yes".
    pub(crate) fn is_valid(&self) -> bool {
        self.n_of(Severity::Error) == 0
    }

    /// The answer in a sentence.
    pub(crate) fn summary(&self) -> String {
        let n_rows: u64 = self.series.iter().map(|(profile, _)| profile.n_rows).sum();
        let n_channels: usize = self
            .series
            .iter()
            .map(|(profile, _)| profile.channels.len())
            .sum();
        let verdicts = self.series.iter().flat_map(|(profile, findings)| {
            let of = |channel: &ChannelProfile| SeriesProfile::verdict(findings, &channel.name);
            profile.channels.iter().map(of)
        });
        let n_good = verdicts.filter(|verdict| *verdict == Verdict::Good).count();
        let counted = |severity: Severity| {
            let n = self.n_of(severity);
            format!("{n} {}{}", severity.name(), if n == 1 { "" } else { "s" })
        };
        let series = match self.series.len() {
            1 => String::new(),
            n => format!(" of {n} series"),
        };
        format!(
            "{}: {}, {} in {n_rows} rows{series}; {n_good} of {n_channels} channels are good",
            if self.is_valid() {
                "fit for use"
            } else {
                "not fit for use"
            },
            counted(Severity::Error),
            counted(Severity::Warning),
        )
    }

    /// What is said where the answer is "no".
    pub(super) fn refusal(&self) -> Option<String> {
        (!self.is_valid()).then(|| self.summary())
    }

    /// Errors and warnings, a line each.
    pub(super) fn worth_a_warning(&self) -> impl Iterator<Item = String> {
        self.all()
            .filter(|(_, finding)| finding.severity > Severity::Info)
            .map(|(profile, finding)| {
                format!(
                    "{}: {}",
                    subject(profile, finding, self.has_several()),
                    finding.message
                )
            })
    }

    pub(crate) fn has_several(&self) -> bool {
        self.series.len() > 1
    }

    pub(super) fn show(&self, output: &Output) -> Result<(), Failure> {
        if output.format() != Format::Table {
            return output.answer(&self.document(), &self.finding_rows(&FINDING_KEYS));
        }
        output.answer(&(), &self.channel_rows())?;
        let keys: Vec<&'static str> = [
            "series", "channel", "severity", "check", "count", "row", "time", "message",
        ]
        .into_iter()
        .filter(|key| self.has_several() || *key != "series")
        .collect();
        if self.all().next().is_some() {
            output.answer(&(), &self.finding_rows(&keys))?;
        }
        for advice in self.advice() {
            output.note(&advice);
        }
        if self.is_valid() {
            output.note(&self.summary());
        }
        Ok(())
    }

    /// What to do, once for each kind of error and warning.
    fn advice(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut lines = Vec::new();
        for (_, finding) in self
            .all()
            .filter(|(_, finding)| finding.severity > Severity::Info)
        {
            if !told.contains(&finding.check) {
                told.push(finding.check);
                lines.push(format!("{}: {}", finding.check.name(), finding.advice));
            }
        }
        lines
    }

    fn finding_rows(&self, keys: &[&'static str]) -> Rows {
        let mut rows = Rows::new(keys);
        for (profile, finding) in self.all() {
            let first = finding.cases.first();
            let value = |key: &str| match key {
                "series" => json!(profile.series.as_str()),
                "channel" => json!(finding.channel),
                "severity" => json!(finding.severity.name()),
                "check" => json!(finding.check.name()),
                "fault" => json!(finding.fault.map(|fault| fault.name())),
                "count" => json!(finding.count),
                "row" => json!(first.map(|case| case.row)),
                "time" => json!(first.and_then(|case| case.time).map(|time| time.to_string())),
                "message" => json!(finding.message),
                _ => json!(finding.advice),
            };
            rows.push(keys.iter().map(|key| value(key)).collect());
        }
        rows
    }

    fn channel_rows(&self) -> Rows {
        let keys: Vec<&'static str> = CHANNEL_KEYS
            .into_iter()
            .filter(|key| self.has_several() || *key != "series")
            .collect();
        let mut rows = Rows::new(&keys);
        for (profile, findings) in &self.series {
            for channel in &profile.channels {
                let value = |key: &str| match key {
                    "series" => json!(profile.series.as_str()),
                    "channel" => json!(channel.name),
                    "unit" => json!(channel.unit.unwrap_or_default()),
                    "verdict" => json!(SeriesProfile::verdict(findings, &channel.name).name()),
                    "missing" => json!(format!("{:.1} %", 100.0 * channel.missing_share())),
                    "min" => json!(number(channel.min)),
                    "median" => json!(number(channel.quantiles[2])),
                    "max" => json!(number(channel.max)),
                    _ => json!(checks_of(findings, &channel.name)),
                };
                rows.push(keys.iter().map(|key| value(key)).collect());
            }
        }
        rows
    }

    /// Everything as one document.
    pub(crate) fn document(&self) -> Value {
        let series = self.series.iter().map(|(profile, findings)| {
            json!({
                "series": profile.series.as_str(),
                "is_valid": !SeriesProfile::is_refused(findings),
                "n_rows": profile.n_rows,
                "n_unreadable_rows": profile.n_unreadable(),
                "is_exact": profile.is_exact,
                "time": time(profile),
                "channels": profile.channels.iter().map(|of| channel(of, findings)).collect::<Vec<_>>(),
                "findings": findings.iter().map(finding).collect::<Vec<_>>(),
            })
        });
        json!({
            "format": "bellwether-validation",
            "version": 1,
            "is_valid": self.is_valid(),
            "summary": self.summary(),
            "level": self.level.name(),
            "has_contract": self.has_contract,
            "n_errors": self.n_of(Severity::Error),
            "n_warnings": self.n_of(Severity::Warning),
            "repairs": self.mended.as_ref().map(|mended| json!({
                "n_rows": mended.n_rows,
                "n_cells": mended.n_cells,
                "list": mended.list.display().to_string(),
            })),
            "series": series.collect::<Vec<_>>(),
        })
    }
}

/// What a finding is about.
pub(crate) fn subject(profile: &SeriesProfile, finding: &Finding, has_several: bool) -> String {
    match (&finding.channel, has_several) {
        (Some(channel), false) => channel.clone(),
        (Some(channel), true) => format!("{}, {channel}", profile.series.as_str()),
        (None, true) => profile.series.as_str().to_owned(),
        (None, false) => "rows".to_owned(),
    }
}

/// The checks that found something in a channel, in few words.
fn checks_of(findings: &[Finding], channel: &str) -> String {
    let of_channel = findings
        .iter()
        .filter(|finding| finding.channel.as_deref() == Some(channel));
    let names: Vec<&str> = of_channel.map(|finding| finding.check.name()).collect();
    match names.len() {
        n if n > N_SAID => format!("{} and {} more", names[..N_SAID].join(", "), n - N_SAID),
        _ => names.join(", "),
    }
}

/// A number, or null where there is none.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        Value::Null
    }
}

fn time(profile: &SeriesProfile) -> Value {
    let time = &profile.time;
    json!({
        "first": time.first.map(|time| time.to_string()),
        "last": time.last.map(|time| time.to_string()),
        "cadence_s": time.cadence.map(|cadence| cadence.as_secs_f64()),
        "jitter": number(time.jitter),
        "longest_spacing_s": time.longest.as_secs_f64(),
        "n_gaps": time.n_gaps,
        "gaps": time.gaps.iter().map(|gap| json!({
            "row": gap.row,
            "from": gap.from.to_string(),
            "to": gap.to.to_string(),
            "span_s": gap.to.since(gap.from).as_secs_f64(),
        })).collect::<Vec<_>>(),
        "n_set_back": time.n_set_back,
    })
}

fn channel(of: &ChannelProfile, findings: &[Finding]) -> Value {
    let [q01, q25, median, q75, q99] = of.quantiles.map(number);
    json!({
        "channel": of.name,
        "unit": of.unit,
        "kind": of.kind.name(),
        "verdict": SeriesProfile::verdict(findings, &of.name).name(),
        "n_rows": of.n_rows,
        "n_values": of.n_values,
        "missing_share": number(of.missing_share()),
        "n_unreadable": of.n_unreadable(),
        "min": number(of.min),
        "q01": q01,
        "q25": q25,
        "median": median,
        "q75": q75,
        "q99": q99,
        "max": number(of.max),
        "states": of.states,
        "resolution": of.resolution.map(|of| of.step),
        "max_rate_per_s": number(of.max_rate),
        "longest_same_s": of.longest_same.as_secs_f64(),
        "copy_of": of.twin.as_ref().map(|twin| &twin.channel),
    })
}

fn finding(of: &Finding) -> Value {
    json!({
        "check": of.check.name(),
        "severity": of.severity.name(),
        "channel": of.channel,
        "fault": of.fault.map(|fault| fault.name()),
        "count": of.count,
        "is_at_least": of.is_at_least,
        "message": of.message,
        "advice": of.advice,
        "cases": of.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(of: &Case) -> Value {
    json!({
        "row": of.row,
        "time": of.time.map(|time| time.to_string()),
        "value": of.value.and_then(|value| value.is_finite().then_some(value)),
        "until_row": of.until.map(|(row, _)| row),
        "until": of.until.map(|(_, time)| time.to_string()),
    })
}
