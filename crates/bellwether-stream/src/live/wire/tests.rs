//! States of before are read.

use bellwether_core::event::{Phase, TrackerState};
use bellwether_core::transform::AlignerMemory;
use bellwether_core::transform::align::{ColumnMemory, Point};

use super::*;

#[test]
fn a_state_from_before_events_had_kinds_is_read() {
    let session = SessionV2 {
        last_time: Some(9),
        last_value: vec![0.5, 0.25],
        age: vec![Some(0), None],
        recent: vec![0.5, 0.25],
        observed: pack(&[true, false]),
        contributions: vec![vec![None]; 3],
        tracker: TrackerWireV2::Quiet(vec![(9, 1.5, vec![0.5, 0.5])]),
        ended: None,
    };
    let before = StateWire {
        model: "pump@1".to_owned(),
        newest: Some(9),
        released: Some(9),
        columns: vec!["a".to_owned(), "b".to_owned()],
        waiting: Vec::new(),
        session,
        notes: None,
    };
    let state = decode_state(&encode(STATE_VERSION_2, &before)).unwrap();
    assert_eq!(state.channels, state.columns);
    // The last row was in the middle of its segment.
    assert_eq!(state.session.derivation.n_rows, 1);
    assert_eq!(state.session.contributions.len(), 3);
    assert!(state.session.tracker.context.is_empty());
    let Phase::Quiet(rows) = &state.session.tracker.phase else {
        panic!("it was quiet");
    };
    // Three members and the training ranges, which had said nothing yet.
    assert_eq!(rows[0].members, [0.0; 4]);
    let again = decode_state(&encode_state("pump", &state)).unwrap();
    assert_eq!(again.session, state.session);
}

#[test]
fn a_state_from_before_thresholds_followed_the_rows_is_read() {
    let state = DeviceState {
        model: "pump@1".into(),
        columns: names(&["a".to_owned()]),
        channels: names(&["a".to_owned()]),
        reorder: Reorder {
            newest: None,
            released: None,
            waiting: Default::default(),
        },
        session: SessionState {
            last_time: Some(Timestamp::from_nanos(9)),
            last_value: vec![0.5],
            age: vec![0],
            still: vec![3],
            derivation: DerivationMemory {
                history: vec![vec![1.0]],
                since_start: 4,
                n_rows: 5,
            },
            recent: vec![0.5],
            observed: vec![true],
            contributions: vec![vec![None]],
            level: vec![0.25, f64::NAN, 1.5],
            tracker: TrackerState {
                context: Vec::new(),
                phase: Phase::Quiet(Vec::new()),
            },
            ended: None,
        },
        grid: Some(AlignerMemory {
            open: Some(Timestamp::from_nanos(20)),
            over: Some(Timestamp::from_nanos(10)),
            last: Some(Timestamp::from_nanos(17)),
            pending: vec![Timestamp::from_nanos(10)],
            columns: vec![ColumnMemory {
                step: Timestamp::from_nanos(20),
                n: 2,
                sum: 0.75,
                last: Some(Point {
                    time: Timestamp::from_nanos(12),
                    value: 0.5,
                }),
                ahead: vec![Point {
                    time: Timestamp::from_nanos(17),
                    value: 0.25,
                }],
            }],
        }),
        notes: None,
    };
    let bytes = encode_state("pump", &state);
    assert_eq!(decode_state(&bytes).unwrap().grid, state.grid);
    let now: StateWire<SessionNow> = decode("device state", STATE_VERSION, &bytes).unwrap();
    let again = decode_state(&bytes).unwrap().session;
    assert_eq!(
        format!("{again:?}"),
        format!("{:?}", state.session),
        "NaN and all"
    );
    let before = encode(
        STATE_VERSION_4,
        &now.with_session(|session| session.session.session),
    );
    let read = decode_state(&before).unwrap().session;
    assert_eq!(
        format!("{read:?}"),
        format!(
            "{:?}",
            SessionState {
                level: Vec::new(),
                ..state.session
            }
        )
    );
}

#[test]
fn a_state_from_before_samples_were_brought_to_a_grid_is_read() {
    let session = SessionV5 {
        session: SessionV4 {
            session: SessionWire {
                last_time: Some(9),
                last_value: vec![0.5],
                age: vec![Some(0)],
                recent: vec![0.5],
                observed: pack(&[true]),
                contributions: vec![vec![None]],
                tracker: TrackerWire::of(
                    "pump",
                    &TrackerState {
                        context: Vec::new(),
                        phase: Phase::Quiet(Vec::new()),
                    },
                ),
                ended: None,
            },
            channels: None,
            history: Vec::new(),
            since_start: 1,
            n_rows: 1,
            still: vec![0],
        },
        level: vec![0.25],
        faults: FaultsWire::default(),
    };
    let before = StateWire {
        model: "pump@1".to_owned(),
        newest: Some(9),
        released: Some(9),
        columns: vec!["a".to_owned()],
        waiting: Vec::new(),
        session,
        notes: None,
    };
    let state = decode_state(&encode(STATE_VERSION_5, &before)).unwrap();
    assert_eq!((state.grid, state.session.level), (None, vec![0.25]));
}
