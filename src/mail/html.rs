//! HTML bodies: visual lines, readable text, and what may be shown to others.
//!
//! Decides   where a line begins, how deep it is quoted, what is hidden; which tags others may get.
//! Follows   the HTML standard's block elements through html5ever; ammonia's allow-list.
//! Never     trusts class names or ids (people's own words stand in `moz-cite-prefix` and `reply-intro`), and
//!           never parses what is deeper or larger than `limits` allows: html5ever is quadratic in depth.

mod nesting;

use std::collections::HashSet;

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use scraper::{Html, Node};

use super::text;
use crate::limits::HTML_BYTES_MAX;

/// A visual line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlLine {
    /// Its text, white space folded.
    pub text: String,
    /// How many blockquotes it stands in.
    pub depth: usize,
    nodes: Vec<NodeId>,
}

/// A parsed body.
#[derive(Debug)]
pub struct HtmlBody {
    tree: Html,
    lines: Vec<HtmlLine>,
}

const BLOCKS: [&str; 33] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// Elements whose content is never shown.
const UNSEEN: [&str; 9] = ["head", "script", "style", "title", "template", "noscript", "object", "iframe", "svg"];

/// Parses a body; `None` if it is larger or deeper than the limits.
#[must_use]
pub fn parse(html: &str) -> Option<HtmlBody> {
    if html.len() > HTML_BYTES_MAX || !nesting::is_bounded(html) {
        return None;
    }
    let tree = Html::parse_document(html);
    let lines = lines_of(&tree);
    Some(HtmlBody { tree, lines })
}

impl HtmlBody {
    /// The visual lines in order; empty ones where there is space between blocks.
    #[must_use]
    pub fn lines(&self) -> &[HtmlLine] {
        &self.lines
    }

    /// HTML of the lines to keep, one flag each; everything else, and all that is hidden, is left out.
    #[must_use]
    pub fn keep(&self, keep: &[bool]) -> String {
        let kept: HashSet<NodeId> = self
            .lines
            .iter()
            .zip(keep)
            .filter(|(_, keep)| **keep)
            .flat_map(|(line, _)| line.nodes.iter().copied())
            .collect();
        let mut shown: HashSet<NodeId> = HashSet::new();
        for id in &kept {
            let mut next = self.tree.tree.get(*id);
            while let Some(node) = next {
                if !shown.insert(node.id()) {
                    break;
                }
                next = node.parent();
            }
        }
        self.write(&shown)
    }

    fn write(&self, shown: &HashSet<NodeId>) -> String {
        let mut out = String::new();
        for edge in self.tree.tree.root().traverse() {
            match edge {
                Edge::Open(node) if shown.contains(&node.id()) => match node.value() {
                    Node::Text(words) => out.push_str(&escaped(words)),
                    Node::Element(element) if !matches!(element.name(), "html" | "body") => {
                        out.push('<');
                        out.push_str(element.name());
                        for (name, value) in element.attrs() {
                            out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
                        }
                        out.push('>');
                    }
                    _ => {}
                },
                Edge::Close(node) if shown.contains(&node.id()) => {
                    if let Node::Element(element) = node.value()
                        && !matches!(element.name(), "html" | "body" | "br" | "img" | "hr")
                    {
                        out.push_str(&format!("</{}>", element.name()));
                    }
                }
                _ => {}
            }
        }
        out
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Lines while they are collected.
#[derive(Default)]
struct Lines {
    done: Vec<HtmlLine>,
    text: String,
    nodes: Vec<NodeId>,
    depth: usize,
    /// Where in `text` the words of the open link begin.
    link_at: usize,
    /// Open lists: the number of the next item, `None` for bullets.
    lists: Vec<Option<u32>>,
}

impl Lines {
    /// The mark of a list's item.
    fn item(&mut self) {
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text.push_str(&format!("{number}. "));
                *number = number.saturating_add(1);
            }
            _ => self.text.push_str("* "),
        }
    }

    /// Ends the line. A `br` on an empty line is an empty line.
    fn end(&mut self, even_if_empty: bool) {
        let words = text::body(&self.text);
        let words = text::fold(&words);
        let seen = !words.is_empty() || self.nodes.len() > usize::from(even_if_empty);
        if seen || even_if_empty {
            self.done.push(HtmlLine { text: words, depth: self.depth, nodes: std::mem::take(&mut self.nodes) });
        } else {
            self.nodes.clear();
        }
        self.text.clear();
        self.link_at = 0;
    }

    /// One empty line between paragraphs.
    fn gap(&mut self) {
        if self.done.last().is_some_and(|l| !l.text.is_empty()) {
            self.done.push(HtmlLine { text: String::new(), depth: self.depth, nodes: Vec::new() });
        }
    }
}

fn lines_of(tree: &Html) -> Vec<HtmlLine> {
    let mut lines = Lines::default();
    let mut unseen = 0usize;
    let mut preformatted = 0usize;
    for edge in tree.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(words) if unseen == 0 => text_node(&mut lines, words, node.id(), preformatted > 0),
                Node::Element(element) => {
                    let name = element.name();
                    if unseen > 0 || UNSEEN.contains(&name) || is_hidden(element) {
                        unseen = unseen.saturating_add(1);
                        continue;
                    }
                    if BLOCKS.contains(&name) {
                        lines.end(false);
                    }
                    match name {
                        "br" => {
                            lines.nodes.push(node.id());
                            lines.end(true);
                        }
                        "blockquote" => lines.depth = lines.depth.saturating_add(1),
                        "pre" => preformatted = preformatted.saturating_add(1),
                        "img" => lines.nodes.push(node.id()),
                        "ul" => lines.lists.push(None),
                        "ol" => lines.lists.push(Some(element.attr("start").and_then(|s| s.parse().ok()).unwrap_or(1))),
                        "li" => lines.item(),
                        "a" => lines.link_at = lines.text.len(),
                        "td" | "th" if !lines.text.is_empty() => lines.text.push(' '),
                        _ => {}
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                let Node::Element(element) = node.value() else {
                    continue;
                };
                if unseen > 0 {
                    unseen = unseen.saturating_sub(1);
                    continue;
                }
                let name = element.name();
                if BLOCKS.contains(&name) {
                    lines.end(false);
                }
                match name {
                    "blockquote" => {
                        lines.depth = lines.depth.saturating_sub(1);
                        lines.gap();
                    }
                    "pre" => preformatted = preformatted.saturating_sub(1),
                    "ul" | "ol" => {
                        lines.lists.pop();
                        lines.gap();
                    }
                    "p" | "table" | "h1" | "h2" | "h3" | "h4" => lines.gap(),
                    "a" => link(&mut lines, element.attr("href")),
                    _ => {}
                }
            }
        }
    }
    lines.end(false);
    lines.done
}

fn text_node(lines: &mut Lines, words: &str, id: NodeId, preformatted: bool) {
    if !preformatted {
        lines.text.push_str(words);
        lines.nodes.push(id);
        return;
    }
    // Each line of preformatted text is a line, all in one node: it is kept or left out as a whole.
    let mut pieces = words.split('\n').peekable();
    while let Some(piece) = pieces.next() {
        lines.text.push_str(piece);
        lines.nodes.push(id);
        if pieces.peek().is_some() {
            lines.end(true);
        }
    }
}

/// A link's target, where it is not its text.
fn link(lines: &mut Lines, href: Option<&str>) {
    let Some(href) = href.map(str::trim).filter(|h| h.starts_with("http://") || h.starts_with("https://")) else {
        return;
    };
    let bare = href.trim_end_matches('/');
    let said = lines.text.get(lines.link_at..).unwrap_or_default().trim();
    if href.len() <= 500 && !said.is_empty() && !said.contains(bare) && !bare.ends_with(said) {
        lines.text.push_str(&format!(" <{href}>"));
    }
}

/// What a person would not see (reliability T32).
fn is_hidden(element: &scraper::node::Element) -> bool {
    if element.attr("hidden").is_some() {
        return true;
    }
    let Some(style) = element.attr("style") else {
        return false;
    };
    let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    style.split(';').any(|rule| {
        matches!(rule, "display:none" | "visibility:hidden" | "visibility:collapse" | "opacity:0" | "opacity:0.0")
            || rule.starts_with("display:none")
            || rule.starts_with("mso-hide:all")
            || matches!(rule.strip_prefix("font-size:"), Some("0" | "0px" | "0pt" | "0em" | "0%" | "1px"))
            || matches!(rule.strip_prefix("max-height:"), Some("0" | "0px"))
    })
}

/// Readable text: quotes with `> `, links with their target.
#[must_use]
pub fn to_text(html: &str) -> String {
    let Some(body) = parse(html) else {
        return text::body(&mail_parser::decoders::html::html_to_text(html));
    };
    let lines: Vec<String> = body.lines().iter().map(|l| quoted(&l.text, l.depth)).collect();
    lines.join("\n").trim().to_owned()
}

/// A line with its quote marks.
#[must_use]
pub fn quoted(words: &str, depth: usize) -> String {
    if depth == 0 { words.to_owned() } else { format!("{} {words}", ">".repeat(depth)).trim_end().to_owned() }
}

/// What others may get of a fragment: no scripts, forms, ids, classes, hiding styles or remote images.
#[must_use]
pub fn clean(fragment: &str) -> String {
    if fragment.len() > HTML_BYTES_MAX || !nesting::is_bounded(fragment) {
        return from_text(&text::body(&mail_parser::decoders::html::html_to_text(fragment)));
    }
    ammonia::Builder::default()
        .rm_tags(["map", "area"])
        .rm_clean_content_tags(["script"])
        .add_clean_content_tags(["script", "title", "noscript", "template"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "tel"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("img", "src") => value.trim().to_ascii_lowercase().starts_with("cid:").then(|| value.into()),
            (_, "src" | "background") => None,
            _ => Some(value.into()),
        })
        .clean(fragment)
        .to_string()
}

/// Plain words as simple HTML: quotes as blockquotes, everything escaped.
#[must_use]
pub fn from_text(words: &str) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for line in words.trim_end().split('\n') {
        let marks = line.chars().take_while(|c| *c == '>').count();
        let rest = line.get(marks..).unwrap_or_default();
        let rest = if marks > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
        while depth < marks.min(8) {
            out.push_str("<blockquote>");
            depth = depth.saturating_add(1);
        }
        while depth > marks {
            out.push_str("</blockquote>");
            depth = depth.saturating_sub(1);
        }
        out.push_str(&escaped(rest));
        out.push_str("<br>\n");
    }
    out.push_str(&"</blockquote>".repeat(depth));
    format!("<div>{out}</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
