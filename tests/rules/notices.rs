//! R44: notices of providers that nobody told us of are learned, and nothing that people write is taken for one.

use crate::desk::{Desk, one_to};
use crate::letter::Draft;

const ANNA: &str = "Anna <anna@agents.example>";
const NOTICE: &str = "CAUTION: This email originated from outside of the organization. Do not click links or open attachments unless you recognize the sender.";

fn letter(top: &str) -> Draft {
    Draft::new("support@shop.example", "Parcel", &format!("{top}\n\nWhere is my parcel?"))
}

/// Mail of so many authors, each of another organisation, with this on top; the relay of the last.
async fn many(desk: &mut Desk, top: &str, authors: std::ops::Range<usize>) -> String {
    let mut last = String::new();
    for author in authors {
        desk.gets(&format!("Jane <jane@customer{author}.example>"), &letter(top)).await;
        last = one_to(&desk.sends().await, "anna@agents.example").text();
    }
    last
}

fn words_of(relay: &str) -> &str {
    relay.split("=== yesreply").next().unwrap_or_default()
}

#[tokio::test]
async fn r44_a_notice_on_top_of_mail_of_many_authors_is_no_part_of_the_words() {
    let mut desk = Desk::with("[acknowledge]\necho = \"everyone\"\n").await;
    let relay = many(&mut desk, NOTICE, 0..5).await;
    assert!(words_of(&relay).contains("CAUTION"), "not known yet: {relay}");
    desk.gets("Max <max@other.example>", &letter(NOTICE)).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(
        relay.text().contains("Where is my parcel?") && !words_of(&relay.text()).contains("CAUTION"),
        "{}",
        relay.text()
    );
    let echo = one_to(&sent, "max@other.example").text();
    assert!(echo.contains("Where is my parcel?") && !echo.contains("CAUTION"), "{echo}");
    let cases = desk.cases().await;
    let (_, entry) = cases.last().and_then(|case| case.entries.first()).expect("an entry");
    assert!(entry.body.contains("CAUTION"), "the whole mail can be had (R92)");
    // below it an agent's words are read as if it were not there
    desk.gets(ANNA, &relay.reply(&format!("{NOTICE}\n\n#close\nIt is on its way."))).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "max@other.example").text();
    assert!(
        answer.contains("It is on its way.") && !answer.contains("CAUTION") && !answer.contains("#close"),
        "{answer}"
    );
}

#[tokio::test]
async fn r44_one_organisation_or_another_mailbox_teaches_nothing() {
    let mut desk = Desk::new().await;
    for author in 0..8 {
        desk.gets(&format!("Jane <jane{author}@mail{author}.customer.example>"), &letter(NOTICE)).await;
        let relay = one_to(&desk.sends().await, "anna@agents.example").text();
        assert!(words_of(&relay).contains("CAUTION"), "one organisation: {relay}");
    }
    for author in 0..8 {
        let raw = letter(NOTICE)
            .to("sales@shop.example")
            .bytes(&format!("Max <max@shop{author}.example>"), &format!("sales{author}@writer.example"));
        desk.arrives("sales", raw.as_bytes()).await;
    }
    desk.sends().await;
    let relay = many(&mut desk, NOTICE, 0..1).await;
    assert!(words_of(&relay).contains("CAUTION"), "known in the other mailbox: {relay}");
}

#[tokio::test]
async fn r44_what_many_people_write_is_kept() {
    let petition =
        "Stop the sale of lamps outside of Europe now, we all who sign this mail trust in your good sense and wait.";
    for top in [
        "Hi,",
        "Hello team,",
        "Dear Shop Support, hope this email finds you well and safe, with kind attention to the external circumstances of my day.",
        petition,
    ] {
        let mut desk = Desk::new().await;
        let relay = many(&mut desk, top, 0..9).await;
        let first = top.split(',').next().unwrap_or_default();
        assert!(words_of(&relay).contains(first), "{top}: {relay}");
    }
}

#[tokio::test]
async fn r44_a_notice_that_nobody_has_any_more_is_forgotten() {
    let mut desk = Desk::new().await;
    assert!(!words_of(&many(&mut desk, NOTICE, 0..6).await).contains("CAUTION"), "known");
    let mut transaction = desk.flow.store().begin().await.expect("begin");
    let old = "UPDATE notices SET at = at - $1";
    sqlx::query(old).bind(91 * 86_400_000i64).execute(&mut *transaction).await.expect("update");
    transaction.commit().await.expect("commit");
    let relay = many(&mut desk, NOTICE, 6..7).await;
    assert!(words_of(&relay).contains("CAUTION"), "{relay}");
    let row =
        sqlx::query("SELECT count(*) AS n FROM notices").fetch_one(desk.flow.store().reader()).await.expect("rows");
    assert_eq!(sqlx::Row::get::<i64, _>(&row, "n"), 1, "what is forgotten is gone");
}
