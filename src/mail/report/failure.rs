//! Is it a report in words?
//!
//! Decides   whether a mail without a machine's part says that a delivery failed, and where the returned mail begins.
//! Never     takes a person's letter about failures for one: a mail system must have written it.

use super::group;
use super::reason::status;
use crate::mail::text;

/// Parts of names and addresses of mail systems, lower case.
const SYSTEMS: &[&str] = &[
    "mailer-daemon",
    "mailer daemon",
    "mailerdaemon",
    "mail-daemon",
    "postmaster",
    "post_master",
    "mail delivery",
    "maildelivery",
    "mail administrator",
    "mail-admin",
    "mailadmin",
    "system administrator",
    "mail system",
    "mailsystem",
    "delivery subsystem",
    "mail router",
    "mail-router",
    "mta ",
    "mail gateway",
    "mailgateway",
    "mdaemon",
    "mailsweeper",
    "smtp",
    "email-daemon",
];

/// Parts of subjects of failures, lower case.
const SUBJECTS: &[&str] = &[
    "undeliverable",
    "undelivered",
    "delivery status notification",
    "mail delivery",
    "mail failed",
    "mail failure",
    "delivery failure",
    "delivery fail",
    "failure delivery",
    "failed delivery",
    "failed mail",
    "failure notice",
    "returned mail",
    "returned to sender",
    "returning to sender",
    "mail system error",
    "unzustellbar",
    "nicht zustellbar",
    "nicht zugestellt",
    "delivery has failed",
    "non delivery",
    "non-delivery",
    "nondeliverable",
    "could not be delivered",
    "delivery notification",
    "delivery error",
    "delivery report",
    "warning: message",
    "warning: could not send",
    "mail error",
    "processing error",
    "メールエラー",
    "配信エラー",
    "エラー通知",
    "не доставлено",
    "недоставлен",
    "non remis",
    "non distribuable",
    "échec de la remise",
    "no se puede entregar",
    "no entregado",
    "onbestelbaar",
    "mancato recapito",
    "não entregue",
    "niedostarczon",
    "returned email",
    "message delivery",
    "退信",
    "bounced",
    "unable to deliver",
    "delivery delayed",
    "delayed mail",
    "undeliver",
    "delivery warning",
    "mail could not",
    "bounce",
];

/// What failures say in their text, lower case.
const SAYS: &[&str] = &[
    "not be delivered",
    "n't be delivered",
    "able to deliver",
    "unable to deliver",
    "delivery failed",
    "delivery has failed",
    "undeliverable",
    "undelivered",
    "permanent error",
    "did not reach",
    "delivery to the following",
    "user unknown",
    "not a valid user",
    "unknown user",
    "returned to sender",
    "error delivering",
    "failed addresses",
    "fatal errors",
    "delivery error",
    "no such user",
    "mailbox is full",
    "mailbox full",
    "rcpt to",
    "invalid user",
    "not delivered",
    "n't deliver",
    "cannot deliver",
    "could not deliver",
    "could not send",
    "was undelivered",
    "unknown host",
    "no valid recipients",
    "following address",
    "following recipient",
    "returned to you",
    "invalid final delivery",
    "bounced",
    "failed to deliver",
    "delivery problem",
    "delivery attempt",
    "disabled or discontinued",
    "is being returned",
    "送信できません",
    "宛先",
    "配信できません",
    "配送",
    "не доставлен",
    "nicht zugestellt",
    "nicht zustellbar",
    "konnte nicht",
    "not listed in",
    "rejected",
    "no encontr",
    "non è stato possibile",
    "n'a pas pu être",
    "n'est pas parvenu",
    "recipients of this message",
    "unknown recipient",
    "recipient name is not",
    "delivery notification",
    "unknown address",
    "malformed recipient",
    "mail is being returned",
    "failed permanently",
    "has been delayed",
    "unrouteable",
    "could not be reached",
    "errors",
    "sorry, i wasn't",
];

/// Lines after which the returned mail stands, lower case.
const RETURNED: &[&str] = &[
    "original message",
    "old message",
    "below this line is",
    "copy of the message",
    "message headers follow",
    "message header follows",
    "message text follows",
    "copy of your message",
    "unsent message",
    "returned message",
    "headers of the original",
    "original mail",
    "header of the original",
    "message header",
    "the header of",
    "text of your message",
    "start of your message",
    "message follows",
    "message returned",
    "returned text",
    "body of your message",
    "the following is the",
    "message details",
    "message contents",
    "non-delivered",
    "included below",
    "forwarded message",
];

/// Did a mail system write that it failed? `head` is the header as text, names in lower case.
#[must_use]
pub fn is_failure(head: &str, words: &str, returned: &str) -> bool {
    let fields = group(head);
    let get = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_lowercase());
    if get("x-failed-recipients").is_some() {
        return true;
    }
    let from = get("from").unwrap_or_default();
    let sender = text::fold(&from);
    let null = get("return-path").is_some_and(|p| p.trim() == "<>") || from.trim_end().ends_with("<>");
    let machine = sender.ends_with("<>") || SYSTEMS.iter().any(|w| sender.contains(w));
    let subject = text::header(&get("subject").unwrap_or_default()).to_lowercase();
    let called = SUBJECTS.iter().any(|w| subject.contains(w));
    let replies =
        ["auto-replied", "auto-reply"].iter().any(|w| get("auto-submitted").is_some_and(|v| v.starts_with(w)))
            && !called
            && !machine;
    // a daemon that returns a mail speaks of a failure in whatever language
    let daemon = sender.contains("mailer-daemon") && !returned.is_empty();
    if replies || !(machine || daemon || null || called) {
        return false;
    }
    let lower = words.to_lowercase();
    let says = SAYS.iter().any(|w| lower.contains(w));
    let answers = get("in-reply-to").is_some() || ["re:", "aw:", "fwd:", "fw:"].iter().any(|p| subject.starts_with(p));
    let coded =
        status(None, words).is_some() || lower.contains("550 ") || lower.contains("554 ") || lower.contains("rcpt to");
    let lists_returned = !returned.is_empty() || lower.lines().any(is_returned_line);
    let to_bounces =
        get("to").is_some_and(|to| ["-bounces@", "-bounces+", "bounce@", "bounces@"].iter().any(|w| to.contains(w)));
    (machine && (says || called))
        || daemon
        || (to_bounces && called && says)
        || (null && called)
        || (null && says && (coded || lists_returned))
        || (called && says && !answers && (coded || lists_returned))
}

/// Does the returned mail begin at this line? It is given in lower case.
pub fn is_returned_line(line: &str) -> bool {
    let line = line.trim();
    line.len() <= 120
        && (RETURNED.iter().any(|w| line.contains(w))
            && (line.ends_with([':', '-', '|', '*', '='])
                || line.ends_with("follows.")
                || line.ends_with("follow.")
                || line.starts_with("--"))
            || line.starts_with("received: ")
            || line.starts_with("return-path: "))
}
