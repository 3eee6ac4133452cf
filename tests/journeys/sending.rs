//! What becomes of mail that cannot be sent, or that comes back.

use crate::answers::answered;
use crate::desk::Desk;
use crate::people::{Draft, Person, unique};
use crate::proxy::Proxy;

#[test]
fn relay_down_then_up() {
    let Some(desk) = Desk::new("relay_down_then_up") else { return };
    let proxy = Proxy::to(desk.host.port("submission"));
    let mut desk = desk.smtp_through(proxy.port);
    desk.start();
    proxy.close();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    for number in 0..5 {
        jane.writes(&desk.address(), &format!("mail {number}"), &format!("Words of mail {number}."));
    }
    desk.wait_for("a failing account", |desk| desk.json(&["mailbox", "list"])[0]["smtp"]["state"] == "failing");
    desk.wait_for("five cases", |desk| desk.cases().len() == 5);
    assert!(anna.mailbox().is_empty());
    proxy.reopen();
    for number in 0..5 {
        anna.gets(&format!("Words of mail {number}."));
    }
    desk.quiet();
    assert_eq!(anna.mailbox().len(), 5, "nothing is sent twice");
}

#[test]
fn greylisted() {
    let Some(desk) = Desk::new("greylisted") else { return };
    let mut desk = desk.with("[outbox]\nretry_first = \"1s\"\n");
    let address = format!("grey@grey-{}.example", unique());
    let line = format!("/^{}$/ 450 4.2.0 greylisted, try again", address.replace('.', "\\."));
    desk.host.recipients(&line);
    desk.start();
    let grey = Person::new(&desk.host, "Grey", &address);
    grey.writes(&desk.address(), "Grey", "Do I hear from you?");
    desk.wait_for("a second attempt", |desk| {
        desk.json(&["outbox", "list"])
            .as_array()
            .expect("rows")
            .iter()
            .any(|r| r["recipient"] == address.as_str() && r["attempts"].as_u64() > Some(1))
    });
    let row = desk.json(&["outbox", "list"])[0].clone();
    assert_eq!(
        (row["state"].as_str(), row["last_reply"].as_str().map(|r| r.contains("greylisted"))),
        (Some("queued"), Some(true))
    );
    // a restart must not forget the row
    desk.stop();
    desk.host.forget_recipients(&line);
    desk.start();
    grey.gets("[#1001]");
    desk.quiet();
}

#[test]
fn recipient_refused() {
    let Some(mut desk) = Desk::new("recipient_refused") else { return };
    desk.start();
    let anna = desk.agent("anna");
    let nobody = Person::new(&desk.host, "Nobody", "nobody@refused.example");
    nobody.writes(&desk.address(), "Refused", "You cannot answer me.");
    let relay = anna.gets("You cannot answer me.");
    anna.sends(&relay.reply("We try."));
    let answer = || {
        let case = desk.case("1001");
        case["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .find(|m| m["standing"] == "agent")
            .map(|m| m["deliveries"][0].clone())
    };
    desk.wait_for("a refusal", |_| answer().is_some_and(|d| d["state"] == "failed"));
    let delivery = answer().expect("the answer");
    assert_eq!((&delivery["status"], &delivery["recipient"]), (&"5.1.1".into(), &"nobody@refused.example".into()));
    desk.quiet();
    let told: Vec<String> =
        anna.mailbox().iter().map(crate::people::Letter::text).filter(|t| t.contains("550 5.1.1")).collect();
    assert_eq!(told.len(), 2, "of the acknowledgement and of the answer: {told:#?}");
}

#[test]
fn an_asynchronous_bounce_finds_its_case_and_tells_the_agent() {
    let Some(mut desk) = Desk::new("an_asynchronous_bounce") else { return };
    desk.start();
    let anna = desk.agent("anna");
    let gone = Person::new(&desk.host, "Gone", &format!("gone-{}@bounce.example", unique()));
    gone.writes(&desk.address(), "Bounce", "My address bounces later.");
    let relay = anna.gets("My address bounces later.");
    anna.sends(&relay.reply("This comes back."));
    let told = anna.receives(|l| l.text().contains(&gone.address) && !l.text().contains("My address bounces later."));
    assert_eq!(told.reply_to(), relay.reply_to(), "the agent can answer in the same thread");
    desk.quiet();
    assert_eq!(desk.cases().len(), 1, "a report opens no case");
    let kinds: Vec<String> =
        desk.case("1001")["events"].as_array().expect("events").iter().map(|e| e["kind"].to_string()).collect();
    assert!(kinds.iter().any(|k| k.contains("undeliver") || k.contains("fail") || k.contains("bounce")), "{kinds:?}");
    desk.audit();
}

#[test]
fn vacation_against_acknowledgement() {
    let Some(mut desk) = Desk::new("vacation") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Holiday question", "A question before I leave.");
    let acknowledgement = jane.gets("[#1001]");
    let vacation = |to: &str, id: &str| {
        Draft::new(to, "Automatic reply: We have your message", "I am on holiday until Monday.")
            .field("Auto-Submitted", "auto-replied")
            .field("In-Reply-To", id)
            .field("References", id)
    };
    jane.sends(&vacation(&acknowledgement.reply_to(), &acknowledgement.message_id()));
    desk.wait_for("the vacation reply", |desk| desk.json(&["audit"])["stored"].as_u64() == Some(2));
    desk.quiet();
    assert_eq!(jane.mailbox().len(), 1, "a vacation reply is not acknowledged");
    let relay = anna.gets("A question before I leave.");
    assert!(!anna.mailbox().iter().any(|l| l.text().contains("on holiday")), "nobody has answered yet: noise");
    // an agent's own vacation never reaches the customer
    anna.sends(&vacation(&relay.reply_to(), &relay.message_id()));
    desk.wait_for("the agent's vacation", |desk| desk.json(&["audit"])["stored"].as_u64() == Some(3));
    desk.quiet();
    assert_eq!(jane.mailbox().len(), 1);
    assert_eq!(desk.cases().len(), 1);
}

#[test]
fn a_refused_password_pauses_the_account_and_keeps_the_mail() {
    let Some(desk) = Desk::new("a_refused_password") else { return };
    // the relay that takes no login at all refuses the mail of an account that does not log in
    let mut desk = desk.with("");
    let port = desk.host.port("smtp");
    desk = desk.smtp_through(port);
    desk.start();
    desk.customer("Jane").writes(&desk.address(), "Kept", "This is kept.");
    desk.wait_for("a paused account", |desk| desk.json(&["mailbox", "list"])[0]["smtp"]["state"] == "paused");
    let rows = desk.json(&["outbox", "list"]);
    assert!(rows.as_array().expect("rows").iter().all(|r| r["state"] == "queued" || r["state"] == "sending"), "{rows}");
    desk.stop();
    let good = desk.host.port("submission");
    desk = desk.smtp_through(good);
    let (_, _) = desk.command(&["outbox", "retry", "1", "2", "3"]);
    desk.start();
    desk.agent("anna").gets("This is kept.");
}

#[test]
fn an_answer_is_not_lost_when_the_daemon_stops_before_it_is_sent() {
    let Some(desk) = Desk::new("a_stop_before_sending") else { return };
    let proxy = Proxy::to(desk.host.port("submission"));
    let mut desk = desk.smtp_through(proxy.port);
    desk.start();
    let (relay, _) = answered(&desk);
    proxy.close();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    anna.sends(&relay.reply("A second answer."));
    desk.wait_for("the answer in the case", |desk| {
        desk.case("1001")["messages"].as_array().is_some_and(|m| m.len() >= 4)
    });
    desk.stop();
    proxy.reopen();
    desk.start();
    jane.gets("A second answer.");
    desk.quiet();
    assert_eq!(jane.mailbox().iter().filter(|l| l.text().contains("A second answer.")).count(), 1);
}
