//! How deep a parser would have to go into HTML, told without parsing it.
//!
//! Decides   whether a tree may be built: html5ever is quadratic in nesting, and copies every unclosed `font` or `b` into
//!           every paragraph that follows.
//! Follows   the HTML standard's tokenizer (section 13.2.5) for tags, attributes, comments and raw text.
//! Never     counts less than the tree will hold: where the tree builder might ignore an end tag, it is ignored here.
//!           One look at each octet.

use crate::limits::{HTML_COPIES_MAX, HTML_DEPTH_MAX};

/// Elements that close by themselves, and so do not nest without others between them.
const FLAT: [&str; 25] = [
    "area", "base", "body", "br", "col", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li", "link",
    "meta", "option", "p", "param", "source", "tbody", "td", "th", "tr", "wbr",
];

/// Elements that are opened again in the next paragraph if nobody closes them (HTML standard section 13.2.4.3).
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Other elements that the end of a block ends too.
const PHRASES: [&str; 11] = ["abbr", "cite", "del", "ins", "kbd", "label", "q", "span", "sub", "sup", "var"];

/// Elements whose content is text up to their own end tag.
const RAW: [&str; 8] = ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

/// Elements in which the tokenizer or the tree builder has rules of its own: from here on nothing closes.
const STRANGE: [&str; 6] = ["svg", "math", "select", "plaintext", "noscript", "template"];

/// Is it no deeper than the limit, and are no more elements copied than may be?
#[must_use]
pub fn is_bounded(html: &str) -> bool {
    Nesting::default().read(html.as_bytes()).is_some()
}

#[derive(Default)]
struct Nesting {
    /// Names of what is open.
    open: Vec<String>,
    /// Formatting elements that are open, here and outside of each table.
    formatting: usize,
    outside: Vec<usize>,
    copies: usize,
    strange: bool,
}

impl Nesting {
    /// `None` as soon as it is too much.
    fn read(mut self, html: &[u8]) -> Option<()> {
        let mut rest = html;
        while let Some(at) = rest.iter().position(|b| *b == b'<') {
            rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
            let closes = rest.first() == Some(&b'/');
            let inner = rest.get(usize::from(closes)..).unwrap_or_default();
            match inner.first() {
                Some(first) if first.is_ascii_alphabetic() => {
                    let name = name(inner);
                    if closes && !self.strange {
                        self.close(&name);
                    } else if !closes {
                        self.start(&name)?;
                    }
                    if self.strange {
                        continue;
                    }
                    rest = after_tag(inner);
                    if !closes && RAW.contains(&name.as_str()) {
                        rest = after_raw(rest, &name)?;
                    }
                }
                Some(b'!') if !closes && !self.strange => rest = after_comment(inner),
                Some(_) if (closes || inner.first() == Some(&b'?')) && !self.strange => rest = after(inner, b">"),
                _ => {}
            }
        }
        Some(())
    }

    fn start(&mut self, name: &str) -> Option<()> {
        self.copies = self.copies.saturating_add(self.formatting);
        self.strange |= STRANGE.contains(&name);
        if matches!(name, "td" | "th" | "caption") && !self.outside.is_empty() {
            self.formatting = 0;
        }
        if self.copies > HTML_COPIES_MAX {
            return None;
        }
        if !self.strange && (FLAT.contains(&name) || RAW.contains(&name)) {
            return Some(());
        }
        if matches!(name, "a" | "nobr") {
            // a second one ends the first
            self.close(name);
        }
        if name == "table" {
            self.outside.push(self.formatting);
        }
        self.formatting = self.formatting.saturating_add(usize::from(FORMATTING.contains(&name)));
        self.open.push(name.to_owned());
        (self.open.len() <= HTML_DEPTH_MAX).then_some(())
    }

    /// Ends the innermost of this name, if only phrases are open inside of it.
    fn close(&mut self, name: &str) {
        let phrase = |open: &String| FORMATTING.contains(&open.as_str()) || PHRASES.contains(&open.as_str());
        let inside = self.open.iter().rev().take_while(|open| *open != name && phrase(open)).count();
        let Some(at) = self.open.len().checked_sub(inside.saturating_add(1)) else {
            return;
        };
        if self.open.get(at).is_some_and(|open| open == name) {
            self.open.truncate(at);
            self.formatting = self.formatting.saturating_sub(usize::from(FORMATTING.contains(&name)));
            if name == "table" {
                self.formatting = self.outside.pop().unwrap_or_default();
            }
        }
    }
}

/// The name of a tag, in lower case.
fn name(tag: &[u8]) -> String {
    let name = tag.iter().take_while(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>')).take(32);
    name.map(|b| char::from(b.to_ascii_lowercase())).collect()
}

/// What follows the `>` of a tag: one inside a quoted value does not end it.
fn after_tag(tag: &[u8]) -> &[u8] {
    let mut value_begins = false;
    let mut named = false;
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (Some(mark), byte) => {
                if mark == *byte {
                    (quote, named) = (None, false);
                }
            }
            (None, b'>') => return tag.get(at.saturating_add(1)..).unwrap_or_default(),
            (None, b'"' | b'\'') if value_begins => (quote, value_begins) = (Some(*byte), false),
            (None, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') => {}
            // an equals sign before any name begins a name
            (None, b'=') if named && !value_begins => value_begins = true,
            (None, b'/') if !value_begins => named = false,
            (None, _) => {
                (named, value_begins) = (true, false);
            }
        }
    }
    &[]
}

/// What follows the end tag of raw text; `None` where a script may hold another one.
fn after_raw<'a>(rest: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut at = 0usize;
    let mut commented = false;
    while let Some(next) = rest.get(at..)?.iter().position(|b| *b == b'<') {
        at = at.saturating_add(next).saturating_add(1);
        let tag = rest.get(at..)?;
        commented |= tag.starts_with(b"!--");
        if name == "script" && commented && self::name(tag) == "script" {
            return None;
        }
        if tag.first() == Some(&b'/') && self::name(tag.get(1..)?) == name {
            return Some(after_tag(tag));
        }
    }
    Some(&[])
}

/// What follows a comment, or whatever else begins with an exclamation mark.
fn after_comment(inner: &[u8]) -> &[u8] {
    let Some(comment) = inner.strip_prefix(b"!--") else {
        return after(inner, b">");
    };
    if comment.starts_with(b">") || comment.starts_with(b"->") {
        return after(comment, b">");
    }
    for (at, byte) in comment.iter().enumerate() {
        if *byte == b'>' {
            let before = comment.get(..at).unwrap_or_default();
            if before.ends_with(b"--") || before.ends_with(b"--!") {
                return comment.get(at.saturating_add(1)..).unwrap_or_default();
            }
        }
    }
    &[]
}

fn after<'a>(rest: &'a [u8], end: &[u8]) -> &'a [u8] {
    let at = rest.windows(end.len()).position(|w| w == end);
    at.and_then(|at| rest.get(at.saturating_add(end.len())..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deepest path of the tree that html5ever builds.
    fn real_depth(html: &str) -> usize {
        let tree = scraper::Html::parse_document(html);
        let deepest = tree.tree.nodes().map(|n| n.ancestors().count()).max();
        deepest.unwrap_or_default()
    }

    fn counted(html: &str) -> bool {
        is_bounded(html)
    }

    /// Sixty-four bits out of sixty-four (splitmix64).
    fn next(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn ordinary_mail_is_bounded() {
        for html in [
            "<p>line".repeat(5_000),
            "<div>line</div>".repeat(5_000),
            "<table><tr><td><font size=1>x</table>".repeat(2_000),
            "<b>a<i>b</i></b><br>".repeat(5_000),
            "<a name=x>".repeat(1_000),
            "<!--[if mso]><table><tr><td><![endif]-->".repeat(500),
            format!("<style>{}</style>", "a < b > c".repeat(1_000)),
            "<img alt=\"a > b\" src='<div>'>".repeat(1_000),
        ] {
            assert!(counted(&html), "{}", html.get(..60).unwrap_or(&html));
        }
    }

    #[test]
    fn what_hides_end_tags_is_seen_through() {
        for piece in [
            "<div>",
            "<div></x>",
            "<div><!--</div>-->",
            "<div><style></div></style>",
            "<div><a title=\"</div>\"></a>",
            "<div><table></div></table>",
            "<div><select></div></select>",
            "<div><svg></div></svg>",
            "<b><div></b>",
            "<div><script><!--<script></script></div></script>",
            "<div><noscript><!--</noscript></div>-->",
            "<div><a x\"y></div><a z\">",
            "<div></ div>",
            "<div><title></div></title>",
            "<ul><li><div><li>",
        ] {
            assert!(!counted(&piece.repeat(2_000)), "{piece}");
        }
        assert!(!counted(&format!("<svg>{}", "<td>".repeat(2_000))));
        let fonts: String = (0..200).map(|n| format!("<font color={n}>")).collect();
        assert!(!counted(&format!("{fonts}{}", "<p>x".repeat(100_000))));
    }

    #[test]
    fn the_tree_is_never_much_deeper_than_what_was_counted() {
        const PIECES: [&str; 40] = [
            "<div>",
            "</div>",
            "<b>",
            "</b>",
            "<span>",
            "</span>",
            "<p>",
            "</p>",
            "<table>",
            "</table>",
            "<tr>",
            "<td>",
            "</td>",
            "<ul>",
            "<li>",
            "</ul>",
            "<a href=x>",
            "</a>",
            "<font>",
            "</font>",
            "<style>",
            "</style>",
            "<!--",
            "-->",
            "<blockquote>",
            "</blockquote>",
            "<select>",
            "</select>",
            "<svg>",
            "</svg>",
            "<title>",
            "</title>",
            "<a title=\"",
            "\">",
            "<button>",
            "</button>",
            "<noscript>",
            "</noscript>",
            "x",
            "<template>",
        ];
        let mut seed = 7;
        for _ in 0..300 {
            let length = 20 + next(&mut seed) % 30;
            let few = 2 + next(&mut seed) % 6;
            let chosen: Vec<usize> =
                (0..few).map(|_| usize::try_from(next(&mut seed) % 40).unwrap_or_default()).collect();
            let unit: String = (0..length)
                .map(|_| usize::try_from(next(&mut seed) % few).unwrap_or_default())
                .filter_map(|n| chosen.get(n).and_then(|c| PIECES.get(*c)))
                .copied()
                .collect();
            let html = unit.repeat(60);
            if counted(&html) {
                let depth = real_depth(&html);
                assert!(depth <= 5 * HTML_DEPTH_MAX, "{depth} deep: {unit}");
            }
        }
    }
}
