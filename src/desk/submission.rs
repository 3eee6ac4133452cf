//! An application's notification becomes a mail that can be answered.
//!
//! Decides   what of its header changes (R5, R70), who of its recipients gets a token (R2), which application it is from.
//! Follows   R2, R5, R60, R64, R70–R72; RFC 5321 section 4.4 (trace), RFC 6409 section 8.
//! Never     opens a case, changes the body, or lets one of our own control fields leave.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::mail::edit::Header;
use crate::mail::render::BlobId;
use crate::mail::{Address, Incoming, MessageId, NameAddr, Nature};

use super::outgoing::Sheet;
use super::policy::{Application, Bounces, Mailbox, Policy, Replyable, ReversePath};
use super::token::{CaseKey, Class, PartyId, Token, message_id, reply_address, stable_id};
use super::{Decision, Effect, Event, Keys, Outcome, View};

/// Days on which a notification must have come back.
const DAYS_MIN: i64 = 2;
/// Facts of a context, and characters of each.
const CONTEXT_FACTS_MAX: usize = 30;
const CONTEXT_CHARS_MAX: usize = 200;
/// Beginning of our control fields, lower case.
pub const CONTROL: &str = "x-yesreply-";
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A mail that an application handed in, for one of its recipients.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Short name.
    pub application: String,
    /// As handed in; `None` is `<>`.
    pub reverse_path: Option<Address>,
    /// The one recipient.
    pub recipient: Address,
    /// Its header as handed in.
    pub header: Arc<Header>,
    /// The mail as read.
    pub mail: Arc<Incoming>,
    /// SHA-256 of what was handed in (R71).
    pub digest: [u8; 32],
    /// Everything behind the header, from the empty line on, as it leaves.
    pub body: BlobId,
    /// It is not what was handed in.
    pub body_changed: bool,
    /// Id of the transaction, the same for all its recipients.
    pub transaction: String,
    /// Protocol of the trace field: `ESMTPSA`, `LMTP` …
    pub protocol: String,
    /// Sentences in it that tell not to answer.
    pub phrases: usize,
    /// The lines below its text that say what can be answered; empty if there are none.
    pub lines: String,
}

/// What the store keeps of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Key of the case that a reply opens.
    pub case: CaseKey,
    /// When, milliseconds.
    pub at_ms: i64,
    /// Short name of the application.
    pub application: String,
    /// Short name of the mailbox.
    pub mailbox: String,
    /// Who got it.
    pub recipient: NameAddr,
    /// From, as it left.
    pub sender: NameAddr,
    /// Subject.
    pub subject: String,
    /// Message-ID, as it left.
    pub message_id: MessageId,
    /// SHA-256 of what was handed in.
    pub digest: [u8; 32],
    /// All of its decoded text.
    pub text: String,
    /// What the application says of it: names and values.
    pub context: Vec<(String, String)>,
    /// Short name of the agent who is to own the case.
    pub owner: Option<String>,
    /// Stands before the case's subject.
    pub subject_tag: Option<String>,
    /// Sentences that told not to answer.
    pub phrases: usize,
    /// Header as handed in.
    pub header: Vec<u8>,
    /// The rest.
    pub body: BlobId,
}

/// A notification's way out.
#[derive(Debug, Clone)]
pub struct Departure {
    /// Header with its empty line's CRLF left to the body.
    pub header: Vec<u8>,
    /// Reverse-path; `None` is `<>`.
    pub reverse_path: Option<Address>,
    /// Number in the bounce token.
    pub bounce: PartyId,
}

/// Which application a mail is from: the candidates by login or peer, then by From.
///
/// # Errors
/// Why it is none of them, as words for the client.
pub fn application<'a>(
    policy: &'a Policy,
    candidates: &[String],
    mail: &Incoming,
) -> Result<&'a Application, &'static str> {
    let author = mail.author().map(|a| a.address.clone());
    let all: Vec<&Application> = candidates.iter().filter_map(|name| policy.applications.get(name)).collect();
    let named: Vec<&Application> =
        all.iter().copied().filter(|a| author.as_ref().is_some_and(|from| a.writes_as(from))).collect();
    match (named.as_slice(), all.iter().copied().filter(|a| a.from.is_empty()).collect::<Vec<_>>().as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        ([], []) => Err("5.7.1 this application may not write in the name of this From"),
        _ => Err("5.7.1 more than one application may write in the name of this From"),
    }
}

/// The mailbox of a mail: the application's, or another one that it names.
#[must_use]
pub fn mailbox<'a>(policy: &'a Policy, application: &Application, header: &Header) -> Option<&'a Mailbox> {
    let named = header.value("x-yesreply-mailbox").and_then(|name| policy.mailboxes.get(name.trim()));
    named.or_else(|| policy.mailboxes.get(&application.mailbox))
}

/// `order=123; customer=77`.
#[must_use]
pub fn context(header: &Header) -> Vec<(String, String)> {
    let cut = |text: &str| text.trim().trim_matches('"').chars().take(CONTEXT_CHARS_MAX).collect::<String>();
    header
        .values("x-yesreply-context")
        .flat_map(|value| value.split(';').map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|fact| fact.split_once('=').map(|(name, value)| (cut(name), cut(value))))
        .filter(|(name, _)| !name.is_empty())
        .take(CONTEXT_FACTS_MAX)
        .collect()
}

/// What has to be looked up for it.
pub fn keys(submission: &Submission, keys: &mut Keys) {
    keys.message_ids.extend(submission.mail.message_id.clone());
    keys.notified_ids.extend(submission.mail.message_id.clone());
    keys.suppressed = Some(submission.recipient.clone());
}

/// Decides on one recipient of a mail.
#[must_use]
pub fn handed_in(event: &Event, submission: &Submission, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(application) = policy.applications.get(&submission.application) else {
        return sheet.done(Outcome::Held, "R70", "the application is no longer in the config", None);
    };
    let Some(mailbox) = mailbox(policy, application, &submission.header) else {
        return sheet.done(Outcome::Held, "R70", "the mailbox is no longer in the config", None);
    };
    let case = policy.keys.case_key(&event.id);
    let making = Making { event, submission, application, mailbox, policy, view, case };
    let (notification, departure) = match making.made() {
        Ok(made) => made,
        Err(reason) => return sheet.done(Outcome::Held, "R70", &reason, None),
    };
    let suppressed = view.suppressed.as_ref().is_some_and(|s| s.days >= DAYS_MIN);
    let departure = (!suppressed).then_some(departure);
    sheet.push(Effect::Notify(Box::new(notification), departure));
    if suppressed {
        return sheet.done(Outcome::Ignored, "R64", "notifications to this address came back on different days", None);
    }
    sheet.done(Outcome::Handled, "R70", "a notification that can be answered", None)
}

/// The tokened address that this recipient of a mail answers to. `None` where Reply-To stays the application's own
/// (R70), or where they stand in no recipient field (R2).
#[must_use]
pub fn reply_to(
    policy: &Policy,
    (application, mailbox): (&Application, &Mailbox),
    mail: &Incoming,
    case: CaseKey,
    recipient: &Address,
) -> Option<Address> {
    let kept = application.keep_reply_to && mail.reply_to.iter().any(|r| !r.address.is_no_reply());
    let is_named = mail.to.iter().chain(&mail.cc).any(|n| n.address.key() == recipient.key());
    if kept || !is_named || application.replyable != Replyable::Always {
        return None;
    }
    let token = Token { class: Class::Notification, case, party: PartyId::of_party(case, recipient) };
    Some(reply_address(&policy.keys, mailbox, token))
}

/// A notification while it is made ready.
struct Making<'a> {
    event: &'a Event,
    submission: &'a Submission,
    application: &'a Application,
    mailbox: &'a Mailbox,
    policy: &'a Policy,
    view: &'a View,
    case: CaseKey,
}

impl Making<'_> {
    fn made(&self) -> Result<(Notification, Departure), String> {
        let Making { submission, mailbox, policy, case, .. } = *self;
        let mail = &submission.mail;
        let recipient = self.recipient();
        let id = self.message_id();
        let mut header = (*submission.header).clone();
        header.remove(|name| name.starts_with(CONTROL) || matches!(name, "bcc" | "return-path"));
        let sender = self.set_from(&mut header)?;
        if mail.message_id.as_ref() != Some(&id) {
            header.set_plain("Message-ID", id.as_str());
        }
        if mail.date_ms.is_none() {
            header.set_plain("Date", &date(self.event.at_ms));
        }
        if let Some(person) = recipient.as_ref().filter(|_| self.application.replyable == Replyable::Always) {
            self.make_replyable(&mut header, person)?;
        }
        header.remove_broken_signatures(submission.body_changed);
        let trace = format!(
            "by {} with {} id {};\r\n\t{}",
            mailbox.address.domain(),
            submission.protocol,
            policy.keys.unique(&submission.transaction, 0),
            date(self.event.at_ms)
        );
        header.prepend("Received", &trace);
        let bounce = PartyId::of_delivery(&id, &submission.recipient);
        let departure = Departure { header: header.to_bytes(), reverse_path: self.reverse_path(bounce), bounce };
        let owner = submission.header.value("x-yesreply-owner").map(|o| o.trim().to_owned());
        let nobody = NameAddr { name: String::new(), address: submission.recipient.clone() };
        let notification = Notification {
            case,
            at_ms: self.event.at_ms,
            application: submission.application.clone(),
            mailbox: mailbox.name.clone(),
            recipient: recipient.unwrap_or(nobody),
            sender,
            subject: mail.subject.clone(),
            message_id: id,
            digest: submission.digest,
            text: [mail.text.as_str(), submission.lines.as_str()].join("\n\n").trim_end().to_owned(),
            context: context(&submission.header),
            owner: owner.filter(|o| policy.agents.contains_key(o)),
            subject_tag: submission.header.value("x-yesreply-subject-tag").filter(|t| !t.trim().is_empty()),
            phrases: submission.phrases,
            header: submission.header.to_bytes(),
            body: submission.body.clone(),
        };
        Ok((notification, departure))
    }

    /// The recipient as To or Cc names them; who stands in neither gets no token (R2).
    fn recipient(&self) -> Option<NameAddr> {
        let mail = &self.submission.mail;
        let key = self.submission.recipient.key();
        mail.to.iter().chain(&mail.cc).find(|n| n.address.key() == key).cloned()
    }

    /// A no-reply From becomes the mailbox's address (R70). Returns From as it leaves.
    fn set_from(&self, header: &mut Header) -> Result<NameAddr, String> {
        let mail = &self.submission.mail;
        let ours = |name: &str| NameAddr {
            name: match (&self.application.display_name, name) {
                (Some(own), _) => own.clone(),
                (None, "") => self.mailbox.display_name.clone(),
                (None, theirs) => theirs.to_owned(),
            },
            address: self.mailbox.address.clone(),
        };
        let author = mail.author();
        let rewritten = author.is_none_or(|a| {
            a.address.is_no_reply() || self.application.rewrite_from.iter().any(|r| r.key() == a.address.key())
        });
        match author {
            Some(author) if !rewritten || mail.nature == Nature::Calendar || is_calendar(mail) => Ok(author.clone()),
            author => {
                let from = ours(author.map_or("", |a| a.name.as_str()));
                header.set_from(&from)?;
                header.remove(|name| name == "sender");
                Ok(from)
            }
        }
    }

    /// Reply-To is the recipient's own token, and our stable id joins References.
    fn make_replyable(&self, header: &mut Header, person: &NameAddr) -> Result<(), String> {
        let Making { mailbox, policy, case, .. } = *self;
        if let Some(address) =
            reply_to(policy, (self.application, mailbox), &self.submission.mail, case, &person.address)
        {
            header.set_reply_to(&NameAddr { name: mailbox.display_name.clone(), address })?;
        }
        let side = Token { class: Class::Customer, case, party: PartyId::NOBODY };
        header.add_reference(&stable_id(&policy.keys, mailbox, side));
        Ok(())
    }

    /// The application's own where it is well-formed and new; else one that is the same for all recipients.
    fn message_id(&self) -> MessageId {
        let Making { submission, mailbox, policy, view, .. } = *self;
        let theirs = submission.mail.message_id.as_ref().filter(|id| {
            let used = view.notifications.values().any(|n| n.message_id == **id && n.digest != submission.digest);
            !used && !view.known_ids.iter().any(|k| k.id == **id)
        });
        theirs.cloned().unwrap_or_else(|| {
            let case = policy.keys.case_key(&submission.transaction);
            let side = Token { class: Class::Customer, case, party: PartyId::NOBODY };
            message_id(&policy.keys, mailbox, side, &policy.keys.unique(&submission.transaction, 1))
        })
    }

    fn reverse_path(&self, bounce: PartyId) -> Option<Address> {
        let gateway = self.application.replyable != Replyable::Never && self.application.bounces == Bounces::Gateway;
        match self.mailbox.reverse_path {
            _ if !gateway => self.submission.reverse_path.clone(),
            ReversePath::Address => Some(self.mailbox.address.clone()),
            ReversePath::Token => {
                let token = Token { class: Class::Bounce, case: self.case, party: bounce };
                Some(reply_address(&self.policy.keys, self.mailbox, token))
            }
        }
    }
}

fn is_calendar(mail: &Incoming) -> bool {
    mail.attachments.iter().any(|a| a.media_type == "text/calendar")
}

fn date(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .ok()
        .and_then(|t| jiff::fmt::rfc2822::to_string(&t.to_zoned(jiff::tz::TimeZone::UTC)).ok())
        .unwrap_or_default()
}

/// A notification came back because there is no such recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// To whom it went.
    pub recipient: Address,
    /// When, milliseconds.
    pub at_ms: i64,
    /// Enhanced status.
    pub status: String,
    /// In the reporter's words.
    pub diagnostic: String,
}

/// What is known of an address to which notifications came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// Its key.
    pub recipient: String,
    /// The first time, milliseconds.
    pub first_ms: i64,
    /// The last time, milliseconds.
    pub last_ms: i64,
    /// Different days.
    pub days: i64,
    /// Enhanced status.
    pub status: String,
    /// In the reporter's words.
    pub diagnostic: String,
}

impl Suppressed {
    /// Does nothing go there any more?
    #[must_use]
    pub fn holds(&self) -> bool {
        self.days >= DAYS_MIN
    }

    /// The same when mail has come back on another day.
    #[must_use]
    pub fn with_one_more_day(&self) -> Self {
        Suppressed { days: self.days.saturating_add(1), ..self.clone() }
    }
}

/// The day of a time, for counting days.
#[must_use]
pub fn day(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

/// What makes a repeat recognisable (R71): application, Message-ID, hash of DATA.
#[must_use]
pub fn transaction_id(application: &str, message_id: &str, digest: &[u8; 32]) -> String {
    format!("listen/{application}/{message_id}/{}", data_encoding::HEXLOWER.encode(digest))
}

/// SHA-256 of what was handed in.
#[must_use]
pub fn digest(mail: &[u8]) -> [u8; 32] {
    Sha256::digest(mail).into()
}
