//! Reports in words: qmail, Exim, sendmail, Exchange, carriers and many others.
//!
//! Decides   which recipients such a notice names, and what it says of each.
//! Never     names an address that the notice only asks to write to.

use super::failure::is_returned_line;
use super::reason::{reason, status};
use super::{Action, ReportRecipient, by_status, group};
use crate::limits::REPORT_RECIPIENTS_MAX;
use crate::mail::{Address, text};

/// An address of the notice with what is said of it.
struct Candidate {
    address: String,
    rank: u8,
    line: usize,
}

/// Addresses of a line, with the octet at which each begins.
fn addresses(line: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0usize;
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | '(' | ')' | '[' | ']' | '\'' | '`' | '|')
    };
    for word in line.split(ends) {
        let begins = at;
        at = at.saturating_add(word.len()).saturating_add(1);
        let word = word.rsplit_once("mailto:").map_or(word, |(_, rest)| rest);
        let word = word.trim_matches([':', '.', '!', '*', '=']);
        let word = word.rsplit_once(':').map_or(word, |(_, rest)| rest);
        let typed = word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("smtp="));
        let word = if typed { word.get(5..).unwrap_or(word) } else { word };
        if Address::parse(word).is_some_and(|a| a.domain().contains('.')) {
            found.push((begins, word.to_owned()));
        }
    }
    found
}

/// Lines of a returned mail in which its recipients are looked for.
const RETURNED_LINES_MAX: usize = 200;

/// Beginnings of lines that name the failed recipient, lower case.
const NAMES: &[&str] = &[
    "recipient",
    "rcpt to",
    "unknown user",
    "user ",
    "failed",
    "final-recipient",
    "invalid final",
    "could not be delivered to",
    "delivery to",
    "unable to deliver",
    "address",
    "your message to",
    "your mail to",
    "the user",
    "original-recipient",
    "sent <<<",
    "cannot send",
    "deliver to",
    "error delivering",
    "there was an error",
    "to: <",
    ">>> rcpt",
    "<<< 5",
    "unknown recipient",
    "no such user",
];

fn rank(line: &str, begins: usize) -> u8 {
    let trimmed = line.trim_start();
    let indent = line.len().saturating_sub(trimmed.len());
    let lower = trimmed.to_lowercase();
    let head = line.get(indent..begins).unwrap_or_default();
    if [", try ", "try sending ", "try emailing ", "e.g., "].iter().any(|advice| lower.contains(advice)) {
        return 0;
    }
    let leads = head.chars().all(|c| matches!(c, '<' | '*' | '-' | '"' | '(' | '\'' | '[' | ' ' | '|' | '.'))
        || head.ends_with("rfc822;<");
    if leads {
        return 4;
    }
    if lower.starts_with("to:")
        || lower.starts_with("from:")
        || lower.starts_with("subject:")
        || lower.starts_with("cc:")
    {
        return 1;
    }
    // the alias that the mail was sent to
    if lower.starts_with("(expanded from") {
        return 3;
    }
    let contact = ["contact", "from:", "mail from", "please send", "assistance", "help", "report", "sender"]
        .iter()
        .any(|w| lower.contains(w));
    if contact {
        return 0;
    }
    if NAMES.iter().any(|w| lower.starts_with(w)) || lower.contains("rcpt to") {
        return 3;
    }
    2
}

/// An address to ask for help, not one that failed; in lower case.
fn is_role(key: &str) -> bool {
    ["postmaster@", "mailer-daemon@", "abuse@", "helpdesk@", "hostmaster@"].iter().any(|r| key.starts_with(r))
}

/// The part of the text before the returned mail; all of it if no address stands there.
fn notice(words: &str) -> &str {
    let mut at = 0usize;
    for (index, line) in words.split_inclusive('\n').enumerate() {
        if index > 0 && is_returned_line(&line.to_lowercase()) {
            let before = words.get(..at).unwrap_or(words);
            if before.lines().flat_map(addresses).any(|(_, a)| !is_role(&a.to_lowercase())) {
                return before;
            }
        }
        at = at.saturating_add(line.len());
    }
    words
}

/// The recipients that a notice in words names. `returned` is the header of the returned mail.
#[must_use]
pub fn recipients(head: &str, words: &str, returned: &str) -> Vec<ReportRecipient> {
    let fields = group(head);
    let own: Vec<String> = fields
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "to" | "from" | "sender" | "reply-to" | "delivered-to" | "cc"))
        .flat_map(|(_, value)| addresses(value))
        .map(|(_, address)| address.to_lowercase())
        .collect();
    let failed =
        fields.iter().filter(|(name, _)| name == "x-failed-recipients").flat_map(|(_, value)| addresses(value));
    let notice = notice(words);
    let lines: Vec<&str> = notice.lines().collect();
    let intro = lines.iter().position(|l| {
        let lower = l.to_lowercase();
        lower.contains("following")
            && ["recipient", "address", "destination", "following user", "not delivered"]
                .iter()
                .any(|w| lower.contains(w))
    });
    let mut found: Vec<Candidate> = Vec::new();
    for (line, content) in lines.iter().enumerate() {
        for (begins, address) in addresses(content) {
            let key = address.to_lowercase();
            let role = is_role(&key);
            let after_intro = intro.is_none_or(|i| line > i);
            let rank = if role || own.contains(&key) { 0 } else { rank(content, begins) };
            let rank = if rank == 4 && !after_intro { 2 } else { rank };
            let room = found.len() < REPORT_RECIPIENTS_MAX;
            match found.iter_mut().find(|c| c.address.to_lowercase() == key) {
                Some(known) if known.rank >= rank => {}
                Some(known) => (known.rank, known.line) = (rank, line),
                None if room => found.push(Candidate { address, rank, line }),
                None => {}
            }
        }
    }
    let best = found.iter().map(|c| c.rank).max().unwrap_or_default();
    if best < 3 {
        only_returned(&mut found, words.get(notice.len()..).unwrap_or_default());
    }
    let mut chosen: Vec<(String, Option<usize>)> = failed.map(|(_, address)| (address, None)).collect();
    for one in found.iter().filter(|c| best > 0 && (c.rank == best || (c.rank >= 3 && best >= 3))) {
        let named = chosen.iter().all(|(_, line)| line.is_some());
        match chosen.iter_mut().find(|(a, _)| a.eq_ignore_ascii_case(&one.address)) {
            Some((_, line)) => *line = Some(one.line),
            None if named => chosen.push((one.address.clone(), Some(one.line))),
            None => {}
        }
    }
    let local = intro.filter(|_| best < 3 && chosen.iter().all(|(_, line)| line.is_some()));
    let local = local.map(|intro| local_names(&lines, intro, &fields)).unwrap_or_default();
    if !local.is_empty() {
        chosen = local;
    }
    if chosen.is_empty() {
        let to = group(returned).into_iter().filter(|(name, _)| name == "to").flat_map(|(_, value)| addresses(&value));
        chosen.extend(to.take(1).map(|(_, address)| (address, None)));
    }
    told(&chosen, &lines, notice)
}

/// Of addresses that nothing marks, those count that the returned mail went to, if there are any.
fn only_returned(found: &mut Vec<Candidate>, returned: &str) {
    let went_to: Vec<String> = returned
        .lines()
        .take(RETURNED_LINES_MAX)
        .filter(|l| {
            let lower = l.to_lowercase();
            lower.contains(" for <") || lower.trim_start_matches(['>', ' ']).starts_with("to:")
        })
        .flat_map(addresses)
        .map(|(_, address)| address.to_lowercase())
        .collect();
    let is_named = |c: &Candidate| c.rank > 0 && went_to.contains(&c.address.to_lowercase());
    if found.iter().any(is_named) {
        found.retain(is_named);
    }
}

/// Names without a domain, one a line and first in it, below the words that announce them: they are the reporting system's
/// own.
fn local_names(lines: &[&str], intro: usize, fields: &[(String, String)]) -> Vec<(String, Option<usize>)> {
    let from = fields.iter().filter(|(name, _)| name == "from").flat_map(|(_, value)| addresses(value)).next();
    let Some(domain) = from.and_then(|(_, address)| Address::parse(&address)).map(|a| a.domain().to_owned()) else {
        return Vec::new();
    };
    lines
        .iter()
        .enumerate()
        .skip(intro.saturating_add(1))
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (index, line.trim().split("  ").next().unwrap_or_default()))
        .take_while(|(_, name)| {
            (2..=64).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        })
        .map(|(index, name)| (format!("{name}@{domain}"), Some(index)))
        .take(REPORT_RECIPIENTS_MAX)
        .collect()
}

/// Each recipient with what is said of it: from its line to the next one's.
fn told(chosen: &[(String, Option<usize>)], lines: &[&str], notice: &str) -> Vec<ReportRecipient> {
    let starts: Vec<usize> = chosen.iter().filter_map(|(_, line)| *line).collect();
    let rows = chosen.iter().map(|(address, line)| {
        let end = line.and_then(|l| starts.iter().copied().filter(|s| *s > l).min()).unwrap_or(lines.len());
        let said = line.and_then(|l| lines.get(l..end)).map(|l| l.join(" ")).unwrap_or_default();
        let said: String = said.replace(address.as_str(), " ").chars().take(2_000).collect();
        recipient(address, &said, notice)
    });
    let mut rows: Vec<ReportRecipient> = rows.take(REPORT_RECIPIENTS_MAX).collect();
    if rows.is_empty() {
        rows.push(ReportRecipient { recipient: None, ..recipient("", "", notice) });
    }
    rows
}

fn recipient(address: &str, said: &str, notice: &str) -> ReportRecipient {
    let whole: String = notice.chars().take(8_000).collect();
    let found = status(None, said).or_else(|| status(None, &whole));
    let mut why = reason(said, found.as_deref());
    if why == super::Reason::Other {
        why = reason(&whole, found.as_deref());
    }
    let lower = whole.to_lowercase();
    let waits = [
        "will keep trying",
        "will continue",
        "no action is required",
        "still trying",
        "has been delayed",
        "not yet been delivered",
        "will be retried",
        "need to resend",
        "temporary error",
        "will try",
        "is a warning",
    ];
    let action = if waits.iter().any(|w| lower.contains(w)) && !lower.contains("gave up") {
        Action::Delayed
    } else {
        match by_status(found.as_deref()) {
            Action::Delivered => Action::Failed,
            other => other,
        }
    };
    let diagnostic = text::header(said);
    ReportRecipient {
        recipient: Some(address.to_owned()),
        action,
        status: found,
        diagnostic: (!diagnostic.is_empty()).then_some(diagnostic),
        reason: why,
    }
}
