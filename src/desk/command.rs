//! Words at the top of an agent's reply.
//!
//! Decides   what the leading lines order, and where the text begins (R41, R42).
//! Never     guesses: an unknown word, or a line further down that looks like a word of ours, stops the reply.

/// An order that an agent may give by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The whole reply is internal.
    Note,
    /// The case is closed.
    Close,
    /// The last mail of the customer comes back whole (R92).
    Original,
}

/// Words that are known, and what they do here. `None`: known to the rules, not carried out by this release.
const WORDS: [(&str, Option<Command>); 34] = [
    ("note", Some(Command::Note)),
    ("close", Some(Command::Close)),
    ("original", Some(Command::Original)),
    ("wait", None),
    ("reopen", None),
    ("take", None),
    ("assign", None),
    ("release", None),
    ("tag", None),
    ("untag", None),
    ("priority", None),
    ("snooze", None),
    ("cc", None),
    ("uncc", None),
    ("merge", None),
    ("split", None),
    ("spam", None),
    ("accept", None),
    ("reject", None),
    ("replace", None),
    ("customer", None),
    ("only", None),
    ("all", None),
    ("subject", None),
    ("send", None),
    ("history", None),
    ("status", None),
    ("template", None),
    ("help", None),
    ("to", None),
    ("away", None),
    ("cancel", None),
    ("ask", None),
    ("wrong", None),
];

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

/// Reads the leading lines of an agent's new words.
#[must_use]
pub fn read(words: &str) -> Leading {
    let mut commands = Vec::new();
    let mut lines = 0usize;
    let mut leading = true;
    for line in words.lines().filter(|l| !l.starts_with('>')).map(plain).filter(|l| !l.is_empty()) {
        let Some(word) = word_of(&line) else {
            leading = false;
            continue;
        };
        let known = WORDS.iter().find(|(name, _)| *name == word);
        match (leading, known) {
            (true, Some((_, Some(command)))) => {
                if line.trim_end_matches('.').len() > word.len().saturating_add(1) {
                    return stopped(format!("#{word} takes nothing after it, but the line says \"{line}\"."));
                }
                commands.push(*command);
                lines = lines.saturating_add(1);
            }
            (true, Some((_, None))) => {
                return stopped(format!(
                    "#{word} is not carried out by this release; #note, #close and #original are."
                ));
            }
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
    Leading::Commands { commands, lines }
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

/// The word after a single `#` that stands directly before it.
fn word_of(line: &str) -> Option<String> {
    let rest = line.strip_prefix('#').or_else(|| line.strip_prefix('＃'))?;
    let word: String = rest.chars().take_while(|c| c.is_alphabetic()).collect();
    (!word.is_empty()).then(|| word.to_lowercase())
}

fn nearest(word: &str) -> &'static str {
    WORDS.iter().map(|(name, _)| *name).min_by_key(|name| distance(name, word)).unwrap_or("help")
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
    }

    #[test]
    fn a_doubled_hash_leaves_as_one() {
        assert_eq!(unescaped("##note is a word\nx"), "#note is a word\nx");
    }
}
