//! How many messages of 4 KiB are read a second on one core: parsed, classified, reports and new words extracted.
//! `cargo bench --bench reading -- [LEAST]` fails where the rate is less than LEAST messages a second.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use yesreply::mail::read::read;
use yesreply::mail::reply::{Known, read_customer};

/// Octets of each message.
const SIZE: usize = 4_096;

/// How long each kind is read, on the processor.
const SPAN: Duration = Duration::from_secs(2);

/// How long this thread has been on a processor: what others do on the same machine does not count. Linux' schedstat; without
/// it, the time that has passed.
fn on_processor(begun: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split_whitespace().next().and_then(|n| n.parse().ok()).map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

const HEAD: &str = "Return-Path: <jane@mail.example>\r\nDelivered-To: support@shop.example\r\n\
    Received: from mx.mail.example (mx.mail.example [192.0.2.7]) by mail.shop.example with ESMTPS id 4711\r\n\tfor <support@shop.example>; Wed, 25 Nov 2026 10:00:00 +0000\r\n\
    Authentication-Results: mail.shop.example; dmarc=pass header.from=mail.example; dkim=pass header.d=mail.example\r\n\
    From: =?utf-8?q?J=C3=A4ne_Doe?= <jane@mail.example>\r\nTo: Shop Support <support@shop.example>\r\n\
    Subject: =?utf-8?q?Re:_Order_1001_f=C3=BCr_Jane?=\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <4711@mail.example>\r\n\
    In-Reply-To: <a.1@shop.example>\r\nReferences: <a.0@shop.example> <a.1@shop.example>\r\nMIME-Version: 1.0\r\n";

const QUOTE: &str = "\r\nOn Tue, 24 Nov 2026 at 09:00, Shop Support <support@shop.example> wrote:\r\n> Dear Jane, your parcel left us on Monday.\r\n> Anna\r\n";

/// Fills up to the size with lines.
fn filled(mut mail: String, line: &str, end: &str) -> Vec<u8> {
    while mail.len() + line.len() + end.len() <= SIZE {
        mail.push_str(line);
    }
    mail.push_str(end);
    mail.into_bytes()
}

/// A plain reply, a reply with text and HTML, and a delivery status report.
fn kinds() -> [(&'static str, Vec<u8>); 3] {
    let plain = format!("{HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\nIt is still not here. Where is it?\r\n");
    let text = "The parcel has not come, and nobody at the post office knows of it.\r\n";
    let both = format!(
        "{HEAD}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         It is still not here.\r\n{QUOTE}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <html><head><style>p {{ margin: 0 }}</style></head><body><div>It is still not here.</div>"
    );
    let html = "<p class=\"MsoNormal\"><span style=\"font-size:11pt\">The parcel has not come.</span></p>\r\n";
    let bounce = "Return-Path: <>\r\nFrom: MAILER-DAEMON@mail.example\r\nTo: support@shop.example\r\nSubject: Undelivered Mail\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n\r\nFinal-Recipient: rfc822; jane@mail.example\r\n\
        Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
        Message-ID: <x@shop.example>\r\nSubject: hello\r\n\r\n";
    [
        ("plain reply", filled(plain, text, QUOTE)),
        (
            "reply with HTML",
            filled(
                both,
                html,
                "<blockquote>Dear Jane, your parcel left us on Monday.</blockquote></body></html>\r\n--b--\r\n",
            ),
        ),
        ("delivery status report", filled(bounce.to_owned(), text, "--b--\r\n")),
    ]
}

fn main() -> ExitCode {
    let least: f64 = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or_default();
    let known = Known::default();
    let mut failed = false;
    for (name, raw) in kinds() {
        let begun = Instant::now();
        let before = on_processor(begun);
        let taken = || on_processor(begun).saturating_sub(before);
        let mut count = 0u32;
        while taken() < SPAN {
            for _ in 0..200 {
                let mail = std::hint::black_box(read(std::hint::black_box(&raw)));
                std::hint::black_box(read_customer(&mail.text, mail.html.as_deref(), &known));
            }
            count += 200;
        }
        let rate = f64::from(count) / taken().as_secs_f64();
        println!("{name}: {rate:.0} messages of {} octets a second", raw.len());
        failed |= rate < least;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
