//! Reports: about deliveries, complaints and receipts.
//!
//! Decides   which recipients a report names, what became of each, and which mails it embeds.
//! Follows   RFC 3464 sections 2.1 to 2.3, RFC 6522, RFC 5965, RFC 8098; RFC 3463 (enhanced status).
//! Never     says whether the report can be believed: that needs a token or a MAC (R63).

mod failure;
mod notification;
mod prose;
mod reason;
mod vocabulary;

use mail_parser::{Message, MimeHeaders, PartType};

use super::{MessageId, text};
use crate::limits::{PARTS_MAX, REPORT_RECIPIENTS_MAX};

/// Which kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// About deliveries.
    DeliveryStatus,
    /// A complaint.
    Feedback,
    /// A receipt.
    Disposition,
}

/// What became of a delivery (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still tried.
    Delayed,
    /// Arrived.
    Delivered,
    /// Handed to a system that reports nothing.
    Relayed,
    /// Went to a list.
    Expanded,
}

impl Action {
    /// The word of RFC 3464.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let word = word.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded]
            .into_iter()
            .find(|a| a.word() == word)
    }
}

/// Why, in a small fixed vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No such address.
    UserUnknown,
    /// No such domain, or it takes no mail.
    HostUnknown,
    /// The mailbox is full.
    MailboxFull,
    /// The mail is too large.
    TooBig,
    /// Refused for its content or its sender.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Nothing of these.
    Other,
}

impl Reason {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Reason::UserUnknown => "user_unknown",
            Reason::HostUnknown => "host_unknown",
            Reason::MailboxFull => "mailbox_full",
            Reason::TooBig => "too_big",
            Reason::Rejected => "rejected",
            Reason::Expired => "expired",
            Reason::Other => "other",
        }
    }

    /// From an enhanced status (RFC 3463 section 3).
    #[must_use]
    pub fn from_status(status: &str) -> Self {
        let detail = status.split_once('.').map_or("", |(_, rest)| rest);
        match detail {
            "1.1" | "1.0" | "1.3" | "1.6" | "1.351" | "2.1" | "7.13" => Reason::UserUnknown,
            "1.2" | "1.10" | "4.4" | "7.27" => Reason::HostUnknown,
            "2.2" => Reason::MailboxFull,
            "2.3" | "3.4" => Reason::TooBig,
            "4.7" | "4.0" | "4.1" | "4.2" | "4.316" => Reason::Expired,
            _ if detail.starts_with("7.") || detail.starts_with("6.") || matches!(detail, "1.7" | "1.8") => {
                Reason::Rejected
            }
            _ => Reason::Other,
        }
    }
}

/// One recipient of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRecipient {
    /// The address, as the report writes it.
    pub recipient: Option<String>,
    /// What became of it.
    pub action: Action,
    /// Enhanced status.
    pub status: Option<String>,
    /// What the remote server said.
    pub diagnostic: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its kind.
    pub kind: ReportKind,
    /// Message-ID of the mail it is about.
    pub original_message_id: Option<MessageId>,
    /// Recipients.
    pub recipients: Vec<ReportRecipient>,
    /// All ids in the returned mail's header: one of ours may stand in References only.
    pub embedded_ids: Vec<MessageId>,
}

/// Finds a report in a mail. `head` and `words` are its own header and text, for reports in prose.
#[must_use]
pub fn read(message: &Message<'_>, head: &str, words: &str) -> Option<Report> {
    let mut kind = None;
    let mut fields = String::new();
    let mut returned = String::new();
    for part in message.parts.iter().take(PARTS_MAX).skip(1) {
        let Some(content_type) = part.content_type() else {
            continue;
        };
        let name =
            format!("{}/{}", content_type.ctype(), content_type.subtype().unwrap_or_default()).to_ascii_lowercase();
        let bytes = match &part.body {
            PartType::Message(inner) => inner.raw_message(),
            _ => part.contents(),
        };
        match name.as_str() {
            "message/delivery-status" | "message/global-delivery-status" => {
                kind = kind.or(Some(ReportKind::DeliveryStatus));
                fields.push_str(&String::from_utf8_lossy(bytes));
                fields.push_str("\n\n");
            }
            "message/feedback-report" => {
                kind = kind.or(Some(ReportKind::Feedback));
                fields.push_str(&String::from_utf8_lossy(bytes));
            }
            "message/disposition-notification" | "message/global-disposition-notification" => {
                kind = kind.or(Some(ReportKind::Disposition));
                fields.push_str(&String::from_utf8_lossy(bytes));
            }
            "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/rfc822-headers" => {
                returned.push_str(&header_of(&String::from_utf8_lossy(bytes)));
            }
            _ => {}
        }
    }
    if kind.is_none()
        && let Some(report) = notification::read(words)
    {
        return Some(report);
    }
    match kind {
        Some(kind) => Some(structured(kind, &fields, &returned, head, words)),
        None if !failure::is_failure(head, words, &returned) => None,
        None if has_fields(words) => Some(structured(ReportKind::DeliveryStatus, words, &returned, head, words)),
        None => Some(nested(message).unwrap_or_else(|| in_prose(head, words, &returned))),
    }
}

fn structured(kind: ReportKind, fields: &str, returned: &str, head: &str, words: &str) -> Report {
    let groups: Vec<Vec<(String, String)>> = fields.replace("\r\n", "\n").split("\n\n").map(group).collect();
    let original = groups
        .iter()
        .flatten()
        .find(|(name, _)| matches!(name.as_str(), "original-message-id" | "x-original-message-id"))
        .and_then(|(_, value)| MessageId::parse(value));
    let mut recipients: Vec<ReportRecipient> = if kind == ReportKind::DeliveryStatus {
        groups.iter().filter_map(|g| recipient(g)).take(REPORT_RECIPIENTS_MAX).collect()
    } else {
        Vec::new()
    };
    if kind == ReportKind::DeliveryStatus {
        let told = prose::recipients(head, words, returned);
        if recipients.is_empty() {
            recipients = told.into_iter().filter(|t| t.recipient.is_some()).collect();
        } else {
            recipients.iter_mut().for_each(|row| completed(row, &told));
        }
    }
    let (message_id, embedded_ids) = embedded(returned);
    Report { kind, original_message_id: message_id.or(original), recipients, embedded_ids }
}

/// Name in lower case and unfolded value of each field.
fn group(block: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

fn recipient(fields: &[(String, String)]) -> Option<ReportRecipient> {
    let get = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let typed = |value: &str| {
        text::header(value.split_once(';').map_or(value, |(_, rest)| rest)).trim_matches(['<', '>']).to_owned()
    };
    let named = get("original-recipient").or(get("final-recipient"))?;
    let diagnostic = get("diagnostic-code").map(|v| text::header(v.split_once(';').map_or(v, |(_, rest)| rest)));
    let said = diagnostic.clone().unwrap_or_default();
    let status = reason::status(get("status"), &said);
    let action = get("action").and_then(Action::from_word).unwrap_or_else(|| by_status(status.as_deref()));
    let mut reason = reason::reason(&said, status.as_deref());
    if action == Action::Delayed && reason == Reason::Other && said.is_empty() {
        reason = Reason::Expired;
    }
    Some(ReportRecipient { recipient: Some(typed(named)), action, status, diagnostic, reason })
}

/// Where the machine's part says little, the words of the same report may say more.
fn completed(row: &mut ReportRecipient, told: &[ReportRecipient]) {
    let same = |t: &&ReportRecipient| matches!((&t.recipient, &row.recipient), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b));
    let Some(words) = told.iter().find(same).or(told.first().filter(|_| told.len() == 1)) else {
        return;
    };
    if row.reason == Reason::Other {
        row.reason = words.reason;
    }
    if row.diagnostic.as_deref().is_none_or(str::is_empty) && row.status.as_deref().is_none_or(|s| s.ends_with(".0.0"))
    {
        row.status = words.status.clone().or(row.status.take());
    }
}

/// The machine's part stands in the text, without MIME.
fn has_fields(words: &str) -> bool {
    words.lines().any(|l| l.get(..16).is_some_and(|start| start.eq_ignore_ascii_case("final-recipient:")))
}

/// A report that somebody's gateway wrapped into another message.
fn nested(message: &Message<'_>) -> Option<Report> {
    message.parts.iter().take(PARTS_MAX).find_map(|part| match &part.body {
        PartType::Message(inner) if inner.parts.iter().any(is_status) => read(inner, "", ""),
        _ => None,
    })
}

fn is_status(part: &mail_parser::MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|t| {
        t.ctype().eq_ignore_ascii_case("message")
            && t.subtype().is_some_and(|s| s.eq_ignore_ascii_case("delivery-status"))
    })
}

fn by_status(status: Option<&str>) -> Action {
    match status.and_then(|s| s.chars().next()) {
        Some('2') => Action::Delivered,
        Some('4') => Action::Delayed,
        _ => Action::Failed,
    }
}

fn header_of(mail: &str) -> String {
    let unified = mail.replace("\r\n", "\n");
    unified.split("\n\n").next().unwrap_or_default().to_owned()
}

fn embedded(header: &str) -> (Option<MessageId>, Vec<MessageId>) {
    let fields = group(header);
    let own = fields.iter().find(|(name, _)| name == "message-id").and_then(|(_, value)| MessageId::parse(value));
    let ids = fields
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "message-id" | "references" | "in-reply-to" | "x-yesreply-case"))
        .flat_map(|(_, value)| MessageId::scan(value))
        .collect();
    (own, ids)
}

/// qmail, Exim, sendmail and others say it in words: a mail system writes, and names a failed address.
fn in_prose(head: &str, words: &str, returned: &str) -> Report {
    let (message_id, mut embedded_ids) = embedded(returned);
    let inline =
        words.lines().filter(|l| l.trim_start_matches(['>', ' ', '|']).to_ascii_lowercase().starts_with("message-id:"));
    embedded_ids.extend(inline.flat_map(MessageId::scan));
    let recipients = prose::recipients(head, words, returned);
    let original_message_id = message_id.or_else(|| embedded_ids.first().cloned());
    Report { kind: ReportKind::DeliveryStatus, original_message_id, recipients, embedded_ids }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Incoming, read};

    fn check(mail: &str) -> Incoming {
        read::read(mail.replace('\n', "\r\n").as_bytes())
    }

    const DSN: &str = "From: MAILER-DAEMON@mail.example\nReturn-Path: <>\nSubject: Undelivered Mail Returned to Sender\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nSorry.\n\
        --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example\n\nFinal-Recipient: rfc822; jane@mail.example\n\
        Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no\n such user\n\n--b\nContent-Type: text/rfc822-headers\n\n\
        Message-ID: <x@shop.example>\nReferences: <stable@shop.example>\nSubject: s\n\n--b--\n";

    #[test]
    fn r63_a_delivery_status_report() {
        let mail = check(DSN);
        assert_eq!(mail.nature, crate::mail::Nature::Bounce);
        let report = mail.report.unwrap_or_else(|| panic!("no report"));
        assert_eq!(report.original_message_id, MessageId::parse("<x@shop.example>"));
        assert_eq!(report.embedded_ids.len(), 2);
        let row = report.recipients.first().unwrap_or_else(|| panic!("no recipient"));
        assert_eq!(row.recipient.as_deref(), Some("jane@mail.example"));
        assert_eq!((row.action, row.status.as_deref()), (Action::Failed, Some("5.1.1")));
        assert_eq!(row.diagnostic.as_deref(), Some("550 5.1.1 no such user"));
        assert_eq!(row.reason, Reason::UserUnknown);
    }

    #[test]
    fn a_failure_in_prose() {
        let mail = check(
            "From: MAILER-DAEMON@mail.example\nReturn-Path: <>\nSubject: failure notice\n\n\
             Hi. I'm afraid I wasn't able to deliver your message.\n<jane@mail.example>:\n550 5.2.2 mailbox full\n\n\
             --- Below this line is a copy.\nMessage-ID: <x@shop.example>\n",
        );
        let report = mail.report.unwrap_or_else(|| panic!("no report"));
        assert_eq!(report.original_message_id, MessageId::parse("<x@shop.example>"));
        assert_eq!(report.recipients.first().and_then(|r| r.recipient.as_deref()), Some("jane@mail.example"));
        assert_eq!(report.recipients.first().map(|r| r.reason), Some(Reason::MailboxFull));
    }

    #[test]
    fn names_without_a_domain_go_before_addresses_in_advice() {
        let mail = check(
            "From: MAILER-DAEMON@mail.example\nSubject: Returned mail\n\n---- Message not delivered to the following:\n\n\
             jane    no such name in the directory\njoe.doe\n\n---- Advice:\n\nSometimes\nmike@mail.example fails, try m.fox@mail.example.\n\n\
             ---- Unsent message below:\n\nSubject: x\n",
        );
        let report = mail.report.unwrap_or_else(|| panic!("no report"));
        let names: Vec<_> = report.recipients.iter().filter_map(|r| r.recipient.as_deref()).collect();
        assert_eq!(names, ["jane@mail.example", "joe.doe@mail.example"]);
    }

    #[test]
    fn a_notice_names_all_its_recipients() {
        let mail = check(
            "From: MAILER-DAEMON@mail.example\nSubject: Delivery failure\n\nUnable to deliver to the following addresses.\n\n\
             <jane@mail.example>:\n550 No such user\n\n<joe@mail.example>:\n552 5.2.2 over quota\n\n\
             For help contact <postmaster@mail.example>.\n\n--- Original message follows.\n\nTo: other@mail.example\n",
        );
        let report = mail.report.unwrap_or_else(|| panic!("no report"));
        let rows: Vec<_> = report.recipients.iter().map(|r| (r.recipient.as_deref(), r.reason)).collect();
        let (jane, joe) = (Some("jane@mail.example"), Some("joe@mail.example"));
        assert_eq!(rows, [(jane, Reason::UserUnknown), (joe, Reason::MailboxFull)]);
    }

    #[test]
    fn an_alias_and_what_it_stands_for_are_both_named() {
        let mail = check(
            "From: MAILER-DAEMON@mail.example\nSubject: Returned mail\n\n----- The following addresses had permanent fatal errors -----\n\
             jane@inner.example\n    (expanded from: sales@mail.example)\n\n----- Transcript -----\n550 User unknown\n",
        );
        let rows = mail.report.map(|r| r.recipients).unwrap_or_default();
        let named: Vec<_> = rows.iter().filter_map(|r| r.recipient.as_deref()).collect();
        assert_eq!(named, ["jane@inner.example", "sales@mail.example"]);
    }

    #[test]
    fn a_daemon_that_returns_a_mail_speaks_of_a_failure_in_any_language() {
        let returned = "\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <x@shop.example>\n\nhello\n--b--\n";
        let mail = check(&format!(
            "From: MAILER-DAEMON@mail.example\nList-Id: <l.example>\nSubject: Nytt\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\
             Tyvärr.\n\n<jane@mail.example>:\n{returned}"
        ));
        assert_eq!(mail.nature, crate::mail::Nature::Bounce);
        assert_eq!(mail.report.and_then(|r| r.original_message_id), MessageId::parse("<x@shop.example>"));
    }

    #[test]
    fn what_a_broken_system_says_is_no_refusal() {
        for (said, reason) in [
            ("554 5.3.0 <j@x.example>: Recipient address rejected: Internal system error", Reason::Other),
            ("452 4.4.5 Insufficient disk space; try again later", Reason::Other),
            ("delivery temporarily suspended: host mx.example refused to talk to me: 421 too busy", Reason::Rejected),
            // how Exchange Online says that it has no such recipient (2026)
            ("550 5.4.1 Recipient address rejected: Access denied.", Reason::UserUnknown),
            ("554 you've reached your daily relay quota", Reason::Rejected),
            ("552 5.2.2 quota exceeded", Reason::MailboxFull),
        ] {
            let status = reason::status(None, said);
            assert_eq!(reason::reason(said, status.as_deref()), reason, "{said}");
        }
    }

    #[test]
    fn a_person_who_writes_of_failures_is_no_report() {
        let mail = check("From: jane@mail.example\nSubject: x\n\nMy mail could not be delivered. Why?\n");
        assert_eq!(mail.report, None);
    }
}
