//! The words themselves: what may stand after each, and what it does.

use crate::desk::case::Priority;
use crate::desk::moment::{self, Now};
use crate::mail::Address;

use super::{Command, Settling};

/// A word, what may stand after it, and what it does.
pub(super) struct Word {
    pub(super) name: &'static str,
    takes: Takes,
    pub(super) does: &'static str,
    /// Words of one group contradict each other.
    pub(super) group: Option<Group>,
}

/// Words of which a reply may bear one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Settles,
    Status,
    Owner,
    Threading,
    Presence,
}

/// What stands after a word.
enum Takes {
    Nothing(Command),
    Addresses(fn(Vec<Address>) -> Command),
    Words(fn(Vec<String>) -> Command),
    Name(fn(String) -> Command),
    Line(fn(String) -> Command),
    Number(fn(i64) -> Command),
    Priority,
    Moment(fn(i64) -> Command),
    MaybeMoment(fn(Option<i64>) -> Command),
}

/// Addresses or tags after one word.
const WORDS_MAX: usize = 20;
/// Characters of a tag, a name or a template's name.
const NAME_CHARS_MAX: usize = 64;
/// Characters of a subject.
const SUBJECT_CHARS_MAX: usize = 200;

const fn word(name: &'static str, takes: Takes, does: &'static str) -> Word {
    Word { name, takes, does, group: None }
}

const fn one(group: Group, name: &'static str, takes: Takes, does: &'static str) -> Word {
    Word { name, takes, does, group: Some(group) }
}

const fn settle(name: &'static str, settling: Settling, does: &'static str) -> Word {
    one(Group::Settles, name, Takes::Nothing(Command::Settle(settling)), does)
}

/// All words, in the order in which `#help` lists them.
pub(super) static WORDS: [Word; 38] = [
    word("note", Takes::Nothing(Command::Note), "nothing leaves, colleagues only"),
    one(Group::Owner, "take", Takes::Nothing(Command::Take), "the case is yours"),
    one(Group::Owner, "assign", Takes::Name(Command::Assign), "the case is this colleague's"),
    one(Group::Owner, "release", Takes::Nothing(Command::Release), "the case is nobody's, everybody gets it"),
    one(Group::Status, "close", Takes::Nothing(Command::Close), "the case is closed"),
    one(Group::Status, "wait", Takes::Nothing(Command::Wait), "it is the customer's turn"),
    one(Group::Status, "reopen", Takes::Nothing(Command::Reopen), "the case is open again"),
    one(
        Group::Status,
        "snooze",
        Takes::Moment(Command::Snooze),
        "it waits, and comes back then: 3d, until monday 9:00",
    ),
    one(Group::Status, "spam", Takes::Nothing(Command::Spam), "the case is spam"),
    word("tag", Takes::Words(Command::Tag), "words to find the case by"),
    word("untag", Takes::Words(Command::Untag), "takes them off"),
    word("priority", Takes::Priority, "low, normal or high"),
    word("subject", Takes::Line(Command::Subject), "the case, and the answer, is called so"),
    word("cc", Takes::Addresses(Command::Cc), "a copy to these, now and later"),
    word("uncc", Takes::Addresses(Command::Uncc), "no more copies to these"),
    word("all", Takes::Nothing(Command::All), "the answer goes to everybody of the case, each in a mail of their own"),
    word("ask", Takes::Addresses(Command::Ask), "asks somebody beside the case; they see these words alone"),
    word("template", Takes::Name(Command::Template), "puts this text before yours"),
    word("send", Takes::Nothing(Command::Send), "what was held is sent"),
    word("cancel", Takes::Nothing(Command::Cancel), "calls your last answer back, while it has not left"),
    settle("accept", Settling::Accept, "they belong to the case, the answer goes to them"),
    settle("replace", Settling::Replace, "the same person with a new address, the answer goes there"),
    settle("customer", Settling::Customer, "to the customer"),
    settle("only", Settling::Only, "to this author alone, with nothing of the case"),
    settle("reject", Settling::Reject, "nothing is sent"),
    one(Group::Threading, "merge", Takes::Number(Command::Merge), "this case becomes part of that one"),
    one(Group::Threading, "split", Takes::Nothing(Command::Split), "takes a merged case apart again"),
    one(Group::Threading, "wrong", Takes::Nothing(Command::Wrong), "this mail gets a case of its own"),
    one(Group::Threading, "undo", Takes::Nothing(Command::Undo), "takes back the last merge, split or wrong"),
    word("original", Takes::Nothing(Command::Original), "the whole mail as it came"),
    word("history", Takes::Nothing(Command::History), "all that was said in the case"),
    word("status", Takes::Nothing(Command::Status), "how the case stands, and your other cases"),
    word("help", Takes::Nothing(Command::Help), "the page about all of this"),
    word("to", Takes::Addresses(Command::To), "starts a conversation; to your door, or a plain address"),
    one(
        Group::Presence,
        "away",
        Takes::MaybeMoment(Command::Away),
        "others get your cases' mail; until friday, or open end",
    ),
    one(Group::Presence, "back", Takes::Nothing(Command::Back), "you get it again"),
    word("watch", Takes::Nothing(Command::Watch), "you get notes and mails of the case"),
    word("unwatch", Takes::Nothing(Command::Unwatch), "you do not any more"),
];

/// The name of the word that gives this order.
pub(super) fn name_of(command: &Command) -> &'static str {
    let same = |word: &&Word| match &word.takes {
        Takes::Nothing(given) => given == command,
        Takes::Addresses(make) => std::mem::discriminant(&make(Vec::new())) == std::mem::discriminant(command),
        Takes::Words(make) => std::mem::discriminant(&make(Vec::new())) == std::mem::discriminant(command),
        Takes::Name(make) | Takes::Line(make) => {
            std::mem::discriminant(&make(String::new())) == std::mem::discriminant(command)
        }
        Takes::Number(make) | Takes::Moment(make) => {
            std::mem::discriminant(&make(0)) == std::mem::discriminant(command)
        }
        Takes::MaybeMoment(make) => std::mem::discriminant(&make(None)) == std::mem::discriminant(command),
        Takes::Priority => matches!(command, Command::Priority(_)),
    };
    WORDS.iter().find(same).map_or("help", |word| word.name)
}

/// The order that a line gives, or why it gives none.
pub(super) fn ordered(word: &Word, after: &str, now: &Now) -> Result<Command, String> {
    let name = word.name;
    let bare = after.trim_end_matches('.').trim();
    match &word.takes {
        Takes::Nothing(command) if bare.is_empty() => Ok(command.clone()),
        Takes::Nothing(_) => Err(format!("#{name} takes nothing after it, but the line says \"{after}\".")),
        Takes::Addresses(command) => addresses(name, after).map(command),
        Takes::Words(command) => words(name, bare).map(command),
        Takes::Name(command) => one_name(name, bare).map(command),
        Takes::Line(command) => line(name, after).map(command),
        Takes::Number(command) => {
            let number = bare.trim_start_matches('#').parse().ok().filter(|n| *n > 0);
            number
                .map(command)
                .ok_or_else(|| format!("#{name} needs the number of a case after it, like #{name} 1042."))
        }
        Takes::Priority => {
            let priority = Priority::from_word(&bare.to_lowercase());
            priority.map(Command::Priority).ok_or_else(|| format!("#{name} is low, normal or high, not \"{bare}\"."))
        }
        Takes::Moment(_) if bare.is_empty() => Err(format!("#{name} needs a time after it, like #{name} 3d.")),
        Takes::Moment(command) => moment::read(bare, now).map(command),
        Takes::MaybeMoment(command) if bare.is_empty() => Ok(command(None)),
        Takes::MaybeMoment(command) => moment::read(bare, now).map(|at_ms| command(Some(at_ms))),
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
        n if n > WORDS_MAX => Err(format!("#{name} takes at most {WORDS_MAX} addresses.")),
        _ => Ok(found),
    }
}

/// `refund #urgent, vip`
fn words(name: &str, after: &str) -> Result<Vec<String>, String> {
    let split = after.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    let mut found: Vec<String> =
        split.map(|w| w.trim_start_matches('#').to_lowercase()).filter(|w| !w.is_empty()).collect();
    found.sort();
    found.dedup();
    if let Some(word) = found.iter().find(|w| w.chars().count() > NAME_CHARS_MAX || w.chars().any(char::is_control)) {
        return Err(format!("\"{word}\" after #{name} is too long for a tag: {NAME_CHARS_MAX} characters at most."));
    }
    match found.len() {
        0 => Err(format!("#{name} needs a word after it, like #{name} refund.")),
        n if n > WORDS_MAX => Err(format!("#{name} takes at most {WORDS_MAX} words.")),
        _ => Ok(found),
    }
}

fn one_name(name: &str, after: &str) -> Result<String, String> {
    let text = after.trim_matches(['"', '\'', '@', '<', '>']).trim();
    match text.chars().count() {
        0 => Err(format!("#{name} needs a name after it.")),
        n if n > NAME_CHARS_MAX => Err(format!("The name after #{name} is too long.")),
        _ => Ok(text.to_owned()),
    }
}

fn line(name: &str, after: &str) -> Result<String, String> {
    let text = crate::mail::text::header(after).trim().to_owned();
    match text.chars().count() {
        0 => Err(format!("#{name} needs words after it.")),
        n if n > SUBJECT_CHARS_MAX => Err(format!("#{name} takes at most {SUBJECT_CHARS_MAX} characters.")),
        _ => Ok(text),
    }
}
