//! Opaque links in what was quoted, from what is stored (R44).
//!
//! Decides   which link stood at the place of an opaque one: that of the only stored line with the same words beside it.
//! Never     guesses: fewer than three words beside the link, two stored lines that differ in their links, or a visible
//!           link that is not the stored one, and the line is left as it is.

use std::collections::{BTreeMap, HashMap};

use super::{is_opaque, links};

/// Words beside its links by which a line is found.
const WORDS_MIN: usize = 3;
/// Stands for a link among words.
const LINK: &str = "\u{0}";

/// Opaque links and what stood in their place.
pub type Restored = BTreeMap<String, String>;

/// Stored lines by their words.
#[derive(Debug, Default)]
pub struct Lines {
    /// `None`: several lines have these words, and other links.
    by_words: HashMap<Vec<String>, Option<Vec<String>>>,
}

/// A link of a line, with what a reader of HTML adds behind it: `https://shop.example <https://wrapper.example/s/x>`.
struct Place<'a> {
    start: usize,
    end: usize,
    link: &'a str,
    wrapped: Option<&'a str>,
}

impl Lines {
    /// Of these texts.
    #[must_use]
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut lines = Lines::default();
        for line in texts.flat_map(str::lines).filter(|line| line.contains("http")) {
            let places = places(line);
            let links: Vec<String> = places.iter().map(|p| p.link.to_owned()).collect();
            let same = lines.by_words.entry(words(line, &places)).or_insert_with(|| Some(links.clone()));
            if same.as_ref() != Some(&links) {
                *same = None;
            }
        }
        lines
    }

    /// The line with its opaque links as they stood in the stored one; what was replaced by what is added to `done`.
    #[must_use]
    pub fn restored(&self, line: &str, done: &mut Restored) -> Option<String> {
        let places = places(line);
        let words = words(line, &places);
        if words.iter().filter(|word| *word != LINK).count() < WORDS_MIN {
            return None;
        }
        let stored = self.by_words.get(&words)?.as_ref()?;
        let mut found = Restored::new();
        let (mut whole, mut at) = (String::with_capacity(line.len()), 0usize);
        for (place, stored) in places.iter().zip(stored) {
            let opaque = place.wrapped.or(is_opaque(place.link).then_some(place.link));
            if !is_opaque(place.link) && place.link != stored {
                return None;
            }
            found.extend(opaque.map(|link| (link.to_owned(), stored.clone())));
            whole.push_str(line.get(at..place.start)?);
            whole.push_str(stored);
            at = place.end;
        }
        whole.push_str(line.get(at..)?);
        done.extend(found);
        Some(whole)
    }
}

fn places(line: &str) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for (start, link) in links(line) {
        let end = start.saturating_add(link.len());
        if let Some(before) = places.last_mut()
            && before.wrapped.is_none()
            && is_opaque(link)
            && !is_opaque(before.link)
            && line.get(before.end..start) == Some(" <")
        {
            before.end = end.saturating_add(usize::from(line.get(end..).is_some_and(|rest| rest.starts_with('>'))));
            before.wrapped = Some(link);
            continue;
        }
        places.push(Place { start, end, link, wrapped: None });
    }
    places
}

/// Letters and digits beside the links, in lower case, and where the links stand.
fn words(line: &str, places: &[Place<'_>]) -> Vec<String> {
    let mut words = Vec::new();
    let mut at = 0usize;
    let mut add = |piece: &str| {
        let split = piece.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
        words.extend(split.map(str::to_lowercase));
        words.push(LINK.to_owned());
    };
    for place in places {
        add(line.get(at..place.start).unwrap_or_default());
        at = place.end;
    }
    add(line.get(at..).unwrap_or_default());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPAQUE: &str = "https://protect-eu.mimecast.com/s/AbCd?domain=shop.example";

    fn restored(stored: &[&str], line: &str) -> Option<String> {
        Lines::of(stored.iter().copied()).restored(line, &mut Restored::new())
    }

    #[test]
    fn r44_an_opaque_link_is_the_one_of_the_stored_line_with_the_same_words() {
        let stored = ["Hello,\nThe invoice lies at https://shop.example/i/7 for you."];
        let whole = Some("The invoice lies at https://shop.example/i/7 for you.".to_owned());
        assert_eq!(restored(&stored, &format!("The invoice lies at {OPAQUE} for you.")), whole);
        let shown = format!("The invoice lies at https://shop.example/i/7 <{OPAQUE}> for you.");
        assert_eq!(restored(&stored, &shown), whole);
        let mut done = Restored::new();
        let _ = Lines::of(stored.into_iter()).restored(&shown, &mut done);
        assert_eq!(done, Restored::from([(OPAQUE.to_owned(), "https://shop.example/i/7".to_owned())]));
    }

    #[test]
    fn r44_where_it_cannot_be_told_nothing_is_replaced() {
        let line = format!("The invoice lies at {OPAQUE}");
        for (stored, line) in [
            (
                &["The invoice lies at https://shop.example/7\nThe invoice lies at https://shop.example/8"][..],
                line.as_str(),
            ),
            (&["The bill lies at https://shop.example/7"], &line),
            (&["See https://shop.example/7"], &format!("See {OPAQUE}")),
            (&["https://shop.example/7"], OPAQUE),
            (
                &["The invoice lies at https://shop.example/7"],
                &format!("The invoice lies at https://evil.example <{OPAQUE}>"),
            ),
            (&["The invoice lies at https://shop.example/7 or https://shop.example/8"], &line),
            (&[], &line),
        ] {
            assert_eq!(restored(stored, line), None, "{stored:?} {line}");
        }
    }
}
