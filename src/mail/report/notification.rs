//! Notifications of failures as JSON in a mail: Amazon SES through SNS.
//!
//! Decides   which recipients such a notification names.
//! Follows   the SES notification format (`notificationType`, `bouncedRecipients`, `complainedRecipients`).
//! Never     needs the JSON to be whole: relays break its long line. One look at each octet.

use super::reason::{reason, status};
use super::{Action, Report, ReportKind, ReportRecipient};
use crate::limits::REPORT_RECIPIENTS_MAX;
use crate::mail::text;

/// A report, if the text begins with such a notification.
#[must_use]
pub fn read(words: &str) -> Option<Report> {
    let start = words.trim_start();
    let is = |kind: &str| {
        let head: String = start.chars().take(200).filter(|c| !c.is_whitespace()).collect();
        ["notificationType", "eventType"].iter().any(|name| head.contains(&format!("\"{name}\":\"{kind}\"")))
    };
    if !start.starts_with('{') {
        return None;
    }
    let (kind, list) = match (is("Bounce"), is("Complaint")) {
        (true, _) => (ReportKind::DeliveryStatus, "\"bouncedRecipients\""),
        (_, true) => (ReportKind::Feedback, "\"complainedRecipients\""),
        _ => return None,
    };
    let rows = start.split_once(list).and_then(|(_, rest)| rest.split(']').next()).unwrap_or_default();
    let recipients = rows
        .split('{')
        .skip(1)
        .filter_map(|row| recipient(row.split('}').next()?))
        .take(REPORT_RECIPIENTS_MAX)
        .collect();
    Some(Report { kind, original_message_id: None, recipients, embedded_ids: Vec::new() })
}

fn recipient(row: &str) -> Option<ReportRecipient> {
    let value = |name: &str| {
        let (_, rest) = row.split_once(&format!("\"{name}\""))?;
        let (_, value) = rest.split_once('"')?;
        value.split('"').next().map(text::header)
    };
    let said = value("diagnosticCode").map(|d| d.split_once(';').map_or(d.clone(), |(_, rest)| rest.trim().to_owned()));
    let found = status(value("status").as_deref(), said.as_deref().unwrap_or_default());
    Some(ReportRecipient {
        recipient: Some(value("emailAddress")?),
        action: value("action").and_then(|a| Action::from_word(&a)).unwrap_or(Action::Failed),
        reason: reason(said.as_deref().unwrap_or_default(), found.as_deref()),
        status: found,
        diagnostic: said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::report::Reason;

    #[test]
    fn recipients_of_a_notification() {
        let words = "{\"notificationType\":\"Bounce\",\"bounce\":{\"bounceType\":\"Permanent\",\"bouncedRecipients\":\
            [{\"emailAddress\":\"jane@mail.example\",\"action\":\"failed\",\"status\":\"5.2.2\",\"diagnosticCode\":\"smtp; 552 5.2.2 over quota\"},\
            {\"emailAddress\":\"joe@mail.example\"}],\"timestamp\":\"2026-11-25T00:00:00Z\"!\n }\n-- \nunsubscribe";
        let report = read(words).unwrap_or_else(|| panic!("no report"));
        let rows: Vec<_> =
            report.recipients.iter().map(|r| (r.recipient.as_deref(), r.status.as_deref(), r.reason)).collect();
        assert_eq!(
            rows,
            [
                (Some("jane@mail.example"), Some("5.2.2"), Reason::MailboxFull),
                (Some("joe@mail.example"), None, Reason::Other)
            ]
        );
        assert_eq!(report.recipients.first().and_then(|r| r.diagnostic.as_deref()), Some("552 5.2.2 over quota"));
        assert_eq!(read("{\"notificationType\":\"Delivery\"}"), None);
        assert_eq!(read("Look: {\"notificationType\":\"Bounce\"}"), None);
    }
}
