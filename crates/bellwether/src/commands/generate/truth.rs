//! The truth about what was put in: as intervals, as points, for programs and for people.

use bellwether_core::synth::{Device, Fault, Fleet, labels, remaining_life};
use bellwether_core::time::Timestamp;
use bellwether_store::write::{Cell, Column, ColumnKind};
use serde_json::{Value, json};

use super::table::{self, Out};
use crate::failure::Failure;
use crate::output::{Output, Rows};

/// A device as far as the truth about it goes.
pub(super) struct Measured<'a> {
    pub(super) name: &'a str,
    /// When it was measured, `[n_samples]`; empty where nobody asks for the truth by sample.
    pub(super) time: &'a [Timestamp],
    pub(super) faults: &'a [Fault],
}

impl<'a> Measured<'a> {
    pub(super) fn all(devices: &'a [Device]) -> Vec<Self> {
        let measured = |device: &'a Device| Self {
            name: &device.name,
            time: device.frame.time(),
            faults: &device.faults,
        };
        devices.iter().map(measured).collect()
    }

    /// The devices of a fleet, all measured at the same instants, if these are of interest.
    pub(super) fn of_fleet(fleet: &'a Fleet, time: &'a [Timestamp]) -> Vec<Self> {
        let members = fleet.members().iter();
        members
            .map(|member| Self {
                name: member.name(),
                time,
                faults: member.faults(),
            })
            .collect()
    }
}

/// All faults of a fleet, by time.
pub(super) struct Truth {
    pub(super) faults: Vec<(String, Fault)>,
    /// Whether labels must name the series.
    has_series: bool,
}

impl Truth {
    pub(super) fn of(devices: &[Measured<'_>]) -> Self {
        let mut faults: Vec<(String, Fault)> = devices
            .iter()
            .flat_map(|device| {
                device
                    .faults
                    .iter()
                    .map(|fault| (device.name.to_owned(), fault.clone()))
            })
            .collect();
        faults.sort_by_key(|(_, fault)| (fault.start, fault.end));
        Self {
            faults,
            has_series: devices.len() > 1,
        }
    }

    /// Start of the first fault.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.faults.first().map(|(_, fault)| fault.start)
    }

    /// Writes the labels: `start,end,kind,channels,series`.
    pub(super) fn write(&self, out: Out) -> Result<(), Failure> {
        table::write_labels(
            out,
            self.faults
                .iter()
                .map(|(series, fault)| (self.has_series.then_some(series.as_str()), fault)),
        )
    }

    /// Writes a row for each sample: `timestamp,series,is_anomaly,kind,channels,remaining_life_s`. Kinds and channels are those of
    /// all faults that the sample lies in, divided by semicolons; the remaining life is that until the next failure, where a
    /// degradation leads to one.
    pub(super) fn write_points(&self, devices: &[Measured<'_>], out: Out) -> Result<(), Failure> {
        let text = |name: &str| Column::new(name, ColumnKind::Text).optional();
        let columns = vec![
            Column::new("timestamp", ColumnKind::Text),
            text("series"),
            Column::new("is_anomaly", ColumnKind::Integer),
            text("kind"),
            text("channels"),
            Column::new("remaining_life_s", ColumnKind::Real).optional(),
        ];
        let n_samples = devices.first().map_or(0, |device| device.time.len());
        let points: Vec<Points<'_>> = devices.iter().map(Points::of).collect();
        out.table(columns, |table| {
            for sample_idx in 0..n_samples {
                for points in &points {
                    let (kinds, channels) = points.names(sample_idx);
                    let life = points.life[sample_idx];
                    table.row(&[
                        Cell::Text(&points.device.time[sample_idx].to_string()),
                        Cell::text(self.has_series.then_some(points.device.name)),
                        Cell::Integer(points.labels[sample_idx].into()),
                        Cell::text(Some(kinds.as_str()).filter(|kinds| !kinds.is_empty())),
                        Cell::text(Some(channels.as_str()).filter(|channels| !channels.is_empty())),
                        life.map_or(Cell::Missing, |life| Cell::Real(life.as_secs_f64())),
                    ])?;
                }
            }
            Ok(())
        })
    }

    /// The faults for programs.
    pub(super) fn rows(&self) -> Rows {
        let mut rows = Rows::new(&[
            "start",
            "end",
            "kind",
            "channels",
            "series",
            "samples",
            "magnitude",
        ]);
        for (series, fault) in &self.faults {
            rows.push(vec![
                json!(fault.start.to_string()),
                json!(fault.end.to_string()),
                json!(fault.kind.name()),
                json!(fault.channels.join(";")),
                if self.has_series {
                    json!(series)
                } else {
                    Value::Null
                },
                json!(fault.n_samples()),
                json!(fault.magnitude),
            ]);
        }
        rows
    }

    /// The faults for people, a line each.
    pub(super) fn note(&self, output: &Output) {
        for (series, fault) in &self.faults {
            let device = if self.has_series {
                format!("{series} ")
            } else {
                String::new()
            };
            let magnitude = fault
                .magnitude
                .map_or_else(String::new, |magnitude| format!(" by {magnitude} sd"));
            output.note(&format!(
                "  {device}{} of {}{magnitude}: {} to {}",
                fault.kind,
                fault.channels.join(", "),
                fault.start,
                fault.end,
            ));
        }
    }
}

/// What is true of each sample of a device.
struct Points<'a> {
    device: &'a Measured<'a>,
    labels: Vec<bool>,
    life: Vec<Option<std::time::Duration>>,
}

impl<'a> Points<'a> {
    fn of(device: &'a Measured<'a>) -> Self {
        Self {
            device,
            labels: labels(device.time.len(), device.faults),
            life: remaining_life(device.time, device.faults),
        }
    }

    /// Kinds and channels of the faults that the sample lies in, each once.
    fn names(&self, sample_idx: usize) -> (String, String) {
        let (mut kinds, mut channels) = (Vec::new(), Vec::new());
        if self.labels[sample_idx] {
            for fault in self.device.faults {
                if (fault.first_idx..=fault.last_idx).contains(&sample_idx) {
                    kinds.push(fault.kind.name());
                    channels.extend(fault.channels.iter().map(String::as_str));
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        kinds.retain(|kind| seen.insert(*kind));
        seen.clear();
        channels.retain(|channel| seen.insert(*channel));
        (kinds.join(";"), channels.join(";"))
    }
}
