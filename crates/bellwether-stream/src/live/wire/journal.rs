//! What happened, as it stands in the journal.

use std::sync::Arc;

use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{WireError, decode, encode};
use crate::arrival::{Arrival, Layout};

const JOURNAL_VERSION: u8 = 1;

/// What happened, in the order it happened: enough to do it again.
#[derive(Debug, Clone)]
pub(in crate::live) enum Step {
    /// A message was accepted.
    Arrival(Arrival),
    /// Nobody waits any longer for what this device may still send of the past.
    Flush(Arc<str>),
    /// The same, and its input has ended: the step of its grid is over, too.
    Close(Arc<str>),
}

impl Step {
    /// Whose it is.
    pub(in crate::live) fn series(&self) -> &Arc<str> {
        match self {
            Self::Arrival(arrival) => &arrival.series,
            Self::Flush(series) | Self::Close(series) => series,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct BlockWire {
    names: Vec<String>,
    layouts: Vec<Vec<String>>,
    steps: Vec<StepWire>,
}

#[derive(Serialize, Deserialize)]
enum StepWire {
    Arrival {
        series: u32,
        layout: u32,
        time: i64,
        time_text: Option<String>,
        values: Vec<f64>,
        is_whole: bool,
    },
    Flush {
        series: u32,
    },
    Close {
        series: u32,
    },
}

/// Position of an item among those seen so far.
struct Interned<T> {
    places: std::collections::HashMap<T, u32>,
    items: Vec<T>,
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    fn new() -> Self {
        Self {
            places: std::collections::HashMap::new(),
            items: Vec::new(),
        }
    }

    fn place(&mut self, item: &T) -> u32 {
        if let Some(place) = self.places.get(item) {
            return *place;
        }
        let place = u32::try_from(self.items.len()).expect("a cycle has fewer than 2^32 steps");
        self.places.insert(item.clone(), place);
        self.items.push(item.clone());
        place
    }
}

/// A journal block of these steps.
pub(in crate::live) fn encode_steps(steps: &[&Step]) -> Vec<u8> {
    let (mut names, mut layouts) = (Interned::<Arc<str>>::new(), Interned::<Arc<Layout>>::new());
    let steps = steps
        .iter()
        .map(|step| match step {
            Step::Arrival(arrival) => StepWire::Arrival {
                series: names.place(&arrival.series),
                layout: layouts.place(&arrival.layout),
                time: arrival.time.as_nanos(),
                time_text: arrival.time_text.as_deref().map(str::to_owned),
                values: arrival.values.clone(),
                is_whole: arrival.is_whole,
            },
            Step::Flush(series) => StepWire::Flush {
                series: names.place(series),
            },
            Step::Close(series) => StepWire::Close {
                series: names.place(series),
            },
        })
        .collect();
    let block = BlockWire {
        names: names.items.iter().map(|name| name.to_string()).collect(),
        layouts: layouts
            .items
            .iter()
            .map(|layout| layout.channels.clone())
            .collect(),
        steps,
    };
    encode(JOURNAL_VERSION, &block)
}

/// The steps of a journal block.
pub(in crate::live) fn decode_steps(bytes: &[u8]) -> Result<Vec<Step>, WireError> {
    const WHAT: &str = "journal block";
    let block: BlockWire = decode(WHAT, JOURNAL_VERSION, bytes)?;
    let names: Vec<Arc<str>> = block.names.into_iter().map(Arc::from).collect();
    let layouts: Vec<Arc<Layout>> = block
        .layouts
        .into_iter()
        .map(|channels| Arc::new(Layout { channels }))
        .collect();
    let missing = || WireError {
        what: WHAT,
        problem: "it names what it does not list".to_owned(),
    };
    let name = |place: u32| names.get(place as usize).cloned().ok_or_else(missing);
    let step = |step| match step {
        StepWire::Flush { series } => Ok(Step::Flush(name(series)?)),
        StepWire::Close { series } => Ok(Step::Close(name(series)?)),
        StepWire::Arrival {
            series,
            layout,
            time,
            time_text,
            values,
            is_whole,
        } => {
            let layout = layouts.get(layout as usize).cloned().ok_or_else(missing)?;
            if layout.channels.len() != values.len() {
                return Err(missing());
            }
            Ok(Step::Arrival(Arrival {
                series: name(series)?,
                time: Timestamp::from_nanos(time),
                time_text: time_text.map(String::into_boxed_str),
                layout,
                values,
                is_whole,
            }))
        }
    };
    block.steps.into_iter().map(step).collect()
}
