//! What a relay's refusal means (R61), and when to try again: pure.

use std::time::Duration;

/// A negative reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits (RFC 5321 section 4.2).
    pub code: u16,
    /// All of its text, one line.
    pub text: String,
}

impl Reply {
    /// The enhanced status (RFC 3463) at the start of the text, or the plain class.
    #[must_use]
    pub fn status(&self) -> String {
        let first = self.text.split_whitespace().next().unwrap_or_default();
        let numbers: Vec<&str> = first.split('.').collect();
        let class = self.code / 100;
        let good = matches!(numbers.as_slice(), [c, s, d] if *c == class.to_string()
            && [s, d].iter().all(|n| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit())));
        if good { first.to_owned() } else { format!("{class}.0.0") }
    }

    /// For the store and for people.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} {}", self.code, self.text).trim_end().to_owned()
    }
}

/// At which verb a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Greeting, EHLO.
    Hello,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, before the mail.
    Data,
    /// The final dot.
    Dot,
}

impl Verb {
    /// As people write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verb::Hello => "the greeting",
            Verb::Auth => "AUTH",
            Verb::Mail => "MAIL FROM",
            Verb::Rcpt => "RCPT TO",
            Verb::Data => "DATA",
            Verb::Dot => "the final dot",
        }
    }
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// About this recipient or this mail: final.
    Final,
    /// About us: nothing can be sent until somebody mends it.
    Account,
    /// Later.
    Temporary,
}

/// Who speaks, so that words about us are known.
#[derive(Debug, Clone, Copy)]
pub struct Ourselves<'a> {
    /// The mailbox's address.
    pub address: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// Whom the mail is for.
    pub recipient: &'a str,
}

/// R61.
#[must_use]
pub fn meaning(verb: Verb, reply: &Reply, ourselves: Ourselves<'_>) -> Meaning {
    if reply.code < 500 {
        return Meaning::Temporary;
    }
    let status = reply.status();
    if matches!(verb, Verb::Hello | Verb::Auth) || matches!(reply.code, 530 | 534 | 535 | 538) || is_about_us(&status) {
        return Meaning::Account;
    }
    // 5.3.4 and 5.2.3: the mail is too large, which servers say as early as MAIL FROM (RFC 1870 section 6)
    let about_mail = reply.code == 552 || matches!(status.as_str(), "5.3.4" | "5.2.3") || status.starts_with("5.6.");
    if verb == Verb::Mail && !about_mail {
        return Meaning::Account;
    }
    let about_recipient = status.starts_with("5.1.") || status.starts_with("5.2.");
    let text = reply.text.to_ascii_lowercase().replace(&ourselves.recipient.to_ascii_lowercase(), "");
    let names_us = text.contains(&ourselves.address.to_ascii_lowercase())
        || (!about_recipient && !is_ours(ourselves) && text.contains(&ourselves.domain.to_ascii_lowercase()));
    if names_us && !about_mail { Meaning::Account } else { Meaning::Final }
}

/// A recipient of our own domain: then a text that names the domain means them.
fn is_ours(ourselves: Ourselves<'_>) -> bool {
    ourselves.recipient.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(ourselves.domain))
}

fn is_about_us(status: &str) -> bool {
    let numbers: Vec<u16> = status.split('.').filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [5, 4, 5] | [5, 7, 60] | [5, 2, 252] | [5, 1, 8] | [5, 7, 26] | [5, 7, 8] | [5, 7, 9] => true,
        [5, 7, detail] => (500..600).contains(detail) || (700..800).contains(detail),
        _ => false,
    }
}

/// How long a mail is tried, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// In all.
    pub retry_for: Duration,
    /// First wait.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
}

impl Schedule {
    /// The wait after the given number of attempts: doubling, with up to a fifth less by `draw` (0 to 999).
    #[must_use]
    pub fn wait_ms(&self, attempts: i64, draw: u64) -> i64 {
        let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 30)).unwrap_or_default();
        let first = i64::try_from(self.first.as_millis()).unwrap_or(i64::MAX);
        let longest = i64::try_from(self.longest.as_millis()).unwrap_or(i64::MAX).max(1);
        let wait = first.saturating_mul(1i64.checked_shl(doublings).unwrap_or(i64::MAX)).clamp(1, longest);
        let less = (wait / 5).saturating_mul(i64::try_from(draw.min(999)).unwrap_or_default()) / 1000;
        wait.saturating_sub(less)
    }

    /// Is a mail that was queued then out of time?
    #[must_use]
    pub fn is_over(&self, queued_ms: i64, now_ms: i64) -> bool {
        now_ms.saturating_sub(queued_ms) >= i64::try_from(self.retry_for.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(verb: Verb, code: u16, text: &str) -> Meaning {
        let ourselves =
            Ourselves { address: "support@shop.example", domain: "shop.example", recipient: "jane@customer.example" };
        meaning(verb, &Reply { code, text: text.to_owned() }, ourselves)
    }

    #[test]
    fn r61_refusals_about_us_pause_the_account() {
        for (verb, code, text) in [
            (Verb::Auth, 535, "5.7.8 Authentication credentials invalid"),
            (Verb::Mail, 530, "5.7.0 Authentication required"),
            (Verb::Dot, 554, "5.2.252 SendAsDenied"),
            (Verb::Rcpt, 550, "5.4.5 Daily sending quota exceeded"),
            (Verb::Dot, 550, "5.7.60 Client does not have permissions to send as this sender"),
            (Verb::Dot, 550, "5.1.8 Access denied, bad outbound sender"),
            (Verb::Dot, 550, "5.7.26 This mail is unauthenticated"),
            (Verb::Dot, 550, "5.7.501 Access denied, spam abuse detected"),
            (Verb::Dot, 550, "5.7.705 Access denied, tenant has exceeded threshold"),
            (Verb::Mail, 553, "5.7.1 Sender address rejected: not owned by user"),
            (Verb::Rcpt, 553, "5.7.1 <support+b0@shop.example>: Sender address rejected"),
            (Verb::Dot, 554, "our lists hold shop.example"),
        ] {
            assert_eq!(judge(verb, code, text), Meaning::Account, "{code} {text}");
        }
    }

    #[test]
    fn r61_refusals_of_the_recipient_or_the_mail_are_final() {
        for (verb, code, text) in [
            (Verb::Rcpt, 550, "5.1.1 <jane@customer.example>: Recipient address rejected: User unknown"),
            (Verb::Rcpt, 550, "no such user"),
            (Verb::Rcpt, 550, "5.2.1 mailbox disabled"),
            (Verb::Mail, 552, "5.3.4 Message size exceeds fixed limit"),
            (Verb::Dot, 552, "5.2.3 too large"),
            (Verb::Dot, 554, "5.6.0 malformed"),
            (Verb::Dot, 550, "spam"),
        ] {
            assert_eq!(judge(verb, code, text), Meaning::Final, "{code} {text}");
        }
    }

    #[test]
    fn r61_everything_else_is_temporary() {
        for (verb, code, text) in [
            (Verb::Rcpt, 450, "4.2.0 greylisted"),
            (Verb::Auth, 454, "4.7.0 temporary authentication failure"),
            (Verb::Mail, 421, "4.3.2 shutting down"),
            (Verb::Dot, 452, "4.3.1 disk full"),
        ] {
            assert_eq!(judge(verb, code, text), Meaning::Temporary, "{code} {text}");
        }
    }

    #[test]
    fn a_colleague_of_our_own_domain_who_does_not_exist_is_no_fault_of_ours() {
        let ourselves =
            Ourselves { address: "support@shop.example", domain: "shop.example", recipient: "bob@shop.example" };
        let reply = Reply { code: 550, text: "<bob@shop.example>: user unknown in shop.example".to_owned() };
        assert_eq!(meaning(Verb::Rcpt, &reply, ourselves), Meaning::Final);
    }

    #[test]
    fn enhanced_status_is_taken_where_it_fits_the_code() {
        let status = |code, text: &str| Reply { code, text: text.to_owned() }.status();
        assert_eq!(status(550, "5.1.1 unknown"), "5.1.1");
        assert_eq!(status(550, "unknown"), "5.0.0");
        assert_eq!(status(550, "4.1.1 odd"), "5.0.0");
        assert_eq!(status(450, "4.2.0"), "4.2.0");
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let schedule = Schedule {
            retry_for: Duration::from_secs(100),
            first: Duration::from_secs(60),
            longest: Duration::from_secs(300),
        };
        assert_eq!([1, 2, 3, 4, 99].map(|n| schedule.wait_ms(n, 0)), [60_000, 120_000, 240_000, 300_000, 300_000]);
        assert_eq!(schedule.wait_ms(1, 999), 60_000 - 11_988);
        assert!(schedule.is_over(0, 100_000) && !schedule.is_over(1, 100_000));
    }
}
