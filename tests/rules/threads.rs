//! The table of threads, as people's clients see them.

use crate::desk::{Desk, one_to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

fn ids(field: &str) -> Vec<String> {
    field.split_whitespace().map(str::to_owned).collect()
}

fn octets(index: &str) -> Vec<u8> {
    data_encoding::BASE64.decode(index.as_bytes()).expect("base64")
}

#[tokio::test]
async fn threads_on_both_sides() {
    let mut desk = Desk::new().await;
    let question = Draft::new("support@shop.example", "AW: Re: [EXT] Parcel", "Where is it?")
        .field("References", "<older@customer.example> <old@customer.example>")
        .field("In-Reply-To", "<old@customer.example>")
        .field("Thread-Topic", "Parcel")
        .field("Thread-Index", "AQHaBcDeFgHiJkLmNoPqRsTuVwXyZw==");
    let first = desk.gets(JANE, &question).await;
    let sent = desk.sends().await;

    let ack = one_to(&sent, "jane@customer.example");
    assert_eq!(ack.field("In-Reply-To"), first);
    assert!(ack.subject().contains("[#1001]") && ack.field("Thread-Index").is_empty(), "the constant one");
    assert_eq!(ack.field("Thread-Topic"), "");
    let stable = ack.field("X-Yesreply-Case");
    assert_eq!(
        ids(&ack.field("References")),
        [stable.as_str(), "<older@customer.example>", "<old@customer.example>", first.as_str()]
    );

    let relay = one_to(&sent, "anna@agents.example").clone();
    assert_eq!(relay.subject(), "[#1001] [EXT] Parcel");
    assert_eq!(relay.field("In-Reply-To"), "");
    assert_eq!(relay.field("Thread-Topic"), relay.subject());
    let agents_stable = relay.field("X-Yesreply-Case");
    assert_eq!(ids(&relay.field("References")), std::slice::from_ref(&agents_stable));

    desk.gets(ANNA, &relay.reply("Tomorrow.").subject("Re: something else")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    assert_eq!(answer.subject(), "Re: [EXT] Parcel", "one Re:, foreign tags kept");
    assert_eq!(answer.field("In-Reply-To"), first);
    assert_eq!(ids(&answer.field("References")).first(), Some(&stable));
    assert_eq!(ids(&answer.field("References")).last(), Some(&first));
    assert_eq!(answer.field("Thread-Topic"), "Parcel");
    assert!(answer.field("Thread-Index").len() > "AQHaBcDeFgHiJkLmNoPqRsTuVwXyZw==".len(), "theirs and a child block");

    let reply = answer.reply("Thanks.").subject("a new subject");
    desk.gets(JANE, &reply).await;
    let sent = desk.sends().await;
    let next = one_to(&sent, "anna@agents.example");
    assert_eq!(next.subject(), "Re: [#1001] [EXT] Parcel", "constant, even if the customer changes it");
    assert!(next.text().contains("a new subject"), "shown inside");
    assert_eq!(next.field("In-Reply-To"), relay.message_id());
    let references = ids(&next.field("References"));
    assert_eq!((references.first(), references.last()), (Some(&agents_stable), Some(&relay.message_id())));
    assert!(next.field("Thread-Index").starts_with(&relay.field("Thread-Index")[..20]));
}

#[tokio::test]
async fn threads_an_acknowledgement_with_their_words_stands_in_their_topic() {
    let index = "AQHaBcDeFgHiJkLmNoPqRsTuVwXyZw==";
    let mut desk = Desk::trusting().await;
    let question = Draft::new("support@shop.example", "Re: Parcel", "Where is it?")
        .field("Thread-Topic", "Parcel")
        .field("Thread-Index", index);
    desk.gets_passed(JANE, &question).await;
    let sent = desk.sends().await;
    let echo = one_to(&sent, "jane@customer.example");
    assert!(echo.text().contains("> Where is it?"), "{}", echo.text());
    assert_eq!(echo.field("Thread-Topic"), "Parcel");
    let (theirs, ours) = (octets(index), octets(&echo.field("Thread-Index")));
    assert_eq!((ours.len(), ours.get(..22)), (theirs.len() + 5, theirs.get(..22)), "theirs and a child block");

    let draft = Draft::new("support@shop.example", "Lamp", "It is broken.");
    desk.gets_passed("Max <max@other.example>", &draft).await;
    let sent = desk.sends().await;
    let echo = one_to(&sent, "max@other.example");
    assert!(echo.text().contains("> It is broken."), "{}", echo.text());
    assert_eq!((echo.field("Thread-Topic").as_str(), echo.field("Thread-Index").as_str()), ("", ""), "they sent none");
}

#[tokio::test]
async fn long_references_keep_the_first_and_the_last() {
    let mut desk = Desk::new().await;
    let many: Vec<String> = (0..300).map(|n| format!("<{n}@customer.example>")).collect();
    desk.gets(
        JANE,
        &Draft::new("support@shop.example", "Parcel", "Where is it?").field("References", &many.join("\n ")),
    )
    .await;
    let sent = desk.sends().await;
    let references = ids(&one_to(&sent, "jane@customer.example").field("References"));
    assert!(references.len() <= 50, "{}", references.len());
    assert_eq!(references[1], "<0@customer.example>");
    assert!(references.contains(&"<299@customer.example>".to_owned()), "{references:?}");
}

#[tokio::test]
async fn localised_prefixes_fold_into_one_re() {
    for subject in ["AW: SV: Parcel", "Antw: Re[2]: Parcel", "回复: Parcel", "RE: re: Parcel", "Odp: Parcel"] {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &Draft::new("support@shop.example", subject, "Where is it?")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").clone();
        assert_eq!(relay.subject(), "[#1001] Parcel", "{subject}");
        desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
        assert_eq!(one_to(&desk.sends().await, "jane@customer.example").subject(), "Re: Parcel", "{subject}");
    }
}
