//! R63: delivery status reports.

use yesreply::desk::What;
use yesreply::store::types::Settlement;

use crate::desk::{Desk, Sent, one_to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

/// A report as Postfix writes it.
fn report(to: &str, recipient: &str, action: &str, status: &str, embedded: &str) -> Draft {
    let body = format!(
        "--b\nContent-Type: text/plain\n\nI could not deliver your mail.\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n\
         Diagnostic-Code: smtp; 550 {status} user unknown\n\n--b\nContent-Type: message/rfc822\n\n{embedded}\n--b--\n"
    );
    Draft::new(to, "Undelivered Mail Returned to Sender", &body)
        .field("Return-Path", "<>")
        .field("Auto-Submitted", "auto-replied")
        .field("MIME-Version", "1.0")
        .field("Content-Type", "multipart/report; report-type=delivery-status; boundary=b")
}

fn header_of(sent: &Sent) -> String {
    let text = String::from_utf8_lossy(&sent.letter.raw).replace("\r\n", "\n");
    text.split("\n\n").next().unwrap_or_default().to_owned()
}

async fn answered(desk: &mut Desk) -> (Sent, String) {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = sent.iter().find(|s| s.recipient == "jane@customer.example").expect("the answer").clone();
    (answer, relay.reply_to())
}

const DAEMON: &str = "MAILER-DAEMON@mx.example";

#[tokio::test]
async fn r63_a_report_to_a_bounce_token_finds_its_case_and_tells_the_agent() {
    let mut desk = Desk::new().await;
    let (answer, annas) = answered(&mut desk).await;
    let bounce = answer.reverse_path.clone().expect("a reverse-path");
    desk.gets(DAEMON, &report(&bounce, "jane@customer.example", "failed", "5.1.1", "Subject: nothing of use\n")).await;
    let sent = desk.sends().await;
    assert_eq!(sent.len(), 1, "the agent alone: {sent:?}");
    let told = one_to(&sent, "anna@agents.example");
    assert!(told.text().contains("jane@customer.example") && told.text().contains("5.1.1"), "{}", told.text());
    assert_eq!(told.reply_to(), annas);
    let case = desk.case().await;
    let delivery = case.deliveries.iter().find(|d| d.recipient == "jane@customer.example" && d.status == "5.1.1");
    assert_eq!(delivery.map(|d| d.state.as_str()), Some("failed"), "{:?}", case.deliveries);
}

#[tokio::test]
async fn r63_a_report_that_embeds_an_id_of_ours_counts_too() {
    let mut desk = Desk::new().await;
    let (answer, _) = answered(&mut desk).await;
    desk.gets(DAEMON, &report("support@shop.example", "jane@customer.example", "failed", "5.1.1", &header_of(&answer)))
        .await;
    one_to(&desk.sends().await, "anna@agents.example");
    assert_eq!(desk.cases().await.len(), 1);
}

#[tokio::test]
async fn r63_a_report_about_nothing_of_ours_changes_nothing() {
    let mut desk = Desk::new().await;
    answered(&mut desk).await;
    let before = desk.case().await;
    let embedded = "Message-ID: <forged@shop.example>\nSubject: Parcel\n";
    desk.gets(DAEMON, &report("support@shop.example", "jane@customer.example", "failed", "5.1.1", embedded)).await;
    assert!(desk.sends().await.is_empty());
    let after = desk.case().await;
    assert_eq!((before.entries.len(), before.deliveries.len()), (after.entries.len(), after.deliveries.len()));
    assert!(after.deliveries.iter().all(|d| d.state == "sent"));
}

/// A relay that an agent's server refuses.
async fn refused(desk: &Desk, relay: &Sent) {
    let failed = Settlement::Failed { status: "5.1.1".to_owned(), reply: "550 5.1.1 no such user".to_owned() };
    desk.flow.settle(relay.id, relay.attempt, failed).await.expect("settle");
}

fn sent_to<'a>(sent: &'a [Sent], agent: &str) -> &'a Sent {
    let address = format!("{agent}@agents.example");
    sent.iter().find(|s| s.recipient == address).expect("a relay")
}

/// To whom a new customer's first mail is relayed.
async fn relayed_to(desk: &mut Desk, from: &str) -> Vec<String> {
    desk.gets(from, &Draft::new("support@shop.example", "Lamp", "It is broken.")).await;
    let sent = desk.sends().await;
    sent.into_iter().map(|s| s.recipient).filter(|r| r.ends_with("@agents.example")).collect()
}

#[tokio::test]
async fn r63_a_failed_relay_of_nobodys_case_makes_the_agent_absent() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let bounce = sent_to(&sent, "anna").reverse_path.clone().expect("a reverse-path");
    desk.gets(DAEMON, &report(&bounce, "anna@agents.example", "failed", "5.1.1", "")).await;
    let sent = desk.sends().await;
    assert!(sent.is_empty(), "Bob has it, and customers hear nothing of it: {sent:?}");
    let case = desk.case().await;
    assert!(
        case.deliveries.iter().any(|d| d.recipient == "anna@agents.example" && d.state == "failed"),
        "{:?}",
        case.deliveries
    );
    assert_eq!(relayed_to(&mut desk, "Max <max@other.example>").await, ["bob@agents.example"], "Anna is away");
}

#[tokio::test]
async fn r63_a_failed_relay_goes_to_the_others() {
    let mut desk = Desk::new().await;
    let (answer, _) = answered(&mut desk).await;
    desk.gets(JANE, &answer.letter.reply("And when tomorrow?")).await;
    let claimed = desk.claims().await;
    assert_eq!(claimed.len(), 1, "to the owner alone: {claimed:?}");
    refused(&desk, sent_to(&claimed, "anna")).await;
    let sent = desk.sends().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    let told = one_to(&sent, "bob@agents.example").text();
    assert!(told.contains("And when tomorrow?") && told.contains("anna could not be reached"), "{told}");
}

#[tokio::test]
async fn r63_a_failed_relay_goes_to_who_is_away_where_nobody_else_has_it() {
    let mut desk = Desk::new().await;
    let away = What::Presence { agent: "bob".to_owned(), away: Some(None) };
    assert_eq!(desk.ordered(away).await, "handled");
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let claimed = desk.claims().await;
    assert!(claimed.iter().all(|s| s.recipient != "bob@agents.example"), "{claimed:?}");
    refused(&desk, sent_to(&claimed, "anna")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "bob@agents.example").text().contains("Where is it?"));
    assert_eq!(desk.flow.store().alarms().await.expect("alarms"), 0);
}

#[tokio::test]
async fn r63_the_last_agents_failure_alarms() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let claimed = desk.claims().await;
    let alarms = async |desk: &Desk| {
        let case = desk.case().await;
        (case.log.iter().filter(|l| l.kind == "alarm").count(), desk.flow.store().alarms().await.expect("alarms"))
    };
    for (agent, expected) in [("anna", (0, 0)), ("bob", (1, 1))] {
        refused(&desk, sent_to(&claimed, agent)).await;
        assert_eq!(alarms(&desk).await, expected, "{agent}");
    }
    let case = desk.case().await;
    let line = case.log.iter().find(|l| l.kind == "alarm").expect("an alarm");
    assert_eq!(
        (line.rule.as_str(), line.detail.as_str()),
        ("R63", "no agent of support can be reached about case 1001")
    );
}

#[tokio::test]
async fn r63_delayed_is_a_line_in_the_case() {
    let mut desk = Desk::new().await;
    let (answer, _) = answered(&mut desk).await;
    let bounce = answer.reverse_path.clone().expect("a reverse-path");
    desk.gets(DAEMON, &report(&bounce, "jane@customer.example", "delayed", "4.4.1", "")).await;
    assert!(desk.sends().await.is_empty());
    let case = desk.case().await;
    assert!(case.log.iter().any(|l| l.kind.contains("delay")), "{:?}", case.log);
    assert!(case.deliveries.iter().all(|d| d.state == "sent"));
}
