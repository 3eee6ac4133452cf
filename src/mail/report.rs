//! Reports: about deliveries, complaints and receipts.
//!
//! Decides   which recipients a report names, what became of each, and which mails it embeds.
//! Follows   RFC 3464 sections 2.1 to 2.3, RFC 6522, RFC 5965, RFC 8098; RFC 3463 (enhanced status).
//! Never     says whether the report can be believed: that needs a token or a MAC (R63).

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
            "1.1" | "1.0" | "1.3" | "1.6" | "1.10" | "2.1" => Reason::UserUnknown,
            "1.2" | "4.4" | "4.3" => Reason::HostUnknown,
            "2.2" => Reason::MailboxFull,
            "2.3" | "3.4" => Reason::TooBig,
            "4.7" | "4.1" | "4.2" => Reason::Expired,
            _ if detail.starts_with("7.") || detail.starts_with("6.") => Reason::Rejected,
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
    match kind {
        Some(kind) => Some(structured(kind, &fields, &returned)),
        None => in_prose(head, words, &returned),
    }
}

fn structured(kind: ReportKind, fields: &str, returned: &str) -> Report {
    let groups: Vec<Vec<(String, String)>> = fields.replace("\r\n", "\n").split("\n\n").map(group).collect();
    let original = groups
        .iter()
        .flatten()
        .find(|(name, _)| matches!(name.as_str(), "original-message-id" | "x-original-message-id"))
        .and_then(|(_, value)| MessageId::parse(value));
    let recipients = if kind == ReportKind::DeliveryStatus {
        groups.iter().filter_map(|g| recipient(g)).take(REPORT_RECIPIENTS_MAX).collect()
    } else {
        Vec::new()
    };
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
    let status = get("status").and_then(enhanced);
    let diagnostic = get("diagnostic-code").map(|v| text::header(v.split_once(';').map_or(v, |(_, rest)| rest)));
    let action = get("action").and_then(Action::from_word).unwrap_or_else(|| by_status(status.as_deref()));
    let reason = status.as_deref().map_or(Reason::Other, Reason::from_status);
    Some(ReportRecipient { recipient: Some(typed(named)), action, status, diagnostic, reason })
}

fn by_status(status: Option<&str>) -> Action {
    match status.and_then(|s| s.chars().next()) {
        Some('2') => Action::Delivered,
        Some('4') => Action::Delayed,
        _ => Action::Failed,
    }
}

/// `5.1.1` out of a text (RFC 3463 section 2).
fn enhanced(value: &str) -> Option<String> {
    value
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find(|word| {
            let numbers: Vec<&str> = word.split('.').collect();
            numbers.len() == 3
                && matches!(numbers.first(), Some(&"2" | &"4" | &"5"))
                && numbers.iter().all(|n| !n.is_empty() && n.len() <= 3)
        })
        .map(str::to_owned)
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
fn in_prose(head: &str, words: &str, returned: &str) -> Option<Report> {
    let fields = group(head);
    let get = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_lowercase());
    let failed = get("x-failed-recipients");
    let from = get("from").unwrap_or_default();
    let machine = ["mailer-daemon", "postmaster@", "mail delivery", "maildelivery"].iter().any(|w| from.contains(w));
    let lower = words.to_lowercase();
    let says_so = [
        "could not be delivered",
        "couldn't be delivered",
        "wasn't able to deliver",
        "delivery failed",
        "undeliverable",
        "permanent error",
        "did not reach",
        "delivery to the following",
        "user unknown",
        "returned to sender",
    ]
    .iter()
    .any(|w| lower.contains(w));
    if failed.is_none() && !(machine && says_so) {
        return None;
    }
    let (message_id, mut embedded_ids) = embedded(returned);
    let inline =
        words.lines().filter(|l| l.trim_start_matches(['>', ' ', '|']).to_ascii_lowercase().starts_with("message-id:"));
    embedded_ids.extend(inline.flat_map(MessageId::scan));
    let named = failed.or_else(|| first_address(words));
    let status = enhanced(words);
    let reason = status.as_deref().map_or(Reason::Other, Reason::from_status);
    let recipient = ReportRecipient {
        recipient: named.map(|n| n.trim().to_owned()),
        action: by_status(status.as_deref()),
        status,
        diagnostic: None,
        reason,
    };
    let original_message_id = message_id.or_else(|| embedded_ids.first().cloned());
    Some(Report { kind: ReportKind::DeliveryStatus, original_message_id, recipients: vec![recipient], embedded_ids })
}

fn first_address(words: &str) -> Option<String> {
    words
        .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | '(' | ')'))
        .map(|w| w.trim_matches([':', '.']))
        .find(|w| super::Address::parse(w).is_some_and(|a| a.domain().contains('.')))
        .map(str::to_owned)
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
    fn a_person_who_writes_of_failures_is_no_report() {
        let mail = check("From: jane@mail.example\nSubject: x\n\nMy mail could not be delivered. Why?\n");
        assert_eq!(mail.report, None);
    }
}
