//! Tests of reading: odd mail in, fields out.

use super::*;
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
