//! The header block above a forwarded mail: `From: … Date: … Subject: … To: …`, in many languages.
//!
//! Decides   where it begins and ends, and whom it names.
//! Never     takes an address out of a display name, or a label out of the original's own words: the first label of
//!           a kind counts, and an empty line ends a block that has its author.

use crate::limits::ADDRESSES_MAX;
use crate::mail::read::read as read_mail;
use crate::mail::reply::lines::Line;
use crate::mail::{Address, Incoming, NameAddr};

use super::vocabulary::{Label, label, says_forward};

/// Lines of a block at most.
const BLOCK_LINES_MAX: usize = 40;
/// Lines of a whole header at most.
const HEADER_LINES_MAX: usize = 500;
/// Characters of a label at most.
const LABEL_CHARS_MAX: usize = 20;
/// Octets of a separator at most.
const SEPARATOR_BYTES_MAX: usize = 400;
/// Characters of a separator without rulers.
const ANNOUNCEMENT_CHARS_MAX: usize = 60;

/// What a block says.
#[derive(Debug, Default)]
pub struct Block {
    /// Its first line.
    pub start: usize,
    /// One past its last line.
    pub end: usize,
    /// The label of the author, lower case.
    pub from_label: String,
    /// The author, as written.
    pub from: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The recipients, as written.
    pub to: String,
    /// Recipients of a copy, as written.
    pub copy: String,
    /// Labels beside the author's.
    pub others: usize,
    /// The original's own header, where the client shows all of it.
    pub header: Option<Box<Incoming>>,
}

impl Block {
    /// An author and two other labels: nobody writes that by chance.
    pub fn is_header(&self) -> bool {
        self.from.is_some() && self.others >= 2
    }

    /// The author, if the block names an address.
    pub fn author(&self) -> Option<NameAddr> {
        self.from.as_deref().and_then(person)
    }

    fn has(&self, kind: Label) -> bool {
        match kind {
            Label::From => self.from.is_some(),
            Label::Subject => self.subject.is_some(),
            Label::To => !self.to.is_empty(),
            Label::Copy => !self.copy.is_empty(),
            Label::Other => false,
        }
    }

    fn take(&mut self, kind: Label, value: &str) {
        match kind {
            Label::From => self.from = Some(value.to_owned()),
            Label::Subject => self.subject = Some(value.to_owned()),
            Label::To => self.to = value.to_owned(),
            Label::Copy => self.copy = value.to_owned(),
            Label::Other => {}
        }
        if kind != Label::From {
            self.others = self.others.saturating_add(1);
        }
    }

    /// The rest of a value that was wrapped.
    fn extend(&mut self, kind: Label, more: &str) {
        let value = match kind {
            Label::From => self.from.as_mut(),
            Label::Subject => self.subject.as_mut(),
            Label::To => Some(&mut self.to),
            Label::Copy => Some(&mut self.copy),
            Label::Other => None,
        };
        if let Some(value) = value {
            value.push(' ');
            value.push_str(more);
        }
    }

    fn value(&self, kind: Label) -> &str {
        match kind {
            Label::From => self.from.as_deref().unwrap_or_default(),
            Label::Subject => self.subject.as_deref().unwrap_or_default(),
            Label::To => &self.to,
            Label::Copy => &self.copy,
            Label::Other => "",
        }
    }
}

/// The block that begins in this line.
pub fn read(lines: &[Line], start: usize) -> Option<Block> {
    let depth = lines.get(start)?.depth;
    labelled(&lines.get(start)?.text)?;
    let mut block = Block { start, end: start, ..Block::default() };
    let mut last: Option<Label> = None;
    let mut blank = false;
    for index in start..start.saturating_add(BLOCK_LINES_MAX) {
        let Some(line) = lines.get(index) else {
            break;
        };
        let text = line.text.trim();
        if text.is_empty() {
            blank = true;
            continue;
        }
        if (blank && block.is_header()) || line.depth != depth {
            break;
        }
        match (labelled(text), last) {
            (Some((kind, _, _)), _) if block.has(kind) => break,
            (Some((kind, name, value)), _) => {
                block.take(kind, &value);
                if kind == Label::From {
                    block.from_label = name;
                }
                last = Some(kind);
            }
            (None, Some(kind)) if !blank && goes_on(&block, kind, text, lines.get(index.saturating_add(1))) => {
                block.extend(kind, text);
            }
            (None, _) => break,
        }
        blank = false;
        block.end = index.saturating_add(1);
    }
    Some(block)
}

/// The whole header of the original (RFC 5322 section 2.2), as clients show it that hide nothing.
pub fn header(lines: &[Line], start: usize) -> Option<Block> {
    let depth = lines.get(start)?.depth;
    let paragraph: Vec<&str> = lines
        .iter()
        .skip(start)
        .take(HEADER_LINES_MAX)
        .take_while(|l| l.depth == depth && !l.text.trim().is_empty())
        .map(|l| l.text.as_str())
        .collect();
    let folded = |line: &str| line.starts_with([' ', '\t']);
    if paragraph.first().is_none_or(|l| folded(l)) || !paragraph.iter().all(|l| folded(l) || is_field(l)) {
        return None;
    }
    let whole = paragraph.join("\n");
    let unfolded = whole.replace("\n ", " ").replace("\n\t", " ");
    let values = |name: &str| -> Vec<&str> {
        let fields = unfolded.split('\n').filter_map(|field| field.split_once(':'));
        fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    };
    // twice: some of it is the original's own words
    let (authors, subjects) = (values("from"), values("subject"));
    let ([from], [] | [_]) = (authors.as_slice(), subjects.as_slice()) else {
        return None;
    };
    let head = read_mail(format!("{whole}\n\n").as_bytes());
    Some(Block {
        start,
        end: start.saturating_add(paragraph.len()),
        from_label: "from".to_owned(),
        from: Some((*from).to_owned()),
        subject: Some(head.subject.clone()),
        header: Some(Box::new(head)),
        ..Block::default()
    })
}

/// `Field-Name:`
fn is_field(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.len() <= 76 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

/// Is this line the rest of the one before? It is if a label follows, or if an address is still to come.
fn goes_on(block: &Block, kind: Label, text: &str, next: Option<&Line>) -> bool {
    let value = block.value(kind);
    let listed = matches!(kind, Label::To | Label::Copy) && (value.ends_with([',', ';']) || text.starts_with('<'));
    let named = kind == Label::From && !value.contains('@') && text.contains('@');
    let followed = next.is_some_and(|l| labelled(&l.text).is_some_and(|(kind, _, _)| !block.has(kind)));
    (value.is_empty() && kind == Label::From) || listed || named || followed
}

/// Label, its word, and the value of a line.
fn labelled(text: &str) -> Option<(Label, String, String)> {
    let text = text.trim().trim_start_matches(['*', '|', '_']).trim_start();
    let (word, value) = text.split_once([':', '：'])?;
    let word = word.trim().trim_end_matches(['*', '_']).trim();
    if word.chars().count() > LABEL_CHARS_MAX {
        return None;
    }
    let word = word.to_lowercase().replace('\u{307}', "");
    let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '|'));
    label(&word).map(|kind| (kind, word, value.to_owned()))
}

/// The person that a value names: the address in the last angle brackets; without any, the only one there is.
pub fn person(value: &str) -> Option<NameAddr> {
    let value = value.replace("[mailto:", "<").replace("[MAILTO:", "<");
    let bracketed = value.rfind('<').and_then(|at| value.split_at_checked(at));
    if let Some((before, rest)) = bracketed {
        let inner = rest.trim_start_matches('<').split(['>', ']']).next().unwrap_or_default();
        if let Some(address) = bare(inner) {
            // `Jane <jane@mail.example<mailto:jane@mail.example>>`
            let name = before.split('<').next().unwrap_or_default();
            return Some(NameAddr::new(named(name, &address), address));
        }
        return None;
    }
    let mut addresses = value
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | ',' | ';' | '"'))
        .filter(|w| w.contains('@'));
    let word = addresses.next()?;
    let address = bare(word)?;
    if addresses.any(|other| bare(other).is_none_or(|a| a.key() != address.key())) {
        return None;
    }
    let name: String = value.replace(word, " ");
    Some(NameAddr::new(named(&name, &address), address))
}

fn bare(text: &str) -> Option<Address> {
    let text = text.trim();
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => text.get(7..).unwrap_or_default(),
        _ => text,
    };
    Address::parse(text.split('?').next().unwrap_or_default())
}

/// A display name without quotes; none if it is the address itself.
fn named<'a>(name: &'a str, address: &Address) -> &'a str {
    let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '*' | '(' | ')' | '[' | ']'));
    if name.eq_ignore_ascii_case(&address.to_string()) { "" } else { name }
}

/// All people of a list.
pub fn people(value: &str) -> Vec<NameAddr> {
    value.split([',', ';']).take(ADDRESSES_MAX).filter_map(person).collect()
}

/// `-----…`: rulers, with words or without.
pub fn is_ruled(text: &str) -> bool {
    let text = text.trim().trim_matches('*');
    text.len() <= SEPARATOR_BYTES_MAX && ["--", "__", "==", "──", "~~", "##"].iter().any(|r| text.starts_with(r))
}

/// A ruler without words.
pub fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 4 && text.chars().all(|c| matches!(c, '_' | '-' | '=' | '*' | '─' | '~'))
}

/// Announces a mail below: `---------- Forwarded message ---------`, `Begin forwarded message:`, `-----Original
/// Message-----`.
pub fn is_separator(text: &str) -> bool {
    let text = text.trim();
    let alone = text.ends_with([':', '：']) && text.chars().count() <= ANNOUNCEMENT_CHARS_MAX;
    ((is_ruled(text) && !is_ruler(text)) || alone)
        && (says_forward(text) || crate::mail::reply::frames::names_original(text))
}

/// `----- Forwarded message from Jane Doe <jane@mail.example> -----`
pub fn named_in_separator(text: &str) -> Option<String> {
    let inner = text.trim_matches(|c: char| matches!(c, '-' | '_' | '=' | '*' | ':') || c.is_whitespace());
    let named = inner.contains('@') && is_ruled(text);
    let (_, person) = inner.split_once(" from ").or_else(|| inner.split_once(" von ")).or_else(|| {
        let at = inner.find('@')?;
        let start = inner.get(..at)?.rfind(char::is_whitespace)?;
        inner.split_at_checked(start)
    })?;
    named.then(|| person.trim().to_owned())
}

/// Three lines below each other that look like labels of some language, one with an address.
pub fn is_like_one(lines: &[Line]) -> bool {
    let shaped = |line: &Line| {
        let text = line.text.trim();
        text.split_once([':', '：']).is_some_and(|(word, value)| {
            let word = word.trim();
            !word.is_empty()
                && word.chars().count() <= LABEL_CHARS_MAX
                && word.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '*' | '\'' | '.'))
                && !value.starts_with("//")
        })
    };
    let filled: Vec<&Line> = lines.iter().filter(|l| !l.text.trim().is_empty()).collect();
    filled.windows(3).any(|three| three.iter().all(|l| shaped(l)) && three.iter().any(|l| l.text.contains('@')))
}
