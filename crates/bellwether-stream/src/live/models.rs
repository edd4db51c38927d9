//! Which model judges which device.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_core::detect::Detector;
use bellwether_core::drift::Baseline;
use bellwether_core::frame::Schema;
use bellwether_core::time::Timestamp;
use bellwether_core::transform::{Align, Aligner};

use crate::arrival::Layout;
use crate::patterns::ByDevice;

/// A model version in service.
#[derive(Debug)]
pub struct Served {
    /// `pump@3`.
    pub reference: Arc<str>,
    /// What judges.
    pub detector: Arc<Detector>,
    /// When it was made, where that is known.
    pub made_at: Option<Timestamp>,
    /// Alarms in a week that each device was allowed when its threshold was chosen; `None`: there was no budget.
    pub alarms_per_week: Option<f64>,
    /// What it learnt from, where its bundle says so.
    pub baseline: Option<Arc<Baseline>>,
    /// The grid that its rows were on when it learnt: samples are brought to it before they are judged.
    pub grid: Option<Align>,
    channels: Vec<Arc<str>>,
    columns: Vec<Arc<str>>,
}

/// A model version for each device; a device never seen before has that of its group. `None`: nobody has said which
/// model judges it; its samples go to quarantine.
pub type Models = ByDevice<Option<Arc<Served>>>;

impl Models {
    /// The model versions that judge, each once, in the order of their names.
    pub fn in_service(&self) -> BTreeMap<Arc<str>, Arc<Served>> {
        let named = |served: &Arc<Served>| (Arc::clone(&served.reference), Arc::clone(served));
        self.iter().flatten().map(named).collect()
    }

    /// The model version of that name, where it judges.
    pub fn find(&self, reference: &str) -> Option<&Arc<Served>> {
        self.iter()
            .flatten()
            .find(|served| *served.reference == *reference)
    }
}

impl Served {
    /// Puts a detector into service.
    pub fn new(reference: impl Into<Arc<str>>, detector: Arc<Detector>) -> Self {
        let names = |schema: &Schema| -> Vec<Arc<str>> {
            let channels = schema.channels().iter();
            channels.map(|channel| channel.name().into()).collect()
        };
        let channels = names(detector.pipeline().schema());
        let columns = names(detector.pipeline().inputs());
        Self {
            reference: reference.into(),
            made_at: None,
            alarms_per_week: None,
            baseline: None,
            grid: None,
            channels,
            columns,
            detector,
        }
    }

    /// With what its record says: when it was made, and the alarms in a week that each device is allowed.
    #[must_use]
    pub fn with_record(self, made_at: Timestamp, alarms_per_week: Option<f64>) -> Self {
        Self {
            made_at: Some(made_at),
            alarms_per_week,
            ..self
        }
    }

    /// With what it learnt from.
    #[must_use]
    pub fn with_baseline(self, baseline: Option<Baseline>) -> Self {
        Self {
            baseline: baseline.map(Arc::new),
            ..self
        }
    }

    /// On that grid.
    #[must_use]
    pub fn with_grid(self, grid: Option<Align>) -> Self {
        Self { grid, ..self }
    }

    /// The grid without samples, where there is one.
    pub(super) fn fresh_grid(&self) -> Option<Aligner> {
        let align = self.grid.as_ref()?;
        Some(Aligner::new(align, self.columns.len()).expect("a grid that was learnt on has a spacing"))
    }

    /// Names of its channels, features among them: whose shares it tells.
    pub fn channels(&self) -> &[Arc<str>] {
        &self.channels
    }

    /// Names of what it has to be sent, in the order of a sample.
    pub fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    /// What is kept of a judged sample: the columns that were sent, and behind them the channels that are worked out of
    /// them.
    pub fn kept(&self) -> Vec<Arc<str>> {
        let features = self.channels.iter().filter(|name| !self.columns.contains(name));
        self.columns.iter().chain(features).map(Arc::clone).collect()
    }

    /// For each value of a message with that layout its place in a sample; `None`: the model does not know it.
    pub(super) fn places(&self, layout: &Layout) -> Vec<Option<usize>> {
        let place = |name: &String| self.columns.iter().position(|channel| **channel == **name);
        layout.channels.iter().map(place).collect()
    }
}
