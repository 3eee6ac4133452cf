//! Who is speaking, through real servers. Postfix here is `mx.shop.example`: what stands at the top of a mail that is
//! handed to it lies directly below its Received line, as a milter of its own would write it.

use crate::desk::Desk;
use crate::people::{Draft, Letter, Person};

const TRUST: &str = "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\nrequire_auth = \"agents\"\n";

/// A mail with trace fields above it.
fn stamped(person: &Person, trace: &str, draft: &Draft) {
    let mail = draft.bytes(&person.from(), &format!("{}@x.example", crate::people::unique()));
    let recipients: Vec<&str> = draft.envelope.iter().map(String::as_str).collect();
    person.sends_raw(&format!("{trace}{mail}"), &recipients);
}

fn verdict(person: &Person, dmarc: &str) -> String {
    let domain = person.address.split('@').nth(1).expect("a domain");
    format!("Authentication-Results: mx.shop.example;\r\n\tdmarc={dmarc} header.from={domain}\r\n")
}

fn passes(person: &Person, draft: &Draft) {
    stamped(person, &verdict(person, "pass"), draft);
}

/// Jane's case and Anna's relay of it.
fn opened(desk: &Desk) -> (Person, Person, Letter) {
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    passes(&jane, &Draft::new(&desk.address(), "Where is my parcel?", "It was due on Monday."));
    let relay = anna.gets("It was due on Monday.");
    jane.gets("#1001");
    (jane, anna, relay)
}

/// Nothing but what they had lies in a mailbox.
fn got_nothing(desk: &Desk, person: &Person, before: usize) {
    desk.quiet();
    let subjects: Vec<String> = person.mailbox().iter().map(Letter::subject).collect();
    assert_eq!(subjects.len(), before, "{}: {subjects:?}", person.address);
}

#[test]
fn one_way_to_answer_reaches_the_customer_and_the_others_come_back() {
    let Some(desk) = Desk::new("one_way_to_answer") else { return };
    let mut desk = desk.with(TRUST);
    desk.start();
    let (jane, anna, relay) = opened(&desk);
    let eve = desk.customer("Eve");
    let before = jane.mailbox().len();
    let forged = format!("Received: from evil by relay.elsewhere.example\r\n{}", verdict(&anna, "pass"));
    for (trace, words) in
        [(String::new(), "No verdict."), (verdict(&anna, "fail"), "A failure."), (forged, "A forgery.")]
    {
        stamped(&anna, &trace, &relay.reply(words));
        let told = anna.receives(|l| l.text().contains("Nothing was sent") && l.text().contains(words));
        assert!(told.text().contains("authentication"), "{}", told.text());
    }
    passes(&eve, &relay.reply("From Eve."));
    anna.receives(|l| l.text().contains("Nothing was sent") && l.text().contains("From Eve."));
    got_nothing(&desk, &jane, before);
    got_nothing(&desk, &eve, 0);
    passes(&anna, &relay.reply("It comes tomorrow."));
    jane.gets("It comes tomorrow.");
    desk.without_agent("anna");
    desk.stop();
    desk.start();
    passes(&anna, &relay.reply("I work there no more."));
    desk.agent("bob").gets("I work there no more.");
    got_nothing(&desk, &jane, before + 1);
    desk.audit();
    desk.stop();
}

#[test]
fn reply_all_among_colleagues_stays_inside() {
    let Some(desk) = Desk::new("reply_all_among_colleagues") else { return };
    let mut desk = desk.with(TRUST);
    desk.start();
    let (jane, anna, relay) = opened(&desk);
    let bob = desk.agent("bob");
    let before = jane.mailbox().len();
    let token = relay.reply_to();
    let ask = relay.reply("Bob, what shall we tell her?").to(&bob.address).field("Cc", &token);
    passes(&anna, &ask.envelope(&[&bob.address]));
    let asked = bob.gets("what shall we tell her?");
    let answer = asked.reply("It is lost, say nothing.").to(&anna.address).field("Cc", &token);
    passes(&bob, &answer.envelope(&[&anna.address, &token]));
    let told = anna.receives(|l| l.field("From").contains(&bob.address) && l.text().contains("It is lost"));
    let back = told.reply("She will be angry.").to(&bob.address).field("Cc", &token);
    passes(&anna, &back.envelope(&[&bob.address, &token]));
    anna.gets("Kept as a note");
    got_nothing(&desk, &jane, before);
    let case = desk.case("1001");
    let notes = case["messages"].as_array().expect("messages").iter().filter(|m| m["direction"] == "note").count();
    assert_eq!(notes, 2, "{case}");
    desk.stop();
}

#[test]
fn an_unverified_author_is_settled_with_one_word() {
    let Some(mut desk) = Desk::new("an_unverified_author") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let max = Person::new(&desk.host, "Max", &format!("max@home.{}", desk.domain));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    anna.sends(&relay.reply("It comes tomorrow."));
    let answer = jane.gets("It comes tomorrow.");
    max.sends(&answer.reply("I write for Jane now."));
    let relay = anna.gets("I write for Jane now.");
    assert!(relay.text().starts_with("[ Your reply is held"), "{}", relay.text());
    anna.sends(&relay.reply("Good, Max."));
    let told = anna.gets("Nothing was sent");
    got_nothing(&desk, &max, 0);
    anna.sends(&told.reply("#replace"));
    let letter = max.gets("Good, Max.");
    assert!(!letter.everything().contains(&jane.address), "{letter:?}");
    desk.quiet();
    let case = desk.case("1001");
    assert_eq!(case["customer"].as_str(), Some(max.address.as_str()));
    let standings: Vec<&str> =
        case["messages"].as_array().expect("messages").iter().filter_map(|m| m["standing"].as_str()).collect();
    assert_eq!(standings, ["stranger", "system", "agent", "party", "agent", "agent"], "{case}");
    let (_, text) = desk.command(&["case", "show", "1001"]);
    assert!(text.contains("replaced by anna (R33)"), "{text}");
    max.sends(&letter.reply("Thank you."));
    assert!(anna.gets("Thank you.").text().starts_with("[ Your reply goes to Max"));
    desk.stop();
}

#[test]
fn an_operator_welcomes_an_agent_and_revokes_reply_addresses() {
    let Some(desk) = Desk::new("an_operator_welcomes") else { return };
    let mut desk = desk.with("[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\n");
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let link = |desk: &Desk| {
        let findings = desk.json(&["check"]);
        let found = findings.as_array().expect("findings").iter().find(|f| f["key"] == "agent.anna").cloned();
        found.map(|f| f["message"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    assert!(link(&desk).contains("yesreply agent welcome anna"), "{}", link(&desk));
    let (code, text) = desk.command(&["agent", "welcome", "anna"]);
    assert_eq!(code, 0, "{text}");
    let welcome = anna.gets("Please reply to this mail once");
    assert!(link(&desk).contains("have not answered"), "{}", link(&desk));
    anna.sends(&welcome.reply("Hello."));
    anna.gets("nothing proves that it is yours");
    assert!(link(&desk).contains("no Authentication-Results of mx.shop.example"), "{}", link(&desk));
    passes(&anna, &welcome.reply("Hello."));
    anna.gets("Your mail passes");
    assert_eq!(link(&desk), "");
    assert_eq!(desk.command(&["agent", "welcome", "nobody"]).0, 65);

    passes(&jane, &Draft::new(&desk.address(), "Where is my parcel?", "It was due on Monday."));
    let relay = anna.gets("It was due on Monday.");
    anna.sends(&relay.reply("Without a verdict."));
    anna.gets("did not pass");
    let (code, text) = desk.command(&["case", "rotate-token", "1001"]);
    assert_eq!(code, 0, "{text}");
    let fresh = anna.gets("the reply addresses of this case were renewed");
    passes(&anna, &relay.reply("On the old address."));
    anna.gets("does not hold any more");
    passes(&anna, &fresh.reply("It comes tomorrow."));
    jane.gets("It comes tomorrow.");
    assert_eq!(desk.cases().len(), 1);
    assert_eq!(desk.command(&["case", "rotate-token", "4711"]).0, 65);
    desk.stop();
}
