//! What the notifier and people's decisions promise, on SQLite and on PostgreSQL.

mod deciding;
mod sending;
mod stage;

use bellwether_testkit::postgres::Postgres;
use stage::Stage;

/// A test for each promise on SQLite, and one for all of them on PostgreSQL.
macro_rules! promises {
    ($($file:ident::$promise:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let url = format!("sqlite:{}", dir.path().join("live.db").display());
            $file::$promise(Stage::open(&url, "default").await).await;
        })+

        #[tokio::test]
        async fn postgres_keeps_every_promise() {
            let Some(server) = Postgres::start("alert::tests::postgres_keeps_every_promise") else {
                return;
            };
            $({
                // A tenant for each, so that none sees the alerts of another.
                eprintln!("{}", stringify!($promise));
                $file::$promise(Stage::open(&server.url(), stringify!($promise)).await).await;
            })+
        }
    };
}

promises! {
    sending::a_restart_loses_nothing_and_changes_no_id,
    sending::what_was_sent_but_not_marked_is_sent_again_under_the_same_id,
    sending::firing_comes_before_resolved_even_where_it_fails_first,
    sending::what_is_refused_for_good_is_a_dead_letter_until_it_is_retried,
    sending::what_nobody_takes_for_too_long_is_a_dead_letter,
    sending::a_channel_that_hangs_holds_up_no_other,
    sending::an_alert_that_begins_twice_is_told_once,
    sending::more_alerts_than_a_page_are_each_told_once,
    sending::a_channel_that_forgets_is_told_again_also_after_acknowledgement,
    sending::a_channel_that_is_gone_leaves_dead_letters,
    sending::rules_say_which_channels_are_told,
    deciding::acknowledgement_by_another_process_ends_repetition,
    deciding::maintenance_is_quiet_and_what_still_fires_is_told_after_it,
    deciding::a_new_normal_holds_until_another_model_version_judges,
    deciding::a_false_alarm_is_resolved_and_told_so,
    deciding::maintenance_feedback_is_quiet_until_the_cause_ends,
    deciding::ids_may_be_cut_short_but_not_wrong,
    deciding::shelves_end_and_have_bounds,
    deciding::windows_of_the_configuration_come_and_go_with_it,
}
