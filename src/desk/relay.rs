//! The relay: a customer's mail as an agent gets it.
//!
//! Decides   who gets it, and what stands in it: what a reply will do, warnings, the words, the marker, what an
//!           agent needs so that no customer explains twice.
//! Follows   R2, R3, R6, R43, R90; RFC 6068 (`mailto:` links).
//! Never     names an outside address in an address field.

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Value, context};

use crate::mail::references::base_subject;
use crate::mail::{Address, NameAddr, html};

use super::absence::owner_is_away;
use super::case::{Case, Direction, Entry};
use super::letters::Letter;
use super::notified;
use super::outgoing::{Sheet, ToAgent, earlier, mailbox_of, shown, via};
use super::overload::left_to_digest;
use super::ownership::audience;
use super::policy::{Agent, Mailbox, Policy};
use super::recipients;
use super::standing::Standing;
use super::thread;
use super::token::{Class, PartyId, Token, reply_address};
use super::{CaseView, EntryLink, Purpose, View};

/// Entries that a relay shows as history.
const HISTORY_ENTRIES: usize = 6;
/// Characters of each of them.
const HISTORY_CHARS: usize = 1_200;

/// The words of an entry as HTML.
#[must_use]
pub fn html_of(entry: &Entry) -> String {
    if entry.html.is_empty() { html::from_text(&entry.text) } else { entry.html.clone() }
}

/// What a relay shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The case.
    pub case: &'a Case,
    /// What the store knows of it; `None` while it is being opened.
    pub known: Option<&'a CaseView>,
    /// The entry.
    pub entry: &'a Entry,
    /// Where the entry is.
    pub link: EntryLink,
    /// What to be careful of, above the words.
    pub warnings: &'a [String],
    /// Why it comes, above the words.
    pub lines: &'a [String],
}

/// Relays an entry to the owner and the watchers, or to all agents of the mailbox who are there.
pub fn relay_to_audience(
    sheet: &mut Sheet<'_>,
    view: &View,
    case: &Case,
    known: Option<&CaseView>,
    entry: &Entry,
    link: EntryLink,
    warnings: &[String],
) {
    let policy = sheet.policy;
    let now_ms = sheet.event.at_ms;
    let (agents, purpose) = audience(policy, view, case, now_ms);
    if agents.is_empty() {
        sheet.log(case.key, "not_relayed", "yesreply", "R90", "no agent works this mailbox");
    }
    let owner = case.owner.as_ref().and_then(|name| policy.agents.get(name));
    let away = mailbox_of(policy, case).and_then(|mailbox| owner_is_away(view, owner, mailbox, now_ms));
    let lines: Vec<String> = away.into_iter().collect();
    for agent in agents {
        if left_to_digest(sheet, view, case, agent) {
            continue;
        }
        let lines: &[String] = if owner.is_some_and(|o| o.name == agent.name) { &[] } else { &lines };
        relay(sheet, Shown { case, known, entry, link, warnings, lines }, agent, purpose);
    }
}

/// Relays an entry to one agent.
pub fn relay(sheet: &mut Sheet<'_>, shows: Shown<'_>, agent: &Agent, purpose: Purpose) {
    let policy = sheet.policy;
    let Shown { case, known, entry, link, .. } = shows;
    let Some(mailbox) = mailbox_of(policy, case) else {
        return;
    };
    let person = NameAddr {
        name: if entry.author_name == entry.author { String::new() } else { entry.author_name.clone() },
        address: Address::parse(&entry.from).unwrap_or_else(|| case.customer.address.clone()),
    };
    let tokened = relay_address(policy, mailbox, case, agent);
    let values = relay_values(mailbox, shows, agent, &tokened);
    sheet.to_agent(
        mailbox,
        ToAgent {
            case,
            earlier: earlier(known, &agent.name),
            agent,
            from_name: via(&person, mailbox),
            written: policy.letters.write(Letter::Relay, &values),
            parts: entry.parts.clone(),
            purpose,
            entry: link,
        },
    );
}

/// The agent's own reply address in this case.
#[must_use]
pub fn relay_address(policy: &Policy, mailbox: &Mailbox, case: &Case, agent: &Agent) -> String {
    let token = Token { class: Class::Agent, case: case.key, party: PartyId::of_agent(&agent.name) };
    reply_address(&policy.keys, mailbox, token.renewed(case.generation)).to_string()
}

fn relay_values(mailbox: &Mailbox, shows: Shown<'_>, agent: &Agent, tokened: &str) -> Value {
    let Shown { case, known, entry, warnings, lines, .. } = shows;
    let does = if entry.standing.may().is_answered {
        let parties = known.map_or(&[][..], |k| k.parties.as_slice());
        format!(
            "Your reply goes to {} as \"{} at {}\", case #{}",
            recipients::of_answer(case, parties, Some(entry)).words(),
            agent.public_name,
            mailbox.display_name,
            case.reference
        )
    } else {
        format!("Your reply is held: nobody knows yet whether {} belongs to case #{}", entry.from, case.reference)
    };
    let attachments: Vec<String> =
        entry.parts.iter().filter(|p| !p.inline).map(|p| format!("{} ({} octets)", p.name, p.size_bytes)).collect();
    let subject = thread::relay_subject(case, true);
    context! {
        does, lines, warnings, tokened, attachments,
        reference => case.reference,
        context => case.context.iter().map(|(label, value)| context! { label, value }).collect::<Vec<_>>(),
        words => entry.text.trim_end(),
        words_html => html_of(entry),
        subject_encoded => percent_encoded(&subject),
        facts => facts(case, entry, mailbox),
        history => history(known, &mailbox.time_zone),
    }
}

fn facts(case: &Case, entry: &Entry, mailbox: &Mailbox) -> Vec<Value> {
    let fact = |label: &str, value: String| context! { label, value };
    let mut facts = vec![
        fact("Customer", format!("{} <{}>", shown(&case.customer), case.customer.address)),
        fact(
            "Case",
            format!(
                "#{} {}, {}, opened {}",
                case.reference,
                case.subject,
                case.status.word(),
                when(case.opened_ms, &mailbox.time_zone)
            ),
        ),
        fact("Owner", case.owner.clone().unwrap_or_else(|| "nobody; the first to answer owns it".to_owned())),
        fact("Author", format!("{} <{}>, {}", entry.author_name, entry.from, entry.standing.word())),
    ];
    if base_subject(&entry.subject) != base_subject(&case.subject) {
        facts.push(fact("Subject of this mail", entry.subject.clone()));
    }
    if !entry.cc.is_empty() {
        facts.push(fact("Copy went to", entry.cc.join(", ")));
    }
    facts
}

fn history(known: Option<&CaseView>, zone: &TimeZone) -> Vec<Value> {
    let Some(known) = known else {
        return Vec::new();
    };
    known
        .entries
        .iter()
        .rev()
        .filter(|(_, e)| !e.silent && (e.standing != Standing::System || notified::is_applications(e)))
        .take(HISTORY_ENTRIES)
        .map(|(_, e)| {
            let text: String = e.text.trim().chars().take(HISTORY_CHARS).collect();
            let note = if e.direction == Direction::Note { " (note)" } else { "" };
            context! { at => when(e.at_ms, zone), who => format!("{}{note}", e.author_name), text }
        })
        .collect()
}

/// A time as people read it, in the mailbox's zone.
#[must_use]
pub fn when(at_ms: i64, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|t| t.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string())
        .unwrap_or_default()
}

/// RFC 3986 section 2.1, for `mailto:` (RFC 6068).
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
