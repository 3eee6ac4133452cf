//! Numbers for monitoring: what they count, and that their number does not grow with the mail (T42).

use std::collections::BTreeSet;

use crate::desk::Desk;
use crate::letter::Draft;

/// Names and labels of all numbers, without their values.
async fn series(desk: &Desk) -> BTreeSet<String> {
    page(desk).await.lines().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

async fn page(desk: &Desk) -> String {
    let gauges = desk.flow.store().gauges(&["support", "sales"], yesreply::clock::now_ms()).await.expect("gauges");
    desk.flow.metrics().page(&gauges, &[]).expect("a page")
}

fn number(page: &str, series: &str) -> Option<i64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[tokio::test]
async fn t42_ten_thousand_authors_add_no_series() {
    let desk = Desk::in_memory("[limits]\nack_total = \"10/1h\"\nack_per_domain = \"off\"\n").await;
    let writes = |desk: &Desk, batch: u32| {
        let mut all = desk.batch("support", batch * 100 + 100, b"", false);
        all.mails.clear();
        for n in 0..100 {
            let uid = batch * 100 + n + 1;
            let from = format!("Visitor{uid} \\\"{{x=1}} <v{uid}@d{uid}.example>");
            let raw = format!(
                "From: {from}\r\nTo: support@shop.example\r\nSubject: Order {uid}\r\nMessage-ID: <m{uid}@d{uid}.example>\r\n\
                 \r\nWhere is order {uid}?\r\n"
            );
            all.mails.extend(desk.batch("support", uid, raw.as_bytes(), false).mails);
        }
        all
    };
    desk.flow.intake(writes(&desk, 0)).await.expect("intake");
    let before = series(&desk).await;
    for batch in 1..100 {
        desk.flow.intake(writes(&desk, batch)).await.expect("intake");
    }
    let after = series(&desk).await;
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    let page = page(&desk).await;
    for word in ["@", "Visitor", ".example", "Order"] {
        assert!(!page.contains(word), "{word} stands on the page");
    }
    assert_eq!(number(&page, "yesreply_cases{mailbox=\"support\",status=\"new\"}"), Some(10_000));
    assert_eq!(number(&page, "yesreply_acknowledgement_breaker_open"), Some(1));
    assert_eq!(number(&page, "yesreply_mails_queued_total{purpose=\"acknowledgement\"}"), Some(10));
}

#[tokio::test]
async fn numbers_follow_what_happens() {
    let mut desk = Desk::new().await;
    desk.gets("jane@mail.example", &Draft::new("support@shop.example", "Where is my order?", "It is late.")).await;
    let waits = page(&desk).await;
    assert_eq!(number(&waits, "yesreply_cases{mailbox=\"support\",status=\"new\"}"), Some(1));
    let queued =
        number(&waits, "yesreply_outbox_mails{mailbox=\"support\",state=\"queued\"}").expect("mails that wait");
    let sent = desk.sends().await.len();
    assert_eq!(usize::try_from(queued), Ok(sent));
    let left = page(&desk).await;
    assert_eq!(number(&left, "yesreply_outbox_mails{mailbox=\"support\",state=\"queued\"}"), None);
    assert_eq!(number(&left, "yesreply_send_attempts_total{result=\"sent\"}"), Some(queued));
    let events = left.lines().filter(|l| l.starts_with("yesreply_events_total{kind=\"arrived\",outcome=\"handled\""));
    assert_eq!(events.count(), 1, "{left}");
}
