//! The grid that training rows were brought to. Format version 2 has it since there is such; absent where rows were taken
//! as they came.

use std::time::Duration;

use bellwether_core::transform::Align;
use serde::{Deserialize, Serialize};

use crate::bundle::manifest::ManifestError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlignmentV2 {
    cadence: Duration,
    fill: String,
    max_fill: Duration,
    join: String,
}

impl From<&Align> for AlignmentV2 {
    fn from(align: &Align) -> Self {
        Self {
            cadence: align.cadence,
            fill: align.fill.name().to_owned(),
            max_fill: align.max_fill,
            join: align.join.name().to_owned(),
        }
    }
}

impl AlignmentV2 {
    pub(super) fn align(self) -> Result<Align, ManifestError> {
        let quoted = |text: &str| format!("{:?}", text.chars().take(80).collect::<String>());
        let fill = self.fill.parse().map_err(|_| {
            ManifestError::value(
                "alignment.fill",
                quoted(&self.fill),
                "previous, linear, mean, last or none",
            )
        })?;
        let join = self
            .join
            .parse()
            .map_err(|_| ManifestError::value("alignment.join", quoted(&self.join), "inner or outer"))?;
        if self.cadence.is_zero() {
            return Err(ManifestError::value(
                "alignment.cadence",
                "0",
                "a spacing above zero",
            ));
        }
        Ok(Align {
            cadence: self.cadence,
            fill,
            max_fill: self.max_fill,
            join,
        })
    }
}
