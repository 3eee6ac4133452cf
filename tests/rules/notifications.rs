//! R5, R70 to R73 and R64: mail of applications that can be answered.

use yesreply::flow::submitted::{HandedIn, Taken};
use yesreply::mail::Address;

use crate::desk::{Desk, Sent, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane <jane@customer.example>";

/// Application `shop` writes for mailbox `support`.
const SHOP: &str = "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\n";

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

pub fn handed(recipients: &[&str], mail: &str) -> HandedIn {
    HandedIn {
        place: "local".to_owned(),
        delivers: false,
        applications: vec!["shop".to_owned()],
        reverse_path: Some(address("www-data@web.shop.example")),
        recipients: recipients.iter().map(|r| address(r)).collect(),
        protocol: "ESMTP".to_owned(),
        bytes: mail.replace('\n', "\r\n").into_bytes(),
    }
}

pub const ORDER: &str = "X-Yesreply-Context: order=4711; customer=77\nFrom: \"Shop Orders\" <noreply@shop.example>\n\
To: jane@customer.example\nSubject: Your order 4711\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\
Message-ID: <order.4711@web.shop.example>\nX-Own:  two  spaces\nReply-To: noreply@shop.example\n\n\
Your order left our house.\nPlease do not reply to this message.\n";

impl Desk {
    pub async fn hands(&self, recipients: &[&str], mail: &str) -> Vec<Sent> {
        let taken = self.flow.handed_in(handed(recipients, mail)).await.expect("handed in");
        assert!(taken.iter().all(|t| *t == Taken::Stored), "{taken:?}");
        self.sends().await
    }
}

fn notification(letter: &Letter) -> String {
    String::from_utf8_lossy(&letter.raw).into_owned()
}

#[tokio::test]
async fn r70_a_no_reply_from_becomes_an_address_that_can_be_answered() {
    let desk = Desk::with(SHOP).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    let letter = one_to(&sent, "jane@customer.example");
    assert_eq!(letter.field("From"), "\"Shop Orders\" <support@shop.example>");
    assert!(letter.reply_to().starts_with("support+n"), "{}", letter.reply_to());
    assert_eq!(letter.message_id(), "<order.4711@web.shop.example>");
    assert!(letter.field("References").contains("@shop.example>"));
    let raw = notification(letter);
    assert!(raw.contains("X-Own:  two  spaces\r\n") && !raw.to_lowercase().contains("x-yesreply"), "{raw}");
    assert!(raw.ends_with("\r\n\r\nYour order left our house.\r\nPlease do not reply to this message.\r\n"), "{raw}");
    assert!(sent[0].reverse_path.as_deref().is_some_and(|r| r.starts_with("support+b")), "{:?}", sent[0].reverse_path);
    assert!(desk.cases().await.is_empty(), "no case until somebody replies");
}

#[tokio::test]
async fn r70_what_the_application_may_decide() {
    for (settings, mail, field, expected) in [
        (
            "",
            ORDER.replace("noreply@shop.example>", "orders@shop.example>"),
            "From",
            "\"Shop Orders\" <orders@shop.example>",
        ),
        (
            "rewrite_from = [\"orders@shop.example\"]\nname = \"Bücherladen\"\n",
            ORDER.replace("noreply@shop.example>", "orders@shop.example>"),
            "From",
            "=?utf-8?b?QsO8Y2hlcmxhZGVu?= <support@shop.example>",
        ),
        (
            "keep_reply_to = true\n",
            ORDER.replace("Reply-To: noreply", "Reply-To: anna"),
            "Reply-To",
            "anna@shop.example",
        ),
        (
            "replyable = \"never\"\n",
            ORDER.replace("Reply-To: noreply", "Reply-To: anna"),
            "Reply-To",
            "anna@shop.example",
        ),
        ("", ORDER.replace("Message-ID: <order.4711@web.shop.example>", "Message-ID: nonsense"), "X-Own", "two spaces"),
        (
            "",
            format!("List-Unsubscribe: <https://shop.example/u>\n{ORDER}"),
            "List-Unsubscribe",
            "<https://shop.example/u>",
        ),
        ("", format!("DKIM-Signature: v=1; h=From:To; b=x\n{ORDER}"), "DKIM-Signature", ""),
        ("", format!("DKIM-Signature: v=1; h=X-Own:To; b=x\n{ORDER}"), "DKIM-Signature", "v=1; h=X-Own:To; b=x"),
        (
            "",
            format!("Content-Type: text/calendar; method=REQUEST\n{ORDER}"),
            "From",
            "\"Shop Orders\" <noreply@shop.example>",
        ),
    ] {
        let desk = Desk::with(&format!("{SHOP}{settings}")).await;
        let sent = desk.hands(&["jane@customer.example"], &mail).await;
        let letter = one_to(&sent, "jane@customer.example");
        assert_eq!(letter.field(field), expected, "{settings}{letter:?}");
        assert!(letter.message_id().ends_with('>') && !letter.field("Date").is_empty());
    }
    let desk = Desk::with(&format!("{SHOP}bounces = \"application\"\n")).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    assert_eq!(sent[0].reverse_path.as_deref(), Some("www-data@web.shop.example"));
}

#[tokio::test]
async fn r5_the_reverse_path_is_what_the_provider_takes() {
    let line = "smtp = { host = \"localhost\", reverse_path = \"address\" }\n";
    let desk = Desk::smtp_with(line, SHOP).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    assert_eq!(sent[0].reverse_path.as_deref(), Some("support@shop.example"));
}

#[tokio::test]
async fn r70_sentences_that_forbid_answers_are_counted_and_replaced() {
    let desk = Desk::with(&format!("{SHOP}do_not_reply = \"replace\"\n")).await;
    let quoted = ORDER.replace("\n\nYour", "\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe. Your");
    for mail in [ORDER.to_owned(), quoted] {
        let sent = desk.hands(&["jane@customer.example"], &mail.replace("4711@", &format!("{}@", mail.len()))).await;
        let text = one_to(&sent, "jane@customer.example").text();
        assert!(text.contains("Your order left our house.") && text.contains("just reply"), "{text}");
        assert!(!text.contains("do not reply"), "{text}");
    }
    let signed = ORDER
        .replace("\n\nYour", "\nContent-Type: multipart/signed; boundary=x\n\n--x\n\nYour")
        .replace("message.\n", "message.\n--x--\n");
    let sent = desk.hands(&["jane@customer.example"], &signed.replace("4711@", "signed@")).await;
    assert!(notification(one_to(&sent, "jane@customer.example")).contains("Please do not reply"));
    assert_eq!(desk.flow.store().phrases(0).await.expect("phrases"), [("shop".to_owned(), 3)]);
}

#[tokio::test]
async fn r2_each_recipient_has_a_token_and_an_archive_none() {
    let desk = Desk::with(SHOP).await;
    let mail = ORDER.replace(
        "To: jane@customer.example",
        "To: jane@customer.example, Max <max@customer.example>\nBcc: x@y.example",
    );
    let sent = desk.hands(&["jane@customer.example", "max@customer.example", "archive@shop.example"], &mail).await;
    let (jane, max) = (one_to(&sent, "jane@customer.example"), one_to(&sent, "max@customer.example"));
    assert_ne!(jane.reply_to(), max.reply_to());
    assert_eq!(jane.message_id(), max.message_id());
    let archive = notification(one_to(&sent, "archive@shop.example"));
    assert!(!archive.contains("support+n") && !archive.contains("x@y.example"), "{archive}");
}

#[tokio::test]
async fn r71_a_repeat_is_recognised_for_a_day() {
    let desk = Desk::with(SHOP).await;
    assert_eq!(desk.hands(&["jane@customer.example"], ORDER).await.len(), 1);
    assert_eq!(desk.hands(&["jane@customer.example"], ORDER).await.len(), 0, "the same");
    assert_eq!(desk.hands(&["jane@customer.example", "max@customer.example"], ORDER).await.len(), 1, "a new recipient");
    let other = desk.hands(&["jane@customer.example"], &ORDER.replace("left our", "is in our")).await;
    let other = one_to(&other, "jane@customer.example");
    assert_ne!(other.message_id(), "<order.4711@web.shop.example>", "the same id with other bytes is another mail");
    let without = ORDER.replace("Message-ID: <order.4711@web.shop.example>\n", "");
    for _ in 0..2 {
        assert_eq!(desk.hands(&["jane@customer.example"], &without).await.len(), 1, "no Message-ID: always new");
    }
    desk.a_day_passes().await;
    assert_eq!(desk.hands(&["jane@customer.example"], ORDER).await.len(), 1, "another day");
}

#[tokio::test]
async fn r72_the_reply_opens_a_case_with_the_notification_and_its_context() {
    for by_id_only in [false, true] {
        let mut desk = Desk::with(SHOP).await;
        let tagged = format!("X-Yesreply-Owner: bob\nX-Yesreply-Subject-Tag: Order 4711\n{ORDER}");
        let sent = desk.hands(&["jane@customer.example"], &tagged).await;
        let mut reply = one_to(&sent, "jane@customer.example").reply("Where is it?");
        if by_id_only {
            // a client that knows nothing of Reply-To and References
            reply = reply.to("support@shop.example").without("References");
        }
        desk.gets(JANE, &reply).await;
        let case = desk.case().await;
        assert_eq!(case.entries.len(), 3, "notification, reply, acknowledgement: {:#?}", case.entries);
        let (_, first) = &case.entries[0];
        assert_eq!((first.author.as_str(), first.subject.as_str()), ("shop", "Your order 4711"));
        assert_eq!(case.listed.case.owner.as_deref(), Some("bob"));
        assert!(case.deliveries.iter().any(|d| d.entry == case.entries[0].0), "{:?}", case.deliveries);
        let sent = desk.sends().await;
        assert!(to(&sent, "anna@agents.example").is_empty(), "bob owns it");
        let relay = one_to(&sent, "bob@agents.example");
        assert!(relay.subject().contains("[Order 4711]"), "{}", relay.subject());
        let text = relay.text();
        let (context, words) =
            (text.find("order: 4711").expect("the context"), text.find("Where is it?").expect("the words"));
        assert!(context < words && text.contains("Your order left our house."), "{text}");
        desk.gets("Bob <bob@agents.example>", &relay.reply("It is on its way.")).await;
        let sent = desk.sends().await;
        let answer = one_to(&sent, "jane@customer.example");
        assert!(answer.text().contains("It is on its way.") && !answer.everything().contains("4711; customer"));
        desk.gets(JANE, &answer.reply("Thank you.")).await;
        assert_eq!(desk.cases().await.len(), 1);
        let sent = desk.sends().await;
        assert!(one_to(&sent, "bob@agents.example").text().contains("order: 4711"), "the context stays");
    }
}

#[tokio::test]
async fn r72_somebody_elses_reply_opens_their_own_case() {
    for jane_first in [false, true] {
        let mut desk = Desk::with(SHOP).await;
        let sent = desk.hands(&["jane@customer.example"], ORDER).await;
        let letter = one_to(&sent, "jane@customer.example").clone();
        if jane_first {
            desk.gets(JANE, &letter.reply("Where is it?")).await;
            desk.sends().await;
        }
        desk.gets("Max <max@elsewhere.example>", &letter.reply("She asked me to ask.")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").text();
        assert!(relay.contains("jane@customer.example") && !relay.contains("order: 4711"), "{relay}");
        let cases = desk.cases().await;
        assert_eq!(cases.len(), if jane_first { 2 } else { 1 });
        assert_eq!(cases.last().expect("a case").listed.case.customer.address.to_string(), "max@elsewhere.example");
        if !jane_first {
            desk.gets(JANE, &letter.reply("Where is it?")).await;
            assert_eq!(desk.cases().await.len(), 2, "Jane's own case opens all the same");
        }
    }
}

#[tokio::test]
async fn r72_r80_a_forgotten_notification_still_opens_a_case() {
    let mut desk = Desk::with(SHOP).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    let letter = one_to(&sent, "jane@customer.example").clone();
    assert_eq!(desk.days_later(200).await, 1);
    desk.gets(JANE, &letter.reply("Where is it?")).await;
    desk.gets(JANE, &letter.reply("Hello?")).await;
    let cases = desk.cases().await;
    assert_eq!((cases.len(), cases[0].listed.case.customer.address.to_string().as_str()), (1, "jane@customer.example"));
}

#[tokio::test]
async fn r80_notifications_go_after_their_time_and_the_sums_add_up() {
    let mut desk = Desk::with(&format!("{SHOP}[retention]\nnotifications = \"10d\"\n")).await;
    let long = ORDER.replace("Your order left our house.", &"Your order left our house.\r\n".repeat(100));
    let sent = desk.hands(&["jane@customer.example", "max@customer.example"], &long).await;
    desk.hands(&["zoe@customer.example"], &ORDER.replace("order.4711@", "order.4712@")).await;
    desk.gets(JANE, &one_to(&sent, "jane@customer.example").reply("Where is it?")).await;
    desk.sends().await;
    // one that has not left yet waits for its end
    desk.flow
        .handed_in(handed(&["late@customer.example"], &long.replace("order.4711@", "order.4713@")))
        .await
        .expect("taken");
    assert_eq!(desk.days_later(9).await, 0, "kept for ten days");
    let rows = async |sql: &'static str| {
        let row = sqlx::query(sql).fetch_one(desk.flow.store().reader()).await.expect("a count");
        yesreply::store::rows::number(&row, "n").expect("a number")
    };
    let packed = "SELECT count(*) AS n FROM bodies WHERE size > 10 * length(content)";
    assert_eq!(rows(packed).await, 1, "stored once, packed");
    assert_eq!(desk.days_later(11).await, 2, "what became a case stays with it");
    assert_eq!(desk.days_later(11).await, 0, "they are gone");
    assert_eq!(rows("SELECT count(*) AS n FROM notifications").await, 2);
    assert_eq!(rows("SELECT count(*) AS n FROM bodies").await, 1, "the one that is still to leave");
    assert_eq!(
        rows("SELECT count(*) AS n FROM outbox WHERE purpose = 'notification' AND entry_id IS NOT NULL").await,
        1
    );
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, sums.iter().map(|sum| sum.count).sum::<i64>());
    let deleted: Vec<i64> =
        sums.iter().filter(|s| s.outcome == "deleted" && s.rule == "R80").map(|s| s.count).collect();
    assert_eq!(deleted, [2]);
    let late = desk.sends().await;
    assert!(one_to(&late, "late@customer.example").text().contains("Your order left our house."));
    let case = desk.case().await;
    assert!(case.entries[0].1.body.contains("Your order left our house."), "the case keeps what it began with");
    desk.gets(JANE, &one_to(&sent, "jane@customer.example").reply("Hello?")).await;
    assert_eq!(desk.case().await.entries.last().expect("an entry").1.text, "Hello?");
}

#[tokio::test]
async fn r73_agents_do_not_see_the_secrets_of_a_notification() {
    let mut desk = Desk::with(SHOP).await;
    let link = "https://shop.example/reset?token=a8F3k29Dk2m4P0qz7T";
    let mail = ORDER.replace("Your order left our house.", &format!("Your code is 481516.\n{link}"));
    let sent = desk.hands(&["jane@customer.example"], &mail).await;
    let letter = one_to(&sent, "jane@customer.example");
    assert!(letter.text().contains("481516") && letter.reply_to().starts_with("support+n"));
    let reply = letter.reply(&format!("It does not work. I typed 481516 and {link}"));
    desk.gets(JANE, &reply).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(relay.text().contains("It does not work.") && relay.text().contains("[removed]"), "{}", relay.text());
    assert!(!relay.everything().contains("481516") && !relay.everything().contains("a8F3k29Dk2m4P0qz7T"));
}

#[tokio::test]
async fn r53_automatic_replies_to_notifications_bother_nobody() {
    let mut desk = Desk::with(SHOP).await;
    let sent = desk.hands(&["jane@customer.example"], ORDER).await;
    let reply =
        one_to(&sent, "jane@customer.example").reply("I am on holiday.").field("Auto-Submitted", "auto-replied");
    desk.gets(JANE, &reply).await;
    assert!(desk.cases().await.is_empty() && desk.sends().await.is_empty());
}

#[tokio::test]
async fn r64_an_address_is_suppressed_after_two_days_and_released() {
    let mut desk = Desk::with(SHOP).await;
    for round in 0..3 {
        let mail = ORDER.replace("4711@", &format!("round-{round}@"));
        let sent = desk.hands(&["jane@customer.example"], &mail).await;
        assert_eq!(sent.len(), usize::from(round < 2), "round {round}");
        if let Some(sent) = sent.first() {
            let bounce = sent.reverse_path.clone().expect("a reverse-path");
            let report = Draft::new(
                &bounce,
                "Undelivered Mail Returned to Sender",
                "--b\nContent-Type: text/plain\n\nIt did not work.\n--b\nContent-Type: message/delivery-status\n\n\
                 Reporting-MTA: dns; mx.customer.example\n\nFinal-Recipient: rfc822; jane@customer.example\n\
                 Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--",
            )
            .field("Content-Type", "multipart/report; report-type=delivery-status; boundary=b")
            .field("MIME-Version", "1.0");
            desk.gets("MAILER-DAEMON@mx.customer.example", &report).await;
            desk.a_day_passes().await;
        }
    }
    assert!(desk.cases().await.is_empty() && desk.sends().await.is_empty(), "no agent is bothered");
    let all = desk.flow.store().suppressions(10).await.expect("suppressions");
    assert!(all.len() == 1 && all[0].holds(), "{all:?}");
    assert!(desk.flow.store().release(&address("jane@customer.example")).await.expect("release"));
    assert_eq!(desk.hands(&["jane@customer.example"], &ORDER.replace("4711@", "later@")).await.len(), 1);
}

const FORM: &str = "From: noreply@shop.example\nTo: support@shop.example\nReply-To: VISITOR\nSubject: Contact form\n\nMy parcel is late.\n";

#[tokio::test]
async fn r20_r51_a_forms_mail_is_its_visitors_and_echoed_only_if_vouched_for() {
    for (vouched, echoed) in [("", false), ("X-Yesreply-Verified: yes\n", true)] {
        let desk = Desk::with(SHOP).await;
        let mut visitors = Vec::new();
        for visitor in ["jane@customer.example", "max@other.example"] {
            let mail = format!("{vouched}{}", FORM.replace("VISITOR", visitor));
            let sent = desk.hands(&["support@shop.example"], &mail).await;
            let acknowledgement = one_to(&sent, visitor);
            assert_eq!(acknowledgement.text().contains("My parcel is late."), echoed, "{acknowledgement:?}");
            assert!(acknowledgement.reply_to().starts_with("support+c"), "a live address");
            one_to(&sent, "anna@agents.example");
            visitors.push(visitor);
        }
        let customers: Vec<String> =
            desk.cases().await.iter().map(|c| c.listed.case.customer.address.to_string()).collect();
        assert_eq!(customers, visitors);
    }
}

#[tokio::test]
async fn r32_a_form_in_the_name_of_one_who_used_to_pass_is_believed_only_if_vouched_for() {
    for (vouched, believed) in [("", false), ("X-Yesreply-Verified: yes\n", true)] {
        let mut desk = Desk::with(&format!("[security]\ntrusted_authserv_id = [\"mx.shop.example\"]\n{SHOP}")).await;
        desk.gets_passed(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
        desk.sends().await;
        let mail =
            format!("{vouched}{}", FORM.replace("noreply@shop.example", JANE).replace("Reply-To: VISITOR\n", ""));
        let sent = desk.hands(&["support@shop.example"], &mail).await;
        let relay = one_to(&sent, "anna@agents.example");
        assert_eq!(relay.text().contains("used to pass"), !believed, "{}", relay.text());
        assert_eq!(relay.text().contains("#accept"), !believed, "{}", relay.text());
    }
}

#[tokio::test]
async fn r70_an_application_writes_only_as_itself() {
    let desk = Desk::with(&format!("{SHOP}from = [\"@shop.example\"]\n")).await;
    let mail = ORDER.replace("noreply@shop.example>", "noreply@bank.example>");
    let taken = desk.flow.handed_in(handed(&["jane@customer.example"], &mail)).await.expect("an answer");
    assert!(matches!(&taken[..], [Taken::Refused(reason)] if reason.starts_with("5.7.1")), "{taken:?}");
    assert!(desk.sends().await.is_empty());
    assert_eq!(desk.hands(&["jane@customer.example"], ORDER).await.len(), 1);
}

#[tokio::test]
async fn mail_that_a_mail_server_delivers_arrives() {
    let desk = Desk::with("").await;
    let mail = Draft::new("support@shop.example", "Parcel", "Where is it?").bytes(JANE, "one@customer.example");
    let delivery = HandedIn {
        delivers: true,
        applications: Vec::new(),
        ..handed(&["support@shop.example", "nobody@shop.example"], &mail.replace("\r\n", "\n"))
    };
    let taken = desk.flow.handed_in(delivery).await.expect("taken");
    assert!(matches!(&taken[..], [Taken::Stored, Taken::Refused(reason)] if reason.starts_with("5.1.1")), "{taken:?}");
    assert_eq!(desk.case().await.listed.case.customer.address.to_string(), "jane@customer.example");
}

#[tokio::test]
async fn r40_a_delivered_mail_that_is_held_is_taken_all_the_same() {
    let mut desk = Desk::with("").await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    let mail = relay.reply("#frobnicate\nTomorrow.").bytes("Anna <anna@agents.example>", "held@agents.example");
    let delivery = || HandedIn {
        delivers: true,
        applications: Vec::new(),
        ..handed(&[&relay.reply_to()], &mail.replace("\r\n", "\n"))
    };
    assert_eq!(desk.flow.handed_in(delivery()).await.expect("taken"), [Taken::Stored], "held, and so kept");
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty(), "{sent:?}");
    assert!(one_to(&sent, "anna@agents.example").text().contains("#frobnicate"), "the registered agent is asked");
    let audit = desk.flow.store().sums().await.expect("sums").1;
    assert!(audit.iter().any(|sum| sum.outcome == "held"), "{audit:?}");
    assert_eq!(desk.flow.handed_in(delivery()).await.expect("taken"), [Taken::Stored], "once more");
    assert!(desk.sends().await.is_empty(), "a repeat does nothing");
}
