//! Tests of reading: odd mail in, fields out.

use super::*;
use crate::limits::{
    ADDRESSES_MAX, DECODED_BYTES_MAX, DELIMITER_LINES_MAX, HEADER_BYTES_MAX, NESTED_MESSAGES_MAX, REFERENCES_MAX,
    TEXT_CHARS_MAX,
};
use crate::mail::Address;

fn read_str(mail: &str) -> Incoming {
    read(mail.replace('\n', "\r\n").as_bytes())
}

#[test]
fn an_ordinary_mail() {
    let mail = read_str(
        "Return-Path: <jane@mail.example>\nDelivered-To: support+x@shop.example\nFrom: Jane Doe <Jane@Mail.Example>\n\
         To: Support <support@shop.example>, \"Other, One\" <o@x.example>\nSubject: =?utf-8?q?Caf=C3=A9?=\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0100\nMessage-ID: <1@mail.example>\nIn-Reply-To: <0@shop.example>\n\
         References: <a@b> <0@shop.example>\n\nHello\n",
    );
    assert_eq!(mail.from.first().map(|f| f.name.as_str()), Some("Jane Doe"));
    assert_eq!(mail.from.first().map(|f| f.address.key()), Some("jane@mail.example".to_owned()));
    assert_eq!(mail.to.len(), 2);
    assert_eq!(mail.subject, "Café");
    assert_eq!(mail.text.trim(), "Hello");
    assert_eq!(mail.references.len(), 2);
    assert_eq!(mail.delivered_to.first().map(Address::local), Some("support+x"));
    assert_eq!(mail.nature, Nature::Personal);
    assert!(mail.defects.is_empty(), "{:?}", mail.defects);
}

#[test]
fn whatever_the_bytes_are_there_is_a_mail() {
    let long = "x".repeat(100_000);
    let nested = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n".repeat(5_000);
    for raw in [
        "",
        "\0\0\0",
        "no header at all",
        "\r\n\r\n",
        "From:\r\nTo:\r\n\r\n",
        "From : x@y.example\r\n\r\nhi",
        long.as_str(),
        nested.as_str(),
        "Subject: =?x-unknown?b?////?=\r\nFrom: \u{ff}@\0\r\n\r\n\u{1}",
        "Content-Type: text/plain; charset=klingon\r\n\r\n\u{e4}",
        "From: a@b.example\r\nFrom: c@d.example\r\n\r\n",
        "Content-Type: multipart/mixed\r\n\r\n--\r\n",
        "From: undisclosed:;\r\n\r\n",
    ] {
        let mail = read(raw.as_bytes());
        assert!(!mail.subject.chars().any(char::is_control));
    }
}

#[test]
fn t26_decoded_breaks_do_not_survive() {
    let mail = read_str("From: =?utf-8?q?A=0D=0ABcc:_x?= <a@x.example>\nSubject: =?utf-8?b?eA0KQmNjOiBj?=\n\nhi\n");
    assert_eq!(mail.from.first().map(|f| f.name.as_str()), Some("A Bcc: x"));
    assert_eq!(mail.subject, "x Bcc: c");
}

#[test]
fn t13_two_froms_are_both_seen() {
    let mail = read_str("From: a@x.example\nFrom: b@y.example\n\nhi\n");
    assert_eq!(mail.from.len(), 2);
    assert!(mail.defects.iter().any(|d| d.contains("more than one from")));
}

#[test]
fn r13_the_content_hash_ignores_the_way_a_mail_came() {
    let one = read_str(
        "Received: a\nReturn-Path: <x@y.example>\nFrom: a@x.example\nSubject: s\nMessage-ID: <1@x>\n\nHello\n",
    );
    let two = read_str("Delivered-To: b@y.example\nFrom: a@x.example\nSubject: s\nMessage-ID: <1@x>\n\nHello\n\n");
    let other = read_str("From: a@x.example\nSubject: s\nMessage-ID: <1@x>\n\nHello you\n");
    assert_eq!(one.content_hash, two.content_hash);
    assert_ne!(one.content_hash, other.content_hash);
}

#[test]
fn flowed_text_is_joined() {
    let mail = read_str(
        "From: a@x.example\nContent-Type: text/plain; format=flowed\n\nOne long \nline.\n From here\n> quoted \n> more\n-- \nme\n",
    );
    assert_eq!(mail.text, "One long line.\nFrom here\n> quoted more\n-- \nme\n");
}

#[test]
fn attachments_keep_their_names() {
    let mail = read_str(
        "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhi\n--b\n\
         Content-Type: application/pdf; name=\"../../a.pdf\"\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n\
         aGk=\n--b\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: i@x.example\n\ninner text\n--b--\n",
    );
    let names: Vec<&str> = mail.attachments.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["a.pdf", "inner.eml"]);
    assert_eq!(mail.attachments.first().map(|a| a.content.to_vec()), Some(b"hi".to_vec()));
    assert_eq!(mail.text.trim(), "hi");
}

#[test]
fn r10_ids_that_a_client_wrote_as_encoded_words_are_ids() {
    let raw = b"From: a@b.example\r\nIn-Reply-To: =?utf-8?q?=3Ca5.x=40shop=2Eexample=3E?=\r\nReferences: <1@b.example>\r\n =?utf-8?q?=3Ca5=2Ex=40shop?= =?utf-8?q?=2Eexample=3E?=\r\n\r\nHello.\r\n";
    let mail = read(raw);
    let ids = |list: &[MessageId]| list.iter().map(|i| i.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&mail.in_reply_to), ["<a5.x@shop.example>"]);
    assert_eq!(ids(&mail.references), ["<1@b.example>", "<a5.x@shop.example>"]);
}

fn names(mail: &Incoming) -> Vec<&str> {
    mail.attachments.iter().map(|a| a.name.as_str()).collect()
}

#[test]
fn octets_without_a_charset_are_read_by_what_they_are() {
    let mut raw =
        b"From: a@x.example\r\nSubject: \xcf\xf0\xe8\xe2\xe5\xf2 \xe8\xe7 \xcc\xee\xf1\xea\xe2\xfb\r\n\r\n".to_vec();
    raw.extend(
        b"\xc3\xe4\xe5 \xec\xee\xe9 \xe7\xe0\xea\xe0\xe7? \xce\xed \xe5\xf9\xb8 \xed\xe5 \xef\xf0\xe8\xf8\xb8\xeb.\r\n",
    );
    let mail = read(&raw);
    assert_eq!(mail.subject, "Привет из Москвы");
    assert_eq!(mail.text.trim(), "Где мой заказ? Он ещё не пришёл.");
    let utf8 = "From: a@x.example\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nGrüße, 你好\n";
    assert_eq!(read_str(utf8).text.trim(), "Grüße, 你好");
    let html = b"From: a@x.example\r\nContent-Type: text/html\r\n\r\n<meta charset=windows-1253><p>\xca\xe1\xeb\xe7\xec\xdd\xf1\xe1</p>";
    assert_eq!(read(html).text.trim(), "Καλημέρα");
    let base64 =
        "From: a@x.example\nContent-Type: text/plain; charset=x-none\nContent-Transfer-Encoding: base64\n\n48ViZQ==\n";
    assert!(!read_str(base64).text.contains('\u{fffd}'));
}

#[test]
fn broken_encoded_words_are_read() {
    for (subject, expected) in [
        ("=?utf-8?Q?caf=C3=A9 au lait?=", "café au lait"),
        ("=?UTF-8?B?Y2Fmw6k?=", "café"),
        ("=?koi8-r?b?8NLJ18XU?=", "Привет"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        ("=?utf-8*en?q?caf=C3=A9?=", "café"),
        ("100 % =?= sure?", "100 % =?= sure?"),
        ("Grüße, schön", "Grüße, schön"),
    ] {
        assert_eq!(read_str(&format!("From: a@x.example\nSubject: {subject}\n\nhi\n")).subject, expected, "{subject}");
    }
}

#[test]
fn odd_addresses_are_read() {
    for (from, name, address) in [
        ("jane@mail.example (Jane Doe)", "Jane Doe", "jane@mail.example"),
        ("\"Doe, Jane\" <jane@mail.example>", "Doe, Jane", "jane@mail.example"),
        ("Jürgen <jürgen@bücher.example>", "Jürgen", "jürgen@xn--bcher-kva.example"),
        ("=?utf-8?q?J=C3=BCrgen?= <j@xn--bcher-kva.example>", "Jürgen", "j@xn--bcher-kva.example"),
        ("Jane (at home) Doe <jane@mail.example>", "Jane Doe (at home)", "jane@mail.example"),
        ("<jane@mail.example>", "", "jane@mail.example"),
    ] {
        let mail = read_str(&format!("From: {from}\n\nhi\n"));
        let author = mail.author().map(|a| (a.name.clone(), a.address.to_string()));
        assert_eq!(author, Some((name.to_owned(), address.to_owned())), "{from}");
    }
    let group = read_str(
        "From: a@x.example\nTo: Friends: b@x.example, C <c@x.example>;, d@x.example\nCc: undisclosed-recipients:;\n\nhi\n",
    );
    assert_eq!(
        group.to.iter().map(|n| n.address.to_string()).collect::<Vec<_>>(),
        ["b@x.example", "c@x.example", "d@x.example"]
    );
    assert!(group.cc.is_empty());
}

#[test]
fn who_wrote_is_shown_where_from_holds_no_address() {
    for (head, shown) in [
        ("From: Jane <jane@x.example>\nSender: s@x.example", Some("jane@x.example")),
        ("Sender: s@x.example\nReply-To: r@x.example", Some("s@x.example")),
        ("From: Jane\nReply-To: r@x.example", Some("r@x.example")),
        ("From: Jane\nReply-To: r@x.example, q@x.example", Some("Jane")),
        ("From: Mail System <MAILER-DAEMON>", Some("MAILER-DAEMON")),
        ("Subject: x", None),
        // a list that writes in its own name; a web form that writes to another
        (
            "From: Jane via L <l@x.example>\nTo: l@x.example\nX-Original-From: Jane <jane@x.example>",
            Some("jane@x.example"),
        ),
        ("From: jane@x.example\nTo: l@x.example\nX-Original-From: Joe <joe@x.example>", Some("jane@x.example")),
    ] {
        let mail = read_str(&format!("{head}\n\nhi\n"));
        assert_eq!(mail.shown_author().map(|(_, address)| address).as_deref(), shown, "{head}");
        assert_eq!(mail.author().is_some(), head.contains("jane@"), "{head}");
    }
}

#[test]
fn uuencoded_files_are_attachments() {
    let mail = read_str("From: a@x.example\n\nSee below.\nbegin 644 ../cat.txt\n#0V%T\n`\nend\nBye\n");
    assert_eq!(mail.text, "See below.\nBye\n");
    assert_eq!(names(&mail), ["cat.txt"]);
    assert_eq!(mail.attachments.first().map(|a| a.content.to_vec()), Some(b"Cat".to_vec()));
}

#[test]
fn what_is_sealed_is_passed_on_as_it_is_and_named() {
    for (kind, inner, remark) in [
        (
            "multipart/encrypted; protocol=\"application/pgp-encrypted\"",
            "application/octet-stream",
            "encrypted (PGP/MIME)",
        ),
        ("multipart/signed; protocol=\"application/pgp-signature\"", "application/pgp-signature", "signed (PGP/MIME)"),
        (
            "multipart/signed; protocol=\"application/pkcs7-signature\"",
            "application/pkcs7-signature",
            "signed (S/MIME)",
        ),
        ("multipart/mixed", "application/pkcs7-mime; smime-type=enveloped-data", "encrypted (S/MIME)"),
        ("multipart/mixed", "application/pkcs7-mime; smime-type=signed-data", "inside the signature"),
    ] {
        let mail = read_str(&format!(
            "From: a@x.example\nContent-Type: {kind}; boundary=b\n\n--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: {inner}\n\
             Content-Disposition: attachment; filename=s.bin\nContent-Transfer-Encoding: base64\n\nAAEC/w==\n--b--\n"
        ));
        assert!(mail.remarks.iter().any(|r| r.contains(remark)), "{kind} {inner}: {:?}", mail.remarks);
        assert_eq!(mail.attachments.last().map(|a| a.content.to_vec()), Some(vec![0, 1, 2, 255]), "{kind}");
    }
}

#[test]
fn calendar_data_and_cards_are_attachments() {
    let mail = read_str(
        "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\nContent-Type: text/calendar; name=a.ics\n\n\
         BEGIN:VCALENDAR\nEND:VCALENDAR\n--b\nContent-Type: text/vcard\nContent-Disposition: attachment; filename=a.vcf\n\nBEGIN:VCARD\nEND:VCARD\n--b--\n",
    );
    assert_eq!(names(&mail), ["a.ics", "a.vcf"]);
    assert_eq!(mail.text.trim(), "hi");
}

#[test]
fn limit_of_nested_messages() {
    let nested = |count: usize| {
        let inner = "Content-Type: message/rfc822\n\n".repeat(count);
        read_str(&format!("From: a@x.example\nSubject: s\n{inner}Subject: inner\n\nhi\n"))
    };
    assert!(nested(NESTED_MESSAGES_MAX).remarks.is_empty());
    let over = nested(NESTED_MESSAGES_MAX + 1);
    assert!(over.remarks.iter().any(|r| r.contains("messages inside messages")), "{:?}", over.remarks);
    assert_eq!(over.author().map(|a| a.address.to_string()).as_deref(), Some("a@x.example"));
    assert_eq!((over.subject.as_str(), over.text.contains("hi")), ("s", true));
}

#[test]
fn limit_of_parts() {
    let parts = |count: usize| {
        let parts = "--b\nContent-Type: image/png\n\nx\n".repeat(count);
        read_str(&format!("From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"))
    };
    assert!(parts(PARTS_MAX - 1).defects.iter().all(|d| !d.contains("parts")));
    let over = parts(PARTS_MAX + 1);
    assert_eq!(over.attachments.len(), PARTS_MAX);
    assert!(over.remarks.iter().any(|r| r.contains("attachments")), "{:?}", over.remarks);
    let delimiters = |count: usize| {
        let parts = "--b\n\n".repeat(count);
        read_str(&format!("From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n{parts}")).remarks
    };
    assert!(delimiters(DELIMITER_LINES_MAX).is_empty());
    assert!(delimiters(DELIMITER_LINES_MAX + 1).iter().any(|r| r.contains("more parts")));
}

#[test]
fn limits_of_the_header() {
    let fields = |count: usize| read_str(&format!("From: a@x.example\n{}\nhi\n", "X-A: b\n".repeat(count - 1)));
    assert!(fields(HEADER_FIELDS_MAX).remarks.is_empty());
    assert!(fields(HEADER_FIELDS_MAX + 1).remarks.iter().any(|r| r.contains("header fields")));
    let line = format!("X-A: {}\n", "b".repeat(993));
    let long = |octets: usize| {
        let head = format!("From: a@x.example\n{}", line.repeat(octets / line.len()));
        let rest = octets - head.len() - 6;
        read(format!("{head}X-B: {}\n\nhi\n", "c".repeat(rest)).as_bytes())
    };
    assert!(long(HEADER_BYTES_MAX).remarks.iter().all(|r| !r.contains("octets")));
    let over = long(HEADER_BYTES_MAX + 1);
    assert!(over.remarks.iter().any(|r| r.contains("header is longer")), "{:?}", over.remarks);
    assert_eq!((over.text.trim(), over.from.len()), ("hi", 1));
}

#[test]
fn limits_of_text_addresses_and_ids() {
    let text = |octets: usize| read_str(&format!("From: a@x.example\n\n{}", "x".repeat(octets)));
    assert!(text(TEXT_CHARS_MAX).remarks.is_empty());
    let over = text(TEXT_CHARS_MAX + 1);
    assert_eq!(over.text.len(), TEXT_CHARS_MAX);
    assert!(over.remarks.iter().any(|r| r.contains("text is longer")));
    let to = |count: usize| {
        read_str(&format!("From: a@x.example\nTo: {}\n\nhi\n", "b@x.example,\n ".repeat(count))).to.len()
    };
    assert_eq!((to(ADDRESSES_MAX), to(ADDRESSES_MAX + 1)), (ADDRESSES_MAX, ADDRESSES_MAX));
    let ids: String = (0..=REFERENCES_MAX).map(|n| format!(" <{n}@x.example>\n")).collect();
    let mail = read_str(&format!("From: a@x.example\nReferences:{ids}\nhi\n"));
    assert_eq!(mail.references.len(), REFERENCES_MAX);
    assert_eq!(mail.references.last().map(MessageId::as_str), Some("<100@x.example>"));
}

#[test]
fn limit_of_decoded_octets() {
    let attached = |last: usize| {
        let head = "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        let part = "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        let large = "x".repeat(DECODED_BYTES_MAX - 1_000);
        read(format!("{head}{part}{large}\r\n{part}{}\r\n--b--\r\n", "y".repeat(last)).as_bytes())
    };
    let sizes = |mail: &Incoming| mail.attachments.iter().map(|a| a.content.len()).collect::<Vec<_>>();
    let at = attached(1_000);
    assert_eq!(sizes(&at), [DECODED_BYTES_MAX - 1_000, 1_000]);
    assert!(at.remarks.is_empty(), "{:?}", at.remarks);
    let over = attached(1_001);
    assert_eq!(sizes(&over), [DECODED_BYTES_MAX - 1_000, 0], "named, and left out");
    assert!(over.remarks.iter().any(|r| r.contains("some were left out")), "{:?}", over.remarks);
}

#[test]
fn a_mail_that_is_a_calendar_alone_is_readable() {
    let calendar = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Your parcel\nDTSTART:20261125T100000Z\n\
                    LOCATION:The shop\nEND:VEVENT\nEND:VCALENDAR\n";
    let words = "Invitation: Your parcel\nWhen: 2026-11-25 10:00 UTC\nWhere: The shop";
    let whole = read_str(&format!("From: a@x.example\nContent-Type: text/calendar; method=REQUEST\n\n{calendar}"));
    assert_eq!(whole.text.trim(), words);
    let files: Vec<&str> = whole.attachments.iter().map(|a| a.media_type.as_str()).collect();
    assert_eq!(files, ["text/calendar"], "the calendar itself is not lost");
    let part = |type_of: &str| {
        read_str(&format!(
            "From: a@x.example\nContent-Type: multipart/{type_of}; boundary=b\n\n--b\nContent-Type: text/calendar; method=REQUEST\n\n{calendar}--b--\n"
        ))
    };
    assert_eq!(part("mixed").text.trim(), words);
    assert_eq!(part("alternative").text.trim(), words);
    let beside = read_str(&format!(
        "From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nCome, please.\n--b\nContent-Type: text/calendar\n\n{calendar}--b--\n"
    ));
    assert_eq!(beside.text.trim(), "Come, please.", "where there are words, they are the words");
}
