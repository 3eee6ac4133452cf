//! What looks like a provider's notice on top of a mail, told apart by whose mail has it (R44).
//!
//! Decides   as what it is remembered: hashes, which name neither its words nor who wrote below it.

use sha2::{Digest, Sha256};

use crate::mail::Incoming;
use crate::mail::alignment::organisation;
use crate::mail::reply::notice;
use crate::store::notices::Sighting;

/// Octets of a hash that are kept.
const HASH_BYTES: usize = 16;

/// A notice, as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its words, as they compare.
    pub words: String,
    /// What is remembered of it.
    pub sighting: Sighting,
}

/// What looks like a notice on top of this mail.
pub(super) fn on_top(mailbox: &str, mail: &Incoming) -> Option<Seen> {
    let author = mail.author()?;
    let words = notice::of(&mail.text, mail.html.as_deref())?;
    let organisation = organisation(author.address.domain());
    let sighting =
        Sighting { mailbox: mailbox.to_owned(), words: hash(&[&words]), domain: hash(&[&words, organisation]) };
    Some(Seen { words, sighting })
}

fn hash(parts: &[&str]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into_iter().take(HASH_BYTES).collect()
}
