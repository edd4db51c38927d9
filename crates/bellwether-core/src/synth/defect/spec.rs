//! How a person asks for a defect of a recording.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// A way for a recording to be untidy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefectKind {
    /// Times are off by chance, by that share of the cadence (standard deviation), at most by 0.45 of it.
    Jitter,
    /// Stretches of 5 to 60 samples are not there, that share of all.
    Gap,
    /// That share of the rows comes one to five rows late.
    OutOfOrder,
    /// That share of the rows is there twice.
    Duplicate,
    /// A clock is so many seconds ahead (negative: behind) for 2 to 5 % of the data.
    ClockJump,
    /// Times are those of a clock on a wall in Central Europe, without a zone, across a change to or from summer time.
    Dst,
    /// That share of the cells is empty.
    Missing,
    /// That share of the cells, in runs of 5 to 50, holds a word for a value.
    BadText,
}

impl DefectKind {
    /// Every kind, in the order of its documentation.
    pub const ALL: [Self; 8] = [
        Self::Jitter,
        Self::Gap,
        Self::OutOfOrder,
        Self::Duplicate,
        Self::ClockJump,
        Self::Dst,
        Self::Missing,
        Self::BadText,
    ];

    /// The name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jitter => "jitter",
            Self::Gap => "gap",
            Self::OutOfOrder => "out-of-order",
            Self::Duplicate => "duplicate",
            Self::ClockJump => "clock-jump",
            Self::Dst => "dst",
            Self::Missing => "missing",
            Self::BadText => "bad-text",
        }
    }

    /// How much where nothing is asked for; `None` for what has no amount.
    pub const fn default_amount(self) -> Option<f64> {
        match self {
            Self::Jitter => Some(0.1),
            Self::Gap | Self::OutOfOrder | Self::Duplicate | Self::Missing | Self::BadText => Some(0.01),
            Self::ClockJump => Some(3600.0),
            Self::Dst => None,
        }
    }

    fn takes(self, amount: f64) -> bool {
        match self {
            Self::Jitter => 0.0 < amount && amount <= 0.45,
            Self::ClockJump => (1e-3..=1e9).contains(&amount.abs()),
            Self::Dst => false,
            _ => 0.0 < amount && amount <= 0.5,
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Jitter => "a share of the cadence above 0 and up to 0.45",
            Self::ClockJump => "seconds other than 0, such as 3600 or -90",
            Self::Dst => "no amount",
            Self::Missing | Self::BadText => "a share of the cells above 0 and up to 0.5",
            _ => "a share of the rows above 0 and up to 0.5",
        }
    }
}

impl fmt::Display for DefectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A defect as asked for: `KIND[=AMOUNT]`. What the amount means stands at [`DefectKind`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DefectSpec {
    /// What is wrong.
    pub kind: DefectKind,
    amount: Option<f64>,
}

impl DefectSpec {
    /// A defect of that kind, as much as is usual.
    pub fn new(kind: DefectKind) -> Self {
        Self { kind, amount: None }
    }

    /// As much as is asked for, or usual.
    pub(super) fn amount(&self) -> f64 {
        self.amount.or(self.kind.default_amount()).unwrap_or(0.0)
    }
}

impl fmt::Display for DefectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        self.amount.map_or(Ok(()), |amount| write!(f, "={amount}"))
    }
}

impl FromStr for DefectSpec {
    type Err = DefectError;

    fn from_str(text: &str) -> Result<Self, DefectError> {
        let (name, amount) = text
            .split_once('=')
            .map_or((text, None), |(name, amount)| (name, Some(amount)));
        let kind = DefectKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| DefectError::Kind {
                found: name.to_owned(),
            })?;
        let Some(amount) = amount else {
            return Ok(Self::new(kind));
        };
        match amount.parse() {
            Ok(number) if kind.takes(number) => Ok(Self {
                kind,
                amount: Some(number),
            }),
            _ => Err(DefectError::Amount {
                kind,
                found: amount.to_owned(),
                want: kind.wanted(),
            }),
        }
    }
}

/// Why a recording cannot be spoilt so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DefectError {
    /// No such kind.
    #[error("unknown defect {found:?}; defects are {}", DefectKind::ALL.map(DefectKind::name).join(", "))]
    Kind {
        /// The kind given.
        found: String,
    },
    /// The amount makes no sense.
    #[error("defect {kind}: {found:?} behind \"=\": want {want}")]
    Amount {
        /// The kind.
        kind: DefectKind,
        /// The amount given.
        found: String,
        /// What would do.
        want: &'static str,
    },
    /// Clocks do not change within the data.
    #[error(
        "defect dst: no clock changes between {first} and {last}; start before the last Sunday of March or October, \
         e.g. --start 2024-03-30 or --start 2024-10-26"
    )]
    NoChange {
        /// Time of the first sample.
        first: Timestamp,
        /// Time of the last.
        last: Timestamp,
    },
    /// Too few samples to spoil.
    #[error("defects need {want} samples of each device, here are {n_samples}; take more")]
    TooFew {
        /// Samples of each device.
        n_samples: usize,
        /// Fewest that will do.
        want: usize,
    },
}
