//! The crash table: the daemon dies at a place, is started again, and everybody has what they must have.

use std::collections::BTreeMap;

use crate::answers::answered;
use crate::desk::Desk;
use crate::people::{Letter, Person};

/// Where a copy may come twice: the relay has said 250 and that is not committed.
const WINDOW: [(&str, u32); 2] = [("outbox.answered", 1), ("steps.before_commit", 3)];

const PLACES: [(&str, u32); 8] = [
    ("intake.fetched", 1),
    ("batch.before_commit", 1),
    ("batch.after_commit", 1),
    ("outbox.claimed", 1),
    ("outbox.data_started", 1),
    ("outbox.answered", 1),
    ("steps.before_commit", 2),
    ("steps.before_commit", 3),
];

/// The steps of one delivery.
const STEPS: [(&str, u32); 5] =
    [("outbox.mail", 1), ("outbox.rcpt", 1), ("outbox.data", 1), ("steps.after_commit", 1), ("steps.after_commit", 3)];

fn desk(place: &str, visit: u32) -> Option<Desk> {
    Some(Desk::new(&format!("crash-{}-{visit}", place.replace(['.', '_'], "-")))?.with_one_connection())
}

/// One mail with these words, or two with the same bytes where the window allows it.
fn got_once(person: &Person, words: &str, place: (&str, u32)) {
    let letters: Vec<Letter> = person.mailbox().into_iter().filter(|l| l.text().contains(words)).collect();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for letter in &letters {
        *ids.entry(letter.message_id()).or_default() += 1;
    }
    let most = if WINDOW.contains(&place) { 2 } else { 1 };
    assert_eq!(ids.len(), 1, "{} at {place:?}: {letters:?}", person.address);
    assert!(letters.len() <= most, "{} has {} copies at {place:?}", person.address, letters.len());
    let written = |l: &Letter| l.raw.windows(6).position(|w| w == b"From: ").map(|at| l.raw[at..].to_vec());
    assert!(letters.windows(2).all(|w| written(&w[0]) == written(&w[1])), "the same bytes");
}

#[test]
fn a_customers_mail_survives_a_crash_at_every_place() {
    customers_mail(&PLACES);
}

#[test]
fn a_customers_mail_survives_a_crash_at_every_step_of_a_delivery() {
    customers_mail(&STEPS);
}

#[test]
fn an_agents_answer_survives_a_crash_at_every_place() {
    agents_answer(&PLACES);
}

#[test]
fn an_agents_answer_survives_a_crash_at_every_step_of_a_delivery() {
    agents_answer(&STEPS);
}

fn customers_mail(places: &[(&str, u32)]) {
    for &place in places {
        let Some(mut desk) = desk(place.0, place.1) else { return };
        desk.start();
        let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
        desk.arm(place.0, place.1);
        jane.writes(&desk.address(), "Crash", "Words that must arrive.");
        desk.dies();
        desk.start();
        anna.gets("Words that must arrive.");
        bob.gets("Words that must arrive.");
        jane.gets("[#1001]");
        desk.quiet();
        for (person, words) in
            [(&anna, "Words that must arrive."), (&bob, "Words that must arrive."), (&jane, "[#1001]")]
        {
            got_once(person, words, place);
        }
        assert_eq!(desk.cases().len(), 1, "{place:?}");
        assert_eq!(desk.audit()["stored"], 1, "{place:?}");
        desk.stop();
    }
}

fn agents_answer(places: &[(&str, u32)]) {
    for &place in places {
        let Some(mut desk) = desk(place.0, place.1) else { return };
        desk.start();
        let (relay, _) = answered(&desk);
        let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
        desk.quiet();
        desk.arm(place.0, place.1);
        anna.sends(&relay.reply("The second answer."));
        desk.dies();
        desk.start();
        jane.gets("The second answer.");
        desk.quiet();
        got_once(&jane, "The second answer.", place);
        assert_eq!(desk.case("1001")["messages"].as_array().map(Vec::len), Some(4), "{place:?}");
        desk.audit();
        desk.stop();
    }
}

#[test]
fn what_is_done_on_the_server_is_done_after_a_crash() {
    for place in [("batch.after_commit", 1), ("errand.done", 1)] {
        let Some(desk) = desk(place.0, place.1) else { return };
        let mut desk = desk.with("[intake]\nafter = \"seen\"\n");
        desk.start();
        desk.arm(place.0, place.1);
        desk.customer("Jane").writes(&desk.address(), "Crash", "Words that must arrive.");
        desk.dies();
        let address = desk.address();
        let seen =
            |desk: &Desk| desk.host.doveadm(&["search", "-u", &address, "mailbox", "INBOX", "SEEN"]).lines().count();
        assert_eq!(seen(&desk), usize::from(place.0 == "errand.done"), "{place:?}: never before the commit");
        desk.start();
        desk.agent("anna").gets("Words that must arrive.");
        desk.wait_for("the flag", |desk| seen(desk) == 1);
        desk.quiet();
        got_once(&desk.agent("anna"), "Words that must arrive.", place);
    }
}

/// R91: the summary of the old mail is given though the daemon died right after the last of it was taken.
#[test]
fn the_summary_of_old_mail_survives_a_crash() {
    let Some(desk) = desk("batch.after_commit", 2) else { return };
    let mut desk = desk.with("[intake]\nstart = \"all\"\n");
    let jane = desk.customer("Jane");
    crate::intake::lay_down(&desk, &desk.address(), 3, &jane.address);
    // the first commit is that of the cursor alone
    desk.arm("batch.after_commit", 2);
    desk.launch();
    desk.dies();
    assert!(desk.agent("anna").mailbox().is_empty());
    desk.start();
    let summary = desk.agent("anna").receives(|_| true);
    assert!(summary.text().contains('3'), "{}", summary.text());
    desk.quiet();
    desk.stop();
    desk.start();
    desk.quiet();
    assert_eq!((desk.agent("anna").mailbox().len(), desk.cases().len()), (1, 3), "once");
    assert!(jane.mailbox().is_empty());
    desk.audit();
}

/// Reading it panics, or handling it does, with all of it written and not committed: it lies in quarantine whole, the rest
/// goes on, and it can be replayed.
#[test]
fn a_mail_that_makes_us_panic_is_put_aside_and_the_rest_goes_on() {
    for place in ["mail.read", "event.decided"] {
        let Some(mut desk) = desk(place, 0) else { return };
        desk.start();
        let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
        desk.stop();
        // all in one batch
        jane.writes(&desk.address(), "Good", "Words that came before.");
        jane.writes(&desk.address(), "Poison", "Words that made us panic.");
        jane.writes(&desk.address(), "Good", "Words that came after.");
        desk.poison(place, "made us panic");
        desk.start();
        anna.gets("Words that came before.");
        anna.gets("Words that came after.");
        desk.quiet();
        assert_eq!(desk.cases().len(), 2, "{place}: nothing of it is left in the store");
        assert_eq!(anna.mailbox().len(), 2, "{place}: and nothing was sent");
        let sums = desk.audit();
        assert_eq!((&sums["stored"], &sums["outcomes"]["quarantined"]), (&3.into(), &1.into()), "{place}: {sums}");
        desk.poison(place, "");
        let id = desk.json(&["quarantine", "list"])[0]["id"].to_string();
        assert_eq!(desk.command(&["quarantine", "replay", &id]).0, 0);
        anna.gets("Words that made us panic.");
        desk.quiet();
        assert_eq!(desk.cases().len(), 3);
        assert_eq!(desk.audit()["outcomes"]["quarantined"].as_u64().unwrap_or_default(), 0);
        desk.stop();
    }
}

/// Ends that come faster than a service manager starts a daemon anew count once.
pub const AS_A_SERVICE_MANAGER_WAITS: std::time::Duration = std::time::Duration::from_secs(5);

/// Reading it ends the whole process, or handling it does, with all of it written and not committed: after a bounded number
/// of starts it lies in quarantine unread, and the rest of its batch is handled once.
#[test]
fn a_mail_that_ends_the_process_is_put_aside_unread_and_the_rest_goes_on() {
    for place in ["mail.ends", "event.ends"] {
        let Some(mut desk) = desk(place, 0) else { return };
        desk.start();
        let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
        desk.stop();
        for number in 0..10 {
            let words =
                if number == 4 { "Words that end us.".to_owned() } else { format!("Words of number {number}.") };
            jane.writes(&desk.address(), &format!("Letter {number}"), &words);
        }
        desk.poison(place, "Words that end us.");
        let mut ends = 0;
        desk.launch();
        let all = |desk: &Desk| {
            desk.cases().len() == 9 && desk.json(&["quarantine", "list"]).as_array().is_some_and(|rows| rows.len() == 1)
        };
        while !desk.lives_until(all) {
            ends += 1;
            assert!(ends < 6, "{place}: a crash loop; the log:\n{}", desk.log());
            std::thread::sleep(AS_A_SERVICE_MANAGER_WAITS);
            desk.launch();
        }
        assert_eq!(ends, 3, "{place}: at full speed, and twice with care");
        let sums = desk.audit();
        assert_eq!((&sums["stored"], &sums["outcomes"]["quarantined"]), (&10.into(), &1.into()), "{place}: {sums}");
        let aside = desk.json(&["quarantine", "list"])[0].clone();
        assert!(aside["reason"].as_str().is_some_and(|r| r.contains("the process ended 2 times")), "{place}: {aside}");
        for number in (0..10).filter(|n| *n != 4) {
            anna.gets(&format!("Words of number {number}."));
        }
        desk.quiet();
        let ids: BTreeMap<String, String> = anna.mailbox().iter().map(|l| (l.message_id(), l.subject())).collect();
        assert_eq!(ids.len(), 9, "{place}: nothing twice: {ids:?}");
        // mail that comes later is read, and the next start is an ordinary one
        jane.writes(&desk.address(), "Later", "Words that came later.");
        anna.gets("Words that came later.");
        let careful = |desk: &Desk| desk.log().matches("the last run did not end by itself").count();
        assert_eq!(careful(&desk), 3, "{place}");
        desk.stop();
        desk.poison(place, "");
        desk.start();
        assert_eq!(careful(&desk), 3, "{place}: it was stopped");
        assert_eq!(desk.command(&["quarantine", "replay", &aside["id"].to_string()]).0, 0);
        anna.gets("Words that end us.");
        desk.quiet();
        let sums = desk.audit();
        assert_eq!((&sums["stored"], desk.cases().len()), (&11.into(), 11), "{place}: {sums}");
        desk.stop();
    }
}
