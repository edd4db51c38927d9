//! What may be wrong with data, and how much it matters.

use super::Case;

/// How strict people are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Whatever may lead a model astray says no.
    Strict,
    /// What makes data unusable says no; the rest is a warning.
    #[default]
    Moderate,
    /// The same, and less is a warning.
    Permissive,
}

/// How much a finding matters at a [`Level`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it.
    Warning,
    /// The data are not fit for use as they are.
    Error,
}

/// How much a finding matters in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Worth knowing.
    Note,
    /// May lead a model astray a little.
    Minor,
    /// Leads a model astray where it stands.
    Serious,
    /// The data cannot be used, or break what was agreed.
    Fatal,
}

/// What a channel is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing speaks against it.
    Good,
    /// Parts of it are not to be trusted.
    Uncertain,
    /// It cannot be used as it is.
    Bad,
}

/// What a finding says of its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One sensor alone: it is stuck, noisy or not connected while the others go on.
    Sensor,
    /// The device or what records it: the other channels do the same.
    Device,
}

impl Fault {
    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

macro_rules! names {
    ($type:ident { $($variant:ident => $name:literal),* $(,)? }) => {
        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in files and answers.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Rows that cannot be read.
    UnreadableRow,
    /// Too few rows to tell anything.
    FewRows,
    /// Cells that hold no number.
    NotANumber,
    /// Infinite values.
    Infinite,
    /// Rows at the time of another.
    RepeatedTime,
    /// Rows behind a later one.
    LateRow,
    /// Times that go on from an earlier one.
    ClockSetBack,
    /// Times that have not come yet.
    FutureTime,
    /// Rows that are missing.
    Gap,
    /// Spacing that varies.
    Jitter,
    /// Cells without a value.
    Missing,
    /// A channel without a value for longer than it uses to.
    Dropout,
    /// A channel that repeats one value longer than chance would have it.
    Stuck,
    /// A channel that moves far more than it uses to.
    Noise,
    /// A channel that stays at its smallest or largest value.
    Saturation,
    /// Values far from all others.
    Outlier,
    /// Steps far larger than all others.
    Jump,
    /// A channel with one value.
    Constant,
    /// A channel that says what another one says.
    Copy,
    /// A channel that moves in coarse steps.
    Resolution,
    /// A channel of the contract that is not there.
    AbsentChannel,
    /// A channel that is not in the contract.
    ExtraChannel,
    /// Values outside of the range of the contract.
    Range,
    /// Values that are none of the states of the contract.
    State,
    /// Changes faster than the contract allows.
    Rate,
    /// One value for longer than the contract allows.
    StuckLimit,
    /// More missing than the contract allows.
    MissingLimit,
    /// Another cadence than that of the contract, or more jitter.
    Cadence,
    /// Longer gaps than the contract allows.
    GapLimit,
    /// Rows in which a rule of the contract does not hold.
    Rule,
}

names!(Check {
    UnreadableRow => "unreadable-row",
    FewRows => "few-rows",
    NotANumber => "not-a-number",
    Infinite => "infinite",
    RepeatedTime => "repeated-time",
    LateRow => "late-row",
    ClockSetBack => "clock-set-back",
    FutureTime => "future-time",
    Gap => "gap",
    Jitter => "jitter",
    Missing => "missing",
    Dropout => "dropout",
    Stuck => "stuck",
    Noise => "noise",
    Saturation => "saturation",
    Outlier => "outlier",
    Jump => "jump",
    Constant => "constant",
    Copy => "copy",
    Resolution => "resolution",
    AbsentChannel => "absent-channel",
    ExtraChannel => "extra-channel",
    Range => "range",
    State => "state",
    Rate => "rate",
    StuckLimit => "stuck-limit",
    MissingLimit => "missing-limit",
    Cadence => "cadence",
    GapLimit => "gap-limit",
    Rule => "rule",
});

names!(Level { Strict => "strict", Moderate => "moderate", Permissive => "permissive" });
names!(Severity { Error => "error", Warning => "warning", Info => "info" });
names!(Verdict { Good => "good", Uncertain => "uncertain", Bad => "bad" });
names!(Fault { Sensor => "sensor", Device => "device" });

impl Level {
    /// How much something of that weight matters.
    pub(crate) fn severity(self, weight: Weight) -> Severity {
        match (weight, self) {
            (Weight::Fatal, _) | (Weight::Serious, Self::Strict) => Severity::Error,
            (Weight::Serious, _) | (Weight::Minor, Self::Strict | Self::Moderate) => Severity::Warning,
            (Weight::Minor, Self::Permissive) | (Weight::Note, _) => Severity::Info,
        }
    }

    /// Share of missing cells that makes a channel unusable.
    pub(crate) fn missing_max(self) -> f64 {
        match self {
            Self::Strict => 0.1,
            Self::Moderate | Self::Permissive => 0.3,
        }
    }

    /// Share of rows at the time of another that makes data unusable.
    pub(crate) fn repeated_max(self) -> f64 {
        match self {
            Self::Strict => 0.05,
            Self::Moderate | Self::Permissive => 0.1,
        }
    }
}

impl Check {
    /// Whether [`repair`](super::repair) mends it.
    pub fn is_repairable(self) -> bool {
        matches!(
            self,
            Self::UnreadableRow
                | Self::NotANumber
                | Self::Infinite
                | Self::RepeatedTime
                | Self::LateRow
                | Self::ClockSetBack
                | Self::Range
                | Self::State
        )
    }

    /// Whether a contract says it.
    pub fn is_of_contract(self) -> bool {
        matches!(
            self,
            Self::AbsentChannel
                | Self::ExtraChannel
                | Self::Range
                | Self::State
                | Self::Rate
                | Self::StuckLimit
                | Self::MissingLimit
                | Self::Cadence
                | Self::GapLimit
                | Self::Rule
        )
    }
}

/// Something that was found, with its places.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was looked for.
    pub check: Check,
    /// How much it matters at the level asked for.
    pub severity: Severity,
    pub(crate) weight: Weight,
    /// The channel, where it is about one.
    pub channel: Option<String>,
    /// Where it comes from, as far as the other channels tell.
    pub fault: Option<Fault>,
    /// How many rows, cells, stretches or channels.
    pub count: u64,
    /// There may be more than `count`.
    pub is_at_least: bool,
    /// First cases, and the worst.
    pub cases: Vec<Case>,
    /// What was found, as a sentence without its full stop.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}
