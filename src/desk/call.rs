//! What an application is told: what a customer chose, that they want no more mail, that mail to them comes back.
//!
//! Decides   what follows when the application took it, and when it did not.
//! Follows   R64, R72.
//! Never     touches the network: a call is a row, made by `call/` as often as it takes, under one id.

use minijinja::context;

use crate::mail::{Address, MessageId, NameAddr};

use super::case::{Direction, Entry, Party, Status, party_of};
use super::customer::{outbound, waited_for};
use super::letters::{Letter, Written};
use super::outgoing::{Sheet, ToCustomer, mailbox_of};
use super::policy::{Audience, Policy};
use super::recipients::Recipients;
use super::relay::relay_to_audience;
use super::standing::Standing;
use super::submission::Notification;
use super::token::CaseKey;
use super::{CaseView, Decision, Effect, EntryLink, Event, Outcome, Purpose, View, thread};

/// How long a call is tried that no customer waits for, milliseconds.
const REPORT_MS: i64 = 3 * 24 * 3_600_000;

/// What an application can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A customer chose one of the words that it offered.
    Action,
    /// A customer wants no more such mail.
    Unsubscribed,
    /// Nothing is sent to an address any more (R64).
    Suppressed,
    /// A customer's provider passed on a complaint (RFC 5965).
    Complaint,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Action, Kind::Unsubscribed, Kind::Suppressed, Kind::Complaint];

    /// The word in the store, in the config and in the event's `type`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Action => "action",
            Kind::Unsubscribed => "unsubscribed",
            Kind::Suppressed => "suppressed",
            Kind::Complaint => "complaint",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// How an application, or its owner, hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By its webhook or command.
    Called,
    /// By a mail to its owner.
    Mailed,
    /// It only stands in the list.
    Noted,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The same at every attempt.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// How it is told.
    pub way: Way,
    /// Short name.
    pub application: String,
    /// Short name of the mailbox.
    pub mailbox: String,
    /// Key of the notification.
    pub notification: CaseKey,
    /// Its case, with its number.
    pub case: Option<(CaseKey, i64)>,
    /// When, milliseconds.
    pub at_ms: i64,
    /// What is not taken by then is given up, milliseconds.
    pub until_ms: i64,
    /// Who got the notification.
    pub recipient: Address,
    /// Message-ID of the notification, as it left.
    pub message_id: MessageId,
    /// Its subject.
    pub subject: String,
    /// What the application said of it.
    pub context: Vec<(String, String)>,
    /// The word of an action.
    pub word: String,
    /// What it stands for.
    pub label: String,
    /// What the customer wrote beside it, or what the remote server said.
    pub text: String,
    /// Enhanced status, of a suppression.
    pub status: String,
}

impl Call {
    /// A call about a notification, but for what it is about.
    #[must_use]
    pub fn about(event: &Event, policy: &Policy, notification: &Notification, kind: Kind) -> Self {
        let application = policy.applications.get(&notification.application);
        let waits = matches!(kind, Kind::Action | Kind::Unsubscribed);
        let lasts = application.filter(|_| waits).map_or(REPORT_MS, |a| a.actions_ms);
        let takes = application.is_some_and(|a| a.takes.contains(&kind));
        Call {
            id: format!("evt_{}", policy.keys.unique(&event.id, CALL_INDEX)),
            kind,
            way: if takes { Way::Called } else { Way::Noted },
            application: notification.application.clone(),
            mailbox: notification.mailbox.clone(),
            notification: notification.case,
            case: None,
            at_ms: event.at_ms,
            until_ms: event.at_ms.saturating_add(lasts),
            recipient: notification.recipient.address.clone(),
            message_id: notification.message_id.clone(),
            subject: notification.subject.clone(),
            context: notification.context.clone(),
            word: String::new(),
            label: String::new(),
            text: String::new(),
            status: String::new(),
        }
    }
}

/// An event makes one call at most; its id is none of those that mails are named by.
const CALL_INDEX: usize = usize::MAX;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The application took it.
    Taken {
        /// What the customer is to read; empty: the application said nothing.
        answer: String,
    },
    /// It did not within its time, or said that it will not.
    NotTaken {
        /// In words.
        reason: String,
    },
    /// An operator took it out of the queue.
    Cancelled,
}

impl Ending {
    /// The word in the store.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Taken { .. } => "taken",
            Ending::NotTaken { .. } => "failed",
            Ending::Cancelled => "cancelled",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Ending::Taken { .. } => "",
            Ending::NotTaken { reason } => reason,
            Ending::Cancelled => "an operator cancelled it",
        }
    }
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Its row.
    pub row: i64,
    /// What it was about.
    pub kind: Kind,
    /// Short name of the application.
    pub application: String,
    /// Its case.
    pub case: Option<CaseKey>,
    /// Who got the notification.
    pub recipient: Address,
    /// The word of an action.
    pub word: String,
    /// What it stands for.
    pub label: String,
    /// How it ended.
    pub ending: Ending,
}

impl Called {
    /// `"cancel" (Cancel the whole order)`, or the wish to get no more mail.
    fn what(&self) -> String {
        shown(self.kind, &self.word, &self.label)
    }
}

/// What a customer chose, for agents.
#[must_use]
pub fn shown(kind: Kind, word: &str, label: &str) -> String {
    match kind {
        Kind::Action => format!("\"{word}\" ({label})"),
        Kind::Unsubscribed => "the wish to get no more such mail".to_owned(),
        Kind::Suppressed | Kind::Complaint => kind.word().to_owned(),
    }
}

/// A call has ended: the customer hears of it, or a person sees it.
#[must_use]
pub fn ended(event: &Event, called: &Called, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    sheet.push(Effect::CallEnded { row: called.row, ending: called.ending.clone() });
    let because = format!("{} of {}: {}", called.kind.word(), called.application, called.ending.word());
    let Some(known) = called.case.and_then(|case| found(view, case)) else {
        return sheet.done(Outcome::Handled, "R64", &because, None);
    };
    match &called.ending {
        Ending::Taken { answer } => taken(&mut sheet, known, called, answer),
        Ending::NotTaken { .. } | Ending::Cancelled => not_taken(&mut sheet, view, known, called),
    }
    sheet.done(Outcome::Handled, "R72", &because, Some(known.case.key))
}

/// The case, or the one that it is part of now (R15).
fn found(view: &View, case: CaseKey) -> Option<&CaseView> {
    let mut known = view.cases.get(&case)?;
    for _ in 0..super::ROUNDS_MAX {
        match known.case.merged_into.and_then(|target| view.cases.get(&target)) {
            Some(target) => known = target,
            None => break,
        }
    }
    Some(known)
}

/// Nobody but the application has it in hand: no agent was told.
fn is_the_applications(known: &CaseView) -> bool {
    known.case.status == Status::Waiting && known.agent_mail.is_empty()
}

fn taken(sheet: &mut Sheet<'_>, known: &CaseView, called: &Called, answer: &str) {
    let letters = &sheet.policy.letters;
    let detail = format!("{} took {}", called.application, called.what());
    sheet.log(known.case.key, "taken", &called.application, "R72", &detail);
    if called.kind == Kind::Action || !answer.is_empty() {
        let desk = mailbox_of(sheet.policy, &known.case).map(|m| m.display_name.clone()).unwrap_or_default();
        let values = context! { answer, desk, label => called.label, word => called.word };
        let written = letters.write_in(language(sheet, known, called), Letter::PassedOn, &values);
        tell(sheet, known, called, written);
    }
    if is_the_applications(known) {
        sheet.set_status(&known.case, Status::Closed, &called.application, "R72");
    }
}

fn not_taken(sheet: &mut Sheet<'_>, view: &View, known: &CaseView, called: &Called) {
    let case = &known.case;
    let reason = called.ending.reason();
    let detail = format!("{} did not take {}: {reason}", called.application, called.what());
    sheet.log(case.key, "not_taken", &called.application, "R72", &detail);
    let nobody_knew = is_the_applications(known);
    let mut shown = case.clone();
    if nobody_knew {
        sheet.set_status(case, waited_for(known), "yesreply", "R72");
        shown.status = waited_for(known);
    }
    if let Some((id, entry)) = chose(known, called) {
        let warning = format!("{detail}. It may be done all the same: look there before you act.");
        relay_to_audience(sheet, view, &shown, Some(known), entry, EntryLink::Stored(*id), &[warning]);
    }
    let settings = &sheet.policy.acknowledge;
    if nobody_knew && settings.enabled && settings.to != Audience::Nobody {
        let desk = mailbox_of(sheet.policy, case).map(|m| m.display_name.clone()).unwrap_or_default();
        let values = context! { reference => case.reference, desk };
        let language = language(sheet, known, called);
        let written = sheet.policy.letters.write_in(language, Letter::AcknowledgeConstant, &values);
        tell(sheet, known, called, written);
    }
}

/// The language of the application's mail; one word alone has none.
fn language<'a>(sheet: &Sheet<'a>, known: &CaseView, called: &Called) -> &'a str {
    let said = known.entries.first().map(|(_, e)| e.text.as_str()).into_iter();
    let words = said.chain(chose(known, called).map(|(_, e)| e.text.as_str()));
    let own = words.filter_map(crate::mail::language::of).next();
    own.unwrap_or_else(|| mailbox_of(sheet.policy, &known.case).map_or("en", |m| m.language.as_str()))
}

/// The last mail of the one who chose.
fn chose<'a>(known: &'a CaseView, called: &Called) -> Option<&'a (i64, Entry)> {
    let theirs = |from: &str| Address::parse(from).is_some_and(|from| from.key() == called.recipient.key());
    known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent && theirs(&e.from))
}

/// An automatic letter to the one who chose, in answer to their mail; one for each notification that the application
/// itself sent, so that it needs no budget.
fn tell(sheet: &mut Sheet<'_>, known: &CaseView, called: &Called, written: Written) {
    let case = &known.case;
    let (Some(mailbox), Some(party)) = (mailbox_of(sheet.policy, case), party_of(&known.parties, &called.recipient))
    else {
        return;
    };
    let parent = chose(known, called).map(|(_, entry)| entry);
    let mail = ToCustomer {
        case,
        recipients: Recipients::only(addressed(party)),
        from_name: mailbox.display_name.clone(),
        subject: thread::answer_subject(parent.map_or(case.subject.as_str(), |e| e.subject.as_str())),
        parent,
        in_topic: false,
        written,
        parts: Vec::new(),
        purpose: Purpose::Acknowledgement,
        unauthenticated: !party.has_passed,
        not_before_ms: 0,
    };
    let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
        return;
    };
    let words = draft.text.clone();
    let entry = outbound(&draft, "yesreply", &mailbox.display_name, Standing::System, case, &words);
    sheet.append(case.key, entry);
    sheet.send_to_customer(mailbox, &mail, &draft);
}

/// Their address without the name that they gave themselves: an automatic mail carries no stranger's words (R51).
fn addressed(party: &Party) -> NameAddr {
    NameAddr { name: String::new(), address: party.person.address.clone() }
}
