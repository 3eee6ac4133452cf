//! What a message says.
//!
//! Decides   what an incoming mail contains (`read`), what of it is new words (`reply`), what nature it
//!           has (`nature`), what a report reports (`report`), what our own server thinks of its author
//!           (`verdict`), and how an outgoing mail looks as bytes (`render`).
//! Follows   RFC 5322, RFC 2045–2047, RFC 2231, RFC 3676, RFC 3834, RFC 3464, RFC 8601.
//! Never     fails, waits, tells the time, or knows a case. Date, ids and boundaries are given.

pub mod address;
pub mod alignment;
pub mod dkim;
pub mod edit;
pub mod forward;
pub mod html;
pub mod language;
pub mod layers;
pub mod links;
pub mod message_id;
pub mod nature;
pub mod phrases;
pub mod read;
pub mod references;
pub mod render;
pub mod reply;
pub mod report;
pub mod rewrite;
pub mod runs;
pub mod secrets;
pub mod text;
pub mod verdict;

pub use address::{Address, NameAddr};
pub use message_id::MessageId;
pub use nature::Nature;

/// The reverse-path that the last server wrote down (RFC 5321 section 4.4, `Return-Path`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnPath {
    /// `<>`: nobody wants to hear of failures; automatic mail (RFC 5321 section 4.5.5).
    Null,
    /// A real address.
    Address(Address),
}

/// One attachment or inline part, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// File name as declared, cleaned of control, bidi and path characters; empty if none was declared.
    pub name: String,
    /// Media type in lower case, `type/subtype`; `application/octet-stream` if none was declared.
    pub media_type: String,
    /// Content-ID without angle brackets, for inline images (RFC 2392).
    pub content_id: Option<String>,
    /// Shown inside the text (Content-Disposition: inline, or referred to by `cid:`).
    pub inline: bool,
    /// Decoded content.
    pub content: std::sync::Arc<[u8]>,
}

/// A mail as it was read. Total: every field has a value, whatever the bytes were.
///
/// All header text is cleaned by [`text::header`]: no control, line-break or bidi characters.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Mailboxes of all From fields, in order; more than one is a defect (RFC 5322 section 3.6.2).
    pub from: Vec<NameAddr>,
    /// What From says, addresses and all; for mail whose From holds no address.
    pub from_words: String,
    /// Sender, if given.
    pub sender: Option<NameAddr>,
    /// Reply-To addresses.
    pub reply_to: Vec<NameAddr>,
    /// To addresses, groups flattened.
    pub to: Vec<NameAddr>,
    /// Cc addresses.
    pub cc: Vec<NameAddr>,
    /// X-Original-From, for web forms (R20).
    pub original_from: Option<NameAddr>,
    /// Delivered-To, X-Original-To, Envelope-To, X-Envelope-To, in order of appearance.
    pub delivered_to: Vec<Address>,
    /// Return-Path, if the server wrote one.
    pub return_path: Option<ReturnPath>,
    /// Decoded Subject, at most 998 characters; empty if there is none.
    pub subject: String,
    /// Date field, milliseconds since 1970.
    pub date_ms: Option<i64>,
    /// Message-ID if well-formed.
    pub message_id: Option<MessageId>,
    /// Well-formed ids of In-Reply-To.
    pub in_reply_to: Vec<MessageId>,
    /// Well-formed ids of References, oldest first, at most 100 (first and last 50).
    pub references: Vec<MessageId>,
    /// Personal, automatic, a report …
    pub nature: Nature,
    /// Only words of the subject say so, no field and no structure.
    pub nature_by_words: bool,
    /// All of the decoded text: the text parts, or the HTML parts as readable text.
    pub text: String,
    /// True if `text` came from a `format=flowed` part and was unflowed (RFC 3676 section 4).
    pub flowed: bool,
    /// The HTML body, decoded, not sanitised; `None` if the mail has none.
    pub html: Option<String>,
    /// Everything that is not the body, including nested messages (as `message/rfc822`).
    pub attachments: Vec<Attachment>,
    /// Parsed delivery status, feedback or disposition report.
    pub report: Option<report::Report>,
    /// Raw values of Received, Authentication-Results, X-MS-Exchange-Organization-AuthAs and ARC fields, top first.
    pub trace: Vec<verdict::TraceField>,
    /// Tokens in X-Auto-Response-Suppress, lower case.
    pub suppress: Vec<String>,
    /// Thread-Topic (Outlook), if present.
    pub thread_topic: Option<String>,
    /// Thread-Index (Outlook), base64 as given.
    pub thread_index: Option<String>,
    /// X-Yesreply-Entry: it says that it is a copy of an entry (R94).
    pub copy_of: Option<String>,
    /// Number of Received fields.
    pub received_count: usize,
    /// SHA-256 over what the author wrote: From, To, Cc, Subject, Date, Message-ID, In-Reply-To,
    /// References and the decoded parts; trace headers apart (R13).
    pub content_hash: [u8; 32],
    /// Spam as our own server marked it (X-Spam-Flag: YES and the like).
    pub spam: bool,
    /// What whoever reads this mail must know of it: what was cut, what is signed or encrypted.
    pub remarks: Vec<String>,
    /// What was wrong with the bytes, in words.
    pub defects: Vec<String>,
}

impl Incoming {
    /// The one author: the first mailbox of the first From field, if there is one.
    pub fn author(&self) -> Option<&NameAddr> {
        self.from.first()
    }

    /// Who wrote it, as a person would say: the author, or who stands in X-Original-From where From is one of the mail's
    /// own recipients, as lists write it (R20); where From holds no address, Sender, the one Reply-To, or the bare word of
    /// From. Display name and address; nothing is decided by it.
    #[must_use]
    pub fn shown_author(&self) -> Option<(String, String)> {
        let to_itself = self.author().is_some_and(|from| self.recipients().any(|to| to.key() == from.address.key()));
        if let Some(original) = self.original_from.as_ref().filter(|_| to_itself) {
            return Some((original.name.clone(), original.address.to_string()));
        }
        let reply_to = (self.reply_to.len() == 1).then(|| self.reply_to.first()).flatten();
        if let Some(known) = self.author().or(self.sender.as_ref()).or(reply_to) {
            return Some((known.name.clone(), known.address.to_string()));
        }
        let (name, bare) = self.from_words.rsplit_once('<').unwrap_or(("", &self.from_words));
        let bare = bare.split(['>', '(']).next().unwrap_or_default().trim();
        (!bare.is_empty()).then(|| (name.trim().to_owned(), bare.to_owned()))
    }

    /// All addresses that say to whom this mail went, in the order of R10: To, Cc, then the delivery fields.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(self.cc.iter()).map(|n| &n.address).chain(self.delivered_to.iter())
    }
}
