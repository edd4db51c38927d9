//! Which models a detector is made of.

use std::num::NonZeroUsize;

use bellwether_core::classic;

use crate::config::error::did_you_mean;

/// Members that families share.
const PCA: Kind = Kind::Classic(classic::Kind::Pca);
const VAR: Kind = Kind::Classic(classic::Kind::Var);
const KNN: Kind = Kind::Classic(classic::Kind::Knn);

/// A choice of members by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A network that foresees, autoregression and window PCA.
    Default,
    /// No network: autoregression and window PCA. Fitted in a second.
    Linear,
    /// All that there are.
    Full,
    /// The two networks alone.
    Lstm,
    /// The autoencoder alone.
    LstmAe,
    /// The forecaster alone.
    LstmForecast,
    /// One classic detector alone.
    Classic(classic::Kind),
}

/// A kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LstmAe,
    LstmForecast,
    Classic(classic::Kind),
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
        Self::NAMED.into_iter().chain(alone)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Linear => "linear",
            Self::Full => "full",
            Self::Lstm => "lstm",
            Self::LstmAe => Kind::LstmAe.name(),
            Self::LstmForecast => Kind::LstmForecast.name(),
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

    /// The members for a training part of `n_rows` rows of `n_channels` channels; `window` is that of the networks, or else of PCA, where the
    /// user has chosen one.
    pub(super) fn plan(self, n_rows: usize, n_channels: usize, window: Option<NonZeroUsize>) -> Plan {
        let (members, range_weight): (&[(Kind, f64)], f64) = match self {
            Self::Default => (&[(Kind::LstmForecast, 1.0), (PCA, 2.0), (VAR, 2.0)], 40.0),
            Self::Linear => (&[(PCA, 1.0), (VAR, 1.0)], 15.0),
            Self::Full => (
                &[
                    (Kind::LstmAe, 1.0),
                    (Kind::LstmForecast, 1.0),
                    (PCA, 2.0),
                    (VAR, 2.0),
                    (KNN, 1.0),
                ],
                40.0,
            ),
            Self::Lstm => (&[(Kind::LstmAe, 1.0), (Kind::LstmForecast, 1.0)], 0.0),
            Self::LstmAe => (&[(Kind::LstmAe, 1.0)], 0.0),
            Self::LstmForecast => (&[(Kind::LstmForecast, 1.0)], 0.0),
            Self::Classic(kind) => (&[(Kind::Classic(kind), 1.0)], 0.0),
        };
        let has_network = members.iter().any(|(kind, _)| kind.is_network());
        let planned = members.iter().map(|&(kind, weight)| {
            let is_asked = match kind {
                Kind::LstmAe | Kind::LstmForecast => true,
                VAR => members.len() == 1,
                Kind::Classic(kind) => !has_network && !kind.is_pointwise(),
            };
            let rows = window
                .filter(|_| is_asked)
                .map_or_else(|| kind.rows(n_rows, n_channels), NonZeroUsize::get);
            Planned {
                kind,
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

impl Kind {
    /// Its name in manifests.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LstmAe => "lstm-ae",
            Self::LstmForecast => "lstm-forecast",
            Self::Classic(kind) => kind.name(),
        }
    }

    pub(super) fn is_network(self) -> bool {
        matches!(self, Self::LstmAe | Self::LstmForecast)
    }

    /// Rows of a model's window, the one that it foresees included, where the training part has `n` rows: fewer where it
    /// could not learn from as many.
    fn rows(self, n: usize, n_channels: usize) -> usize {
        let n_fitted = n - n / super::folds::N_FOLDS;
        match self {
            Self::LstmAe | Self::LstmForecast if n_fitted < 96 => (n_fitted / 12).max(4),
            Self::LstmAe | Self::LstmForecast => 16,
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
