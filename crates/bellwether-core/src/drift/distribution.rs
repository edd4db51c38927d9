//! The distribution of one channel at bounded size: at each of a few values, how many rows lie below and up to it.

use super::BaselineError;

/// What is known of a sample of values. At every value that is kept the counts are exact; what lies between two of
/// them is at most one part in `values_max - 1` of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// Values that occurred, strictly rising, smallest and largest included; the channel's unit. Empty where
    /// nothing was observed.
    pub values: Vec<f64>,
    /// Rows strictly below each value.
    pub n_below: Vec<u64>,
    /// Rows at or below each value; the last is the number of rows.
    pub n_upto: Vec<u64>,
}

impl Distribution {
    /// Of ascending values free of NaN: all of them where at most `values_max` (at least 2) differ, else those at
    /// evenly spaced ranks.
    pub fn of(sorted: &[f64], values_max: usize) -> Self {
        let Some(last) = sorted.len().checked_sub(1) else {
            return Self::default();
        };
        let n_distinct = 1 + sorted.windows(2).filter(|pair| pair[0] < pair[1]).count();
        let mut kept: Vec<f64> = if n_distinct <= values_max {
            sorted.to_vec()
        } else {
            let steps = values_max.max(2) - 1;
            let rank = |step: usize| (step as u128 * last as u128 / steps as u128) as usize;
            (0..=steps).map(|step| sorted[rank(step)]).collect()
        };
        kept.dedup_by(|later, earlier| *later <= *earlier);
        Self {
            n_below: kept.iter().map(|&value| n_below(sorted, value) as u64).collect(),
            n_upto: kept.iter().map(|&value| n_upto(sorted, value) as u64).collect(),
            values: kept,
        }
    }

    /// Rows in it.
    pub fn n(&self) -> u64 {
        self.n_upto.last().copied().unwrap_or(0)
    }

    /// Whether every value is kept, so that all statistics are those of the sample itself.
    pub fn is_exact(&self) -> bool {
        let upto = std::iter::once(0).chain(self.n_upto.iter().copied());
        upto.zip(&self.n_below).all(|(upto, &below)| upto == below)
    }

    /// Whether the counts fit each other and the values.
    pub(super) fn check(&self, channel: &str) -> Result<(), BaselineError> {
        let refused = |what| BaselineError::Distribution {
            channel: channel.to_owned(),
            what,
        };
        if self.n_below.len() != self.values.len() || self.n_upto.len() != self.values.len() {
            return Err(refused("not as many counts as values"));
        }
        if !self.values.iter().all(|value| value.is_finite()) {
            return Err(refused("a value that is not finite"));
        }
        if !self.values.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(refused("values that do not rise"));
        }
        let mut upto_before = 0;
        for (&below, &upto) in self.n_below.iter().zip(&self.n_upto) {
            if !(upto_before <= below && below < upto) {
                return Err(refused("counts that do not rise"));
            }
            upto_before = upto;
        }
        match self.n_below.first() {
            Some(&below) if below > 0 => Err(refused("rows below its smallest value")),
            _ => Ok(()),
        }
    }
}

/// How many of ascending `sorted` lie below `value`.
pub(super) fn n_below(sorted: &[f64], value: f64) -> usize {
    sorted.partition_point(|&other| other < value)
}

/// How many of ascending `sorted` lie at or below `value`.
pub(super) fn n_upto(sorted: &[f64], value: f64) -> usize {
    sorted.partition_point(|&other| other <= value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_kept_exactly() {
        let kept = Distribution::of(&[1.0, 1.0, 2.0, 5.0], 257);
        assert_eq!(kept.values, [1.0, 2.0, 5.0]);
        assert_eq!(kept.n_below, [0, 2, 3]);
        assert_eq!(kept.n_upto, [2, 3, 4]);
        assert!(kept.is_exact());
        assert_eq!(Distribution::of(&[], 257).n(), 0);
        assert!(Distribution::of(&[], 257).is_exact());
    }

    #[test]
    fn of_many_values_little_lies_between_two_that_are_kept() {
        let sorted: Vec<f64> = (0..10_000).map(|i| f64::from(i / 3).powi(3)).collect();
        let kept = Distribution::of(&sorted, 257);
        assert_eq!(kept.check("c"), Ok(()));
        assert_eq!(kept.values.len(), 257);
        assert_eq!((kept.values[0], kept.n()), (0.0, 10_000));
        assert!(!kept.is_exact());
        for (upto, below) in kept.n_upto.iter().zip(&kept.n_below[1..]) {
            assert!(below.saturating_sub(*upto) <= 10_000 / 256);
        }
    }

    #[test]
    fn a_heavy_value_is_one_value() {
        let mut sorted = vec![0.0; 5_000];
        sorted.extend((1..5_000).map(f64::from));
        let kept = Distribution::of(&sorted, 257);
        assert_eq!((kept.n_below[0], kept.n_upto[0]), (0, 5_000));
        assert_eq!(kept.check("c"), Ok(()));
    }
}
