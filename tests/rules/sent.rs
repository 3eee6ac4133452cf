//! R49: answers that people wrote from the mailbox itself, found in its folder for sent mail.

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";
const SUPPORT: &str = "Shop Support <support@shop.example>";

fn bytes(from: &str, draft: &Draft) -> Vec<u8> {
    draft.bytes(from, &format!("{}@client.example", unique())).into_bytes()
}

/// What a client makes of the reply button, beside a mail of Jane's in the shared mailbox.
fn reply(to: &str, parent: &str, words: &str) -> Draft {
    let text = format!("{words}\n\nOn Monday Jane Doe wrote:\n> Where is it?\n");
    Draft::new(to, "Re: Parcel", &text).field("In-Reply-To", parent).field("References", parent)
}

async fn asked(desk: &mut Desk) -> String {
    let id = desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    desk.sends().await;
    id
}

async fn ended(desk: &Desk, end: &str) -> i64 {
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, sums.iter().map(|s| s.count).sum::<i64>(), "{sums:?}");
    sums.iter().filter(|s| format!("{} {}", s.outcome, s.rule) == end).map(|s| s.count).sum()
}

#[tokio::test]
async fn r49_an_answer_from_the_mailbox_is_the_desks_and_what_answers_it_finds_the_case() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    let raw = bytes(SUPPORT, &reply(JANE, &parent, "It comes tomorrow.").field("Message-ID", "<mine@client.example>"));
    desk.is_sent(&raw).await;
    let told = desk.sends().await;
    assert_eq!(told.len(), 2, "agents alone hear of it");
    for agent in ["anna@agents.example", "bob@agents.example"] {
        assert!(one_to(&told, agent).text().contains("Case #1001 was answered from the mailbox itself."));
    }
    desk.is_sent(&bytes(SUPPORT, &reply(JANE, &parent, "In the afternoon."))).await;
    assert!(desk.sends().await.is_empty(), "once");
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), &case.listed.case.owner), ("waiting", &None));
    let (_, entry) = &case.entries[2];
    assert_eq!(
        (entry.direction.word(), entry.standing.word(), entry.author.as_str()),
        ("outbound", "agent", "support")
    );
    assert_eq!(
        (entry.text.trim(), entry.to.as_slice()),
        ("It comes tomorrow.", ["jane@customer.example".to_owned()].as_slice())
    );
    assert_eq!(ended(&desk, "handled R49").await, 2);

    let thanks = reply("support@shop.example", "<mine@client.example>", "Thank you!").subject("Parcel, again");
    desk.gets(JANE, &thanks).await;
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), case.entries.len()), ("open", 5));
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    assert!(relay.text().contains("It comes tomorrow."), "agents see what was said: {}", relay.text());
}

#[tokio::test]
async fn r49_the_first_to_answer_owns_the_case_where_from_says_who_that_was() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    desk.is_sent(&bytes(ANNA, &reply(JANE, &parent, "It comes tomorrow."))).await;
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), case.listed.case.owner.as_deref()), ("waiting", Some("anna")));
    assert_eq!(case.entries[2].1.author_name, "Anna");
    let told = desk.sends().await;
    assert!(to(&told, "anna@agents.example").is_empty());
    assert!(one_to(&told, "bob@agents.example").text().contains("Anna took case #1001."));
    let bob = reply(JANE, &parent, "I looked too.");
    desk.is_sent(&bytes("Bob <bob@agents.example>", &bob)).await;
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("anna"), "the second owns nothing");
}

#[tokio::test]
async fn r49_copies_of_what_the_desk_sent_are_no_answers() {
    let mut desk = Desk::new().await;
    let parent = desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    assert_eq!(answer.field("In-Reply-To"), parent);
    let text = String::from_utf8_lossy(&answer.raw).into_owned();
    desk.is_sent(text.as_bytes()).await;
    assert_eq!(ended(&desk, "ignored R22").await, 1, "by its Message-ID");

    // relays that give it another one
    let renamed = text.replace(&answer.message_id(), "<0100019-000000@relay.example>");
    desk.is_sent(renamed.as_bytes()).await;
    assert_eq!(ended(&desk, "ignored R49").await, 1, "by its Reply-To");
    let plain: String = renamed.split_inclusive("\r\n").filter(|l| !l.starts_with("Reply-To:")).collect();
    assert_ne!(plain, renamed);
    desk.is_sent(plain.replace("0100019-000000", "0100019-000001").as_bytes()).await;
    assert_eq!(ended(&desk, "ignored R49").await, 2, "by what it says");
    assert_eq!(desk.case().await.entries.len(), 3);
}

#[tokio::test]
async fn r49_everything_else_that_people_send_is_theirs_and_is_counted() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    let others = [
        (SUPPORT, Draft::new("boss@agents.example", "Figures", "Here they are.")),
        (SUPPORT, reply("courier@parcels.example", &parent, "Where did you leave it?")),
        (SUPPORT, reply(JANE, "<unknown@customer.example>", "About another thing.")),
        (SUPPORT, Draft::new(JANE, "News", "A new mail to somebody whom we know.")),
        (SUPPORT, reply(JANE, &parent, "I am away.").field("Auto-Submitted", "auto-replied")),
        (JANE, reply("max@customer.example", &parent, "Somebody put my mail there.")),
        ("Max <max@customer.example>", reply(JANE, &parent, "And this one.")),
        ("a@shop.example, Anna <anna@agents.example>", reply(JANE, &parent, "Two authors.")),
    ];
    for (number, (from, draft)) in others.iter().enumerate() {
        desk.is_sent(&bytes(from, draft)).await;
        assert_eq!(ended(&desk, "ignored R49").await, i64::try_from(number).expect("a number") + 1, "{draft:?}");
    }
    assert!(desk.sends().await.is_empty());
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), case.entries.len()), ("new", 2));
}

#[tokio::test]
async fn r49_the_same_answer_is_found_once_and_its_other_copies_are_copies() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    let raw = bytes(SUPPORT, &reply(JANE, &parent, "It comes tomorrow."));
    desk.is_sent(&raw).await;
    desk.is_sent(&raw).await;
    assert_eq!(ended(&desk, "duplicate R13").await, 1, "the folder was numbered anew");
    desk.arrives("support", &raw).await;
    assert_eq!(ended(&desk, "duplicate R13").await, 2, "its author gets a copy of what they send");
    assert_eq!(desk.case().await.entries.len(), 3);
}

#[tokio::test]
async fn r49_what_people_send_to_the_desk_itself_still_arrives() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    // Anna's client files her mail in the shared mailbox
    let raw = bytes(ANNA, &relay.reply("It comes tomorrow."));
    desk.is_sent(&raw).await;
    desk.arrives("support", &raw).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "jane@customer.example").text().contains("It comes tomorrow."));
    let raw = bytes(SUPPORT, &Draft::new("sales@shop.example", "A lead", "Look at this."));
    desk.is_sent(&raw).await;
    desk.arrives("sales", &raw).await;
    assert_eq!(desk.cases().await.len(), 2, "the other mailbox gets it");
}

#[tokio::test]
async fn r49_who_wrote_again_before_the_answer_was_written_still_waits() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    let before = "Mon, 25 Nov 2024 08:00:00 +0000";
    desk.gets(JANE, &reply("support@shop.example", &parent, "And where is the other one?")).await;
    desk.is_sent(&bytes(SUPPORT, &reply(JANE, &parent, "It comes tomorrow.").field("Date", before))).await;
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), case.entries.len()), ("open", 4), "her second mail has no answer yet");
    desk.is_sent(&bytes(SUPPORT, &reply(JANE, &parent, "Both come tomorrow."))).await;
    assert_eq!(desk.case().await.listed.case.status.word(), "waiting", "this one was written after it");
}

#[tokio::test]
async fn r49_an_answer_goes_to_the_case_that_took_the_merged_one() {
    let mut desk = Desk::new().await;
    let draft = Draft::new("support@shop.example", "Parcel", "Where is it?");
    desk.gets(JANE, &draft).await;
    let acknowledgement = one_to(&desk.sends().await, "jane@customer.example").clone();
    // the same mail came without a token first (R13)
    let raw = bytes(
        JANE,
        &Draft::new("support@shop.example", "Parcel", "It is blue.").field("Message-ID", "<two@customer.example>"),
    );
    desk.arrives("support", &raw).await;
    let tokened = String::from_utf8_lossy(&raw)
        .replace("From: Jane", &format!("Delivered-To: {}\r\nFrom: Jane", acknowledgement.reply_to()));
    desk.arrives("support", tokened.as_bytes()).await;
    desk.sends().await;
    assert_eq!(desk.cases().await[1].listed.case.status.word(), "closed", "merged");
    desk.is_sent(&bytes(SUPPORT, &reply(JANE, "<two@customer.example>", "Found it."))).await;
    let cases = desk.cases().await;
    assert_eq!(cases[0].listed.case.status.word(), "waiting");
    assert!(cases[0].entries.iter().any(|(_, e)| e.text.trim() == "Found it."));
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
}

#[tokio::test]
async fn r49_what_was_put_aside_is_replayed_as_what_it_was() {
    let mut desk = Desk::new().await;
    let parent = asked(&mut desk).await;
    desk.is_sent_short(&bytes(SUPPORT, &reply(JANE, &parent, "It comes tomorrow."))).await;
    let rows = desk.flow.store().quarantined().await.expect("the quarantine");
    desk.flow.replay(rows[0].id).await.expect("replay").expect("a mail");
    let case = desk.case().await;
    assert_eq!((case.listed.case.status.word(), case.entries.len()), ("waiting", 3));
}

#[tokio::test]
async fn r49_an_agents_answer_that_had_not_seen_it_is_held() {
    let mut desk = Desk::new().await;
    let parent = desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.is_sent(&bytes(SUPPORT, &reply(JANE, &parent, "It comes tomorrow."))).await;
    desk.sends().await;
    desk.gets(ANNA, &relay.reply("It comes on Friday.")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "she has her answer");
    let returned = one_to(&sent, "anna@agents.example").text();
    assert!(
        returned.contains("Shop Support answered meanwhile") && returned.contains("It comes tomorrow."),
        "{returned}"
    );
}
