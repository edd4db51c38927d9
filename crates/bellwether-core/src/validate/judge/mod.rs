//! What a profile means: findings, and what each channel is good for.

mod channel;
mod contract;
mod words;

use super::check::{Check, Fault, Finding, Level, Severity, Verdict, Weight};
use super::clock::Gap;
use super::profile::{SeriesProfile, share};
use super::{Case, Cases};
use crate::time::humane;
use words::{advice, many};

/// Fewer rows tell nothing, and fewer make a poor start.
const ROWS_MIN: u64 = 10;
const ROWS_FEW: u64 = 30;

/// Spacings that differ from the cadence by more than that share, in the median.
const JITTER_NOTED: f64 = 0.1;

/// Gaps shown.
const N_GAPS_SHOWN: usize = 5;

/// Findings in the making.
struct Findings {
    level: Level,
    found: Vec<Finding>,
}

/// What is said of a finding.
struct Said {
    check: Check,
    weight: Weight,
    count: u64,
    cases: Vec<Case>,
    message: String,
}

impl Findings {
    fn of_series(&mut self, said: Said) {
        self.push(None, None, said);
    }

    fn push(&mut self, channel: Option<&str>, fault: Option<Fault>, said: Said) {
        self.found.push(Finding {
            check: said.check,
            severity: self.level.severity(said.weight),
            weight: said.weight,
            channel: channel.map(str::to_owned),
            fault,
            count: said.count,
            is_at_least: false,
            cases: said.cases,
            message: said.message,
            advice: advice(said.check),
        });
    }
}

impl SeriesProfile {
    /// What is wrong with the series, the gravest first; in the order of the channels where it is alike.
    pub fn findings(&self, level: Level) -> Vec<Finding> {
        let mut findings = Findings {
            level,
            found: Vec::new(),
        };
        self.rows(&mut findings);
        self.times(&mut findings);
        for channel in &self.channels {
            channel.judge(&mut findings);
        }
        if let Some(breaches) = &self.breaches {
            breaches.judge(&self.channels, &mut findings);
        }
        let mut found = findings.found;
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }

    /// What the channel of that name is good for, as these findings of its series have it.
    pub fn verdict(findings: &[Finding], channel: &str) -> Verdict {
        let of_channel = findings
            .iter()
            .filter(|finding| finding.channel.as_deref() == Some(channel));
        match of_channel.map(|finding| finding.weight).max() {
            Some(Weight::Fatal) => Verdict::Bad,
            Some(Weight::Serious | Weight::Minor) => Verdict::Uncertain,
            Some(Weight::Note) | None => Verdict::Good,
        }
    }

    /// Whether the answer is "no".
    pub fn is_refused(findings: &[Finding]) -> bool {
        findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    fn rows(&self, findings: &mut Findings) {
        if self.unreadable.count > 0 {
            findings.of_series(Said {
                check: Check::UnreadableRow,
                weight: Weight::Fatal,
                count: self.unreadable.count,
                cases: self.unreadable.shown(),
                message: format!("{} cannot be read", many(self.unreadable.count, "row")),
            });
        }
        let n_rows = self.time.n_rows;
        if n_rows < ROWS_FEW {
            findings.of_series(Said {
                check: Check::FewRows,
                weight: if n_rows < ROWS_MIN {
                    Weight::Fatal
                } else {
                    Weight::Minor
                },
                count: n_rows,
                cases: Vec::new(),
                message: format!(
                    "there {}",
                    if n_rows == 1 {
                        "is 1 row".to_owned()
                    } else {
                        format!("are {n_rows} rows")
                    }
                ),
            });
        }
    }

    fn times(&self, findings: &mut Findings) {
        let time = &self.time;
        let repeated = share(time.repeated.count, time.n_rows);
        let is_much = repeated > findings.level.repeated_max();
        let rows = |cases: &Cases, what: &str| {
            let share = words::percent(share(cases.count, time.n_rows));
            format!("{} ({share}) {what}", many(cases.count, "row"))
        };
        let of_rows = [
            (
                Check::RepeatedTime,
                if is_much { Weight::Fatal } else { Weight::Minor },
                &time.repeated,
                "at the time of the row before",
            ),
            (Check::LateRow, Weight::Fatal, &time.late, "behind a later one"),
            (
                Check::FutureTime,
                Weight::Serious,
                &time.future,
                "at a time that has not come yet",
            ),
        ];
        for (check, weight, cases, what) in of_rows {
            if cases.count > 0 {
                findings.of_series(Said {
                    check,
                    weight,
                    count: cases.count,
                    cases: cases.shown(),
                    message: rows(cases, what),
                });
            }
        }
        self.set_back(findings);
        self.spacing(findings);
    }

    fn set_back(&self, findings: &mut Findings) {
        let Some(first) = self.time.set_back.first() else {
            return;
        };
        let case = |row, time| Case {
            row,
            time: Some(time),
            value: None,
            until: None,
        };
        let cases = self.time.set_back.iter().map(|back| case(back.row, back.to));
        let by = first.from.since(first.to);
        // Daylight saving ends: the hour before comes again.
        let is_hour = by.as_secs().abs_diff(3600) <= self.time.cadence.map_or(0, |cadence| cadence.as_secs());
        let hint = if is_hour {
            ", as the end of daylight saving time does in local times"
        } else {
            ""
        };
        findings.of_series(Said {
            check: Check::ClockSetBack,
            weight: Weight::Fatal,
            count: self.time.n_set_back,
            cases: cases.collect(),
            message: format!(
                "the times go back {}, by {} at row {}{hint}",
                if self.time.n_set_back == 1 {
                    "once".to_owned()
                } else {
                    format!("{} times", self.time.n_set_back)
                },
                humane(by),
                first.row
            ),
        });
    }

    fn spacing(&self, findings: &mut Findings) {
        let time = &self.time;
        let Some(cadence) = time.cadence else { return };
        if time.jitter > JITTER_NOTED {
            findings.of_series(Said {
                check: Check::Jitter,
                weight: Weight::Note,
                count: 1,
                cases: Vec::new(),
                message: format!(
                    "rows come about every {}, but by no clock: half of the spacings are off by more than {} of it",
                    humane(cadence),
                    words::percent(time.jitter)
                ),
            });
            return;
        }
        if time.n_gaps == 0 {
            return;
        }
        let mut longest: Vec<&Gap> = time.gaps.iter().collect();
        longest.sort_by_key(|gap| std::cmp::Reverse(gap.span()));
        longest.truncate(N_GAPS_SHOWN);
        longest.sort_by_key(|gap| gap.row);
        let case = |gap: &&Gap| Case {
            row: gap.row,
            time: Some(gap.from),
            value: None,
            until: Some((gap.row + 1, gap.to)),
        };
        findings.of_series(Said {
            check: Check::Gap,
            weight: Weight::Minor,
            count: time.n_gaps,
            cases: longest.iter().map(case).collect(),
            message: format!(
                "{} between rows that should come every {}; the longest takes {}",
                many(time.n_gaps, "gap"),
                humane(cadence),
                humane(time.longest)
            ),
        });
    }
}
