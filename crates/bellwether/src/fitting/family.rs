//! Which models a detector is made of.

use std::num::NonZeroUsize;

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
    /// Window PCA alone.
    Pca,
    /// Autoregression alone.
    Var,
    /// The nearest windows alone.
    Knn,
}

/// A kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LstmAe,
    LstmForecast,
    Pca,
    Var,
    Knn,
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
    pub(crate) const ALL: [Self; 9] = [
        Self::Default,
        Self::Linear,
        Self::Full,
        Self::Lstm,
        Self::LstmAe,
        Self::LstmForecast,
        Self::Pca,
        Self::Var,
        Self::Knn,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Linear => "linear",
            Self::Full => "full",
            Self::Lstm => "lstm",
            Self::LstmAe => Kind::LstmAe.name(),
            Self::LstmForecast => Kind::LstmForecast.name(),
            Self::Pca => Kind::Pca.name(),
            Self::Var => Kind::Var.name(),
            Self::Knn => Kind::Knn.name(),
        }
    }

    /// The family of that name; `auto` is the default one.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = if name == "auto" { "default" } else { name };
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The members for a training part of `n_rows` rows; `window` is that of the networks, or else of PCA, where the
    /// user has chosen one.
    pub(super) fn plan(self, n_rows: usize, window: Option<NonZeroUsize>) -> Plan {
        let (members, range_weight): (&[(Kind, f64)], f64) = match self {
            Self::Default => (
                &[(Kind::LstmForecast, 1.0), (Kind::Pca, 2.0), (Kind::Var, 2.0)],
                40.0,
            ),
            Self::Linear => (&[(Kind::Pca, 1.0), (Kind::Var, 1.0)], 15.0),
            Self::Full => (
                &[
                    (Kind::LstmAe, 1.0),
                    (Kind::LstmForecast, 1.0),
                    (Kind::Pca, 2.0),
                    (Kind::Var, 2.0),
                    (Kind::Knn, 1.0),
                ],
                40.0,
            ),
            Self::Lstm => (&[(Kind::LstmAe, 1.0), (Kind::LstmForecast, 1.0)], 0.0),
            Self::LstmAe => (&[(Kind::LstmAe, 1.0)], 0.0),
            Self::LstmForecast => (&[(Kind::LstmForecast, 1.0)], 0.0),
            Self::Pca => (&[(Kind::Pca, 1.0)], 0.0),
            Self::Var => (&[(Kind::Var, 1.0)], 0.0),
            Self::Knn => (&[(Kind::Knn, 1.0)], 0.0),
        };
        let has_network = members.iter().any(|(kind, _)| kind.is_network());
        let planned = members.iter().map(|&(kind, weight)| {
            let is_asked = match kind {
                Kind::LstmAe | Kind::LstmForecast => true,
                Kind::Pca | Kind::Knn => !has_network,
                Kind::Var => members.len() == 1,
            };
            let rows = window
                .filter(|_| is_asked)
                .map_or_else(|| kind.rows(n_rows), NonZeroUsize::get);
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
            Self::Pca => "pca",
            Self::Var => "var",
            Self::Knn => "knn",
        }
    }

    pub(super) fn is_network(self) -> bool {
        matches!(self, Self::LstmAe | Self::LstmForecast)
    }

    /// Rows of a model's window, the one that it foresees included, where the training part has `n` rows: fewer where it
    /// could not learn from as many.
    fn rows(self, n: usize) -> usize {
        let n_fitted = n - n / super::folds::N_FOLDS;
        match self {
            Self::LstmAe | Self::LstmForecast if n_fitted < 96 => (n_fitted / 12).max(4),
            Self::LstmAe | Self::LstmForecast => 16,
            Self::Pca if n < 60 => (n / 8).max(2),
            Self::Pca => 10,
            Self::Var if n < 60 => (n / 12).max(2) + 1,
            Self::Var => 11,
            Self::Knn if n < 120 => (n / 8).max(2),
            Self::Knn => 20,
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
