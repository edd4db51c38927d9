//! A feature as people wish for it: `NAME = KIND(ARGUMENTS)`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::zone::{Zone, ZoneError};

/// The kinds and their arguments, for messages.
const KINDS: [(&str, &str); 17] = [
    ("diff", "CHANNEL[, LENGTH]"),
    ("lag", "CHANNEL, LENGTH"),
    ("mean", "CHANNEL, LENGTH"),
    ("std", "CHANNEL, LENGTH"),
    ("min", "CHANNEL, LENGTH"),
    ("max", "CHANNEL, LENGTH"),
    ("ewma", "CHANNEL, LENGTH"),
    ("ratio", "CHANNEL, CHANNEL"),
    ("minus", "CHANNEL, CHANNEL"),
    ("log", "CHANNEL"),
    ("boxcox", "CHANNEL[, LAMBDA]"),
    ("band", "CHANNEL, LENGTH, SHORTEST PERIOD[, LONGEST PERIOD]"),
    ("season", "CHANNEL, PERIOD[, ZONE]"),
    ("daily", "[ZONE]"),
    ("weekly", "[ZONE]"),
    ("onehot", "CHANNEL"),
    ("absent", "CHANNEL"),
];

/// A length of time, or of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// So many rows.
    Rows(f64),
    /// So long: as many rows as make it up at the cadence of the training rows.
    Time(Duration),
}

/// What is to be worked out of which channels.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// One of the figures over rows, by its name in [`KINDS`].
    Rolling(Rolling, String, Span),
    Ratio(String, String),
    Minus(String, String),
    Log(String),
    /// `None`: λ is fitted.
    BoxCox(String, Option<f64>),
    /// Length, shortest and longest period.
    Band(String, Span, Span, Span),
    Season(String, Duration, Zone),
    Daily(Zone),
    Weekly(Zone),
    OneHot(String),
    Absent(String),
}

/// A figure over rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rolling {
    Diff,
    Lag,
    Mean,
    Std,
    Min,
    Max,
    Ewma,
}

/// A feature as people wish for it, such as `flow_change = diff(flow, 5m)`.
///
/// A channel with other signs in its name than letters, digits, `_`, `.` and `-` stands in double quotes. A feature that
/// is called as a channel of the data takes its place; any other stands beside the channels.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureWish {
    text: String,
    pub(super) name: String,
    pub(super) wish: Wish,
}

/// A text is no wish for a feature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WishError {
    /// It does not have the form.
    #[error("{text:?}: wanted NAME = KIND(ARGUMENTS), such as flow_change = diff(flow, 5m)")]
    Form {
        /// What was given.
        text: String,
    },
    /// There is no such kind.
    #[error("there is no feature {kind}(…){}; there are {}", near(kind), names())]
    Kind {
        /// What was given.
        kind: String,
    },
    /// Its arguments are others.
    #[error("{kind}({given}): wanted {kind}({wanted})")]
    Arguments {
        /// The kind.
        kind: &'static str,
        /// What was given.
        given: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// An argument is no length.
    #[error("{text:?} is no length: wanted rows such as 12, or a time such as 90s, 5m, 1h, 2d")]
    Length {
        /// What was given.
        text: String,
    },
    /// An argument is no number.
    #[error("{text:?} is no number")]
    Number {
        /// What was given.
        text: String,
    },
    /// An argument names no time zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
}

fn names() -> String {
    KINDS.map(|(name, _)| name).join(", ")
}

fn near(kind: &str) -> String {
    let best = KINDS
        .iter()
        .map(|(name, _)| (strsim::jaro_winkler(kind, name), name))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match best {
        Some((likeness, name)) if likeness > 0.75 => format!(" (did you mean {name}?)"),
        _ => String::new(),
    }
}

impl FeatureWish {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// As it was written.
impl fmt::Display for FeatureWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for FeatureWish {
    type Err = WishError;

    fn from_str(text: &str) -> Result<Self, WishError> {
        let form = || WishError::Form {
            text: text.chars().take(200).collect(),
        };
        let parts = split(text, '=').ok_or_else(form)?;
        let [name, call] = parts.as_slice() else {
            return Err(form());
        };
        let name = unquoted(name).ok_or_else(form)?;
        let (kind, rest) = call.trim().split_once('(').ok_or_else(form)?;
        let given = rest.strip_suffix(')').ok_or_else(form)?;
        let kind = kind.trim();
        let Some(&(kind, wanted)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            return Err(WishError::Kind {
                kind: kind.chars().take(80).collect(),
            });
        };
        let arguments = match given.trim() {
            "" => Vec::new(),
            given => split(given, ',').ok_or_else(form)?,
        };
        let arguments = Arguments {
            kind,
            wanted,
            given,
            arguments,
        };
        Ok(Self {
            text: text.trim().to_owned(),
            name,
            wish: arguments.wish()?,
        })
    }
}

/// The arguments of a kind.
struct Arguments<'a> {
    kind: &'static str,
    wanted: &'static str,
    given: &'a str,
    arguments: Vec<&'a str>,
}

impl Arguments<'_> {
    fn wish(&self) -> Result<Wish, WishError> {
        let rolling = match self.kind {
            "diff" => Some(Rolling::Diff),
            "lag" => Some(Rolling::Lag),
            "mean" => Some(Rolling::Mean),
            "std" => Some(Rolling::Std),
            "min" => Some(Rolling::Min),
            "max" => Some(Rolling::Max),
            "ewma" => Some(Rolling::Ewma),
            _ => None,
        };
        if let Some(rolling) = rolling {
            let n_least = if rolling == Rolling::Diff { 1 } else { 2 };
            self.count(n_least, 2)?;
            let span = if self.arguments.len() == 2 {
                self.span(1)?
            } else {
                Span::Rows(1.0)
            };
            return Ok(Wish::Rolling(rolling, self.channel(0)?, span));
        }
        match self.kind {
            "ratio" | "minus" => {
                self.count(2, 2)?;
                let (one, other) = (self.channel(0)?, self.channel(1)?);
                Ok(if self.kind == "ratio" {
                    Wish::Ratio(one, other)
                } else {
                    Wish::Minus(one, other)
                })
            }
            "boxcox" => {
                self.count(1, 2)?;
                let lambda = match self.arguments.get(1) {
                    Some(text) => Some(number(text)?),
                    None => None,
                };
                Ok(Wish::BoxCox(self.channel(0)?, lambda))
            }
            "band" => {
                self.count(3, 4)?;
                let shortest = self.span(2)?;
                let longest = if self.arguments.len() == 4 {
                    self.span(3)?
                } else {
                    shortest
                };
                Ok(Wish::Band(self.channel(0)?, self.span(1)?, shortest, longest))
            }
            "season" => {
                self.count(2, 3)?;
                let Span::Time(period) = self.span(1)? else {
                    return Err(self.wrong());
                };
                Ok(Wish::Season(self.channel(0)?, period, self.zone(2)?))
            }
            "daily" | "weekly" => {
                self.count(0, 1)?;
                let zone = self.zone(0)?;
                Ok(if self.kind == "daily" {
                    Wish::Daily(zone)
                } else {
                    Wish::Weekly(zone)
                })
            }
            _ => {
                self.count(1, 1)?;
                let channel = self.channel(0)?;
                Ok(match self.kind {
                    "log" => Wish::Log(channel),
                    "onehot" => Wish::OneHot(channel),
                    _ => Wish::Absent(channel),
                })
            }
        }
    }

    fn wrong(&self) -> WishError {
        WishError::Arguments {
            kind: self.kind,
            given: self.given.chars().take(200).collect(),
            wanted: self.wanted,
        }
    }

    fn count(&self, least: usize, most: usize) -> Result<(), WishError> {
        if (least..=most).contains(&self.arguments.len()) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn channel(&self, idx: usize) -> Result<String, WishError> {
        unquoted(self.arguments[idx]).ok_or_else(|| self.wrong())
    }

    fn span(&self, idx: usize) -> Result<Span, WishError> {
        span(self.arguments[idx])
    }

    fn zone(&self, idx: usize) -> Result<Zone, WishError> {
        match self.arguments.get(idx) {
            Some(text) => Ok(unquoted(text).ok_or_else(|| self.wrong())?.parse()?),
            None => Ok(Zone::utc()),
        }
    }
}

/// Splits at a sign outside of quotes; `None` where a quote stays open.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (idx, sign) in text.char_indices() {
        if sign == '"' {
            is_quoted = !is_quoted;
        } else if sign == at && !is_quoted {
            parts.push(&text[start..idx]);
            start = idx + sign.len_utf8();
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

/// A name, with or without quotes around it; `None` where it is empty or holds what belongs into quotes.
fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return (!inner.is_empty() && !inner.contains('"')).then(|| inner.to_owned());
    }
    let is_plain = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '.' | '-' | '/');
    (!text.is_empty() && text.chars().all(is_plain)).then(|| text.to_owned())
}

fn number(text: &str) -> Result<f64, WishError> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| WishError::Number {
        text: text.trim().chars().take(80).collect(),
    })
}

/// `12` rows, or a time such as `5m`.
fn span(text: &str) -> Result<Span, WishError> {
    let text = text.trim();
    let wrong = || WishError::Length {
        text: text.chars().take(80).collect(),
    };
    let at = text
        .find(|sign: char| sign.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let length: f64 = text[..at].trim().parse().map_err(|_| wrong())?;
    if !(length > 0.0 && length <= 1e12) {
        return Err(wrong());
    }
    let secs = match &text[at..] {
        "" => return Ok(Span::Rows(length)),
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(wrong()),
    };
    let time = Duration::try_from_secs_f64(length * secs).map_err(|_| wrong())?;
    if time.is_zero() {
        Err(wrong())
    } else {
        Ok(Span::Time(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_refused_with_what_is_wanted() {
        let good = |text: &str, name: &str| {
            let wish: FeatureWish = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((wish.name(), wish.to_string().as_str()), (name, text));
            wish.wish
        };
        assert_eq!(
            good("d = diff(flow)", "d"),
            Wish::Rolling(Rolling::Diff, "flow".to_owned(), Span::Rows(1.0))
        );
        assert_eq!(
            good("m=mean( \"oil temp, in\" , 5m)", "m"),
            Wish::Rolling(
                Rolling::Mean,
                "oil temp, in".to_owned(),
                Span::Time(Duration::from_secs(300))
            )
        );
        assert_eq!(
            good("t = daily(Europe/Berlin)", "t"),
            Wish::Daily("Europe/Berlin".parse().unwrap())
        );
        assert_eq!(good("t = weekly()", "t"), Wish::Weekly(Zone::utc()));
        assert_eq!(
            good("b = boxcox(p, 0.5)", "b"),
            Wish::BoxCox("p".to_owned(), Some(0.5))
        );
        good("\"a=b\" = log(p)", "a=b");
        good("e = band(vib, 256, 4, 8)", "e");
        let bad = |text: &str, expect: &str| {
            let error = text.parse::<FeatureWish>().unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        bad("flow", "wanted NAME = KIND");
        bad("a = diff(flow", "wanted NAME = KIND");
        bad("a = dif(flow)", "did you mean diff?");
        bad("a = sum(flow)", "there are diff, lag");
        bad("a = lag(flow)", "wanted lag(CHANNEL, LENGTH)");
        bad("a = lag(flow, x)", "\"x\" is no length");
        bad("a = lag(flow, -3)", "is no length");
        bad("a = season(flow, 24)", "wanted season(CHANNEL, PERIOD");
        bad("a = daily(Mars/Base)", "no time zone");
        bad("a = boxcox(p, much)", "\"much\" is no number");
        bad("a = log(oil temp)", "wanted log(CHANNEL)");
    }
}
