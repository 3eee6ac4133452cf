//! R62 and R90 to R92: uncertain sends, no agents, old mail, originals.

use yesreply::desk::outgoing::unstaffed;
use yesreply::service::nobody;
use yesreply::store::types::Settlement;

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

#[tokio::test]
async fn r62_an_uncertain_mail_is_sent_again_with_the_same_bytes() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let first = desk.claims().await;
    for sent in &first {
        assert!(desk.flow.data_started(sent.id, sent.attempt).await.expect("start"));
        let settlement = Settlement::Uncertain { at_ms: Some(0), reply: "cut after the dot".to_owned() };
        desk.flow.settle(sent.id, sent.attempt, settlement).await.expect("settle");
    }
    let second = desk.sends().await;
    assert_eq!(first.len(), second.len());
    for sent in &first {
        let again = second.iter().find(|s| s.id == sent.id).expect("the same row");
        assert_eq!(again.letter.raw, sent.letter.raw);
        assert!(again.attempt > sent.attempt);
    }
    // the first attempt has lost its lease: what it says late changes nothing
    let late = Settlement::Failed { status: "5.0.0".to_owned(), reply: "late".to_owned() };
    desk.flow.settle(first[0].id, first[0].attempt, late).await.expect("settle");
    assert!(!desk.flow.data_started(first[0].id, first[0].attempt).await.expect("start"));
    let rows = desk.flow.store().outbox(true, 100).await.expect("the outbox");
    assert!(rows.iter().all(|r| r.state == "sent"), "{rows:?}");
}

#[tokio::test]
async fn r62_held_where_the_config_says_so() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    for sent in desk.claims().await {
        let settlement = Settlement::Uncertain { at_ms: None, reply: "cut after the dot".to_owned() };
        desk.flow.settle(sent.id, sent.attempt, settlement).await.expect("settle");
    }
    assert!(desk.sends().await.is_empty());
    let rows = desk.flow.store().outbox(false, 100).await.expect("the outbox");
    let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
    assert!(rows.iter().all(|r| r.state == "held"), "{rows:?}");
    desk.flow.store().outbox_retry(&ids, 0).await.expect("retry");
    assert_eq!(desk.sends().await.len(), ids.len(), "an operator may send them");
}

#[tokio::test]
async fn r90_mail_without_agents_is_a_new_case_and_the_first_agent_gets_it() {
    let mut desk = Desk::without_agents().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "new");
    assert!(case.log.iter().any(|l| l.rule == "R90"), "{:?}", case.log);
    let desk = desk.staffed().await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("Where is it?"));
    let desk = desk.staffed().await;
    assert!(desk.sends().await.is_empty(), "once");
}

#[tokio::test]
async fn r90_what_came_more_than_seven_days_before_the_first_agent_stands_in_one_mail() {
    let mut desk = Desk::without_agents().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Young", "Where is it?")).await;
    let mails: Vec<String> = (0..203)
        .map(|number| {
            let draft = Draft::new("support@shop.example", &format!("Lamp {number}"), "It is broken.");
            draft.bytes(&format!("p{number}@crowd{number}.example"), &format!("{number}@writer.example"))
        })
        .collect();
    desk.arrive_together(&mails).await;
    desk.sends().await;
    desk.opened_days_ago(8, 1002).await;
    let desk = desk.staffed().await;
    let sent = desk.sends().await;
    let mut all = Vec::new();
    for agent in ["anna", "bob"] {
        let got = to(&sent, &format!("{agent}@agents.example"));
        assert_eq!(got.len(), 2, "{agent}: the young case, and one list");
        assert!(got.iter().any(|l| l.text().contains("Where is it?")), "{agent}");
        let list = got.into_iter().find(|l| l.subject().contains("older cases")).expect("a list");
        assert_eq!(list.subject(), "203 older cases that wait for somebody, Shop Support");
        all.push(list.text());
    }
    assert_eq!(
        sent.len(),
        4,
        "customers hear nothing of it: {:?}",
        sent.iter().map(|s| &s.recipient).collect::<Vec<_>>()
    );
    let list = all.first().expect("Anna's");
    assert!(list.contains("p0@crowd0.example: Lamp 0") && list.contains("#1002"), "{list}");
    assert_eq!(list.lines().filter(|l| l.starts_with("#1")).count(), 200, "bounded");
    assert!(list.contains("And 3 newer ones") && !list.contains("#1001") && !list.contains("#1202"), "{list}");
    let desk = desk.staffed().await;
    assert!(desk.sends().await.is_empty(), "once");
}

#[tokio::test]
async fn r90_an_older_case_can_be_had_by_mail_from_the_list() {
    let mut desk = Desk::without_agents().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    desk.sends().await;
    desk.opened_days_ago(8, 1001).await;
    let mut desk = desk.staffed().await;
    let sent = desk.sends().await;
    let list = one_to(&sent, "anna@agents.example").text();
    let tokened = list.lines().map(str::trim).find(|l| l.starts_with("support+a")).expect("an address").to_owned();
    desk.gets(ANNA, &Draft::new(&tokened, "[#1001]", "#take\n#history")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "anna@agents.example").iter().any(|l| l.text().contains("Where is it?")), "{sent:?}");
    assert_eq!(desk.case().await.listed.case.owner.as_deref(), Some("anna"));
}

#[tokio::test]
async fn r90_an_owner_who_is_gone_is_none_for_commands_too() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#take")).await;
    assert_eq!(desk.prints(&["case", "list", "--owner", "anna"])[0]["owner"], "anna");
    let desk = desk.without_anna().await;
    let nobody = serde_json::Value::Null;
    assert_eq!(desk.prints(&["case", "list", "--owner", "anna"]), serde_json::json!([]));
    for command in [&["case", "list"][..], &["case", "search", "Parcel"]] {
        let listed = desk.prints(command);
        assert_eq!((&listed[0]["ref"], &listed[0]["owner"]), (&"1001".into(), &nobody), "{command:?}");
    }
    assert_eq!(desk.prints(&["case", "show", "1001"])["owner"], nobody);
}

#[tokio::test]
async fn r90_a_single_mailbox_that_nobody_works_is_named() {
    let desk = Desk::new().await;
    assert_eq!(unstaffed(&desk.config.policy), Vec::<&str>::new());
    assert_eq!(nobody(&desk.config.policy), "");
    let (all, of_support) = ("@agents.example\"", "@agents.example\"\nmailboxes = [\"support\"]");
    let desk = desk.reconfigured(all, of_support).await;
    assert_eq!(unstaffed(&desk.config.policy), ["sales"]);
    assert_eq!(nobody(&desk.config.policy), "; no agent works sales");
    let desk = Desk::without_agents().await;
    assert_eq!(unstaffed(&desk.config.policy), ["sales", "support"]);
    assert_eq!(nobody(&desk.config.policy), "; no agent is configured");
}

#[tokio::test]
async fn r91_old_mail_opens_cases_and_nothing_leaves_but_one_summary() {
    let mut desk = Desk::new().await;
    for number in 0..3 {
        let draft = Draft::new("support@shop.example", &format!("old {number}"), "Old words.");
        desk.takes("support", draft.bytes(JANE, &format!("{number}@old.example")).as_bytes(), true).await;
    }
    assert!(desk.sends().await.is_empty());
    assert_eq!(desk.cases().await.len(), 3);
    let cursor = desk.cursor("support", 3);
    desk.flow.old_mail_taken(&cursor).await.expect("a summary");
    desk.flow.old_mail_taken(&cursor).await.expect("once");
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    assert!(one_to(&sent, "anna@agents.example").text().contains('3'));
    // a reply to an old case is new mail like any other
    desk.gets(JANE, &Draft::new("support@shop.example", "Re: [#1002]", "Is anybody reading this?")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("Is anybody reading this?"));
}

#[tokio::test]
async fn r92_the_whole_mail_can_be_had() {
    let mut desk = Desk::new().await;
    let draft =
        Draft::new("support@shop.example", "Parcel", "Where is it?\n\nOn Monday you wrote:\n> something that was cut");
    let bytes = draft.bytes(JANE, "whole@writer.example");
    desk.arrives("support", bytes.as_bytes()).await;
    let case = desk.case().await;
    let original = desk.flow.store().original(case.entries[0].0).await.expect("the store").expect("a mail");
    assert_eq!(String::from_utf8_lossy(&original), bytes);
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#original")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "jane@customer.example").is_empty());
    let got = one_to(&sent, "anna@agents.example");
    assert!(got.everything().contains("something that was cut"), "{got:?}");
}

/// `audit` beside a running daemon: it never sees half of a commit.
#[tokio::test(flavor = "multi_thread")]
async fn audit_adds_up_at_every_moment() {
    let mut desk = Desk::new().await;
    let store = desk.flow.store().clone();
    let looking = tokio::spawn(async move {
        let mut seen = std::collections::BTreeSet::new();
        while seen.last().is_none_or(|stored| *stored < 60) {
            let (stored, outcomes) = store.sums().await.expect("the sums");
            assert_eq!(stored, outcomes.iter().map(|s| s.count).sum::<i64>(), "{outcomes:?}");
            seen.insert(stored);
        }
        seen.len()
    });
    for number in 0..60 {
        desk.gets(
            "Jane <jane@customer.example>",
            &Draft::new("support@shop.example", &format!("mail {number}"), "Hello."),
        )
        .await;
    }
    assert!(looking.await.expect("sums that add up") > 5, "it was looked at while mail came");
}
