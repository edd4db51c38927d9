//! What can go wrong with a channel, and how a person asks for it.

use std::fmt;
use std::str::FromStr;

use super::start::{Start, scan_time};

/// A way for channels to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// Jumps by the magnitude and falls back in a straight line over its length.
    Spike,
    /// Lies off by the magnitude throughout.
    LevelShift,
    /// Moves off in a straight line and is off by the magnitude at its last sample.
    Drift,
    /// Repeats its first value.
    Stuck,
    /// Has normal noise added, whose standard deviation is the magnitude.
    Noise,
    /// Has no value (NaN).
    Dropout,
    /// Shows values of its own from another time: each plausible, none fitting the other channels.
    CorrelationBreak,
    /// Runs three times as fast: it shows every third of its own values from its start on.
    FrequencyChange,
    /// Shows values of its own from the time at which its level is most unlike: right ones, at the wrong time.
    Contextual,
    /// Its samples come in another order, the same one for all its channels: each row is ordinary, their sequence is not.
    Collective,
    /// Wears until it fails at its last sample: moves off ever faster, by the magnitude at the end, and gets noisier.
    Degradation,
}

impl AnomalyKind {
    /// Every kind, in the order of its documentation.
    pub const ALL: [Self; 11] = [
        Self::Spike,
        Self::LevelShift,
        Self::Drift,
        Self::Stuck,
        Self::Noise,
        Self::Dropout,
        Self::CorrelationBreak,
        Self::FrequencyChange,
        Self::Contextual,
        Self::Collective,
        Self::Degradation,
    ];

    /// The name on the command line and in label files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level-shift",
            Self::Drift => "drift",
            Self::Stuck => "stuck",
            Self::Noise => "noise",
            Self::Dropout => "dropout",
            Self::CorrelationBreak => "correlation-break",
            Self::FrequencyChange => "frequency-change",
            Self::Contextual => "contextual",
            Self::Collective => "collective",
            Self::Degradation => "degradation",
        }
    }

    /// One line on what it does.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Spike => "jumps by the magnitude and falls back in a straight line",
            Self::LevelShift => "lies off by the magnitude throughout",
            Self::Drift => "moves off steadily, by the magnitude at its last sample",
            Self::Stuck => "repeats its first value",
            Self::Noise => "has noise added, whose standard deviation is the magnitude",
            Self::Dropout => "has no value",
            Self::CorrelationBreak => {
                "shows its own values of another time, which do not fit the other channels"
            }
            Self::FrequencyChange => "runs three times as fast",
            Self::Contextual => "shows its own values of the time at which its level is most unlike",
            Self::Collective => "shows ordinary samples in an order that is none",
            Self::Degradation => "moves off ever faster until it fails, by the magnitude at its last sample",
        }
    }

    /// Standard deviations of the channel where none are asked for; `None` for kinds without a magnitude.
    pub const fn default_magnitude(self) -> Option<f64> {
        match self {
            Self::Spike => Some(8.0),
            Self::LevelShift => Some(4.0),
            Self::Drift => Some(5.0),
            Self::Noise => Some(3.0),
            Self::Degradation => Some(6.0),
            Self::Stuck
            | Self::Dropout
            | Self::CorrelationBreak
            | Self::FrequencyChange
            | Self::Contextual
            | Self::Collective => None,
        }
    }

    /// Fewest samples that make sense: a relation cannot be seen to break in a few.
    pub const fn length_min(self) -> usize {
        match self {
            Self::CorrelationBreak | Self::FrequencyChange | Self::Contextual | Self::Collective => 8,
            Self::Degradation => 16,
            Self::Stuck => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An anomaly as asked for: `[DEVICE/]KIND[@START][+LENGTH][*MAGNITUDE][:CHANNELS]`.
///
/// | part | meaning | where absent |
/// |---|---|---|
/// | `DEVICE/` | the device it strikes | devices take turns |
/// | `@START` | `500` (sample, from 0), `70%` (share of the samples), `2024-01-05T06:00Z` | by seed, in the second half, clear of anomalies asked for before; of a correlation-break where there is a correlation |
/// | `+LENGTH` | samples | by seed: 1 to 3 for a spike, 2 to 4 % of the data for drift, correlation-break and frequency-change, else 1 to 2 %, but 8 to 1440; 8 to 12 % for degradation, but at least 16 |
/// | `*MAGNITUDE` | standard deviations of the channel over all the data; negative is downwards | [`AnomalyKind::default_magnitude`], up or down by seed |
/// | `:CHANNELS` | names or positions (from 0) parted by `,` or `;`, or `*` for all | one by seed; three for degradation, all that vary for collective |
///
/// The parts marked `@`, `+` and `*` may come in any order. A time may carry an offset such as `+02:00`; behind a
/// time without one, write `Z` before a `+LENGTH` that is followed by `:CHANNELS`.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalySpec {
    /// The device it strikes.
    pub device: Option<String>,
    /// What goes wrong.
    pub kind: AnomalyKind,
    /// Where it starts.
    pub start: Option<Start>,
    /// Samples that it lasts.
    pub length: Option<usize>,
    /// Strength in standard deviations of the channel.
    pub magnitude: Option<f64>,
    /// Names or positions of channels, or `*` for all; empty for those by seed.
    pub channels: Vec<String>,
}

impl AnomalySpec {
    /// An anomaly of that kind, all else by seed.
    pub fn new(kind: AnomalyKind) -> Self {
        Self {
            device: None,
            kind,
            start: None,
            length: None,
            magnitude: None,
            channels: Vec::new(),
        }
    }

    /// Refuses numbers that make no sense for the kind; `text` is what the error quotes.
    pub(super) fn check(&self, text: &str) -> Result<(), SpecError> {
        let spec = || text.to_owned();
        let kind = self.kind;
        if let Some(length) = self.length.filter(|&length| length < kind.length_min()) {
            return Err(SpecError::Length {
                spec: spec(),
                found: length.to_string(),
                kind,
            });
        }
        let Some(magnitude) = self.magnitude else {
            return Ok(());
        };
        if kind.default_magnitude().is_none() {
            return Err(SpecError::NoMagnitude { spec: spec(), kind });
        }
        let is_usable =
            magnitude.is_finite() && (magnitude > 0.0 || (magnitude < 0.0 && kind != AnomalyKind::Noise));
        if is_usable {
            Ok(())
        } else {
            Err(SpecError::Magnitude {
                spec: spec(),
                found: magnitude.to_string(),
                want: magnitude_wanted(kind),
            })
        }
    }
}

const fn magnitude_wanted(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Noise => "a number above 0",
        _ => "a number other than 0",
    }
}

/// As it is asked for: parsing the text gives the same spec again.
impl fmt::Display for AnomalySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(device) = &self.device {
            write!(f, "{device}/")?;
        }
        write!(f, "{}", self.kind)?;
        if let Some(start) = self.start {
            write!(f, "@{start}")?;
        }
        if let Some(length) = self.length {
            write!(f, "+{length}")?;
        }
        if let Some(magnitude) = self.magnitude {
            write!(f, "*{magnitude}")?;
        }
        if !self.channels.is_empty() {
            write!(f, ":{}", self.channels.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for AnomalySpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let spec = || text.to_owned();
        let (head, mut rest) = text.split_at(text.find(MARKS).unwrap_or(text.len()));
        let (device, kind) = match head.rsplit_once('/') {
            Some(("", _)) => return Err(SpecError::EmptyDevice { spec: spec() }),
            Some((device, kind)) => (Some(device.to_owned()), kind),
            None => (None, head),
        };
        let kind = AnomalyKind::ALL
            .into_iter()
            .find(|known| known.name() == kind)
            .ok_or_else(|| SpecError::Kind {
                spec: spec(),
                found: kind.to_owned(),
            })?;
        let mut parsed = Self {
            device,
            ..Self::new(kind)
        };
        while let Some(mark) = rest.chars().next() {
            let body = &rest[mark.len_utf8()..];
            let (part, after) = body.split_at(part_len(mark, body));
            parsed.read_part(mark, part, text)?;
            rest = after;
        }
        parsed.check(text)?;
        Ok(parsed)
    }
}

/// What begins each part behind the kind.
const MARKS: [char; 4] = ['@', '+', '*', ':'];

/// Length of the part that begins `body`: channels reach to the end, a time knows its own end, the others end at
/// the next mark.
fn part_len(mark: char, body: &str) -> usize {
    match (mark, scan_time(body)) {
        (':', _) => body.len(),
        ('@', Some((_, len))) => len + body[len..].find(MARKS).unwrap_or(body.len() - len),
        _ => body.find(MARKS).unwrap_or(body.len()),
    }
}

impl AnomalySpec {
    /// Takes in one part behind its mark; `text` is the whole.
    fn read_part(&mut self, mark: char, part: &str, text: &str) -> Result<(), SpecError> {
        let (spec, found) = (text.to_owned(), part.to_owned());
        let kind = self.kind;
        let is_twice = match mark {
            '@' => {
                let start = Start::parse(part).ok_or(SpecError::Start { spec, found })?;
                self.start.replace(start).is_some()
            }
            '+' => {
                let length = part
                    .parse()
                    .map_err(|_| SpecError::Length { spec, found, kind })?;
                self.length.replace(length).is_some()
            }
            '*' => {
                let want = magnitude_wanted(kind);
                let magnitude = part
                    .parse()
                    .map_err(|_| SpecError::Magnitude { spec, found, want })?;
                self.magnitude.replace(magnitude).is_some()
            }
            _ => {
                self.channels = part
                    .split([',', ';'])
                    .map(|name| name.trim().to_owned())
                    .collect();
                if self.channels.iter().any(String::is_empty) {
                    return Err(SpecError::EmptyChannel { spec });
                }
                false
            }
        };
        if is_twice {
            return Err(SpecError::Twice {
                spec: text.to_owned(),
                mark,
            });
        }
        Ok(())
    }
}

/// Why a text is no [`AnomalySpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No such kind.
    #[error("anomaly {spec:?}: unknown kind {found:?}; kinds are {}", AnomalyKind::ALL.map(AnomalyKind::name).join(", "))]
    Kind {
        /// The whole text.
        spec: String,
        /// The kind given.
        found: String,
    },
    /// Nothing before the slash.
    #[error("anomaly {spec:?}: no device before \"/\"; want e.g. pump-02/spike, or leave the slash out")]
    EmptyDevice {
        /// The whole text.
        spec: String,
    },
    /// The start cannot be read.
    #[error(
        "anomaly {spec:?}: start {found:?} behind \"@\"; want a sample from 0 (500), a share below 100% (70%) or a time (2024-01-05T06:00Z)"
    )]
    Start {
        /// The whole text.
        spec: String,
        /// The start given.
        found: String,
    },
    /// The length cannot be read or is too short.
    #[error(
        "anomaly {spec:?}: length {found:?} behind \"+\"; want a whole number of samples, for {kind} at least {}", kind.length_min()
    )]
    Length {
        /// The whole text.
        spec: String,
        /// The length given.
        found: String,
        /// The kind it is for.
        kind: AnomalyKind,
    },
    /// The magnitude cannot be read or is out of range.
    #[error(
        "anomaly {spec:?}: magnitude {found:?} behind \"*\"; want {want}, in standard deviations of the channel"
    )]
    Magnitude {
        /// The whole text.
        spec: String,
        /// The magnitude given.
        found: String,
        /// What would do.
        want: &'static str,
    },
    /// The kind has no magnitude.
    #[error("anomaly {spec:?}: {kind} has no magnitude; leave out the part behind \"*\"")]
    NoMagnitude {
        /// The whole text.
        spec: String,
        /// The kind.
        kind: AnomalyKind,
    },
    /// A part stands twice.
    #[error("anomaly {spec:?}: \"{mark}\" stands twice; each part may be given once")]
    Twice {
        /// The whole text.
        spec: String,
        /// What begins the part.
        mark: char,
    },
    /// A channel without a name.
    #[error(
        "anomaly {spec:?}: an empty channel behind \":\"; want names or positions parted by commas, or * for all"
    )]
    EmptyChannel {
        /// The whole text.
        spec: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_prints_as_it_was_read() {
        let check = |text: &str, expect: &str| {
            let spec: AnomalySpec = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(spec.to_string(), expect, "{text}");
            assert_eq!(expect.parse::<AnomalySpec>().unwrap(), spec, "{expect}");
        };
        for kind in AnomalyKind::ALL {
            check(kind.name(), kind.name());
        }
        check("spike@500", "spike@500");
        check(
            "level-shift@70%+60*-4.5:flow_m3h",
            "level-shift@70%+60*-4.5:flow_m3h",
        );
        check("drift+10*3@5:a;b, 2", "drift@5+10*3:a,b,2");
        check("dropout:*", "dropout:*");
        check("spike:a:b@c+d*e/f", "spike:a:b@c+d*e/f");
        check("pump-02/stuck+9", "pump-02/stuck+9");
        check("site/a/stuck", "site/a/stuck");
        check("noise@2024-01-05T06:00+30", "noise@2024-01-05T06:00:00Z+30");
        check("noise@2024-01-05T06:00Z+30:0", "noise@2024-01-05T06:00:00Z+30:0");
        check(
            "noise@2024-01-05T06:00+02:00*2:1",
            "noise@2024-01-05T04:00:00Z*2:1",
        );
        check("noise@2024-01-05*2", "noise@2024-01-05T00:00:00Z*2");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<AnomalySpec>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("anomaly {text:?}: ")), "{error}");
            assert!(error.contains(expect), "{text}: {error}");
        };
        let kinds = "kinds are spike, level-shift, drift, stuck, noise, dropout, correlation-break, \
                     frequency-change, contextual, collective, degradation";
        check("", "unknown kind \"\"");
        check("spyke", &format!("unknown kind \"spyke\"; {kinds}"));
        check("Spike", "unknown kind");
        check("@5", "unknown kind \"\"");
        check("/spike", "no device before \"/\"");
        check("spike@", "start \"\" behind \"@\"");
        check("spike@-1", "start \"-1\"");
        check("spike@100%", "a share below 100%");
        check("spike@2024-13-01", "start \"2024-13-01\"");
        check("spike@2024-01-05X", "start \"2024-01-05X\"");
        check("spike+", "length \"\" behind \"+\"");
        check("spike+0", "length \"0\"");
        check("stuck+1", "for stuck at least 2");
        check("correlation-break+7", "for correlation-break at least 8");
        check("spike+1.5", "length \"1.5\"");
        check("spike+9999999999999999999999", "a whole number of samples");
        check("spike*", "magnitude \"\" behind \"*\"");
        check("spike*0", "want a number other than 0");
        check("spike*x", "magnitude \"x\"");
        check("spike*inf", "magnitude \"inf\"");
        check("spike*NaN", "magnitude \"NaN\"");
        check("noise*-1", "want a number above 0");
        check("stuck*3", "stuck has no magnitude");
        check("spike@5@6", "\"@\" stands twice");
        check("spike+5+6", "\"+\" stands twice");
        check("spike*5*6", "\"*\" stands twice");
        check("spike:", "an empty channel");
        check("spike:a,,b", "an empty channel");
    }
}
