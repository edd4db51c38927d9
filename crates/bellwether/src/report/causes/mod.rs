//! Why a stretch was judged as it was: the facts, as one JSON document and as a page that needs no other file.

mod chart;

pub(super) use chart::number;
mod page;

use std::io;

use serde::Serialize;

/// What `explain` says. Times are as they stand in the input; what is not known is null.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Causes {
    /// Reference of the model.
    pub(crate) model: String,
    /// causal or retrospective.
    pub(crate) mode: String,
    pub(crate) series: String,
    /// Id of the event; none where a sample is explained.
    pub(crate) event: Option<String>,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) samples: usize,
    pub(crate) peak_time: String,
    pub(crate) peak_score: Option<f64>,
    pub(crate) severity: Option<f64>,
    /// All of it in one sentence.
    pub(crate) sentence: String,
    /// All channels, the likeliest cause first.
    pub(crate) channels: Vec<Cause>,
    pub(crate) shares: Shares,
    /// What was expected of the first channels, in the stretch and around it.
    pub(crate) expected: Vec<Trajectory>,
    /// Pairs whose relation broke, those that changed most first.
    pub(crate) pairs: Vec<Pair>,
    /// The window that ends with the peak.
    pub(crate) window: Option<Window>,
    pub(crate) counterfactual: Option<Counterfactual>,
    /// Events with like shares, most alike first.
    pub(crate) similar: Vec<Similar>,
}

/// What is known of one channel.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Cause {
    pub(crate) channel: String,
    /// Exact share of the scores.
    pub(crate) share: f64,
    /// Part of the scores that is gone with this channel set to what is expected of it.
    pub(crate) cured: Option<f64>,
    /// When it moved; none where it did not.
    pub(crate) moved: Option<String>,
    /// Seconds behind the first that moved.
    pub(crate) delay_s: Option<f64>,
    /// When it was furthest off.
    pub(crate) at: Option<String>,
    pub(crate) value: Option<f64>,
    pub(crate) expected: Option<f64>,
    pub(crate) unit: Option<&'static str>,
    /// How many usual deviations off.
    pub(crate) times_usual: Option<f64>,
    /// above, below or both.
    pub(crate) side: Option<&'static str>,
    /// Part of the error of the window at the peak, by integrated gradients.
    pub(crate) gradient: Option<f64>,
    /// The same by Shapley values, with the standard error of sampling.
    pub(crate) shapley: Option<f64>,
    pub(crate) shapley_error: Option<f64>,
}

/// Shares of channels × time, summing to 1.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Shares {
    /// In the model's order.
    pub(crate) channels: Vec<String>,
    pub(crate) times: Vec<String>,
    pub(crate) scores: Vec<Option<f64>>,
    /// A row for each time, a number for each channel.
    pub(crate) cells: Vec<Vec<f64>>,
}

/// A channel as it was and as it was expected, with the band that normal values rarely leave.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Trajectory {
    pub(crate) channel: String,
    pub(crate) unit: Option<&'static str>,
    pub(crate) times: Vec<String>,
    pub(crate) values: Vec<Option<f64>>,
    pub(crate) expected: Vec<Option<f64>>,
    pub(crate) lower: Vec<Option<f64>>,
    pub(crate) upper: Vec<Option<f64>>,
    /// First row of the stretch, and the row after its last.
    pub(crate) stretch: [usize; 2],
}

/// Two channels that no longer go together as they did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pair {
    pub(crate) channels: [String; 2],
    /// Correlations: in training, in like stretches just before, now.
    pub(crate) training: f64,
    pub(crate) before: f64,
    pub(crate) now: f64,
    pub(crate) n_effective: f64,
    pub(crate) q_value: f64,
}

/// The error of one window, and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Window {
    /// Error as measured, about 1 for an ordinary row; before smoothing.
    pub(crate) measured: f64,
    /// Error as expected.
    pub(crate) expected: f64,
    /// What the gradients leave unexplained.
    pub(crate) gap: f64,
    /// Integrated gradients: a row for each row of the window, a number for each channel in the model's order.
    pub(crate) gradients: Vec<Vec<f64>>,
}

/// The least change that would have been normal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Counterfactual {
    /// Whether the detector, asked again, finds no score at or above 1.
    pub(crate) is_normal: bool,
    /// The highest score with the changes.
    pub(crate) score: f64,
    pub(crate) changes: Vec<Change>,
}

/// A channel and what it would have had to be at the peak, and where that changes it most.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Change {
    pub(crate) channel: String,
    pub(crate) unit: Option<&'static str>,
    pub(crate) at: String,
    pub(crate) value: Option<f64>,
    pub(crate) wanted: Option<f64>,
}

/// An event that looked alike.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Similar {
    pub(crate) event: String,
    pub(crate) series: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) kind: Option<String>,
    /// Cosine of the two profiles of shares, in [0, 1].
    pub(crate) similarity: f64,
}

impl Causes {
    /// Writes the page: one file, no other needed, no script.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write_html(&self, out: &mut impl io::Write) -> io::Result<()> {
        page::write(self, out)
    }
}

#[cfg(test)]
mod tests;
