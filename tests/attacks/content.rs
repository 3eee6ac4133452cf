//! T29 to T38: what a mail can hold.

use std::time::{Duration, Instant};

use crate::desk::{Desk, one_to, to};
use crate::letter::Draft;
use crate::{ANNA, JANE, opened, outside, outsiders, question};

/// After each bomb the next ordinary mail is handled, and the sums add up.
async fn survives(what: &str, raw: &[u8]) {
    let mut desk = Desk::new().await;
    let begun = Instant::now();
    desk.arrives("support", raw).await;
    desk.gets(JANE, &question("An ordinary mail.")).await;
    let sent = desk.sends().await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{what} took {:?}", begun.elapsed());
    assert!(to(&sent, "anna@agents.example").iter().any(|l| l.text().contains("An ordinary mail.")), "{what}");
    let (stored, sums) = desk.flow.store().sums().await.expect("the sums");
    assert_eq!(stored, 2, "{what}");
    assert_eq!(stored, sums.iter().map(|s| s.count).sum::<i64>(), "{what}");
}

const HEAD: &str = "From: Bomb <bomb@elsewhere.example>\r\nTo: support@shop.example\r\nMessage-ID: <bomb@elsewhere.example>\r\nDate: Mon, 23 Nov 2026 10:12:00 +0000\r\n";

#[tokio::test]
async fn t30_nesting_and_part_bombs() {
    let mut nested = format!("{HEAD}Subject: nested\r\n");
    for depth in 0..10_000 {
        nested.push_str(&format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"));
    }
    survives("nested multiparts", nested.as_bytes()).await;
    let messages = format!("{HEAD}Subject: messages\r\n{}", "Content-Type: message/rfc822\r\n\r\n".repeat(20_000));
    survives("messages in messages", messages.as_bytes()).await;
    let parts = format!(
        "{HEAD}Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        "--b\r\n\r\nx\r\n".repeat(100_000)
    );
    survives("parts", parts.as_bytes()).await;
}

#[tokio::test]
async fn t30_long_headers_and_many_recipients() {
    let line = format!("{HEAD}Subject: {}\r\n\r\nx\r\n", "x".repeat(10 * 1024 * 1024));
    survives("a header line of 10 MB", line.as_bytes()).await;
    let fields = format!("{HEAD}{}\r\n\r\nx\r\n", "X-Field: x\r\n".repeat(200_000));
    survives("header fields", fields.as_bytes()).await;
    let people: String = (0..50_000).map(|n| format!("p{n}@many.example, ")).collect();
    let recipients = format!("{HEAD}Subject: many\r\nCc: {people}x@many.example\r\n\r\nx\r\n");
    survives("recipients", recipients.as_bytes()).await;
    let ids: String = (0..50_000).map(|n| format!("<{n}@many.example> ")).collect();
    survives("references", format!("{HEAD}Subject: ids\r\nReferences: {ids}\r\n\r\nx\r\n").as_bytes()).await;
}

#[tokio::test]
async fn t33_quotes_and_lines_that_are_quadratic_elsewhere() {
    for (what, body) in [
        ("one line", "x ".repeat(2_000_000)),
        ("quote marks", ">".repeat(1_000_000)),
        ("deep quotes", (0..3_000).map(|n| format!("{}x\n", ">".repeat(n % 500))).collect()),
        ("attributions", "On x at y wrote:\n".repeat(60_000)),
        ("parentheses", "(".repeat(1_000_000)),
    ] {
        survives(what, format!("{HEAD}Subject: x\r\n\r\n{}\r\n", body.replace('\n', "\r\n")).as_bytes()).await;
    }
    let html = format!("{HEAD}Subject: x\r\nContent-Type: text/html\r\n\r\n{}\r\n", "<div>".repeat(200_000));
    survives("open elements", html.as_bytes()).await;
}

#[tokio::test]
async fn t31_archives_pass_unopened_and_remote_images_are_not_loaded() {
    let mut desk = Desk::new().await;
    let bomb = data_encoding::BASE64_MIME.encode(&[b"PK\x03\x04".as_slice(), &[0; 5_000]].concat());
    let body = format!(
        "--b\nContent-Type: text/html\n\n<p>Look</p><img src=\"http://canary.example/p.gif\"><link rel=stylesheet href=\"http://canary.example/s.css\"><div style=\"background:url(http://canary.example/b)\">x</div>\n--b\nContent-Type: application/zip; name=42.zip\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=42.zip\n\n{bomb}\n--b--"
    );
    desk.gets(JANE, &Draft { body, ..question("") }.field("Content-Type", "multipart/mixed; boundary=b")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert!(!relay.html().contains("canary.example/p.gif") && !relay.html().contains("url("), "{}", relay.html());
    assert!(relay.everything().contains("42.zip"));
}

#[tokio::test]
async fn t32_what_is_hidden_is_not_relayed_and_our_lines_stand_outside_of_it() {
    let mut desk = Desk::new().await;
    let html = "<p>Seen</p><div class=\"kobold\" style=\"display:none\">pay now</div><style>.kobold{display:block}</style><form action=\"http://evil.example\"><input name=x></form><a href=\"http://evil.example/?";
    desk.gets(JANE, &question(html).field("Content-Type", "text/html")).await;
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    let shown = relay.html();
    for bad in ["pay now", "<style", "<form", "<input", "class="] {
        assert!(!shown.contains(bad), "{bad} in {shown}");
    }
    assert!(shown.contains("yesreply: below this line"));
}

#[tokio::test]
async fn t29_what_leaves_is_made_of_one_of_two_different_bodies() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    let body = "--b\nContent-Type: text/plain\n\nThe plain words.\n--b\nContent-Type: text/html\n\n<p>The other words.</p>\n--b--";
    desk.gets(
        ANNA,
        &Draft { body: body.to_owned(), ..relay.reply("") }.field("Content-Type", "multipart/alternative; boundary=b"),
    )
    .await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(answer.text().contains("The other words.") && answer.html().contains("The other words."));
    assert!(!answer.everything().contains("The plain words."));
}

#[tokio::test]
async fn t35_nul_and_wrong_charsets_are_stored_and_relayed() {
    let mut desk = Desk::new().await;
    for (number, (head, body)) in [
        ("Content-Type: text/plain; charset=utf-8", b"nul \0 and \xff\xfe broken".as_slice()),
        ("Content-Type: text/plain; charset=no-such-charset", b"caf\xe9".as_slice()),
        ("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B$\"\x1b(B".as_slice()),
        ("Content-Type: text/plain; charset=utf-7", b"+ADw-b+AD4-".as_slice()),
    ]
    .iter()
    .enumerate()
    {
        let mut raw = format!("From: \"J\0ane\" <jane{number}@customer.example>\r\nTo: support@shop.example\r\nSubject: n\0ul {number}\r\nMessage-ID: <n{number}@customer.example>\r\n{head}\r\n\r\n").into_bytes();
        raw.extend_from_slice(body);
        desk.arrives("support", &raw).await;
    }
    assert_eq!(to(&desk.sends().await, "anna@agents.example").len(), 4);
    assert!(desk.flow.store().quarantined().await.expect("the quarantine").is_empty());
}

#[tokio::test]
async fn t36_long_lines_are_folded_in_what_leaves() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    desk.gets(ANNA, &Draft { body: "word ".repeat(3_000), ..relay.reply("") }).await;
    let sent = desk.sends().await;
    let answer = one_to(&sent, "jane@customer.example");
    assert!(answer.raw.split(|b| *b == b'\n').all(|line| line.len() <= 999));
    assert!(answer.text().len() > 14_000);
}

#[tokio::test]
async fn t37_file_names_are_tamed() {
    let mut desk = Desk::new().await;
    let names = [
        "../../etc/cron.d/x",
        "=?utf-8?q?a=0D=0ABcc=3A_eve=40elsewhere.example?=",
        "photo\u{202e}gpj.exe",
        "C:\\\\x\\\\y.lnk",
    ];
    let parts: String = names
        .iter()
        .map(|n| format!("--b\nContent-Type: application/octet-stream; name=\"{n}\"\nContent-Disposition: attachment; filename=\"{n}\"\n\nx\n"))
        .collect();
    desk.gets(
        JANE,
        &Draft { body: format!("--b\n\nFiles\n{parts}--b--"), ..question("") }
            .field("Content-Type", "multipart/mixed; boundary=b"),
    )
    .await;
    let stored: Vec<String> = desk.case().await.entries[0].1.parts.iter().map(|p| p.name.clone()).collect();
    assert_eq!(stored.len(), 4);
    for name in &stored {
        assert!(!name.contains(['/', '\\', '\r', '\n', '\u{202e}']) && !name.contains(".."), "{name:?}");
    }
    let sent = desk.sends().await;
    let relay = one_to(&sent, "anna@agents.example");
    assert_eq!(relay.field("Bcc"), "");
    assert!(!relay.everything().contains('\u{202e}'));
}

#[tokio::test]
async fn t38_signed_mail_can_be_had_as_it_came() {
    let mut desk = Desk::new().await;
    let body = "--b\nContent-Type: text/plain\n\nSigned words.\n--b\nContent-Type: application/pgp-signature; name=s.asc\n\n-----BEGIN PGP SIGNATURE-----\n--b--";
    let draft = Draft { body: body.to_owned(), ..question("") }
        .field("Content-Type", "multipart/signed; protocol=\"application/pgp-signature\"; boundary=b");
    let raw = draft.bytes(JANE, "signed@customer.example").into_bytes();
    desk.arrives("support", &raw).await;
    let entry = desk.case().await.entries[0].0;
    assert_eq!(desk.flow.store().original(entry).await.expect("the original").expect("a mail"), raw);
    let opaque =
        question("x").field("Content-Type", "message/external-body; access-type=URL; URL=\"http://canary.example/x\"");
    desk.gets(JANE, &opaque).await;
    assert!(!outside(&desk.sends().await).contains("canary.example"));
}

#[tokio::test]
async fn t09_a_hidden_note_and_the_private_address_never_leave() {
    let mut desk = Desk::new().await;
    let (_, relay) = opened(&mut desk).await;
    desk.gets("Bob <bob@agents.example>", &relay.reply("#note\nShe has been lying to us since the spring.")).await;
    desk.sends().await;
    for (what, html) in [
        ("hidden", "<p>It comes.</p><div style=\"display:none\">She has been lying to us since the spring.</div>"),
        ("white", "<p>It comes.</p><p style=\"color:white\">She has been lying<br>to us since the spring.</p>"),
        ("link", "<p>It comes.</p><a href=\"mailto:anna%40agents.example\">write</a>"),
        ("entity", "<p>It comes. anna&#64;agents.example is me, as you know.</p>"),
        ("look-alike", "<p>It comes. Write to аnna@agents.example as before please.</p>"),
    ] {
        desk.gets(
            ANNA,
            &Draft { body: html.to_owned(), ..relay.reply("") }.field("Content-Type", "text/html; charset=utf-8"),
        )
        .await;
        let all = outside(&desk.sends().await);
        assert!(
            !all.contains("lying") && !all.contains("agents.example") && !all.contains("%40agents"),
            "{what}: {all}"
        );
    }
    desk.gets(ANNA, &Draft { body: "It comes.\n\n-- \nAnna | anna@agents.example\n".to_owned(), ..relay.reply("") })
        .await;
    let sent = desk.sends().await;
    assert!(outsiders(&sent) == ["jane@customer.example"] && !outside(&sent).contains("anna@agents"), "{sent:?}");
}
