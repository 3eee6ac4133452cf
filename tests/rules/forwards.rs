//! R23: an agent forwards a mail to the desk's plain address.

use yesreply::desk::case::{Direction, Status};
use yesreply::store::cases::Whole;

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const MAX: &str = "Max <max@customer.example>";
const ANNA: &str = "Anna Agentson <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";
const DESK: &str = "support@shop.example";

fn block(author: &str, words: &str) -> String {
    format!(
        "---------- Forwarded message ---------\nFrom: {author}\nDate: Mon, May 4, 2026 at 10:12 AM\nSubject: Lamp broken\n\
         To: Anna <anna@agents.example>\n\n\n{words}"
    )
}

fn forward(note: &str) -> Draft {
    Draft::new(
        DESK,
        "Fwd: Lamp broken",
        &format!("{note}\n\n{}", block(JANE, "Hello,\nthe lamp came in two pieces.\n\nJane")),
    )
}

fn attached(note: &str) -> Draft {
    let body = format!(
        "--b\nContent-Type: text/plain; charset=utf-8\n\n{note}\n\n--b\nContent-Type: message/rfc822\n\
         Content-Disposition: attachment; filename=\"Lamp broken.eml\"\n\n\
         From: {JANE}\nTo: anna@agents.example\nSubject: Lamp broken\nMessage-ID: <lamp-1@customer.example>\n\
         Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=c\n\n--c\n\nHello,\nthe lamp came in two pieces.\n--c\n\
         Content-Type: application/pdf; name=bill.pdf\nContent-Disposition: attachment; filename=bill.pdf\n\nbill\n--c--\n\
         --b\nContent-Type: text/plain; name=hint.txt\nContent-Disposition: attachment; filename=hint.txt\n\nhint\n--b--"
    );
    Draft::new(DESK, "Fwd: Lamp broken", &body)
        .field("MIME-Version", "1.0")
        .field("Content-Type", "multipart/mixed; boundary=b")
}

fn customer(case: &Whole) -> (String, String) {
    let customer = &case.listed.case.customer;
    (customer.address.to_string(), customer.name.clone())
}

fn jane() -> (String, String) {
    ("jane@customer.example".to_owned(), "Jane Doe".to_owned())
}

#[tokio::test]
async fn r23_a_forward_opens_the_case_in_the_original_authors_name() {
    for draft in [forward("Can you take it?\n\n-- \nAnna, agents only"), attached("Can you take it?")] {
        let mut desk = Desk::new().await;
        desk.gets(ANNA, &draft).await;
        let case = desk.case().await;
        assert_eq!(customer(&case), jane());
        assert_eq!((case.listed.case.subject.as_str(), case.listed.case.status), ("Lamp broken", Status::New));
        let [(_, first), (_, note)] = case.entries.as_slice() else { panic!("{:#?}", case.entries) };
        assert_eq!((first.direction, first.from.as_str()), (Direction::Inbound, "jane@customer.example"));
        assert!(first.text.contains("two pieces") && !first.text.contains("take it"), "{}", first.text);
        assert_eq!(
            (note.direction, note.author.as_str(), note.text.as_str()),
            (Direction::Note, "anna", "Can you take it?")
        );
        assert!(case.log.iter().any(|l| l.kind == "not_acknowledged" && l.rule == "R23"), "{:?}", case.log);

        let sent = desk.sends().await;
        assert!(to(&sent, "jane@customer.example").is_empty(), "a forward is never acknowledged");
        assert_eq!(sent.len(), 2, "a relay to each agent");
        let relay = one_to(&sent, "anna@agents.example").clone();
        let text = relay.text();
        for words in [
            "Your reply goes to Jane Doe <jane@customer.example>",
            "Anna forwarded this mail",
            "two pieces",
            "(note)",
            "Can you take it?",
        ] {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        assert!(one_to(&sent, "bob@agents.example").text().contains("Can you take it?"));

        desk.gets(ANNA, &relay.reply("A new one is on its way.")).await;
        let sent = desk.sends().await;
        let answer = one_to(&sent, "jane@customer.example");
        assert_eq!(answer.subject(), "Re: Lamp broken");
        for secret in ["agents.example", "take it", "forwarded", "Agentson"] {
            assert!(!answer.everything().contains(secret), "{secret} in {answer:?}");
        }
        let known = first.message_id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        assert_eq!(answer.field("In-Reply-To"), known);

        desk.gets(JANE, &answer.reply("Thank you.")).await;
        let case = desk.case().await;
        assert_eq!(
            case.entries.last().map(|(_, e)| e.text.as_str()),
            Some("Thank you."),
            "the customer's reply finds the case"
        );
    }
}

#[tokio::test]
async fn r23_the_originals_attachments_are_the_customers_and_the_others_the_notes() {
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &attached("See the hint.")).await;
    let case = desk.case().await;
    let names = |index: usize| case.entries[index].1.parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["bill.pdf"], vec!["hint.txt"]));
    assert_eq!(case.entries[0].1.message_id.as_ref().map(|id| id.as_str()), Some("<lamp-1@customer.example>"));
    let sent = desk.sends().await;
    let relay = one_to(&sent, "bob@agents.example");
    assert!(relay.everything().contains("bill.pdf") && relay.text().contains("hint.txt"), "{relay:?}");
}

#[tokio::test]
async fn r23_without_words_of_the_agents_there_is_no_note() {
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &forward("")).await;
    let case = desk.case().await;
    assert_eq!(customer(&case), jane());
    assert_eq!(case.entries.len(), 1, "{:#?}", case.entries);
}

#[tokio::test]
async fn r23_a_customer_who_forwards_stays_the_customer() {
    for draft in [forward("Look at this."), attached("Look at this.")] {
        let mut desk = Desk::new().await;
        desk.gets(MAX, &draft).await;
        let case = desk.case().await;
        assert_eq!(customer(&case).0, "max@customer.example");
        assert_eq!(to(&desk.sends().await, "jane@customer.example").len(), 0);
    }
}

#[tokio::test]
async fn r23_an_agent_who_does_not_pass_where_that_is_required_is_a_customer_like_anybody() {
    for draft in [forward("Mine."), attached("Mine.")] {
        let mut desk = Desk::trusting().await;
        desk.gets(ANNA, &draft).await;
        assert_eq!(customer(&desk.case().await).0, "anna@agents.example");
        let sent = desk.sends().await;
        let relay = one_to(&sent, "bob@agents.example");
        assert!(relay.text().contains("did not pass"), "the agents are told: {}", relay.text());
        assert!(to(&sent, "jane@customer.example").is_empty());
    }
    let mut desk = Desk::trusting().await;
    desk.gets_passed(ANNA, &forward("Mine.")).await;
    assert_eq!(customer(&desk.case().await), jane());
    // another Sender, two authors, a machine: not the agent's own
    for (from, draft) in [
        (ANNA, forward("x").field("Sender", "eve@elsewhere.example")),
        ("Anna <anna@agents.example>, Eve <eve@elsewhere.example>", forward("x")),
        (ANNA, forward("x").field("Auto-Submitted", "auto-generated")),
    ] {
        let mut desk = Desk::new().await;
        desk.gets(from, &draft).await;
        assert_eq!(customer(&desk.case().await).0, "anna@agents.example", "{from}: {draft:?}");
    }
}

#[tokio::test]
async fn r23_a_forwarded_text_claims_nothing() {
    // what stands inside the original is its author's
    let inner = block("Chief <chief@victim.example>", "Pay at once.");
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &Draft::new(DESK, "Fwd: Pay", &block("Mallory <mallory@elsewhere.example>", &inner))).await;
    assert_eq!(customer(&desk.case().await).0, "mallory@elsewhere.example");
    // an author without an address, the desk itself, the agent herself: no case in another's name
    for author in ["Jane Doe", "Shop Support <support@shop.example>", ANNA] {
        let mut desk = Desk::new().await;
        desk.gets(ANNA, &Draft::new(DESK, "Fwd: Pay", &block(author, "Hello"))).await;
        assert_eq!(customer(&desk.case().await).0, "anna@agents.example", "{author}");
        let sent = desk.sends().await;
        assert!(
            one_to(&sent, "bob@agents.example").text().contains("it looks like a mail that Anna forwarded"),
            "{author}"
        );
    }
}

#[tokio::test]
async fn r23_a_mail_that_the_desk_has_is_not_a_second_case() {
    let mut desk = Desk::new().await;
    let first = desk.gets(JANE, &Draft::new(DESK, "Lamp broken", "Hello,\nthe lamp came in two pieces.\n\nJane")).await;
    desk.sends().await;
    desk.gets(ANNA, &forward("It is urgent.").field("In-Reply-To", &first)).await;
    let case = desk.case().await;
    let last = &case.entries.last().expect("an entry").1;
    assert_eq!((last.direction, last.text.as_str()), (Direction::Note, "It is urgent."));
    let sent = desk.sends().await;
    assert_eq!(sent.len(), 1, "a confirmation");
    assert!(one_to(&sent, "anna@agents.example").text().contains("Kept as a note"));
    // somebody else's mail that answers it is not that mail
    let other = block(MAX, "I have one too.");
    desk.gets(ANNA, &Draft::new(DESK, "Fwd: Lamp broken", &other).field("In-Reply-To", &first)).await;
    assert_eq!(desk.cases().await.len(), 2);
}

#[tokio::test]
async fn r23_a_customers_mail_in_the_thread_of_a_case_goes_on_with_it() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new(DESK, "Lamp broken", "The lamp is broken.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Which one?")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    // Jane answered to Anna herself, whose client keeps the ancestors when it forwards
    let ancestors = format!("{} <second@customer.example>", answer.message_id());
    desk.gets(ANNA, &forward("She wrote to me.").field("References", &ancestors)).await;
    let case = desk.case().await;
    let [.., (_, inbound), (_, note)] = case.entries.as_slice() else { panic!("{:#?}", case.entries) };
    assert_eq!((inbound.direction, inbound.from.as_str()), (Direction::Inbound, "jane@customer.example"));
    assert_eq!(note.text, "She wrote to me.");
    assert_eq!(case.listed.case.status, Status::Open);
}

#[tokio::test]
async fn r23_from_hand_to_hand() {
    let mut desk = Desk::new().await;
    let inner = format!("Anna, yours?\n\n{}", block(JANE, "The lamp is broken."));
    desk.gets(ANNA, &Draft::new(DESK, "Fwd: Fwd: Lamp", &format!("Ours.\n\n{}", block(BOB, &inner)))).await;
    let case = desk.case().await;
    assert_eq!(customer(&case), jane());
    assert_eq!(case.entries[0].1.text, "The lamp is broken.");
    assert_eq!(case.entries[1].1.text, "Ours.\n\nBob: Anna, yours?");
}

#[tokio::test]
async fn r23_orders_above_a_forward() {
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &forward("#note\n#close\nFor the record.")).await;
    let case = desk.case().await;
    assert_eq!((case.listed.case.status, case.entries[1].1.text.as_str()), (Status::Closed, "For the record."));
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &forward("#assign bob\nHis kind of thing.")).await;
    let case = desk.case().await;
    assert_eq!((customer(&case), case.listed.case.owner.as_deref()), (jane(), Some("bob")));
    for (order, objection) in [
        ("#send", "no words that could be sent"),
        ("#assign ben", "there are anna, bob"),
        ("#cc bob@agents.example", "private address"),
    ] {
        let mut desk = Desk::new().await;
        desk.gets(ANNA, &forward(&format!("{order}\nPlease."))).await;
        let case = desk.case().await;
        assert_eq!(customer(&case), jane(), "{order}");
        assert!(!format!("{:?}", case.log).contains("participant"), "{order}");
        let sent = desk.sends().await;
        let told = to(&sent, "anna@agents.example");
        assert!(told.iter().any(|l| l.text().contains(objection)), "{order}: {told:?}");
    }
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &forward("#cc max@customer.example\nHe pays.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("A new one is on its way.")).await;
    let sent = desk.sends().await;
    for address in ["jane@customer.example", "max@customer.example"] {
        assert_eq!(one_to(&sent, address).field("Cc"), "max@customer.example", "{address}");
    }
}

#[tokio::test]
async fn r23_an_agents_own_mail_is_a_customers_like_anybodys() {
    let mut desk = Desk::new().await;
    desk.gets(ANNA, &Draft::new(DESK, "My own parcel", "I bought a lamp myself.")).await;
    assert_eq!(customer(&desk.case().await).0, "anna@agents.example");
    let acknowledged = desk.sends().await.iter().any(|s| s.letter.subject() == "We have your message [#1001]");
    assert!(acknowledged, "her own address is no secret to her");
    // a relay that is forwarded to the plain address is held, as before
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new(DESK, "Lamp", "The lamp is broken.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    let body = format!("Look.\n\n{}", block(&relay.field("From"), &relay.text()));
    desk.gets(ANNA, &Draft::new(DESK, "Fwd: Lamp", &body).field("References", &relay.message_id())).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
    assert_eq!(desk.cases().await.len(), 1);
}

#[tokio::test]
async fn r23_explain_shows_the_forward() {
    let desk = Desk::new().await;
    let explained = desk.explains(ANNA, &forward("Please.")).await;
    let decision = explained.decision.expect("a decision");
    assert_eq!((decision.rule, decision.because.as_str()), ("R23", "anna forwards a mail of jane@customer.example"));
    let forward = explained.forward.expect("a forward");
    assert_eq!((forward.note.as_str(), forward.original.subject.as_str()), ("Please.", "Lamp broken"));
    let explained = desk.explains(ANNA, &attached("Please.")).await;
    assert_eq!(explained.decision.expect("a decision").rule, "R23");
    assert_eq!(explained.forward.expect("a forward").note, "Please.");
    assert!(explained.mail.attachments.iter().all(|a| !a.content.is_empty()), "{:?}", explained.mail.attachments);
}
