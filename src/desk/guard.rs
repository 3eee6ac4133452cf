//! The leak guard: the last look at a mail before it may leave to a customer.
//!
//! Decides   whether a finished mail holds anything internal (R46): an agent's private address, a token of an agent, the
//!           marker, words that only agents have seen, words of other parties, a field that is not on the list, a quoted
//!           line that this customer neither wrote nor received, a file of a note.
//! Never     mends: what fails is held and the agent is asked. It reads the mail as it would leave, in all its layers
//!           (`mail/layers.rs`), so that no encoding, markup or look-alike hides anything; what it cannot read it holds.

use aho_corasick::AhoCorasick;

use crate::mail::layers::{Kind, Layer, as_seen, exposed};
use crate::mail::render::{Draft, render};
use crate::mail::reply::is_marker;
use crate::mail::reply::known::Shingles;
use crate::mail::runs::Runs;
use crate::mail::text::fold;
use crate::mail::{Address, Attachment};

use super::case::{Direction, Entry};
use super::policy::{Agent, Policy};
use super::token::{Class, Found, PartyId, Place, TOKEN_LENGTH};

/// All fields that a customer's mail may have, lower case.
const FIELDS: [&str; 17] = [
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "x-yesreply-case",
    "auto-submitted",
    "x-auto-response-suppress",
    "thread-topic",
    "thread-index",
];

/// Characters before an `@` that are looked at: a local part has at most 64.
const LOCAL_CHARS_MAX: usize = 80;

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
        #[cfg(feature = "failpoints")]
        if self.policy.guard_is_open {
            return Vec::new();
        }
        let rendered = match render(draft) {
            Ok(rendered) => rendered.bytes,
            Err(reason) => return vec![reason],
        };
        let exposed = exposed(&rendered, attachments);
        let mut findings = Vec::new();
        if exposed.unseen || !all_are_there(draft, attachments) {
            findings.push("more, or more deeply nested, than can be looked at".to_owned());
        }
        // an agent who writes as a customer is one (R23): their own address is no secret to them alone
        let alone = match (draft.to.as_slice(), draft.cc.as_slice()) {
            ([person], []) => Some(&person.address),
            _ => None,
        };
        let addresses = PrivateAddresses::of(self.policy, alone);
        for layer in &exposed.layers {
            for finding in self.internal(layer, &addresses) {
                let place = if layer.file.is_empty() { String::new() } else { format!(" in the file {}", layer.file) };
                findings.push(format!("{finding}{place}"));
            }
        }
        self.words(draft, &exposed.layers, &mut findings);
        if self.parts_of_notes(draft) {
            findings.push("a file of an internal note".to_owned());
        }
        findings.sort();
        findings.dedup();
        findings
    }

    fn internal(&self, layer: &Layer, addresses: &PrivateAddresses<'_>) -> Vec<String> {
        let mut findings = Vec::new();
        if layer.kind == Kind::FieldName && !FIELDS.contains(&layer.text.to_ascii_lowercase().as_str()) {
            findings.push(format!("the field {}, which customers never get", layer.text));
        }
        let seen = if layer.kind == Kind::Octets { layer.text.to_ascii_lowercase() } else { as_seen(&layer.text) };
        findings.extend(addresses.in_text(&seen).iter().map(|agent| format!("the private address of {}", agent.name)));
        let wrapped = || fold(&seen.replace(['\n', '>'], " "));
        if seen.lines().any(is_marker) || (layer.kind != Kind::Octets && is_marker(&wrapped())) {
            findings.push("the line that marks what agents alone see".to_owned());
        }
        let glued = || seen.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        if self.holds_token(&seen) || (layer.kind == Kind::Words && self.holds_token(&glued())) {
            findings.push("an agent's reply address".to_owned());
        }
        findings
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

    /// Notes, what only relays held, other parties' mail; and quotes of what this recipient does not know.
    /// Fields hold none of it: their words are the desk's, and the subject is what a customer wrote (R45).
    fn words(&self, draft: &Draft, layers: &[Layer], findings: &mut Vec<String>) {
        let entries = || self.entries.iter().map(|(_, e)| e);
        let theirs = |e: &&Entry| e.party == self.recipient && e.direction != Direction::Note;
        let shared: Vec<&str> = entries().filter(theirs).flat_map(|e| [e.text.as_str(), e.body.as_str()]).collect();
        let names: Vec<String> = draft.to.iter().map(|to| format!("{} {}", to.name, to.address)).collect();
        let subjects = entries().filter(theirs).map(|e| e.subject.as_str()).chain(names.iter().map(String::as_str));
        let known = Runs::of(shared.iter().copied().chain(subjects));
        let leaving = layers.iter().filter(|l| matches!(l.kind, Kind::Words | Kind::Source));
        let leaving = Runs::of(leaving.map(|l| l.text.as_str()));
        for entry in entries() {
            let internal = entry.direction == Direction::Note && !entry.silent;
            let foreign = entry.direction == Direction::Inbound && entry.party != self.recipient;
            if (internal || foreign) && leaving.hold_a_line_of(&entry.text, &known) {
                let whose = if internal { "an internal note" } else { "another person's mail" };
                findings.push(format!("words of {whose} ({})", entry.author_name));
            }
            if leaving.hold_a_line_of(&entry.relay_text, &known) {
                findings.push("words that only agents have seen".to_owned());
            }
        }
        let quotable = Shingles::of(&shared);
        let own = layers.iter().filter(|l| l.kind == Kind::Words && l.file.is_empty());
        let quoted = own.flat_map(|l| l.text.lines()).filter_map(|l| l.trim_start().strip_prefix('>'));
        if quoted.filter(|l| l.chars().any(char::is_alphanumeric)).any(|l| !quotable.holds(l)) {
            findings.push("quoted lines that this customer has neither written nor received".to_owned());
        }
    }

    fn parts_of_notes(&self, draft: &Draft) -> bool {
        let blobs = |note: bool| {
            let entries = self.entries.iter().map(|(_, e)| e);
            entries
                .filter(move |e| (e.direction == Direction::Note && !e.silent) == note)
                .flat_map(|e| e.parts.iter().map(|p| &p.blob))
        };
        draft.parts.iter().any(|p| blobs(true).any(|b| *b == p.blob) && !blobs(false).any(|b| *b == p.blob))
    }
}

/// Are the files here to be looked at, as large as those that leave?
fn all_are_there(draft: &Draft, attachments: &[Attachment]) -> bool {
    let sizes = attachments.iter().map(|a| u64::try_from(a.content.len()).unwrap_or_default());
    let leaving = draft.parts.iter().map(|p| p.size_bytes);
    leaving.fold(0, u64::saturating_add) <= sizes.fold(0, u64::saturating_add)
}

/// Agents' registered addresses, found in one pass.
struct PrivateAddresses<'a> {
    /// `@domain`, and who has which local part there.
    domains: Vec<(String, Vec<(String, &'a Agent)>)>,
    search: Option<AhoCorasick>,
}

impl<'a> PrivateAddresses<'a> {
    /// All but the address of whoever gets it alone.
    fn of(policy: &'a Policy, alone: Option<&Address>) -> Self {
        let mut domains: Vec<(String, Vec<(String, &Agent)>)> = Vec::new();
        for agent in policy.agents.values() {
            for address in agent.addresses.iter().filter(|a| Some(*a) != alone) {
                let (readable, _) = idna::domain_to_unicode(address.domain());
                for domain in [address.domain(), &readable] {
                    let domain = format!("@{}", as_seen(domain));
                    let local = (as_seen(address.local()), agent);
                    match domains.iter_mut().find(|(known, _)| *known == domain) {
                        Some((_, locals)) => locals.push(local),
                        None => domains.push((domain, vec![local])),
                    }
                }
            }
        }
        let search = AhoCorasick::new(domains.iter().map(|(domain, _)| domain)).ok();
        PrivateAddresses { domains, search }
    }

    /// The agents whose address stands in the text, with a sub-address or without.
    fn in_text(&self, seen: &str) -> Vec<&'a Agent> {
        let mut found: Vec<&Agent> = Vec::new();
        for hit in self.search.iter().flat_map(|search| search.find_overlapping_iter(seen)) {
            let Some((_, locals)) = self.domains.get(hit.pattern().as_usize()) else {
                continue;
            };
            let after = seen.get(hit.end()..).unwrap_or_default();
            let longer =
                after.strip_prefix('.').unwrap_or(after).starts_with(|c: char| c.is_alphanumeric() || c == '-');
            let before = seen.get(..hit.start()).unwrap_or_default();
            let local: String = before
                .chars()
                .rev()
                .take(LOCAL_CHARS_MAX)
                .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
                .collect();
            let local: String = local.chars().rev().collect();
            let local = local.trim_start_matches(['.', '-', '_', '+']);
            let plain = local.split('+').next().unwrap_or_default();
            for (private, agent) in locals.iter().filter(|_| !longer) {
                if (private == local || private == plain) && !found.iter().any(|a| a.name == agent.name) {
                    found.push(agent);
                }
            }
        }
        found
    }
}
