//! Words at the top of an agent's reply.
//!
//! Decides   what the leading lines order, and where the text begins (R33, R41, R42).
//! Never     guesses: an unknown word, or a line further down that looks like a word of ours, stops the reply.

mod table;

use crate::mail::Address;

use super::case::Priority;
use super::moment::Now;
use table::{Group, WORDS, name_of, ordered};

/// An order that an agent may give by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The whole reply is internal.
    Note,
    /// The case is the author's.
    Take,
    /// The case is this colleague's.
    Assign(String),
    /// The case is nobody's.
    Release,
    /// The case is closed.
    Close,
    /// It is the customer's turn.
    Wait,
    /// The case is open again.
    Reopen,
    /// It waits, and comes back at this time, milliseconds.
    Snooze(i64),
    /// The case is spam.
    Spam,
    /// These tags are put on.
    Tag(Vec<String>),
    /// These tags are taken off.
    Untag(Vec<String>),
    /// So urgent it is.
    Priority(Priority),
    /// The case, and the answer, is called so (R45).
    Subject(String),
    /// These get a copy of this answer and of all later ones (R20).
    Cc(Vec<Address>),
    /// These get no copies any more.
    Uncc(Vec<Address>),
    /// The answer goes to all parties, each in a mail of their own (R15).
    All,
    /// These are asked beside the case.
    Ask(Vec<Address>),
    /// This text of the operator's stands before the words.
    Template(String),
    /// Held words are sent after all.
    Send,
    /// The last answer is called back.
    Cancel,
    /// To whom an answer to an unverified author goes (R33).
    Settle(Settling),
    /// The case becomes part of the one with this number (R15).
    Merge(i64),
    /// A merged case is taken apart again (R15).
    Split,
    /// The mail that is answered gets a case of its own.
    Wrong,
    /// The last merge or split is taken back.
    Undo,
    /// The last mail of the customer comes back whole (R92).
    Original,
    /// All that was said comes back.
    History,
    /// How the case stands, and the author's other cases.
    Status,
    /// The page for agents.
    Help,
    /// A conversation begins (R23).
    To(Vec<Address>),
    /// The author is away, until this time, milliseconds.
    Away(Option<i64>),
    /// The author is back.
    Back,
    /// The author gets notes and mails of the case.
    Watch,
    /// They do not any more.
    Unwatch,
}

impl Command {
    /// The word that gives it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name_of(self)
    }

    /// Does it say how the case stands from now on?
    #[must_use]
    pub fn sets_status(&self) -> bool {
        matches!(
            self,
            Command::Close | Command::Wait | Command::Reopen | Command::Snooze(_) | Command::Spam | Command::Merge(_)
        )
    }

    /// Does it decide to whom words go?
    #[must_use]
    pub fn sends(&self) -> bool {
        matches!(self, Command::Send | Command::All | Command::Ask(_) | Command::Template(_) | Command::To(_))
    }
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

/// The words that settle an unverified author's mail, each with what it does.
#[must_use]
pub fn settling_words() -> String {
    let words: Vec<String> =
        WORDS.iter().filter(|w| w.group == Some(Group::Settles)).map(|w| format!("#{}: {}", w.name, w.does)).collect();
    format!("{}.", words.join("; "))
}

/// Every word with what it does, for people.
#[must_use]
pub fn all_words() -> Vec<(&'static str, &'static str)> {
    WORDS.iter().map(|w| (w.name, w.does)).collect()
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

/// What the case, and the answer, is to be called (R45).
#[must_use]
pub fn subject(commands: &[Command]) -> Option<&str> {
    commands.iter().find_map(|c| match c {
        Command::Subject(subject) => Some(subject.as_str()),
        _ => None,
    })
}

/// Reads the leading lines of an agent's new words.
#[must_use]
pub fn read(words: &str, now: &Now) -> Leading {
    let mut commands = Vec::new();
    let mut groups: Vec<(Group, &'static str)> = Vec::new();
    let mut lines = 0usize;
    let mut leading = true;
    for line in words.lines().filter(|l| !l.starts_with('>')).map(plain).filter(|l| !l.is_empty()) {
        let Some((word, after)) = word_of(&line) else {
            leading = false;
            continue;
        };
        let known = WORDS.iter().find(|w| w.name == word);
        match (leading, known) {
            (true, Some(known)) => {
                match ordered(known, &after, now) {
                    Ok(command) => commands.push(command),
                    Err(reason) => return stopped(reason),
                }
                lines = lines.saturating_add(1);
                if let Some(group) = known.group {
                    if let Some((_, other)) = groups.iter().find(|(g, _)| *g == group) {
                        return stopped(format!(
                            "#{other} and #{} contradict each other; say one of them.",
                            known.name
                        ));
                    }
                    groups.push((group, known.name));
                }
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
    match contradiction(&commands) {
        Some(reason) => stopped(reason),
        None => Leading::Commands { commands, lines },
    }
}

/// Orders of which one cannot be carried out beside the other.
fn contradiction(commands: &[Command]) -> Option<String> {
    let has = |wanted: fn(&Command) -> bool| commands.iter().any(wanted);
    let settles = has(|c| matches!(c, Command::Settle(_)));
    let note = has(|c| matches!(c, Command::Note));
    let pairs = [
        (note && settles, "#note and a word that settles an author's mail"),
        (note && has(|c| matches!(c, Command::Send)), "#note and #send"),
        (note && has(|c| matches!(c, Command::All)), "#note and #all"),
        (note && has(|c| matches!(c, Command::Ask(_))), "#note and #ask"),
        (note && has(|c| matches!(c, Command::To(_))), "#note and #to"),
        (note && has(|c| matches!(c, Command::Template(_))), "#note and #template"),
        (has(|c| matches!(c, Command::All)) && has(|c| matches!(c, Command::Ask(_))), "#all and #ask"),
        (settles && has(|c| matches!(c, Command::All | Command::Ask(_))), "#all or #ask and a word that settles"),
        (has(|c| matches!(c, Command::To(_))) && has(|c| matches!(c, Command::Ask(_))), "#to and #ask"),
    ];
    let said = pairs.into_iter().find_map(|(holds, words)| holds.then(|| format!("{words} contradict each other.")));
    said.or_else(|| {
        let both = |on: Vec<String>, off: Vec<String>| on.into_iter().find(|word| off.contains(word));
        let twice = both(named(commands, true), named(commands, false))?;
        Some(format!("It puts {twice} on and takes it off."))
    })
}

/// Addresses and tags that are put on, or taken off.
fn named(commands: &[Command], on: bool) -> Vec<String> {
    let words = commands.iter().flat_map(|command| match command {
        Command::Cc(addresses) if on => addresses.iter().map(Address::key).collect(),
        Command::Uncc(addresses) if !on => addresses.iter().map(Address::key).collect(),
        Command::Tag(tags) if on => tags.iter().map(|t| format!("#{t}")).collect(),
        Command::Untag(tags) if !on => tags.iter().map(|t| format!("#{t}")).collect(),
        _ => Vec::new(),
    });
    words.collect()
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
        .replace(['\u{200b}', '\u{feff}', '\u{2060}'], "")
        .trim_matches(|c: char| {
            c.is_whitespace()
                || matches!(c, '*' | '•' | '·' | '-' | '–' | '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '_' | '`')
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
mod tests;
