//! How samples are brought to a grid.

use std::time::Duration;

use bellwether_core::transform::{Align, Fill, Join};
use clap::Args;

use super::{parse, parse_duration};

/// Channels of different cadence on one grid.
#[derive(Debug, Clone, Args)]
pub(crate) struct AlignArgs {
    /// Bring all channels to one grid of this spacing [default: as the model was trained, else rows as they come]
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    align: Option<Duration>,
    /// What a channel is on the grid: previous, linear, mean, last, none
    #[arg(long, value_name = "HOW", requires = "align", default_value = "previous", value_parser = parse::<Fill>)]
    fill: Fill,
    /// How far a value is filled [default: ten steps]
    #[arg(long, value_name = "D", requires = "align", value_parser = parse_duration)]
    max_fill: Option<Duration>,
    /// Which grid instants count: outer (any channel has a value) or inner (all have)
    #[arg(long, value_name = "HOW", requires = "align", default_value = "outer", value_parser = parse::<Join>)]
    join: Join,
}

impl AlignArgs {
    /// What is asked for; `None`: nothing.
    pub(crate) fn wish(&self) -> Option<Align> {
        let every = Align::every(self.align?);
        Some(Align {
            fill: self.fill,
            join: self.join,
            max_fill: self.max_fill.unwrap_or(every.max_fill),
            ..every
        })
    }
}
