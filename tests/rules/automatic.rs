//! R50 to R54: automatic mail, ours and theirs.

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

fn question() -> Draft {
    Draft::new("support@shop.example", "Parcel", "Where is my secret parcel?")
}

#[tokio::test]
async fn r50_once_a_case() {
    let mut desk = Desk::with("[limits]\nack_per_address = \"off\"\n").await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let acknowledgement = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &acknowledgement.reply("And another thing.")).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
    desk.gets(JANE, &question().subject("Another case")).await;
    one_to(&desk.sends().await, "jane@customer.example");
}

#[tokio::test]
async fn r50_never_to_machines_lists_and_ourselves() {
    for (what, from, draft) in [
        ("an automatic mail", JANE, question().field("Auto-Submitted", "auto-generated")),
        ("a list", JANE, question().field("List-Id", "<talk.customer.example>")),
        ("bulk", JANE, question().field("Precedence", "bulk")),
        ("a null reverse-path", JANE, question().field("Return-Path", "<>")),
        ("a mail that forbids it", JANE, question().field("X-Auto-Response-Suppress", "All")),
        ("a mail that forbids automatic replies", JANE, question().field("X-Auto-Response-Suppress", "DR, AutoReply")),
        ("our own address", "sales@shop.example", question()),
        ("a no-reply", "no-reply@customer.example", question()),
        ("a mailer daemon", "MAILER-DAEMON@customer.example", question()),
        ("a blind copy", JANE, question().to("somebody@else.example")),
    ] {
        let mut desk = Desk::new().await;
        desk.gets(from, &draft).await;
        let sent = desk.sends().await;
        let automatic: Vec<&String> =
            sent.iter().map(|s| &s.recipient).filter(|r| !r.ends_with("@agents.example")).collect();
        assert!(automatic.is_empty(), "{what} was acknowledged: {automatic:?}");
    }
}

#[tokio::test]
async fn r50_within_the_budgets() {
    let mut desk = Desk::new().await;
    for number in 0..3 {
        desk.gets(JANE, &question().subject(&format!("mail {number}"))).await;
    }
    assert_eq!(to(&desk.sends().await, "jane@customer.example").len(), 1, "one a day and address");
    for number in 0..30 {
        desk.gets(&format!("p{number}@crowd.example"), &question().subject(&format!("mail {number}"))).await;
    }
    let crowd = desk.sends().await.iter().filter(|s| s.recipient.ends_with("@crowd.example")).count();
    assert_eq!(crowd, 20, "twenty an hour and domain");
    assert_eq!(desk.cases().await.len(), 33, "a case is opened all the same");
}

#[tokio::test]
async fn r51_their_words_stand_in_it_only_if_this_very_mail_passed() {
    let mut desk = Desk::trusting().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let constant = one_to(&sent, "jane@customer.example");
    assert!(!constant.everything().contains("secret parcel") && !constant.subject().contains("Parcel"), "{constant:?}");
    assert!(constant.subject().contains("[#1001]"));
    desk.gets_passed("Max <max@other.example>", &question()).await;
    let sent = desk.sends().await;
    let echo = one_to(&sent, "max@other.example");
    assert_eq!(echo.subject(), "Re: Parcel");
    assert!(echo.text().contains("secret parcel"), "{}", echo.text());
}

#[tokio::test]
async fn r46_an_acknowledgement_that_holds_a_private_address_goes_without_their_words_or_not_at_all() {
    let mut desk = Desk::trusting().await;
    let draft = Draft::new("support@shop.example", "Parcel", "Your anna@agents.example told me to ask here.");
    desk.gets_passed(JANE, &draft).await;
    let sent = desk.sends().await;
    let constant = one_to(&sent, "jane@customer.example");
    assert!(!constant.everything().contains("agents.example"), "{constant:?}");
    assert!(constant.subject().contains("[#1001]"), "{constant:?}");
    let logged = desk.case().await.log.iter().find(|e| e.rule == "R46").map(|e| e.detail.clone());
    assert!(logged.as_deref().is_some_and(|d| d.contains("the private address of anna")), "{logged:?}");

    let folder = tempfile::tempdir().expect("a folder");
    for file in ["acknowledge_constant.txt", "acknowledge.txt"] {
        std::fs::write(folder.path().join(file), "Thank you. Ask anna@agents.example.\n").expect("write");
    }
    let letters = format!("[letters]\nfolder = \"{}\"\n", folder.path().display());
    let mut desk = Desk::with(&letters).await;
    desk.gets(JANE, &question()).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty(), "the operator's letter gives Anna away");
    let case = desk.case().await;
    assert!(case.log.iter().any(|e| e.kind == "not_acknowledged" && e.rule == "R46"), "{:?}", case.log);
    assert_eq!(case.entries.len(), 1, "what did not leave is no entry");
}

#[tokio::test]
async fn r51_a_flood_of_strangers_takes_no_acknowledgement_from_people_we_have_dealt_with() {
    for limit in ["ack_total", "ack_per_domain"] {
        let mut desk = Desk::with(&format!("[limits]\n{limit} = \"2/1h\"\nack_per_address = \"off\"\n")).await;
        desk.gets(JANE, &question()).await;
        let relay = one_to(&desk.sends().await, "anna@agents.example").clone();
        desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
        for number in 0..5 {
            desk.gets(&format!("p{number}@customer.example"), &question().subject(&format!("mail {number}"))).await;
        }
        let sent = desk.sends().await;
        let strangers = sent.iter().filter(|s| s.recipient.starts_with('p')).count();
        assert_eq!(strangers, 1, "{limit}: Jane's first mail was a stranger's, and one more is within it");

        desk.gets(JANE, &question().subject("Lamp")).await;
        desk.gets("p4@customer.example", &question().subject("Lamp")).await;
        let sent = desk.sends().await;
        let constant = one_to(&sent, "jane@customer.example");
        assert!(constant.subject().contains("[#1007]"), "{limit}: {}", constant.subject());
        assert!(!constant.everything().contains("secret parcel"), "{limit}: {constant:?}");
        assert!(to(&sent, "p4@customer.example").is_empty(), "{limit}: who only wrote before is a stranger still");
    }
}

#[tokio::test]
async fn r51_everyone_and_nobody() {
    let mut desk = Desk::with("[acknowledge]\necho = \"everyone\"\n").await;
    desk.gets(JANE, &question()).await;
    assert!(one_to(&desk.sends().await, "jane@customer.example").text().contains("secret parcel"));
    for settings in ["[acknowledge]\nto = \"nobody\"\n", "[acknowledge]\nenabled = false\n"] {
        let mut desk = Desk::with(settings).await;
        desk.gets(JANE, &question()).await;
        assert!(to(&desk.sends().await, "jane@customer.example").is_empty(), "{settings}");
    }
}

#[tokio::test]
async fn r52_ours_says_what_it_is_and_an_agents_answer_does_not() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let acknowledgement = sent.iter().find(|s| s.recipient == "jane@customer.example").expect("an acknowledgement");
    assert_eq!(acknowledgement.letter.field("Auto-Submitted"), "auto-replied");
    assert_eq!(acknowledgement.letter.field("X-Auto-Response-Suppress"), "All");
    assert_eq!(acknowledgement.letter.field("Precedence"), "");
    assert!(acknowledgement.reverse_path.as_deref().is_some_and(|p| p.starts_with("support+b")));
    let relay = one_to(&sent, "anna@agents.example");
    assert_eq!(relay.field("X-Auto-Response-Suppress"), "DR, RN, NRN");
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    for field in ["Auto-Submitted", "X-Auto-Response-Suppress", "Precedence"] {
        assert_eq!(answer.field(field), "", "{field}");
    }
}

#[tokio::test]
async fn r52_nothing_that_arrives_at_a_bounce_token_is_answered() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let bounce = sent.iter().find_map(|s| s.reverse_path.clone()).expect("a reverse-path");
    desk.gets("Max <max@other.example>", &Draft::new(&bounce, "Hello", "Is anybody there?")).await;
    let sent = desk.sends().await;
    assert!(to(&sent, "max@other.example").is_empty(), "{sent:?}");
}

#[tokio::test]
async fn r53_a_machines_mail_is_seen_by_a_person_without_acknowledgement() {
    for (what, draft) in [
        ("auto-generated", question().field("Auto-Submitted", "auto-generated")),
        ("list", question().field("List-Id", "<talk.customer.example>")),
        ("bulk", question().field("Precedence", "bulk")),
    ] {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &draft).await;
        let sent = desk.sends().await;
        assert_eq!(to(&sent, "anna@agents.example").len(), 1, "{what} is relayed");
        assert!(to(&sent, "jane@customer.example").is_empty(), "{what}");
    }
}

#[tokio::test]
async fn r53_vacation_replies_stay_silent_entries_and_who_left_is_shown() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let acknowledgement = one_to(&sent, "jane@customer.example").clone();
    let vacation = |words: &str| {
        acknowledgement
            .reply(words)
            .subject("Automatic reply: We have your message")
            .field("Auto-Submitted", "auto-replied")
    };
    desk.gets(JANE, &vacation("I am on holiday.")).await;
    assert!(desk.sends().await.is_empty());
    assert!(desk.case().await.entries.iter().any(|(_, e)| e.silent && e.text.contains("on holiday")));
    for (words, said) in [
        ("I no longer work for Customer Ltd.", "works there no more"),
        ("My new e-mail address is jane@new.example.", "has another address"),
    ] {
        desk.gets(JANE, &vacation(words)).await;
        let sent = desk.sends().await;
        assert!(to(&sent, "jane@customer.example").is_empty(), "{words}: no acknowledgement");
        let relay = one_to(&sent, "anna@agents.example");
        assert!(relay.text().contains(words) && relay.text().contains(said), "{}", relay.text());
        desk.gets(JANE, &vacation(&format!("{words} Do not wait for me."))).await;
        assert!(desk.sends().await.is_empty(), "{words}: once");
    }
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "new");
    assert_eq!(case.entries.iter().filter(|(_, e)| e.silent).count(), 5);
}

#[tokio::test]
async fn r53_a_challenge_is_shown_once_and_stays_a_silent_entry() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let acknowledgement = one_to(&sent, "jane@customer.example").clone();
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#close\nDone.")).await;
    desk.sends().await;
    let challenge = |number: u32| {
        acknowledgement
            .reply(&format!("Follow https://challenge.example/{number} to deliver your mail."))
            .subject("Please confirm your message to Jane")
    };
    desk.gets(JANE, &challenge(1)).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("a machine wants a proof"), "{sent:?}");
    assert_eq!(sent.len(), 1, "the owner alone: {sent:?}");
    desk.gets(JANE, &challenge(2)).await;
    assert!(desk.sends().await.is_empty(), "once");
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "closed");
    assert_eq!(case.entries.iter().filter(|(_, e)| e.silent).count(), 2);
    // a person whose case is about such words is no machine
    let asked = question().subject("Sender verification fails");
    desk.gets("Max <max@other.example>", &asked).await;
    for words in ["It still does.", "And still."] {
        desk.gets("Max <max@other.example>", &asked.clone().subject("Re: Sender verification fails [#1002]")).await;
        let sent = desk.sends().await;
        assert!(!to(&sent, "anna@agents.example").is_empty(), "{words}");
    }
}

#[tokio::test]
async fn r54_a_vacation_reply_changes_neither_status_nor_owner() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &question()).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("#close\nDone.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    let vacation = answer.reply("I am on holiday.").subject("Automatic reply").field("Auto-Submitted", "auto-replied");
    desk.gets(JANE, &vacation).await;
    let case = desk.case().await.listed.case;
    assert_eq!((case.status.word(), case.owner.as_deref()), ("closed", Some("anna")));
}
