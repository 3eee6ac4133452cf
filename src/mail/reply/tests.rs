//! Tests of reply reading: replies as clients write them in, words out.

use super::*;

const RELAY: &str = "[ Your reply goes to Jane Doe <jane@mail.example> as \"Anna at Shop Support\", case #1001 ]\n\n\
    Where is my order 4711? I have waited for two weeks now.\nThe tracking page says nothing.\n\n\
    === yesreply: below this line nothing is sent to the customer ===\n\nCustomer: Jane Doe <jane@mail.example>\n\
    Case: #1001 Order, new, opened 2026-11-24 10:00 UTC\nFirst line \"#note\": nothing leaves, colleagues only.\n";
const CUSTOMER: &str = "Where is my order 4711? I have waited for two weeks now.\nThe tracking page says nothing.\n";

fn agent(text: &str, html: Option<&str>) -> Reading {
    read_agent(text, html, &Known { ours: &[RELAY], shared: &[CUSTOMER], ..Known::default() })
}

fn quoted_relay(prefix: &str) -> String {
    RELAY.lines().map(|l| format!("{prefix}{l}\n")).collect()
}

fn internal(reading: &Reading) -> bool {
    let all = format!("{} {}", reading.words, reading.words_html.clone().unwrap_or_default());
    is_marker(&all) || all.contains("Your reply goes") || all.contains("Case: #1001")
}

#[test]
fn r43_answers_above_and_below_the_quote() {
    let attribution = "On Sat, Nov 21, 2026 at 11:48:46PM -0000, Jane Doe via Shop Support wrote:\n";
    for text in [
        format!("It leaves today.\n\n{attribution}{}", quoted_relay("> ")),
        format!("{attribution}{}\nIt leaves today.\n", quoted_relay("> ")),
        format!(
            "It leaves today.\nOn 2026-11-21 23:58, Jane Doe via Shop Support wrote:\n{}\n-- \nAnna",
            quoted_relay(">")
        ),
        format!(
            "Jane Doe via Shop Support <support@shop.example> wrote:\n\n{}\nIt leaves today.\n-- \nAnna\n",
            quoted_relay("> ")
        ),
        format!("It leaves today.\n-- \nAnna\n\n{attribution}{}", quoted_relay("> ")),
        format!("It leaves today.\n---\nAnna\n\n{attribution}{}", quoted_relay("> ")),
    ] {
        let reading = agent(&text, None);
        assert_eq!(reading.words, "It leaves today.", "{text}");
        assert_eq!(reading.doubtful, Vec::<String>::new(), "{text}");
        assert!(reading.quotes_ours);
    }
}

#[test]
fn r43_outlook_quotes_without_marks() {
    let head = "From: Jane Doe via Shop Support <support+x@shop.example>\nSent: Saturday, 21 November 2026 12:00\nTo: Anna\nSubject: [#1001] Order\n\n";
    let reading = agent(&format!("It leaves today.\n\n________________________________\n{head}{RELAY}"), None);
    assert_eq!(reading.words, "It leaves today.");
    assert!(!internal(&reading), "{reading:?}");
}

#[test]
fn r43_what_cannot_be_told_apart_is_in_doubt() {
    let head = "-----Original Message-----\n";
    let reading =
        agent(&format!("It leaves today.\n\n{head}{RELAY}\nPlease ignore my colleague, she has no idea.\n"), None);
    assert_eq!(reading.doubtful, ["Please ignore my colleague, she has no idea."]);
}

#[test]
fn r43_interleaved_answers_keep_the_customers_lines_only() {
    let text = format!(
        "On Sat, Jane Doe via Shop Support wrote:\n> [ Your reply goes to Jane Doe <jane@mail.example> as \"Anna at Shop Support\", case #1001 ]\n>\n\
         > Where is my order 4711? I have waited for two weeks now.\nIt leaves today.\n> The tracking page says nothing.\nIt is broken.\n>\n> {MARKER}\n> Customer: Jane Doe <jane@mail.example>\n",
    );
    let reading = agent(&text, None);
    assert_eq!(
        reading.words,
        "> Where is my order 4711? I have waited for two weeks now.\nIt leaves today.\n> The tracking page says nothing.\nIt is broken."
    );
}

#[test]
fn r43_html_is_read_from_the_html_part() {
    let html = format!(
        "<html><body><div class=\"moz-cite-prefix\">#close</div><div class=\"moz-cite-prefix\">It costs 129,90 €.</div>\
         <div class=\"moz-cite-prefix\">On 11/22/26 12:01 AM, Jane Doe via Shop\n Support wrote:<br></div>\
         <blockquote type=\"cite\"><div>{}</div></blockquote><p>Second line.</p><pre class=\"moz-signature\">-- \nAnna</pre></body></html>",
        RELAY.replace('<', "&lt;").replace('\n', "<br>")
    );
    let reading = agent("#close\nIt costs 129,90 EUR.\n", Some(&html));
    let quoted = "> Where is my order 4711? I have waited for two weeks now.\n> The tracking page says nothing.\n";
    assert_eq!(reading.words, format!("#close\nIt costs 129,90 €.\n{quoted}\nSecond line."));
    assert!(!internal(&reading), "{reading:?}");
    let (text, html) = reading.without_leading(1);
    assert_eq!(text, format!("It costs 129,90 €.\n{quoted}\nSecond line."));
    assert!(html.is_some_and(|h| h.contains("129,90 €") && !h.contains("#close")));
}

#[test]
fn a_glued_attribution_is_cut_off() {
    let html = format!(
        "<p id=\"reply-intro\">unterwegs.On 2026-11-21 23:58, Jane Doe via Shop Support wrote:</p><blockquote>{}</blockquote>",
        RELAY.replace('<', "&lt;").replace('\n', "<br>")
    );
    assert_eq!(agent("", Some(&html)).words, "unterwegs.");
}

#[test]
fn r41_commands_are_found_wherever_the_words_stand() {
    let text = format!(
        "On Sat, Nov 21, 2026, Jane Doe via Shop Support wrote:\n{}\n#note\nSend her a new one.\n",
        quoted_relay("> ")
    );
    assert_eq!(agent(&text, None).words, "#note\nSend her a new one.");
}

#[test]
fn a_customers_words_are_kept_in_doubt() {
    let ours = "Hello Jane, it leaves today. You will have it on Friday.\nAnna";
    let known = Known { shared: &[ours], ..Known::default() };
    for (text, words) in [
        ("Thank you!\n\nOn Friday, Anna at Shop Support wrote:\n> Hello Jane, it leaves today.\n", "Thank you!"),
        (
            "Thank you!\n\nSent from my iPhone\n\n> On 24 Nov 2026, at 10:00, Anna wrote:\n>\n> Hello Jane\n",
            "Thank you!",
        ),
        (
            "Am 24.11.2026 um 10:00 schrieb Anna at Shop Support <support+x@shop.example>:\n> You will have it on Friday.\nWhich Friday?\n",
            "Which Friday?",
        ),
        (
            "Nobody wrote: that is what I wrote:\nmy text goes on",
            "Nobody wrote: that is what I wrote:\nmy text goes on",
        ),
        ("> it leaves today\nGood.\n> on Friday\nToo late.", "> it leaves today\nGood.\n> on Friday\nToo late."),
        ("I like dashes\n--- like these, in text\nand go on", "I like dashes\n--- like these, in text\nand go on"),
    ] {
        assert_eq!(read_customer(text, None, &known).words, words, "{text}");
    }
}

#[test]
fn reading_takes_linear_time() {
    let begun = on_processor();
    for text in
        [">".repeat(400_000), "On x at y ".repeat(40_000), "On x wrote:\n".repeat(30_000), "a\n> b\n".repeat(60_000)]
    {
        let _ = agent(&text, None);
        let _ = read_customer(&text, None, &Known::default());
    }
    let took = on_processor().saturating_sub(begun);
    assert!(took.as_secs() < 20, "{took:?}");
}

/// How long this thread was on a processor: waiting for others does not count.
fn on_processor() -> std::time::Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("what the kernel counted");
    std::time::Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds"))
}

#[test]
fn attributions_of_many_clients_end_the_new_words() {
    for frame in [
        "Am 24.11.2026 um 10:00 schrieb Anna:",
        "Le mar. 24 nov. 2026 à 10:00, Anna <a@shop.example>\na écrit :",
        "El 24/11/2026 10:00, Anna escribió:",
        "Den 24 november, 2026 10:00:18, Anna (a@shop.example) skrev:",
        "24 лист. 2026 р. 10:00 \"Anna\" <a@shop.example> пише:",
        "2026年11月24日 10:00、Anna <a@shop.example> のメッセージ:",
        "---- On Tue, 24 Nov 2026 10:00:00 +0000 Anna wrote ----",
        "24.11.2026, 10:00, \"Anna\" <a@shop.example>:",
        "Von: Anna <a@shop.example>\nDatum: 24.11.2026 10:00",
        "Date: Tue, 24 Nov 2026 10:00:00 +0000\nTo: jane@mail.example\nFrom: a@shop.example",
        "Début du message réexpédié :",
        "## Bitte antworten Sie oberhalb dieser Zeile ##",
        "Den 24.11.2026 10.00, skrev Anna:",
        "------------------ Original ------------------\nFrom: \"Anna\"<a@shop.example>;\nDate: Tue, Nov 24, 2026 10:00 AM",
    ] {
        let reading = read_customer(&format!("Thank you!\n\n{frame}\n\nHello Jane\n"), None, &Known::default());
        assert_eq!(reading.words, "Thank you!", "{frame}");
        assert_eq!(reading.quoted, "Hello Jane", "{frame}");
        let agents = agent(&format!("It leaves today.\n\n{frame}\n\nHello Jane\n"), None);
        assert_eq!((agents.words.as_str(), agents.doubtful.len()), ("It leaves today.", 1), "{frame}");
    }
}

#[test]
fn whose_words_are_quoted_is_no_word_where_a_quote_follows() {
    for frame in ["Quoting Anna <a@shop.example>:", "Zitat von Anna <a@shop.example>:", "Citerar anna@shop.example:"] {
        let reading = read_customer(&format!("Thank you!\n\n{frame}\n\n> Hello Jane\n"), None, &Known::default());
        assert_eq!((reading.words.as_str(), reading.quoted.as_str()), ("Thank you!", "Hello Jane"), "{frame}");
        for own in [format!("{frame}\nyou were right."), frame.to_owned()] {
            assert_eq!(read_customer(&own, None, &Known::default()).words, own);
        }
    }
}

#[test]
fn what_looks_like_a_frame_and_is_none_is_kept() {
    for body in [
        "Quoting section 4 of the terms that you sent me in March:\n\n> You may return it.\n\nSo why do you refuse?",
        "I see another price there.\n\nQuoting your price list of today:",
        "Citeren mag ik zeker, dus hier:",
        "I have translated it for you.\n--- Original ---\nIhre Lampe ist kaputt.\n--- Translation ---\nThe lamp is broken.",
        "Please change it.\n*** Original ***\nFor Tom\n*** New ***\nFor Tim",
        "Please translate the label.\n------ Original ------\nHandle with care\n------\nI need it today.",
        "Guten Tag,\nam 24.11.2026 19.99 EUR abgebucht, obwohl Frau Meier schrieb:\nwir erstatten es.\n\nBitte jetzt.",
        "for order 1234567 19.99 were charged, but Tom wrote:\nall is fine.\n\nIt is not.",
        "Hei,\nden 24.11.2026 10.00 var jeg i butikken, og Anna skrev:\nkom i morgen.\n\nJeg kom.",
        "Hi, my parcel is missing.\n\nSender: DHL\nSent: Monday last week\nTracking: 12345\n\nPlease look for it.",
        "It came back.\n\nSender: Shop Ltd\nDate: Monday\nTo: Jane Doe, jane@mail.example\n\nPlease look.",
        "Which account?\n\nSender: Jane Doe\nSubject: invoice 4711\nDate: 3 May\n\nIt came back.",
        "Missing.\n\nFrom: DHL\nSent: Monday last week\n\nPlease look for it.",
        "El billete.\n\nDe: Girona\nPer a: Barcelona\nData: dimarts\nAssumpte: bitllet\n\nNo ha arribat.",
        "Kje je?\n\nPošiljatelj: Trgovina\nPoslano: v ponedeljek\n\nProsim poglejte.",
        "Kur?\n\nNuo: Parduotuvės\nIšsiųsta: Vilnius\n\nPrašau.",
    ] {
        assert_eq!(read_customer(body, None, &Known::default()).words, body);
    }
}

#[test]
fn r44_banners_are_no_words() {
    let banners = ["CAUTION: this mail came from outside.", "Think before you click"];
    let known = Known { banners: &banners, ..Known::default() };
    for (text, words) in [
        ("CAUTION: This mail came\nfrom outside.\n\nHello\n", "Hello"),
        ("[caution: this mail came from outside] Hello\n", "Hello"),
        ("*Think before you click!*\nCAUTION: this mail came from outside.\nHello\n", "Hello"),
        ("CAUTION: this mail came from my heart.\n", "CAUTION: this mail came from my heart."),
        ("CAUTION: this mail", "CAUTION: this mail"),
        (
            "> CAUTION: this mail came from outside.\n> When?\n\nNow.\n> Where?\nHere.",
            "> When?\n\nNow.\n> Where?\nHere.",
        ),
    ] {
        assert_eq!(read_customer(text, None, &known).words, words, "{text}");
    }
    let page = "<table><tr><td>CAUTION: this mail <b>came</b> from outside.</td></tr></table><p>Hello</p>";
    let reading = read_agent("", Some(page), &known);
    assert_eq!(reading.words, "Hello");
    assert!(reading.words_html.is_some_and(|h| h.contains("Hello") && !h.contains("CAUTION")));
}

#[test]
fn r44_wrapped_links_are_undone_before_matching_and_sending() {
    let wrapped = "https://x.safelinks.protection.outlook.com/?url=https%3A%2F%2Fshop.example%2Forder%2F4711&data=05";
    let shared = ["https://shop.example/order/4711"];
    let known = Known { shared: &shared, ..Known::default() };
    let text = format!("See {wrapped} there.\n\n-----Original Message-----\n{wrapped}\n");
    let reading = read_agent(&text, None, &known);
    assert_eq!(reading.words, "See https://shop.example/order/4711 there.");
    assert_eq!(reading.doubtful, Vec::<String>::new());
    let page = format!("<p>See <a href=\"{wrapped}\">the order</a>.</p>");
    let reading = read_agent("", Some(&page), &known);
    assert_eq!(reading.words, "See the order <https://shop.example/order/4711>.");
    assert_eq!(
        reading.words_html.as_deref(),
        Some("<p>See <a href=\"https://shop.example/order/4711\">the order</a>.</p>")
    );
    let opaque = "See https://protect-eu.mimecast.com/s/AbCd?domain=shop.example";
    assert_eq!(read_agent(opaque, None, &known).doubtful, [opaque]);
    assert_eq!(read_customer(opaque, None, &known).words, opaque);
}

#[test]
fn r44_an_opaque_link_in_what_is_quoted_is_the_one_that_was_sent_or_the_reply_waits() {
    let opaque = "https://protect-eu.mimecast.com/s/AbCd?domain=shop.example";
    let sent = ["Hello,\nthe invoice lies at https://shop.example/i/7 for you.\nIs that right?"];
    let known = Known { shared: &sent, ..Known::default() };
    let text = format!("> the invoice lies at {opaque} for you.\nYes, there.\n> Is that right?\nIt is.");
    let reading = read_agent(&text, None, &known);
    assert_eq!(
        reading.words,
        "> the invoice lies at https://shop.example/i/7 for you.\nYes, there.\n> Is that right?\nIt is."
    );
    assert_eq!(reading.doubtful, Vec::<String>::new());
    let html = format!(
        "<blockquote><p>the invoice lies at <a href=\"{opaque}\">https://shop.example/i/7</a> for you.</p></blockquote>\
         <p>Yes, there.</p><blockquote><p>Is that right?</p></blockquote><p>It is.</p>"
    );
    let reading = read_agent(&text, Some(&html), &known);
    assert!(reading.words.contains("lies at https://shop.example/i/7 for you."), "{reading:?}");
    let page = reading.words_html.unwrap_or_default();
    assert!(page.contains("<a href=\"https://shop.example/i/7\">") && !page.contains("mimecast"), "{page}");
    assert_eq!(reading.doubtful, Vec::<String>::new());
    // nowhere in what was sent: what is kept of it is shown to its author first
    let own = format!("> Is that right?\nSee {opaque} there.\n> Is that right?\nIt is.");
    assert_eq!(read_agent(&own, None, &known).doubtful, [format!("See {opaque} there.")]);
}

#[test]
fn what_a_customer_forwards_is_kept_but_what_we_know() {
    let shared = ["Hello Jane, it leaves on Friday with the post."];
    let known = Known { shared: &shared, forwarded: true, ..Known::default() };
    let text = "What is this?\n\n---------- Forwarded message ---------\nFrom: Max <max@mail.example>\nSubject: x\n\n\
                Pay me.\n\n-- \nMax\n\n> Hello Jane, it leaves on Friday with the post.\n";
    let words = read_customer(text, None, &known).words;
    assert!(words.starts_with("What is this?") && words.contains("Pay me.") && words.ends_with("Max"), "{words}");
    assert!(!words.contains("leaves on Friday"), "{words}");
    let not = Known { forwarded: false, ..known };
    assert_eq!(read_customer(text, None, &not).words, "What is this?");
    let whole = read_agent(text, None, &known);
    assert_eq!(whole, read_agent(text, None, &not));
}

#[test]
fn in_doubt_nothing_is_lost() {
    for text in [
        // a journey, not a mail
        "From: Berlin\nTo: Hamburg\nDate: 24.11.2026\nTwo persons, please.",
        // an answer below an unmarked quote, which nobody knows
        "From: Anna <help@shop.example>\nSent: Tuesday\nTo: Jane\nSubject: Order\n\nDid it come?\n\nNo.",
        "Iletilen paketler:\n4711 ve 4712",
        "Original message\nby the author of the book",
        "On Friday I wrote:\nplease call me",
        "- red",
        "See (a) and (b).\nC> is a mark of one line",
    ] {
        let kept = read_customer(text, None, &Known::default()).words;
        for line in
            text.lines().filter(|l| !l.contains("example") && !l.starts_with("Sent") && !l.starts_with("Subject"))
        {
            assert!(kept.contains(line) || line == "To: Jane", "{line:?} of {text:?} in {kept:?}");
        }
    }
}

#[test]
fn quotes_keep_the_marks_of_their_client() {
    for text in [
        "> > Did it come?\n> No idea.\n\nIt did.",
        "JD> Did it come?\nJD> When?\n\nIt did.",
        "> Did it come?\nNo.\n> > > When?\nNever.",
    ] {
        assert_eq!(read_customer(text, None, &Known::default()).words, text);
    }
}

#[test]
fn sentences_are_no_signatures_and_lists_no_names() {
    for text in [
        "I chose\n\nSent from my desk, it is much easier than my phone.",
        "Which one?\n\n- red\n- blue",
        "-- \nRoman",
        "On Monday it rained.\nFrom: Berlin\nNo answer yet.",
    ] {
        assert_eq!(read_customer(text, None, &Known::default()).words, text.replace("-- ", "--"), "{text}");
    }
}

#[test]
fn leading_lines_are_taken_off_below_a_quote_and_out_of_a_list() {
    let shared = ["Where is it?\nI wait since Monday."];
    let known = Known { shared: &shared, ..Known::default() };
    let text = "> Where is it?\n#close\nIn the van.\n> I wait since Monday.\nSorry.\n";
    let words = "> Where is it?\nIn the van.\n> I wait since Monday.\nSorry.";
    assert_eq!(read_agent(text, None, &known).without_leading(1).0, words);
    let page = "<blockquote>Where is it?</blockquote><div>#close</div><div>In the van.</div>\
                <blockquote>I wait since Monday.</blockquote><div>Sorry.</div>";
    let (text, html) = read_agent("", Some(page), &known).without_leading(1);
    assert_eq!(text.replace("\n\n", "\n"), words);
    let html = html.unwrap_or_default();
    assert!(html.contains("Where is it?") && html.contains("In the van.") && !html.contains("#close"), "{html}");
    let page = "<ul><li><div>#tag a</div></li><li><div>#close</div></li></ul><div>Bye.</div>";
    let (text, html) = read_agent("", Some(page), &known).without_leading(2);
    assert_eq!((text.as_str(), html.as_deref()), ("Bye.", Some("<div>Bye.</div>")));
}
