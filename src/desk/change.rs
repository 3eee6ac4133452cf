//! What an agent's words change of a case's handling.

use super::case::{Mend, Priority};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These are its tags.
    Tags(Vec<String>),
    /// So urgent it is.
    Priority(Priority),
    /// It comes back at this time, milliseconds, or not by itself.
    Snoozed(Option<i64>),
    /// It is called so (R45).
    Subject(String),
    /// These agents get notes and mails of it beside the owner.
    Watchers(Vec<String>),
    /// What mended its threading last, and can be undone.
    Mend(Option<Mend>),
}
