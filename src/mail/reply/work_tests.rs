//! Tests that reading is linear: four times the mail is about four times the work, not sixteen.

use std::time::Instant;

use super::*;

/// Less is not measured well.
const TICK_NS: u128 = 4_000_000;

/// Nanoseconds that this thread was on a processor: waiting for others does not count.
fn on_processor_ns(begun: Instant) -> u128 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    first.unwrap_or_else(|| begun.elapsed().as_nanos())
}

/// The least work of some tries.
fn work_ns(read: impl Fn()) -> u128 {
    let begun = Instant::now();
    let tries = (0..2).map(|_| {
        let before = on_processor_ns(begun);
        read();
        on_processor_ns(begun).saturating_sub(before)
    });
    tries.min().expect("a try").max(1)
}

/// Reads a piece written `count` and `4 * count` times, as both manners do, and compares the work.
fn check(what: &str, count: usize, write: impl Fn(usize) -> (String, Option<String>)) {
    let known = Known {
        ours: &["Your reply goes to Jane"],
        shared: &["Where is my order"],
        banners: &["CAUTION a mail from outside"],
        notice: None,
        forwarded: false,
    };
    let work = |count: usize| {
        let (text, html) = write(count);
        work_ns(|| {
            let _ = read_customer(&text, html.as_deref(), &known);
            let _ = read_customer(&text, html.as_deref(), &Known { forwarded: true, ..known });
            let _ = read_agent(&text, html.as_deref(), &known);
        })
    };
    let (small, large) = (work(count), work(count.saturating_mul(4)));
    assert!(large < small.max(TICK_NS).saturating_mul(9), "{what}: {small} ns, and {large} ns for four times as much");
}

#[test]
fn text_is_read_in_linear_time() {
    let bytes = REPLY_CHARS_MAX / 64;
    for piece in [
        ">",
        "> ",
        "> a\n",
        ">\n",
        "a\n> b\n",
        "\n",
        "-",
        "------\n",
        "-- \n",
        "--\nx\n",
        "_",
        "On x at y ",
        "On 2026-11-24 10:00 x\n",
        "On x wrote:\n",
        "On Tue, 24 Nov 2026 at 10:00, A <a@b.example> wrote:\n\n",
        "On Tue, 24 Nov 2026\n\n",
        "wrote:",
        "From: a@b.example\n",
        "From: a@b.example\n\n\n\n\n",
        "From: a@b.example\nSent: 24.11.2026\nTo: b\nSubject: c\n\nd\n",
        "-----Original Message-----\n",
        "Forwarded message\n",
        "Sent from my phone\n",
        "JD> x\n",
        "AB> x\nCD> y\n",
        "CAUTION\n",
        "CAUTION a mail from ",
        "http://",
        "https://www.google.com/url?q=",
        "https://urldefense.com/v3/__*;",
        "yesreply ",
        "yesreply:\n",
        "> (http://x\n",
        "where is my order\n",
        "( < [",
        "ᐧ\n",
    ] {
        let count = bytes / piece.len();
        check(piece, count, |count| (piece.repeat(count), None));
    }
}

#[test]
fn html_is_read_in_linear_time() {
    for (piece, count) in [
        ("<br>", 5_000),
        ("<p>x", 2_500),
        ("<div>x</div>", 2_500),
        ("<a href=\"https://shop.example/1\">x</a> ", 1_000),
        ("<a href=\"https://shop.example/1\">x</a><br>", 1_000),
        ("<td>x</td>", 2_500),
        ("<blockquote>x</blockquote>", 1_250),
        ("&gt; x<br>", 2_500),
        ("On 24.11.2026 10:00, A wrote:<br>", 1_000),
        ("<span>x</span>", 2_000),
        ("<img src=\"cid:x\">", 2_000),
    ] {
        check(piece, count, |count| (String::new(), Some(piece.repeat(count))));
    }
    let deep = |count: usize| ("<blockquote>".repeat(200), "x<br>".repeat(count));
    check("lines in deep quotes", 5_000, |count| {
        let (quotes, lines) = deep(count);
        (String::new(), Some(format!("{quotes}{lines}")))
    });
}

#[test]
fn what_is_too_deep_or_too_long_is_kept() {
    let deep = format!("{}bottom{}", "<blockquote>".repeat(100_000), "</blockquote>".repeat(100_000));
    assert_eq!(read_customer("Hello", Some(&deep), &Known::default()).words, "Hello");
    let long = "> x\n".repeat(REPLY_CHARS_MAX);
    assert_eq!(read_customer(&long, None, &Known::default()).words, long);
    assert!(!read_agent(&long, None, &Known::default()).doubtful.is_empty());
}
