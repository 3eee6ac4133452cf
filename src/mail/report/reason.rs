//! Why a delivery failed, out of what servers say.
//!
//! Decides   the enhanced status and the reason, by the remote server's words first, by codes second.
//! Follows   RFC 3463 section 3, RFC 5321 section 4.2, the words of real servers in many languages.

use super::Reason;
use super::vocabulary::WORDS;

/// The list of codes without words; the one before it holds words that codes outweigh.
const LAST_RESORT: usize = 11;

/// What Postfix writes before the reason of a destination that it does not try again.
const SUSPENDED: &str = "delivery temporarily suspended:";

/// The reason by the words of a server and its status.
#[must_use]
pub fn reason(words: &str, status: Option<&str>) -> Reason {
    let lower = words.to_lowercase().replace(SUSPENDED, "");
    let found =
        WORDS.iter().take(LAST_RESORT).enumerate().find(|(_, (_, list))| list.iter().any(|w| lower.contains(w)));
    let weak = found.is_some_and(|(index, _)| index.saturating_add(1) == LAST_RESORT);
    let said = found.map(|(_, (reason, _))| *reason);
    let coded = status.map_or(Reason::Other, Reason::from_status);
    match (said, coded) {
        (Some(Reason::Expired), coded) if coded != Reason::Other => coded,
        // refused for good is not given up
        (Some(said), Reason::Expired) if weak && status.is_some_and(|s| s.starts_with('5')) => said,
        (Some(_), coded) if weak && coded != Reason::Other => coded,
        (Some(said), _) => said,
        (None, Reason::Other) if status.is_some_and(is_of_the_way) => Reason::Other,
        (None, Reason::Other) => last_resort(&lower),
        (None, coded) => coded,
    }
}

/// Says of systems or the way between them, a loop say, and nothing of the address (RFC 3463 sections 3.4 and 3.5).
fn is_of_the_way(status: &str) -> bool {
    matches!(status.split('.').nth(1), Some("3" | "4")) && status.split('.').nth(2) != Some("0")
}

/// An SMTP code without words.
fn last_resort(lower: &str) -> Reason {
    WORDS
        .iter()
        .skip(LAST_RESORT)
        .find(|(_, list)| list.iter().any(|w| lower.contains(w)))
        .map_or(Reason::Other, |(r, _)| *r)
}

/// An enhanced status in a text, and whether an SMTP code stands before it.
fn statuses(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut after_code = false;
    for word in text.split(|c: char| !(c.is_ascii_digit() || c == '.')) {
        let word = word.trim_matches('.');
        if word.is_empty() {
            continue;
        }
        if is_enhanced(word) {
            found.push((word.to_owned(), after_code));
        }
        after_code = word.len() == 3 && word.starts_with(['2', '4', '5']) && !word.contains('.');
    }
    found
}

/// `5.1.1` (RFC 3463 section 2).
fn is_enhanced(word: &str) -> bool {
    let numbers: Vec<&str> = word.split('.').collect();
    numbers.len() == 3
        && matches!(numbers.first(), Some(&"2" | &"4" | &"5"))
        && numbers.iter().all(|n| !n.is_empty() && n.len() <= 3 && n.chars().all(|c| c.is_ascii_digit()))
        && numbers.get(1).is_some_and(|n| n.len() == 1)
}

/// Says nothing but that it failed.
fn is_generic(status: &str) -> bool {
    status.ends_with(".0.0")
}

/// The status that says most: what the remote server said before what our own side made of it.
#[must_use]
pub fn status(field: Option<&str>, diagnostic: &str) -> Option<String> {
    let said = statuses(diagnostic);
    let specific = |after_code: bool| {
        said.iter().rev().find(|(s, after)| !is_generic(s) && (*after || !after_code)).map(|(s, _)| s.clone())
    };
    let field = field.and_then(|f| statuses(f).first().map(|(s, _)| s.clone()));
    let told = specific(true).or_else(|| field.as_deref().is_none_or(is_generic).then(|| specific(false)).flatten());
    told.or(field).or_else(|| said.first().map(|(s, _)| s.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_alone_says_nothing_of_an_address_where_the_status_names_the_way() {
        for (words, status, expected) in [
            ("550 5.4.14 Hop count exceeded - possible mail loop", Some("5.4.14"), Reason::Other),
            ("550 5.4.6 routing loop", Some("5.4.6"), Reason::Other),
            ("550 5.3.0 nothing more", Some("5.3.0"), Reason::UserUnknown),
            ("550 nothing more", None, Reason::UserUnknown),
        ] {
            assert_eq!(reason(words, status), expected, "{words}");
        }
    }
}
