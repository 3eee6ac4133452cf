//! Message-IDs: `<left@right>` (RFC 5322 section 3.6.4).

/// A well-formed Message-ID with its angle brackets, at most 998 octets, no white space inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);
