//! Where a series breaks its contract.

use super::words::{many, percent, value};
use super::{Findings, Said};
use crate::time::humane;
use crate::validate::check::{Check, Weight};
use crate::validate::profile::ChannelProfile;
use crate::validate::terms::{Breaches, ChannelBreaches, RuleBreaches};
use crate::validate::{Case, Cases};

impl Breaches {
    pub(super) fn judge(&self, channels: &[ChannelProfile], findings: &mut Findings) {
        for name in &self.absent {
            let said = said(
                Check::AbsentChannel,
                1,
                Vec::new(),
                "the contract wants it, and it is not there".to_owned(),
            );
            findings.push(Some(name), None, said);
        }
        for name in &self.extra {
            let said = said(
                Check::ExtraChannel,
                1,
                Vec::new(),
                "it is there, and the contract does not name it".to_owned(),
            );
            findings.push(Some(name), None, said);
        }
        self.times(findings);
        for (channel, breaches) in channels.iter().zip(&self.channels) {
            if let Some(breaches) = breaches {
                breaches.judge(channel, findings);
            }
        }
        for rule in &self.rules {
            rule.judge(channels, findings);
        }
    }

    fn times(&self, findings: &mut Findings) {
        let worst = |cases: &Cases| worst(cases).and_then(|case| case.value).unwrap_or_default();
        let secs = |secs: f64| humane(std::time::Duration::try_from_secs_f64(secs).unwrap_or_default());
        if let Some(cadence) = self.cadence
            && self.off_beat.count > 0
        {
            let message = format!(
                "{} {} off the cadence of {} by more than {} of it; the worst is {}",
                many(self.off_beat.count, "spacing"),
                if self.off_beat.count == 1 { "is" } else { "are" },
                humane(cadence),
                percent(self.jitter.unwrap_or_default()),
                secs(worst(&self.off_beat)),
            );
            findings.of_series(said(
                Check::Cadence,
                self.off_beat.count,
                self.off_beat.shown(),
                message,
            ));
        }
        if let Some(max_gap) = self.max_gap
            && self.gaps.count > 0
        {
            let message = format!(
                "{} of more than {}; the longest takes {}",
                many(self.gaps.count, "gap"),
                humane(max_gap),
                secs(worst(&self.gaps)),
            );
            findings.of_series(said(Check::GapLimit, self.gaps.count, self.gaps.shown(), message));
        }
    }
}

impl ChannelBreaches {
    fn judge(&self, channel: &ChannelProfile, findings: &mut Findings) {
        let terms = &self.terms;
        let unit = terms.unit.as_deref();
        let worst_of = |cases: &Cases| match worst(cases) {
            Some(case) => format!(
                "the worst is {} at row {}",
                value(case.value.unwrap_or_default(), unit),
                case.row
            ),
            None => String::new(),
        };
        let mut tell = |check, cases: &Cases, message: String| {
            if cases.count > 0 {
                findings.push(
                    Some(&terms.name),
                    None,
                    said(check, cases.count, cases.shown(), message),
                );
            }
        };
        let bound =
            |bound: Option<f64>, open: &str| bound.map_or(open.to_owned(), |bound| value(bound, None));
        tell(
            Check::Range,
            &self.range,
            format!(
                "{} outside of {} to {}; {}",
                many(self.range.count, "value"),
                bound(terms.min, "-∞"),
                terms.max.map_or("∞".to_owned(), |max| value(max, unit)),
                worst_of(&self.range)
            ),
        );
        let states = terms.states.iter().flatten().map(|state| value(*state, None));
        tell(
            Check::State,
            &self.states,
            format!(
                "{} none of the states {}",
                if self.states.count == 1 {
                    "1 value is".to_owned()
                } else {
                    format!("{} values are", self.states.count)
                },
                states.collect::<Vec<_>>().join(", ")
            ),
        );
        tell(
            Check::Rate,
            &self.rate,
            format!(
                "{} of more than {} per second; {}",
                many(self.rate.count, "change"),
                value(terms.max_rate.unwrap_or_default(), unit),
                worst_of(&self.rate)
            ),
        );
        let longest = worst(&self.stuck).and_then(|case| Some(case.until?.1.since(case.time?)));
        tell(
            Check::StuckLimit,
            &self.stuck,
            format!(
                "it repeats one value for more than {} {}; the longest time is {}",
                humane(terms.max_stuck.unwrap_or_default()),
                if self.stuck.count == 1 {
                    "once".to_owned()
                } else {
                    format!("{} times", self.stuck.count)
                },
                humane(longest.unwrap_or_default())
            ),
        );
        let share = channel.missing_share();
        if let Some(max_missing) = terms.max_missing.filter(|max_missing| share > *max_missing) {
            let message = format!(
                "{} of its values are missing, at most {} may",
                percent(share),
                percent(max_missing)
            );
            let count = channel.n_rows - channel.n_values;
            let said = said(Check::MissingLimit, count, Vec::new(), message);
            findings.push(Some(&terms.name), None, said);
        }
    }
}

impl RuleBreaches {
    fn judge(&self, channels: &[ChannelProfile], findings: &mut Findings) {
        if let Some(unbound) = self.unbound() {
            let is_there = |name: &String| channels.iter().any(|channel| channel.name == *name);
            let why = if unbound.missing.iter().all(|missing| is_there(&missing.name)) {
                "its channels come one after the other in the input".to_owned()
            } else {
                unbound.to_string()
            };
            let message = format!(
                "the rule {:?} cannot be held against these data: {why}",
                self.name
            );
            findings.of_series(said(Check::Rule, 1, Vec::new(), message));
        }
        if self.cases.count == 0 {
            return;
        }
        let message = format!(
            "the rule {:?} ({}) does not hold in {}",
            self.name,
            self.text,
            many(self.cases.count, "row")
        );
        let said = said(Check::Rule, self.cases.count, self.cases.shown(), message);
        // A rule of one channel is about that channel.
        let channel = match *self.channels() {
            [only] => Some(channels[only].name.as_str()),
            _ => None,
        };
        findings.push(channel, None, said);
    }
}

fn worst(cases: &Cases) -> Option<Case> {
    cases.worst.as_ref().map(|(_, case)| *case)
}

/// Whatever breaks a contract breaks what was agreed.
fn said(check: Check, count: u64, cases: Vec<Case>, message: String) -> Said {
    Said {
        check,
        weight: Weight::Fatal,
        count,
        cases,
        message,
    }
}
