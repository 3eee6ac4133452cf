//! R32, R34, R50, R51: spam, what is beyond the limits, the digest that names both, and the breaker.

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";
const SPAMMER: &str = "Prize <win@prizes.example>";

fn bytes(from: &str, draft: &Draft) -> Vec<u8> {
    draft.bytes(from, &format!("{}@writer.example", unique())).into_bytes()
}

fn prize() -> Draft {
    Draft::new("support@shop.example", "You won a prize", "Click here to get your prize.")
}

async fn audited(desk: &Desk) -> Vec<(String, i64)> {
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, sums.iter().map(|s| s.count).sum::<i64>(), "{sums:?}");
    sums.into_iter().map(|s| (format!("{} {}", s.outcome, s.rule), s.count)).collect()
}

#[tokio::test]
async fn r34_the_folder_for_spam_makes_spam_and_a_token_or_a_party_does_not() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let acknowledgement = one_to(&sent, "jane@customer.example").clone();
    desk.arrives_in_junk(&bytes(SPAMMER, &prize())).await;
    assert!(desk.sends().await.is_empty(), "nobody hears of spam at once");
    assert_eq!(desk.cases().await[1].listed.case.status.word(), "spam");
    desk.arrives_in_junk(&bytes(JANE, &acknowledgement.reply("It is blue."))).await;
    let sent = desk.sends().await;
    assert!(
        one_to(&sent, "anna@agents.example").text().contains("It is blue."),
        "a reply with its token is normal intake"
    );
    desk.arrives_in_junk(&bytes(JANE, &Draft::new("support@shop.example", "Another parcel", "And this one?"))).await;
    assert_eq!(desk.cases().await[2].listed.case.status.word(), "new", "a party is normal intake");
}

#[tokio::test]
async fn r32_our_servers_mark_makes_spam_and_a_failed_verdict_alone_does_not() {
    let mut desk = Desk::trusting().await;
    desk.gets(SPAMMER, &prize().field("X-Spam-Flag", "YES")).await;
    assert_eq!(desk.case().await.listed.case.status.word(), "spam");
    assert!(desk.sends().await.is_empty());
    let failed = "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example\r\n";
    let mail = Draft::new("support@shop.example", "Parcel", "Where is it?").bytes(JANE, "failed@writer.example");
    desk.arrives("support", format!("{failed}{mail}").as_bytes()).await;
    assert_eq!(desk.cases().await[1].listed.case.status.word(), "new");
    let elsewhere =
        "Received: from a by mx.shop.example; Mon\r\nX-Spam-Flag: YES\r\nReceived: from b by list.example; Mon\r\n";
    let mail =
        Draft::new("support@shop.example", "Forwarded", "Hello").bytes("Max <max@uni.example>", "fwd@writer.example");
    desk.arrives("support", format!("{elsewhere}{mail}").as_bytes()).await;
    assert_eq!(desk.cases().await[2].listed.case.status.word(), "new", "another server's opinion is not ours");
}

#[tokio::test]
async fn r34_spam_is_named_in_the_digest_and_deleted_thirty_days_after() {
    let mut desk = Desk::new().await;
    let spam = bytes(SPAMMER, &prize());
    desk.arrives_in_junk(&spam).await;
    desk.hours_later(24).await;
    let sent = desk.sends().await;
    for agent in ["anna@agents.example", "bob@agents.example"] {
        let digest = one_to(&sent, agent).text();
        assert!(digest.contains("#1001") && digest.contains("You won a prize"), "{digest}");
    }
    assert_eq!(sent.len(), 2, "nobody else hears of it");
    desk.hours_later(24 + 29 * 24).await;
    assert_eq!(desk.cases().await.len(), 1, "kept for thirty days after it was named");
    assert!(desk.sends().await.is_empty(), "named once");
    desk.hours_later(25 + 30 * 24).await;
    assert!(desk.cases().await.is_empty());
    assert_eq!(audited(&desk).await, [("deleted R34".to_owned(), 1)]);
    desk.arrives_in_junk(&spam).await;
    assert!(desk.cases().await.is_empty(), "that it came stays known");
}

#[tokio::test]
async fn r34_spam_that_nobody_was_told_of_is_never_deleted() {
    let mut desk = Desk::without_agents().await;
    desk.arrives_in_junk(&bytes(SPAMMER, &prize())).await;
    for day in [1, 2, 40, 80] {
        desk.flow.due(yesreply::clock::now_ms() + day * 86_400_000, 50).await.expect("what is due");
    }
    assert_eq!(desk.cases().await.len(), 1);
}

#[tokio::test]
async fn r34_spam_comes_back_by_one_command_or_by_moving_the_mail() {
    let mut desk = Desk::new().await;
    let (one, two) = (bytes(SPAMMER, &prize()), bytes("Max <max@other.example>", &prize().subject("A question")));
    desk.arrives_in_junk(&one).await;
    desk.arrives_in_junk(&two).await;
    let key = desk.cases().await[0].listed.case.key;
    let handled = desk.flow.reopen(key).await.expect("reopen").expect("an outcome");
    assert_eq!(handled.outcome, "handled", "{}", handled.because);
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("get your prize"));
    assert!(to(&sent, "win@prizes.example").is_empty(), "nothing is sent to its author by itself");
    desk.arrives("support", &two).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").subject().contains("A question"));
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2, "no case is doubled");
    assert!(cases.iter().all(|c| c.listed.case.status.word() == "new"));
    desk.hours_later(25 + 31 * 24).await;
    assert_eq!(desk.cases().await.len(), 2, "what was released is not deleted");
}

#[tokio::test]
async fn r50_cases_beyond_the_limit_are_kept_and_digested_and_never_merged() {
    let mut desk = Desk::with("[limits]\ncases_per_address = \"2/1h\"\n").await;
    for number in 0..4 {
        desk.gets(JANE, &Draft::new("support@shop.example", &format!("mail {number}"), "Again.")).await;
    }
    desk.gets("Max <max@other.example>", &Draft::new("support@shop.example", "mail 9", "Mine.")).await;
    let sent = desk.sends().await;
    let relayed: Vec<String> = to(&sent, "anna@agents.example").iter().map(|l| l.subject()).collect();
    assert_eq!(relayed.len(), 3, "{relayed:?}");
    assert_eq!(desk.cases().await.len(), 5, "each its own case");
    desk.hours_later(24).await;
    let sent = desk.sends().await;
    let digest = one_to(&sent, "anna@agents.example").text();
    assert!(digest.contains("mail 2") && digest.contains("mail 3") && !digest.contains("mail 1"), "{digest}");
}

#[tokio::test]
async fn r40_what_was_held_stands_in_the_digest() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets("Eve <eve@elsewhere.example>", &relay.reply("Pay Eve.")).await;
    desk.sends().await;
    desk.hours_later(24).await;
    let sent = desk.sends().await;
    let digest = one_to(&sent, "bob@agents.example").text();
    assert!(digest.contains("#1001") && digest.contains("eve@elsewhere.example"), "{digest}");
}

#[tokio::test]
async fn r51_the_breaker_opens_and_closes_by_itself() {
    let mut desk = Desk::with("[limits]\nack_total = \"3/1h\"\n").await;
    for number in 0..6 {
        desk.gets(&format!("p{number}@crowd{number}.example"), &Draft::new("support@shop.example", "Hello", "Hi"))
            .await;
    }
    let sent = desk.sends().await;
    assert_eq!(sent.iter().filter(|s| s.recipient.contains("@crowd")).count(), 3);
    assert_eq!(to(&sent, "anna@agents.example").len(), 6, "agents see all of them");
    assert!(desk.flow.store().breaker_is_open().await.expect("the breaker"));
    let at = |minutes: i64| yesreply::clock::now_ms() + minutes * 60_000;
    desk.flow.due(at(30), 50).await.expect("what is due");
    assert!(desk.flow.store().breaker_is_open().await.expect("the breaker"), "still used up");
    desk.flow.due(at(90), 50).await.expect("what is due");
    assert!(!desk.flow.store().breaker_is_open().await.expect("the breaker"), "it closes by itself");
}

#[tokio::test]
async fn r52_a_stranger_with_an_agents_token_cannot_make_us_bomb_that_agent() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    for number in 0..30 {
        desk.gets(&format!("eve{number}@elsewhere{number}.example"), &relay.reply("Pay Eve.")).await;
    }
    let notices = to(&desk.sends().await, "anna@agents.example").len();
    assert_eq!(notices, 8, "the rest stands in the digest");
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    assert_eq!(to(&desk.sends().await, "jane@customer.example").len(), 1, "her own answer goes out all the same");
}

#[tokio::test]
async fn everything_has_one_outcome_and_the_rule_that_decided() {
    let mut desk = Desk::new().await;
    let mail = bytes(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?"));
    desk.arrives("support", &mail).await;
    desk.arrives("sales", &mail).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets("Eve <eve@elsewhere.example>", &relay.reply("Pay Eve.")).await;
    desk.gets("x@y.example", &prize().field("Auto-Submitted", "auto-replied")).await;
    let sums = audited(&desk).await;
    let expected = [("duplicate R13", 1), ("handled R10", 1), ("held R40", 1), ("ignored R53", 1)];
    for (what, count) in expected {
        assert!(sums.contains(&(what.to_owned(), count)), "{what}: {sums:?}");
    }
}
