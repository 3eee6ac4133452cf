//! Addresses: addr-spec, display name, sub-address.
//!
//! Decides   what is an address, and when two are the same.
//! Follows   RFC 5322 section 3.4.1, RFC 5321 section 4.5.3.1 (lengths), RFC 6531 (UTF-8), RFC 5890 (A-labels); R21.
//! Never     compares by collation or look-alike: bytes, letter case apart.

use std::fmt;

use super::text;

/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;

/// Local parts, or their beginnings, that say that nobody reads answers.
const NO_REPLY: [&str; 14] = [
    "noreply",
    "no-reply",
    "no_reply",
    "no.reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "dontreply",
    "nepasrepondre",
    "ne-pas-repondre",
    "keineantwort",
    "nicht-antworten",
    "nao-responda",
    "niet-beantwoorden",
];

/// Local parts of machines.
const MACHINES: [&str; 7] =
    ["mailer-daemon", "postmaster", "mail-daemon", "bounce", "bounces", "mailerdaemon", "double-bounce"];

/// An addr-spec. The local part is kept as written, the domain as a lower-case A-label (R21).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads `local@domain`; `None` if it is no address that mail could go to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.trim().rsplit_once('@')?;
        let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
        let good_local = !local.is_empty()
            && local.len() <= LOCAL_BYTES_MAX
            && !local.chars().any(|c| text::is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}' | '<' | '>'))
            && (quoted
                || !local.chars().any(|c| {
                    c.is_whitespace() || matches!(c, '"' | '(' | ')' | ',' | ':' | ';' | '@' | '[' | ']' | '\\')
                }));
        if !good_local {
            return None;
        }
        Some(Address { local: local.to_owned(), domain: domain_name(domain)? })
    }

    /// `unknown@invalid`: stands for an author who gave no address (RFC 2606 section 2).
    #[must_use]
    pub fn unknown() -> Self {
        Address { local: "unknown".to_owned(), domain: "invalid".to_owned() }
    }

    /// The part before the `@`, as written.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, lower-case A-label.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The form in which customers' addresses compare: without letter case (R21).
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain)
    }

    /// The comparison for agents' addresses: bytes, ASCII letter case apart (R21).
    #[must_use]
    pub fn same_exact_agent(&self, other: &Address) -> bool {
        self.local.eq_ignore_ascii_case(&other.local) && self.domain == other.domain
    }

    /// Says that nobody reads answers.
    #[must_use]
    pub fn is_no_reply(&self) -> bool {
        let local = self.local.to_ascii_lowercase();
        NO_REPLY.iter().any(|word| local.starts_with(word) || local.ends_with(word))
    }

    /// A mail system, no person.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        let local = self.local.to_ascii_lowercase();
        let base = local.split(['+', '=']).next().unwrap_or_default();
        MACHINES.contains(&base)
            || local.starts_with("owner-")
            || local.ends_with("-request")
            || local.ends_with("-owner")
    }

    /// The registrable domain by the public suffix list; the domain itself where it has none.
    #[must_use]
    pub fn organisational_domain(&self) -> &str {
        psl::domain_str(&self.domain).unwrap_or(&self.domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

fn domain_name(domain: &str) -> Option<String> {
    let domain = domain.trim_end_matches('.');
    let ascii = if domain.is_ascii() { domain.to_ascii_lowercase() } else { idna::domain_to_ascii(domain).ok()? };
    let good = !ascii.is_empty()
        && ascii.len() <= DOMAIN_BYTES_MAX
        && ascii.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        });
    let literal = ascii.starts_with('[')
        && ascii.ends_with(']')
        && ascii.len() <= DOMAIN_BYTES_MAX
        && ascii.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '[' | ']' | '.' | ':' | 'i' | 'p' | 'v'));
    (good || literal).then_some(ascii)
}

/// A display name with its address. The name is cleaned text; empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Cleaned display name; may be empty.
    pub name: String,
    /// The address.
    pub address: Address,
}

impl NameAddr {
    /// Cleans the name.
    #[must_use]
    pub fn new(name: &str, address: Address) -> Self {
        NameAddr { name: text::header(name), address }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        Address::parse(text).map(|a| a.key())
    }

    #[test]
    fn r21_case_and_labels_fold() {
        assert_eq!(key("Jane.Doe@Mail.Example").as_deref(), Some("jane.doe@mail.example"));
        assert_eq!(key("jane@bücher.example").as_deref(), Some("jane@xn--bcher-kva.example"));
        assert_eq!(key("jöhn@mail.example").as_deref(), Some("jöhn@mail.example"));
        assert_eq!(key("\"odd name\"@mail.example").as_deref(), Some("\"odd name\"@mail.example"));
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "jane",
            "@mail.example",
            "jane@",
            "a b@mail.example",
            "a@b@",
            "a@b c",
            "<a@b>",
            "a\0@b",
            "a\u{202e}b@c",
            "\"a@b\"@c@",
        ] {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    #[test]
    fn r21_agents_compare_exactly() {
        let agent = Address::parse("agent@shop.example").unwrap_or_else(Address::unknown);
        for (other, same) in
            [("AGENT@shop.example", true), ("ágent@shop.example", false), ("аgent@shop.example", false)]
        {
            let other = Address::parse(other).unwrap_or_else(Address::unknown);
            assert_eq!(agent.same_exact_agent(&other), same, "{other}");
        }
    }

    #[test]
    fn r20_no_reply_words() {
        for (text, is) in [("noreply@x.example", true), ("shop-no-reply@x.example", true), ("jane@x.example", false)] {
            assert_eq!(Address::parse(text).map(|a| a.is_no_reply()), Some(is), "{text}");
        }
    }
}
