//! R10 to R14: which case.

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane Doe <jane@customer.example>";
const MAX: &str = "Max <max@other.example>";
const ANNA: &str = "Anna <anna@agents.example>";
const DAY_MS: i64 = 86_400_000;

/// A case of Jane's that Anna answered: relay and answer.
async fn answered(desk: &mut Desk, subject: &str) -> (Letter, Letter) {
    desk.gets(JANE, &Draft::new("support@shop.example", subject, "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    (relay, answer)
}

/// Would it go into a case that is there?
async fn joins(desk: &Desk, from: &str, draft: &Draft) -> bool {
    let explained = desk.explains(from, draft).await;
    let case = explained.decision.expect("a decision").case.expect("a case");
    desk.flow.store().reference(case).await.expect("the store").is_some()
}

#[tokio::test]
async fn r10_a_token_in_any_recipient_field_in_any_letter_case() {
    let mut desk = Desk::new().await;
    let (_, answer) = answered(&mut desk, "Parcel").await;
    let token = answer.reply_to().to_uppercase();
    for field in ["To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"] {
        let draft = if field == "To" {
            Draft::new(&token, "again", &format!("Through {field}."))
        } else {
            Draft::new("undisclosed-recipients:;", "again", &format!("Through {field}.")).field(field, &token)
        };
        desk.gets(JANE, &draft).await;
        let sent = desk.sends().await;
        assert!(one_to(&sent, "anna@agents.example").text().contains(field), "{field}");
    }
    assert_eq!(desk.cases().await.len(), 1);
}

#[tokio::test]
async fn r10_ids_of_ours_come_next_then_ids_that_we_hold_then_the_tag() {
    let mut desk = Desk::new().await;
    let first = desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let acknowledgement = one_to(&sent, "jane@customer.example").clone();
    let plain = |words: &str| Draft::new("support@shop.example", "hello", words);
    let of_ours = plain("By an id of ours.").field("References", &acknowledgement.message_id());
    assert!(joins(&desk, JANE, &of_ours).await);
    let held = plain("By an id that we hold.").field("In-Reply-To", &first);
    assert!(joins(&desk, JANE, &held).await);
    assert!(!joins(&desk, MAX, &held).await, "only if the author is a party");
    let tag = Draft::new("support@shop.example", "Re: something [#1001]", "By the tag.");
    assert!(joins(&desk, JANE, &tag).await);
    assert!(!joins(&desk, MAX, &tag).await, "only if the author is a party");
    let words = Draft::new("support@shop.example", "Re: Parcel", "By subject words.");
    assert!(!joins(&desk, JANE, &words).await, "never by subject words");
    let empty = plain("By an empty id.").field("In-Reply-To", "<>").field("References", "<> <@> garbage");
    assert!(!joins(&desk, JANE, &empty).await);
    desk.gets(JANE, &tag).await;
    desk.gets(JANE, &of_ours).await;
    assert_eq!(desk.case().await.entries.len(), 4);
}

#[tokio::test]
async fn r10_of_several_tokens_the_authors_own_comes_first_and_the_other_case_gets_a_pointer() {
    let mut desk = Desk::new().await;
    desk.gets(MAX, &Draft::new("support@shop.example", "Other", "Another matter.")).await;
    let sent = desk.sends().await;
    let other = one_to(&sent, "max@other.example").reply_to();
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let own = one_to(&sent, "jane@customer.example").clone();
    let both = own.reply("For both?").to(&format!("{other}, {}", own.reply_to()));
    desk.gets(JANE, &both).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    assert!(cases[1].entries.iter().any(|(_, e)| e.text.contains("For both?")));
    assert!(cases[0].log.iter().any(|l| l.detail.contains("1002")), "{:?}", cases[0].log);
}

#[tokio::test]
async fn r11_a_mail_composed_anew_to_a_token() {
    let mut desk = Desk::new().await;
    let (_, answer) = answered(&mut desk, "Parcel").await;
    let anew = |words: &str| Draft::new(&answer.reply_to(), "Something else", words);
    desk.gets(JANE, &anew("By a party of an open case.")).await;
    assert_eq!(desk.cases().await.len(), 1, "joins");
    desk.sends().await;
    desk.gets(MAX, &anew("Max found this address.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2, "anybody else opens their own");
    let sent = desk.sends().await;
    let relay = one_to(&sent, "bob@agents.example");
    assert!(relay.text().contains("jane@customer.example"), "whose address they used:\n{}", relay.text());
}

#[tokio::test]
async fn r12_a_closed_case_reopens_for_a_while_and_then_has_a_successor() {
    let mut desk = Desk::with("[desk]\nreopen_days = 30\n").await;
    let (relay, answer) = answered(&mut desk, "Parcel").await;
    desk.gets(ANNA, &relay.reply("#close\nDone.")).await;
    desk.sends().await;
    desk.gets(JANE, &answer.reply("Not quite.")).await;
    let case = desk.case().await;
    assert_eq!(case.listed.case.status.word(), "open");
    desk.sends().await;
    desk.gets(ANNA, &relay.reply("#close\nDone again.")).await;
    desk.sends().await;
    desk.closed_days_ago(31 * DAY_MS).await;
    desk.gets(JANE, &answer.reply("A month later.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[1].listed.case.owner.as_deref(), Some("anna"), "the same owner");
    let relay = one_to(&desk.sends().await, "anna@agents.example").text();
    assert!(relay.contains("goes on from case #1001") && relay.contains("Not quite."), "nobody asks again:\n{relay}");
    desk.gets(JANE, &answer.reply("And once more.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2, "the token follows the link to the newest successor");
    assert_eq!(cases[1].entries.iter().filter(|(_, e)| e.text.contains("once more")).count(), 1);
}

#[tokio::test]
async fn r10_a_number_in_the_subject_counts_for_a_party_at_any_of_our_addresses() {
    let mut desk = Desk::new().await;
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    for (who, cases) in [(JANE, 1), ("Max <max@other.example>", 2)] {
        let tagged =
            Draft::new("sales@shop.example", "About [#1001]", "One more word.").bytes(who, &crate::letter::unique());
        desk.arrives("sales", tagged.as_bytes()).await;
        assert_eq!(desk.cases().await.len(), cases, "{who}");
    }
}

#[tokio::test]
async fn r13_the_same_mail_is_one_mail_in_however_many_mailboxes_it_lies() {
    let mut desk = Desk::new().await;
    let draft = Draft::new("sales@shop.example, support@shop.example", "Both", "To both.");
    let mail = draft.bytes(JANE, "one@writer.example");
    desk.arrives("support", format!("Received: by one\r\n{mail}").as_bytes()).await;
    desk.arrives("sales", format!("Received: by two\r\n{mail}").as_bytes()).await;
    let case = desk.case().await;
    assert_eq!(case.listed.case.mailbox, "sales", "where To names first");
    let sent = desk.sends().await;
    assert_eq!(to(&sent, "anna@agents.example").len(), 1);
    assert_eq!(to(&sent, "jane@customer.example").len(), 1);
    desk.arrives("support", mail.replace("To both.", "Other content.").as_bytes()).await;
    assert_eq!(desk.cases().await.len(), 2, "the same id with other content is another mail");
}

#[tokio::test]
async fn r13_a_later_copy_with_a_token_wins() {
    let mut desk = Desk::new().await;
    let (_, answer) = answered(&mut desk, "Parcel").await;
    let bytes = |delivered: &str| {
        // the clock must not tick between the two copies
        let draft = Draft::new("support@shop.example", "again", "The same words.")
            .field("Date", "Mon, 23 Nov 2026 10:00:00 +0000");
        format!("Delivered-To: {delivered}\r\n{}", draft.bytes(JANE, "copy@writer.example"))
    };
    desk.arrives("support", bytes("support@shop.example").as_bytes()).await;
    assert_eq!(desk.cases().await.len(), 2);
    desk.arrives("support", bytes(&answer.reply_to()).as_bytes()).await;
    let cases = desk.cases().await;
    assert_eq!(cases[1].listed.merged_into, Some(1001), "the case that the first copy opened is merged");
}

#[tokio::test]
async fn r14_a_token_of_another_installation_is_none() {
    let mut desk = Desk::new().await;
    let foreign = "support+cexpfbefryc6ehpw1zf5mesyzmagn9vcypmwwbkzb@shop.example";
    assert!(!joins(&desk, JANE, &Draft::new(foreign, "hello", "Hello.")).await);
    desk.gets(JANE, &Draft::new(foreign, "hello", "Hello.")).await;
    assert_eq!(desk.case().await.entries.iter().filter(|(_, e)| e.direction.word() == "inbound").count(), 1);
}
