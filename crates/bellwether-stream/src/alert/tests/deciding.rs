//! What people decide takes effect at once, whichever process they tell it.

use std::time::Duration;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{AlertState, SuppressionKind, Verdict};

use super::stage::{Mood, Recorder, Stage, eventually};
use crate::alert::feedback::{self, DecideError};
use crate::alert::suppressions::{self, SuppressError, Window};

pub(super) async fn acknowledgement_by_another_process_ends_repetition(mut stage: Stage) {
    stage.rules.repeat = Some(Duration::from_secs(600));
    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+"]).await;
    stage.advance(600);
    hook.reach(&["a1+", "a1+"]).await;
    let elsewhere = stage.elsewhere().await;
    let alert = feedback::acknowledge(&elsewhere, "a1", "ann", stage.now())
        .await
        .unwrap();
    assert_eq!(alert.acknowledged_by.as_deref(), Some("ann"));
    stage.advance(6000);
    stage.begin("a2", "pump-2", "pump@1").await;
    hook.reach(&["a1+", "a1+", "a2+"]).await;
    let error = feedback::acknowledge(&elsewhere, "a1", "bob", stage.now())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("acknowledged already, by ann"),
        "{error}"
    );
    stage.end("a1").await;
    hook.reach(&["a1+", "a1+", "a2+", "a1-"]).await;
    let error = feedback::acknowledge(&elsewhere, "a1", "bob", stage.now())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a1 is resolved since"), "{error}");
    running.stop().await;
    let audit = elsewhere.audit(None, 10).await.unwrap();
    assert_eq!(audit.len(), 1, "what was not done is not audited");
    assert_eq!(
        (audit[0].actor.as_str(), audit[0].action.as_str()),
        ("ann", "acknowledge")
    );
}

pub(super) async fn maintenance_is_quiet_and_what_still_fires_is_told_after_it(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin("told", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["told+"]).await;
    let window = Window {
        devices: "pump-*".to_owned(),
        from: stage.now(),
        until: stage.now().plus(Duration::from_secs(600)),
        reason: "seals".to_owned(),
    };
    let id = suppressions::maintain(&stage.elsewhere().await, &window, "ann", stage.now())
        .await
        .unwrap();
    assert_eq!(id, "maintenance-1");
    stage.begin("passes", "pump-2", "pump@1").await;
    stage.begin("stays", "pump-3", "pump@1").await;
    stage.begin("other", "boiler", "pump@1").await;
    hook.reach(&["told+", "other+"]).await;
    let is_quiet = async |id| stage.alert(id).await.suppressed_by.as_deref() == Some("maintenance-1");
    for id in ["told", "passes", "stays"] {
        eventually("suppressed", async || is_quiet(id).await).await;
    }
    stage.end("passes").await;
    stage.reach("passes", AlertState::Resolved).await;
    stage.advance(600);
    let is_told = async || hook.taken().len() == 4;
    eventually("what still fires is told", is_told).await;
    running.stop().await;
    let mut taken = hook.taken();
    taken[2..].sort();
    assert_eq!(taken, ["told+", "other+", "stays+", "told+"]);
    assert_eq!(stage.alert("told").await.suppressed_by, None);
}

pub(super) async fn a_new_normal_holds_until_another_model_version_judges(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin("a1", "pump-[1]", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+"]).await;
    let given = feedback::give(
        &stage.database,
        "a1",
        Verdict::NewNormal,
        "wider pipe",
        "ann",
        stage.now(),
    );
    let given = given.await.unwrap();
    assert_eq!(given.alert.state, AlertState::Resolved);
    assert_eq!(given.suppression.as_deref(), Some("new-normal-1"));
    hook.reach(&["a1+", "a1-"]).await;
    stage.begin("same", "pump-[1]", "pump@1").await;
    stage.begin("twin", "pump-1", "pump@1").await;
    stage.begin("next", "pump-[1]", "pump@2").await;
    eventually("others are told", async || hook.taken().len() == 4).await;
    let is_quiet = async || stage.alert("same").await.suppressed_by.as_deref() == Some("new-normal-1");
    eventually("suppressed", is_quiet).await;
    running.stop().await;
    let mut taken = hook.taken();
    taken.sort();
    assert_eq!(taken, ["a1+", "a1-", "next+", "twin+"]);
    let there = stage.database.suppressions(stage.now()).await.unwrap();
    assert_eq!(
        (there[0].kind, there[0].reason.as_str()),
        (SuppressionKind::NewNormal, "wider pipe")
    );
}

pub(super) async fn a_false_alarm_is_resolved_and_told_so(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+"]).await;
    let give = async |verdict, note| {
        let given = feedback::give(&stage.database, "a1", verdict, note, "ann", stage.now());
        given.await.unwrap().alert.state
    };
    assert_eq!(
        give(Verdict::FalseAlarm, "a passing lorry").await,
        AlertState::Resolved
    );
    hook.reach(&["a1+", "a1-"]).await;
    assert!(hook.notices()[1].end.is_some(), "an end for those who want one");
    // Said of an alert that is over: kept, and nothing moves.
    assert_eq!(give(Verdict::Real, "").await, AlertState::Resolved);
    running.stop().await;
    let said = stage.database.feedback_of("a1").await.unwrap();
    let said: Vec<_> = said
        .iter()
        .map(|one| (one.n, one.verdict, one.note.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (1, Verdict::FalseAlarm, "a passing lorry"),
            (2, Verdict::Real, "")
        ]
    );
    let audit = stage.database.audit(None, 10).await.unwrap();
    assert_eq!(audit[1].detail, "false-alarm a passing lorry");
}

pub(super) async fn maintenance_feedback_is_quiet_until_the_cause_ends(mut stage: Stage) {
    let minute = Some(Duration::from_secs(60));
    let hook = Recorder::repeating("hook", Mood::Takes, minute);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+"]).await;
    let given = feedback::give(
        &stage.database,
        "a1",
        Verdict::Maintenance,
        "",
        "ann",
        stage.now(),
    );
    assert_eq!(given.await.unwrap().alert.state, AlertState::Acknowledged);
    stage.advance(600);
    stage.begin("a2", "pump-1", "pump@1").await;
    hook.reach(&["a1+", "a2+"]).await;
    stage.end("a1").await;
    hook.reach(&["a1+", "a2+", "a1-"]).await;
    running.stop().await;
}

pub(super) async fn ids_may_be_cut_short_but_not_wrong(mut stage: Stage) {
    for id in ["4f00aa", "4f00bb", "77", "7712"] {
        stage.begin(id, "pump-1", "pump@1").await;
    }
    let find = async |id| feedback::find(&stage.database, id).await;
    assert_eq!(find("4f00a").await.unwrap().id, "4f00aa");
    assert_eq!(find("77").await.unwrap().id, "77");
    assert_eq!(find("771").await.unwrap().id, "7712");
    let error = find("4f00").await.unwrap_err();
    assert!(matches!(error, DecideError::Ambiguous { .. }), "{error}");
    let error = find("4f00ac").await.unwrap_err();
    assert!(error.to_string().contains("did you mean 4f00aa?"), "{error}");
    let error = find("zzz").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no alert \"zzz\"; see: bellwether alerts list"
    );
}

pub(super) async fn shelves_end_and_have_bounds(mut stage: Stage) {
    let (day, now) = (Duration::from_secs(86_400), stage.now());
    let database = stage.database.clone();
    let shelve =
        async |devices, time| suppressions::shelve(&database, devices, time, "noisy", "ann", now).await;
    assert_eq!(shelve("pump-*", 30 * day).await.unwrap(), "shelf-1");
    assert!(matches!(
        shelve("pump-*", 31 * day).await,
        Err(SuppressError::TooLong)
    ));
    assert!(matches!(
        shelve("pump-[", day).await,
        Err(SuppressError::Pattern(_))
    ));
    let window = |from, until| Window {
        devices: "*".to_owned(),
        from: Timestamp::from_secs(from),
        until: Timestamp::from_secs(until),
        reason: String::new(),
    };
    let maintain = async |window| suppressions::maintain(&database, &window, "ann", now).await;
    assert!(matches!(
        maintain(window(200, 100)).await,
        Err(SuppressError::Backwards { .. })
    ));
    assert!(matches!(
        maintain(window(100, 200)).await,
        Err(SuppressError::Past { .. })
    ));

    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    let is_quiet = async || stage.alert("a1").await.suppressed_by.is_some();
    eventually("suppressed", is_quiet).await;
    let error = suppressions::unshelve(&database, "shelf-2", "bob", now)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("did you mean shelf-1?"), "{error}");
    suppressions::unshelve(&database, "shelf-1", "bob", now)
        .await
        .unwrap();
    hook.reach(&["a1+"]).await;
    running.stop().await;
    let audit = database.audit(None, 10).await.unwrap();
    let seen: Vec<_> = audit
        .iter()
        .map(|entry| (entry.n, entry.action.as_str()))
        .collect();
    assert_eq!(seen, [(2, "unshelve"), (1, "shelve")]);
}

pub(super) async fn windows_of_the_configuration_come_and_go_with_it(stage: Stage) {
    let window = |devices: &str| Window {
        devices: devices.to_owned(),
        from: stage.now(),
        until: stage.now().plus(Duration::from_secs(600)),
        reason: "yearly".to_owned(),
    };
    let configure = async |devices: &[&str]| {
        let windows: Vec<Window> = devices.iter().map(|devices| window(devices)).collect();
        suppressions::configure(&stage.database, &windows, stage.now()).await
    };
    let there = async || {
        let there = stage.database.suppressions(stage.now()).await.unwrap();
        let mut there: Vec<_> = there.into_iter().map(|one| (one.id, one.devices)).collect();
        there.sort();
        there
    };
    let named = |id: &str, devices: &str| (id.to_owned(), devices.to_owned());
    let by_hand = suppressions::maintain(&stage.database, &window("own"), "ann", stage.now())
        .await
        .unwrap();
    configure(&["a*", "b*"]).await.unwrap();
    let own = named(&by_hand, "own");
    assert_eq!(
        there().await,
        [named("config-1", "a*"), named("config-2", "b*"), own.clone()]
    );
    let n_audited = stage.database.audit(None, 100).await.unwrap().len();
    configure(&["a*", "b*"]).await.unwrap();
    assert_eq!(
        stage.database.audit(None, 100).await.unwrap().len(),
        n_audited,
        "nothing changed"
    );
    assert!(configure(&["a*", "c["]).await.is_err());
    configure(&["a*", "c*"]).await.unwrap();
    assert_eq!(
        there().await,
        [named("config-1", "a*"), named("config-2", "c*"), own.clone()]
    );
    let error = suppressions::unshelve(&stage.database, "config-1", "ann", stage.now())
        .await
        .unwrap_err();
    assert!(matches!(error, SuppressError::Configured { .. }), "{error}");
    configure(&[]).await.unwrap();
    assert_eq!(there().await, [own]);
}
