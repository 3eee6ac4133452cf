//! Mistakes that the journeys notice, each built into a daemon of its own.

use crate::bite::bites;
use crate::stack::Host;

fn journey(fault: &str, test: &str, words: &str) {
    if Host::shared(&format!("bites of {fault}")).is_some() {
        bites(fault, test, words);
    }
}

#[test]
fn bites_where_a_commit_is_not_synced() {
    if std::env::var_os("YESREPLY_POSTGRES").is_none() {
        journey(
            "synchronous_normal",
            "disk::what_is_acknowledged_survives_a_power_cut",
            "acknowledged and not stored after a power cut",
        );
    }
}

#[test]
fn bites_where_the_cursor_moves_before_the_commit() {
    journey(
        "cursor_before_commit",
        "crashes::a_customers_mail_survives_a_crash_at_every_place",
        "waited for a mail in vain",
    );
}

#[test]
fn bites_where_unseen_is_the_work_list() {
    journey("unseen_work_list", "intake::what_people_do_in_the_mailbox_changes_nothing", "waited for a mail in vain");
}

#[test]
fn bites_where_the_answer_to_the_dot_is_waited_for_60_s() {
    journey("timeout_after_dot_60s", "stalls::a_relay_that_answers_after_65_s_gets_one_copy", "one copy");
}
