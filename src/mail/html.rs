//! HTML bodies: visual lines, readable text, and what may be shown to others.
//!
//! Decides   where a line begins, how deep it is quoted, what is hidden; which tags others may get.
//! Follows   the HTML standard's block elements through html5ever; ammonia's allow-list.
//! Never     trusts class names or ids (people's own words stand in `moz-cite-prefix` and `reply-intro`), and
//!           never parses what is deeper or larger than `limits` allows: html5ever is quadratic in depth.

mod emphasis;
mod lines;
mod nesting;

use std::collections::HashSet;

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use scraper::{Html, Node};

pub use lines::HtmlLine;

use super::links::restore::Restored;
use super::{links, text};
use crate::limits::{HTML_BYTES_MAX, QUOTE_MARKS_MAX};

/// A parsed body.
#[derive(Debug)]
pub struct HtmlBody {
    tree: Html,
    lines: Vec<HtmlLine>,
}

/// Parses a body; `None` if it is larger or deeper than the limits.
#[must_use]
pub fn parse(html: &str) -> Option<HtmlBody> {
    if html.len() > HTML_BYTES_MAX || !nesting::is_bounded(html) {
        return None;
    }
    let tree = Html::parse_document(html);
    let lines = lines::of(&tree);
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
        self.keep_unquoted(keep, 0)
    }

    /// The same, with these links in place of others.
    #[must_use]
    pub fn keep_restored(&self, keep: &[bool], links: &Restored) -> String {
        self.write(&self.shown(keep), 0, links)
    }

    /// The same without the outermost `quotes` blockquotes round each line.
    #[must_use]
    pub fn keep_unquoted(&self, keep: &[bool], quotes: usize) -> String {
        self.write(&self.shown(keep), quotes, &Restored::new())
    }

    /// The nodes of these lines, and those round them.
    fn shown(&self, keep: &[bool]) -> HashSet<NodeId> {
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
        shown
    }

    fn write(&self, shown: &HashSet<NodeId>, quotes: usize, restored: &Restored) -> String {
        let mut out = String::new();
        let mut open = 0usize;
        for edge in self.tree.tree.root().traverse() {
            match edge {
                Edge::Open(node) if shown.contains(&node.id()) => match node.value() {
                    Node::Text(words) => out.push_str(&escaped(&with_restored(words, restored))),
                    Node::Element(element) if element.name() == "blockquote" && open < quotes => {
                        open = open.saturating_add(1);
                    }
                    Node::Element(element) if !matches!(element.name(), "html" | "body") => {
                        open = open.saturating_add(usize::from(element.name() == "blockquote"));
                        out.push('<');
                        out.push_str(element.name());
                        for (name, value) in element.attrs() {
                            let value = if name == "href" { links::unwrapped(value) } else { value.into() };
                            let value = restored.get(value.trim()).map_or(value, |link| link.into());
                            out.push_str(&format!(" {name}=\"{}\"", escaped(&value)));
                        }
                        out.push('>');
                    }
                    _ => {}
                },
                Edge::Close(node) if shown.contains(&node.id()) => {
                    if let Node::Element(element) = node.value()
                        && !matches!(element.name(), "html" | "body" | "br" | "img" | "hr")
                    {
                        if element.name() == "blockquote" {
                            open = open.saturating_sub(1);
                            if open < quotes {
                                continue;
                            }
                        }
                        out.push_str(&format!("</{}>", element.name()));
                    }
                }
                _ => {}
            }
        }
        out
    }
}

/// Text with these links in place of others.
fn with_restored(words: &str, restored: &Restored) -> String {
    // the longer first: one may begin with the other
    restored.iter().rev().fold(words.to_owned(), |words, (wrapped, link)| words.replace(wrapped, link))
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
    let marks = ">".repeat(depth.min(QUOTE_MARKS_MAX));
    if depth == 0 { words.to_owned() } else { format!("{marks} {words}").trim_end().to_owned() }
}

/// Looks at markup that each look changes: misnested elements come to rest after two or three.
const CLEANINGS_MAX: usize = 4;

/// What others may get of a fragment: no scripts, forms, ids, classes, hiding styles or remote images. Whoever parses it
/// again finds what was left in it and nothing else: markup that a second look would change is cleaned until it is at rest,
/// and what never is becomes text.
#[must_use]
pub fn clean(fragment: &str) -> String {
    if fragment.len() > HTML_BYTES_MAX || !nesting::is_bounded(fragment) {
        return as_text(fragment);
    }
    let mut cleaned = sanitised(fragment);
    for _ in 0..CLEANINGS_MAX {
        let again = sanitised(&cleaned);
        if again == cleaned {
            return cleaned;
        }
        cleaned = again;
    }
    as_text(&cleaned)
}

/// Only the words, written as the sanitiser writes them.
fn as_text(fragment: &str) -> String {
    sanitised(&from_text(&text::body(&mail_parser::decoders::html::html_to_text(fragment))))
}

fn sanitised(fragment: &str) -> String {
    ammonia::Builder::default()
        .rm_tags(["map", "area"])
        .rm_clean_content_tags(["script"])
        .add_clean_content_tags(["script", "title", "noscript", "template"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "tel"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("img", "src") => value.trim().to_ascii_lowercase().starts_with("cid:").then(|| value.into()),
            // `cite="mid:…"` names the mail that an agent was sent
            (_, "src" | "background" | "cite") => None,
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
#[path = "html/tests.rs"]
mod tests;
