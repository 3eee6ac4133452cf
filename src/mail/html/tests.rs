//! Tests of HTML bodies: lines, quotes, what is hidden and what is clean.

use super::*;
use crate::limits::HTML_COPIES_MAX;

#[test]
fn visual_lines_and_quotes() {
    let text = to_text(
        "<p>Hello<br>you</p><blockquote><p>old &amp; gone</p><blockquote>older</blockquote></blockquote><div>bye</div>",
    );
    assert_eq!(
        text,
        "Hello\nyou\n\n> old & gone\n>\n>> older\n>\n\nbye".replace(">\n>> older\n>\n\n", ">\n>> older\n>\n")
    );
}

#[test]
fn t32_hidden_words_are_not_seen() {
    for style in ["display:none", "DISPLAY: none !important", "visibility: hidden", "font-size:0", "opacity:0"] {
        let text = to_text(&format!("<p>seen</p><div style=\"{style}\"><b>unseen</b></div>"));
        assert_eq!(text, "seen", "{style}");
    }
    assert_eq!(to_text("<style>p{}</style><script>x</script><p>seen</p><!-- no -->"), "seen");
}

#[test]
fn kept_lines_leave_without_the_others() {
    let Some(body) =
        parse("<div>my <b>words</b></div><div style='display:none'>no</div><blockquote>theirs</blockquote>")
    else {
        panic!("not parsed");
    };
    let keep: Vec<bool> = body.lines().iter().map(|l| l.depth == 0 && !l.text.is_empty()).collect();
    assert_eq!(body.keep(&keep), "<div>my <b>words</b></div>");
}

#[test]
fn what_others_get_is_clean() {
    let dirty = "<p class=x id=y onclick=z style='position:fixed'>hi<img src=http://e.example/p.gif><img src=cid:a><script>x</script>\
                 <a href='javascript:x'>a</a><form><input></form></p>";
    let clean = clean(dirty);
    for bad in ["class", "id=", "onclick", "style", "http://e", "script", "<form", "<input"] {
        assert!(!clean.contains(bad), "{bad} in {clean}");
    }
    assert!(clean.contains("cid:a"));
}

#[test]
fn what_stands_out_in_a_line_is_marked() {
    let emphasised = |html: &str| {
        let body = parse(html).expect("a body");
        let shown = body.lines().iter().map(|l| l.emphasised.as_ref().unwrap_or(&l.text).as_str());
        shown.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("|")
    };
    for (html, expected) in [
        ("<p>not <b>before</b> Friday, <em>please</em></p>", "not **before** Friday, *please*"),
        ("<p>the<strong> two  blue </strong>ones</p>", "the **two blue** ones"),
        ("<p>a <b>very <i>old</i> one</b>!</p>", "a **very old one**!"),
        // a whole line, a part of a word, a label, an address, a link, blank, more than a line
        ("<b>All of it</b><br><b>Jane</b> <b>Doe</b>", "All of it|Jane Doe"),
        ("un<b>real</b> and <b>re</b>al", "unreal and real"),
        ("<b>From:</b> Jane, <b>Sent</b>: today", "From: Jane, Sent: today"),
        (
            "to <b>jane@example.org</b> or <b>https://shop.example/a</b>",
            "to jane@example.org or https://shop.example/a",
        ),
        ("a <b> </b> b <i>*</i> c", "a b * c"),
        ("code <b>AB12</b>-CD34 or <b>CD</b>.", "code AB12-CD34 or **CD**."),
        ("a <b>b<br>c</b> d <b>e</b>", "a b|c d **e**"),
    ] {
        assert_eq!(emphasised(html), expected, "{html}");
    }
}

#[test]
fn tables_lists_and_links_are_readable() {
    let text = to_text(
        "<ol start=3><li>one<li>two</ol><ul><li>dot<ol><li>inner</ol></ul><table><tr><th>Item<th>Price<tr><td>Tea<td>3</table>\
         <a href='https://shop.example/'>shop.example</a> and <a href='https://shop.example/terms'>the terms</a>",
    );
    assert_eq!(
        text,
        "3. one\n4. two\n\n* dot\n1. inner\n\nItem Price\nTea 3\n\nshop.example and the terms <https://shop.example/terms>"
    );
}

#[test]
fn what_hides_covers_or_loads_does_not_pass() {
    let dirty = "<div style='position:absolute;top:0;left:0;width:100%;height:100%'>over</div>\
        <p style='display:none'>unseen</p><link rel=stylesheet href=https://e.example/a.css><style>p{display:none}</style>\
        <img srcset='https://e.example/a.png 2x' src='https://e.example/b.png'><video poster=https://e.example/c src=x></video>\
        <table background=https://e.example/d><tr><td>cell</table><base href=https://e.example/><meta http-equiv=refresh content='0;url=https://e.example'>\
        <svg><image href=https://e.example/e></svg><object data=https://e.example/f></object><embed src=https://e.example/g>\
        <iframe srcdoc='<p>x'></iframe><button formaction=https://e.example/h>b</button><a href='data:text/html,x' target=_top>d</a>\
        <a href=' JavaScript:alert(1)' onfocus=x autofocus>j</a><input type=image src=https://e.example/i><a href='//e.example/k'>k</a>";
    let clean = clean(dirty);
    for bad in [
        "e.example",
        "style",
        "position",
        "srcset",
        "poster",
        "background",
        "<base",
        "<meta",
        "<svg",
        "<object",
        "<embed",
        "<iframe",
        "<button",
        "<input",
        "data:",
        "avascript",
        "onfocus",
        "<link",
        "<video",
        "target",
    ] {
        assert!(!clean.contains(bad), "{bad} in {clean}");
    }
    assert!(clean.contains("over") && clean.contains("cell"), "{clean}");
}

#[test]
fn many_links_in_one_line_take_linear_time() {
    let html = "<a href=https://shop.example/x>y</a> ".repeat(25_000);
    assert!(to_text(&html).len() > html.len() / 2);
}

#[test]
fn depth_bombs_are_not_parsed() {
    let bomb = "<div>".repeat(50_000);
    assert!(parse(&bomb).is_none());
    assert!(to_text(&format!("{bomb}hello")).contains("hello"));
    assert!(parse(&"<p>line".repeat(5_000)).is_some());
}

#[test]
fn words_become_html() {
    assert_eq!(from_text("a <b>\n> q\nc"), "<div>a &lt;b&gt;<br>\n<blockquote>q<br>\n</blockquote>c<br>\n</div>");
}

#[test]
fn limits_of_markup() {
    let octets = |count: usize| format!("<p>{}</p>", "x".repeat(count - 7));
    assert!(parse(&octets(HTML_BYTES_MAX)).is_some());
    assert!(parse(&octets(HTML_BYTES_MAX + 1)).is_none());
    assert!(clean(&octets(HTML_BYTES_MAX)).starts_with("<p>x"));
    assert!(clean(&octets(HTML_BYTES_MAX + 1)).contains("xxx"), "its words are kept");
    // five formats open: ten copies until they are, and five for each line break
    let copies = |breaks: usize| format!("<b><i><u><s><em>words{}", "<br>".repeat(breaks));
    let most = (HTML_COPIES_MAX - 10) / 5;
    assert!(parse(&copies(most)).is_some());
    assert!(parse(&copies(most + 1)).is_none());
    assert!(clean(&copies(most + 1)).contains("words"), "its words are kept");
}
