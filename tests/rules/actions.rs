//! R64 and R72: what replies and bounces do for applications.

use yesreply::desk::What;
use yesreply::desk::keeping::Verdict;
use yesreply::flow::calls::CallEnd;
use yesreply::flow::submitted::Taken;
use yesreply::store::calls::{Due, Listed};
use yesreply::store::types::Settlement;

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};
use crate::notifications::{ORDER, handed};

const JANE: &str = "Jane <jane@customer.example>";
const SHOP: &str = "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\n";
/// An application that can be told something.
const TOLD: &str = "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\ncommand = [\"/bin/true\"]\n";
const TRUST: &str = "[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\n";
const OFFER: &str = "X-Yesreply-Actions: cancel=\"Cancel the whole order\"; keep=\"Send the rest\"\n";

fn offer() -> String {
    format!("{OFFER}{ORDER}")
}

impl Desk {
    /// Jane gets an order's mail that offers two words.
    async fn offers(&self) -> Letter {
        let sent = self.hands(&["jane@customer.example"], &offer()).await;
        one_to(&sent, "jane@customer.example").clone()
    }

    /// What the application is to be told now.
    async fn calls(&self) -> Vec<Due> {
        self.flow.store().calls_due("shop", yesreply::clock::now_ms(), 10).await.expect("calls")
    }

    /// The one thing that it is to be told now.
    async fn call(&self) -> (Due, serde_json::Value) {
        let mut calls = self.calls().await;
        assert_eq!(calls.len(), 1, "{calls:#?}");
        let call = calls.remove(0);
        let event = serde_json::from_str(&call.payload).expect("JSON");
        (call, event)
    }

    async fn listed(&self) -> Vec<Listed> {
        self.flow.store().calls(true, 10).await.expect("calls")
    }

    async fn takes_call(&self, answer: &str) {
        let (call, _) = self.call().await;
        self.flow.call_ended(call.row, CallEnd::Taken(answer.to_owned())).await.expect("stored");
    }
}

#[tokio::test]
async fn r72_the_words_that_can_be_answered_stand_below_the_mail() {
    let desk = Desk::with(TOLD).await;
    let html = "Content-Type: multipart/alternative; boundary=x\nMIME-Version: 1.0\n";
    let body = "\n\n--x\nContent-Type: text/plain\n\nYour order left our house.\n--x\nContent-Type: text/html\n\n\
                <html><body><p>Your order left our house.</p></body></html>\n--x--\n";
    let (header, _) = ORDER.split_once("\n\n").expect("a body");
    let mail = format!("{OFFER}{html}{header}{body}")
        .replace("To: jane@customer.example", "To: jane@customer.example, max@customer.example");
    let sent = desk.hands(&["jane@customer.example", "max@customer.example", "archive@shop.example"], &mail).await;
    let mut links = Vec::new();
    for person in ["jane@customer.example", "max@customer.example"] {
        let letter = one_to(&sent, person);
        let raw = String::from_utf8_lossy(&letter.raw).replace("\r\n", "\n");
        assert!(raw.contains("Your order left our house.\n\nYou can answer this mail with one word:\n\n  cancel: Cancel the whole order\n  keep: Send the rest\n"), "{raw}");
        assert!(!raw.to_lowercase().contains("x-yesreply-actions"), "{raw}");
        let local = letter.reply_to().replace('+', "%2B");
        let link = format!("href=\"mailto:{local}?subject=Re%3A%20Your%20order%204711&amp;body=cancel\"");
        assert!(raw.contains(&link), "{link} in {raw}");
        assert!(
            raw.contains("</ul>\n<p>Or write what you want to say: a person will read it.</p>\n</body></html>"),
            "{raw}"
        );
        links.push(link);
    }
    assert_ne!(links[0], links[1], "each their own");
    let archive = String::from_utf8_lossy(&one_to(&sent, "archive@shop.example").raw).into_owned();
    assert!(!archive.contains("cancel") && !archive.contains("support%2B"), "{archive}");
}

#[tokio::test]
async fn r72_signed_and_calendar_mail_stays_as_it_is_and_a_broken_offer_is_refused() {
    let desk = Desk::with(TOLD).await;
    for kind in ["multipart/signed; boundary=x", "multipart/encrypted; boundary=x", "text/calendar"] {
        let mail = format!("Content-Type: {kind}\n{}", offer()).replace("4711@", &format!("{}@", kind.len()));
        let sent = desk.hands(&["jane@customer.example"], &mail).await;
        let raw = String::from_utf8_lossy(&one_to(&sent, "jane@customer.example").raw).into_owned();
        assert!(!raw.contains("cancel") && raw.ends_with("Please do not reply to this message.\r\n"), "{raw}");
    }
    let bad = format!("X-Yesreply-Actions: cancel\n{ORDER}").replace("4711@", "bad@");
    let taken = desk.flow.handed_in(handed(&["jane@customer.example"], &bad)).await.expect("an answer");
    assert!(matches!(&taken[..], [Taken::Refused(r)] if r.starts_with("5.6.0 X-Yesreply-Actions")), "{taken:?}");
    assert!(desk.sends().await.is_empty());
}

#[tokio::test]
async fn r72_r80_a_word_acts_once_even_when_its_case_is_erased() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("Cancel")).await;
    desk.takes_call("Order 4711 is cancelled.").await;
    desk.sends().await;
    let erase = What::Keeping { reference: 1001, verdict: Verdict::Erase };
    assert_eq!(desk.ordered(erase).await, "handled");
    let kept = desk.listed().await;
    assert!(kept.iter().all(|call| call.case.is_none()), "{kept:#?}");
    assert!(
        desk.flow.store().calls_retry(&[kept[0].row], 0).await.expect("retry").is_empty(),
        "there is nothing to say"
    );
    desk.gets(JANE, &letter.reply("Cancel")).await;
    assert!(desk.calls().await.is_empty(), "once for each notification");
}

#[tokio::test]
async fn r72_emphasis_does_not_hide_a_word() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    let html = letter.reply("<p>Cancel the <b>whole</b> order</p>").field("Content-Type", "text/html");
    desk.gets(JANE, &html).await;
    assert_eq!(desk.call().await.1["type"], "action");
}

#[tokio::test]
async fn r72_a_word_goes_to_the_application_and_its_answer_to_the_customer() {
    for (answer, expected) in [
        ("Order 4711 is cancelled.", "Order 4711 is cancelled."),
        ("", "your choice \"Cancel the whole order\" was passed on"),
    ] {
        let mut desk = Desk::with(TOLD).await;
        let letter = desk.offers().await;
        desk.gets("Jane <Jane@Customer.Example>", &letter.reply("Cancel, please.")).await;
        assert!(desk.sends().await.is_empty(), "no person need see it yet");
        let (call, event) = desk.call().await;
        assert_eq!(event["type"], "action", "{event}");
        assert_eq!(event["id"], call.call_id.as_str());
        let data = &event["data"];
        assert_eq!((&data["action"], &data["label"]), (&"cancel".into(), &"Cancel the whole order".into()));
        assert_eq!((&data["context"]["order"], &data["recipient"]), (&"4711".into(), &"jane@customer.example".into()));
        assert_eq!((&data["message_id"], &data["case"]), (&"<order.4711@web.shop.example>".into(), &"1001".into()));
        desk.takes_call(answer).await;
        let sent = desk.sends().await;
        assert!(to(&sent, "anna@agents.example").is_empty() && to(&sent, "bob@agents.example").is_empty());
        // as she writes it herself
        let told = one_to(&sent, "Jane@customer.example");
        assert!(told.text().contains(expected), "{}", told.text());
        assert_eq!(
            (told.field("Auto-Submitted").as_str(), told.subject().as_str()),
            ("auto-replied", "Re: Your order 4711")
        );
        assert_eq!(desk.case().await.listed.case.status.word(), "closed");
        desk.gets(JANE, &told.reply("I meant the other one!")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").text();
        assert!(relay.contains("I meant the other one!") && relay.contains("order: 4711"), "{relay}");
        assert!(desk.calls().await.is_empty());
    }
}

#[tokio::test]
async fn r72_a_link_that_writes_the_word_needs_no_quote() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &Draft::new(&letter.reply_to(), "Re: Your order 4711", "keep")).await;
    let (_, event) = desk.call().await;
    assert_eq!(event["data"]["action"], "keep");
}

#[tokio::test]
async fn r72_words_beside_the_word_reach_a_person() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("cancel\n\nAnd where is my money?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").text();
    assert!(relay.contains("And where is my money?") && relay.contains("was passed on to shop"), "{relay}");
    assert!(relay.contains("Your order left our house."), "the notification is the first entry: {relay}");
    let (_, event) = desk.call().await;
    assert_eq!(event["data"]["text"], "And where is my money?");
    desk.takes_call("It is cancelled.").await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "jane@customer.example").text().contains("It is cancelled."));
    assert_eq!(desk.case().await.listed.case.status.word(), "new", "a person has it in hand");
}

#[tokio::test]
async fn r72_what_the_application_does_not_take_goes_to_a_person() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("cancel\n\nSent from my iPhone")).await;
    let (call, _) = desk.call().await;
    let now = yesreply::clock::now_ms();
    assert!((14 * 60_000..=15 * 60_000).contains(&(call.until_ms - now)), "{call:?}");
    desk.flow.call_ended(call.row, CallEnd::Later(now - 1, "status 500".to_owned())).await.expect("stored");
    assert!(desk.sends().await.is_empty());
    let (again, _) = desk.call().await;
    assert_eq!((again.call_id, again.payload, again.attempts), (call.call_id, call.payload, 1), "the same once more");
    desk.flow.call_ended(call.row, CallEnd::NotTaken("status 500".to_owned())).await.expect("stored");
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").text();
    assert!(relay.contains("shop did not take \"cancel\" (Cancel the whole order): status 500"), "{relay}");
    assert!(relay.contains("order: 4711"), "{relay}");
    assert!(one_to(&sent, "jane@customer.example").text().contains("a person will read it"));
    assert_eq!(desk.case().await.listed.case.status.word(), "new");
    assert_eq!(desk.listed().await[0].state, "failed");
    assert!(desk.calls().await.is_empty());
    assert_eq!(desk.flow.store().calls_retry(&[call.row], now).await.expect("retry"), [call.row]);
    desk.takes_call("Done after all.").await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "jane@customer.example").text().contains("Done after all."));
    assert_eq!(desk.case().await.listed.case.status.word(), "new");
}

#[tokio::test]
async fn r72_a_word_that_nobody_takes_goes_to_a_person_at_once() {
    for settings in [SHOP.to_owned(), format!("{TOLD}events = [\"suppressed\"]\n")] {
        let mut desk = Desk::with(&settings).await;
        let letter = desk.offers().await;
        desk.gets(JANE, &letter.reply("cancel")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").text();
        assert!(relay.contains("was not passed on: shop takes no such word"), "{relay}");
        assert!(desk.listed().await.is_empty());
    }
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("cancel")).await;
    assert_eq!(desk.flow.give_up_calls(&["other"]).await.expect("given up"), 1, "it is no longer in the config");
    let sent = desk.sends().await;
    one_to(&sent, "anna@agents.example");
}

#[tokio::test]
async fn r72_a_notification_acts_once() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    let reply = letter.reply("cancel");
    let raw = reply.bytes(JANE, "one@writer.example");
    desk.arrives("support", raw.as_bytes()).await;
    desk.arrives("support", raw.as_bytes()).await;
    desk.takes_call("Cancelled.").await;
    desk.sends().await;
    for again in ["cancel", "keep"] {
        desk.gets(JANE, &letter.reply(again)).await;
        assert!(desk.calls().await.is_empty(), "{again}");
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").text();
        assert!(relay.contains("was told of an answer to this mail before"), "{relay}");
    }
    assert_eq!(desk.listed().await.len(), 1);
}

#[tokio::test]
async fn r72_a_word_acts_in_a_case_that_is_open_too() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("Where is it?")).await;
    desk.sends().await;
    for reply in [letter.reply("cancel"), Draft::new(&letter.reply_to(), "Re: Your order 4711", "cancel")] {
        desk.gets(JANE, &reply).await;
        let sent = desk.sends().await;
        one_to(&sent, "anna@agents.example");
    }
    let (_, event) = desk.call().await;
    assert_eq!(event["data"]["action"], "cancel");
}

/// Max was sent Jane's mail; he may know every word and address in it.
#[tokio::test]
async fn r72_a_word_of_somebody_else_never_acts() {
    for (name, from, passed) in [
        ("whom the mail was forwarded to", "Max <max@elsewhere.example>", true),
        ("who forges Jane's From", JANE, false),
    ] {
        let mut desk = Desk::with(&format!("{TRUST}{TOLD}")).await;
        let letter = desk.offers().await;
        for reply in [letter.reply("cancel"), Draft::new(&letter.reply_to(), "Re: Your order 4711", "cancel")] {
            if passed {
                desk.gets_passed(from, &reply).await;
            } else {
                desk.gets(from, &reply).await;
            }
            let sent = desk.sends().await;
            let relay = one_to(&sent, "anna@agents.example").text();
            assert!(relay.contains("was not passed on"), "{name}: {relay}");
        }
        assert!(desk.listed().await.is_empty(), "{name}");
        desk.gets_passed(JANE, &letter.reply("cancel")).await;
        assert_eq!(desk.calls().await.len(), 1, "Jane's own counts all the same");
    }
}

#[tokio::test]
async fn r72_a_word_without_any_token_of_ours_never_acts() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    // the Message-ID of an application can be guessed
    let guessed = letter.reply("cancel").to("support@shop.example").without("References");
    desk.gets(JANE, &guessed).await;
    assert!(desk.listed().await.is_empty());
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").text();
    assert!(relay.contains("it bears none of our reply addresses or ids"), "{relay}");
}

#[tokio::test]
async fn r53_a_machines_word_never_acts() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    for (field, value) in [("Auto-Submitted", "auto-replied"), ("List-Id", "<l.example>"), ("Return-Path", "<>")] {
        desk.gets(JANE, &letter.reply("cancel").field(field, value)).await;
    }
    assert!(desk.listed().await.is_empty());
}

#[tokio::test]
async fn r72_a_wish_for_no_more_mail_goes_where_the_application_says() {
    let mut desk = Desk::with(TOLD).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    let letter = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &letter.reply("Bitte abmelden.")).await;
    let (_, event) = desk.call().await;
    assert_eq!(
        (&event["type"], &event["data"]["recipient"]),
        (&"unsubscribed".into(), &"jane@customer.example".into())
    );
    desk.takes_call("").await;
    assert!(desk.sends().await.is_empty(), "closed silently");
    assert_eq!(desk.case().await.listed.case.status.word(), "closed");

    for settings in [SHOP.to_owned(), format!("{TOLD}events = [\"action\"]\n")] {
        let mut desk = Desk::with(&settings).await;
        let sent = desk.hands(&["jane@customer.example"], ORDER).await;
        let letter = one_to(&sent, "jane@customer.example").clone();
        desk.gets(JANE, &letter.reply("unsubscribe")).await;
        one_to(&desk.sends().await, "anna@agents.example");
    }
    let mut desk = Desk::with(TOLD).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    let letter = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &letter.reply("How do I unsubscribe?")).await;
    assert!(desk.listed().await.is_empty());
    one_to(&desk.sends().await, "anna@agents.example");
}

#[tokio::test]
async fn r72_an_operator_cancels_a_call_and_a_person_sees_it() {
    let mut desk = Desk::with(TOLD).await;
    let letter = desk.offers().await;
    desk.gets(JANE, &letter.reply("cancel")).await;
    let (call, _) = desk.call().await;
    assert!(desk.flow.call_cancelled(call.row).await.expect("cancelled"));
    assert!(!desk.flow.call_cancelled(call.row).await.expect("cancelled"), "once");
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("an operator cancelled it"));
    assert_eq!(desk.listed().await[0].state, "cancelled");
}

fn report(bounce: &str, kind: &str, fields: &str) -> Draft {
    let body =
        format!("--b\nContent-Type: text/plain\n\nIt says.\n--b\nContent-Type: message/{kind}\n\n{fields}\n--b--");
    Draft::new(bounce, "Report", &body)
        .field("Content-Type", &format!("multipart/report; report-type={kind}; boundary=b"))
        .field("MIME-Version", "1.0")
}

const GONE: &str = "Reporting-MTA: dns; mx.customer.example\n\nFinal-Recipient: rfc822; jane@customer.example\n\
                    Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n";

#[tokio::test]
async fn r64_the_owner_hears_once_that_an_address_is_suppressed() {
    let mailed = format!("{SHOP}report_to = \"owner@shop.example\"\n");
    for (settings, state) in [(TOLD, "queued"), (mailed.as_str(), "mailed"), (SHOP, "noted")] {
        let mut desk = Desk::with(settings).await;
        let mut reports = Vec::new();
        for round in 0..2 {
            let mail = ORDER.replace("4711@", &format!("round-{round}@"));
            let sent = desk.hands(&["jane@customer.example"], &mail).await;
            let bounce = sent[0].reverse_path.clone().expect("a reverse-path");
            for _ in 0..2 {
                desk.gets("MAILER-DAEMON@mx.customer.example", &report(&bounce, "delivery-status", GONE)).await;
            }
            reports.extend(desk.sends().await);
            assert_eq!(desk.listed().await.len(), round, "{state}");
            desk.a_day_passes().await;
        }
        let listed = desk.listed().await;
        assert_eq!((listed[0].kind.as_str(), listed[0].state.as_str()), ("suppressed", state));
        if state == "mailed" {
            let letter = one_to(&reports, "owner@shop.example");
            assert!(
                letter.text().contains("jane@customer.example") && letter.text().contains("550 5.1.1"),
                "{}",
                letter.text()
            );
            assert_eq!(letter.field("Auto-Submitted"), "auto-generated");
        } else {
            assert!(reports.is_empty(), "{state}");
        }
        if state == "queued" {
            let (call, event) = desk.call().await;
            assert_eq!((&event["type"], &event["data"]["status"]), (&"suppressed".into(), &"5.1.1".into()));
            desk.flow.call_ended(call.row, CallEnd::Taken(String::new())).await.expect("stored");
        }
        assert!(desk.cases().await.is_empty() && desk.sends().await.is_empty(), "no agent is bothered");
    }
}

/// The relay may know at once that there is no such recipient.
#[tokio::test]
async fn r64_a_refusal_by_the_relay_counts_too() {
    let desk = Desk::with(TOLD).await;
    for round in 0..2 {
        let mail = ORDER.replace("4711@", &format!("round-{round}@"));
        let taken = desk.flow.handed_in(handed(&["jane@customer.example"], &mail)).await.expect("an answer");
        assert_eq!(taken, [Taken::Stored]);
        for sent in desk.claims().await {
            assert!(desk.flow.data_started(sent.id, sent.attempt).await.expect("start"));
            let refused = Settlement::Failed { status: "5.1.1".to_owned(), reply: "550 5.1.1 no such user".to_owned() };
            desk.flow.settle(sent.id, sent.attempt, refused).await.expect("settle");
        }
        assert_eq!(desk.listed().await.len(), round);
        desk.a_day_passes().await;
    }
    let (_, event) = desk.call().await;
    assert_eq!((&event["type"], &event["data"]["text"]), (&"suppressed".into(), &"550 5.1.1 no such user".into()));
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn r64_much_that_comes_back_at_once_suppresses_nobody() {
    let mut desk = Desk::with(TOLD).await;
    let all: Vec<String> = (0..25).map(|n| format!("c{n}@customer.example")).collect();
    let recipients: Vec<&str> = all.iter().map(String::as_str).collect();
    let sent =
        desk.hands(&recipients, &ORDER.replace("To: jane@customer.example", &format!("To: {}", all.join(", ")))).await;
    for mail in &sent {
        let gone = GONE.replace("jane@customer.example", &mail.recipient);
        let bounce = mail.reverse_path.clone().expect("a reverse-path");
        desk.gets("MAILER-DAEMON@mx.customer.example", &report(&bounce, "delivery-status", &gone)).await;
    }
    let struck = desk.flow.store().suppressions(100).await.expect("suppressions");
    assert_eq!(struck.len(), 20, "an hour in which all comes back says nothing of addresses");
    let failed = desk.flow.store().outbox(false, 100).await.expect("rows");
    assert_eq!(failed.iter().filter(|row| row.state == "failed").count(), 25, "each is known to have failed");
    desk.a_day_passes().await;
    let sent = desk.hands(&["c1@customer.example"], &ORDER.replace("4711@", "next@")).await;
    let bounce = sent[0].reverse_path.clone().expect("a reverse-path");
    let gone = GONE.replace("jane@", "c1@");
    desk.gets("MAILER-DAEMON@mx.customer.example", &report(&bounce, "delivery-status", &gone)).await;
    let (_, event) = desk.call().await;
    assert_eq!(event["data"]["recipient"], "c1@customer.example", "an hour later it counts again");
}

#[tokio::test]
async fn r64_a_complaint_goes_to_the_owner() {
    let mailed = format!("{SHOP}report_to = \"owner@shop.example\"\n");
    let feedback = "Feedback-Type: abuse\nUser-Agent: Provider/1.0\nVersion: 1\n";
    for (settings, state) in [(TOLD, "queued"), (mailed.as_str(), "mailed"), (SHOP, "noted")] {
        let mut desk = Desk::with(settings).await;
        let mut owners = 0;
        for round in 0..12 {
            let sent = desk.hands(&["jane@customer.example"], &ORDER.replace("4711@", &format!("r{round}@"))).await;
            let bounce = sent[0].reverse_path.clone().expect("a reverse-path");
            desk.gets("feedback@provider.example", &report(&bounce, "feedback-report", feedback)).await;
            let sent = desk.sends().await;
            owners += to(&sent, "owner@shop.example").len();
            assert!(to(&sent, "anna@agents.example").is_empty());
        }
        assert_eq!(owners, if state == "mailed" { 10 } else { 0 }, "no more than ten an hour");
        let all = desk.flow.store().calls(true, 100).await.expect("calls");
        assert_eq!(all.len(), 12, "each is in the list");
        assert!(all.iter().all(|c| c.kind == "complaint") && all[11].state == state, "{all:#?}");
        assert!(desk.cases().await.is_empty());
        assert_eq!(
            desk.hands(&["jane@customer.example"], &ORDER.replace("4711@", "z@")).await.len(),
            1,
            "R64: no suppression"
        );
    }
}

/// Who has no bounce token and no id of ours cannot make us report anything.
#[tokio::test]
async fn r63_a_forged_complaint_changes_nothing() {
    let mut desk = Desk::with(TOLD).await;
    desk.hands(&["jane@customer.example"], ORDER).await;
    let body = "Feedback-Type: abuse\nUser-Agent: X\nVersion: 1\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <order.4711@web.shop.example>\n";
    desk.gets("feedback@provider.example", &report("support@shop.example", "feedback-report", body)).await;
    assert!(desk.listed().await.is_empty());
}
