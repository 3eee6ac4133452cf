//! R80: what is kept no longer, and what is kept all the same.

use yesreply::desk::What;
use yesreply::desk::keeping::Verdict;
use yesreply::desk::operator::Order;
use yesreply::store::{Store, quarantine};

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};
use crate::notifications::ORDER;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

/// A case that was answered and closed; what Jane got, and the relay that Anna did.
async fn closed(desk: &mut Desk) -> (Letter, Letter) {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is the red parcel?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#close\nIt lies at your neighbour's.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    assert_eq!(desk.case().await.listed.case.status.word(), "closed");
    (answer, relay)
}

/// All of what may go in so many days is gone.
async fn gone(desk: &Desk, days: i64) {
    while desk.days_later(days).await > 0 {}
}

async fn keeps(desk: &Desk, reference: i64, verdict: Verdict) -> String {
    desk.ordered(What::Keeping { reference, verdict }).await
}

async fn octets(store: &Store, sql: &'static str) -> i64 {
    let mut transaction = store.begin().await.expect("begin");
    let row = sqlx::query(sql).fetch_one(&mut *transaction).await.expect("a number");
    sqlx::Row::get::<i64, _>(&row, 0)
}

async fn adds_up(desk: &Desk) -> i64 {
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, sums.iter().map(|s| s.count).sum::<i64>(), "{sums:?}");
    sums.iter().filter(|s| s.outcome == "deleted").map(|s| s.count).sum()
}

const MAILS: &str = "SELECT CAST(coalesce(sum(length(raw)), 0) AS BIGINT) FROM mails";
const SENT: &str = "SELECT CAST(coalesce(sum(length(bytes)), 0) AS BIGINT) FROM outbox";

#[tokio::test]
async fn r80_mails_go_a_year_after_closing_and_the_words_stay() {
    let mut desk = Desk::new().await;
    let (_, relay) = closed(&mut desk).await;
    gone(&desk, 364).await;
    let store = desk.flow.store().clone();
    assert!(octets(&store, MAILS).await > 0 && octets(&store, SENT).await > 0, "not yet");
    gone(&desk, 366).await;
    assert_eq!((octets(&store, MAILS).await, octets(&store, SENT).await), (0, 0));
    let case = desk.case().await;
    assert!(case.entries.iter().any(|(_, e)| e.text.contains("red parcel")), "{:?}", case.entries);
    assert!(store.original(case.entries[0].0).await.expect("the store").is_none(), "an empty mail is none");
    assert_eq!(adds_up(&desk).await, 0);
    // an agent who asks for it is told so
    desk.gets(ANNA, &relay.reply("#original")).await;
    let told = one_to(&desk.sends().await, "anna@agents.example").everything();
    assert!(told.contains("kept no longer"), "{told}");
}

#[tokio::test]
async fn r80_a_case_goes_three_years_after_closing_and_a_late_reply_opens_a_new_one() {
    let mut desk = Desk::new().await;
    let (answer, _) = closed(&mut desk).await;
    gone(&desk, 3 * 365 - 1).await;
    assert_eq!(desk.cases().await.len(), 1, "not yet");
    gone(&desk, 3 * 365 + 1).await;
    assert!(desk.cases().await.is_empty());
    assert_eq!(adds_up(&desk).await, 2, "Jane's mail and Anna's");
    let found = desk.flow.store().search("red parcel", 10).await.expect("a search");
    assert!(found.is_empty());
    desk.gets(JANE, &answer.reply("It came back to me.")).await;
    assert_eq!(desk.case().await.listed.case.status.word(), "new");
    let relay = one_to(&desk.sends().await, "anna@agents.example").text();
    assert!(relay.contains("It came back to me."), "{relay}");
}

#[tokio::test]
async fn r80_what_is_open_or_waits_stays() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 1, "it is open");
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#close\nHere.")).await;
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 1, "its answer has not left");
    desk.sends().await;
    gone(&desk, 9_999).await;
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn r80_a_case_that_was_reopened_is_kept_from_its_last_closing_on() {
    let mut desk = Desk::new().await;
    let (answer, _) = closed(&mut desk).await;
    gone(&desk, 366).await;
    desk.gets(JANE, &answer.reply("No, it does not.")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    gone(&desk, 9_999).await;
    desk.gets(ANNA, &relay.reply("#close\nI am sorry.")).await;
    desk.sends().await;
    assert!(octets(desk.flow.store(), MAILS).await > 0, "the new mails are there");
    gone(&desk, 366).await;
    assert_eq!(octets(desk.flow.store(), MAILS).await, 0);
}

#[tokio::test]
async fn r80_a_hold_stops_it_until_it_ends() {
    let mut desk = Desk::new().await;
    closed(&mut desk).await;
    assert_eq!(keeps(&desk, 1001, Verdict::Hold).await, "handled");
    gone(&desk, 9_999).await;
    assert!(octets(desk.flow.store(), MAILS).await > 0);
    assert!(desk.case().await.listed.case.handling.on_hold);
    assert_eq!(keeps(&desk, 1001, Verdict::Erase).await, "ignored", "not by accident either");
    assert_eq!(keeps(&desk, 1001, Verdict::LetGo).await, "handled");
    gone(&desk, 9_999).await;
    assert!(desk.cases().await.is_empty());
    assert_eq!(keeps(&desk, 1001, Verdict::Hold).await, "ignored", "there is none");
}

#[tokio::test]
async fn r80_merged_cases_stay_and_go_together() {
    let mut desk = Desk::new().await;
    let answer = closed(&mut desk).await.0;
    desk.gets("Bob <bob@customer.example>", &Draft::new("support@shop.example", "Lamp", "The lamp is broken.")).await;
    let sent = desk.sends().await;
    let bob = one_to(&sent, "bob@customer.example").clone();
    let what = |words: &str, number: i64| What::Ordered(Box::new(Order::new(number, None, words)));
    assert_eq!(desk.ordered(what("#merge 1002", 1001)).await, "handled");
    desk.sends().await;
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 2, "the other one is open");
    // the token of the one that is merged holds, whatever it was closed for
    desk.gets(JANE, &answer.reply("Still nothing.")).await;
    desk.sends().await;
    assert_eq!(desk.ordered(what("#close", 1002)).await, "handled");
    desk.sends().await;
    assert_eq!(keeps(&desk, 1001, Verdict::Hold).await, "handled", "by the number of either");
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 2);
    assert_eq!(keeps(&desk, 1002, Verdict::LetGo).await, "handled");
    gone(&desk, 9_999).await;
    assert!(desk.cases().await.is_empty());
    assert_eq!(octets(desk.flow.store(), "SELECT count(*) FROM entries").await, 0);
    assert_eq!(octets(desk.flow.store(), "SELECT count(*) FROM known_ids").await, 0);
    adds_up(&desk).await;
    desk.gets("Bob <bob@customer.example>", &bob.reply("And the shade?")).await;
    assert_eq!(desk.case().await.listed.case.status.word(), "new");
}

#[tokio::test]
async fn r80_an_erased_case_is_gone_at_once_with_what_was_to_leave() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is the red parcel?")).await;
    assert_eq!(keeps(&desk, 1001, Verdict::Erase).await, "handled");
    assert!(desk.cases().await.is_empty());
    assert!(desk.sends().await.is_empty());
    assert_eq!(octets(desk.flow.store(), MAILS).await, 0);
    assert_eq!(adds_up(&desk).await, 1);
}

#[tokio::test]
async fn r80_mails_of_no_case_go_a_year_after_they_came() {
    let mut desk = Desk::new().await;
    let report = Draft::new("support@shop.example", "Undelivered Mail Returned to Sender", "User unknown.");
    let report = report.field("X-Failed-Recipients", "joe@elsewhere.example");
    desk.gets("MAILER-DAEMON@elsewhere.example", &report).await;
    let store = desk.flow.store().clone();
    assert!(desk.cases().await.is_empty(), "it proves no mail of ours");
    gone(&desk, 364).await;
    assert!(octets(&store, MAILS).await > 0, "not yet");
    gone(&desk, 366).await;
    assert_eq!(octets(&store, MAILS).await, 0);
    adds_up(&desk).await;
}

#[tokio::test]
async fn r80_what_nobody_takes_out_of_quarantine_goes_after_30_days_and_is_counted() {
    let desk = Desk::new().await;
    let store = desk.flow.store().clone();
    let mut transaction = store.begin().await.expect("begin");
    let row = quarantine::Quarantined {
        id: 0,
        event_id: "imap/support/INBOX/1/1".to_owned(),
        mailbox: "support".to_owned(),
        at_ms: yesreply::clock::now_ms(),
        reason: "a test".to_owned(),
        size_bytes: 3,
        old: false,
    };
    quarantine::put(&mut transaction, &row, b"abc").await.expect("put");
    sqlx::query(
        "INSERT INTO events (id, at, kind, outcome, rule, because) VALUES ($1, $2, 'arrived', 'quarantined', 'R3', '')",
    )
    .bind(row.event_id.clone())
    .bind(row.at_ms)
    .execute(&mut *transaction)
    .await
    .expect("its event");
    transaction.commit().await.expect("commit");
    adds_up(&desk).await;
    gone(&desk, 29).await;
    assert_eq!(store.quarantined().await.expect("the quarantine").len(), 1);
    gone(&desk, 31).await;
    assert!(store.quarantined().await.expect("the quarantine").is_empty());
    assert_eq!(adds_up(&desk).await, 1);
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
}

#[tokio::test]
async fn r80_an_attachment_goes_with_the_last_case_that_has_it() {
    let mut desk = Desk::new().await;
    for (who, name) in [(JANE, "one"), ("Bob <bob@customer.example>", "two")] {
        let body = "--b\n\nSee the picture.\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; \
                    filename=lamp.pdf\n\nthe same lamp\n--b--\n";
        let draft = Draft::new("support@shop.example", name, body);
        desk.gets(who, &draft.field("Content-Type", "multipart/mixed; boundary=b")).await;
    }
    desk.sends().await;
    let store = desk.flow.store().clone();
    let blobs = "SELECT count(*) FROM blobs";
    assert_eq!(octets(&store, blobs).await, 1, "stored once");
    assert_eq!(keeps(&desk, 1001, Verdict::Erase).await, "handled");
    assert_eq!(octets(&store, blobs).await, 1, "the other case has it");
    assert_eq!(keeps(&desk, 1002, Verdict::Erase).await, "handled");
    assert_eq!((octets(&store, blobs).await, octets(&store, "SELECT count(*) FROM attached").await), (0, 0));
}

fn says(words: &str, number: i64) -> What {
    What::Ordered(Box::new(Order::new(number, None, words)))
}

#[tokio::test]
async fn r80_a_hold_holds_what_it_is_merged_into_and_what_is_split_off() {
    let mut desk = Desk::new().await;
    for (who, subject) in [(JANE, "Parcel"), ("Bob <bob@customer.example>", "Lamp")] {
        desk.gets(who, &Draft::new("support@shop.example", subject, "Where is it?")).await;
    }
    desk.sends().await;
    assert_eq!(keeps(&desk, 1001, Verdict::Hold).await, "handled");
    assert_eq!(desk.ordered(says("#merge 1002", 1001)).await, "handled");
    assert_eq!(desk.ordered(says("#close", 1002)).await, "handled");
    desk.sends().await;
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 2);
    assert_eq!(keeps(&desk, 1002, Verdict::Erase).await, "ignored");
}

#[tokio::test]
async fn r34_r80_spam_on_hold_stays_until_the_hold_ends() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Prize", "You won.")).await;
    desk.sends().await;
    assert_eq!(desk.ordered(says("#spam", 1001)).await, "handled");
    assert_eq!(keeps(&desk, 1001, Verdict::Hold).await, "handled");
    desk.hours_later(25).await;
    desk.hours_later(24 * 40).await;
    assert_eq!(desk.cases().await.len(), 1);
    assert_eq!(keeps(&desk, 1001, Verdict::LetGo).await, "handled");
    desk.hours_later(24 * 42).await;
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn r80_what_joins_a_case_that_was_closed_long_ago_is_kept_from_then_on() {
    let mut desk = Desk::new().await;
    closed(&mut desk).await;
    desk.closed_days_ago(364 * 24 * 3_600_000).await;
    desk.gets("Bob <bob@customer.example>", &Draft::new("support@shop.example", "Lamp", "It is broken.")).await;
    desk.sends().await;
    assert_eq!(desk.ordered(says("#close", 1002)).await, "handled");
    assert_eq!(desk.ordered(says("#merge 1001", 1002)).await, "handled");
    desk.sends().await;
    gone(&desk, 300).await;
    assert!(octets(desk.flow.store(), MAILS).await > 0);
    gone(&desk, 366).await;
    assert_eq!(octets(desk.flow.store(), MAILS).await, 0);
}

#[tokio::test]
async fn r80_what_waits_in_a_merged_part_keeps_the_whole() {
    let mut desk = Desk::new().await;
    for (who, subject) in [(JANE, "Parcel"), ("Bob <bob@customer.example>", "Lamp")] {
        desk.gets(who, &Draft::new("support@shop.example", subject, "Where is it?")).await;
    }
    // nothing of the first has left
    assert_eq!(desk.ordered(says("#merge 1002", 1001)).await, "handled");
    assert_eq!(desk.ordered(says("#close", 1002)).await, "handled");
    let store = desk.flow.store().clone();
    let mut transaction = store.begin().await.expect("begin");
    let second =
        "UPDATE outbox SET state = 'sent' WHERE case_key = (SELECT case_key FROM cases WHERE reference = 1002)";
    sqlx::query(second).execute(&mut *transaction).await.expect("sent");
    transaction.commit().await.expect("commit");
    gone(&desk, 9_999).await;
    assert_eq!(desk.cases().await.len(), 2);
    desk.sends().await;
    gone(&desk, 9_999).await;
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn r80_a_mail_that_is_kept_no_longer_is_not_sent_empty() {
    let mut desk = Desk::new().await;
    closed(&mut desk).await;
    let store = desk.flow.store().clone();
    let rows = store.outbox(true, 100).await.expect("the outbox");
    let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
    let mut transaction = store.begin().await.expect("begin");
    sqlx::query("UPDATE outbox SET state = 'failed'").execute(&mut *transaction).await.expect("failed");
    transaction.commit().await.expect("commit");
    gone(&desk, 366).await;
    assert!(store.outbox_retry(&ids, 0).await.expect("retry").is_empty());
    assert!(desk.sends().await.is_empty());
}

#[tokio::test]
async fn r80_attachments_of_mails_of_no_case_are_not_kept() {
    let mut desk = Desk::new().await;
    let body = "--b\n\nUser unknown.\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; \
                filename=lamp.pdf\n\nthe lamp\n--b--\n";
    let report = Draft::new("support@shop.example", "Undelivered Mail Returned to Sender", body)
        .field("Content-Type", "multipart/mixed; boundary=b")
        .field("X-Failed-Recipients", "joe@elsewhere.example");
    desk.gets("MAILER-DAEMON@elsewhere.example", &report).await;
    assert_eq!(octets(desk.flow.store(), "SELECT count(*) FROM blobs").await, 0);
}

const SHOP: &str = "[application.shop]\nmailbox = \"support\"\ntrust = \"loopback\"\n";

#[tokio::test]
async fn r72_r80_a_notification_goes_with_the_case_that_it_became() {
    let mut desk = Desk::with(SHOP).await;
    let sent = desk.hands(&["jane@customer.example", "max@customer.example"], ORDER).await;
    let letter = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &letter.reply("Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    gone(&desk, 200).await;
    let store = desk.flow.store().clone();
    let (bodies, notifications) = ("SELECT count(*) FROM bodies", "SELECT count(*) FROM notifications");
    assert_eq!((octets(&store, bodies).await, octets(&store, notifications).await), (1, 1), "it is Jane's case now");
    desk.gets(ANNA, &relay.reply("#close\nHere.")).await;
    desk.sends().await;
    gone(&desk, 9_999).await;
    gone(&desk, 9_999).await;
    assert!(desk.cases().await.is_empty());
    assert_eq!((octets(&store, bodies).await, octets(&store, notifications).await), (0, 0));
    assert_eq!(octets(&store, "SELECT count(*) FROM adopted").await, 0);
    adds_up(&desk).await;
}
