//! R60: above `limits.relays_per_agent` unowned cases come to an agent as a digest; what of a day's quota is left is for answers.

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;
use yesreply::store::types::Wanted;

const ANNA: &str = "Anna <anna@agents.example>";
const TWO: &str = "[limits]\nrelays_per_agent = \"2/1h\"\n";

fn customer(number: usize) -> String {
    format!("jane@customer{number}.example")
}

/// Customers write, one each; how many relays Anna gets, and how many of them are acknowledged.
async fn write(desk: &mut Desk, customers: std::ops::Range<usize>) -> (usize, usize) {
    let mut counts = (0, 0);
    for number in customers {
        let draft = Draft::new("support@shop.example", &format!("Parcel {number}"), &format!("Words of {number}."));
        desk.gets(&format!("Jane <{}>", customer(number)), &draft).await;
        let sent = desk.sends().await;
        counts.0 += to(&sent, "anna@agents.example").len();
        counts.1 += to(&sent, &customer(number)).len();
    }
    counts
}

/// The address below a case's line in a digest.
fn address_of(digest: &str, case: &str) -> String {
    let mut lines = digest.lines().skip_while(|line| !line.starts_with(case));
    lines.nth(1).map(|line| line.trim().to_owned()).expect("an address")
}

#[tokio::test]
async fn r60_above_the_limit_unowned_cases_come_as_one_digest_and_customers_notice_nothing() {
    let mut desk = Desk::with(TWO).await;
    assert_eq!(write(&mut desk, 0..5).await, (2, 5), "two relays, five acknowledgements");
    // a second mail of a case that waits for the digest
    desk.gets(&format!("Jane <{}>", customer(4)), &Draft::new("support@shop.example", "Re: [#1005] Parcel 4", "More."))
        .await;
    assert!(to(&desk.sends().await, "anna@agents.example").is_empty());
    desk.flow.staff().await.expect("as at a start");
    assert!(desk.sends().await.is_empty(), "a start relays nothing that waits for the digest (R90)");
    desk.hours_later(1).await;
    let sent = desk.sends().await;
    for agent in ["anna@agents.example", "bob@agents.example"] {
        let digest = one_to(&sent, agent).text();
        for (case, number) in [("#1003", 2), ("#1004", 3), ("#1005", 4)] {
            assert_eq!(digest.matches(case).count(), 1, "once: {digest}");
            assert!(digest.contains(&format!("{}: Parcel {number}", customer(number))), "{digest}");
        }
        assert!(!digest.contains("#1001") && !digest.contains("#1002") && !digest.contains("Words of"), "{digest}");
    }
    assert_eq!(sent.len(), 2, "nobody else hears of it");
    desk.hours_later(30).await;
    desk.flow.staff().await.expect("as at a start");
    assert!(desk.sends().await.is_empty(), "named once");
}

#[tokio::test]
async fn r60_a_case_of_the_digest_is_had_and_answered_by_mail_alone() {
    let mut desk = Desk::with(TWO).await;
    write(&mut desk, 0..3).await;
    desk.hours_later(1).await;
    let sent = desk.sends().await;
    let digest = one_to(&sent, "anna@agents.example");
    let address = address_of(&digest.text(), "#1003");
    assert!(digest.html().contains(&format!("mailto:{address}?subject=%5B%231003%5D")), "{}", digest.html());
    // as a client writes it after a click on the link: a new mail
    desk.gets(ANNA, &Draft::new(&address, "[#1003]", "#history\n")).await;
    let sent = desk.sends().await;
    let history = one_to(&sent, "anna@agents.example").clone();
    assert!(history.text().contains("Words of 2."), "{}", history.text());
    desk.gets(ANNA, &history.reply("We look for it.")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, &customer(2)).text().contains("We look for it."));
    // and what is owned is relayed, whatever came before
    desk.gets(&format!("Jane <{}>", customer(2)), &Draft::new("support@shop.example", "Re: [#1003]", "Thank you."))
        .await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("Thank you."));
    assert!(to(&sent, "bob@agents.example").is_empty());
}

#[tokio::test]
async fn r60_a_case_that_was_taken_meanwhile_says_so_and_strangers_get_nothing_by_the_address() {
    let mut desk = Desk::with(TWO).await;
    write(&mut desk, 0..3).await;
    let digest = {
        desk.hours_later(1).await;
        one_to(&desk.sends().await, "bob@agents.example").text()
    };
    desk.gets("Eve <eve@else.example>", &Draft::new(&address_of(&digest, "#1003"), "[#1003]", "#history\n")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "eve@else.example").iter().all(|l| !l.text().contains("Words of 2.")), "{sent:?}");
    let mut desk = Desk::with(TWO).await;
    write(&mut desk, 0..2).await;
    let sent = {
        desk.gets("Jane <jane@customer2.example>", &Draft::new("support@shop.example", "Parcel", "Words.")).await;
        desk.sends().await
    };
    assert!(to(&sent, "anna@agents.example").is_empty());
    let mut transaction = desk.flow.store().begin().await.expect("begin");
    let owned = "UPDATE cases SET owner = 'bob' WHERE reference = 1003";
    sqlx::query(owned).execute(&mut *transaction).await.expect("update");
    transaction.commit().await.expect("commit");
    desk.hours_later(1).await;
    let digest = one_to(&desk.sends().await, "anna@agents.example").text();
    assert!(digest.contains("#1003") && digest.contains("(bob has it now)"), "{digest}");
}

#[tokio::test]
async fn r60_within_a_batch_and_beyond_a_mail_of_two_hundred_nothing_is_forgotten() {
    let mut desk = Desk::in_memory("[limits]\nrelays_per_agent = \"2/1h\"\nack_total = \"off\"\n").await;
    let mails: Vec<String> = (0..260)
        .map(|number| {
            let draft = Draft::new("support@shop.example", &format!("Parcel {number}"), &format!("Words of {number}."));
            draft.bytes(&format!("Jane <{}>", customer(number)), &format!("batch{number}@writer.example"))
        })
        .collect();
    for some in mails.chunks(100) {
        desk.arrive_together(some).await;
    }
    let sent = desk.sends().await;
    assert_eq!(to(&sent, "anna@agents.example").len(), 2, "counted within the batch");
    desk.hours_later(1).await;
    desk.hours_later(2).await;
    let sent = desk.sends().await;
    let digests = to(&sent, "anna@agents.example");
    let named: Vec<String> = digests
        .iter()
        .flat_map(|d| d.text().lines().filter(|l| l.starts_with('#')).map(|l| l[..5].to_owned()).collect::<Vec<_>>())
        .collect();
    let once: std::collections::BTreeSet<&String> = named.iter().collect();
    assert_eq!((digests.len(), named.len(), once.len()), (2, 258, 258));
}

#[tokio::test]
async fn r60_off_relays_all() {
    let mut desk = Desk::with("[limits]\nrelays_per_agent = \"off\"\n").await;
    assert_eq!(write(&mut desk, 0..5).await, (5, 5));
}

#[tokio::test]
async fn r60_what_is_kept_for_answers_is_taken_by_answers_alone() {
    let mut desk = Desk::new().await;
    desk.gets("Jane <jane@mail.example>", &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets("Max <max@mail.example>", &Draft::new("support@shop.example", "Lamp", "It is broken.")).await;
    desk.gets(ANNA, &relay.reply("It left today.")).await;
    let claimed = desk.flow.claim("support", 100, Wanted::Answers, 60_000).await.expect("claim");
    assert_eq!(claimed.iter().map(|row| row.recipient.as_str()).collect::<Vec<_>>(), ["jane@mail.example"]);
    let others = desk.flow.claim("support", 100, Wanted::Any, 60_000).await.expect("claim");
    assert!(others.len() >= 3 && others.iter().all(|row| row.recipient != "jane@mail.example"), "{others:?}");
}
