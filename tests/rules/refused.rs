//! R15, R40 to R46: agents' replies that cannot be done as they stand: nothing goes out by halves, the agent hears why.

use yesreply::desk::case::Status;
use yesreply::store::types::{Content, FetchedMail};

use crate::desk::{Desk, Sent, one_to, to};
use crate::letter::{Draft, Letter, unique};

const JANE: &str = "Jane Doe <jane@customer.example>";
const MAX: &str = "Max <max@customer.example>";
const ANNA: &str = "Anna Agentson <anna@agents.example>";

/// A case of Jane's, as Anna got it.
async fn opened(desk: &mut Desk) -> Letter {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    one_to(&desk.sends().await, "anna@agents.example").clone()
}

/// Nothing went to Jane, nothing was done, and Anna was told this.
async fn refused(desk: &Desk, sent: &[Sent], what: &str, told: &[&str]) {
    assert!(to(sent, "jane@customer.example").is_empty(), "{what} reaches Jane");
    let back: Vec<String> = to(sent, "anna@agents.example").iter().map(|l| l.text()).collect();
    for words in told {
        assert!(back.iter().any(|text| text.contains(words)), "{what}: no {words:?} in {back:?}");
    }
    let case = desk.cases().await.remove(0).listed.case;
    assert_eq!((case.status, case.owner), (Status::New, None), "{what} is done by halves");
}

#[tokio::test]
async fn r41_addresses_and_times_that_are_none_come_back_with_the_words() {
    let mut desk = Desk::new().await;
    let annas = opened(&mut desk).await;
    for (words, reason) in [
        ("#take\n#cc Max\nTomorrow.", "needs an address"),
        ("#take\n#cc max@@customer.example\nTomorrow.", "no address"),
        ("#take\n#snooze until 2020-01-31 9:00\nTomorrow.", "has passed already"),
        ("#take\n#away until 2020-01-31\nTomorrow.", "has passed already"),
        ("#take\n#close\n#reopen\nTomorrow.", "contradict"),
        ("#tag vip\n#untag vip\nTomorrow.", "puts #vip on and takes it off"),
    ] {
        desk.gets(ANNA, &annas.reply(words)).await;
        refused(&desk, &desk.sends().await, words, &[reason, "Tomorrow."]).await;
        assert!(desk.case().await.listed.case.handling.tags.is_empty(), "{words}");
    }
}

#[tokio::test]
async fn r15_a_merged_cases_old_relay_still_answers_the_right_person() {
    let mut desk = Desk::new().await;
    opened(&mut desk).await;
    desk.gets(MAX, &Draft::new("support@shop.example", "Lamp", "Mine is broken.")).await;
    let of_max = one_to(&desk.sends().await, "anna@agents.example").clone();
    desk.gets(ANNA, &of_max.reply("#merge 1001")).await;
    desk.sends().await;
    desk.gets(ANNA, &of_max.reply("#tag lamp\nA new one comes.")).await;
    let sent = desk.sends().await;
    assert_eq!(one_to(&sent, "max@customer.example").text().trim(), "A new one comes.");
    assert!(to(&sent, "jane@customer.example").is_empty());
    let cases = desk.cases().await;
    assert_eq!(cases[0].listed.case.handling.tags, ["lamp"], "the surviving case has it");
}

#[tokio::test]
async fn r40_a_reply_over_the_limit_is_told_and_not_sent_without_its_files() {
    let mut desk = Desk::new().await;
    let annas = opened(&mut desk).await;
    let raw = annas.reply("#close\nHere are the pictures.").bytes(ANNA, &format!("{}@x.example", unique()));
    let (headers, _) = raw.split_once("\r\n\r\n").expect("a header");
    let mut batch = desk.batch("support", 9, b"", false);
    let content =
        Content::HeadersOnly { headers: format!("{headers}\r\n\r\n").into_bytes(), size_bytes: 30 * 1024 * 1024 };
    batch.mails = vec![FetchedMail { uid: 9, internal_date_ms: Some(1), old: false, content }];
    desk.flow.intake(batch).await.expect("intake");
    refused(&desk, &desk.sends().await, "30 MiB", &["larger than limits.message_bytes_max"]).await;
}

#[tokio::test]
async fn r46_a_signed_reply_is_sent_without_its_signature_and_one_inside_of_it_is_told() {
    let mut desk = Desk::new().await;
    let annas = opened(&mut desk).await;
    let blob = data_encoding::BASE64.encode(b"\x30\x80\x06\x09 It comes tomorrow. anna@agents.example");
    let reply = annas.reply("").field("MIME-Version", "1.0");
    let opaque = reply
        .clone()
        .field("Content-Type", "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m")
        .field("Content-Transfer-Encoding", "base64")
        .field("Content-Disposition", "attachment; filename=smime.p7m");
    desk.gets(ANNA, &Draft { body: blob.clone(), ..opaque }).await;
    refused(&desk, &desk.sends().await, "opaque", &["signed (S/MIME), and its text stands inside the signature"]).await;
    let detached = reply.field(
        "Content-Type",
        "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b",
    );
    let body = format!(
        "--b\nContent-Type: text/plain\n\n#close\nIt comes tomorrow.\n\n--b\nContent-Type: application/pkcs7-signature; \
         name=smime.p7s\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=smime.p7s\n\n{blob}\n--b--\n"
    );
    desk.gets(ANNA, &Draft { body, ..detached }).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert_eq!(answer.text().trim(), "It comes tomorrow.");
    assert!(!answer.everything().contains("smime") && !answer.everything().contains("pkcs7"), "{answer:?}");
    assert_eq!(desk.case().await.listed.case.status, Status::Closed);
}
