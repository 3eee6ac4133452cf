//! The leak guard: the last look at a mail before it may leave to a customer.
//!
//! Decides   whether a draft holds anything internal (R46): agents' private addresses, tokens of agents, the
//!           marker, words of notes or of other parties, fields that are not on the list.
//! Never     mends: what fails is held and the agent is asked. It looks at decoded text, at HTML as it stands,
//!           as text and with percent escapes undone, and into attached messages.

use crate::mail::render::Draft;
use crate::mail::reply::is_marker;
use crate::mail::reply::known::Shingles;
use crate::mail::text::fold;
use crate::mail::{Attachment, html};

use super::case::{Direction, Entry};
use super::policy::Policy;
use super::token::{Class, Found, PartyId, Place, TOKEN_LENGTH};

/// Fields beside those that lettre writes from a draft's own members.
const FIELDS: [&str; 5] =
    ["X-Yesreply-Case", "Auto-Submitted", "X-Auto-Response-Suppress", "Thread-Topic", "Thread-Index"];

/// A line of this many characters is no coincidence.
const LINE_LENGTH_MIN: usize = 24;

/// Octets of an attachment that are looked at.
const ATTACHMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a draft to a customer must not hold.
#[derive(Debug)]
pub struct Guard<'a> {
    /// The settings: agents' addresses and keys.
    pub policy: &'a Policy,
    /// The case's entries.
    pub entries: &'a [(i64, Entry)],
    /// Who gets it.
    pub recipient: PartyId,
}

impl Guard<'_> {
    /// Everything internal that was found, in words; empty if the draft may leave.
    #[must_use]
    pub fn findings(&self, draft: &Draft, attachments: &[Attachment]) -> Vec<String> {
        let mut findings = Vec::new();
        for (name, _) in &draft.headers {
            if !FIELDS.contains(name) {
                findings.push(format!("the field {name}, which customers never get"));
            }
        }
        let names: Vec<&str> = draft.parts.iter().map(|p| p.name.as_str()).collect();
        let shown = html::to_text(&draft.html);
        let layers = [
            draft.subject.clone(),
            names.join("\n"),
            draft.text.clone(),
            percent_decoded(&draft.text),
            draft.html.clone(),
            percent_decoded(&draft.html),
            shown.clone(),
        ];
        for layer in &layers {
            self.internal(layer, &mut findings);
        }
        for words in [&draft.text, &shown] {
            self.others_words(words, &mut findings);
        }
        if self.quotes_what_others_got(&draft.text) {
            findings.push("quoted lines that this customer has neither written nor received".to_owned());
        }
        self.files(attachments, &mut findings);
        findings.sort();
        findings.dedup();
        findings
    }

    /// What of the files must not leave.
    pub fn files(&self, attachments: &[Attachment], findings: &mut Vec<String>) {
        for attachment in attachments {
            if self.holds_address(&attachment.content) {
                findings.push(format!("the private address of an agent in the attachment {}", attachment.name));
            }
            let readable = attachment.media_type.starts_with("text/") || attachment.media_type.starts_with("message/");
            if readable || attachment.name.to_lowercase().ends_with(".eml") {
                let content = attachment.content.get(..ATTACHMENT_BYTES_MAX).unwrap_or(&attachment.content);
                let before = findings.len();
                self.internal(&String::from_utf8_lossy(content), findings);
                if findings.len() > before {
                    findings.push(format!("the attachment {}", attachment.name));
                }
            }
        }
    }

    fn internal(&self, layer: &str, findings: &mut Vec<String>) {
        let lower = layer.to_lowercase();
        for agent in self.policy.agents.values() {
            if agent.addresses.iter().any(|a| lower.contains(&a.key())) {
                findings.push(format!("the private address of {}", agent.name));
            }
        }
        if layer.lines().any(is_marker) {
            findings.push("the line that marks what agents alone see".to_owned());
        }
        if self.holds_token(&lower) {
            findings.push("an agent's reply address".to_owned());
        }
    }

    fn holds_token(&self, lower: &str) -> bool {
        lower
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|run| run.len() >= TOKEN_LENGTH)
            .flat_map(|run| run.as_bytes().windows(TOKEN_LENGTH))
            .filter(|window| matches!(window.first(), Some(b'a' | b'b')))
            .filter_map(|window| std::str::from_utf8(window).ok())
            .any(|text| {
                [Place::Address, Place::MessageId].into_iter().any(|place| {
                    matches!(
                        self.policy.keys.read(place, text),
                        Some(Found::Good(token)) if matches!(token.class, Class::Agent | Class::Bounce)
                    )
                })
            })
    }

    /// Any registered address in the bytes of a file, as ASCII or as UTF-16.
    fn holds_address(&self, content: &[u8]) -> bool {
        let narrow = content.to_ascii_lowercase();
        let wide: Vec<u8> = narrow.iter().copied().filter(|b| *b != 0).collect();
        let holds = |bytes: &[u8], needle: &str| {
            let needle = needle.as_bytes();
            !needle.is_empty() && bytes.windows(needle.len()).any(|w| w == needle)
        };
        self.policy
            .agents
            .values()
            .flat_map(|agent| &agent.addresses)
            .map(|a| a.key().to_ascii_lowercase())
            .any(|key| holds(&narrow, &key) || (wide.len() != narrow.len() && holds(&wide, &key)))
    }

    /// A quoted line survives only if this very recipient wrote it or has received it (R43).
    fn quotes_what_others_got(&self, words: &str) -> bool {
        let quoted: Vec<&str> = words.lines().filter_map(|l| l.trim_start().strip_prefix('>')).collect();
        if quoted.is_empty() {
            return false;
        }
        let theirs: Vec<&str> = self
            .entries
            .iter()
            .map(|(_, e)| e)
            .filter(|e| e.party == self.recipient && e.direction != Direction::Note)
            .flat_map(|e| [e.text.as_str(), e.body.as_str()])
            .collect();
        let known = Shingles::of(&theirs);
        quoted.iter().any(|line| line.chars().any(char::is_alphanumeric) && !known.holds(line))
    }

    /// Lines of notes, and of mail from other parties than the recipient.
    fn others_words(&self, words: &str, findings: &mut Vec<String>) {
        let folded = fold(words).to_lowercase();
        for (_, entry) in self.entries {
            let internal = entry.direction == Direction::Note && !entry.silent;
            let foreign = entry.direction == Direction::Inbound && entry.party != self.recipient;
            if !internal && !foreign {
                continue;
            }
            let hit = entry
                .text
                .lines()
                .map(|l| fold(l).to_lowercase())
                .any(|l| l.chars().count() >= LINE_LENGTH_MIN && folded.contains(&l));
            if hit {
                let whose = if internal { "an internal note" } else { "another person's mail" };
                findings.push(format!("words of {whose} ({})", entry.author_name));
            }
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
