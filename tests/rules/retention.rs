//! R80: what is kept no longer, and what is kept all the same.

use yesreply::desk::What;
use yesreply::desk::keeping::Verdict;
use yesreply::desk::operator::Order;
use yesreply::store::{Store, quarantine};

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

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
