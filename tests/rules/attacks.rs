//! What an attacker's eye found, each as the sequence that showed it.

use crate::desk::{Desk, one_to, to};
use crate::letter::{Draft, Letter};

const JANE: &str = "Jane Doe <jane@customer.example>";
const ANNA: &str = "Anna <anna@agents.example>";
const BOB: &str = "Bob <bob@agents.example>";

async fn opened(desk: &mut Desk, text: &str) -> (Letter, Letter) {
    desk.gets(JANE, &Draft::new("support@shop.example", "Parcel", text)).await;
    let sent = desk.sends().await;
    (one_to(&sent, "anna@agents.example").clone(), one_to(&sent, "bob@agents.example").clone())
}

fn all_to_jane(sent: &[crate::desk::Sent]) -> String {
    to(sent, "jane@customer.example").iter().map(|l| l.everything()).collect()
}

#[tokio::test]
async fn r43_an_earlier_quote_of_the_relay_never_makes_it_shared() {
    let mut desk = Desk::new().await;
    let (annas, bobs) = opened(&mut desk, "Where is it?").await;
    desk.gets(BOB, &bobs.reply("#note\nTotal liar, ignore.")).await;
    desk.sends().await;
    desk.gets(ANNA, &annas.reply("First answer of mine.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &answer.reply("Second mail.")).await;
    let sent = desk.sends().await;
    let second = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &second.reply("Second answer of mine.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &answer.reply("Third mail.")).await;
    let sent = desk.sends().await;
    let third = one_to(&sent, "anna@agents.example").clone();
    let quoted: String = third.text().lines().map(|l| format!("> {l}\n")).collect();
    let reply = third.reply("");
    let draft = Draft { body: format!("One line above.\n\n{quoted}\nRegards, Anna\n"), ..reply };
    desk.gets(ANNA, &draft).await;
    let all = all_to_jane(&desk.sends().await);
    for secret in ["Total liar", "#note", "Owner:", "Customer: Jane", "History of"] {
        assert!(!all.contains(secret), "{secret} leaves:\n{all}");
    }
}

#[tokio::test]
async fn r41_a_command_is_a_command_whatever_the_customer_wrote() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk, "Hello,\n\nNote:\n\nplease hurry up with my parcel.").await;
    let unmarked = format!(
        "From: Jane Doe via Shop Support <support@shop.example>\nSent: Monday\nTo: Anna\nSubject: {}\n\n{}\n#note\nShe is lying, no refund for this one.",
        annas.subject(),
        annas.text()
    );
    let reply = annas.reply("");
    desk.gets(ANNA, &Draft { body: unmarked, ..reply }).await;
    let all = all_to_jane(&desk.sends().await);
    assert!(!all.contains("She is lying"), "{all}");
}

#[tokio::test]
async fn a_held_mail_that_is_mended_goes_out_whole() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    let text = "Hello Jane,\n\nthe strike is over and the vans drive again since this morning.\n\nWrite to anna@agents.example if it is late.\n\nWe are sorry for the wait.";
    desk.gets(ANNA, &annas.reply(text)).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
    desk.gets(ANNA, &annas.reply(&text.replace("Write to anna@agents.example", "Tell us"))).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").text();
    for line in ["Hello Jane,", "the strike is over", "Tell us if it is late.", "We are sorry for the wait."] {
        assert!(answer.contains(line), "{line} is missing:\n{answer}");
    }
}

#[tokio::test]
async fn a_phrase_that_an_agent_uses_every_time_is_never_cut() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    let phrase = "Please tell us if you have any other questions.";
    desk.gets(ANNA, &annas.reply(&format!("It comes tomorrow.\n\n{phrase}"))).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    desk.gets(JANE, &answer.reply("It did not come.")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply(&format!("Then today.\n\n{phrase}"))).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").text();
    assert!(answer.contains("Then today.") && answer.contains(phrase), "{answer}");
}

#[tokio::test]
async fn r46_signatures_and_keys_of_the_agents_mail_stay() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    let quoted: String = annas.text().lines().map(|l| format!("> {l}\n")).collect();
    let body = format!(
        "--b\nContent-Type: text/plain\n\nIt comes tomorrow.\n\n{quoted}\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\
         Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=smime.p7s\n\n{}\n--b--\n",
        data_encoding::BASE64.encode(b"\x30\x82anna@agents.example\x00")
    );
    let reply = annas.reply("").field("MIME-Version", "1.0").field("Content-Type", "multipart/signed; boundary=b");
    desk.gets(ANNA, &Draft { body, ..reply }).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(!answer.everything().contains("anna@agents"), "{answer:?}");
    let file = |name: &str| {
        format!(
            "--b\nContent-Type: text/plain\n\nSee the file.\n\n{quoted}\n--b\nContent-Type: application/octet-stream; name={name}\n\
             Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename={name}\n\n{}\n--b--\n",
            data_encoding::BASE64.encode("a\0n\0n\0a\0@\0a\0g\0e\0n\0t\0s\0.\0e\0x\0a\0m\0p\0l\0e\0".as_bytes())
        )
    };
    let reply = annas.reply("").field("MIME-Version", "1.0").field("Content-Type", "multipart/mixed; boundary=b");
    desk.gets(ANNA, &Draft { body: file("doc.bin"), ..reply }).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty(), "UTF-16 in a file");
}

#[tokio::test]
async fn r31_only_the_first_result_of_a_method_counts() {
    let mut desk = Desk::trusting().await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    for genuine in ["dmarc=none", "dmarc=fail header.from=agents.example"] {
        for forged in ["dmarc=pass header.from=agents.example", "auth=pass smtp.auth=anna@agents.example"] {
            let mail = annas.reply("Forged words.").bytes(ANNA, &format!("{}@x.example", crate::letter::unique()));
            let trace = format!(
                "Received: from x by mx.shop.example\r\nAuthentication-Results: mx.shop.example; {genuine}\r\n\
                 Authentication-Results: mx.shop.example; {forged}\r\nReceived: from evil by elsewhere\r\n"
            );
            desk.arrives("support", format!("{trace}{mail}").as_bytes()).await;
            let sent = desk.sends().await;
            let auth_over_none = genuine == "dmarc=none" && forged.starts_with("auth");
            assert!(auth_over_none || to(&sent, "jane@customer.example").is_empty(), "{genuine} then {forged}");
        }
    }
}

#[tokio::test]
async fn r51_a_reply_to_gets_nobodys_words() {
    let mut desk = Desk::trusting().await;
    let draft =
        Draft::new("support@shop.example", "Buy pills", "Cheap pills here.").field("Reply-To", "victim@gmail.com");
    desk.gets_passed("Spam <spam@gmail.com>", &draft).await;
    let sent = desk.sends().await;
    for letter in to(&sent, "victim@gmail.com") {
        assert!(!letter.everything().contains("pills"), "{letter:?}");
    }
}

#[tokio::test]
async fn r20_who_opens_with_another_reply_to_stays_a_party() {
    let mut desk = Desk::new().await;
    let draft =
        |words: &str| Draft::new("support@shop.example", "Parcel", words).field("Reply-To", "orders@customer.example");
    let first = desk.gets("Jane <jane@mail.customer.example>", &draft("Where is it?")).await;
    desk.sends().await;
    desk.gets("Jane <jane@mail.customer.example>", &draft("And another thing.").field("In-Reply-To", &first)).await;
    let case = desk.case().await;
    let last = case.entries.iter().rev().find(|(_, e)| e.text.contains("another thing")).expect("the second mail");
    assert_eq!(last.1.standing.word(), "party");
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    assert_eq!(to(&desk.sends().await, "orders@customer.example").len(), 1);
}

#[tokio::test]
async fn r40_an_agent_who_left_the_mailbox_does_not_answer_for_it() {
    let mut desk = Desk::new().await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    let mut desk = desk
        .reconfigured("[agent.anna]\nname = \"Anna\"", "[agent.anna]\nname = \"Anna\"\nmailboxes = [\"sales\"]")
        .await;
    desk.gets(ANNA, &annas.reply("Still me.")).await;
    assert!(to(&desk.sends().await, "jane@customer.example").is_empty());
}

#[tokio::test]
async fn r11_a_stranger_with_an_old_token_opens_their_own_case() {
    let mut desk = Desk::with("[desk]\nreopen_days = 30\n").await;
    let (annas, _) = opened(&mut desk, "Where is it?").await;
    desk.gets(ANNA, &annas.reply("#close\nDone.")).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example").clone();
    desk.closed_days_ago(31 * 86_400_000).await;
    desk.gets("Eve <eve@elsewhere.example>", &answer.reply("Let me in.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[1].listed.case.owner, None, "unlinked");
    desk.sends().await;
    desk.gets(JANE, &answer.reply("It is me, Jane.")).await;
    let cases = desk.cases().await;
    assert_eq!(cases.len(), 3, "Jane's own successor");
    assert_eq!(cases[2].listed.case.owner.as_deref(), Some("anna"));
}

#[tokio::test]
async fn an_address_that_cannot_be_written_is_said_and_not_marked_as_answered() {
    let mut desk = Desk::new().await;
    desk.gets("taro..y@docomo.example", &Draft::new("support@shop.example", "Parcel", "Where is it?")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example").clone();
    desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
    let sent = desk.sends().await;
    assert!(one_to(&sent, "anna@agents.example").text().contains("no address that mail can be sent to"));
    assert_ne!(desk.case().await.listed.case.status.word(), "waiting");
}

#[tokio::test]
async fn r53_subjects_that_sound_automatic_are_seen_by_a_person() {
    for subject in
        ["Auto: Versicherung", "Out of office chairs?", "Away from home: delivery", "Sender verification fails"]
    {
        let mut desk = Desk::new().await;
        desk.gets(JANE, &Draft::new("support@shop.example", subject, "A person's words.")).await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example").clone();
        desk.gets(ANNA, &relay.reply("Tomorrow.")).await;
        assert!(all_to_jane(&desk.sends().await).contains("Tomorrow."), "{subject}");
    }
}

#[tokio::test]
async fn messages_in_messages_without_end_are_a_case_and_no_crash() {
    let mut desk = Desk::new().await;
    let deep = format!("From: {JANE}\nTo: support@shop.example\n{}", "Content-Type: message/rfc822\n\n".repeat(50_000));
    desk.arrives("support", deep.as_bytes()).await;
    let multi: String =
        (0..30_000).map(|n| format!("--b{n}\nContent-Type: multipart/mixed; boundary=b{}\n\n", n + 1)).collect();
    let multi =
        format!("From: {JANE}\nTo: support@shop.example\nContent-Type: multipart/mixed; boundary=b0\n\n{multi}");
    desk.arrives("support", multi.as_bytes()).await;
    assert!(!desk.cases().await.is_empty() || !desk.flow.store().quarantined().await.expect("quarantine").is_empty());
}

#[test]
fn reading_is_linear_on_what_was_quadratic() {
    use yesreply::mail::html;
    use yesreply::mail::reply::{Known, read_customer};
    let known = Known::default();
    for (text, page) in [
        ("\n".repeat(500_000), None),
        ("a\n".repeat(250_000), None),
        ("---\n".repeat(120_000), None),
        ("On 2026-01-01 a@b.example wrote:\n".repeat(15_000), None),
        (String::new(), Some(format!("{}{}", "<o:p>".repeat(90_000), "</x>".repeat(90_000)))),
        (String::new(), Some(format!("<svg>{}", "<td>".repeat(200_000)))),
    ] {
        let begun = on_processor();
        let reading = read_customer(&text, page.as_deref(), &known);
        reading.words_html.as_deref().map(html::clean);
        let took = on_processor().saturating_sub(begun);
        assert!(took < std::time::Duration::from_secs(10), "{took:?}: minutes before");
    }
}

/// How long this thread was on a processor: waiting for others does not count.
fn on_processor() -> std::time::Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("what the kernel counted");
    std::time::Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds"))
}

#[tokio::test]
async fn r52_an_autoresponder_without_any_mark_is_no_endless_loop() {
    let mut desk = Desk::new().await;
    opened(&mut desk, "Where is it?").await;
    let mut sent = 0;
    let mut next = desk.flow.store().outbox(true, 10).await.expect("the outbox").len();
    let (_, bobs) = opened(&mut desk, "Another.").await;
    let mut address = bobs.reply_to();
    for _ in 0..40 {
        desk.gets(BOB, &Draft::new(&address, "Your request was received", "We have your request, number 4711.")).await;
        let round = desk.sends().await;
        next = to(&round, "bob@agents.example").len();
        sent += next;
        if let Some(letter) = to(&round, "bob@agents.example").first() {
            address = letter.reply_to();
        }
    }
    assert_eq!(next, 0, "it ends");
    assert!(sent <= 20, "{sent} notices");
}

#[tokio::test]
async fn t14_names_that_look_like_others_are_shown_with_a_warning() {
    for (name, warning) in [
        ("Аnna", "looks like Anna"),
        ("Ｓｈｏｐ Ｓｕｐｐｏｒｔ", "looks like Shop Support"),
        ("Jаne Doe", "more than one alphabet"),
        ("Jane \u{202e}eoD", "turn letters round"),
    ] {
        let mut desk = Desk::new().await;
        desk.gets(&format!("\"{name}\" <eve@people.example>"), &Draft::new("support@shop.example", "Hi", "Hello."))
            .await;
        let sent = desk.sends().await;
        let relay = one_to(&sent, "anna@agents.example");
        assert!(relay.text().contains(warning), "{name}: {}", relay.text());
        assert!(relay.text().contains("eve@people.example"), "{name}");
        assert!(!relay.everything().contains('\u{202e}'), "{name}");
    }
    for name in
        ["Иван Петров", "Γιώργος Παπαδόπουλος", "山田 太郎", "やまだ Taro", "김철수", "Łukasz Żak", "يوسف", "יעל"]
    {
        let mut desk = Desk::new().await;
        desk.gets(&format!("\"{name}\" <person@people.example>"), &Draft::new("support@shop.example", "Hi", "Hello."))
            .await;
        let sent = desk.sends().await;
        let text = one_to(&sent, "anna@agents.example").text();
        assert!(!text.contains("alphabet") && !text.contains("looks like") && !text.contains("turn letters"), "{text}");
    }
}
