//! A mail that somebody passes on: the original, and the words of the one who forwards it.
//!
//! Decides   whether a mail is a forward, inline or attached, who wrote the original, and which lines are whose (R23).
//! Follows   the habits of real clients in many languages; RFC 2046 section 5.2.1 for attached mail.
//! Never     looks below the first frame: what stands inside the original may claim anything. A quote or an answer
//!           that comes first makes the mail a reply, not a forward.

mod block;
mod vocabulary;

use super::html::{self, HtmlBody};
use super::reply;
use super::reply::lines::{Class, Line};
use super::{Attachment, Incoming, Nature, read, references};
use crate::limits::REPLY_CHARS_MAX;

use block::Block;

/// Lines with text between a separator and the block that it announces.
const SEPARATOR_GAP_LINES: usize = 3;

/// A forwarded mail.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The forwarder's own words, without a signature; may be empty.
    pub note: String,
    /// Which attachment the original is; `None` if it stands in the text.
    pub attachment: Option<usize>,
    /// The original, as if it had come by itself. Without an author where the forward names no address of one.
    pub original: Incoming,
}

/// The mail that this one forwards, if it forwards one.
#[must_use]
pub fn read(mail: &Incoming) -> Option<Forward> {
    let body = Body::of(mail)?;
    match find(&body.lines, &mail.subject) {
        Found::Forward(frame) => Some(inline(mail, &body, &frame)),
        Found::Nothing if !block::is_like_one(&body.lines) => attached(mail, &body),
        Found::Nothing | Found::Reply => None,
    }
}

/// The lines that people see.
struct Body {
    html: Option<HtmlBody>,
    lines: Vec<Line>,
}

impl Body {
    /// `None` if the mail is longer than any letter.
    fn of(mail: &Incoming) -> Option<Self> {
        if mail.text.len() > REPLY_CHARS_MAX {
            return None;
        }
        let html = mail.html.as_deref().and_then(html::parse).filter(|b| b.lines().iter().any(|l| !l.text.is_empty()));
        let lines = match &html {
            Some(body) => body.lines().iter().map(|l| Line::of(&l.text, l.depth)).collect(),
            None => reply::plain_lines(&mail.text),
        };
        Some(Body { html, lines })
    }
}

/// Where the original stands in the text.
#[derive(Debug)]
struct Frame {
    /// First line of the frame: above it are the forwarder's words.
    from: usize,
    /// First line of the original.
    start: usize,
    /// One past its last line.
    end: usize,
    /// Quote depth that the client added.
    depth: usize,
    block: Block,
}

enum Found {
    Forward(Box<Frame>),
    /// A quote or an answer comes first.
    Reply,
    Nothing,
}

/// The first frame decides.
fn find(lines: &[Line], subject: &str) -> Found {
    let classes = reply::classes_of(lines);
    for (index, line) in lines.iter().enumerate().filter(|(_, l)| !l.text.trim().is_empty()) {
        let announces = block::is_separator(&line.text);
        let forwards = announces && vocabulary::says_forward(&line.text);
        if forwards || announces {
            match announced(lines, index) {
                Some(found) if forwards || !answers(subject, &found) => {
                    return Found::Forward(Box::new(frame(lines, index, found)));
                }
                Some(_) => return Found::Reply,
                None if block::is_ruled(&line.text) && !block::is_ruler(&line.text) => return Found::Reply,
                None => continue,
            }
        }
        if let Some(found) = block::read(lines, index).filter(Block::is_header) {
            if answers(subject, &found) {
                return Found::Reply;
            }
            return Found::Forward(Box::new(frame(lines, index, found)));
        }
        let framed = classes.get(index) == Some(&Class::Frame) && !block::is_ruler(&line.text);
        if line.depth > 0 || framed {
            return Found::Reply;
        }
    }
    Found::Nothing
}

/// The block after a separator; an address in the separator names the author where there is no block.
fn announced(lines: &[Line], separator: usize) -> Option<Block> {
    let after = separator.saturating_add(1);
    let next = (after..lines.len())
        .filter(|i| lines.get(*i).is_some_and(|l| !l.text.trim().is_empty()))
        .take(SEPARATOR_GAP_LINES)
        .find_map(|i| {
            let labels = block::read(lines, i).filter(|b| b.from.is_some());
            match labels {
                Some(block) if lines.get(block.end).is_none_or(|l| l.text.trim().is_empty()) => Some(block),
                other => block::header(lines, i).or(other),
            }
        });
    next.or_else(|| {
        let line = lines.get(separator)?;
        let from = block::named_in_separator(&line.text)?;
        Some(Block { from: Some(from), end: after, ..Block::default() })
    })
}

/// A mere header block is what answers have too: then the subject tells.
fn answers(subject: &str, block: &Block) -> bool {
    references::is_answer(subject)
        // the Finnish for answer is the Danish for forward
        || (references::is_answer_or_forward(subject) && vocabulary::is_finnish(&block.from_label))
}

fn frame(lines: &[Line], from: usize, block: Block) -> Frame {
    let has_text = |i: &usize| lines.get(*i).is_some_and(|l| !l.text.trim().is_empty());
    let depth_at = |i: usize| lines.get(i).map_or(0, |l| l.depth);
    let from = (0..from)
        .rev()
        .take(SEPARATOR_GAP_LINES)
        .find(has_text)
        .filter(|i| lines.get(*i).is_some_and(|l| block::is_ruler(&l.text)))
        .unwrap_or(from);
    // some close the block with the separator that opened it
    let closed = (block.end..lines.len())
        .find(has_text)
        .filter(|i| lines.get(*i).is_some_and(|l| block::is_ruled(&l.text) && vocabulary::says_forward(&l.text)))
        .filter(|i| announced(lines, *i).is_none());
    let body = closed.map_or(block.end, |i| i.saturating_add(1));
    let start = (body..lines.len()).find(has_text).unwrap_or(lines.len());
    let mut depth = depth_at(block.start);
    let lower = (start..lines.len()).find(|i| has_text(i) && depth_at(*i) < depth).unwrap_or(lines.len());
    let last = (start..lower)
        .rev()
        .filter(|i| lines.get(*i).is_some_and(|l| l.text.contains("--") && vocabulary::says_forward(&l.text)))
        .find(|i| lines.get(*i).is_some_and(|l| block::is_ruled(&l.text)) && announced(lines, *i).is_none());
    let end = last.unwrap_or(lower);
    if start < end && (start..end).filter(has_text).all(|i| depth_at(i) > depth) {
        depth = depth.saturating_add(1);
    }
    Frame { from, start, end, depth, block }
}

fn inline(mail: &Incoming, body: &Body, frame: &Frame) -> Forward {
    let lines = &body.lines;
    let text = |range: std::ops::Range<usize>, depth: usize| -> String {
        let words: Vec<String> = lines
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(|l| html::quoted(&l.text, l.depth.saturating_sub(depth)))
            .collect();
        words.join("\n").trim_matches('\n').trim_end().to_owned()
    };
    let html = body.html.as_ref().map(|tree| {
        let keep: Vec<bool> = (0..lines.len()).map(|i| (frame.start..frame.end).contains(&i)).collect();
        let shown = tree.lines().get(frame.start..frame.end).unwrap_or_default();
        let around = shown.iter().filter(|l| !l.text.is_empty()).map(|l| l.depth).min().unwrap_or_default();
        tree.keep_unquoted(&keep, around.min(frame.depth))
    });
    let after = match lines.get(frame.end) {
        Some(line) if block::is_ruled(&line.text) && vocabulary::says_forward(&line.text) => {
            frame.end.saturating_add(1)
        }
        _ => frame.end,
    };
    let words = [text(0..frame.from, 0), text(after..lines.len(), 0)];
    let words: Vec<String> = words.iter().map(|w| own_words(w)).filter(|w| !w.is_empty()).collect();
    let subject = match frame.block.subject.as_deref() {
        Some(subject) => subject.to_owned(),
        None => references::without_forward_prefixes(&mail.subject).to_owned(),
    };
    let known = frame.block.header.as_deref().cloned();
    let (to, cc) = match &known {
        Some(head) => (head.to.clone(), head.cc.clone()),
        None => (block::people(&frame.block.to), block::people(&frame.block.copy)),
    };
    let original = Incoming {
        from: frame.block.author().into_iter().collect(),
        to,
        cc,
        subject: super::text::header(&subject),
        text: text(frame.start..frame.end, frame.depth),
        html,
        attachments: mail.attachments.clone(),
        ..vouched(known.unwrap_or_else(|| nobodys(mail)))
    };
    Forward { note: words.join("\n\n"), attachment: None, original }
}

/// What a forwarded header says of itself is no verdict, no mark of spam and no recipient of ours.
fn vouched(head: Incoming) -> Incoming {
    Incoming {
        trace: Vec::new(),
        spam: false,
        copy_of: None,
        delivered_to: Vec::new(),
        nature: Nature::Personal,
        report: None,
        ..head
    }
}

/// A mail of which nothing is known but that it lay in this one.
fn nobodys(mail: &Incoming) -> Incoming {
    Incoming {
        from: Vec::new(),
        from_words: String::new(),
        sender: None,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        original_from: None,
        delivered_to: Vec::new(),
        return_path: None,
        subject: String::new(),
        date_ms: None,
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        nature: Nature::Personal,
        nature_by_words: false,
        text: String::new(),
        flowed: mail.flowed,
        html: None,
        attachments: Vec::new(),
        report: None,
        trace: Vec::new(),
        suppress: Vec::new(),
        thread_topic: None,
        thread_index: None,
        copy_of: None,
        received_count: 0,
        content_hash: mail.content_hash,
        spam: false,
        remarks: Vec::new(),
        defects: Vec::new(),
    }
}

/// What somebody wrote above a forwarded mail, without a signature.
fn own_words(text: &str) -> String {
    reply::read_agent(text, None, &reply::Known::default()).words
}

fn attached(mail: &Incoming, body: &Body) -> Option<Forward> {
    let (index, part) = mail.attachments.iter().enumerate().find(|(_, a)| is_message(a))?;
    let inner = read::read(&part.content);
    inner.author()?;
    let original = vouched(inner);
    let words: Vec<String> = body.lines.iter().map(|l| html::quoted(&l.text, l.depth)).collect();
    Some(Forward { note: own_words(&words.join("\n")), attachment: Some(index), original })
}

/// `message/rfc822`, and what clients call otherwise but name `.eml`.
fn is_message(part: &Attachment) -> bool {
    let named = part.name.to_ascii_lowercase().ends_with(".eml");
    match part.media_type.as_str() {
        "message/rfc822" | "message/global" => true,
        "application/octet-stream" | "text/plain" | "application/eml" => named,
        _ => false,
    }
}

#[cfg(test)]
#[path = "forward/tests.rs"]
mod tests;
