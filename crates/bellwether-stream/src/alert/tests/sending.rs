//! Messages: each arrives, in order, under the id of its alert, or is a dead letter that says why.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwether_store::database::{AlertState, DeliveryKind, DeliveryState};

use super::stage::{Mood, Recorder, Stage, eventually};
use crate::alert::feedback;

pub(super) async fn a_restart_loses_nothing_and_changes_no_id(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::IsAway);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach_tries(1).await;
    running.stop().await;
    stage.end("a1").await;
    hook.becomes(Mood::Takes);
    stage.advance(10);
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+", "a1-"]).await;
    running.stop().await;
    // Another start finds nothing to do.
    let running = stage.run(&[&hook]);
    stage.begin("a2", "pump-2", "pump@1").await;
    hook.reach(&["a1+", "a1-", "a2+"]).await;
    running.stop().await;
    let firing = &hook.notices()[0];
    assert_eq!((firing.device.as_str(), firing.channels.len()), ("pump-1", 1));
    assert_eq!(firing.end, None);
    assert!(hook.notices()[1].end.is_some());
}

pub(super) async fn what_was_sent_but_not_marked_is_sent_again_under_the_same_id(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Hangs);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+"]).await;
    running.kill().await;
    hook.becomes(Mood::Takes);
    let running = stage.run(&[&hook]);
    hook.reach(&["a1+", "a1+"]).await;
    let is_marked = async || {
        let deliveries = stage.database.deliveries_of("a1").await.unwrap();
        deliveries.len() == 1 && deliveries[0].state == DeliveryState::Sent
    };
    eventually("one delivery, sent", is_marked).await;
    running.stop().await;
}

pub(super) async fn firing_comes_before_resolved_even_where_it_fails_first(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::IsAway);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook]);
    hook.reach_tries(1).await;
    stage.end("a1").await;
    stage.reach("a1", AlertState::Resolved).await;
    // Each failure doubles the wait: 10, 20, 40 s.
    for (n, wait) in [(2, 10), (3, 20)] {
        stage.advance(wait);
        hook.reach_tries(n).await;
    }
    hook.becomes(Mood::Takes);
    stage.advance(40);
    hook.reach(&["a1+", "a1-"]).await;
    running.stop().await;
    assert_eq!(hook.n_tries(), 5, "no try before its time");
}

pub(super) async fn what_is_refused_for_good_is_a_dead_letter_until_it_is_retried(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Refuses);
    stage.begin("a1", "pump-1", "pump@1").await;
    stage.begin("a2", "pump-2", "pump@1").await;
    let running = stage.run(&[&hook]);
    let n_dead = async || stage.database.dead_letters(10).await.unwrap().len();
    eventually("two dead letters", async || n_dead().await == 2).await;
    let dead = stage.database.dead_letters(10).await.unwrap();
    assert_eq!(dead[0].error.as_deref(), Some("Refuses"));
    assert_eq!((dead[0].n_attempts, hook.n_tries()), (1, 2));
    hook.becomes(Mood::Takes);
    let retry = async |id| stage.database.retry_dead(id, "ann", stage.now()).await.unwrap();
    let revived = retry(Some("a2")).await;
    assert_eq!((revived.n_waiting, revived.n_overtaken), (1, 0));
    hook.reach(&["a2+"]).await;
    let revived = retry(None).await;
    assert_eq!((revived.n_waiting, revived.n_overtaken), (1, 0));
    hook.reach(&["a2+", "a1+"]).await;
    running.stop().await;
    let audit = stage.database.audit(None, 10).await.unwrap();
    let seen: Vec<&str> = audit.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(seen, ["*", "a2"]);
}

pub(super) async fn what_nobody_takes_for_too_long_is_a_dead_letter(mut stage: Stage) {
    stage.delivery.give_up_after = Duration::from_secs(3600);
    let hook = Recorder::new("hook", Mood::IsAway);
    let other = Recorder::new("other", Mood::Takes);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&hook, &other]);
    hook.reach_tries(1).await;
    stage.advance(3600);
    let is_dead = async || stage.database.dead_letters(10).await.unwrap().len() == 1;
    eventually("a dead letter", is_dead).await;
    // Nobody heard of it there, so that nobody hears of its end.
    stage.end("a1").await;
    other.reach(&["a1+", "a1-"]).await;
    running.stop().await;
    assert_eq!(hook.n_tries(), 2);
}

pub(super) async fn a_channel_that_hangs_holds_up_no_other(mut stage: Stage) {
    let (stuck, quick) = (
        Recorder::new("stuck", Mood::Hangs),
        Recorder::new("quick", Mood::Takes),
    );
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&stuck, &quick]);
    stuck.reach(&["a1+"]).await;
    quick.reach(&["a1+"]).await;
    stage.begin("a2", "pump-2", "pump@1").await;
    // Another alert passes the one that hangs, also on the same channel.
    stuck.reach(&["a1+", "a2+"]).await;
    stage.end("a1").await;
    quick.reach(&["a1+", "a2+", "a1-"]).await;
    running.stop().await;
    assert_eq!(stuck.taken(), ["a1+", "a2+"], "the end waits for the beginning");
}

pub(super) async fn an_alert_that_begins_twice_is_told_once(mut stage: Stage) {
    let hook = Recorder::new("hook", Mood::Takes);
    let running = stage.run(&[&hook]);
    for id in ["a1", "a1", "a2"] {
        stage.begin(id, "pump-1", "pump@1").await;
    }
    stage.begin("a1", "pump-1", "pump@1").await;
    stage.end("a1").await;
    stage.reach("a1", AlertState::Resolved).await;
    stage.begin("a1", "pump-1", "pump@1").await;
    stage.begin("a3", "pump-1", "pump@1").await;
    let all = async || hook.taken().contains(&"a3+".to_owned()) && hook.taken().contains(&"a1-".to_owned());
    eventually("a1 is over and a3 is told", all).await;
    running.stop().await;
    let count = |what: &str| hook.taken().iter().filter(|taken| *taken == what).count();
    assert_eq!(
        [count("a1+"), count("a1-"), count("a2+"), count("a3+")],
        [1, 1, 1, 1]
    );
}

pub(super) async fn more_alerts_than_a_page_are_each_told_once(mut stage: Stage) {
    const N: usize = 300;
    let hook = Recorder::new("hook", Mood::Takes);
    stage.begin_many((0..N).map(|n| format!("a{n:03}"))).await;
    let running = stage.run(&[&hook]);
    eventually("all told", async || hook.taken().len() >= N).await;
    running.stop().await;
    let taken = hook.taken();
    assert_eq!(taken.len(), N);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), N);
}

pub(super) async fn a_channel_that_forgets_is_told_again_also_after_acknowledgement(mut stage: Stage) {
    stage.rules.repeat = Some(Duration::from_secs(10_000));
    let minute = Some(Duration::from_secs(60));
    let forgets = Recorder::repeating("forgets", Mood::Takes, minute);
    let remembers = Recorder::new("remembers", Mood::Takes);
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&forgets, &remembers]);
    forgets.reach(&["a1+"]).await;
    let all_sent = async || {
        let deliveries = stage.database.deliveries_of("a1").await.unwrap();
        deliveries
            .iter()
            .all(|delivery| delivery.state == DeliveryState::Sent)
    };
    let mut want = vec!["a1+"];
    for n in 0..4 {
        eventually("nothing waits", all_sent).await;
        if n == 2 {
            feedback::acknowledge(&stage.database, "a1", "ann", stage.now())
                .await
                .unwrap();
        }
        stage.advance(60);
        want.push("a1+");
        forgets.reach(&want).await;
    }
    eventually("nothing waits", all_sent).await;
    let kinds = |name: &str, deliveries: &[bellwether_store::database::Delivery]| -> Vec<DeliveryKind> {
        let of = deliveries.iter().filter(|delivery| delivery.channel == name);
        of.map(|delivery| delivery.kind).collect()
    };
    let deliveries = stage.database.deliveries_of("a1").await.unwrap();
    assert!(
        kinds("forgets", &deliveries).len() <= 3,
        "old repetitions are forgotten"
    );
    assert_eq!(kinds("remembers", &deliveries), [DeliveryKind::Firing]);
    stage.end("a1").await;
    want.push("a1-");
    forgets.reach(&want).await;
    remembers.reach(&["a1+", "a1-"]).await;
    running.stop().await;
}

pub(super) async fn a_channel_that_is_gone_leaves_dead_letters(mut stage: Stage) {
    stage.delivery.give_up_after = Duration::from_secs(3600);
    let (gone, stays) = (
        Recorder::new("gone", Mood::IsAway),
        Recorder::new("stays", Mood::Takes),
    );
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&gone, &stays]);
    gone.reach_tries(1).await;
    running.stop().await;
    let running = stage.run(&[&stays]);
    stage.begin("a2", "pump-2", "pump@1").await;
    stays.reach(&["a1+", "a2+"]).await;
    running.stop().await;
    assert_eq!(
        stage.database.dead_letters(10).await.unwrap(),
        [],
        "it may come back"
    );
    stage.advance(3600);
    let running = stage.run(&[&stays]);
    let is_dead = async || stage.database.dead_letters(10).await.unwrap().len() == 1;
    eventually("a dead letter", is_dead).await;
    running.stop().await;
}

pub(super) async fn rules_say_which_channels_are_told(mut stage: Stage) {
    stage.rules.channels = Some(vec!["night".to_owned()]);
    let (day, night) = (
        Recorder::new("day", Mood::Takes),
        Recorder::new("night", Mood::Takes),
    );
    stage.begin("a1", "pump-1", "pump@1").await;
    let running = stage.run(&[&day, &night]);
    night.reach(&["a1+"]).await;
    stage.end("a1").await;
    night.reach(&["a1+", "a1-"]).await;
    running.stop().await;
    assert_eq!(day.n_tries(), 0);
}
