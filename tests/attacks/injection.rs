//! T26, T27, T39, T46: what is written into headers, wires, letters, and the keys under it all.

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;
use crate::{ANNA, JANE, opened, outsiders, question};

/// A header block as it may leave: fields and folded lines of at most 998 octets, nothing else.
fn is_clean(raw: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    for line in head.split("\r\n") {
        let folded = line.starts_with([' ', '\t']);
        let named =
            line.split_once(": ").is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_graphic()));
        if !(folded || named) || line.len() > 998 || line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("{line:?}"));
        }
    }
    let bare = raw.windows(2).any(|w| (w[1] == b'\n' && w[0] != b'\r') || (w[0] == b'\r' && w[1] != b'\n'));
    if bare { Err("a bare CR or LF".to_owned()) } else { Ok(()) }
}

const POISONS: [&str; 9] = [
    "=?utf-8?q?x=0D=0ABcc=3A_eve=40elsewhere.example?=",
    "=?utf-8?b?eA0KQmNjOiBldmVAZWxzZXdoZXJlLmV4YW1wbGU=?=",
    "x=?utf-8?q?=00=0A?=y",
    "x\u{85}Bcc: eve@elsewhere.example",
    "x\u{2028}Bcc: eve@elsewhere.example",
    "\u{202e}elpmaxe.erehwesle@eve",
    "x\rBcc: eve@elsewhere.example",
    "{{ 7*7 }} ${jndi:ldap://evil} '; DROP TABLE cases; --",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
];

#[tokio::test]
async fn t26_nothing_in_a_header_becomes_a_header() {
    for poison in POISONS.iter().map(|p| (*p).to_owned()).chain(["y".repeat(100_000)]) {
        let mut desk = Desk::with("[acknowledge]\necho = \"everyone\"\n").await;
        let draft = question("Words.")
            .subject(&poison)
            .field("References", &format!("<{poison}@x.example> <good@x.example>"))
            .field("In-Reply-To", &format!("<{poison}>"))
            .field("Thread-Topic", &poison)
            .field("Thread-Index", &poison);
        desk.gets(&format!("\"{poison}\" <jane@customer.example>"), &draft).await;
        let sent = desk.sends().await;
        for mail in &sent {
            is_clean(&mail.letter.raw).unwrap_or_else(|e| panic!("{poison:?}: {e}\n{:?}", mail.letter));
            assert_eq!(mail.letter.field("Bcc"), "", "{poison:?}");
            assert!(
                ["jane@customer.example", "anna@agents.example", "bob@agents.example"]
                    .contains(&mail.recipient.as_str()),
                "{poison:?}"
            );
        }
        let Some(relay) = to(&sent, "anna@agents.example").first().copied().cloned() else {
            panic!("{poison:?} was not relayed")
        };
        desk.gets(ANNA, &relay.reply("An answer.")).await;
        for mail in desk.sends().await {
            is_clean(&mail.letter.raw).unwrap_or_else(|e| panic!("{poison:?}: {e}\n{:?}", mail.letter));
        }
    }
}

#[tokio::test]
async fn t27_no_line_end_of_theirs_ends_our_data() {
    for smuggled in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n\0.\r\n", "\r\n.\r\n"] {
        let mut desk = Desk::with("[acknowledge]\necho = \"everyone\"\n").await;
        let raw = [
            format!("From: {JANE}\r\nTo: support@shop.example\r\nSubject: x\r\nMessage-ID: <t27@customer.example>\r\n\r\nhello").as_bytes(),
            smuggled.as_bytes(),
            b"MAIL FROM:<eve@elsewhere.example>\r\n",
        ]
        .concat();
        desk.arrives("support", &raw).await;
        let sent = desk.sends().await;
        assert_eq!(to(&sent, "anna@agents.example").len(), 1);
        for mail in &sent {
            is_clean(&mail.letter.raw).unwrap_or_else(|e| panic!("{smuggled:?}: {e}"));
        }
    }
}

#[tokio::test]
async fn t39_peoples_words_are_data_in_letters_and_in_sql() {
    let mut desk = Desk::with("[acknowledge]\necho = \"everyone\"\n").await;
    let words = "{{ 7*7 }} {% for x in range(9) %}x{% endfor %} %{ticket} ${jndi:x} '; DROP TABLE cases; -- <script>alert(1)</script>";
    desk.gets(JANE, &question(words).subject(words)).await;
    let sent = desk.sends().await;
    for address in ["jane@customer.example", "anna@agents.example"] {
        let letter = one_to(&sent, address);
        assert!(
            letter.text().contains("{{ 7*7 }} {% for x in range(9) %}") && letter.text().contains("DROP TABLE"),
            "{letter:?}"
        );
        assert!(!letter.html().contains("<script>"), "{}", letter.html());
    }
    assert_eq!(desk.case().await.listed.case.subject, words);
}

#[tokio::test]
async fn subject_tags_that_mimic_ours_open_nothing() {
    let mut desk = Desk::new().await;
    opened(&mut desk).await;
    for tag in
        ["[#1001]", "[#1001] [#1001]", "Re: [#1001] Parcel", "[# 1001 ]", "[#００１００１]", "[#99999999999999999999]"]
    {
        desk.gets("Eve <eve@elsewhere.example>", &question("Let me in.").subject(tag)).await;
    }
    let cases = desk.cases().await;
    assert_eq!(cases[0].entries.iter().filter(|(_, e)| e.direction.word() == "inbound").count(), 1);
    assert_eq!(cases.len(), 7);
}

#[tokio::test]
async fn address_syntax_tricks_reach_nobody_else() {
    for from in [
        "\"jane@customer.example\"@elsewhere.example",
        "jane@customer.example(comment)@elsewhere.example",
        "<jane@customer.example>,<eve@elsewhere.example>",
        "jane @ customer . example",
        "@route,@other:jane@customer.example",
        "jane@[127.0.0.1]",
        "-X/tmp/x@customer.example",
        "jane@customer.example\u{0}.elsewhere.example",
        "",
    ] {
        let mut desk = Desk::new().await;
        desk.gets(from, &question("Hello")).await;
        let sent = desk.sends().await;
        assert!(outsiders(&sent).len() <= 1, "{from}: {sent:?}");
        assert_eq!(to(&sent, "anna@agents.example").len(), 1, "{from}: a person sees it");
    }
}

#[tokio::test]
async fn t46_a_new_key_breaks_no_mail_that_is_out_and_a_key_that_is_gone_does() {
    let old = "key = \"1111111111111111111111111111111111111111111111111111111111111111\"";
    let new = "2222222222222222222222222222222222222222222222222222222222222222";
    let mut desk = Desk::new().await;
    let (acknowledged, relay) = opened(&mut desk).await;
    let both = format!("keys = [\"{new}\", \"{}\"]", "1".repeat(64));
    let mut desk = desk.reconfigured(old, &both).await;
    desk.gets(JANE, &acknowledged.reply("Me again.")).await;
    desk.gets(ANNA, &relay.reply("It comes.")).await;
    assert_eq!(desk.cases().await.len(), 1, "old tokens work beside a new key");
    assert!(outsiders(&desk.sends().await).contains(&"jane@customer.example"));
    let mut desk = desk.reconfigured(old, &format!("key = \"{new}\"")).await;
    let reply = Draft { body: "Once more.".to_owned(), ..acknowledged.reply("") };
    desk.gets("Max <max@other.example>", &reply).await;
    assert_eq!(desk.cases().await.len(), 2, "a token whose key is gone is none");
}
