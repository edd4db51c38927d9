//! Events that looked alike: the cosine of the angle between their shares.

/// An event to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its id.
    pub event: String,
    /// Its series.
    pub series: String,
    /// When it began, as written.
    pub start: String,
    /// When it ended, as written.
    pub end: String,
    /// What kind it was, where known.
    pub kind: Option<String>,
    /// Channels with their shares of it.
    pub shares: Vec<(String, f64)>,
}

/// How alike two profiles of shares are, in [0, 1]: 1 where the channels have the same shares, 0 where they have none in
/// common. Channels that one of them lacks have no share there.
pub fn similarity(first: &[(String, f64)], second: &[(String, f64)]) -> f64 {
    let norm = |shares: &[(String, f64)]| shares.iter().map(|(_, share)| share * share).sum::<f64>().sqrt();
    let of_second = |name: &str| {
        second
            .iter()
            .find(|(other, _)| other == name)
            .map_or(0.0, |(_, share)| *share)
    };
    let product: f64 = first.iter().map(|(name, share)| share * of_second(name)).sum();
    let norms = norm(first) * norm(second);
    if norms > 0.0 {
        (product / norms).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// The `n` events most alike, with how much, most alike first, of equals the later in the list first.
pub fn most_similar<'a>(shares: &[(String, f64)], past: &'a [Past], n: usize) -> Vec<(&'a Past, f64)> {
    let alike = past
        .iter()
        .rev()
        .map(|event| (event, similarity(shares, &event.shares)));
    let mut alike: Vec<(&Past, f64)> = alike.collect();
    alike.sort_by(|a, b| b.1.total_cmp(&a.1));
    alike.truncate(n);
    alike
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    fn shares(of: &[(&str, f64)]) -> Vec<(String, f64)> {
        of.iter()
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect()
    }

    #[test]
    fn profiles_by_hand() {
        let check = |a: &[(&str, f64)], b: &[(&str, f64)], want: f64| {
            assert_close(similarity(&shares(a), &shares(b)), want, 1e-12, "similarity");
            assert_close(similarity(&shares(b), &shares(a)), want, 1e-12, "the other way");
        };
        check(&[("a", 0.6), ("b", 0.4)], &[("b", 0.4), ("a", 0.6)], 1.0);
        check(&[("a", 1.0)], &[("b", 1.0)], 0.0);
        // (.6 · .8 + .8 · .6) of two profiles of length 1.
        check(&[("a", 0.6), ("b", 0.8)], &[("a", 0.8), ("b", 0.6)], 0.96);
        check(&[("a", 1.0)], &[("a", 0.5), ("c", 0.5)], 0.5_f64.sqrt());
        check(&[], &[("a", 1.0)], 0.0);
    }

    #[test]
    fn the_most_similar_stand_first() {
        let past = |event: &str, of: &[(&str, f64)]| Past {
            event: event.to_owned(),
            series: String::new(),
            start: String::new(),
            end: String::new(),
            kind: None,
            shares: shares(of),
        };
        let all = [
            past("x", &[("b", 1.0)]),
            past("y", &[("a", 1.0)]),
            past("z", &[("a", 0.9), ("b", 0.1)]),
        ];
        let order: Vec<&str> = most_similar(&shares(&[("a", 1.0)]), &all, 2)
            .iter()
            .map(|(past, _)| past.event.as_str())
            .collect();
        assert_eq!(order, ["y", "z"]);
    }
}
