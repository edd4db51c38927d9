//! The settings that a search draws from, and the draws.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::architecture::Preset;
use crate::cli::FitArgs;
use crate::fitting::{Family, WindowWish};

/// Rows of a window. A judged stretch has at least [`ROWS_PER_WINDOW`] times as many.
const WINDOWS: [usize; 9] = [4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Windows fill within the tenth of a stretch that has no faults.
const ROWS_PER_WINDOW: usize = 16;
/// Encoder and decoder where an autoencoder is among the networks: its bottleneck is what matters.
const STACKS: [&str; 6] = [
    "16-4/16",
    "32-8/32",
    "64-8/64",
    "64-16/64",
    "64-32/64",
    "128-32/128",
];
/// Where all networks are forecasters, which have a single layer.
const LAYERS: [&str; 4] = ["16/16", "32/32", "64/64", "128/128"];
/// Typed in full, so that a command says what was meant.
const RATES: [f64; 6] = [0.0005, 0.001, 0.002, 0.003, 0.006, 0.01];

/// Draws for one candidate until the space is taken to be exhausted.
const DRAWS_MAX: u64 = 200;
/// Candidates of a search at most.
const CANDIDATES_MAX: usize = 1_000;
/// What these random numbers are for: part of the key, so that no other stream has them.
const PURPOSE: u64 = u64::from_le_bytes(*b"search\0\0");

/// What may be chosen. What is empty stays as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Space {
    windows: Vec<usize>,
    /// LSTM stacks by their sizes, and networks that have a name: half of the draws are of each.
    stacks: Vec<&'static str>,
    presets: Vec<&'static str>,
    rates: Vec<f64>,
}

/// Settings that are tried. What is `None` stays as it was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    pub(crate) window: Option<usize>,
    pub(crate) architecture: Option<String>,
    pub(crate) lr: Option<f64>,
}

impl Space {
    /// All that `args` leave open, for stretches of `n_rows` rows to be judged. A window that was given, and an architecture and a
    /// learning rate other than the default ones, stay.
    pub(crate) fn of(args: &FitArgs, n_rows: usize) -> Self {
        let default = FitArgs::by_default();
        // The network of a family of one preset is what its name says.
        let is_named = matches!(args.model_family, Family::Network(_));
        let has_open_sizes = !is_named && args.architecture == default.architecture;
        let stacks: &[&str] = if args.model_family.has_autoencoder() {
            &STACKS
        } else {
            &LAYERS
        };
        let names = Preset::ALL.map(|preset| preset.name);
        let others = names.into_iter().filter(|name| *name != default.architecture);
        let has_open_rate = args.lr.to_bits() == default.lr.to_bits();
        let windows = WINDOWS.into_iter().filter(|len| len * ROWS_PER_WINDOW <= n_rows);
        Self {
            windows: windows.filter(|_| args.window.is_none()).collect(),
            stacks: if has_open_sizes {
                stacks.to_vec()
            } else {
                Vec::new()
            },
            presets: others.filter(|_| has_open_sizes).collect(),
            rates: if has_open_rate { RATES.to_vec() } else { Vec::new() },
        }
    }

    /// Whether there is nothing to choose.
    pub(crate) fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.stacks.is_empty() && self.rates.is_empty()
    }

    /// Candidates in their order: the settings as they were asked for, and then draws from the seed, each a stream of its own, no two of
    /// them alike; as many as there are.
    pub(crate) fn candidates(&self, seed: u64) -> Vec<Candidate> {
        let mut candidates = vec![Candidate::default()];
        while candidates.len() < CANDIDATES_MAX && !self.is_empty() {
            let idx = candidates.len() as u64;
            let mut draws = (0..DRAWS_MAX).map(|draw| self.draw(&mut stream(seed, idx, draw)));
            match draws.find(|drawn| !candidates.contains(drawn)) {
                Some(drawn) => candidates.push(drawn),
                None => break,
            }
        }
        candidates
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Candidate {
        let window = one_of(&self.windows, rng);
        let is_stack = below(2, rng) == 0;
        let architecture = one_of(if is_stack { &self.stacks } else { &self.presets }, rng);
        Candidate {
            window: window.copied(),
            architecture: architecture.map(|name| (*name).to_owned()),
            lr: one_of(&self.rates, rng).copied(),
        }
    }

    /// For the manifest.
    pub(crate) fn json(&self) -> Value {
        let names = [&self.stacks[..], &self.presets[..]].concat();
        json!({
            "window": self.windows,
            "architecture": names,
            "lr": self.rates,
        })
    }
}

impl Candidate {
    /// The settings as they would have been typed.
    pub(crate) fn applied(&self, args: &FitArgs) -> FitArgs {
        let mut args = args.clone();
        if let Some(rows) = self.window.and_then(std::num::NonZeroUsize::new) {
            args.window = Some(WindowWish::Rows(rows));
        }
        if let Some(name) = &self.architecture {
            args.architecture.clone_from(name);
        }
        args.lr = self.lr.unwrap_or(args.lr);
        args
    }
}

/// Random numbers of one draw: the four words are the key itself, so no draw moves another.
fn stream(seed: u64, candidate: u64, draw: u64) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, PURPOSE, candidate, draw]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

fn one_of<'a, T>(values: &'a [T], rng: &mut ChaCha8Rng) -> Option<&'a T> {
    // A number is drawn all the same, so that what is open does not move the rest.
    values.get(below(values.len(), rng))
}

/// A whole number in 0..n, by the multiply-shift of Lemire (2019) without its rejection: n is tiny beside 2^64.
fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(flags: &[&str]) -> FitArgs {
        use clap::{Args as _, FromArgMatches as _};
        let command = FitArgs::augment_args(clap::Command::new("fit"));
        let words = ["fit"].into_iter().chain(flags.iter().copied());
        FitArgs::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn what_was_given_stays() {
        let space = Space::of(&asked(&[]), 10_000);
        assert_eq!(space.windows, WINDOWS);
        assert_eq!((space.stacks.len(), space.presets.len()), (4, 10));
        let space = Space::of(&asked(&["--window", "auto", "--lr", "0.02"]), 10_000);
        assert!(space.windows.is_empty() && space.rates.is_empty() && !space.is_empty());
        let space = Space::of(&asked(&["--architecture", "gru"]), 10_000);
        assert!(space.stacks.is_empty() && space.presets.is_empty());
        let space = Space::of(&asked(&["--model-family", "tcn"]), 10_000);
        assert!(space.stacks.is_empty() && space.presets.is_empty() && !space.is_empty());
        let space = Space::of(&asked(&["--model-family", "lstm-ae"]), 10_000);
        assert_eq!(space.stacks, STACKS);
        let fixed = ["--window", "9", "--architecture", "gru", "--lr", "0.1"];
        assert!(Space::of(&asked(&fixed), 10_000).is_empty());
        // Few rows: short windows.
        assert_eq!(Space::of(&asked(&[]), 130).windows, [4, 6, 8]);
    }

    #[test]
    fn candidates_are_distinct_and_follow_from_the_seed() {
        let space = Space::of(&asked(&[]), 10_000);
        let candidates = space.candidates(7);
        assert_eq!(candidates[0], Candidate::default());
        assert!(candidates.len() > 500, "{}", candidates.len());
        for (idx, candidate) in candidates.iter().enumerate() {
            assert!(!candidates[..idx].contains(candidate), "{candidate:?}");
        }
        assert_eq!(space.candidates(7), candidates);
        assert_ne!(space.candidates(8)[1..5], candidates[1..5]);
        let has_name = |of: &&Candidate| of.architecture.as_ref().is_some_and(|name| !name.contains('/'));
        let n_names = candidates[1..101].iter().filter(has_name).count();
        assert!((35..=65).contains(&n_names), "{n_names} of 100");
        // A small space is drawn to its end.
        let small = Space::of(&asked(&["--window", "9", "--architecture", "gru"]), 10_000);
        assert_eq!(small.candidates(7).len(), 1 + RATES.len());
    }

    /// As ChaCha with 8 rounds written anew in Python gives them, from its specification: the order is the same on every platform.
    #[test]
    fn draws_are_pinned() {
        let drawn = Space::of(&asked(&[]), 10_000).candidates(42);
        let line = |of: &Candidate| {
            let name = of.architecture.clone().unwrap();
            format!("{} {name} {}", of.window.unwrap(), of.lr.unwrap())
        };
        let lines: Vec<String> = drawn[1..4].iter().map(line).collect();
        assert_eq!(
            lines,
            ["64 lstm-deep 0.0005", "64 32/32 0.01", "48 conv-lstm 0.001"]
        );
    }

    #[test]
    fn settings_are_applied_as_they_would_be_typed() {
        let candidate = Candidate {
            window: Some(12),
            architecture: Some("gru".to_owned()),
            lr: Some(0.001),
        };
        let args = candidate.applied(&asked(&["--epochs", "3"]));
        let typed = asked(&[
            "--epochs",
            "3",
            "--window",
            "12",
            "--architecture",
            "gru",
            "--lr",
            "0.001",
        ]);
        assert_eq!(format!("{args:?}"), format!("{typed:?}"));
        let same = Candidate::default().applied(&typed);
        assert_eq!(format!("{same:?}"), format!("{typed:?}"));
    }
}
