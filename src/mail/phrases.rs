//! "Do not reply to this message": the sentences that this project ends.
//!
//! Decides   which sentences of a mail tell its reader not to answer, and what stands there instead.
//! Never     changes anything else; [`rewrite`] knows what must stay as it is.

use super::{rewrite, text};

/// Sentences hold one of these, in lower case, white space folded.
const PHRASES: [&str; 34] = [
    "do not reply to this",
    "do not respond to this",
    "don't reply to this",
    "don’t reply to this",
    "please do not reply",
    "please don't reply",
    "please don’t reply",
    "please do not respond",
    "cannot accept incoming",
    "can't accept incoming",
    "cannot receive incoming",
    "cannot receive replies",
    "can't receive replies",
    "not monitored",
    "unmonitored mailbox",
    "unattended mailbox",
    "this is a no-reply",
    "sent from a no-reply",
    "sent from a notification-only",
    "replies to this email will not",
    "replies to this message will not",
    "replies to this address",
    "nicht auf diese e-mail",
    "nicht auf diese mail",
    "nicht auf diese nachricht",
    "ne pas répondre à ce",
    "ne répondez pas à ce",
    "no responda a este",
    "no responder a este",
    "non rispondere a questa",
    "não responda a este",
    "niet op deze e-mail",
    "niet op dit bericht",
    "svara inte på det",
];

/// Octets of a sentence at most; what is longer is no such sentence.
const SENTENCE_BYTES_MAX: usize = 400;

/// The sentences of a text that tell not to answer.
#[must_use]
pub fn found(words: &str) -> Vec<String> {
    sentences(words).filter(|s| is_one(s)).map(text::fold).collect()
}

/// The text with each of these sentences replaced. Returns `None` if there is none.
#[must_use]
pub fn replaced(words: &str, instead: &str) -> Option<String> {
    let mut out = String::with_capacity(words.len());
    let mut changed = false;
    for sentence in sentences(words) {
        if is_one(sentence) {
            let start = sentence.len().saturating_sub(sentence.trim_start().len());
            let end = sentence.trim_end().len();
            out.push_str(sentence.get(..start).unwrap_or_default());
            out.push_str(instead);
            out.push_str(sentence.get(end..).unwrap_or_default());
            changed = true;
        } else {
            out.push_str(sentence);
        }
    }
    changed.then_some(out)
}

/// The body of a mail, from the empty line on, with these sentences replaced in its text parts. `None` if nothing was.
#[must_use]
pub fn in_body(mail: &[u8], instead: &str) -> Option<Vec<u8>> {
    rewrite::in_body(mail, |_, words| replaced(words, instead))
}

fn is_one(sentence: &str) -> bool {
    if sentence.len() > SENTENCE_BYTES_MAX {
        return false;
    }
    let folded = text::fold(sentence).to_lowercase();
    PHRASES.iter().any(|phrase| folded.contains(phrase))
}

/// Pieces that together are the text: each ends after a full stop and white space, at an empty line, or before or
/// after a tag of HTML.
fn sentences(words: &str) -> impl Iterator<Item = &str> {
    let mut rest = words;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = sentence_end(rest);
        let (sentence, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = after;
        Some(sentence)
    })
}

fn sentence_end(words: &str) -> usize {
    let mut before = ' ';
    let mut line_is_empty = false;
    for (at, c) in words.char_indices() {
        let next = at.saturating_add(c.len_utf8());
        match c {
            '<' if at > 0 => return at,
            '>' => return next,
            ' ' | '\n' | '\r' if matches!(before, '.' | '!' | '?' | '。') => return next,
            '\n' if line_is_empty => return next,
            '\n' => line_is_empty = true,
            c if !c.is_whitespace() => line_is_empty = false,
            _ => {}
        }
        if c != '\r' {
            before = c;
        }
    }
    words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_that_forbid_answers_are_found_and_replaced() {
        for (words, expected) in [
            ("Hello. Please do not reply to this email. Bye.", "Hello. Just reply. Bye."),
            (
                "Your parcel left.\r\n\r\nThis mailbox is\r\nnot monitored.\r\n",
                "Your parcel left.\r\n\r\nJust reply\r\n",
            ),
            ("<p>Danke!</p><p>Bitte antworten Sie nicht auf diese E-Mail.</p>", "<p>Danke!</p><p>Just reply.</p>"),
        ] {
            let instead = if expected.contains("reply\r") { "Just reply" } else { "Just reply." };
            assert_eq!(replaced(words, instead).as_deref(), Some(expected), "{words}");
            assert_eq!(found(words).len(), 1, "{words}");
        }
        for words in ["Please reply to this email.", "", "Do reply. To this.", "We do not monitor you."] {
            assert_eq!(replaced(words, "x"), None, "{words}");
        }
    }

    #[test]
    fn the_pieces_are_the_text() {
        for words in ["a. b\n\nc<d>e", "x", ".. \n\n\n<", "Grüße! Ünd? so"] {
            assert_eq!(sentences(words).collect::<String>(), words);
        }
    }
}
