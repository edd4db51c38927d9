//! A calendar: stretches of time that do not count, with what they are for.

use std::path::Path;
use std::time::Duration;

use bellwether_core::detect::Detector;
use bellwether_core::transform::Interval;
use bellwether_core::zone::Zone;
use bellwether_store::read::{self, Labels, labels_file};

use crate::failure::Failure;

/// Stretches of time that do not count: both ends included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calendar {
    stretches: Vec<read::Interval>,
}

impl Calendar {
    /// Reads a file of the columns start, end, perhaps reason and series; times without an offset are of `zone`.
    pub(crate) fn read(file: &Path, zone: Option<&Zone>) -> Result<Self, Failure> {
        match labels_file(file, zone)? {
            Labels::Intervals(stretches) => Ok(Self { stretches }),
            Labels::Points(_) | Labels::Rows(_) => Err(Failure::Usage(format!(
                "--calendar {}: wanted a table with the columns start, end and reason",
                file.display()
            ))),
        }
    }

    /// What holds for a series.
    pub(crate) fn of(&self, series: &str) -> Vec<Interval> {
        let ours = |of: &&read::Interval| of.series.as_ref().is_none_or(|name| name == series);
        let interval = |of: &read::Interval| Interval {
            start: of.start,
            end: of.end.plus(Duration::from_nanos(1)),
            reason: of.kind.clone().unwrap_or_default(),
        };
        self.stretches.iter().filter(ours).map(interval).collect()
    }

    /// The detector under the calendar of a series.
    pub(crate) fn over(&self, detector: &Detector, series: &str) -> Detector {
        detector.clone().with_calendar(self.of(series))
    }
}
