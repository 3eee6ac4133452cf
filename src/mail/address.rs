//! Addresses: addr-spec, display name, sub-address.

/// An addr-spec (RFC 5322 section 3.4.1). The local part is kept as written, the domain as a lower-case A-label (R21).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// A display name with its address. The name is cleaned text; empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Cleaned display name; may be empty.
    pub name: String,
    /// The address.
    pub address: Address,
}
