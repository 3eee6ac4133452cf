//! R1 to R5: addresses, ids, tokens.

use crate::desk::{Desk, one_to, passed, to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

#[tokio::test]
async fn r2_a_relay_is_a_message_for_one_agent_and_an_answer_names_no_party() {
    let mut desk = Desk::new().await;
    let draft = Draft::new("support@shop.example", "Parcel", "Where is it?").field("Cc", "max@customer.example");
    desk.gets(JANE, &draft).await;
    let sent = desk.sends().await;
    let (anna, bob) = (one_to(&sent, "anna@agents.example"), one_to(&sent, "bob@agents.example"));
    assert_ne!(anna.message_id(), bob.message_id());
    for relay in [anna, bob] {
        for field in ["From", "To", "Cc", "Reply-To", "Sender", "Bcc"] {
            assert!(!relay.field(field).contains("customer.example"), "{field}: {}", relay.field(field));
        }
        assert_eq!(relay.field("Cc"), "");
    }
    desk.gets(ANNA, &anna.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    let party = answer.reply_to();
    let id = answer.message_id();
    // class, case, party, MAC: the party's six characters are zeros in the id and are not in the address
    assert_eq!(&id[15..21], "000000", "{id}");
    assert_ne!(&party["support+".len() + 14..][..6], "000000", "{party}");
    assert!(to(&sent, "max@customer.example").is_empty(), "a Cc is no recipient by itself");
}

#[tokio::test]
async fn r3_each_side_has_its_own_stable_id_and_nothing_of_the_other() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let (ack, relay) = (one_to(&sent, "jane@customer.example"), one_to(&sent, "anna@agents.example"));
    assert_ne!(ack.field("X-Yesreply-Case"), relay.field("X-Yesreply-Case"));
    for letter in [ack, relay] {
        assert!(
            letter.field("References").contains(&letter.field("X-Yesreply-Case")),
            "{}",
            letter.field("References")
        );
    }
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert_eq!(answer.field("X-Yesreply-Case"), ack.field("X-Yesreply-Case"), "stable over all mails of the case");
    assert_eq!(answer.field("From").replace('"', ""), "Anna at Shop Support <support@shop.example>");
    let agents_id = relay.message_id();
    let all = answer.everything();
    for secret in
        [agents_id.trim_matches(['<', '>']), "support+a", &relay.field("X-Yesreply-Case"), &relay.field("Thread-Index")]
    {
        assert!(!all.contains(secret), "{secret} stands in the customer's mail");
    }
}

#[tokio::test]
async fn r4_a_catch_all_domain_and_a_plain_address() {
    let mut desk = Desk::support("reply_address = \"{token}@reply.shop.example\"").await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(relay.reply_to().ends_with("@reply.shop.example"), "{}", relay.reply_to());
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    one_to(&desk.sends().await, "jane@customer.example");
}

#[tokio::test]
async fn r4_in_the_plain_form_an_id_of_ours_counts_as_the_address() {
    let security = "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\n";
    let mut desk = Desk::support_with("reply_address = \"{address}\"", security).await;
    desk.gets_passed(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert_eq!(relay.reply_to(), "support@shop.example");
    desk.gets_passed(ANNA, &relay.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    desk.gets_passed(JANE, &answer.reply("Thanks.")).await;
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("anna"));
    // without the provider's word the same reply is nobody's answer
    desk.gets(ANNA, &relay.reply("Forged words.")).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
}

#[tokio::test]
async fn r5_the_reverse_path_is_what_the_relay_takes() {
    let cases = [
        ("", "support+b", "support+b"),
        ("smtp = { host = \"localhost\", reverse_path = \"address\" }", "support@", ""),
        (
            "smtp = { host = \"localhost\", reverse_path = \"address\", null_reverse_path = false }",
            "support@",
            "support@",
        ),
    ];
    for (settings, of_relay, of_acknowledgement) in cases {
        let mut desk = Desk::smtp(settings).await;
        desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
        for sent in desk.sends().await {
            let expected = if sent.recipient == "jane@customer.example" { of_acknowledgement } else { of_relay };
            let path = sent.reverse_path.unwrap_or_default();
            assert!(path.starts_with(expected) && path.is_empty() == expected.is_empty(), "{settings}: {path}");
        }
    }
}

#[tokio::test]
async fn r14_a_forged_token_is_as_if_there_were_none_and_is_shown() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let address = one_to(&sent, "jane@customer.example").reply_to();
    let broken = address.replacen("support+c", "support+a", 1);
    desk.gets(JANE, &Draft::new(&broken, "Parcel", "Let me in.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    let relay = desk.sends().await;
    let relay = one_to(&relay, "anna@agents.example");
    assert!(relay.text().contains("a reply address that is not ours"), "the agents see it:\n{}", relay.text());
}

#[test]
fn the_providers_word_is_written_as_providers_do() {
    assert_eq!(passed(JANE), "Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n");
}
