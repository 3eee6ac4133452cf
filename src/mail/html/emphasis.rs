//! Words that stand out in a line, for those who read text.
//!
//! Decides   which bold or slanted words get marks: `not **before** Friday`, as clients write it in their own text.
//! Follows   CommonMark section 6.2, for the marks.
//! Never     marks a whole line, part of a word, a label (`From:`), or anything with an address or a link in it:
//!           where marks tell nothing, or would be taken for a part of what they stand round.

use std::ops::Range;

/// The emphasis of the line that is collected.
#[derive(Debug, Default)]
pub(super) struct Emphasis {
    depth: usize,
    begun: Option<(&'static str, usize)>,
    found: Vec<(&'static str, Range<usize>)>,
}

impl Emphasis {
    /// An element opens, so many octets into the line. Of those inside of each other the outermost counts.
    pub(super) fn open(&mut self, mark: &'static str, at: usize) {
        if self.depth == 0 {
            self.begun = Some((mark, at));
        }
        self.depth = self.depth.saturating_add(1);
    }

    /// The innermost element closes.
    pub(super) fn close(&mut self, at: usize) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0
            && let Some((mark, from)) = self.begun.take()
        {
            self.found.push((mark, from..at));
        }
    }

    /// The line ends; what is open goes on unmarked. Returns the line with its marks, if it gets any.
    pub(super) fn end(&mut self, line: &str) -> Option<String> {
        self.begun = None;
        let found = std::mem::take(&mut self.found);
        let marked: Vec<(&str, Range<usize>)> =
            found.into_iter().filter_map(|(m, r)| Some((m, within(line, r)?))).collect();
        let mut out = String::with_capacity(line.len());
        let mut rest = String::new();
        let mut from = 0usize;
        for (mark, range) in &marked {
            let before = line.get(from..range.start)?;
            out.push_str(before);
            rest.push_str(before);
            for piece in [mark, line.get(range.clone())?, mark] {
                out.push_str(piece);
            }
            from = range.end;
        }
        let last = line.get(from..)?;
        out.push_str(last);
        rest.push_str(last);
        (!marked.is_empty() && rest.chars().any(char::is_alphanumeric)).then_some(out)
    }
}

/// Does a word go on here: `AB12-CD34`?
fn goes_on(beside: &mut dyn Iterator<Item = char>) -> bool {
    match (beside.next(), beside.next()) {
        (Some('*'), _) => true,
        (Some('-' | '_' | '.' | '/'), Some(beyond)) => beyond.is_alphanumeric(),
        (first, _) => first.is_some_and(char::is_alphanumeric),
    }
}

/// The words in this range without the space round them, if they may be marked.
fn within(line: &str, range: Range<usize>) -> Option<Range<usize>> {
    let words = line.get(range.clone())?;
    let from = range.start.saturating_add(words.len().saturating_sub(words.trim_start().len()));
    let words = words.trim();
    let to = from.saturating_add(words.len());
    let (mut before, mut after) = (line.get(..from)?.chars().rev(), line.get(to..)?.chars());
    let next = line.get(to..)?.chars().next();
    let alone = !goes_on(&mut before) && !goes_on(&mut after);
    let plain = words.chars().any(char::is_alphanumeric) && !words.contains(['*', '@', '\n']) && !words.contains("://");
    (alone && plain && !words.ends_with(':') && next != Some(':')).then_some(from..to)
}
