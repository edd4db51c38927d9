//! The card of a model: what it learnt from, how that went, what its alarms rest on and how many are to be expected. One
//! HTML file, complete in itself, without a script.

mod chart;
mod page;
mod search;
#[cfg(test)]
mod tests;

use std::io;

use bellwether_core::detect::Mode;
use bellwether_store::bundle::manifest::Manifest;

/// What the page says beside the manifest.
#[derive(Debug)]
pub(crate) struct Card<'a> {
    /// `pump@3`, or the bundle file.
    pub(crate) reference: &'a str,
    pub(crate) manifest: &'a Manifest,
    /// Checksum of the bundle file.
    pub(crate) sha256: String,
    /// The keys that signed it, by their ids.
    pub(crate) signed_by: Vec<String>,
    /// Tags as `key=value`.
    pub(crate) tags: Vec<String>,
    /// Aliases that name it.
    pub(crate) aliases: Vec<String>,
    pub(crate) note: String,
    /// The command that made it.
    pub(crate) reproduce: Option<String>,
}

impl Card<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// Where `out` takes no more.
    pub(crate) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        page::write(self, out)
    }

    /// How well each channel is followed, the best first: its name, the root mean squared residual of a held-out row in
    /// units of its scale (0 to 1 is the training range where it is `minmax`), and what it counts.
    fn channels(&self) -> Vec<Followed<'_>> {
        let parts = &self.manifest.detector;
        let Some(member) = parts.members.first() else {
            return Vec::new();
        };
        let calibration = &member.calibrated(Mode::Causal).calibration;
        let channels = parts.pipeline.schema().channels();
        let mut followed: Vec<Followed<'_>> = channels
            .iter()
            .enumerate()
            .map(|(idx, channel)| Followed {
                name: channel.name(),
                residual: calibration.residual[idx],
                weight: calibration.weights[idx],
                is_read: self
                    .manifest
                    .models
                    .iter()
                    .any(|model| model.active().contains(&idx)),
            })
            .collect();
        followed.sort_by(|a, b| a.residual.total_cmp(&b.residual));
        followed
    }
}

/// How well a channel is followed by the first member.
struct Followed<'a> {
    name: &'a str,
    residual: f64,
    weight: f64,
    /// Whether any member reads it.
    is_read: bool,
}
