//! R20 to R22: who is the customer. R44: what the provider adds to their mail.

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;

const ANNA: &str = "Anna <anna@agents.example>";

async fn customer_of(settings: &str, from: &str, fields: &[(&str, &str)]) -> (String, Desk) {
    let mut desk = Desk::with(settings).await;
    let mut draft = Draft::new("support@shop.example", "Parcel", "Where is it?");
    for (name, value) in fields {
        draft = draft.field(name, value);
    }
    desk.gets(from, &draft).await;
    let customer = desk.case().await.listed.case.customer.address.to_string();
    (customer, desk)
}

#[tokio::test]
async fn r20_the_customer_is_from_unless_from_is_ours_or_nobody() {
    let reply_to = [("Reply-To", "jane@customer.example")];
    for (settings, from, fields, expected) in [
        ("", "jane@customer.example", &[][..], "jane@customer.example"),
        ("", "no-reply@forms.example", &reply_to[..], "jane@customer.example"),
        ("", "support@shop.example", &reply_to[..], "jane@customer.example"),
        ("[intake]\nforms = [\"web@forms.example\"]\n", "web@forms.example", &reply_to[..], "jane@customer.example"),
        ("", "web@forms.example", &reply_to[..], "web@forms.example"),
        ("", "jane@mail.customer.example", &reply_to[..], "jane@customer.example"),
        (
            "",
            "support@shop.example",
            &[("X-Original-From", "max@customer.example"), ("Reply-To", "jane@customer.example")][..],
            "max@customer.example",
        ),
    ] {
        let (customer, _) = customer_of(settings, from, fields).await;
        assert_eq!(customer, expected, "from {from} with {fields:?}");
    }
}

#[tokio::test]
async fn r20_another_reply_to_and_every_cc_are_suggestions_only() {
    let fields = [("Reply-To", "evil@elsewhere.example"), ("Cc", "max@customer.example")];
    let (customer, mut desk) = customer_of("", "jane@customer.example", &fields).await;
    assert_eq!(customer, "jane@customer.example");
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(
        relay.text().contains("evil@elsewhere.example") && relay.text().contains("max@customer.example"),
        "{}",
        relay.text()
    );
    let reply = relay.reply("Tomorrow.");
    desk.gets(ANNA, &reply).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "evil@elsewhere.example").is_empty() && to(&sent, "max@customer.example").is_empty());
    one_to(&sent, "jane@customer.example");
}

#[tokio::test]
async fn r21_customers_compare_without_case_and_agents_exactly() {
    let mut desk = Desk::new().await;
    desk.gets("Jane <Jane@Customer.Example>", &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    assert_eq!(to(&sent, "Jane@customer.example").len() + to(&sent, "jane@customer.example").len(), 1, "{sent:?}");
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets("JANE@CUSTOMER.EXAMPLE", &Draft::new("support@shop.example", "Re: [#1001]", "The tag.")).await;
    assert_eq!(desk.cases().await.len(), 1, "the same party");
    desk.sends().await;
    // a look-alike of the agent's address is not the agent
    desk.gets("Ànna <ànna@agents.example>", &relay.reply("Not Anna.")).await;
    assert!(
        !desk.sends().await.iter().any(|s| s.recipient.starts_with("jane") && s.letter.text().contains("Not Anna"))
    );
    desk.gets("Anna <ANNA@Agents.Example>", &relay.reply("Anna.")).await;
    assert!(
        desk.sends()
            .await
            .iter()
            .any(|s| s.recipient.to_lowercase().starts_with("jane") && s.letter.text().contains("Anna."))
    );
}

#[tokio::test]
async fn r22_our_own_mail_come_back_is_a_loop_and_our_from_alone_is_not() {
    let mut desk = Desk::new().await;
    desk.gets("jane@customer.example", &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    for own in &sent {
        desk.arrives("support", &own.letter.raw).await;
    }
    assert!(desk.sends().await.is_empty(), "nothing of ours is answered or relayed");
    assert_eq!(desk.cases().await.len(), 1);
    let draft = Draft::new("support@shop.example", "Printed form", "A form writes in our name.");
    desk.gets("support@shop.example", &draft).await;
    let sent = desk.sends().await;
    assert_eq!(to(&sent, "anna@agents.example").len(), 1, "a person sees it");
    assert!(to(&sent, "support@shop.example").is_empty(), "our own addresses are never acknowledged");
}

#[tokio::test]
async fn r44_what_the_provider_adds_is_neither_relayed_nor_sent() {
    let mut desk =
        Desk::with("[intake]\nbanner = [\"CAUTION: from outside.\"]\nstrip_subject = [\"[EXTERNAL]\"]\n").await;
    let link = "https://x.safelinks.protection.outlook.com/?url=https%3A%2F%2Fmail.example%2Fphoto&data=05";
    let words = format!("CAUTION: from outside.\n\nSee {link} please.");
    desk.gets("jane@customer.example", &Draft::new("support@shop.example", "[EXTERNAL] Re: Parcel", &words)).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(relay.text().contains("See https://mail.example/photo please."), "{}", relay.text());
    assert!(!relay.text().contains("CAUTION") && !relay.subject().contains("EXTERNAL"), "{}", relay.subject());
    desk.gets(ANNA, &relay.reply("CAUTION: from outside.\n\nWe have seen it.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(answer.text().contains("We have seen it."), "{}", answer.text());
    assert!(!answer.text().contains("CAUTION") && !answer.subject().contains("EXTERNAL"), "{}", answer.subject());
}

#[tokio::test]
async fn r43_what_a_customer_forwards_is_relayed() {
    let mut desk = Desk::new().await;
    let words = "Is this yours?\n\n---------- Forwarded message ---------\nFrom: Max <max@mail.example>\n\
                 Date: Tue, 24 Nov 2026\nSubject: Refund\n\nSend us your card.";
    desk.gets("jane@customer.example", &Draft::new("support@shop.example", "Fwd: Refund", words)).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(relay.text().contains("Is this yours?") && relay.text().contains("Send us your card."), "{}", relay.text());
}
