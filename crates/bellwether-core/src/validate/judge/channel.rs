//! What is wrong with one channel.

use super::words::{many, percent, value};
use super::{Findings, Said};
use crate::time::humane;
use crate::transform::ChannelKind;
use crate::validate::check::{Check, Fault, Weight};
use crate::validate::extremes::N_EXTREMES;
use crate::validate::profile::{ChannelProfile, share};
use crate::validate::stretch::Stretch;
use crate::validate::{Case, Cases};

/// Runs of missing values of fewer rows are no dropout, nor those that are not so many times longer than the others.
const DROPOUT_ROWS: u64 = 10;
const DROPOUT_TIMES: u64 = 4;

/// Fewer repeats in a row are no stuck channel.
const STUCK_ROWS: u64 = 6;

/// A run is stuck where chance would have one like it in fewer than one of e⁷ ≈ 1,100 such series.
const STUCK_EVIDENCE: f64 = 7.0;

/// What holds for that share of the rows makes a channel unusable.
const MOST: f64 = 0.3;

/// A channel that spends that share of its rows at one end of its values, in a range that it moves in otherwise.
const SATURATED: f64 = 0.01;

/// Fewer steps between the ends of a channel than that are coarse.
const COARSE_LEVELS: f64 = 20.0;

/// Stretches shown.
const N_STRETCHES_SHOWN: usize = 5;

impl ChannelProfile {
    pub(super) fn judge(&self, findings: &mut Findings) {
        self.bad_cells(findings);
        if self.n_values == 0 {
            self.tell(
                findings,
                Check::Missing,
                Weight::Fatal,
                self.n_rows,
                Vec::new(),
                "it has no value".to_owned(),
            );
            return;
        }
        self.missing(findings);
        if self.kind == ChannelKind::Constant {
            let message = format!("it is {} in every row", value(self.min, self.unit));
            self.tell(findings, Check::Constant, Weight::Minor, 1, Vec::new(), message);
            return;
        }
        if self.kind == ChannelKind::Continuous {
            self.stuck(findings);
            self.noise(findings);
            self.saturation(findings);
            self.outliers(findings);
            self.resolution(findings);
        }
        if let Some(twin) = &self.twin {
            let message = format!(
                "it says what {} says: their values correlate by {:.5}, their steps by {:.5}",
                twin.channel, twin.of_values, twin.of_steps
            );
            self.tell(findings, Check::Copy, Weight::Minor, 1, Vec::new(), message);
        }
    }

    fn tell(
        &self,
        findings: &mut Findings,
        check: Check,
        weight: Weight,
        count: u64,
        cases: Vec<Case>,
        message: String,
    ) {
        let said = Said {
            check,
            weight,
            count,
            cases,
            message,
        };
        findings.push(Some(&self.name), None, said);
    }

    fn bad_cells(&self, findings: &mut Findings) {
        let mut tell = |check, cases: &Cases, what: &str| {
            if cases.count > 0 {
                let message = format!("{} {what}", many(cases.count, "cell"));
                self.tell(
                    findings,
                    check,
                    Weight::Fatal,
                    cases.count,
                    cases.shown(),
                    message,
                );
            }
        };
        let hold = |count| if count == 1 { "holds" } else { "hold" };
        tell(
            Check::NotANumber,
            &self.not_numbers,
            &format!("{} no number", hold(self.not_numbers.count)),
        );
        tell(
            Check::Infinite,
            &self.infinite,
            &format!("{} an infinite value", hold(self.infinite.count)),
        );
    }

    fn missing(&self, findings: &mut Findings) {
        let n_missing = self.n_rows - self.n_values;
        let Some(longest) = self.missing.first() else {
            return;
        };
        let share = self.missing_share();
        let is_much = share > findings.level.missing_max();
        let n_others = self.n_missing_runs - 1;
        let usual = (n_missing - longest.n_rows).div_ceil(n_others.max(1));
        let is_dropout = longest.n_rows >= DROPOUT_ROWS && longest.n_rows > DROPOUT_TIMES * usual;
        let message = format!(
            "{} of {} ({}) have no value; the longest stretch is {} in a row, {}",
            n_missing,
            many(self.n_rows, "row"),
            percent(share),
            longest.n_rows,
            humane(longest.to.since(longest.from))
        );
        let weight = if is_much { Weight::Fatal } else { Weight::Minor };
        let cases = shown(&self.missing);
        self.tell(findings, Check::Missing, weight, n_missing, cases, message);
        if is_dropout {
            let is_unusual =
                |stretch: &&Stretch| stretch.n_rows > (DROPOUT_TIMES * usual).max(DROPOUT_ROWS - 1);
            let (alone, shared) = parted(self.missing.iter().filter(is_unusual));
            self.tell_stretches(
                findings,
                Check::Dropout,
                &alone,
                "the sensor says nothing while the others go on",
            );
            self.tell_stretches(
                findings,
                Check::Dropout,
                &shared,
                "nothing is recorded, as of most channels",
            );
        }
    }

    /// Runs of one value that chance does not explain.
    fn stuck(&self, findings: &mut Findings) {
        let limit = self.stuck_limit();
        let (alone, shared) = parted(self.same.iter().filter(|run| run.n_rows > limit));
        self.tell_stretches(
            findings,
            Check::Stuck,
            &alone,
            "the sensor repeats one value while the others go on",
        );
        self.tell_stretches(
            findings,
            Check::Stuck,
            &shared,
            "it repeats one value, as most channels do",
        );
    }

    /// Rows of one value in a row that chance explains: at the rate of repeats outside of the longest runs, a run of
    /// k repeats starts at a row with probability pᵏ, and n · pᵏ = e^−7 at the limit.
    fn stuck_limit(&self) -> u64 {
        let in_runs: u64 = self
            .same
            .iter()
            .filter(|run| run.n_rows > STUCK_ROWS)
            .map(|run| run.n_rows - 1)
            .sum();
        let repeats = self.n_repeats.saturating_sub(in_runs) as f64 + 1.0;
        let steps = self.n_steps.saturating_sub(in_runs) as f64 + 2.0;
        let evidence = STUCK_EVIDENCE + libm::log(self.n_rows as f64);
        let repeats_max = evidence / -libm::log(repeats / steps);
        (repeats_max.min(1e15) as u64 + 1).max(STUCK_ROWS)
    }

    fn noise(&self, findings: &mut Findings) {
        let (alone, _) = parted(self.noisy.iter());
        self.tell_stretches(
            findings,
            Check::Noise,
            &alone,
            "the sensor moves from row to row several times as much as it uses to, while the others do not",
        );
    }

    fn tell_stretches(&self, findings: &mut Findings, check: Check, stretches: &[&Stretch], what: &str) {
        let Some(longest) = stretches.iter().max_by_key(|stretch| stretch.n_rows) else {
            return;
        };
        let n_rows: u64 = stretches.iter().map(|stretch| stretch.n_rows).sum();
        let of_value = if longest.value.is_nan() {
            String::new()
        } else {
            format!(", {}", value(longest.value, self.unit))
        };
        let fault = longest
            .is_alone
            .map(|is_alone| if is_alone { Fault::Sensor } else { Fault::Device });
        let weight = match fault {
            _ if share(n_rows, self.n_rows) > MOST => Weight::Fatal,
            Some(Fault::Device) => Weight::Minor,
            _ => Weight::Serious,
        };
        let said = Said {
            check,
            weight,
            count: stretches.len() as u64,
            cases: shown(stretches.iter().copied()),
            message: format!(
                "{what}: {}, the longest of {} from row {} on ({}{of_value})",
                many(stretches.len() as u64, "stretch").replace("stretchs", "stretches"),
                many(longest.n_rows, "row"),
                longest.first_row,
                humane(longest.to.since(longest.from)),
            ),
        };
        findings.push(Some(&self.name), fault, said);
    }

    fn saturation(&self, findings: &mut Findings) {
        let ends = [("smallest", self.min), ("largest", self.max)];
        for ((which, end), n_at_end) in ends.into_iter().zip(self.n_at_bounds) {
            let share = share(n_at_end, self.n_values);
            // A machine at rest is at zero for long: the end of its measuring range is another value.
            let is_rest = end == 0.0;
            let is_inside = self.quantiles[1] < self.quantiles[3];
            if share >= SATURATED && n_at_end >= STUCK_ROWS && !is_rest && is_inside {
                let message = format!(
                    "{} of its values are {}, the {which} there is",
                    percent(share),
                    value(end, self.unit)
                );
                self.tell(
                    findings,
                    Check::Saturation,
                    Weight::Minor,
                    n_at_end,
                    Vec::new(),
                    message,
                );
            }
        }
    }

    fn outliers(&self, findings: &mut Findings) {
        let usual = format!(
            "98 % lie from {} to {}",
            value(self.quantiles[0], None),
            value(self.quantiles[4], self.unit)
        );
        let kinds = [
            (
                Check::Outlier,
                &self.outliers,
                "value",
                format!("far from all others: {usual}"),
            ),
            (
                Check::Jump,
                &self.jumps,
                "step",
                format!(
                    "far above the usual: 99 % are below {}",
                    value(self.step_usual, self.unit)
                ),
            ),
        ];
        for (check, cases, what, how) in kinds {
            let Some(first) = cases.first() else { continue };
            let count = cases.len() as u64;
            let is_at_least = cases.len() >= N_EXTREMES;
            let worst = cases.iter().copied().reduce(|worst, case| {
                let off = |case: &Case| (case.value.unwrap_or_default() - self.quantiles[2]).abs();
                if off(&case) > off(&worst) { case } else { worst }
            });
            let worst = worst.unwrap_or(*first);
            let message = format!(
                "{}{} {how}; the worst is {} at row {}",
                if is_at_least { "at least " } else { "" },
                many(count, what),
                value(worst.value.unwrap_or_default(), self.unit),
                worst.row
            );
            let mut shown: Vec<Case> = cases.iter().take(N_STRETCHES_SHOWN).copied().collect();
            if !shown.contains(&worst) {
                shown.push(worst);
            }
            self.tell(findings, check, Weight::Minor, count, shown, message);
            if let Some(finding) = findings.found.last_mut() {
                finding.is_at_least = is_at_least;
            }
        }
    }

    fn resolution(&self, findings: &mut Findings) {
        if let Some(of) = self.resolution.filter(|of| of.n_levels < COARSE_LEVELS) {
            let message = format!(
                "it moves in steps of {}, {:.0} of them from its 1 % to its 99 % quantile",
                value(of.step, self.unit),
                of.n_levels
            );
            self.tell(findings, Check::Resolution, Weight::Note, 1, Vec::new(), message);
        }
    }
}

/// Those in which the channel is alone, or nothing tells; and those that it shares with most others.
fn parted<'a>(stretches: impl Iterator<Item = &'a Stretch>) -> (Vec<&'a Stretch>, Vec<&'a Stretch>) {
    stretches.partition(|stretch| stretch.is_alone != Some(false))
}

/// The longest, in the order of their rows.
fn shown<'a>(stretches: impl IntoIterator<Item = &'a Stretch>) -> Vec<Case> {
    let mut cases: Vec<Case> = stretches
        .into_iter()
        .take(N_STRETCHES_SHOWN)
        .map(Stretch::case)
        .collect();
    cases.sort_by_key(|case| case.row);
    cases
}
