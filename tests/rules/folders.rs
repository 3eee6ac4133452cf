//! R94: the shared mailbox as a desk.

use yesreply::desk::What;
use yesreply::desk::operator::Order;
use yesreply::flow::filing::{Copy, Move};
use yesreply::store::cases::Whole;
use yesreply::store::copies::Going;
use yesreply::store::types::Filed;

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";

async fn asked(desk: &mut Desk) -> Letter {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    one_to(&sent, "anna@agents.example").clone()
}

impl Desk {
    async fn filed(&self) -> Vec<Filed> {
        self.flow.filed("support").await.expect("what is filed")
    }

    async fn wanted(&self) -> Vec<String> {
        self.filed().await.into_iter().map(|row| row.wanted.unwrap_or_default()).collect()
    }

    async fn copy(&self, number: usize) -> Copy {
        let filed = self.filed().await;
        self.flow.copy(&filed[number], "support").await.expect("the store").expect("a copy")
    }

    /// Somebody moves a mail of the case; the outcome.
    async fn drags(&self, uid: u32, folder: Option<&str>) -> String {
        let last = self.filed().await.last().expect("a mail").clone();
        self.drags_having_seen(last.entry, uid, folder).await
    }

    /// The same, when the newest mail in the folders was this one.
    async fn drags_having_seen(&self, shown: i64, uid: u32, folder: Option<&str>) -> String {
        let case = self.filed().await[0].case.expect("a case");
        let whole = folder.map_or("INBOX".to_owned(), |name| format!("Cases/{name}"));
        let moved = Move { case, folder: folder.map(str::to_owned), whole, uidvalidity: 1, uid, shown };
        self.flow.moved("support", vec![moved]).await.expect("a move").remove(0).outcome.to_owned()
    }

    async fn says(&self, words: &str) {
        let outcome = self.ordered(What::Ordered(Box::new(Order::new(1001, None, words)))).await;
        assert_eq!(outcome, "handled", "{words}");
    }
}

fn stands(case: &Whole) -> (&str, Option<&str>) {
    (case.listed.case.status.word(), case.listed.case.owner.as_deref())
}

fn log(case: &Whole, kind: &str) -> Vec<String> {
    case.log.iter().filter(|l| l.kind == kind).map(|l| format!("{} {}: {}", l.rule, l.by, l.detail)).collect()
}

#[tokio::test]
async fn r94_a_move_is_what_its_folder_says() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    assert_eq!(desk.wanted().await, ["Unowned", "Unowned"], "her mail and its acknowledgement");
    for (uid, folder, status, owner) in [
        (1, "anna", "open", Some("anna")),
        (2, "Waiting", "waiting", Some("anna")),
        (3, "anna", "open", Some("anna")),
        (4, "bob", "open", Some("bob")),
        (5, "Closed", "closed", Some("bob")),
        (6, "Waiting", "waiting", Some("bob")),
        (7, "Unowned", "open", None),
        (8, "Closed", "closed", None),
        (9, "Unowned", "open", None),
        (10, "Waiting", "waiting", None),
        (11, "bob", "open", Some("bob")),
    ] {
        assert_eq!(desk.drags(uid, Some(folder)).await, "handled", "{folder}");
        assert_eq!(stands(&desk.case().await), (status, owner), "{uid}: {folder}");
        assert_eq!(desk.wanted().await, [folder, folder], "all mails of a case lie together");
    }
    assert_eq!(desk.drags(1, Some("anna")).await, "repeated");
    let case = desk.case().await;
    assert_eq!(stands(&case), ("open", Some("bob")), "a move is one order");
    let moves = log(&case, "moved");
    assert_eq!((moves.len(), moves[0].as_str()), (11, "R94 shared mailbox: a mail of it was moved to Cases/anna"));
}

#[tokio::test]
async fn r94_whoever_is_given_a_case_by_a_move_gets_it_and_who_had_it_hears_of_it() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    desk.drags(1, Some("anna")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").text();
    assert!(relay.contains("Somebody in the shared mailbox gave you this case") && relay.contains("Where is it?"));
    assert!(one_to(&sent, "bob@agents.example").text().contains("Anna took case #1001."));
    desk.drags(2, Some("Waiting")).await;
    desk.drags(3, Some("anna")).await;
    assert!(desk.sends().await.is_empty(), "it was hers");
    desk.drags(4, Some("bob")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("Bob's now: case #1001, which was yours."));
    one_to(&sent, "bob@agents.example");
    assert!(to(&sent, "jane@customer.example").is_empty(), "customers hear of none of it");
}

#[tokio::test]
async fn r94_a_move_that_says_nothing_is_put_back_with_a_line() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    for (uid, folder, words) in
        [(1, Some("zoe"), "no agent of this mailbox"), (2, None, "that folder says nothing of a case")]
    {
        assert_eq!(desk.drags(uid, folder).await, "ignored", "{folder:?}");
        let case = desk.case().await;
        assert_eq!(stands(&case), ("new", None));
        assert!(log(&case, "put_back").last().expect("a line").contains(words), "{folder:?}");
    }
}

#[tokio::test]
async fn r94_who_had_not_seen_the_customers_newest_mail_closes_nothing() {
    let mut desk = Desk::new().await;
    let relay = asked(&mut desk).await;
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    let seen = desk.filed().await.last().expect("the answer").entry;
    desk.gets(JANE, &answer.reply("Words of hers: it is urgent!")).await;
    for (uid, folder) in [(1, "Closed"), (2, "Waiting")] {
        assert_eq!(desk.drags_having_seen(seen, uid, Some(folder)).await, "ignored", "{folder}");
        let case = desk.case().await;
        assert_eq!(stands(&case), ("open", Some("anna")));
        let line = log(&case, "put_back").pop().expect("a line");
        assert!(line.contains("the customer had written again meanwhile"), "{line}");
    }
    assert_eq!(desk.drags_having_seen(seen, 3, Some("bob")).await, "handled", "who takes a case gets all of it");
    assert_eq!(desk.drags(4, Some("Closed")).await, "handled");
    assert_eq!(stands(&desk.case().await), ("closed", Some("bob")));
}

#[tokio::test]
async fn r94_spam_lies_nowhere_and_what_is_closed_goes_when_it_cannot_reopen() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    desk.says("#close").await;
    assert_eq!(desk.wanted().await, ["Closed", "Closed"]);
    desk.closed_days_ago(31 * 86_400_000).await;
    assert!(desk.filed().await.is_empty());
    let row = Going { entry: 7, marker: "m".to_owned(), place: String::new(), going: "Closed".to_owned() };
    desk.flow.store().copies_go("support", &[row]).await.expect("stored");
    let left = desk.filed().await;
    assert_eq!((left.len(), left[0].case, left[0].wanted.as_deref()), (1, None, None), "what lies there goes away");
    desk.flow.store().copies_gone("support", &[7]).await.expect("stored");
    desk.says("#reopen").await;
    assert_eq!(desk.wanted().await, ["Unowned", "Unowned"]);
    desk.says("#spam").await;
    assert!(desk.filed().await.is_empty());
}

#[tokio::test]
async fn r94_an_owner_who_is_gone_counts_as_none_and_a_merged_case_lies_in_the_other() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    desk.drags(1, Some("anna")).await;
    desk.gets("Max <max@customer.example>", &Draft::new("support@shop.example", "Broken", "It broke.")).await;
    assert_eq!(desk.wanted().await, ["anna", "anna", "Unowned", "Unowned"]);
    let merge = Order::new(1002, desk.config.policy.agents.get("bob"), "#merge 1001");
    assert_eq!(desk.ordered(What::Ordered(Box::new(merge))).await, "handled");
    assert_eq!(desk.wanted().await, ["anna", "anna", "anna", "anna"]);
    let desk = desk.without_anna().await;
    assert_eq!(desk.wanted().await, ["Unowned"; 4]);
}

#[tokio::test]
async fn r94_a_copy_is_the_mail_as_it_came_or_left_and_a_note_shows() {
    let mut desk = Desk::new().await;
    let relay = asked(&mut desk).await;
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    let answer = one_to(&desk.sends().await, "jane@customer.example").clone();
    desk.gets(ANNA, &relay.reply("#note\nShe calls often.")).await;
    let inbound = desk.copy(0).await;
    let original = desk.flow.store().original(desk.filed().await[0].entry).await.expect("read").expect("her mail");
    let (field, rest) = inbound.bytes.split_at(inbound.bytes.iter().position(|b| *b == b'\n').expect("a line") + 1);
    assert_eq!(field, format!("X-Yesreply-Entry: {}\r\n", inbound.marker).as_bytes());
    assert_eq!((rest, inbound.seen), (original.as_slice(), false));
    let outbound = desk.copy(2).await;
    let text = String::from_utf8(outbound.bytes.clone()).expect("text");
    let raw = String::from_utf8(answer.raw.clone()).expect("text");
    assert!(raw.contains("\nReply-To: ") && !text.contains("\nReply-To: "), "{text}");
    assert!(outbound.seen && text.contains("Message-ID: ") && text.contains(&answer.message_id()));
    let note = Letter { raw: desk.copy(3).await.bytes, path: std::path::PathBuf::new() };
    assert!(note.text().contains("She calls often.") && note.subject().starts_with("Note: "), "{}", note.everything());
    assert_eq!(desk.copy(3).await.bytes, note.raw, "the same each time");
}

#[tokio::test]
async fn r94_a_copy_opens_nothing_wherever_it_is_put() {
    let mut desk = Desk::new().await;
    let relay = asked(&mut desk).await;
    desk.gets(ANNA, &relay.reply("It comes tomorrow.")).await;
    desk.gets(ANNA, &relay.reply("#note\nShe calls often.")).await;
    // a machine's mail, of which nothing else tells that it is known
    desk.arrives("support", b"From: cron@web.example\r\nTo: support@shop.example\r\nSubject: Disk\r\n\r\nfull\r\n")
        .await;
    desk.sends().await;
    let before: Vec<usize> = desk.cases().await.iter().map(|c| c.entries.len()).collect();
    for number in 0..desk.filed().await.len() {
        let copy = desk.copy(number).await;
        assert!(desk.flow.is_copy(&copy.marker, copy.bytes.clone()).await);
        desk.arrives("support", &copy.bytes).await;
        desk.arrives("sales", &copy.bytes).await;
        desk.arrives_in_junk(&copy.bytes).await;
        desk.is_sent(&copy.bytes).await;
    }
    let after: Vec<usize> = desk.cases().await.iter().map(|c| c.entries.len()).collect();
    assert_eq!(before, after);
    assert!(desk.sends().await.is_empty());
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, sums.iter().map(|s| s.count).sum::<i64>(), "{sums:?}");
}

#[tokio::test]
async fn r94_t11_a_marker_of_ours_on_another_mail_hides_nothing() {
    let mut desk = Desk::new().await;
    asked(&mut desk).await;
    let copy = desk.copy(0).await;
    let draft =
        Draft::new("support@shop.example", "Another thing", "Here it is.").field("X-Yesreply-Entry", &copy.marker);
    desk.gets("Max <max@customer.example>", &draft).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    let again = desk.filed().await.into_iter().find(|row| row.case == Some(cases[1].listed.case.key.to_i64()));
    let bytes = desk.flow.copy(&again.expect("filed"), "support").await.expect("read").expect("a copy").bytes;
    let text = String::from_utf8(bytes.clone()).expect("text");
    assert_eq!(text.matches("X-Yesreply-Entry").count(), 1, "{text}");
    assert!(!text.contains(&copy.marker));
    assert!(!desk.flow.is_copy(&copy.marker, bytes).await);
}
