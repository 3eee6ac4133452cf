//! T20 to T25: loops, amplification, backscatter.

use crate::desk::{Desk, Sent, one_to, to};
use crate::letter::{Draft, unique};
use crate::{ANNA, JANE, opened, outsiders, question};

/// What a bad server between two desks leaves of a mail: subject and words; token, ids and marks are gone. The other
/// desk has a domain of its own.
fn stripped(mail: &Sent, domain: &str) -> Vec<u8> {
    let letter = &mail.letter;
    let from = letter.field("From").replace("shop.example", domain);
    Draft::new("support@shop.example", &letter.subject(), &letter.text())
        .bytes(&from, &format!("{}@stripped.example", unique()))
        .into_bytes()
}

#[tokio::test]
async fn t20_two_gateways_back_to_back_fall_silent() {
    let mut one = Desk::new().await;
    let mut two = Desk::new().await;
    one.gets("Other Desk <support@shop.other.example>", &question("Hello, is anybody there?")).await;
    let mut mails = 0;
    for _ in 0..20 {
        let from_one: Vec<Sent> = one.sends().await.into_iter().filter(|s| s.recipient.contains("other")).collect();
        for mail in &from_one {
            two.arrives("support", &stripped(mail, "shop.one.example")).await;
        }
        let from_two: Vec<Sent> = two.sends().await.into_iter().filter(|s| s.recipient.contains("one")).collect();
        for mail in &from_two {
            one.arrives("support", &stripped(mail, "shop.other.example")).await;
        }
        mails += from_one.len() + from_two.len();
        if from_one.is_empty() && from_two.is_empty() {
            break;
        }
    }
    eprintln!("two gateways sent each other {mails} mails");
    assert!(mails <= 4, "{mails} mails");
}

#[tokio::test]
async fn t20_vacation_responders_on_both_sides_fall_silent() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question("Where is it?")).await;
    let mut mails = 0;
    for _ in 0..40 {
        let sent = desk.sends().await;
        if sent.is_empty() {
            break;
        }
        mails += sent.len();
        for mail in sent {
            // a responder that marks nothing, and answers whatever comes
            let from = format!("Somebody <{}>", mail.recipient);
            desk.gets(&from, &mail.letter.reply("I am away and read mail next week.")).await;
        }
    }
    eprintln!("vacation responders on both sides: {mails} mails");
    assert!(mails <= 60, "{mails} mails");
    assert!(desk.sends().await.is_empty());
}

#[tokio::test]
async fn t20_a_mailing_list_gets_no_automatic_mail() {
    let mut desk = Desk::new().await;
    for number in 0..50 {
        let post = question("Hello list").subject(&format!("post {number}")).field("List-Id", "<talk.lists.example>");
        desk.gets(&format!("m{number}@members.example"), &post).await;
    }
    assert!(outsiders(&desk.sends().await).is_empty());
}

#[tokio::test]
async fn t21_an_agents_out_of_office_never_reaches_the_customer() {
    for (subject, field, value) in [
        ("Automatic reply: [#1001] Parcel", "Auto-Submitted", "auto-replied"),
        ("Out of Office: Parcel", "X-MS-Exchange-Inbox-Rules-Loop", "anna@agents.example"),
        ("Abwesenheitsnotiz: Parcel", "X-Autoreply", "yes"),
        ("Autosvar: Parcel", "Precedence", "auto_reply"),
        ("I am on holiday", "X-Plain", "x"),
    ] {
        let mut desk = Desk::new().await;
        let (_, relay) = opened(&mut desk).await;
        let draft = Draft { body: "I am out until Monday, call 555-0100.".to_owned(), ..relay.reply("") };
        desk.gets(ANNA, &draft.subject(subject).field(field, value)).await;
        assert!(outsiders(&desk.sends().await).is_empty(), "{subject}");
    }
}

#[tokio::test]
async fn t22_a_burst_of_forged_senders_sends_no_backscatter_beyond_the_bound() {
    let burst: usize = std::env::var("YESREPLY_BURST").map_or(1_000, |n| n.parse().expect("a number"));
    let mut desk = Desk::in_memory("").await;
    for number in 0..burst {
        let subject = format!("BUY http://evil{number}.example");
        desk.gets(&format!("victim{number}@v{number}.example"), &question("BUY http://evil.example").subject(&subject))
            .await;
    }
    let sent = desk.sends().await;
    let automatic = outsiders(&sent).len();
    eprintln!("{burst} mails with forged senders: {automatic} automatic mails");
    assert!(automatic <= 200, "limits.ack_total an hour, and not {automatic}");
    assert!(
        sent.iter()
            .filter(|s| !s.recipient.ends_with("@agents.example"))
            .all(|s| !s.letter.everything().contains("evil"))
    );
    assert!(desk.flow.store().breaker_is_open().await.expect("the breaker"));
}

#[tokio::test]
async fn t22_one_verified_sender_gets_one_acknowledgement() {
    let mut desk = Desk::trusting().await;
    for number in 0..100 {
        desk.gets_passed(JANE, &question("Hello").subject(&format!("mail {number}"))).await;
    }
    assert_eq!(to(&desk.sends().await, "jane@customer.example").len(), 1);
}

#[tokio::test]
async fn t23_a_forged_report_changes_nothing() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    desk.gets(ANNA, &relay.reply("It comes.")).await;
    desk.sends().await;
    let before = desk.case().await;
    for to in ["support@shop.example", "support+b0000000000000000000000000000000000000000@shop.example"] {
        let body = "--b\nContent-Type: text/plain\n\nNo such user.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; jane@customer.example\nAction: failed\nStatus: 5.1.1\n--b--";
        let report = Draft::new(to, "Undelivered Mail Returned to Sender", body)
            .field("Content-Type", "multipart/report; report-type=delivery-status; boundary=b")
            .field("Return-Path", "<>");
        desk.gets("MAILER-DAEMON@evil.example", &report).await;
    }
    assert!(desk.sends().await.is_empty());
    let after = desk.case().await;
    assert_eq!(before.listed.case.status, after.listed.case.status);
    assert!(after.deliveries.iter().all(|d| d.state != "failed"), "{:?}", after.deliveries);
}

#[tokio::test]
async fn t24_nothing_is_ever_sent_to_an_address_of_our_own() {
    let mut desk = Desk::new().await;
    let (acknowledged, relay) = opened(&mut desk).await;
    for from in [
        "support@shop.example",
        "sales@shop.example",
        "SUPPORT+anything@shop.example",
        &acknowledged.reply_to(),
        &relay.reply_to(),
    ] {
        desk.gets(from, &question("A loop?").subject("from ourselves")).await;
        desk.gets(JANE, &question("A loop?").field("Reply-To", from)).await;
    }
    let sent = desk.sends().await;
    assert!(sent.iter().all(|s| !s.recipient.ends_with("@shop.example")), "{sent:?}");
}

#[tokio::test]
async fn t25_reactions_and_receipts_are_silent() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    desk.gets(ANNA, &relay.reply("#close\nIt comes.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    let part = |kind: &str, text: &str| {
        let body = format!("--b\nContent-Type: text/plain\n\n👍\n--b\nContent-Type: {kind}\n\n{text}\n--b--");
        Draft { body, ..answer.reply("") }.field("Content-Type", "multipart/alternative; boundary=b")
    };
    let receipt = Draft {
        body: "--b\nContent-Type: text/plain\n\nRead.\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--".to_owned(),
        ..answer.reply("")
    }
    .field("Content-Type", "multipart/report; report-type=disposition-notification; boundary=b");
    for draft in [
        part("text/vnd.google.email-reaction+json", "{\"version\":1,\"emoji\":\"👍\"}"),
        part("text/plain\nContent-Disposition: reaction", "👍"),
        receipt,
    ] {
        desk.gets(JANE, &draft).await;
    }
    assert!(desk.sends().await.is_empty());
    assert_eq!(desk.case().await.listed.case.status.word(), "closed");
}
