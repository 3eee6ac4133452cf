//! Words at the top of an agent's reply.
//!
//! Decides   what the leading lines order, and where the text begins (R33, R41, R42).
//! Never     guesses: an unknown word, or a line further down that looks like a word of ours, stops the reply.

use crate::mail::Address;

/// An order that an agent may give by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The whole reply is internal.
    Note,
    /// The case is closed.
    Close,
    /// The last mail of the customer comes back whole (R92).
    Original,
    /// To whom an answer to an unverified author goes (R33).
    Settle(Settling),
    /// Held words are sent after all.
    Send,
    /// These get a copy of this answer and of all later ones (R20).
    Cc(Vec<Address>),
    /// These get no copies any more.
    Uncc(Vec<Address>),
}

/// What becomes of an unverified author's mail (R33).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// They belong to the case from now on; the answer goes to them.
    Accept,
    /// They are the person on whose address they wrote, or the customer, with a new address; the answer goes there.
    Replace,
    /// The answer goes to the customer; the author stays unverified.
    Customer,
    /// The answer goes to this author alone, with nothing of the case.
    Only,
    /// Nothing is sent, and their mail asks for no answer.
    Reject,
}

/// A word, what may stand after it, and what it does.
struct Word {
    name: &'static str,
    takes: Takes,
    does: &'static str,
}

/// What stands after a word.
enum Takes {
    Nothing(Command),
    Addresses(fn(Vec<Address>) -> Command),
    /// The word is known, and not carried out by this release.
    Later,
}

/// Addresses after one word.
const ADDRESSES_MAX: usize = 20;

const fn word(name: &'static str, takes: Takes, does: &'static str) -> Word {
    Word { name, takes, does }
}

const fn later(name: &'static str) -> Word {
    Word { name, takes: Takes::Later, does: "" }
}

const fn settle(name: &'static str, settling: Settling, does: &'static str) -> Word {
    Word { name, takes: Takes::Nothing(Command::Settle(settling)), does }
}

static WORDS: [Word; 34] = [
    word("note", Takes::Nothing(Command::Note), "nothing leaves, colleagues only"),
    word("close", Takes::Nothing(Command::Close), "the case is closed"),
    word("original", Takes::Nothing(Command::Original), "the whole mail as it came"),
    settle("accept", Settling::Accept, "they belong to the case, the answer goes to them"),
    settle("replace", Settling::Replace, "the same person with a new address, the answer goes there"),
    settle("customer", Settling::Customer, "to the customer"),
    settle("only", Settling::Only, "to this author alone, with nothing of the case"),
    settle("reject", Settling::Reject, "nothing is sent"),
    word("send", Takes::Nothing(Command::Send), "what was held is sent"),
    word("cc", Takes::Addresses(Command::Cc), "a copy to these, now and later"),
    word("uncc", Takes::Addresses(Command::Uncc), "no more copies to these"),
    later("wait"),
    later("reopen"),
    later("take"),
    later("assign"),
    later("release"),
    later("tag"),
    later("untag"),
    later("priority"),
    later("snooze"),
    later("merge"),
    later("split"),
    later("spam"),
    later("all"),
    later("subject"),
    later("history"),
    later("status"),
    later("template"),
    later("help"),
    later("to"),
    later("away"),
    later("cancel"),
    later("ask"),
    later("wrong"),
];

/// The words that settle an unverified author's mail, each with what it does.
#[must_use]
pub fn settling_words() -> String {
    let words: Vec<String> = WORDS
        .iter()
        .filter(|w| matches!(w.takes, Takes::Nothing(Command::Settle(_))))
        .map(|w| format!("#{}: {}", w.name, w.does))
        .collect();
    format!("{}.", words.join("; "))
}

/// What the leading lines say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leading {
    /// These commands; the text begins after so many lines that are not empty.
    Commands {
        /// In the order given.
        commands: Vec<Command>,
        /// Lines to take off.
        lines: usize,
    },
    /// The whole reply is stopped (R41).
    Stopped {
        /// Why, as a sentence.
        reason: String,
    },
}

/// The one word that settles, if there is one.
#[must_use]
pub fn settling(commands: &[Command]) -> Option<Settling> {
    commands.iter().find_map(|c| match c {
        Command::Settle(settling) => Some(*settling),
        _ => None,
    })
}

/// Reads the leading lines of an agent's new words.
#[must_use]
pub fn read(words: &str) -> Leading {
    let mut commands = Vec::new();
    let mut lines = 0usize;
    let mut leading = true;
    for line in words.lines().filter(|l| !l.starts_with('>')).map(plain).filter(|l| !l.is_empty()) {
        let Some((word, after)) = word_of(&line) else {
            leading = false;
            continue;
        };
        let known = WORDS.iter().find(|w| w.name == word);
        match (leading, known) {
            (true, Some(known)) => match ordered(known, &after) {
                Ok(command) => {
                    commands.push(command);
                    lines = lines.saturating_add(1);
                }
                Err(reason) => return stopped(reason),
            },
            (true, None) => {
                return stopped(format!("#{word} is no command; did you mean #{}?", nearest(&word)));
            }
            (false, Some(_)) => {
                return stopped(format!(
                    "The line \"{line}\" looks like a command, but stands below your text. Commands stand on top; \
                     a line of text that begins with # is written ##."
                ));
            }
            (false, None) => {}
        }
    }
    let settles = commands.iter().filter(|c| matches!(c, Command::Settle(_))).count();
    if settles > 1 {
        return stopped("It says more than one of the words that settle an author's mail.".to_owned());
    }
    Leading::Commands { commands, lines }
}

/// The order that a line gives, or why it gives none.
fn ordered(word: &Word, after: &str) -> Result<Command, String> {
    let name = word.name;
    match &word.takes {
        Takes::Nothing(command) if after.trim_matches('.').is_empty() => Ok(command.clone()),
        Takes::Nothing(_) => Err(format!("#{name} takes nothing after it, but the line says \"{after}\".")),
        Takes::Addresses(command) => addresses(name, after).map(command),
        Takes::Later => {
            let words: Vec<String> =
                WORDS.iter().filter(|w| !w.does.is_empty()).map(|w| format!("#{}", w.name)).collect();
            Err(format!("#{name} is not carried out by this release; {} are.", words.join(", ")))
        }
    }
}

/// `Max <max@shop.example>, eve@shop.example`; what a client makes of an address (`<mailto:…>`) is taken off.
fn addresses(name: &str, after: &str) -> Result<Vec<Address>, String> {
    let mut found: Vec<Address> = Vec::new();
    let words = after.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '[' | ']' | '(' | ')'));
    for text in words.map(|w| w.trim_start_matches("mailto:").trim_matches('.')).filter(|w| w.contains('@')) {
        match Address::parse(text) {
            Some(address) if found.contains(&address) => {}
            Some(address) => found.push(address),
            None => return Err(format!("\"{text}\" after #{name} is no address.")),
        }
    }
    match found.len() {
        0 => Err(format!("#{name} needs an address after it, like #{name} max@shop.example.")),
        n if n > ADDRESSES_MAX => Err(format!("#{name} takes at most {ADDRESSES_MAX} addresses.")),
        _ => Ok(found),
    }
}

/// The text without the doubled `#` that marks a line as text (R41).
#[must_use]
pub fn unescaped(words: &str) -> String {
    let lines: Vec<String> = words
        .split('\n')
        .map(|line| match line.strip_prefix("##") {
            Some(rest) => format!("#{rest}"),
            None => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

fn stopped(reason: String) -> Leading {
    Leading::Stopped { reason }
}

/// A line without bullets, smart quotes, NBSP and the like round it.
fn plain(line: &str) -> String {
    line.replace('\u{a0}', " ")
        .trim_matches(|c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    '*' | '•' | '·' | '-' | '–' | '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '_' | '\u{200b}'
                )
        })
        .to_owned()
}

/// The word after a single `#` that stands directly before it, and what follows.
fn word_of(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix('#').or_else(|| line.strip_prefix('＃'))?;
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(end)?;
    (!word.is_empty()).then(|| (word.to_lowercase(), after.trim().to_owned()))
}

fn nearest(word: &str) -> &'static str {
    WORDS.iter().map(|w| w.name).min_by_key(|name| distance(name, word)).unwrap_or("help")
}

/// Edit distance, on words of at most 20 letters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(20).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(20).enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, (y, above)) in b.iter().zip(row.iter().skip(1)).enumerate() {
            let corner = row.get(j).copied().unwrap_or_default();
            let left = next.last().copied().unwrap_or_default();
            let change = corner.saturating_add(usize::from(x != *y));
            next.push(change.min(left.saturating_add(1)).min(above.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(words: &str) -> Vec<Command> {
        match read(words) {
            Leading::Commands { commands, .. } => commands,
            Leading::Stopped { reason } => panic!("{reason}"),
        }
    }

    fn reason(words: &str) -> String {
        match read(words) {
            Leading::Commands { commands, .. } => panic!("{commands:?}"),
            Leading::Stopped { reason } => reason,
        }
    }

    #[test]
    fn r41_words_are_found_however_a_client_writes_them() {
        for words in ["#note\nhello", "#NOTE\n\nhello", "* #Note \n", "\u{a0}“#note”\nx", "\n\n#note"] {
            assert_eq!(commands(words), [Command::Note], "{words:?}");
        }
        assert_eq!(commands("#note\n#close\nbye"), [Command::Note, Command::Close]);
    }

    #[test]
    fn r41_other_hashes_are_text() {
        for words in ["Dear Jane,\n#1 is the left one", "##note is a word", "hello\n#hashtag", "# note"] {
            assert_eq!(commands(words), [], "{words:?}");
        }
    }

    #[test]
    fn r41_what_cannot_be_done_stops_the_whole_reply() {
        assert!(reason("#clsoe\nbye").contains("#close"));
        assert!(reason("bye\n#close").contains("below your text"));
        assert!(reason("#assign ben").contains("not carried out"));
        assert!(reason("#note to self").contains("takes nothing"));
        assert!(reason("#accept\n#reject").contains("more than one"));
    }

    #[test]
    fn r41_addresses_are_found_however_a_client_writes_them() {
        let max = Address::parse("max@shop.example").unwrap_or_else(Address::unknown);
        for line in [
            "#cc max@shop.example",
            "#CC Max Meier <max@shop.example>.",
            "#cc max@shop.example<mailto:max@shop.example>",
            "#cc [max@shop.example](mailto:max@shop.example)",
        ] {
            assert_eq!(commands(line), [Command::Cc(vec![max.clone()])], "{line}");
        }
        assert!(reason("#cc").contains("needs an address"));
        assert!(reason("#cc Max").contains("needs an address"));
        assert!(reason("#cc a@b, max@@x").contains("no address"));
        let many: Vec<String> = (0..21).map(|n| format!("a{n}@shop.example")).collect();
        assert!(reason(&format!("#cc {}", many.join(" "))).contains("at most"));
    }

    #[test]
    fn r33_every_settling_word_is_named_with_what_it_does() {
        for word in ["#accept", "#replace", "#customer", "#only", "#reject"] {
            assert!(settling_words().contains(word), "{word}");
            assert!(settling(&commands(word)).is_some(), "{word}");
        }
    }

    #[test]
    fn a_doubled_hash_leaves_as_one() {
        assert_eq!(unescaped("##note is a word\nx"), "#note is a word\nx");
    }
}
