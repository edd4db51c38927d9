//! What a grid remembers, as it is stored.

use bellwether_core::time::Timestamp;
use bellwether_core::transform::AlignerMemory;
use bellwether_core::transform::align::{ColumnMemory, Point};
use serde::{Deserialize, Serialize};

/// Times are nanoseconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct GridWire {
    open: Option<i64>,
    over: Option<i64>,
    last: Option<i64>,
    pending: Vec<i64>,
    columns: Vec<ColumnWire>,
}

#[derive(Serialize, Deserialize)]
struct ColumnWire {
    step: i64,
    n: u64,
    sum: f64,
    last: Option<PointWire>,
    ahead: Vec<PointWire>,
}

type PointWire = (i64, f64);

impl GridWire {
    pub(super) fn of(memory: &AlignerMemory) -> Self {
        let point = |point: &Point| (point.time.as_nanos(), point.value);
        let column = |column: &ColumnMemory| ColumnWire {
            step: column.step.as_nanos(),
            n: column.n,
            sum: column.sum,
            last: column.last.as_ref().map(point),
            ahead: column.ahead.iter().map(point).collect(),
        };
        Self {
            open: memory.open.map(Timestamp::as_nanos),
            over: memory.over.map(Timestamp::as_nanos),
            last: memory.last.map(Timestamp::as_nanos),
            pending: memory.pending.iter().map(|at| at.as_nanos()).collect(),
            columns: memory.columns.iter().map(column).collect(),
        }
    }

    pub(super) fn memory(self) -> AlignerMemory {
        let at = Timestamp::from_nanos;
        let point = |(time, value): PointWire| Point {
            time: at(time),
            value,
        };
        let column = |column: ColumnWire| ColumnMemory {
            step: at(column.step),
            n: column.n,
            sum: column.sum,
            last: column.last.map(point),
            ahead: column.ahead.into_iter().map(point).collect(),
        };
        AlignerMemory {
            open: self.open.map(at),
            over: self.over.map(at),
            last: self.last.map(at),
            pending: self.pending.into_iter().map(at).collect(),
            columns: self.columns.into_iter().map(column).collect(),
        }
    }
}
