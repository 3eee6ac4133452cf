//! People answer from the shared mailbox itself, with a client of their own beside the daemon (R49).

use crate::desk::Desk;
use crate::people::{Draft, unique};

/// What a client files in `Sent` once it has sent a reply to this mail; returns its Message-ID.
fn answers(desk: &Desk, customer: &str, parent: &str, words: &str) -> String {
    let id = unique();
    let draft = Draft::new(customer, "Re: Where is my parcel?", &format!("{words}\n\nJane wrote:\n> Where?\n"))
        .field("In-Reply-To", parent)
        .field("References", parent);
    let mail = draft.bytes(&format!("Shop Support <{}>", desk.address()), &format!("{id}@client.example"));
    desk.host.save(&desk.address(), "Sent", &mail);
    format!("<{id}@client.example>")
}

fn messages(desk: &Desk, reference: &str) -> usize {
    desk.case(reference)["messages"].as_array().expect("messages").len()
}

#[test]
fn an_answer_from_the_shared_mailbox() {
    let Some(mut desk) = Desk::new("an_answer_from_the_shared_mailbox") else { return };
    let jane = desk.customer("Jane");
    answers(&desk, &jane.address, "<before@customer.example>", "Long before the daemon.");
    desk.start();
    let anna = desk.agent("anna");
    let first = jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.gets("It was due on Monday.");
    desk.quiet();
    let answer = answers(&desk, &jane.address, &first, "It comes tomorrow.");
    desk.host.save(
        &desk.address(),
        "Sent",
        &Draft::new("boss@elsewhere.example", "Figures", "Here.").bytes(&desk.address(), &unique()),
    );
    // the next mail wakes the daemon, which looks there first
    let thanks = Draft::new(&desk.address(), "Re: Re: Where is my parcel?", "Thank you, but when?");
    jane.sends(&thanks.field("In-Reply-To", &answer).field("References", &format!("{first} {answer}")));
    let relay = anna.gets("Thank you, but when?");
    assert!(relay.text().contains("It comes tomorrow."), "the relay shows what was said: {}", relay.text());
    desk.quiet();
    let case = desk.case("1001");
    assert_eq!(case["status"], "open");
    let found = &case["messages"][2];
    assert_eq!(
        (&found["direction"], &found["standing"], &found["author"]),
        (&"outbound".into(), &"agent".into(), &"support".into())
    );
    assert_eq!(found["message_id"].as_str(), Some(answer.as_str()));
    assert_eq!(found["deliveries"].as_array().map(Vec::len), Some(0), "nothing was sent because of it");
    let audit = desk.audit();
    assert_eq!(audit["stored"], 4, "what lay there before the first start is nobody's business: {audit}");
    let ignored =
        audit["rules"].as_array().expect("rules").iter().find(|r| r["rule"] == "R49" && r["outcome"] == "ignored");
    assert_eq!(ignored.map(|r| &r["count"]), Some(&1.into()), "{audit}");
    desk.stop();
}

#[test]
fn an_answer_from_the_shared_mailbox_while_the_daemon_was_away() {
    let Some(desk) = Desk::new("an_answer_while_away") else { return };
    let mut desk = desk.with("[intake]\npoll = \"1s\"\n");
    desk.start();
    desk.stop();
    let jane = desk.customer("Jane");
    let first = jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    desk.wait_for("her mail", |desk| !crate::people::Person::new(&desk.host, "", &desk.address()).mailbox().is_empty());
    answers(&desk, &jane.address, &first, "It comes tomorrow.");
    desk.start();
    desk.wait_for("the answer", |desk| desk.cases().first().is_some_and(|case| case["status"] == "waiting"));
    desk.quiet();
    // no mail wakes the daemon now
    answers(&desk, &jane.address, &first, "It comes today.");
    desk.wait_for("the other answer", |desk| messages(desk, "1001") == 4);
    assert_eq!(desk.audit()["stored"], 3);
    desk.stop();
}

#[cfg(feature = "failpoints")]
#[test]
fn a_crash_while_an_answer_from_the_shared_mailbox_is_read() {
    let Some(desk) = Desk::new("a_crash_in_sent") else { return };
    let mut desk = desk.with("[intake]\npoll = \"1s\"\n");
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let first = jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    anna.gets("It was due on Monday.");
    desk.quiet();
    for (number, place) in ["intake.fetched", "batch.before_commit", "batch.after_commit"].iter().enumerate() {
        desk.arm(place, 1);
        answers(&desk, &jane.address, &first, &format!("It comes tomorrow, {number}."));
        desk.dies();
        desk.start();
        desk.wait_for("the answer", |desk| messages(desk, "1001") == number + 3);
    }
    let audit = desk.audit();
    assert_eq!(audit["stored"], 4, "each once: {audit}");
    desk.stop();
}
