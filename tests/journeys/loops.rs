//! Desks that write to each other and to lists (docs/threats.md, T20 and T22), through real Postfix and Dovecot.

use crate::desk::Desk;
use crate::people::{Draft, Letter};

/// Mails that a desk has sent to customers.
fn outbound(desk: &Desk) -> usize {
    let messages =
        desk.cases().into_iter().map(|c| desk.case(c["ref"].as_str().expect("a reference"))["messages"].clone());
    let outbound = |m: &serde_json::Value| m["direction"] == "outbound";
    messages.map(|m| m.as_array().expect("messages").iter().filter(|m| outbound(m)).count()).sum()
}

#[test]
fn t22_two_gateways_back_to_back_say_what_people_say_and_no_more() {
    let (Some(mut one), Some(mut two)) = (Desk::new("gateway_one"), Desk::new("gateway_two")) else { return };
    let (anna, olga, somebody) = (one.agent("anna"), two.agent("anna"), one.customer("Somebody"));
    // keys of their own, as two companies have
    two.set("YESREPLY__TOKEN__KEY", &"22".repeat(32));
    one.start();
    two.start();
    // in the other desk's name, with no mark of a machine
    let mail = Draft::new(&one.address(), "Hello", "Is anybody there?");
    let mail = mail.bytes(&format!("Other Desk <{}>", two.address()), "first@elsewhere.example");
    somebody.sends_raw(&mail, &[&one.address()]);
    let relay = anna.gets("Is anybody there?");
    anna.sends(&relay.reply("We are here."));
    let answer = olga.gets("We are here.");
    olga.sends(&answer.reply("So are we."));
    anna.gets("So are we.");
    for _ in 0..3 {
        one.quiet();
        two.quiet();
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    let (first, second) = (outbound(&one), outbound(&two));
    eprintln!("two gateways back to back: {first} and {second} mails, two of which people wrote");
    assert!(first + second <= 4, "an answer and an acknowledgement each, and not {first} and {second}");
    for mut desk in [one, two] {
        desk.audit();
        desk.stop();
    }
}

#[test]
fn t22_a_list_that_sends_everything_back_gets_nothing_automatic_and_opens_nothing_twice() {
    let Some(mut desk) = Desk::new("gateway_list") else { return };
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    desk.start();
    let listed = |letter: &Letter| {
        let raw = String::from_utf8_lossy(&letter.raw).into_owned();
        format!("List-Id: <talk.lists.example>\r\nPrecedence: list\r\n{raw}")
    };
    jane.sends(&Draft::new(&desk.address(), "A post", "Who can help me?").field("List-Id", "<talk.lists.example>"));
    let relay = anna.gets("Who can help me?");
    anna.sends(&relay.reply("We can."));
    let answer = jane.gets("We can.");
    // the list gives the desk its own mail back, again and again
    for _ in 0..5 {
        jane.sends_raw(&listed(&answer), &[&desk.address()]);
    }
    let passed_over = |desk: &Desk| {
        let outcomes = &desk.audit()["outcomes"];
        ["ignored", "duplicate"].map(|name| outcomes[name].as_i64().unwrap_or_default()).iter().sum::<i64>()
    };
    desk.wait_for("the mails that came back", |desk| passed_over(desk) >= 5);
    desk.quiet();
    let mine = jane.mailbox();
    eprintln!("a list that sends all back: {} mails to its member", mine.len());
    assert_eq!(mine.len(), 1, "the answer, and nothing automatic");
    assert_eq!(desk.cases().len(), 1);
    assert_eq!(anna.mailbox().iter().filter(|l| l.text().contains("We can.")).count(), 0, "its own words are no news");
    desk.stop();
}
