//! Why a delivery failed, out of what servers say.
//!
//! Decides   the enhanced status and the reason, by the remote server's words first, by codes second.
//! Follows   RFC 3463 section 3, RFC 5321 section 4.2, the words of real servers in many languages.

use super::Reason;

/// Words for each reason, in lower case. The first list that has one of the words decides.
const WORDS: [(Reason, &[&str]); 12] = [
    (
        Reason::Rejected,
        &[
            "my name was rejected",
            "but sender was rejected",
            "refused to talk to me",
            "relay quota",
            "sending quota",
            "sending limit",
            "daily quota",
            "hourly quota",
            "message rate",
        ],
    ),
    (
        // the system that should have taken it is broken
        Reason::Other,
        &[
            "mailer error",
            "system error",
            "disk space",
            "queue file write error",
            "ldap server",
            "no space left",
            "input/output error",
            "configuration error",
            "rejected: on hold",
        ],
    ),
    (
        Reason::UserUnknown,
        &[
            "account is blocked",
            "mailbox is frozen",
            "has been disabled",
            "recipient address rejected: access denied",
            "recipient address rejected: user",
            "recipient address rejected.",
        ],
    ),
    (
        Reason::Expired,
        &[
            "lost connection",
            "connection timed out",
            "operation timed out",
            "for a long time",
            "host not reachable",
            "socket error",
            "requests to connect",
        ],
    ),
    (
        Reason::MailboxFull,
        &[
            "mailbox full",
            "mailbox is full",
            "mailbox has reached",
            "mailbox too full",
            "mailbox size",
            "mailbox exceed",
            "mailbox storage",
            "inbox is full",
            "inbox full",
            "over quota",
            "overquota",
            "over the quota",
            "quota exceed",
            "exceeded quota",
            "exceeds quota",
            "exceeding quota",
            "exceeded the quota",
            "exceeded your quota",
            "out of quota",
            "exceeded storage",
            "storage allocation",
            "out of storage",
            "account is full",
            "full mailbox",
            "mailfolder is full",
            "too much mail data",
            "quota full",
            "too many messages on",
            "quota violation",
            "user is over",
            "their mailbox is full",
            "exceed the quota",
            "一杯",
            "quota_exceeded",
            "quotaexceeded",
            "disk space limit",
            "boîte pleine",
            "postfach ist voll",
            "buzón lleno",
            "casella piena",
            "not enough storage",
            "insufficient storage",
            "mailbox would exceed",
            "exceeded his",
            "quota",
        ],
    ),
    (
        Reason::TooBig,
        &[
            "message too large",
            "message is too large",
            "message size",
            "too big",
            "line limit",
            "size limit",
            "maximum size",
            "message length exceeds",
            "larger than",
            "exceeds the maximum",
            "exceeds maximum",
            "exceeded maximum",
            "message too long",
            "max message",
            "exceeds size",
        ],
    ),
    (
        Reason::Rejected,
        &[
            " spf",
            "dkim",
            "dmarc",
            "spam",
            "blacklist",
            "block list",
            "blocklist",
            "blocked",
            "dnsbl",
            "rbl",
            "reverse dns",
            "reverse lookup",
            "ptr record",
            "rdns",
            "virus",
            "sender address",
            "relaying",
            "relay access",
            "not permitted to relay",
            "unable to relay",
            "cannot relay",
            "relay denied",
            "relay not",
            "for policy",
            "policy reason",
            "security polic",
            "reputation",
            "unsolicited",
            "rate that",
            "too many recipients this hour",
            "not allowed",
            "authenticat",
            "malware",
            "not permitted to post",
            "permission to post",
            "without a valid sender",
            "helo",
            "ehlo",
            "banned",
            "have permission",
            "権限",
            "oprávnění",
            "permisos",
            "autorisé à",
            "дозволу",
            "разрешени",
            "berechtigung",
            "toestemming",
            "autorizzazion",
            "permissão",
            "uprawnie",
            "behörighet",
            "tillatelse",
            "tilladelse",
            "권한",
            "权限",
            "too many recipients",
            "too many connections",
            "frequency limited",
            "rate limit",
            "not have permission",
            "client host",
            "your ip",
            "ip address",
            "turn on smtp auth",
            "duplicate header",
            "message filtered",
            "not verified",
            "bad sender",
            "sender denied",
            "sender rejected",
            "sender domain",
            "domain of sender",
            "content rejected",
            "prohibited",
            "verify failed",
            "not accepting mail with",
            "mail from",
            "moderat",
            "closed group",
            "may not be able to post",
            "permissions to post",
            "rejected your message",
            "envelope sender",
            "sender verify",
        ],
    ),
    (
        Reason::HostUnknown,
        &[
            "host unknown",
            "name service error",
            "no smtp service",
            "bad destination host",
            "bad destination system",
            "unknown host",
            "host not found",
            "host name lookup",
            "no such domain",
            "no such host",
            "domain not found",
            "domain name not found",
            "name or service not known",
            "nxdomain",
            "domain does not exist",
            "domain doesn't exist",
            "illegal host",
            "does not accept mail",
            "doesn't accept mail",
            "couldn't find any host",
            "not find any host",
            "code noerror",
            "null mx",
            "nullmx",
            "invalid domain",
            "unknown domain",
            "domain is not reachable",
            "no mx",
            "non-existent domain",
            "bad domain",
            "mx record",
            "host does not accept",
            "cannot find your recipient's domain",
            "unrouteable mail domain",
            "domain isn't",
        ],
    ),
    (
        Reason::UserUnknown,
        &[
            "user unknown",
            "check if address is correct",
            "unknown user",
            "no such user",
            "does not exist",
            "doesn't exist",
            "no such mailbox",
            "no such address",
            "mailbox unavailable",
            "mailbox not found",
            "mail-box not found",
            "mailbox does not",
            "recipient not found",
            "invalid recipient",
            "unknown recipient",
            "name is not recognized",
            "not listed in",
            "unknown local",
            "no such recipient",
            "address unknown",
            "addressee unknown",
            "invalid mailbox",
            "unknown account",
            "no mailbox",
            "user not found",
            "recipient unknown",
            "invalid user",
            "disabled",
            "inactive",
            "frozen",
            "suspended",
            "deactivated",
            "discontinued",
            "account is blocked",
            "compte du destinataire",
            "unrouteable address",
            "not a registered",
            "doesn't have a",
            "does not have a",
            "is not a known",
            "unknown address",
            "temporary locked",
            "invalid final delivery",
            "no account",
            "not our customer",
            "not known at",
            "no such person",
            "user invalid",
            "mailbox address",
            "user is unknown",
            "unknown email",
            "invalid address",
            "recipient rejected",
            "could not be found",
            "couldn't be found",
            "wasn't found",
            "not a valid mailbox",
            "not a valid user",
            "no longer",
            "unknown to",
            "not exist",
            "has moved",
            "not found in",
            "no local mailbox",
            "no mail box",
            "user doesn",
            "unknown or",
            "bad address",
            "rejected recipient",
            "you have the correct",
            "undeliverable address",
            "unavailable mailbox",
            "expired account",
            "account expired",
            "locked",
            "recipient does not",
            "no recipient",
            "recipient has been",
            "not recognised",
            "not recognized",
            "no valid recipient",
        ],
    ),
    (
        Reason::Expired,
        &[
            "timed out",
            " attempts:",
            "timeout",
            "time out",
            "expired",
            "retry time",
            "queue too long",
            "too long",
            "connection refused",
            "could not connect",
            "couldn't connect",
            "unable to connect",
            "cannot connect",
            "no route to host",
            "unreachable",
            "connection lost",
            "retry timeout",
            "giving up",
            "couldn't establish",
            "could not establish",
            "connection failed",
            "connection reset",
            "network error",
            "malformed or unexpected name server",
            "hours",
            "not responding",
            "try again",
            "past ",
            "days",
        ],
    ),
    (
        Reason::Rejected,
        &[
            "access denied",
            "rejected",
            "refused",
            "denied",
            "not accepted",
            "policy",
            "violat",
            "prohibit",
            "forbidden",
            "unacceptable",
            "filter",
            "not authorized",
            "not authorised",
            "administrative",
            "relay",
            "content",
        ],
    ),
    (Reason::UserUnknown, &["550 ", "551 ", "553 ", "invalid", "unknown"]),
];

/// The list of codes without words; the one before it holds words that codes outweigh.
const LAST_RESORT: usize = 11;

/// What Postfix writes before the reason of a destination that it does not try again.
const SUSPENDED: &str = "delivery temporarily suspended:";

/// The reason by the words of a server and its status.
#[must_use]
pub fn reason(words: &str, status: Option<&str>) -> Reason {
    let lower = words.to_lowercase().replace(SUSPENDED, "");
    let found = WORDS.iter().take(LAST_RESORT).enumerate().find(|(_, (_, list))| list.iter().any(|w| lower.contains(w)));
    let weak = found.is_some_and(|(index, _)| index.saturating_add(1) == LAST_RESORT);
    let said = found.map(|(_, (reason, _))| *reason);
    let coded = status.map_or(Reason::Other, Reason::from_status);
    match (said, coded) {
        (Some(Reason::Expired), coded) if coded != Reason::Other => coded,
        // refused for good is not given up
        (Some(said), Reason::Expired) if weak && status.is_some_and(|s| s.starts_with('5')) => said,
        (Some(_), coded) if weak && coded != Reason::Other => coded,
        (Some(said), _) => said,
        (None, Reason::Other) => last_resort(&lower),
        (None, coded) => coded,
    }
}

/// An SMTP code without words.
fn last_resort(lower: &str) -> Reason {
    WORDS.iter().skip(LAST_RESORT).find(|(_, list)| list.iter().any(|w| lower.contains(w))).map_or(Reason::Other, |(r, _)| *r)
}

/// An enhanced status in a text, and whether an SMTP code stands before it.
fn statuses(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut after_code = false;
    for word in text.split(|c: char| !(c.is_ascii_digit() || c == '.')) {
        let word = word.trim_matches('.');
        if word.is_empty() {
            continue;
        }
        if is_enhanced(word) {
            found.push((word.to_owned(), after_code));
        }
        after_code = word.len() == 3 && word.starts_with(['2', '4', '5']) && !word.contains('.');
    }
    found
}

/// `5.1.1` (RFC 3463 section 2).
fn is_enhanced(word: &str) -> bool {
    let numbers: Vec<&str> = word.split('.').collect();
    numbers.len() == 3
        && matches!(numbers.first(), Some(&"2" | &"4" | &"5"))
        && numbers.iter().all(|n| !n.is_empty() && n.len() <= 3 && n.chars().all(|c| c.is_ascii_digit()))
        && numbers.get(1).is_some_and(|n| n.len() == 1)
}

/// Says nothing but that it failed.
fn is_generic(status: &str) -> bool {
    status.ends_with(".0.0")
}

/// The status that says most: what the remote server said before what our own side made of it.
#[must_use]
pub fn status(field: Option<&str>, diagnostic: &str) -> Option<String> {
    let said = statuses(diagnostic);
    let specific = |after_code: bool| {
        said.iter().rev().find(|(s, after)| !is_generic(s) && (*after || !after_code)).map(|(s, _)| s.clone())
    };
    let field = field.and_then(|f| statuses(f).first().map(|(s, _)| s.clone()));
    let told = specific(true).or_else(|| field.as_deref().is_none_or(is_generic).then(|| specific(false)).flatten());
    told.or(field).or_else(|| said.first().map(|(s, _)| s.clone()))
}
