//! Detectors by their names, and the trivial ones that every other has to beat. All of them score alike: 1.0 is the threshold.

use std::ops::ControlFlow;
use std::path::Path;

use bellwether_core::classic::baseline;
use bellwether_core::detect::{Detector, Mode};
use bellwether_core::eval::runs;
use bellwether_core::frame::{Frame, SeriesId};
use bellwether_core::quantile::{quantile_sorted, sorted_finite};
use bellwether_core::threshold::ThresholdRule;
use bellwether_core::time::Timestamp;

use crate::architecture::Preset;
use crate::failure::Failure;
use crate::fitting::{self, Family, FitSpec, Fitted};

/// A detector by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// One that `train` can make.
    Family(Family),
    /// Chance.
    Random,
    /// The largest robust z-score of any channel.
    MaxZ,
    /// The largest step of any channel: all should stay as it is.
    LastValue,
}

/// Threshold of the baselines: that quantile of their scores on the training part.
const BASELINE_QUANTILE: f64 = 0.99;

impl Contender {
    /// Those that stand beside every model.
    pub(crate) const BASELINES: [Self; 3] = [Self::Random, Self::MaxZ, Self::LastValue];

    /// The contender that `--models` calls so. `default` is what `train` makes when told nothing; a TOML file is a network of those
    /// layers alone.
    pub(crate) fn from_name(name: &str) -> Result<Self, Failure> {
        if Path::new(name).extension().is_some_and(|of| of == "toml") {
            return Ok(Self::Family(Family::Network(Preset::of_file(name)?)));
        }
        let baseline = Self::BASELINES.into_iter().find(|one| one.name() == name);
        if let Some(baseline) = baseline {
            return Ok(baseline);
        }
        let family = Family::from_name(name, &Self::BASELINES.map(Self::name));
        let family = family.map_err(|why| Failure::Usage(format!("--models {name}: {why}")))?;
        Ok(Self::Family(family))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Family(family) => family.name(),
            Self::Random => "random",
            Self::MaxZ => "max-z",
            Self::LastValue => "last-value",
        }
    }

    pub(crate) fn is_baseline(self) -> bool {
        !matches!(self, Self::Family(_))
    }
}

/// A contender that has learnt from the training parts of all series.
#[derive(Debug)]
pub(crate) enum Fit {
    Detector(Box<Fitted>),
    /// A baseline learns from each series by itself.
    Baseline(Contender),
}

impl Fit {
    /// Refuses a threshold rule that would need the truth: detectors that are compared never see it.
    ///
    /// # Errors
    /// Where the rule goes by labels.
    pub(crate) fn check(spec: &FitSpec) -> Result<(), Failure> {
        match spec.threshold {
            ThresholdRule::BestF1(_) => Err(Failure::Usage(
                "--threshold best-f1 goes by labels, and detectors that are compared never see any: give another rule, or \
                 use `train`"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Fits on the training part of each series; a series that is interrupted comes as several frames.
    pub(crate) fn new(contender: Contender, train: Vec<Vec<Frame>>, spec: &FitSpec) -> Result<Self, Failure> {
        let Contender::Family(family) = contender else {
            return Ok(Self::Baseline(contender));
        };
        let spec = FitSpec {
            family,
            ..spec.clone()
        };
        let fitted = fitting::fit(train, None, &spec, &mut |_| ControlFlow::Continue(()))?;
        Ok(Self::Detector(Box::new(fitted)))
    }

    /// The judge of one series, whose training part is `train`.
    pub(crate) fn judge<'a>(&'a self, train: &'a Frame, mode: Mode, seed: u64) -> Result<Judge<'a>, Failure> {
        match self {
            Self::Detector(fitted) => Ok(Judge::Detector(&fitted.detector, mode)),
            Self::Baseline(contender) => Judge::baseline(*contender, train, seed),
        }
    }
}

/// What scores one series.
#[derive(Debug)]
pub(crate) enum Judge<'a> {
    Detector(&'a Detector, Mode),
    Random { seed: u64 },
    MaxZ { train: &'a Frame, threshold: f64 },
    LastValue { train: &'a Frame, threshold: f64 },
}

impl<'a> Judge<'a> {
    /// A baseline that has seen `train`.
    ///
    /// # Panics
    /// Where `contender` is none: a bug of the caller.
    pub(crate) fn baseline(contender: Contender, train: &'a Frame, seed: u64) -> Result<Self, Failure> {
        let quantile = |scores: Vec<f64>| quantile_sorted(&sorted_finite(scores), BASELINE_QUANTILE);
        Ok(match contender {
            Contender::Random => Self::Random { seed },
            Contender::MaxZ => Self::MaxZ {
                train,
                threshold: quantile(baseline::max_z(train, train).map_err(Failure::misfit)?),
            },
            Contender::LastValue => Self::LastValue {
                train,
                threshold: quantile(baseline::last_value(train, train).map_err(Failure::misfit)?),
            },
            Contender::Family(_) => unreachable!("a family has to be fitted"),
        })
    }

    /// Scores of the samples from `from` on; NaN for those without. Detectors look back on the rows before them.
    pub(crate) fn score(&self, series: &str, frame: &Frame, from: usize) -> Result<Vec<f64>, Failure> {
        let n = frame.n_samples();
        match self {
            Self::Detector(detector, mode) => {
                let first = from.saturating_sub(self.context_len());
                let scores = detector
                    .score(&SeriesId::new(series), frame.slice(first..n)?, *mode)
                    .map_err(Failure::misfit)?;
                Ok(scores.score[from - first..].to_vec())
            }
            Self::Random { seed } => {
                let random = baseline::random(n.saturating_sub(from), *seed);
                Ok(measured_by(random, BASELINE_QUANTILE))
            }
            Self::MaxZ { train, threshold } => {
                let scores = baseline::max_z(train, &frame.slice(from..n)?).map_err(Failure::misfit)?;
                Ok(measured_by(scores, *threshold))
            }
            Self::LastValue { train, threshold } => {
                // One row more, so that the first that is judged has one before it.
                let first = from.saturating_sub(1);
                let scores = baseline::last_value(train, &frame.slice(first..n)?).map_err(Failure::misfit)?;
                Ok(measured_by(scores[from - first..].to_vec(), *threshold))
            }
        }
    }

    /// Alarms that these scores raise: events where the detector has a rule for them, else runs at or above 1.
    /// Both: `[n_samples]`.
    pub(crate) fn n_alarms(&self, scores: &[f64], time: &[Timestamp]) -> usize {
        match self {
            Self::Detector(detector, _) => {
                let starts = detector.pipeline().segment_starts(time);
                let is_start = |row: usize| starts.binary_search(&row).is_ok();
                detector.parts().events.count(scores, 1.0, is_start)
            }
            _ => runs(&scores.iter().map(|&score| score >= 1.0).collect::<Vec<_>>()).len(),
        }
    }

    /// Rows that a window sees: so long after its end a fault can still be seen.
    pub(crate) fn window_len(&self) -> usize {
        match self {
            Self::Detector(detector, _) => detector.window_len(),
            _ => self.context_len(),
        }
    }

    /// Rows that a score looks back on.
    pub(crate) fn context_len(&self) -> usize {
        match self {
            Self::Detector(detector, mode) => detector.surroundings(*mode).0,
            Self::LastValue { .. } => 1,
            Self::Random { .. } | Self::MaxZ { .. } => 0,
        }
    }
}

/// Scores of which 1.0 is the threshold; where that is 0, as for data that stand still, every score reaches it.
fn measured_by(mut scores: Vec<f64>, threshold: f64) -> Vec<f64> {
    for score in &mut scores {
        *score = if threshold > 0.0 {
            *score / threshold
        } else {
            1.0 + *score
        };
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_contenders_and_back() {
        for name in ["default", "linear", "pca", "random", "max-z", "last-value"] {
            assert_eq!(Contender::from_name(name).unwrap().name(), name);
        }
        let error = Contender::from_name("magic").unwrap_err().text();
        assert!(
            error.contains("magic") && error.contains("max-z") && error.contains("lstm-ae"),
            "{error}"
        );
    }

    #[test]
    fn a_score_of_one_is_the_threshold_even_where_that_is_zero() {
        assert_eq!(measured_by(vec![1.0, 4.0], 2.0), [0.5, 2.0]);
        assert_eq!(measured_by(vec![0.0, 0.5], 0.0), [1.0, 1.5]);
    }
}
