//! Rules by device: its own, or else that of the first pattern that its name matches.

use std::collections::BTreeMap;

use globset::{Glob, GlobMatcher};

/// Rules of single devices, a rule for each pattern of device names, in order, and one for all others.
#[derive(Debug, Clone)]
pub struct ByDevice<T> {
    own: BTreeMap<String, T>,
    rules: Vec<(GlobMatcher, T)>,
    otherwise: T,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device pattern {pattern:?}: {problem}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

impl<T> ByDevice<T> {
    /// One rule for all devices.
    pub fn all(otherwise: T) -> Self {
        Self {
            own: BTreeMap::new(),
            rules: Vec::new(),
            otherwise,
        }
    }

    /// Rules by pattern (`pump-*`, `*`, `line-[12]/?`), the first that matches counting.
    ///
    /// # Errors
    /// [`PatternError`] where a pattern cannot be read.
    pub fn new<P: AsRef<str>>(
        rules: impl IntoIterator<Item = (P, T)>,
        otherwise: T,
    ) -> Result<Self, PatternError> {
        let read = |(pattern, rule): (P, T)| Ok((matcher(pattern.as_ref())?, rule));
        Ok(Self {
            own: BTreeMap::new(),
            rules: rules.into_iter().map(read).collect::<Result<_, _>>()?,
            otherwise,
        })
    }

    /// The same rules, and before them those of single devices.
    #[must_use]
    pub fn with_own(self, own: BTreeMap<String, T>) -> Self {
        Self { own, ..self }
    }

    /// The rule of that device.
    pub fn of(&self, device: &str) -> &T {
        if let Some(own) = self.own.get(device) {
            return own;
        }
        self.rules
            .iter()
            .find(|(pattern, _)| pattern.is_match(device))
            .map_or(&self.otherwise, |(_, rule)| rule)
    }

    /// The same patterns with other rules, made of these.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(&self, mut f: impl FnMut(&T) -> Result<U, E>) -> Result<ByDevice<U>, E> {
        let mut rules = Vec::with_capacity(self.rules.len());
        for (pattern, rule) in &self.rules {
            rules.push((pattern.clone(), f(rule)?));
        }
        let own = self
            .own
            .iter()
            .map(|(device, rule)| Ok((device.clone(), f(rule)?)));
        Ok(ByDevice {
            own: own.collect::<Result<_, E>>()?,
            rules,
            otherwise: f(&self.otherwise)?,
        })
    }

    /// All rules, the one for all others last.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let rules = self.rules.iter().map(|(_, rule)| rule);
        self.own.values().chain(rules).chain([&self.otherwise])
    }
}

impl<T: PartialEq> PartialEq for ByDevice<T> {
    fn eq(&self, other: &Self) -> bool {
        let rules = |rules: &Self| -> Vec<String> {
            let pattern = |(pattern, _): &(GlobMatcher, T)| pattern.glob().glob().to_owned();
            rules.rules.iter().map(pattern).collect()
        };
        rules(self) == rules(other) && self.own.keys().eq(other.own.keys()) && self.iter().eq(other.iter())
    }
}

/// Whether a device's name matches a pattern.
///
/// # Errors
/// [`PatternError`] where the pattern cannot be read.
pub fn matcher(pattern: &str) -> Result<GlobMatcher, PatternError> {
    match Glob::new(pattern) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(PatternError {
            pattern: pattern.to_owned(),
            problem: error.kind().to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let rules = ByDevice::new([("pump-7", 1), ("pump-*", 2)], 3).unwrap();
        assert_eq!(
            [rules.of("pump-7"), rules.of("pump-8"), rules.of("boiler")],
            [&1, &2, &3]
        );
        assert!(ByDevice::new([("pump-[", 1)], 2).is_err());
        let own = rules.clone().with_own([("pump-8".to_owned(), 4)].into());
        assert_eq!(
            [own.of("pump-7"), own.of("pump-8"), own.of("pump-80")],
            [&1, &4, &2]
        );
        assert_ne!(own, rules);
        assert_eq!(own.iter().collect::<Vec<_>>(), [&4, &1, &2, &3]);
        let doubled: ByDevice<i32> = own.try_map(|rule| Ok::<_, ()>(2 * rule)).unwrap();
        assert_eq!(doubled.of("pump-8"), &8);
    }
}
