//! States of before are read.

use bellwether_core::event::{Phase, TrackerState};

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
        notes: None,
    };
    let bytes = encode_state("pump", &state);
    let now: StateWire<SessionNow> = decode("device state", STATE_VERSION, &bytes).unwrap();
    let again = decode_state(&bytes).unwrap().session;
    assert_eq!(
        format!("{again:?}"),
        format!("{:?}", state.session),
        "NaN and all"
    );
    let before = encode(STATE_VERSION_4, &now.with_session(|session| session.session));
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
