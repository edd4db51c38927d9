//! Events against the faults that made them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod plant;

use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::event::{Event, EventKind};
use bellwether_core::frame::SeriesId;
use bellwether_core::synth::{AnomalyKind, Fault, Template};
use plant::Plant;

/// The faults whose events have a kind of their own.
const KINDS: [AnomalyKind; 7] = [
    AnomalyKind::Spike,
    AnomalyKind::LevelShift,
    AnomalyKind::Drift,
    AnomalyKind::Stuck,
    AnomalyKind::Noise,
    AnomalyKind::Dropout,
    AnomalyKind::CorrelationBreak,
];

/// The plants of the tables in docs/scores.md.
const TEMPLATES: [Template; 6] = [
    Template::Pump,
    Template::Server,
    Template::Boiler,
    Template::Turbine,
    Template::Compressor,
    Template::Sine,
];

const PLANT_SEEDS: [u64; 3] = [11, 12, 13];
const N_FAULTS: u64 = 6;

/// An event that starts so long behind a fault may still be of it: thirty samples.
const LATE: Duration = Duration::from_secs(30 * 60);

/// How often events of each kind of fault (rows) were called what (columns).
struct Confusion {
    mode: Mode,
    counts: [[usize; EventKind::ALL.len()]; KINDS.len()],
    /// Faults without an event, by kind.
    missed: [usize; KINDS.len()],
}

impl Confusion {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            counts: Default::default(),
            missed: Default::default(),
        }
    }

    /// Counts the event of the highest peak among those that lie on the fault, or close behind it.
    fn add(&mut self, fault: &Fault, events: &[Event]) {
        let kind = position(&KINDS, fault.kind);
        let late = fault.end.plus(LATE);
        let is_of_fault = |event: &&Event| event.end >= fault.start && event.start <= late;
        let event = events
            .iter()
            .filter(is_of_fault)
            .max_by(|a, b| a.peak_score.total_cmp(&b.peak_score));
        match event {
            Some(event) => self.counts[kind][position(&EventKind::ALL, event.kind)] += 1,
            None => self.missed[kind] += 1,
        }
    }

    fn n_found(&self, kind: usize) -> usize {
        self.counts[kind].iter().sum()
    }

    /// Share of the events of a kind of fault that are called by its name.
    fn recall(&self, kind: usize) -> f64 {
        let name = KINDS[kind].name();
        let same = EventKind::ALL
            .iter()
            .position(|kind| kind.name() == name)
            .unwrap();
        self.counts[kind][same] as f64 / self.n_found(kind) as f64
    }

    fn accuracy(&self) -> f64 {
        let kinds = 0..KINDS.len();
        let right: f64 = kinds
            .clone()
            .map(|kind| self.recall(kind) * self.n_found(kind) as f64)
            .sum();
        right / kinds.map(|kind| self.n_found(kind)).sum::<usize>() as f64
    }

    /// As docs/scores.md has it.
    fn table(&self) -> String {
        let mut text = format!("{}\n| fault | found |", self.mode);
        for kind in EventKind::ALL {
            text += &format!(" {kind} |");
        }
        for (kind, fault) in KINDS.iter().enumerate() {
            let found = self.n_found(kind);
            text += &format!("\n| {fault} | {found} of {} |", found + self.missed[kind]);
            for count in self.counts[kind] {
                text += &format!(" {count} |");
            }
        }
        text + &format!("\n{:.3}", self.accuracy())
    }
}

fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|of| *of == one).unwrap()
}

/// Six templates, three plants of each, six faults of each kind: 108 faults a kind. docs/scores.md has the tables that this
/// test prints.
#[test]
fn kinds_of_generated_faults_are_told() {
    let mut tables = [Confusion::new(Mode::Causal), Confusion::new(Mode::Retrospective)];
    for template in TEMPLATES {
        for plant_seed in PLANT_SEEDS {
            let plant = Plant::new(template, plant_seed);
            for kind in KINDS {
                for seed in 0..N_FAULTS {
                    let (frame, fault) = plant.with_fault(kind, seed + 1_000 * plant_seed);
                    for table in &mut tables {
                        let scores = plant
                            .detector
                            .score(&SeriesId::new("plant"), frame.clone(), table.mode)
                            .unwrap();
                        table.add(&fault, &scores.events);
                    }
                }
            }
        }
    }
    for table in &tables {
        println!("{}", table.table());
        assert!(table.accuracy() > 0.85, "{}", table.table());
        for (idx, kind) in KINDS.iter().enumerate() {
            assert!(table.recall(idx) > 0.6, "{kind}: {}", table.table());
        }
    }
}
