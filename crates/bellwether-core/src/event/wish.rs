//! What a person wants of the event rule, in words: `3 of 5, clear 0.8, merge 20, least 4`.

use std::fmt;
use std::str::FromStr;

use super::rule::{EventRule, EventRuleError};

/// The parts of an [`EventRule`] that somebody chose; the rest is by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EventWish {
    /// n of m.
    votes: Option<(usize, usize)>,
    clear_ratio: Option<f64>,
    merge_gap: Option<usize>,
    len_min: Option<usize>,
}

impl EventWish {
    /// The rule that this makes of one by default.
    pub fn over(self, default: EventRule) -> EventRule {
        let (n, m) = self.votes.unwrap_or((default.n(), default.m()));
        EventRule::new(
            n,
            m,
            self.clear_ratio.unwrap_or(default.clear_ratio()),
            self.merge_gap.unwrap_or(default.merge_gap()),
            self.len_min.unwrap_or(default.len_min()),
        )
        .expect("each part was checked when it was read")
    }

    /// Where events clear, if that was chosen.
    pub fn clear_ratio(self) -> Option<f64> {
        self.clear_ratio
    }
}

/// As it is read.
impl fmt::Display for EventWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.votes.map(|(n, m)| format!("{n} of {m}")),
            self.clear_ratio.map(|ratio| format!("clear {ratio}")),
            self.merge_gap.map(|gap| format!("merge {gap}")),
            self.len_min.map(|least| format!("least {least}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl FromStr for EventWish {
    type Err = EventWishError;

    fn from_str(text: &str) -> Result<Self, EventWishError> {
        let mut wish = Self::default();
        for part in text.split(',') {
            wish.read(part.trim()).ok_or_else(|| EventWishError::Part {
                text: text.to_owned(),
                part: part.trim().to_owned(),
            })?;
        }
        let default = EventRule::for_window(1);
        let (n, m) = wish.votes.unwrap_or((default.n(), default.m()));
        EventRule::new(
            n,
            m,
            wish.clear_ratio.unwrap_or(default.clear_ratio()),
            wish.merge_gap.unwrap_or(default.merge_gap()),
            wish.len_min.unwrap_or(default.len_min()),
        )
        .map_err(|source| EventWishError::Rule {
            text: text.to_owned(),
            source,
        })?;
        Ok(wish)
    }
}

impl EventWish {
    /// Takes in one part; `None` where it is none, or stands twice.
    fn read(&mut self, part: &str) -> Option<()> {
        let mut words = part.split_whitespace();
        let (first, second, third) = (words.next()?, words.next()?, words.next());
        let is_first = match (first, second, third) {
            (n, "of", Some(m)) => self.votes.replace((n.parse().ok()?, m.parse().ok()?)).is_none(),
            ("clear", ratio, None) => self.clear_ratio.replace(ratio.parse().ok()?).is_none(),
            ("merge", gap, None) => self.merge_gap.replace(gap.parse().ok()?).is_none(),
            ("least", len, None) => self.len_min.replace(len.parse().ok()?).is_none(),
            _ => false,
        };
        (is_first && words.next().is_none()).then_some(())
    }
}

/// Why a text is no [`EventWish`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventWishError {
    /// A part cannot be read, or stands twice.
    #[error(
        "event rule {text:?}: {part:?} is no part of it; want some of `3 of 5`, `clear 0.8`, `merge 20`, `least 4`, each \
         once and parted by commas"
    )]
    Part {
        /// The whole text.
        text: String,
        /// The part.
        part: String,
    },
    /// The numbers make no rule.
    #[error("event rule {text:?} makes no sense")]
    Rule {
        /// The whole text.
        text: String,
        /// Why not.
        source: EventRuleError,
    },
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_can_be_read_prints_as_it_was_read_and_leaves_the_rest_as_it_was() {
        let check = |text: &str, expect: &str, rule: (usize, usize, f64, usize, usize)| {
            let wish: EventWish = text.parse().unwrap();
            assert_eq!(wish.to_string(), expect);
            assert_eq!(expect.parse::<EventWish>().unwrap(), wish);
            let (n, m, clear, merge, least) = rule;
            let want = EventRule::new(n, m, clear, merge, least).unwrap();
            assert_eq!(wish.over(EventRule::for_window(16)), want, "{text}");
        };
        check("2 of 4", "2 of 4", (2, 4, 0.8, 16, 1));
        check("least 6,merge 30", "merge 30, least 6", (3, 5, 0.8, 30, 6));
        check(
            " 1 of 1 , clear 0.95, merge 1, least 1",
            "1 of 1, clear 0.95, merge 1, least 1",
            (1, 1, 0.95, 1, 1),
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<EventWish>().unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("event rule {text:?}")),
                "{error}"
            );
            let source = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error}: {source}").contains(expect), "{error}: {source}");
        };
        check("", "\"\" is no part of it");
        check("3 of", "\"3 of\" is no part");
        check("3 of 5 6", "no part");
        check("3 of 5, 2 of 5", "\"2 of 5\" is no part");
        check("merge ten", "\"merge ten\"");
        check("merge -1", "\"merge -1\"");
        check("6 of 5", "6 of the last 5");
        check("clear 1.5", "clear ratio 1.5");
        check("clear nan", "clear ratio NaN");
        check("merge 0", "merge gap 0");
        check("4 of 4, least 0", "shortest event 0");
    }
}
