//! Every move of an alert, as a table, and what a clock that jumps may not do.

use std::time::Duration;

use super::*;
use AlertState::{Acknowledged, Firing, Pending, Resolved};
use bellwether_store::database::SuppressionKind;

/// What most lines of the table begin with: a score of 2 is a severity of 50.
fn alert(state: AlertState) -> Alert {
    let is_told = state != Pending;
    Alert {
        id: "a".to_owned(),
        kind: AlertKind::Event,
        event: None,
        series: "pump-1".to_owned(),
        model: "pump@1".to_owned(),
        state,
        start: at(0),
        end: None,
        peak_score: 2.0,
        channels: Vec::new(),
        created_at: at(1000),
        fired_at: is_told.then(|| at(1000)),
        acknowledged_at: (state == Acknowledged).then(|| at(1000)),
        acknowledged_by: None,
        resolved_at: (state == Resolved).then(|| at(1000)),
        notified_at: is_told.then(|| at(1000)),
        n_notified: i64::from(is_told),
        suppressed_by: None,
        event_kind: None,
        confidence: None,
        fault: None,
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn ended(alert: Alert, secs: i64) -> Alert {
    Alert {
        end: Some(at(secs)),
        ..alert
    }
}

fn muted(alert: Alert, by: &str) -> Alert {
    Alert {
        suppressed_by: Some(by.to_owned()),
        ..alert
    }
}

fn shelf() -> Suppression {
    Suppression {
        id: "shelf-1".to_owned(),
        kind: SuppressionKind::Shelf,
        devices: "pump-*".to_owned(),
        model: None,
        from: at(0),
        until: None,
        reason: String::new(),
        made_by: String::new(),
        made_at: at(0),
    }
}

fn rules() -> AlertRules {
    AlertRules {
        hold: Duration::from_secs(60),
        severity_min: 50.0,
        latch: false,
        repeat: Some(Duration::from_secs(600)),
        channels: None,
    }
}

/// State, what is told, and what it is suppressed by after the step; `None`: no step.
type After = Option<(AlertState, Option<DeliveryKind>, Option<&'static str>)>;

fn check(what: &str, alert: &Alert, rules: &AlertRules, now: i64, quiet: Option<&Suppression>, want: After) {
    check_judged(what, alert, rules, now, quiet, None, want);
}

fn check_judged(
    what: &str,
    alert: &Alert,
    rules: &AlertRules,
    now: i64,
    quiet: Option<&Suppression>,
    verdict: Option<Verdict>,
    want: After,
) {
    let got = step(alert, at(now), rules, quiet, verdict);
    let seen = got
        .as_ref()
        .map(|step| (step.alert.state, step.tell, step.alert.suppressed_by.as_deref()));
    assert_eq!(seen, want, "{what}");
    if let Some(step) = got {
        let is_told_again = matches!(step.tell, Some(DeliveryKind::Firing | DeliveryKind::Repeat));
        let n = alert.n_notified + i64::from(is_told_again);
        assert_eq!(step.alert.n_notified, n, "{what}: messages counted");
        if is_told_again {
            assert_eq!(
                step.alert.notified_at,
                Some(at(now)),
                "{what}: time of the message"
            );
        }
        assert_eq!(
            step.alert.resolved_at.is_some(),
            step.alert.state == Resolved,
            "{what}"
        );
    }
}

#[test]
fn a_pending_alert_fires_once_it_is_held_and_severe_and_not_suppressed() {
    let (rules, shelf) = (rules(), shelf());
    let new = alert(Pending);
    let mild = Alert {
        peak_score: 1.9,
        ..new.clone()
    };
    let silence = Alert {
        kind: AlertKind::Silence,
        peak_score: 0.0,
        ..new.clone()
    };
    let fires = Some((Firing, Some(DeliveryKind::Firing), None));
    let ends_silently = Some((Resolved, None, None));
    check("not yet held", &new, &rules, 1059, None, None);
    check("held", &new, &rules, 1060, None, fires);
    check("held, but mild", &mild, &rules, 2000, None, None);
    check("silence has no score", &silence, &rules, 1060, None, fires);
    check(
        "suppressed",
        &new,
        &rules,
        1060,
        Some(&shelf),
        Some((Pending, None, Some("shelf-1"))),
    );
    check(
        "still suppressed",
        &muted(new.clone(), "shelf-1"),
        &rules,
        1070,
        Some(&shelf),
        None,
    );
    check(
        "no longer suppressed",
        &muted(new.clone(), "shelf-1"),
        &rules,
        1080,
        None,
        fires,
    );
    check(
        "free, not held",
        &muted(new.clone(), "shelf-1"),
        &rules,
        1010,
        None,
        Some((Pending, None, None)),
    );
    check(
        "ended early",
        &ended(new.clone(), 59),
        &rules,
        1059,
        None,
        ends_silently,
    );
    check(
        "ended early, seen late",
        &ended(new.clone(), 59),
        &rules,
        5000,
        None,
        ends_silently,
    );
    check(
        "lasted, seen late",
        &ended(new.clone(), 60),
        &rules,
        5000,
        None,
        fires,
    );
    check("ended, mild", &ended(mild, 60), &rules, 5000, None, ends_silently);
    let both = ended(muted(new.clone(), "shelf-1"), 60);
    check(
        "ended while suppressed",
        &both,
        &rules,
        5000,
        None,
        Some((Resolved, None, Some("shelf-1"))),
    );
    let at_once = AlertRules {
        hold: Duration::ZERO,
        ..rules
    };
    check(
        "no hold: ended at once is told",
        &ended(new, 0),
        &at_once,
        1000,
        None,
        fires,
    );
}

#[test]
fn a_firing_alert_is_repeated_until_it_is_over() {
    let (rules, shelf) = (rules(), shelf());
    let latch = AlertRules {
        latch: true,
        ..rules.clone()
    };
    let never = AlertRules {
        repeat: None,
        ..rules.clone()
    };
    let told = alert(Firing);
    let over = ended(told.clone(), 500);
    let repeats = Some((Firing, Some(DeliveryKind::Repeat), None));
    let ends = Some((Resolved, Some(DeliveryKind::Resolved), None));
    check("too early", &told, &rules, 1599, None, None);
    check("time to repeat", &told, &rules, 1600, None, repeats);
    check("never repeated", &told, &never, 999_999, None, None);
    check("over", &over, &rules, 1100, None, ends);
    check("over, latched", &over, &latch, 1100, None, None);
    check("over, latched, repeated", &over, &latch, 1600, None, repeats);
    check(
        "suppressed",
        &told,
        &rules,
        1600,
        Some(&shelf),
        Some((Firing, None, Some("shelf-1"))),
    );
    let muted_now = muted(told, "shelf-1");
    check("still suppressed", &muted_now, &rules, 9999, Some(&shelf), None);
    check("free and still firing", &muted_now, &rules, 1010, None, repeats);
    check("free and never repeated", &muted_now, &never, 1010, None, repeats);
    let over_muted = ended(muted_now, 500);
    let closed = Some((Resolved, Some(DeliveryKind::Resolved), Some("shelf-1")));
    check(
        "what was opened is closed",
        &over_muted,
        &rules,
        1100,
        Some(&shelf),
        closed,
    );
}

#[test]
fn an_acknowledged_alert_is_quiet_until_it_is_over() {
    let (rules, shelf) = (rules(), shelf());
    let latch = AlertRules {
        latch: true,
        ..rules.clone()
    };
    let known = alert(Acknowledged);
    let ends = Some((Resolved, Some(DeliveryKind::Resolved), None));
    check("no repetition", &known, &rules, 99_999, None, None);
    check(
        "suppressed",
        &known,
        &rules,
        1100,
        Some(&shelf),
        Some((Acknowledged, None, Some("shelf-1"))),
    );
    let muted_now = muted(known.clone(), "shelf-1");
    check(
        "free",
        &muted_now,
        &rules,
        1100,
        None,
        Some((Acknowledged, None, None)),
    );
    check("over", &ended(known.clone(), 500), &rules, 1100, None, ends);
    check(
        "over, latched",
        &ended(known.clone(), 500),
        &latch,
        1100,
        None,
        ends,
    );
    let never_told = Alert {
        n_notified: 0,
        ..ended(known.clone(), 500)
    };
    check(
        "over, nobody was told",
        &never_told,
        &rules,
        1100,
        None,
        Some((Resolved, None, None)),
    );
    let maintenance = Some(Verdict::Maintenance);
    let quiet = Some((Acknowledged, None, Some(SUPPRESSED_BY_FEEDBACK)));
    check_judged("maintenance", &known, &rules, 1100, None, maintenance, quiet);
    let quiet = muted(known.clone(), SUPPRESSED_BY_FEEDBACK);
    check_judged("still maintenance", &quiet, &rules, 1100, None, maintenance, None);
    let freed = Some((Acknowledged, None, None));
    check_judged(
        "real after all",
        &quiet,
        &rules,
        1100,
        None,
        Some(Verdict::Real),
        freed,
    );
}

#[test]
fn a_resolved_alert_stays_resolved() {
    for verdict in [None, Some(Verdict::Maintenance), Some(Verdict::NewNormal)] {
        for alert in [alert(Resolved), muted(ended(alert(Resolved), 500), "shelf-1")] {
            check_judged(
                "resolved",
                &alert,
                &rules(),
                99_999,
                Some(&shelf()),
                verdict,
                None,
            );
        }
    }
}

#[test]
fn verdicts_move_an_alert_at_once() {
    let check = |state, verdict, want: After| {
        let got = judged(&alert(state), verdict, "ann", at(1100));
        let seen = got
            .as_ref()
            .map(|step| (step.alert.state, step.tell, step.alert.suppressed_by.as_deref()));
        assert_eq!(seen, want, "{state:?} {verdict:?}");
        if state != Acknowledged && got.as_ref().is_some_and(|step| step.alert.state == Acknowledged) {
            let alert = got.expect("looked at above").alert;
            assert_eq!(alert.acknowledged_by.as_deref(), Some("ann"));
            assert_eq!(alert.acknowledged_at, Some(at(1100)));
        }
    };
    let told = Some((Resolved, Some(DeliveryKind::Resolved), None));
    let untold = Some((Resolved, None, None));
    let known = Some((Acknowledged, None, None));
    let worked_on = Some((Acknowledged, None, Some(SUPPRESSED_BY_FEEDBACK)));
    for closes in [Verdict::FalseAlarm, Verdict::NewNormal] {
        check(Pending, closes, untold);
        check(Firing, closes, told);
        check(Acknowledged, closes, told);
    }
    check(Pending, Verdict::Real, known);
    check(Firing, Verdict::Real, known);
    check(Acknowledged, Verdict::Real, None);
    for state in [Pending, Firing, Acknowledged] {
        check(state, Verdict::Maintenance, worked_on);
    }
    for &verdict in Verdict::ALL {
        check(Resolved, verdict, None);
    }
}

#[test]
fn an_alert_is_acknowledged_once_and_not_when_it_is_over() {
    for state in [Pending, Firing] {
        let step = acknowledge(&alert(state), "ann", at(1100)).expect("nobody has yet");
        assert_eq!((step.alert.state, step.tell), (Acknowledged, None));
        let error = acknowledge(&step.alert, "bob", at(1200)).expect_err("ann has");
        assert_eq!(
            error.to_string(),
            "alert a is acknowledged already, by ann at 1970-01-01T00:18:20Z"
        );
    }
    let error = acknowledge(&alert(Resolved), "ann", at(1100)).expect_err("over");
    assert_eq!(
        error.to_string(),
        "alert a is resolved since 1970-01-01T00:16:40Z: there is nothing to acknowledge"
    );
}

/// Steps at each of these instants until nothing moves; what was told.
fn told_at(mut alert: Alert, times: &[i64]) -> Vec<(i64, DeliveryKind)> {
    let mut told = Vec::new();
    for &now in times {
        for n in 0.. {
            assert!(n < STEPS_MAX, "it comes to rest");
            let Some(step) = step(&alert, at(now), &rules(), None, None) else {
                break;
            };
            told.extend(step.tell.map(|kind| (now, kind)));
            alert = step.alert;
        }
    }
    told
}

#[test]
fn a_clock_that_jumps_makes_no_storm_of_messages() {
    use DeliveryKind::{Firing as Fires, Repeat, Resolved as Ends};
    let day = 86_400;
    // Set back by a day: the repetition comes `repeat` after the jump, not a day later.
    let back = [
        100_000,
        100_000 - day,
        100_001 - day,
        100_600 - day,
        100_601 - day,
    ];
    let want = vec![(100_000, Repeat), (100_600 - day, Repeat)];
    assert_eq!(told_at(alert(Firing), &back), want);
    // A pending alert does not wait for the clock to catch up.
    let late = Alert {
        created_at: at(2 * day),
        ..alert(Pending)
    };
    assert_eq!(told_at(late, &[1000, 1001, 1002]), vec![(1000, Fires)]);
    // A small step back is waited for.
    assert_eq!(told_at(alert(Pending), &[990, 1059, 1060]), vec![(1060, Fires)]);
    // A jump ahead repeats once.
    assert_eq!(told_at(alert(Firing), &[day, day + 1]), vec![(day, Repeat)]);
    // To and fro.
    let to_and_fro = [day, 0, day, 0, day];
    let n_told = told_at(alert(Firing), &to_and_fro).len();
    assert!(n_told <= 3, "at most once per jump ahead: {n_told}");
    for extreme in [i64::MIN, i64::MAX] {
        let now = Timestamp::from_nanos(extreme);
        for state in [Pending, Firing, Acknowledged, Resolved] {
            step(&ended(alert(state), 1), now, &rules(), None, None);
            step(&alert(state), now, &rules(), None, None);
        }
    }
    assert_eq!(
        told_at(ended(alert(Pending), 100), &[5000]),
        vec![(5000, Fires), (5000, Ends)]
    );
}
