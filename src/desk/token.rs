//! Tokens: what stands in reply addresses, reverse-paths and Message-IDs.
//!
//! Decides   whether a token is ours, and which class, case and party it names.
//! Follows   R1, R2, R3, R14; RFC 5233 (sub-address); Crockford's base32, lower case.
//! Never     says who the author of a mail is: a token is an address, not a person.

use std::sync::Arc;

use data_encoding::{Encoding, Specification};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use crate::mail::{Address, MessageId};

use super::policy::{Mailbox, ReplyAddress};

/// Length of a token in characters: class, case (13), party (6), key id, MAC (20).
pub const TOKEN_LENGTH: usize = 41;

/// Bits of a MAC: 20 characters of 5 bits.
const MAC_LENGTH: usize = 20;
const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// Whom a token was made for (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A customer's reply address, or the id of a mail to customers.
    Customer,
    /// An agent's reply address, or the id of a mail to an agent.
    Agent,
    /// The recipient of an application's notification.
    Notification,
    /// A reverse-path: what comes back to it is a report.
    Bounce,
}

impl Class {
    fn letter(self) -> char {
        match self {
            Class::Customer => 'c',
            Class::Agent => 'a',
            Class::Notification => 'n',
            Class::Bounce => 'b',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'c' => Some(Class::Customer),
            'a' => Some(Class::Agent),
            'n' => Some(Class::Notification),
            'b' => Some(Class::Bounce),
            _ => None,
        }
    }
}

/// 64 bits that name a case for ever; not the human `ref` (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseKey(pub u64);

impl CaseKey {
    /// As the store keeps it.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        i64::from_le_bytes(self.0.to_le_bytes())
    }

    /// From the store.
    #[must_use]
    pub fn from_i64(value: i64) -> Self {
        CaseKey(u64::from_le_bytes(value.to_le_bytes()))
    }
}

/// 30 bits that name a party of a case, an agent, or one delivery (class bounce); 0 is nobody in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(pub u32);

const PARTY_MASK: u32 = 0x3fff_ffff;

impl PartyId {
    /// No party: in the ids of mail to customers (R2).
    pub const NOBODY: PartyId = PartyId(0);

    fn of(label: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(label.as_bytes());
        for part in parts {
            hash.update([0]);
            hash.update(part);
        }
        let digest = hash.finalize();
        let number = digest.iter().take(4).fold(0u32, |n, b| (n << 8) | u32::from(*b));
        PartyId((number & PARTY_MASK).max(1))
    }

    /// A customer or other outside party of a case.
    #[must_use]
    pub fn of_party(case: CaseKey, address: &Address) -> Self {
        Self::of("party", &[&case.0.to_be_bytes(), address.key().as_bytes()])
    }

    /// An agent, the same in all cases.
    #[must_use]
    pub fn of_agent(name: &str) -> Self {
        Self::of("agent", &[name.as_bytes()])
    }

    /// One delivery: a message and its recipient.
    #[must_use]
    pub fn of_delivery(message_id: &MessageId, recipient: &Address) -> Self {
        Self::of("delivery", &[message_id.as_str().as_bytes(), recipient.key().as_bytes()])
    }
}

/// Where a token stands; an id's token is no address and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The local part of an address.
    Address,
    /// The left side of a Message-ID.
    MessageId,
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// Whom it was made for.
    pub class: Class,
    /// The case.
    pub case: CaseKey,
    /// The party.
    pub party: PartyId,
}

impl Token {
    /// The door of an agent (R23): it names the agent, and no case; no case has this key, by chance 1 in 2^64.
    #[must_use]
    pub fn door(agent: &str) -> Self {
        Token { class: Class::Agent, case: CaseKey(0), party: PartyId::of_agent(agent) }
    }

    /// The token as it is minted once the tokens of its case were revoked so many times: every number is another one
    /// then, so that the old tokens name nobody. Reports still find their mail (R63).
    #[must_use]
    pub fn renewed(self, generation: i64) -> Self {
        if generation == 0 || self.class == Class::Bounce {
            return self;
        }
        let parts = [&self.case.0.to_be_bytes()[..], &generation.to_be_bytes()[..], &self.party.0.to_be_bytes()[..]];
        Token { party: PartyId::of("renewed", &parts), ..self }
    }
}

/// What was found where a token may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Ours.
    Good(Token),
    /// Shaped like a token, but the MAC is not ours, or its key is gone (R14).
    Forged,
}

/// The keys of the MAC, newest first; the newest mints, all verify.
#[derive(Clone)]
pub struct TokenKeys {
    keys: Arc<[SecretBox<[u8; 32]>]>,
}

/// Without any key nothing verifies, and nothing starts.
const NO_KEY: [u8; 32] = [0; 32];

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeys({} keys)", self.keys.len())
    }
}

impl TokenKeys {
    /// Keys, newest first.
    #[must_use]
    pub fn new(keys: Vec<[u8; 32]>) -> Self {
        TokenKeys { keys: keys.into_iter().map(|key| SecretBox::new(Box::new(key))).collect() }
    }

    fn newest(&self) -> &[u8; 32] {
        self.keys.first().map_or(&NO_KEY, |key| key.expose_secret())
    }

    /// The key of the case that this event opens (R1): a retry and a restored backup give the same.
    #[must_use]
    pub fn case_key(&self, event_id: &str) -> CaseKey {
        let key = self.newest();
        let digest = hmac(key, &[b"case", event_id.as_bytes()]);
        CaseKey(digest.iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b)))
    }

    /// The token as text.
    #[must_use]
    pub fn mint(&self, place: Place, token: Token) -> String {
        let key = self.newest();
        let body = body(&token);
        let mut text = body.clone();
        text.push(key_id(key));
        text.push_str(&mac(key, place, &body));
        text
    }

    /// Reads a token; `None` if the text is not shaped like one. Any letter case; Crockford's look-alikes forgiven.
    #[must_use]
    pub fn read(&self, place: Place, text: &str) -> Option<Found> {
        if text.len() != TOKEN_LENGTH || !text.is_ascii() {
            return None;
        }
        let text = text.to_ascii_lowercase();
        let mut letters = text.chars();
        let class = Class::from_letter(letters.next()?)?;
        let digits: String = letters
            .map(|c| match c {
                'i' | 'l' => '1',
                'o' => '0',
                other => other,
            })
            .collect();
        if !digits.chars().all(|c| ALPHABET.contains(c)) {
            return None;
        }
        let (case, rest) = digits.split_at_checked(13)?;
        let (party, rest) = rest.split_at_checked(6)?;
        let (id, given) = rest.split_at_checked(1)?;
        let (Some(case), Some(party)) = (number(case), number(party)) else {
            return Some(Found::Forged);
        };
        let (Ok(case), Ok(party)) = (u64::try_from(case), u32::try_from(party)) else {
            return Some(Found::Forged);
        };
        let token = Token { class, case: CaseKey(case), party: PartyId(party) };
        let body = body(&token);
        let good = self
            .keys
            .iter()
            .map(|key| key.expose_secret())
            .filter(|key| id.starts_with(key_id(key)))
            .any(|key| same(&mac(key, place, &body), given));
        Some(if good { Found::Good(token) } else { Found::Forged })
    }

    /// A token in the local part of an address of ours: the last piece of 41 characters.
    #[must_use]
    pub fn read_address(&self, address: &Address, mailboxes: &[&Mailbox]) -> Option<Found> {
        let local = address.local();
        mailboxes.iter().find_map(|mailbox| {
            let ReplyAddress::Pattern { prefix, suffix, domain } = &mailbox.reply_address else {
                return None;
            };
            if address.domain() != domain {
                return None;
            }
            let (head, rest) = local.split_at_checked(prefix.len())?;
            if !head.eq_ignore_ascii_case(prefix) {
                return None;
            }
            let (token, tail) = rest.split_at_checked(TOKEN_LENGTH)?;
            if !tail.eq_ignore_ascii_case(suffix) {
                return None;
            }
            self.read(Place::Address, token)
        })
    }

    /// A token in a Message-ID: what stands before the first dot.
    #[must_use]
    pub fn read_message_id(&self, id: &MessageId) -> Option<Found> {
        let (token, _) = id.left().split_once('.')?;
        self.read(Place::MessageId, token)
    }

    /// A MAC over these parts under each key, newest first: 20 characters.
    pub(super) fn seals<'a>(&'a self, parts: &'a [&'a [u8]]) -> impl Iterator<Item = String> + 'a {
        self.keys.iter().map(move |key| {
            let mut text = base32(hmac(key.expose_secret(), parts).get(..13).unwrap_or_default());
            text.truncate(MAC_LENGTH);
            text
        })
    }

    /// 16 characters that follow from the event, the number of the mail, and nothing else.
    #[must_use]
    pub fn unique(&self, event_id: &str, index: usize) -> String {
        let key = self.newest();
        let digest = hmac(key, &[b"id", event_id.as_bytes(), index.to_string().as_bytes()]);
        base32(digest.get(..10).unwrap_or_default())
    }
}

/// The address that a recipient answers to; the mailbox's own in the plain form (R4).
#[must_use]
pub fn reply_address(keys: &TokenKeys, mailbox: &Mailbox, token: Token) -> Address {
    match &mailbox.reply_address {
        ReplyAddress::Plain => mailbox.address.clone(),
        ReplyAddress::Pattern { prefix, suffix, domain } => {
            let token = keys.mint(Place::Address, token);
            Address::parse(&format!("{prefix}{token}{suffix}@{domain}")).unwrap_or_else(|| mailbox.address.clone())
        }
    }
}

/// A Message-ID of ours: token, dot, unique part, at the mailbox's domain.
#[must_use]
pub fn message_id(keys: &TokenKeys, mailbox: &Mailbox, token: Token, unique: &str) -> MessageId {
    let left = format!("{}.{unique}", keys.mint(Place::MessageId, token));
    MessageId::from_parts(&left, mailbox.address.domain())
}

/// The stable id of one side of a case (R3): in References of every mail, minted once and for ever.
#[must_use]
pub fn stable_id(keys: &TokenKeys, mailbox: &Mailbox, token: Token) -> MessageId {
    message_id(keys, mailbox, token, "case")
}

fn body(token: &Token) -> String {
    let mut text = String::with_capacity(20);
    text.push(token.class.letter());
    text.push_str(&digits(u128::from(token.case.0), 13));
    text.push_str(&digits(u128::from(token.party.0 & PARTY_MASK), 6));
    text
}

fn digits(mut value: u128, width: usize) -> String {
    let alphabet: Vec<char> = ALPHABET.chars().collect();
    let mut out = Vec::with_capacity(width);
    for _ in 0..width {
        let digit = usize::try_from(value % 32).unwrap_or_default();
        out.push(alphabet.get(digit).copied().unwrap_or('0'));
        value /= 32;
    }
    out.iter().rev().collect()
}

fn number(text: &str) -> Option<u128> {
    text.chars().try_fold(0u128, |n, c| {
        let digit = ALPHABET.find(c)?;
        n.checked_mul(32)?.checked_add(u128::try_from(digit).ok()?)
    })
}

fn key_id(key: &[u8; 32]) -> char {
    let digest = hmac(key, &[b"key id"]);
    let index = usize::from(digest.first().copied().unwrap_or_default() % 32);
    ALPHABET.chars().nth(index).unwrap_or('0')
}

fn mac(key: &[u8; 32], place: Place, body: &str) -> String {
    let place: &[u8] = match place {
        Place::Address => b"address",
        Place::MessageId => b"message-id",
    };
    let digest = hmac(key, &[place, body.as_bytes()]);
    let mut text = base32(digest.get(..13).unwrap_or_default());
    text.truncate(MAC_LENGTH);
    text
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    for part in parts {
        mac.update(part);
        mac.update(&[0]);
    }
    mac.finalize().into_bytes().to_vec()
}

fn base32(bytes: &[u8]) -> String {
    let mut specification = Specification::new();
    specification.symbols.push_str(ALPHABET);
    specification.encoding().map_or_else(|_| String::new(), |encoding: Encoding| encoding.encode(bytes))
}

/// Constant-time comparison.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0u8, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::new(vec![[7; 32]])
    }

    fn token() -> Token {
        Token { class: Class::Agent, case: CaseKey(u64::MAX), party: PartyId::of_agent("anna") }
    }

    #[test]
    fn r1_a_token_survives_capitals_and_look_alikes() {
        let text = keys().mint(Place::Address, token());
        assert_eq!(text.len(), TOKEN_LENGTH);
        assert_eq!(keys().read(Place::Address, &text.to_uppercase()), Some(Found::Good(token())));
        let muddled = text.replace('0', "O").replace('1', "l");
        assert_eq!(keys().read(Place::Address, &muddled), Some(Found::Good(token())));
    }

    #[test]
    fn r14_every_changed_character_is_found_out() {
        let text = keys().mint(Place::Address, token());
        for index in 1..text.len() {
            let mut bytes = text.clone().into_bytes();
            if let Some(byte) = bytes.get_mut(index) {
                *byte = if *byte == b'2' { b'3' } else { b'2' };
            }
            let changed = String::from_utf8(bytes).unwrap_or_default();
            assert_eq!(keys().read(Place::Address, &changed), Some(Found::Forged), "{index}");
        }
    }

    #[test]
    fn an_ids_token_is_no_address() {
        let text = keys().mint(Place::MessageId, token());
        assert_eq!(keys().read(Place::Address, &text), Some(Found::Forged));
    }

    #[test]
    fn old_keys_verify_until_they_are_removed() {
        let text = keys().mint(Place::Address, token());
        let rotated = TokenKeys::new(vec![[8; 32], [7; 32]]);
        assert_eq!(rotated.read(Place::Address, &text), Some(Found::Good(token())));
        let gone = TokenKeys::new(vec![[8; 32]]);
        assert_eq!(gone.read(Place::Address, &text), Some(Found::Forged));
    }

    #[test]
    fn r1_the_case_key_follows_from_the_event() {
        assert_eq!(keys().case_key("imap/a/INBOX/1/1"), keys().case_key("imap/a/INBOX/1/1"));
        assert_ne!(keys().case_key("imap/a/INBOX/1/1"), keys().case_key("imap/a/INBOX/1/2"));
    }
}
