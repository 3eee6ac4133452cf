//! The visual lines of an HTML body.
//!
//! Decides   where a line begins, how deep it is quoted, what is hidden.
//! Follows   the HTML standard's block elements.

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use scraper::{Html, Node};

use super::emphasis::Emphasis;
use crate::mail::text;

/// A visual line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlLine {
    /// Its text, white space folded.
    pub text: String,
    /// The same with `*` round the words that stand out in it; `None` if none do.
    pub emphasised: Option<String>,
    /// How many blockquotes it stands in.
    pub depth: usize,
    pub(super) nodes: Vec<NodeId>,
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

/// Lines while they are collected.
#[derive(Default)]
struct Lines {
    done: Vec<HtmlLine>,
    text: String,
    nodes: Vec<NodeId>,
    depth: usize,
    /// Where in `text` the words of the open link begin.
    link_at: usize,
    emphasis: Emphasis,
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
        let words = text::fold(&text::body(&self.text));
        let emphasised = self.emphasis.end(&self.text).map(|marked| text::fold(&text::body(&marked)));
        let seen = !words.is_empty() || self.nodes.len() > usize::from(even_if_empty);
        if seen || even_if_empty {
            let nodes = std::mem::take(&mut self.nodes);
            self.done.push(HtmlLine { text: words, emphasised, depth: self.depth, nodes });
        } else {
            self.nodes.clear();
        }
        self.text.clear();
        self.link_at = 0;
    }

    /// One empty line between paragraphs.
    fn gap(&mut self) {
        if self.done.last().is_some_and(|l| !l.text.is_empty()) {
            self.done.push(HtmlLine { text: String::new(), emphasised: None, depth: self.depth, nodes: Vec::new() });
        }
    }
}

/// The visual lines in order.
pub(super) fn of(tree: &Html) -> Vec<HtmlLine> {
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
                        "b" | "strong" => lines.emphasis.open("**", lines.text.len()),
                        "i" | "em" => lines.emphasis.open("*", lines.text.len()),
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
                    "b" | "strong" | "i" | "em" => lines.emphasis.close(lines.text.len()),
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
