//! The main job: a customer writes, an agent answers, both hit reply.

use crate::desk::Desk;
use crate::people::{Draft, Letter};

/// Opens a case and has Anna answer it: the customer's first mail, Anna's relay, the answer.
pub fn answered(desk: &Desk) -> (Letter, Letter) {
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");
    let relay = anna.gets("It was due on Monday.");
    anna.sends(&relay.reply("It comes tomorrow."));
    let answer = jane.gets("It comes tomorrow.");
    (relay, answer)
}

#[test]
fn first_answer() {
    let Some(mut desk) = Desk::new("first_answer") else { return };
    desk.start();
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    let first = jane.writes(&desk.address(), "Where is my parcel?", "It was due on Monday.");

    let acknowledgement = jane.gets("[#1001]");
    assert_eq!(acknowledgement.field("In-Reply-To"), first);
    assert_eq!(acknowledgement.field("Auto-Submitted"), "auto-replied");
    assert!(!acknowledgement.everything().contains("due on Monday"), "a stranger's words were echoed");

    let relay = anna.gets("It was due on Monday.");
    let copy = bob.gets("It was due on Monday.");
    assert_ne!(relay.reply_to(), copy.reply_to(), "each agent has a token of their own");
    assert!(relay.text().starts_with("[ Your reply goes to Jane <jane@customer."), "{}", relay.text());

    anna.sends(
        &relay
            .reply("It comes tomorrow.\n\nAnna")
            .field("X-Mailer", "SecretMail 7.1")
            .field("User-Agent", "SecretAgent/1.0")
            .field("X-Originating-IP", "[10.11.12.13]"),
    );
    let answer = jane.gets("It comes tomorrow.");
    assert_eq!(answer.subject(), "Re: Where is my parcel?");
    assert_eq!(answer.field("In-Reply-To"), first);
    assert!(answer.field("From").ends_with(&format!("<{}>", desk.address())), "{}", answer.field("From"));
    assert!(answer.reply_to().starts_with("support+c"), "{}", answer.reply_to());
    let all = answer.everything();
    for secret in [
        &anna.address,
        "agents.",
        "Agentson",
        "SecretMail",
        "SecretAgent",
        "10.11.12.13",
        "[#1001]",
        "Your reply goes",
        "below this line",
        "Owner:",
    ] {
        assert!(!all.contains(secret), "the customer's mail holds {secret}:\n{all}");
    }

    desk.quiet();
    let case = desk.case("1001");
    assert_eq!((case["status"].as_str(), case["owner"].as_str()), (Some("waiting"), Some("anna")));
    let directions: Vec<&str> =
        case["messages"].as_array().expect("messages").iter().filter_map(|m| m["direction"].as_str()).collect();
    assert_eq!(directions, ["inbound", "outbound", "outbound"]);
    assert_eq!(case["messages"][2]["text"].as_str().map(str::trim), Some("It comes tomorrow.\n\nAnna"));
    assert_eq!(case["messages"][2]["deliveries"][0]["state"], "sent");
    assert_eq!(desk.audit()["stored"], 2);
    desk.stop();
}

#[test]
fn reply_after_a_subject_change() {
    let Some(mut desk) = Desk::new("reply_after_a_subject_change") else { return };
    desk.start();
    let (relay, answer) = answered(&desk);
    let (jane, anna, bob) = (desk.customer("Jane"), desk.agent("anna"), desk.agent("bob"));
    jane.sends(&answer.reply("Can the driver ring twice?").subject("driver"));
    let next = anna.gets("Can the driver ring twice?");
    assert_eq!(next.field("In-Reply-To"), relay.message_id(), "it threads under what Anna has");
    assert_eq!(next.reply_to(), relay.reply_to());
    assert!(next.subject().contains("[#1001] Where is my parcel?"), "{}", next.subject());
    desk.quiet();
    assert_eq!(desk.cases().len(), 1);
    assert!(!bob.mailbox().iter().any(|l| l.text().contains("ring twice")), "Bob does not own it");
    let all = next.text();
    let (new, _) = all.split_once("below this line").expect("the marker");
    assert!(!new.contains("It comes tomorrow."), "what Anna wrote is no new word:\n{new}");
}

#[test]
fn reply_with_only_the_token_upper_cased_in_bcc() {
    let Some(mut desk) = Desk::new("reply_with_only_the_token") else { return };
    desk.start();
    let (_, answer) = answered(&desk);
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let token = answer.reply_to().to_uppercase();
    jane.sends(
        &Draft::new("undisclosed-recipients:;", "again", "One more thing about the parcel.").envelope(&[&token]),
    );
    anna.gets("One more thing about the parcel.");
    assert_eq!(desk.cases().len(), 1, "{:?}", desk.cases());
}

#[test]
fn reply_with_only_references() {
    let Some(mut desk) = Desk::new("reply_with_only_references") else { return };
    desk.start();
    let (_, answer) = answered(&desk);
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    jane.sends(
        &answer
            .reply("Nothing but References.")
            .without("In-Reply-To")
            .to(&desk.address())
            .envelope(&[&desk.address()])
            .subject("hello"),
    );
    anna.gets("Nothing but References.");
    assert_eq!(desk.cases().len(), 1, "{:?}", desk.cases());
}

#[test]
fn two_mailboxes_one_mail() {
    let Some(desk) = Desk::new("two_mailboxes_one_mail") else { return };
    let mut desk = desk.with_mailbox("sales");
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let (support, sales) = (desk.address(), desk.address_of("sales"));
    jane.sends(
        &Draft::new(&format!("{support}, {sales}"), "For both", "To both of you.").envelope(&[&support, &sales]),
    );
    anna.gets("To both of you.");
    desk.wait_for("both copies", |desk| desk.audit()["stored"] == 2);
    desk.quiet();
    assert_eq!(desk.cases().len(), 1, "{:?}", desk.cases());
    let relays = anna.mailbox().iter().filter(|l| l.text().contains("To both of you.")).count();
    assert_eq!(relays, 1);
}

#[test]
fn files_and_images_travel_both_ways() {
    let Some(mut desk) = Desk::new("files_and_images") else { return };
    desk.start();
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    let mixed = "--outer\nContent-Type: multipart/related; boundary=inner\n\n--inner\nContent-Type: text/html; charset=utf-8\n\n\
                 <p>See <b>this</b> <img src=\"cid:pic@x\"></p>\n--inner\nContent-Type: image/png; name=pic.png\nContent-ID: <pic@x>\n\
                 Content-Disposition: inline; filename=pic.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--inner--\n\
                 --outer\nContent-Type: application/pdf; name=\"=?utf-8?Q?Rechnung_f=C3=BCr_Jane.pdf?=\"\nContent-Disposition: attachment\n\
                 Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--outer--\n";
    let draft = |to: &str, words: &str| {
        Draft::new(to, words, &mixed.replace("this", words))
            .field("MIME-Version", "1.0")
            .field("Content-Type", "multipart/mixed; boundary=outer")
    };
    jane.sends(&draft(&desk.address(), "broken"));
    let relay = anna.gets("broken");
    check_parts(&relay, "broken");
    let reply = draft(&relay.reply_to(), "mended")
        .subject(&format!("Re: {}", relay.subject()))
        .field("In-Reply-To", &relay.message_id())
        .field("References", &relay.message_id());
    anna.sends(&reply);
    let answer = jane.gets("mended");
    check_parts(&answer, "mended");
    let case = desk.case("1001");
    assert_eq!(case["messages"][0]["attachments"][1]["name"], "Rechnung für Jane.pdf");
}

fn check_parts(letter: &Letter, words: &str) {
    use mail_parser::MimeHeaders;
    let message = letter.parsed();
    assert!(letter.html().contains(&format!("<b>{words}</b>")), "{}", letter.html());
    let find = |name: &str| {
        message
            .parts
            .iter()
            .find(|p| p.attachment_name() == Some(name))
            .unwrap_or_else(|| panic!("{name} is missing:\n{}", String::from_utf8_lossy(&letter.raw)))
    };
    assert_eq!(find("Rechnung für Jane.pdf").contents(), b"%PDF-1.4\n");
    let image = find("pic.png");
    assert_eq!(image.contents(), b"\x89PNG\r\n\x1a\n");
    let id = image.content_id().expect("a Content-ID");
    assert!(letter.html().contains(&format!("cid:{id}")), "{}", letter.html());
}

#[test]
fn commands_in_an_agents_mail() {
    let Some(mut desk) = Desk::new("commands_in_an_agents_mail") else { return };
    desk.start();
    let (relay, _) = answered(&desk);
    let (jane, anna) = (desk.customer("Jane"), desk.agent("anna"));
    anna.sends(&relay.reply("#note\nShe rang me as well."));
    desk.wait_for("the note", |desk| {
        desk.case("1001")["messages"].as_array().is_some_and(|m| m.iter().any(|m| m["direction"] == "note"))
    });
    anna.sends(&relay.reply("#refund\nYour money is on its way."));
    let returned = anna.gets("#refund");
    assert!(returned.text().contains("Your money is on its way."), "their own words come back:\n{}", returned.text());
    anna.sends(&relay.reply("#close\nAll done, goodbye."));
    jane.gets("All done, goodbye.");
    desk.quiet();
    assert_eq!(desk.case("1001")["status"], "closed");
    let all: String = jane.mailbox().iter().map(Letter::everything).collect();
    for secret in ["She rang me", "#note", "Your money", "#close", "#refund"] {
        assert!(!all.contains(secret), "the customer got {secret}");
    }
}

#[test]
fn nobody_else_can_answer_with_an_agents_token() {
    let Some(mut desk) = Desk::new("an_agents_token") else { return };
    desk.start();
    let (relay, _) = answered(&desk);
    let (jane, mallory) = (desk.customer("Jane"), desk.customer("Mallory"));
    mallory.sends(&relay.reply("Send the parcel to me instead."));
    desk.wait_for("Mallory's mail", |desk| desk.audit()["stored"] == 3);
    desk.quiet();
    assert!(!jane.mailbox().iter().any(|l| l.text().contains("to me instead")), "a stranger spoke for Anna");
}

#[test]
fn no_agent_is_configured_yet() {
    let Some(desk) = Desk::new("no_agent_is_configured_yet") else { return };
    let mut desk = desk.without_agents();
    desk.start();
    desk.customer("Jane").writes(&desk.address(), "Anybody there?", "Hello?");
    desk.wait_for("a case", |desk| desk.cases().len() == 1);
    desk.stop();
    desk.with_agent("carol");
    desk.start();
    desk.agent("carol").gets("Hello?");
}
