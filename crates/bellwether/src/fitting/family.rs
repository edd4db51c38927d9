//! Which models a detector is made of.

use std::num::NonZeroUsize;

use bellwether_core::classic;

use crate::architecture::Preset;
use crate::config::error::did_you_mean;

/// Members that families share.
const AUTOENCODER: Wanted = Wanted {
    kind: Kind::LstmAe,
    rows: None,
    weight: 1.0,
};
/// Beside the forecaster, which ranks better alone.
const AUTOENCODER_BESIDE: Wanted = Wanted {
    weight: 0.5,
    ..AUTOENCODER
};
const FORECASTER: Wanted = Wanted {
    kind: Kind::LstmForecast,
    ..AUTOENCODER
};
const NEAREST: Wanted = Wanted {
    kind: Kind::Classic(classic::Kind::Knn),
    rows: None,
    weight: 0.5,
};
/// A short window leaves a fault as soon as it is over, a long one sees slow shapes; each channel from the others shows at once
/// which one no longer follows them.
const CLASSIC: [Wanted; 4] = [
    Wanted {
        kind: Kind::Classic(classic::Kind::Pca),
        rows: Some(5),
        weight: 1.0,
    },
    Wanted {
        kind: Kind::Classic(classic::Kind::Pca),
        rows: Some(20),
        weight: 1.0,
    },
    Wanted {
        kind: Kind::Classic(classic::Kind::Var),
        rows: Some(6),
        weight: 2.0,
    },
    Wanted {
        kind: Kind::Classic(classic::Kind::CrossRegression),
        rows: None,
        weight: 1.0,
    },
];

/// Rows of the training part from which on what channels say of each other counts in full, and the share of it that counts where
/// there are fewer: so many coefficients are hardly known from a few hundred rows that depend on each other.
const RELATIONS_ROWS: usize = 2_000;
const FEW_ROWS_SHARE: f64 = 1.0 / 3.0;

/// A choice of members by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A network that foresees, autoregression, window PCA and regression of each channel on the others.
    Default,
    /// The same without the network. Fitted in a second.
    Linear,
    /// All that there are.
    Full,
    /// Networks alone.
    Lstm,
    /// The autoencoder alone.
    LstmAe,
    /// The forecaster alone.
    LstmForecast,
    /// One network of layers that has a name, alone.
    Network(Preset),
    /// One classic detector alone.
    Classic(classic::Kind),
}

/// A kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LstmAe,
    LstmForecast,
    /// The network that was asked for.
    Network,
    Classic(classic::Kind),
}

/// A member of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wanted {
    kind: Kind,
    /// Rows of its window, the one that it foresees included; `None` for as many as its kind usually has.
    rows: Option<usize>,
    weight: f64,
}

/// A member to be fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    /// Rows of its window.
    pub(super) len: NonZeroUsize,
    /// How much it counts.
    pub(super) weight: f64,
}

/// The members of a detector, and what values outside of the training ranges count beside them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) members: Vec<Planned>,
    pub(super) range_weight: f64,
}

impl Family {
    /// Those that are more than one classic detector.
    const NAMED: [Self; 6] = [
        Self::Default,
        Self::Linear,
        Self::Full,
        Self::Lstm,
        Self::LstmAe,
        Self::LstmForecast,
    ];

    /// All there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let alone = classic::Kind::ALL.into_iter().map(Self::Classic);
        // What is called `lstm` is a family already.
        let presets = Preset::ALL
            .into_iter()
            .filter(|preset| preset.name != Self::Lstm.name());
        let named = Self::NAMED.into_iter().chain(presets.map(Self::Network));
        named.chain(alone)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Linear => "linear",
            Self::Full => "full",
            Self::Lstm => "lstm",
            Self::LstmAe => Kind::LstmAe.name(),
            Self::LstmForecast => Kind::LstmForecast.name(),
            Self::Network(preset) => preset.name,
            Self::Classic(kind) => kind.name(),
        }
    }

    /// The family of that name; `auto` is the default one.
    ///
    /// # Errors
    /// The names there are beside `others`, and the one that may have been meant.
    pub(crate) fn from_name(name: &str, others: &[&'static str]) -> Result<Self, String> {
        let known = if name == "auto" { "default" } else { name };
        Self::all().find(|family| family.name() == known).ok_or_else(|| {
            let names = ["auto"].into_iter().chain(Self::all().map(Self::name));
            let names: Vec<&str> = names.chain(others.iter().copied()).collect();
            match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("there is no such detector; did you mean {near}?"),
                None => format!("there is no such detector; there are {}", names.join(", ")),
            }
        })
    }

    /// Whether one of its members is a network.
    pub(crate) fn has_network(self) -> bool {
        !matches!(self, Self::Linear | Self::Classic(_))
    }

    /// Whether one of its members is an LSTM autoencoder.
    pub(crate) fn has_autoencoder(self) -> bool {
        matches!(self, Self::Full | Self::Lstm | Self::LstmAe)
    }

    /// The members for a training part of `n_rows` rows of `n_channels` channels; `window` is that of the networks, or else of
    /// the classic member with the longest one, where the user has chosen it.
    ///
    /// Where `has_layers`, layers were chosen: they make the network of the family, and its only one.
    pub(super) fn plan(
        self,
        n_rows: usize,
        n_channels: usize,
        window: Option<NonZeroUsize>,
        has_layers: bool,
    ) -> Plan {
        let alone = |kind| {
            vec![Wanted {
                kind,
                rows: None,
                weight: 1.0,
            }]
        };
        let (members, range_weight): (Vec<Wanted>, f64) = match self {
            Self::Default => ([vec![FORECASTER], CLASSIC.to_vec()].concat(), 40.0),
            Self::Linear => (CLASSIC.to_vec(), 20.0),
            Self::Full => {
                let networks = vec![AUTOENCODER, FORECASTER];
                ([networks, CLASSIC.to_vec(), vec![NEAREST]].concat(), 40.0)
            }
            Self::Lstm => (vec![AUTOENCODER_BESIDE, FORECASTER], 0.0),
            Self::LstmAe => (alone(Kind::LstmAe), 0.0),
            Self::LstmForecast => (alone(Kind::LstmForecast), 0.0),
            Self::Network(_) => (alone(Kind::Network), 0.0),
            Self::Classic(kind) => (alone(Kind::Classic(kind)), 0.0),
        };
        let members = if has_layers { with_layers(members) } else { members };
        // What tells a channel from the others has nothing to say of one alone.
        let is_needless = |kind| kind == Kind::Classic(classic::Kind::CrossRegression) && n_channels < 2;
        let is_one = members.len() == 1;
        let members: Vec<Wanted> = members
            .into_iter()
            .filter(|wanted| is_one || !is_needless(wanted.kind))
            .collect();
        let has_network = members.iter().any(|wanted| wanted.kind.is_network());
        let longest = members.iter().filter_map(|wanted| wanted.rows).max();
        let planned = members.iter().map(|wanted| {
            let is_asked = match wanted.kind {
                Kind::LstmAe | Kind::LstmForecast | Kind::Network => true,
                Kind::Classic(kind) => !has_network && wanted.rows == longest && !kind.is_pointwise(),
            };
            let rows = window.filter(|_| is_asked).map_or_else(
                || wanted.kind.rows(wanted.rows, n_rows, n_channels),
                NonZeroUsize::get,
            );
            let is_cross = wanted.kind == Kind::Classic(classic::Kind::CrossRegression);
            let weight = if is_cross && !is_one && n_rows < RELATIONS_ROWS {
                FEW_ROWS_SHARE * wanted.weight
            } else {
                wanted.weight
            };
            Planned {
                kind: wanted.kind,
                len: NonZeroUsize::MIN.saturating_add(rows - 1),
                weight,
            }
        });
        Plan {
            members: planned.collect(),
            range_weight,
        }
    }
}

/// The same with the chosen network in the place of the first, and no other.
fn with_layers(members: Vec<Wanted>) -> Vec<Wanted> {
    let mut is_placed = false;
    let placed = members.into_iter().filter_map(|wanted| {
        if !wanted.kind.is_network() {
            return Some(wanted);
        }
        let is_first = !std::mem::replace(&mut is_placed, true);
        is_first.then_some(Wanted {
            kind: Kind::Network,
            rows: None,
            weight: 1.0,
        })
    });
    placed.collect()
}

impl Kind {
    /// Its name in manifests.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LstmAe => "lstm-ae",
            Self::LstmForecast => "lstm-forecast",
            Self::Network => "network",
            Self::Classic(kind) => kind.name(),
        }
    }

    pub(super) fn is_network(self) -> bool {
        !matches!(self, Self::Classic(_))
    }

    /// Rows of a model's window, the one that it foresees included, where so many are `wanted` and the training part has `n`
    /// rows: fewer where it could not learn from as many.
    fn rows(self, wanted: Option<usize>, n: usize, n_channels: usize) -> usize {
        if let Some(wanted) = wanted {
            return if n < 6 * wanted {
                (n / 8).max(2).min(wanted)
            } else {
                wanted
            };
        }
        let n_fitted = n - n / super::folds::N_FOLDS;
        match self {
            Self::LstmForecast if n_fitted < 96 => (n_fitted / 12).clamp(4, 8),
            Self::LstmForecast => 8,
            Self::LstmAe | Self::Network if n_fitted < 96 => (n_fitted / 12).max(4),
            Self::LstmAe | Self::Network => 16,
            Self::Classic(kind) => kind.window_len(n, n_channels),
        }
    }
}

impl Plan {
    /// Whether a member has to be trained.
    pub(super) fn has_network(&self) -> bool {
        self.members.iter().any(|planned| planned.kind.is_network())
    }

    /// Gaps are bridged as far as this reaches.
    pub(super) fn longest_window(&self) -> NonZeroUsize {
        let lens = self.members.iter().map(|planned| planned.len);
        lens.max().unwrap_or(NonZeroUsize::MIN)
    }
}
