//! A mail that was handed in by an application, or handed over by a local mail server: from bytes to events.
//!
//! Decides   which recipients are our own mailboxes (their mail arrives, like by IMAP) and which are told something
//!           (their mail is a notification); the event id of each (R71).
//! Never     says that a mail is taken before all it causes is committed.

use std::sync::Arc;

use anyhow::Context;

use crate::clock;
use crate::desk::actions::{self, Action};
use crate::desk::policy::{Application, Mailbox, Phrases, ReplyAddress};
use crate::desk::routing::is_our_own;
use crate::desk::submission::{self, Submission};
use crate::desk::{Event, What};
use crate::failpoint;
use crate::mail::edit::{Header, split};
use crate::mail::{Address, Incoming, phrases, read, rewrite};
use crate::store::bodies::Body;
use crate::store::quarantine::Quarantined;

use super::prepare::{self, Prepared};
use super::{Flow, Handled};

/// A repeat is one within this time (R71).
const REPEAT_MS: i64 = 24 * 3_600_000;
/// Trace fields of a mail that goes in circles (RFC 5321 section 6.3).
const HOPS_MAX: usize = 50;
/// Octets of all copies of a mail in one transaction.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Recipients in one transaction.
const BATCH_RECIPIENTS_MAX: usize = 100;

/// A mail as it was handed to us.
#[derive(Debug, Clone)]
pub struct HandedIn {
    /// Where: the listener's short name, or `maildrop`.
    pub place: String,
    /// It comes from a mail server that delivers to our mailboxes, and to nobody else.
    pub delivers: bool,
    /// The applications it may be from.
    pub applications: Vec<String>,
    /// Reverse-path; `None` is `<>`.
    pub reverse_path: Option<Address>,
    /// Recipients.
    pub recipients: Vec<Address>,
    /// For the trace field: `ESMTPSA`, `LMTP` …
    pub protocol: String,
    /// The mail, CRLF line ends.
    pub bytes: Vec<u8>,
}

/// What became of it for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is committed; or it had been (R71).
    Stored,
    /// It is not taken: enhanced status and words.
    Refused(String),
}

/// A mail as it was read, once for all recipients.
struct Opened {
    handed: HandedIn,
    mail: Arc<Incoming>,
    header: Arc<Header>,
    digest: [u8; 32],
    /// The mail as it came, shared by all its events.
    raw: Arc<Vec<u8>>,
}

/// What all notifications of a transaction share.
struct Shared<'a> {
    application: &'a Application,
    transaction: String,
    is_new: bool,
    body: Vec<u8>,
    stored: Body,
    body_changed: bool,
    phrases: usize,
    actions: Vec<Action>,
}

/// What leaves below the header.
struct Below {
    stored: Body,
    changed: bool,
    lines: String,
}

impl Flow {
    /// Takes a mail in: one outcome for each recipient, in their order.
    ///
    /// # Errors
    /// The store's: then what was not committed is to be handed in again; repeats are recognised.
    pub async fn handed_in(&self, handed: HandedIn) -> anyhow::Result<Vec<Taken>> {
        self.handed_in_with_care(handed).await
    }

    /// Takes it in, whatever became of it before.
    pub(super) async fn read_and_taken(&self, handed: HandedIn) -> anyhow::Result<Vec<Taken>> {
        let opened = tokio::task::spawn_blocking(move || open(handed)).await.context("read a mail")?;
        let opened = match opened {
            Ok(opened) => opened,
            Err((reason, recipients)) => return Ok(vec![Taken::Refused(reason); recipients]),
        };
        let recipients = opened.handed.recipients.clone();
        if opened.mail.received_count > HOPS_MAX {
            return Ok(vec![Taken::Refused("5.4.6 it goes in circles".to_owned()); recipients.len()]);
        }
        let application = submission::application(self.policy(), &opened.handed.applications, &opened.mail);
        let shared = match application {
            Ok(application) => self.shared(&opened, application),
            Err(reason) => Err(reason.to_owned()),
        };
        let size = opened.raw.len().max(1);
        let batch = (BATCH_BYTES_MAX / size).clamp(1, BATCH_RECIPIENTS_MAX);
        let mut all = Vec::with_capacity(recipients.len());
        for some in recipients.chunks(batch) {
            all.extend(self.some(&opened, &shared, some).await?);
        }
        Ok(all)
    }

    async fn some(
        &self,
        opened: &Opened,
        shared: &Result<Shared<'_>, String>,
        recipients: &[Address],
    ) -> anyhow::Result<Vec<Taken>> {
        let mut events = Vec::new();
        let mut taken = Vec::new();
        for recipient in recipients {
            let arrives = is_our_own(self.policy(), recipient);
            let prepared = if arrives {
                self.arrival(opened, shared, recipient).await?
            } else if opened.handed.delivers {
                Err("5.1.1 there is no such mailbox here".to_owned())
            } else {
                match shared {
                    Ok(shared) => Ok(self.notification(opened, shared, recipient).await?),
                    Err(reason) => Err(reason.clone()),
                }
            };
            match prepared {
                Ok(prepared) => {
                    events.push(prepared);
                    taken.push(Ok(arrives));
                }
                Err(reason) => taken.push(Err(reason)),
            }
        }
        let mut handled =
            if events.is_empty() { Vec::new() } else { self.submit(events, None, Vec::new()).await? }.into_iter();
        let outcome = |taken: Result<bool, String>| match taken {
            Ok(arrives) => outcome(handled.next(), arrives),
            Err(reason) => Taken::Refused(reason),
        };
        Ok(taken.into_iter().map(outcome).collect())
    }

    fn shared<'a>(&self, opened: &Opened, application: &'a Application) -> Result<Shared<'a>, String> {
        let actions = actions::offered(&opened.header).map_err(|reason| format!("5.6.0 {reason}"))?;
        let id = opened.mail.message_id.as_ref();
        // without a Message-ID every transaction is new (R71)
        let named = id.map_or_else(
            || data_encoding::HEXLOWER.encode(&clock::random::<16>()),
            |id| id.as_str().trim_matches(['<', '>']).to_owned(),
        );
        let (_, body) = split(&opened.raw);
        let found = phrases::found(&opened.mail.text).len();
        let replaced = match application.phrases {
            Phrases::Replace if found > 0 => {
                let mailbox = self.policy().mailboxes.get(&application.mailbox);
                phrases::in_body(&opened.raw, &self.policy().letters.just_reply(language(opened, mailbox)))
            }
            _ => None,
        };
        let body_changed = replaced.is_some();
        let body = replaced.unwrap_or_else(|| body.to_vec());
        Ok(Shared {
            application,
            transaction: submission::transaction_id(&application.name, &named, &opened.digest),
            is_new: id.is_none(),
            stored: stored(body.clone()),
            body,
            body_changed,
            phrases: found,
            actions,
        })
    }

    /// The body for this recipient: below its words those that they can answer with, where they have an address for it.
    fn below(&self, opened: &Opened, shared: &Shared<'_>, id: &str, recipient: &Address) -> Below {
        let unchanged = || Below { stored: shared.stored.clone(), changed: shared.body_changed, lines: String::new() };
        let policy = self.policy();
        let mailbox: Option<&Mailbox> = submission::mailbox(policy, shared.application, &opened.header);
        let Some(mailbox) = mailbox.filter(|_| !shared.actions.is_empty()) else {
            return unchanged();
        };
        let case = policy.keys.case_key(id);
        let Some(to) = submission::reply_to(policy, (shared.application, mailbox), &opened.mail, case, recipient)
        else {
            return unchanged();
        };
        // the plain address names no case: a link to it would begin a new one (R4)
        let link = (mailbox.reply_address != ReplyAddress::Plain).then_some(&to);
        let language = language(opened, Some(mailbox));
        let lines = actions::lines(&policy.letters, language, &shared.actions, &opened.mail.subject, link);
        let (header, _) = split(&opened.raw);
        let mail = [header, shared.body.as_slice()].concat();
        match rewrite::below(&mail, &lines.text, &lines.html) {
            Some(body) => Below { stored: stored(body), changed: true, lines: lines.text },
            None => unchanged(),
        }
    }

    /// The id of an event, with a number where the same was handed in more than a day ago.
    async fn event_id(&self, transaction: &str, recipient: &Address, is_new: bool) -> anyhow::Result<String> {
        let id = format!("{transaction}/{}", recipient.key());
        if is_new {
            return Ok(id);
        }
        let mut candidate = id.clone();
        let since = clock::now_ms().saturating_sub(REPEAT_MS);
        for number in 2..1_000 {
            match self.store().handled_at(&candidate).await? {
                Some(at) if at < since => candidate = format!("{id}/{number}"),
                _ => break,
            }
        }
        Ok(candidate)
    }

    async fn notification(
        &self,
        opened: &Opened,
        shared: &Shared<'_>,
        recipient: &Address,
    ) -> anyhow::Result<Prepared> {
        let id = self.event_id(&shared.transaction, recipient, shared.is_new).await?;
        let below = self.below(opened, shared, &id, recipient);
        let submission = Submission {
            application: shared.application.name.clone(),
            reverse_path: opened.handed.reverse_path.clone(),
            recipient: recipient.clone(),
            header: opened.header.clone(),
            mail: opened.mail.clone(),
            digest: opened.digest,
            body: below.stored.id.clone(),
            body_changed: below.changed,
            transaction: shared.transaction.clone(),
            protocol: opened.handed.protocol.clone(),
            phrases: shared.phrases,
            lines: below.lines,
        };
        Ok(Prepared {
            event: Ok(Event { id, at_ms: clock::now_ms(), what: What::Submitted(Box::new(submission)) }),
            raw: Some(opened.raw.clone()),
            blobs: Vec::new(),
            body: Some(below.stored),
            notice: None,
        })
    }

    /// Mail to one of our own addresses: it arrives.
    async fn arrival(
        &self,
        opened: &Opened,
        shared: &Result<Shared<'_>, String>,
        recipient: &Address,
    ) -> anyhow::Result<Result<Prepared, String>> {
        let handed = &opened.handed;
        let from_application = match shared {
            Ok(shared) => Some(shared),
            Err(_) if handed.delivers => None,
            Err(reason) => return Ok(Err(reason.clone())),
        };
        let transaction = from_application.map_or_else(
            || {
                let id = opened.mail.message_id.as_ref().map_or("-", |id| id.as_str()).trim_matches(['<', '>']);
                submission::transaction_id(&handed.place, id, &opened.digest)
            },
            |shared| shared.transaction.clone(),
        );
        let id = self.event_id(&transaction, recipient, from_application.is_some_and(|s| s.is_new)).await?;
        let Some(mailbox) = self.policy().mailboxes.values().find(|m| owns(self, m, recipient)) else {
            return Ok(Err("5.1.1 there is no such mailbox here".to_owned()));
        };
        let row = Quarantined {
            id: 0,
            event_id: id,
            mailbox: mailbox.name.clone(),
            at_ms: clock::now_ms(),
            reason: String::new(),
            size_bytes: 0,
            old: false,
        };
        let mut prepared = prepare::one(self.desk(), &row, delivered(opened, recipient, &transaction)).await?;
        if let (Ok(Event { what: What::Arrived(arrival), .. }), Some(_)) = (&mut prepared.event, from_application) {
            let yes = |value: Option<String>| value.is_some_and(|v| v.trim().eq_ignore_ascii_case("yes"));
            arrival.form = true;
            arrival.vouched = yes(opened.header.value("x-yesreply-verified"));
            arrival.context = submission::context(&opened.header);
            // nobody but our own server may say how an author fared, and this mail did not pass it
            arrival.mail.trace.clear();
        }
        Ok(Ok(prepared))
    }
}

/// A body as it is stored once, by its hash.
fn stored(octets: Vec<u8>) -> Body {
    Body::of(&submission::digest(&octets), octets)
}

fn owns(flow: &Flow, mailbox: &Mailbox, recipient: &Address) -> bool {
    let token = flow.policy().keys.read_address(recipient, &[mailbox]).is_some();
    mailbox.address.key() == recipient.key()
        || token
        || matches!(&mailbox.reply_address, ReplyAddress::Pattern { prefix, domain, .. }
            if !prefix.is_empty() && recipient.domain() == domain
                && recipient.local().to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()))
}

/// The mail as a mail server leaves it in a mailbox: the envelope stands on top (RFC 5321 section 4.4), and the control
/// fields are gone; what it lacks is added.
fn delivered(opened: &Opened, recipient: &Address, transaction: &str) -> Vec<u8> {
    let mut header = (*opened.header).clone();
    header.remove(|name| name.starts_with(submission::CONTROL) || name == "return-path");
    if opened.mail.message_id.is_none() && !opened.handed.delivers {
        let left = transaction.rsplit('/').next().unwrap_or_default();
        let left =
            format!("{}.{}", left.get(..16).unwrap_or(left), data_encoding::HEXLOWER.encode(&clock::random::<8>()));
        header.set_plain("Message-ID", &format!("<{left}@{}>", recipient.domain()));
    }
    header.prepend("Envelope-To", &recipient.to_string());
    let reverse_path = opened.handed.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    header.prepend("Return-Path", &format!("<{reverse_path}>"));
    let mut bytes = header.to_bytes();
    bytes.extend_from_slice(split(&opened.raw).1);
    bytes
}

fn open(mut handed: HandedIn) -> Result<Opened, (String, usize)> {
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        failpoint::deadly("handed_in.ends", &handed.bytes);
        let (header, _) = split(&handed.bytes);
        (read::read(&handed.bytes), Header::parse(header))
    }));
    match read {
        Ok((mail, header)) => {
            let digest = submission::digest(&handed.bytes);
            let raw = Arc::new(std::mem::take(&mut handed.bytes));
            Ok(Opened { mail: Arc::new(mail), header: Arc::new(header), digest, raw, handed })
        }
        Err(_) => Err(("5.6.0 this mail makes us fail".to_owned(), handed.recipients.len())),
    }
}

/// What arrives is kept whatever becomes of it; a notification that is not sent is refused.
fn outcome(handled: Option<Handled>, arrives: bool) -> Taken {
    match handled {
        Some(_) if arrives => Taken::Stored,
        Some(handled) if handled.outcome == "quarantined" => {
            Taken::Refused("5.6.0 it is kept aside, and nothing was sent: it makes us fail".to_owned())
        }
        Some(handled) if handled.outcome == "held" => Taken::Refused(format!("5.6.0 {}", handled.because)),
        Some(_) => Taken::Stored,
        None => Taken::Refused("5.3.0 it went missing".to_owned()),
    }
}

/// The language of an application's mail, else its mailbox's.
fn language<'a>(opened: &Opened, mailbox: Option<&'a Mailbox>) -> &'a str {
    let own = crate::mail::language::of(&opened.mail.text);
    own.unwrap_or_else(|| mailbox.map_or("en", |m| m.language.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_and_is_kept_is_taken_and_a_notification_that_is_not_sent_is_refused() {
        let handled = |outcome| Handled {
            event: "x".to_owned(),
            kind: "arrived",
            outcome,
            rule: "",
            queued: Vec::new(),
            because: "a reason".to_owned(),
        };
        for word in ["handled", "held", "quarantined", "ignored", "duplicate", "repeated"] {
            assert_eq!(outcome(Some(handled(word)), true), Taken::Stored, "{word}");
            let is_refused = matches!(outcome(Some(handled(word)), false), Taken::Refused(_));
            assert_eq!(is_refused, matches!(word, "held" | "quarantined"), "{word}");
        }
        assert!(matches!(outcome(None, true), Taken::Refused(_)), "nobody says that it is kept");
    }
}
