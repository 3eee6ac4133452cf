//! The sheet on which a decision is written, and the drafts of all mail that leaves.
//!
//! Decides   From, To, Reply-To, reverse-path, ids and the allow-listed fields of every mail (R2, R3, R5, R6, R52).
//! Follows   RFC 3834 section 3 (automatic mail), MS-OXCMAIL 2.1.3.2.20 (X-Auto-Response-Suppress).
//! Never     takes a header from an incoming mail, and never writes to an address of our own.

use crate::mail::render::{Draft, Part};
use crate::mail::{Address, MessageId, NameAddr};

use super::case::{Case, Entry, Status};
use super::letters::Written;
use super::policy::{Agent, Mailbox, Policy, RelayFrom, ReversePath};
use super::recipients::Recipients;
use super::routing::is_our_own;
use super::thread;
use super::token::{CaseKey, Class, PartyId, Token, message_id, reply_address, stable_id};
use super::{CaseView, Decision, Dispatch, Effect, EntryLink, Event, LogLine, Outcome, Purpose};

/// A decision while it is being written.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// The event.
    pub event: &'a Event,
    /// The settings.
    pub policy: &'a Policy,
    effects: Vec<Effect>,
    mails: usize,
}

/// A mail to a customer, but for its address and thread.
#[derive(Debug)]
pub struct ToCustomer<'a> {
    /// The case.
    pub case: &'a Case,
    /// Who gets it; all copies show the same To and Cc (R2).
    pub recipients: Recipients,
    /// Name before the address in From.
    pub from_name: String,
    /// Subject.
    pub subject: String,
    /// The mail that this one answers.
    pub parent: Option<&'a Entry>,
    /// It stands in the parent's topic: Thread-Topic and Thread-Index are theirs, where they sent them.
    pub in_topic: bool,
    /// The words.
    pub written: Written,
    /// Attachments.
    pub parts: Vec<Part>,
    /// Answer or acknowledgement.
    pub purpose: Purpose,
    /// Caused by a mail that did not pass (R51).
    pub unauthenticated: bool,
    /// It does not leave before, milliseconds; 0: at once.
    pub not_before_ms: i64,
}

/// A mail to an agent.
#[derive(Debug)]
pub struct ToAgent<'a> {
    /// The case, with what this agent got of it before.
    pub case: &'a Case,
    /// Ids of what this agent got before, oldest first.
    pub earlier: &'a [MessageId],
    /// The agent.
    pub agent: &'a Agent,
    /// Name before the address in From.
    pub from_name: String,
    /// The words.
    pub written: Written,
    /// Attachments.
    pub parts: Vec<Part>,
    /// Relay or notice.
    pub purpose: Purpose,
    /// The entry it shows.
    pub entry: EntryLink,
}

/// A mail to an agent that belongs to no case.
#[derive(Debug)]
pub struct Outside {
    /// Subject.
    pub subject: String,
    /// The words.
    pub written: Written,
    /// It bears the agent's door (R23): a reply address that names the agent and no case.
    pub door: bool,
}

impl<'a> Sheet<'a> {
    /// An empty sheet.
    #[must_use]
    pub fn new(event: &'a Event, policy: &'a Policy) -> Self {
        Sheet { event, policy, effects: Vec::new(), mails: 0 }
    }

    /// Adds an effect.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Adds effects that may be none.
    pub fn extend(&mut self, effects: impl IntoIterator<Item = Effect>) {
        self.effects.extend(effects);
    }

    /// Adds an entry.
    pub fn append(&mut self, case: CaseKey, entry: Entry) {
        self.push(Effect::Append(case, Box::new(entry)));
    }

    /// Adds a line to the log of the case.
    pub fn log(&mut self, case: CaseKey, kind: &'static str, by: &str, rule: &'static str, detail: &str) {
        let line = LogLine { kind, by: by.to_owned(), rule, detail: detail.to_owned() };
        self.push(Effect::Log(case, line));
    }

    /// Sets the status if it changes, with a line in the log.
    pub fn set_status(&mut self, case: &Case, status: Status, by: &str, rule: &'static str) {
        if case.status != status {
            self.push(Effect::SetStatus(case.key, status));
            self.log(case.key, "status", by, rule, &format!("{} → {}", case.status.word(), status.word()));
        }
    }

    /// What stands on it.
    #[must_use]
    pub fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    /// The decision.
    #[must_use]
    pub fn done(self, outcome: Outcome, rule: &'static str, because: &str, case: Option<CaseKey>) -> Decision {
        Decision { outcome, rule, because: because.to_owned(), case, effects: self.effects }
    }

    /// The mail as it would leave, for the leak guard.
    pub fn customer_draft(&mut self, mailbox: &Mailbox, mail: &ToCustomer<'_>) -> Option<Draft> {
        if mail.recipients.all().any(|p| is_our_own(self.policy, &p.address)) {
            return None;
        }
        let keys = &self.policy.keys;
        let side =
            Token { class: Class::Customer, case: mail.case.key, party: PartyId::NOBODY }.renewed(mail.case.generation);
        let id = message_id(keys, mailbox, side, &keys.unique(&self.event.id, self.mails));
        let stable = stable_id(keys, mailbox, side);
        let mut headers = vec![("X-Yesreply-Case", stable.as_str().to_owned())];
        if mail.purpose == Purpose::Acknowledgement {
            headers.push(("Auto-Submitted", "auto-replied".to_owned()));
            headers.push(("X-Auto-Response-Suppress", "All".to_owned()));
        }
        if let Some(parent) = mail.parent.filter(|_| mail.in_topic) {
            if let Some(topic) = &parent.thread_topic {
                headers.push(("Thread-Topic", topic.clone()));
            }
            if let Some(index) = thread::answer_index(parent.thread_index.as_deref(), self.event.at_ms) {
                headers.push(("Thread-Index", index));
            }
        }
        Some(Draft {
            from: NameAddr::new(&mail.from_name, mailbox.address.clone()),
            to: vec![mail.recipients.to.clone()],
            cc: mail.recipients.cc.clone(),
            reply_to: None,
            subject: mail.subject.clone(),
            message_id: id,
            in_reply_to: mail.parent.and_then(|p| p.message_id.clone()),
            references: thread::answer_references(stable, mail.parent),
            date_ms: self.event.at_ms,
            headers,
            text: mail.written.text.clone(),
            html: mail.written.html.clone(),
            parts: mail.parts.clone(),
        })
    }

    /// Puts a checked draft into the outbox: one row for each recipient, with a reply address of their own.
    pub fn send_to_customer(&mut self, mailbox: &Mailbox, mail: &ToCustomer<'_>, draft: &Draft) {
        let automatic = mail.purpose == Purpose::Acknowledgement;
        let case = mail.case;
        for person in mail.recipients.all() {
            let party = PartyId::of_party(case.key, &person.address);
            let token = Token { class: Class::Customer, case: case.key, party }.renewed(case.generation);
            let reply_to = reply_address(&self.policy.keys, mailbox, token);
            let bounce = PartyId::of_delivery(&draft.message_id, &person.address);
            self.send(Dispatch {
                case: Some(case.key),
                mailbox: mailbox.name.clone(),
                purpose: mail.purpose,
                recipient: person.address.clone(),
                agent: None,
                reverse_path: self.reverse_path(mailbox, case.key, bounce, automatic),
                bounce,
                entry: EntryLink::Appended,
                unauthenticated: mail.unauthenticated,
                not_before_ms: mail.not_before_ms,
                draft: Draft { reply_to: Some(NameAddr::new(&mailbox.display_name, reply_to)), ..draft.clone() },
            });
        }
    }

    /// Sends a mail to an agent: to that agent alone, no Cc, nobody else's address in any field (R2).
    pub fn to_agent(&mut self, mailbox: &Mailbox, mail: ToAgent<'_>) {
        let keys = &self.policy.keys;
        let Some(address) = mail.agent.addresses.first() else {
            return;
        };
        let side = Token { class: Class::Agent, case: mail.case.key, party: PartyId::NOBODY };
        let token = Token { party: PartyId::of_agent(&mail.agent.name), ..side }.renewed(mail.case.generation);
        let stable = stable_id(keys, mailbox, side.renewed(mail.case.generation));
        let subject = thread::relay_subject(mail.case, mail.earlier.is_empty());
        let tokened = reply_address(keys, mailbox, token);
        let from = match mailbox.relay_from {
            RelayFrom::Mailbox => mailbox.address.clone(),
            RelayFrom::Token => tokened.clone(),
        };
        let mut headers = vec![
            ("X-Yesreply-Case", stable.as_str().to_owned()),
            ("X-Auto-Response-Suppress", "DR, RN, NRN".to_owned()),
            ("x-ms-reactions", "disallow".to_owned()),
            ("Thread-Topic", thread::relay_subject(mail.case, true)),
            ("Thread-Index", thread::relay_index(mail.case, mail.earlier.len(), self.event.at_ms)),
        ];
        if mail.purpose == Purpose::Notice {
            headers.push(("Auto-Submitted", "auto-generated".to_owned()));
        }
        let id = message_id(keys, mailbox, token, &keys.unique(&self.event.id, self.mails));
        let bounce = PartyId::of_delivery(&id, address);
        let draft = Draft {
            from: NameAddr::new(&mail.from_name, from),
            to: vec![NameAddr::new(&mail.agent.display_name, address.clone())],
            cc: Vec::new(),
            reply_to: Some(NameAddr::new(&mail.from_name, tokened)),
            subject,
            message_id: id,
            in_reply_to: mail.earlier.last().cloned(),
            references: thread::relay_references(stable, mail.earlier),
            date_ms: self.event.at_ms,
            headers,
            text: mail.written.text,
            html: mail.written.html,
            parts: mail.parts,
        };
        let automatic = mail.purpose == Purpose::Notice;
        self.send(Dispatch {
            case: Some(mail.case.key),
            mailbox: mailbox.name.clone(),
            purpose: mail.purpose,
            recipient: address.clone(),
            agent: Some(mail.agent.name.clone()),
            reverse_path: self.reverse_path(mailbox, mail.case.key, bounce, automatic),
            bounce,
            entry: mail.entry,
            unauthenticated: false,
            not_before_ms: 0,
            draft,
        });
    }

    /// Sends a mail to an agent that belongs to no case.
    pub fn to_agent_outside(&mut self, mailbox: &Mailbox, agent: &Agent, mail: Outside) {
        let keys = &self.policy.keys;
        let Some(address) = agent.addresses.first() else {
            return;
        };
        let unique = keys.unique(&format!("{}/{}", self.event.id, agent.name), self.mails);
        let door = Token::door(&agent.name);
        let (id, reply_to) = if mail.door {
            let tokened = NameAddr::new(&mailbox.display_name, reply_address(keys, mailbox, door));
            (message_id(keys, mailbox, door, &unique), Some(tokened))
        } else {
            (MessageId::from_parts(&format!("notice.{unique}"), mailbox.address.domain()), None)
        };
        self.send(Dispatch {
            case: None,
            mailbox: mailbox.name.clone(),
            purpose: Purpose::Notice,
            recipient: address.clone(),
            agent: Some(agent.name.clone()),
            reverse_path: (!mailbox.null_reverse_path).then(|| mailbox.address.clone()),
            bounce: PartyId::of_delivery(&id, address),
            entry: EntryLink::Nothing,
            unauthenticated: false,
            not_before_ms: 0,
            draft: Draft {
                from: NameAddr::new(&mailbox.display_name, mailbox.address.clone()),
                to: vec![NameAddr::new(&agent.display_name, address.clone())],
                cc: Vec::new(),
                reply_to,
                subject: mail.subject,
                message_id: id,
                in_reply_to: None,
                references: Vec::new(),
                date_ms: self.event.at_ms,
                headers: vec![
                    ("Auto-Submitted", "auto-generated".to_owned()),
                    ("X-Auto-Response-Suppress", "All".to_owned()),
                ],
                text: mail.written.text,
                html: mail.written.html,
                parts: Vec::new(),
            },
        });
    }

    /// Puts a dispatch on the sheet.
    pub fn send(&mut self, dispatch: Dispatch) {
        self.mails = self.mails.saturating_add(1);
        self.push(Effect::Send(Box::new(dispatch)));
    }

    /// R5, R52: the bounce token; the plain address where the provider refuses it; `<>` only for automatic
    /// mail, where both settings say so.
    pub(super) fn reverse_path(
        &self,
        mailbox: &Mailbox,
        case: CaseKey,
        bounce: PartyId,
        automatic: bool,
    ) -> Option<Address> {
        match mailbox.reverse_path {
            ReversePath::Token => {
                let token = Token { class: Class::Bounce, case, party: bounce };
                Some(reply_address(&self.policy.keys, mailbox, token))
            }
            ReversePath::Address if automatic && mailbox.null_reverse_path => None,
            ReversePath::Address => Some(mailbox.address.clone()),
        }
    }
}

/// The mailbox of a case; `None` if it is no longer in the config.
#[must_use]
pub fn mailbox_of<'a>(policy: &'a Policy, case: &Case) -> Option<&'a Mailbox> {
    policy.mailboxes.get(&case.mailbox)
}

/// Whose a case is; an owner who does not work the mailbox, or is no longer in the config, counts as none (R90).
#[must_use]
pub fn owner_of<'a>(policy: &'a Policy, case: &Case) -> Option<&'a Agent> {
    agents_of(policy, &case.mailbox).into_iter().find(|a| case.owner.as_ref() == Some(&a.name))
}

/// Mailboxes that nobody works (R90).
#[must_use]
pub fn unstaffed(policy: &Policy) -> Vec<&str> {
    policy.mailboxes.keys().map(String::as_str).filter(|mailbox| agents_of(policy, mailbox).is_empty()).collect()
}

/// The agents who work a mailbox.
#[must_use]
pub fn agents_of<'a>(policy: &'a Policy, mailbox: &str) -> Vec<&'a Agent> {
    policy.agents.values().filter(|a| a.mailboxes.is_empty() || a.mailboxes.iter().any(|m| m == mailbox)).collect()
}

/// What this agent got of the case before.
#[must_use]
pub fn earlier<'a>(case: Option<&'a CaseView>, agent: &str) -> &'a [MessageId] {
    case.and_then(|c| c.agent_mail.get(agent)).map_or(&[], Vec::as_slice)
}

/// `Jane Doe via Shop Support`; the local part where there is no name.
#[must_use]
pub fn via(person: &NameAddr, mailbox: &Mailbox) -> String {
    format!("{} via {}", shown(person), mailbox.display_name)
}

/// The name of a person, or the local part of their address. A name that looks like an address is none (T13).
#[must_use]
pub fn shown(person: &NameAddr) -> String {
    if person.name.is_empty() || person.name.contains('@') {
        person.address.local().to_owned()
    } else {
        person.name.clone()
    }
}
