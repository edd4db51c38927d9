//! `detect --threshold dynamic`: each series is judged again by a threshold from its own errors.

use bellwether_core::detect::Mode;
use bellwether_core::frame::SeriesId;
use bellwether_core::threshold::{HeldOut, Threshold, dynamic, dynamic_threshold};

use crate::commands::judge::Judged;
use crate::failure::Failure;
use crate::output::Output;

/// Reads `dynamic`, or `dynamic:P` with the share by which a peak has to stand out.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let prune = match text.split_once(':') {
        None if text == "dynamic" => Some(dynamic::PRUNE),
        Some(("dynamic", share)) => share.trim().parse().ok(),
        _ => None,
    };
    prune.filter(|share| (0.0..1.0).contains(share)).ok_or_else(|| {
        "wanted dynamic, or dynamic:P with P from 0 to below 1; all other rules are chosen by train"
            .to_owned()
    })
}

/// Refuses causal scores: what a stream would have said cannot depend on rows that come later.
pub(crate) fn check(mode: Mode) -> Result<(), Failure> {
    match mode {
        Mode::Retrospective => Ok(()),
        Mode::Causal => Err(Failure::Usage(
            "--threshold dynamic looks at all the errors that it judges, later ones too: give --mode retrospective, or \
             train with --threshold budget, conformal or pot for causal scores"
                .to_owned(),
        )),
    }
}

/// Judges each series again, by its own threshold.
pub(crate) fn apply(judged: &mut [Judged], prune: f64, output: &Output) -> Result<(), Failure> {
    let mode = Mode::Retrospective;
    for Judged {
        recording,
        scores,
        threshold: in_force,
        detector,
        ..
    } in judged
    {
        let unit = detector.threshold(mode).error();
        let errors: Vec<f64> = scores.score.iter().map(|score| score * unit).collect();
        let rows = HeldOut {
            errors: &errors,
            segment_starts: &scores.segment_starts(detector.pipeline()),
            cadence: recording.frame.schema().cadence(),
            labels: None,
        };
        let name = &recording.name;
        let found = dynamic_threshold(&rows, prune);
        let threshold = match &found {
            Some(found) => {
                output.note(&format!(
                    "{name}: dynamic threshold {:.3}, {:.2} times the stored one; {} peaks stand out",
                    found.threshold.error(),
                    found.threshold.error() / unit,
                    found.peaks.len()
                ));
                Some(found.threshold)
            }
            None => {
                output.note(&format!(
                    "{name}: no error stands out from the others, so none is an alarm"
                ));
                let highest = errors.iter().copied().fold(0.0, f64::max);
                Threshold::new(highest * (1.0 + 1e-9))
            }
        };
        if let Some(threshold) = threshold {
            *in_force = threshold;
            let own = (**detector).clone().with_threshold(mode, threshold);
            let series = SeriesId::new(name.as_str());
            *scores = own
                .score(&series, recording.frame.clone(), mode)
                .map_err(Failure::misfit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_pruning_is_read_and_other_rules_are_refused() {
        assert_eq!(parse("dynamic"), Ok(dynamic::PRUNE));
        assert_eq!(parse("dynamic: 0.2"), Ok(0.2));
        for text in ["dynamic:1", "dynamic:-0.1", "dynamic:NaN", "budget:1/week", ""] {
            assert!(parse(text).unwrap_err().contains("wanted dynamic"), "{text}");
        }
        assert!(check(Mode::Retrospective).is_ok() && check(Mode::Causal).is_err());
    }
}
