//! Conversations as data: what is said, and what is answered, however the octets are cut.

use super::*;
use crate::listen::fuzz;

/// Salted once: that is slow on purpose.
fn logins() -> Logins {
    static LOGINS: std::sync::OnceLock<Logins> = std::sync::OnceLock::new();
    LOGINS.get_or_init(|| Logins::new([1; 32], [("shop", "secret", "shop")].into_iter())).clone()
}

fn terms() -> Terms {
    Terms {
        lmtp: false,
        name: "submit.shop.example".to_owned(),
        starttls: false,
        private: true,
        size_bytes_max: 1_000,
        recipients_max: 3,
        logins: logins(),
        trusted: vec!["local".to_owned()],
        nonce: "nonce".to_owned(),
    }
}

/// All that is answered, each mail with 250; commits and closes stand in brackets.
fn conversation(terms: Terms, said: &[u8]) -> String {
    fuzz::conversation(terms, said, &[usize::MAX])
}

fn codes(answered: &str) -> Vec<&str> {
    answered
        .lines()
        .filter(|l| l.as_bytes().get(3) != Some(&b'-'))
        .map(|l| l.get(..if l.starts_with('[') { 4 } else { 3 }).unwrap_or(l))
        .collect()
}

const MAIL: &str = "EHLO app\r\nMAIL FROM:<a@shop.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x\r\n\
                    RCPT TO:<jane@customer.example> NOTIFY=FAILURE ORCPT=rfc822;jane@customer.example\r\nDATA\r\n";

#[test]
fn what_is_said_is_answered() {
    for (said, expected) in [
        ("EHLO app\r\nNOOP\r\nRSET\r\nVRFY x\r\nHELP\r\nQUIT\r\n", "250 250 250 252 214 221 [clo"),
        ("HELO app\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRSET\r\nDATA\r\n", "250 250 250 250 503"),
        ("MAIL FROM:<a@b.example>\r\n", "503"),
        ("EHLO app\r\nRCPT TO:<a@b.example>\r\nDATA\r\n", "250 503 503"),
        ("EHLO app\r\nMAIL FROM:<>\r\nDATA\r\n", "250 250 554"),
        ("EHLO app\r\nMAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n", "250 250 503"),
        ("EHLO app\r\nMAIL FROM:<a@b.example> SIZE=1001\r\n", "250 552"),
        ("EHLO app\r\nMAIL FROM:<a@b.example> NONSENSE=1\r\n", "250 555"),
        ("EHLO app\r\nMAIL FROM:<no address>\r\nMAIL FROM a\r\n", "250 553 501"),
        ("LHLO app\r\nSTARTTLS\r\nEXPN x\r\nNONSENSE\r\n", "500 502 502 500"),
        (
            "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\n",
            "250 250 250 250 250 452",
        ),
        ("EHLO jöhn\r\nMAIL FROM:<jöhn@b.example> SMTPUTF8\r\nRCPT TO:<a@bücher.example>\r\n", "250 250 250"),
    ] {
        let answered = conversation(terms(), said.as_bytes());
        assert_eq!(codes(&answered).join(" "), expected, "{said}{answered}");
    }
}

#[test]
fn a_pipelined_mail_is_committed_once_and_the_conversation_goes_on() {
    let said = format!("{MAIL}Subject: x\r\n\r\n..hello\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\nQUIT\r\n");
    let answered = conversation(terms(), said.as_bytes());
    assert_eq!(codes(&answered).join(" "), "250 250 250 354 [com 250 250 250 221 [clo", "{answered}");
    assert!(
        answered.contains("a@shop.example -> jane@customer.example: Subject: x\\r\\n\\r\\n.hello\\r\\n"),
        "{answered}"
    );
}

#[test]
fn line_ends_that_stand_alone_end_the_conversation() {
    for said in ["EHLO app\n", "EHLO app\rNOOP\r\n", "EHLO a\0\r\n", "EHLO a\r\nNOOP\n.\r\n"] {
        let answered = conversation(terms(), said.as_bytes());
        assert!(answered.contains("500 5.5.2") && answered.ends_with("[close]\n"), "{said:?}: {answered}");
    }
    for smuggled in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\rX"] {
        let said = format!(
            "{MAIL}hello{smuggled}MAIL FROM:<evil@x.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\nevil\r\n.\r\n"
        );
        let answered = conversation(terms(), said.as_bytes());
        assert_eq!(codes(&answered).join(" "), "250 250 250 354 550 [clo", "{smuggled:?}: {answered}");
    }
}

#[test]
fn too_big_is_552_after_the_true_end() {
    let said = format!("{MAIL}{}\r\n.\r\nNOOP\r\n", "x".repeat(2_000));
    assert_eq!(codes(&conversation(terms(), said.as_bytes())).join(" "), "250 250 250 354 552 250");
}

#[test]
fn chunks_are_counted() {
    let begin = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\n";
    for (said, expected) in [
        ("BDAT 5\r\na\r\n.\rBDAT 5 LAST\r\n\nb\r\n\r", "250 250 250 250 550 [clo"),
        ("BDAT 6\r\na\r\n.\r\nBDAT 3 LAST\r\nb\r\nQUIT\r\n", "250 250 250 250 [com 250 221 [clo"),
        ("BDAT 0 LAST\r\nQUIT\r\n", "250 250 250 [com 250 221 [clo"),
        ("BDAT 99999999999 LAST\r\n", "250 250 250 552 [clo"),
        ("RSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 250 250 250 503 250"),
        ("BDAT 3\r\na\r\nRCPT TO:<z@y.example>\r\nDATA\r\n", "250 250 250 250 503 503"),
    ] {
        let answered = conversation(terms(), format!("{begin}{said}").as_bytes());
        assert_eq!(codes(&answered).join(" "), expected, "{said}: {answered}");
    }
}

#[test]
fn without_trust_a_login_comes_first_and_only_in_private() {
    let stranger = Terms { trusted: Vec::new(), ..terms() };
    let good = "AUTH PLAIN AHNob3AAc2VjcmV0\r\n";
    let bad = "AUTH PLAIN AHNob3AAd3Jvbmc=\r\n";
    for (terms, said, expected) in [
        (stranger.clone(), format!("EHLO a\r\nMAIL FROM:<>\r\n{good}MAIL FROM:<>\r\n"), "250 530 235 250"),
        (stranger.clone(), format!("EHLO a\r\n{bad}{bad}{bad}NOOP\r\n"), "250 [slo 535 [slo 535 [slo 535 421 [clo"),
        (stranger.clone(), "EHLO a\r\nAUTH LOGIN\r\nc2hvcA==\r\nc2VjcmV0\r\n".to_owned(), "250 334 334 235"),
        (stranger.clone(), "EHLO a\r\nAUTH LOGIN\r\n*\r\nAUTH CRAM-MD5\r\n".to_owned(), "250 334 501 504"),
        (stranger.clone(), "EHLO a\r\nAUTH PLAIN\r\n!\r\n".to_owned(), "250 334 501"),
        (Terms { private: false, ..stranger.clone() }, format!("EHLO a\r\n{good}"), "250 538"),
        (Terms { starttls: true, private: false, ..stranger }, "EHLO a\r\nMAIL FROM:<>\r\n".to_owned(), "250 530"),
    ] {
        let answered = conversation(terms, said.as_bytes());
        assert_eq!(codes(&answered).join(" "), expected, "{said}: {answered}");
    }
}

#[test]
fn nothing_of_the_plaintext_is_kept_after_starttls() {
    let terms = Terms { starttls: true, private: false, trusted: Vec::new(), ..terms() };
    let answered = conversation(terms, b"EHLO a\r\nSTARTTLS\r\nEHLO injected\r\nMAIL FROM:<>\r\n");
    assert_eq!(codes(&answered).join(" "), "250 220 [tls", "{answered}");
}

#[test]
fn lmtp_answers_each_recipient() {
    let said =
        "LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n";
    let answered = conversation(Terms { lmtp: true, ..terms() }, said.as_bytes());
    assert_eq!(codes(&answered).join(" "), "250 250 250 250 354 [com 250 250 221 [clo", "{answered}");
}

#[test]
fn everything_is_bounded() {
    let long = format!("EHLO {}\r\nEHLO a\r\n", "x".repeat(5_000));
    assert_eq!(codes(&conversation(terms(), long.as_bytes())).join(" "), "500 250");
    let nonsense = "NONSENSE\r\n".repeat(30);
    assert!(conversation(terms(), nonsense.as_bytes()).contains("421 4.7.0"));
    let noops = format!("EHLO a\r\n{}", "NOOP\r\n".repeat(1_000));
    assert!(conversation(terms(), noops.as_bytes()).contains("421 4.7.0"));
    let mut session = Session::new(terms());
    for _ in 0..1_000 {
        let _ = session.feed(&[b'x'; 1_000]);
    }
    assert!(session.held() < 10_000, "{}", session.held());
}

/// The same octets in any pieces have the same answers.
#[test]
fn pieces_do_not_matter() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |max: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % max).unwrap_or_default()
    };
    let words = [
        "EHLO a\r\n",
        "MAIL FROM:<a@b.example>\r\n",
        "RCPT TO:<c@d.example>\r\n",
        "DATA\r\n",
        "hello\r\n",
        ".\r\n",
        "..\r\n",
        "BDAT 3\r\n",
        "BDAT 4 LAST\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "\r\n",
        "AUTH LOGIN\r\n",
        "AUTH PLAIN AHNob3AAc2VjcmV0\r\n",
        "\n",
        "\r",
        ".",
        "STARTTLS\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "\0",
    ];
    for _ in 0..2_000 {
        let said: String = (0..draw(14)).map(|_| words.get(draw(20)).copied().unwrap_or_default()).collect();
        let said = format!("EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n{said}");
        let whole = fuzz::conversation(terms(), said.as_bytes(), &[usize::MAX]);
        let sizes: Vec<usize> = (0..9).map(|_| draw(9).max(1)).collect();
        assert_eq!(fuzz::conversation(terms(), said.as_bytes(), &sizes), whole, "{said:?} in {sizes:?}");
    }
}
